//! Edits as they come and go, beside one table that is compiled of all rules in force.

use std::collections::BTreeSet;

use proptest::prelude::*;
use terms::hosts::HostPattern;
use terms::url::Spelling;
use terms::{Country, Digest, Hasher, Residence, Url};

use super::*;
use crate::index::{Explanation, Index, LiveRules, Source, Table};
use crate::kin::Kin;
use crate::list;

/// Rules that meet in the URLs below, of every kind; some name a page, a country, or a time.
const RULES: [&str; 20] = [
    "h.example",
    "*.example notice=N-1",
    "*.h.example until=2026-10-01",
    "https://h.example/a notice=N-2 page=a.html",
    "https://h.example/a?x=1 notice=N-3",
    "https://h.example/a?x=1&y=2 query=exact",
    "https://h.example/* notice=N-4 from=2026-10-02",
    "https://h.example/a/* geo=DE,FR",
    "https://kin.example/a notice=N-5",
    "https://kin.example/a/*?x=1",
    "*.kin.example page=b.html",
    "!https://h.example/a/b",
    "!https://other.example/a until=2026-10-01",
    "!*.h.example geo=US",
    r"~^https://h\.example/[a-c]$",
    r"~^https://kin\.example/A$ page=b.html",
    r"~^https://other\.example/a notice=N-6",
    "~/leak",
    "sha256:ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb notice=N-7",
    "!sha256:ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb geo=US",
];

/// Of each two, edits that name both tell the same twice.
const FILE: &str = "h.example notice=F-1\nhttps://h.example/a notice=F-2\nhttps://kin.example/a\n~/leak notice=F-3";

const URLS: [&str; 11] = [
    "h.example/a",
    "h.example/a?x=1",
    "h.example/a?x=1&y=2",
    "h.example/a/b",
    "h.example/c/d",
    "x.h.example/leak",
    "kin.example/a",
    "kin.example/A",
    "other.example/a/b?x=1",
    "www.kin.example/",
    "free.example/",
];

/// What the times of the rules lie between.
const TIMES: [Timestamp; 3] = [NOW, Timestamp::from_secs(1_790_812_800), Timestamp::from_secs(1_791_000_000)];

#[derive(Clone, Debug)]
enum Step {
    /// The number of the edit and its rules; how much later than the one before, or earlier.
    Add(u8, Vec<usize>, i8),
    Lift(u8, Option<usize>),
    Settle,
    /// Gives edits out to be joined.
    GiveOut,
    /// Joins those that were given out some steps before, or else all.
    Join,
    Reopen,
}

fn step() -> impl Strategy<Value = Step> {
    let rules = prop::collection::vec(0..RULES.len(), 1..6);
    prop_oneof![
        6 => (0..6_u8, rules, -1..3_i8).prop_map(|(id, rules, later)| Step::Add(id, rules, later)),
        // What is there already, once more.
        2 => (0..6_u8, -1..3_i8).prop_map(|(id, later)| Step::Add(id, Vec::new(), later)),
        6 => (0..6_u8, prop::option::weighted(0.8, 1..6_usize)).prop_map(|(id, rule)| Step::Lift(id, rule)),
        1 => Just(Step::Settle),
        2 => Just(Step::GiveOut),
        2 => Just(Step::Join),
        1 => Just(Step::Reopen),
    ]
}

/// An edit as the sentences say it: its rules, and which of them are lifted.
#[derive(Clone, Debug)]
struct Known {
    at: Timestamp,
    rules: Vec<usize>,
    lifted: BTreeSet<usize>,
}

impl Known {
    fn in_force(&self) -> impl Iterator<Item = (usize, &'static str)> + '_ {
        (1..).zip(&self.rules).filter(|(number, _)| !self.lifted.contains(number)).map(|(n, rule)| (n, RULES[*rule]))
    }
}

/// All that was asked for, by id.
type Model = BTreeMap<String, Known>;

/// What goes on from one step to the next.
#[derive(Default)]
struct Course {
    now: u64,
    given_out: Option<Joining>,
}

/// Takes a step, and has the model take it.
fn take(
    step: Step,
    edits: &mut Edits,
    model: &mut Model,
    (folder, bounds): (&Path, (usize, usize)),
    Course { now, given_out }: &mut Course,
) {
    match step {
        Step::Add(id, rules, later) => {
            *now = now.saturating_add_signed(later.into());
            let id = format!("e{id}");
            let rules = if rules.is_empty() { model.get(&id).map(|known| known.rules.clone()) } else { Some(rules) };
            let Some(rules) = rules else { return };
            let texts: Vec<&str> = rules.iter().map(|rule| RULES[*rule]).collect();
            let added = edits.add(draft(&id, &texts), ALONE, at(*now));
            match model.get(&id) {
                Some(known) if known.rules != rules => assert!(matches!(added, Err(AddError::Conflict(_)))),
                Some(known) if known.lifted.is_empty() => assert!(matches!(added, Ok(Added::Same(..)))),
                _ => {
                    new(added.unwrap());
                    model.insert(id, Known { at: at(*now), rules, lifted: BTreeSet::new() });
                }
            }
        }
        Step::Lift(id, rule) => {
            let id = format!("e{id}");
            let suffix = rule.map(|rule| format!(":{rule}")).unwrap_or_default();
            let lifted = edits.lift(&format!("{id}{suffix}"), None, at(*now)).unwrap();
            let Some(known) = model.get_mut(&id) else { return };
            let meant: Vec<usize> = known.in_force().map(|(n, _)| n).filter(|n| rule.is_none_or(|r| r == *n)).collect();
            assert_eq!(lifted.map(|event| event.rules.len()).unwrap_or_default(), meant.len());
            known.lifted.extend(meant);
        }
        Step::Settle => {
            edits.pending().iter().for_each(|event| edits.settle(event, None).unwrap());
            model.retain(|_, known| known.in_force().next().is_some());
        }
        Step::GiveOut => *given_out = edits.begin_join().or(given_out.take()),
        Step::Join => {
            if let Some(joining) = given_out.take().or_else(|| edits.begin_join()) {
                edits.end_join(joining.compile());
            }
        }
        Step::Reopen => {
            *given_out = None;
            *edits = Edits::open(folder).unwrap();
            edits.state.lock().bounds = bounds;
        }
    }
}

/// One table of all, under the hash that its rules have wherever they are held.
fn compiled(model: &Model) -> (Arc<Table>, Vec<String>) {
    let mut all: Vec<(&String, &Known)> = model.iter().filter(|(_, known)| known.in_force().next().is_some()).collect();
    all.sort_by_key(|(id, known)| (known.at, *id));
    let (mut hasher, mut ids, mut rules) = (Hasher::new(), Vec::new(), Vec::new());
    for (id, known) in all {
        let texts = std::iter::once(id.as_str()).chain(known.in_force().map(|(_, rule)| rule));
        let told = texts.flat_map(|text| [&(text.len() as u64).to_be_bytes(), text.as_bytes()].concat());
        let told: Vec<u8> = 0_u64.to_be_bytes().into_iter().chain(told).collect();
        hasher.update(Digest::of(&told).as_bytes());
        for (number, rule) in known.in_force() {
            ids.push(format!("{id}:{number}"));
            rules.push(list::read_rule(rule).unwrap());
        }
    }
    let source = Source::Edits { ids: ids.iter().map(|id| Arc::from(id.as_str())).collect() };
    (Arc::new(Table::compile(source, rules, hasher.finish())), ids)
}

fn kin(ignore_case: bool) -> Arc<Kin> {
    let family = ["kin.example", "other.example"].map(|host| HostPattern::Exact(host.to_owned()));
    let wild = [HostPattern::Under("wild.example".to_owned())];
    let spelling = Spelling { ignore_case, ..Spelling::default() };
    Arc::new(Kin::of_sites([(&family[..], true, &spelling), (&wild[..], true, &Spelling::default())]))
}

/// For kin there may be look-ups in vain, and of a query each table has another order.
fn told(index: &Index, url: &Url, case: Case<'_>) -> Explanation {
    let mut told = index.explain(url, case);
    let has_kin = index.kin().family(url.host()).is_some();
    told.probes.retain(|probed| !has_kin || !probed.hits.is_empty());
    for probed in &mut told.probes {
        probed.hits.sort_by_cached_key(|hit| format!("{hit:?}"));
    }
    told
}

/// All that is told of the rules together.
fn told_of_all(index: &Index) -> String {
    let live = index.live();
    let pages: BTreeSet<String> = index.tables().iter().flat_map(|table| table.pages()).collect();
    let wording: Vec<_> = live.tables().iter().flat_map(|table| table.wording()).collect();
    let boundaries = TIMES.map(|time| index.next_boundary(time));
    let large = crate::patterns_at_large(index.tables(), index.kin());
    format!(
        "{:?} {} {} {} {:?} {:?} {pages:?} {wording:?} {boundaries:?} {large:?}",
        index.hash(),
        index.rules(),
        live.len(),
        index.has_digest_rules(),
        live.share(),
        index.first_of_countries(),
    )
}

/// Both tell the same, at one of a few times to clients of some country.
fn are_alike(own: &Index, one: &Index, when: usize) {
    assert_eq!(told_of_all(own), told_of_all(one));
    let digest = Digest::of(b"a");
    let (now, country) = (TIMES[when % TIMES.len()], ["DE", "US", "JP"][when % TIMES.len()]);
    let whom = || Country::from_text(country).map_or(Residence::Elsewhere, Residence::In);
    let case = Case { now, whom: &whom };
    for url in URLS.map(|url| Url::parse(url).unwrap()) {
        assert_eq!(told(own, &url, case), told(one, &url, case));
        assert_eq!(own.judge_known(&url, &digest, case), one.judge_known(&url, &digest, case));
        let live = |index: &Index| index.live_about(&url).collect::<Vec<_>>();
        assert_eq!(live(own), live(one));
    }
    assert_eq!(own.cite_digest(&digest, case), one.cite_digest(&digest, case));
    assert_eq!(own.is_about_digest(&digest), one.is_about_digest(&digest));
}

/// So do they of rules that somebody thinks of.
fn cover_alike(own: &Index, one: &Index) {
    for rule in RULES.map(|rule| list::read_rule(rule).unwrap()) {
        for exceptions in [false, true] {
            let covering = |index: &Index| index.covering(&rule, exceptions, NOW);
            assert_eq!(covering(own), covering(one), "{}", rule.text);
        }
    }
}

/// What is listed, page by page.
fn pages(edits: &Edits) -> Vec<String> {
    let (mut ids, mut next) = (Vec::new(), None::<String>);
    loop {
        let page = edits.list(next.as_deref(), 3, &WantedEdits::default()).unwrap();
        ids.extend(page.blocks.iter().map(|block| block.id.to_string()));
        next = page.next;
        if next.is_none() {
            return ids;
        }
    }
}

/// An index of these and of a list file. What can be is taken over from `former`.
fn index(live: impl Into<LiveRules>, kin: &Arc<Kin>, former: Option<&Index>) -> Index {
    let rules = list::read(FILE.as_bytes()).unwrap();
    let file = Arc::new(Table::compile(Source::File("list.txt".into()), rules, Digest::ZERO));
    Index::with_kin(1, live, vec![file], kin.clone(), former)
}

#[test]
fn a_rule_of_any_kind_is_lifted_beside_its_like() {
    let kin = kin(true);
    for (rule, when) in (0..RULES.len()).zip(0..) {
        let folder = tempfile::tempdir().unwrap();
        let mut edits = Edits::open(folder.path()).unwrap();
        let bounds = (0, 0);
        edits.state.lock().bounds = bounds;
        let (mut model, mut course) = (Model::new(), Course::default());
        let mut own = index(edits.live(), &kin, None);
        let lifts = [2, 1, 4].map(|number| Step::Lift(0, Some(number)));
        let added = Step::Add(0, vec![rule, rule, (rule + 1) % RULES.len(), rule], 0);
        // In the end it is asked for once more, in the same instant.
        for step in [added].into_iter().chain(lifts).chain([Step::Add(0, Vec::new(), 0)]) {
            take(step, &mut edits, &mut model, (folder.path(), bounds), &mut course);
            own = index(edits.live(), &kin, Some(&own));
            let one = index(compiled(&model).0, &kin, None);
            are_alike(&own, &one, when);
            cover_alike(&own, &one);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn tables_of_edits_are_as_one_of_all_rules(
        steps in prop::collection::vec(step(), 1..20),
        bounds in (0..5_usize, 3..12_usize),
        ignore_case in any::<bool>(),
        tried in (0..6_u8, prop::option::of(1..6_usize), 0..RULES.len()),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let mut edits = Edits::open(folder.path()).unwrap();
        edits.state.lock().bounds = bounds;
        let kin = kin(ignore_case);
        let (mut model, mut course) = (Model::new(), Course { now: 100, given_out: None });
        let mut own = index(edits.live(), &kin, None);
        for (step, when) in steps.into_iter().zip(0..) {
            take(step, &mut edits, &mut model, (folder.path(), bounds), &mut course);
            prop_assert!(edits.live().tables().len() <= 2);
            own = index(edits.live(), &kin, Some(&own));
            let (one, ids) = compiled(&model);
            prop_assert_eq!(pages(&edits), ids);
            are_alike(&own, &index(one, &kin, None), when);
        }
        let one = index(compiled(&model).0, &kin, None);
        cover_alike(&own, &one);
        // Nothing comes of what is tried.
        let (id, number, more) = tried;
        let more = list::read_rule(RULES[more]).unwrap();
        let ids = vec![Arc::from("more:1")];
        let [with_own, with_one] = [&own, &one].map(|index| index.with_more(vec![more.clone()], ids.clone()));
        for url in URLS.map(|url| Url::parse(url).unwrap()) {
            prop_assert_eq!(told(&with_own, &url, case()), told(&with_one, &url, case()));
        }
        let (edit, suffix) = (format!("e{id}"), number.map(|number| format!(":{number}")).unwrap_or_default());
        if let Some(lifting) = edits.try_lift(&format!("{edit}{suffix}")) {
            let rest = own.with_live(lifting.rest);
            if let Some(known) = model.get_mut(&edit) {
                known.lifted.extend((1..=known.rules.len()).filter(|one| number.is_none_or(|number| number == *one)));
            }
            let one = index(compiled(&model).0, &kin, None);
            for url in URLS.map(|url| Url::parse(url).unwrap()) {
                prop_assert_eq!(told(&rest, &url, case()), told(&one, &url, case()));
            }
        }
    }
}

#[test]
fn an_edit_beside_many_leaves_their_table_alone() {
    let folder = tempfile::tempdir().unwrap();
    let edits = Edits::open(folder.path()).unwrap();
    edits.state.lock().bounds = (2, 10);
    let rules = |from: usize| (from..from + 20).map(|n| format!("h{n}.example")).collect::<Vec<String>>();
    let many = rules(0);
    edits.add(draft("many", &many.iter().map(String::as_str).collect::<Vec<_>>()), ALONE, NOW).unwrap();
    let older = || edits.live().tables()[0].clone();
    let first = older();
    for n in 0..5 {
        edits.add(draft(&format!("e{n}"), &[&format!("x{n}.example")]), ALONE, at(n + 1)).unwrap();
        assert!(Arc::ptr_eq(&first, &older()));
    }
    edits.lift("many:7", None, at(9)).unwrap();
    assert!(first.is_compiled_with(&older()), "what is large is shared");
    assert_eq!((first.len(), older().len(), edits.live().len()), (20, 19, 24));
    assert!(edits.end_join(edits.begin_join().unwrap().compile()).is_some() && edits.begin_join().is_none());
    assert!(!first.is_compiled_with(&older()));
    assert_eq!((edits.live().tables().len(), edits.live().len()), (1, 24));
    let all = rules(100);
    edits.add(draft("more", &all.iter().map(String::as_str).collect::<Vec<_>>()), ALONE, at(10)).unwrap();
    assert_eq!((edits.live().tables().len(), edits.live().len()), (1, 44), "many are joined at once");
    edits.lift("many", None, at(11)).unwrap();
    edits.lift("more", None, at(11)).unwrap();
    (0..5).for_each(|n| drop(edits.lift(&format!("e{n}"), None, at(11)).unwrap()));
    assert!(edits.live().is_empty() && edits.live().hash() == Digest::of(b""));
}

#[test]
fn what_changes_while_edits_are_joined_is_not_lost() {
    let folder = tempfile::tempdir().unwrap();
    let edits = Edits::open(folder.path()).unwrap();
    edits.state.lock().bounds = (1, 100);
    for n in 0..4 {
        edits.add(draft(&format!("e{n}"), &[&format!("h{n}.example"), "x.example"]), ALONE, at(n)).unwrap();
    }
    let joining = edits.begin_join().unwrap();
    edits.lift("e1:2", None, at(5)).unwrap();
    edits.lift("e2", None, at(5)).unwrap();
    edits.add(draft("late", &["late.example"]), ALONE, at(6)).unwrap();
    let live = edits.end_join(joining.compile()).unwrap();
    let lengths = live.tables().iter().map(|table| table.len()).collect::<Vec<_>>();
    assert_eq!((lengths, live.len()), (vec![5, 1], 6));
    let joining = |edits: &Edits| {
        edits.add(draft("more", &["a.example", "b.example"]), ALONE, at(7)).unwrap();
        edits.begin_join().unwrap()
    };
    // One that comes among them, or a second joining, leaves the first without use.
    let first = joining(&edits);
    edits.add(draft("early", &["early.example"]), ALONE, at(1)).unwrap();
    assert!(edits.end_join(first.compile()).is_none());
    let (first, second) = (edits.begin_join().unwrap(), edits.begin_join().unwrap());
    assert!(edits.end_join(first.compile()).is_none());
    assert_eq!(edits.end_join(second.compile()).unwrap().tables().len(), 1);
    assert_eq!(edits.live().len(), 9);
}
