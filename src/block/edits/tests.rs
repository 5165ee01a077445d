mod crash;
mod tables;

use std::collections::BTreeMap;

use super::*;
use crate::index::Case;
use crate::pattern::Share;
use crate::wanted::Wanted;

const NOW: Timestamp = Timestamp::from_secs(1_790_000_000);
/// No lists with patterns beside the edits.
const ALONE: Allowed = Allowed { share: Share { patterns: 0, bytes: 0 }, geo: true };

fn case() -> Case<'static> {
    Case::of_anybody(NOW)
}

fn draft(id: &str, rules: &[&str]) -> Draft {
    Draft {
        id: id.into(),
        rules: rules.iter().map(|rule| (*rule).into()).collect(),
        attributes: BTreeMap::new(),
        by: None,
    }
}

fn with(draft: Draft, attributes: &[(&str, &str)]) -> Draft {
    let attributes = attributes.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
    Draft { attributes, ..draft }
}

fn at(secs: u64) -> Timestamp {
    NOW.plus(std::time::Duration::from_secs(secs))
}

fn listed(edits: &Edits) -> Vec<String> {
    edits.list(None, 1000, &WantedEdits::default()).unwrap().blocks.iter().map(|block| block.id.to_string()).collect()
}

fn new(added: Added) -> Event {
    match added {
        Added::New(event) => event,
        Added::Same(..) => panic!("{added:?}"),
    }
}

#[test]
fn an_edit_is_in_force_pending_and_still_so_after_a_crash() {
    let folder = tempfile::tempdir().unwrap();
    let edits = Edits::open(folder.path()).unwrap();
    let event = new(edits.add(draft("r-1", &["a.example", "https://b.example/x notice=N-2"]), ALONE, NOW).unwrap());
    assert_eq!(event.rules.iter().map(|rule| &*rule.id).collect::<Vec<_>>(), ["r-1:1", "r-1:2"]);
    assert_eq!(edits.live().len(), 2);
    drop(edits);

    fs::write(folder.path().join(".new-torn"), "{").unwrap();
    assert_eq!(Edits::read(folder.path()).unwrap().len(), 2);
    let edits = Edits::open(folder.path()).unwrap();
    assert!(!folder.path().join(".new-torn").exists());
    assert_eq!(edits.pending(), std::slice::from_ref(&event));
    assert_eq!((edits.live().len(), listed(&edits)), (2, vec!["r-1:1".into(), "r-1:2".into()]));
    edits.settle(&event, None).unwrap();
    let edits = Edits::open(folder.path()).unwrap();
    assert!(edits.pending().is_empty());
    assert_eq!(edits.live().len(), 2);
}

#[test]
fn what_is_about_to_be_told_is_told_again_after_a_crash() {
    let folder = tempfile::tempdir().unwrap();
    let edits = Edits::open(folder.path()).unwrap();
    let wanted = draft("r-1", &["a.example", "b.example"]);
    let added = new(edits.add(wanted.clone(), ALONE, NOW).unwrap());
    let lifted = edits.lift("r-1:1", None, at(1)).unwrap().unwrap();
    assert_eq!((&added.receipt, &lifted.receipt), (&None, &None));
    let receipt = serde_json::json!({"list": 7, "in_force_at": "2026-11-25T00:00:00.000001Z"});
    edits.word(&added, &receipt).unwrap();

    let edits = Edits::open(folder.path()).unwrap();
    let worded = Event { receipt: Some(receipt.clone()), ..added };
    assert_eq!(edits.pending(), [worded.clone(), lifted.clone()]);
    edits.settle(&lifted, None).unwrap();
    edits.settle(&worded, Some(receipt.clone())).unwrap();
    edits.word(&worded, &receipt).unwrap();
    assert!(edits.pending().is_empty(), "what is settled is not pending again");
}

#[test]
fn the_same_again_is_the_same_and_another_under_its_id_a_conflict() {
    let folder = tempfile::tempdir().unwrap();
    let edits = Edits::open(folder.path()).unwrap();
    let first = new(edits.add(draft("r-1", &["a.example"]), ALONE, NOW).unwrap());
    let receipt = serde_json::json!({"list": 7});
    edits.settle(&first, Some(receipt.clone())).unwrap();
    let Added::Same(again, told) = edits.add(draft("r-1", &["a.example"]), ALONE, at(5)).unwrap() else { panic!() };
    assert_eq!((again.at, again.rules, told), (first.at, first.rules, Some(receipt)));
    assert!(edits.pending().is_empty(), "nothing to be told twice");
    let other = edits.add(draft("r-1", &["b.example"]), ALONE, NOW);
    assert!(matches!(other, Err(AddError::Conflict(_))));
    let other = edits.add(with(draft("r-1", &["a.example"]), &[("notice", "N-1")]), ALONE, NOW);
    assert!(matches!(other, Err(AddError::Conflict(_))));
}

#[test]
fn lifting_is_durable_told_and_forgotten() {
    let folder = tempfile::tempdir().unwrap();
    let edits = Edits::open(folder.path()).unwrap();
    let added = new(edits.add(draft("r-1", &["a.example", "b.example", "c.example"]), ALONE, NOW).unwrap());
    edits.settle(&added, None).unwrap();
    assert_eq!(edits.lift("r-2", None, NOW).unwrap(), None);
    assert_eq!(edits.lift("r-1:4", None, NOW).unwrap(), None);
    assert_eq!(edits.lift("r-1:x", None, NOW).unwrap(), None);

    let one = edits.lift("r-1:2", None, at(1)).unwrap().unwrap();
    assert_eq!((one.kind, &*one.rules[0].rule.text, one.rules.len()), (EventKind::BlockLifted, "b.example", 1));
    assert_eq!(edits.lift("r-1:2", None, at(2)).unwrap(), None);
    let edits = Edits::open(folder.path()).unwrap();
    assert_eq!(listed(&edits), ["r-1:1", "r-1:3"]);

    let rest = edits.lift("r-1", None, at(1)).unwrap().unwrap();
    assert_eq!(rest.rules.len(), 2);
    assert_ne!(rest.id, one.id, "two events of one instant");
    let edits = Edits::open(folder.path()).unwrap();
    assert_eq!((edits.live().len(), edits.pending()), (0, vec![one.clone(), rest.clone()]));
    edits.settle(&one, None).unwrap();
    edits.settle(&rest, None).unwrap();
    edits.settle(&rest, None).unwrap();
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn what_was_lifted_can_be_added_again() {
    let folder = tempfile::tempdir().unwrap();
    let edits = Edits::open(folder.path()).unwrap();
    let wanted = draft("r-1", &["a.example", "b.example"]);
    let first = new(edits.add(wanted.clone(), ALONE, NOW).unwrap());
    edits.lift("r-1:1", None, at(1)).unwrap();
    let again = new(edits.add(wanted.clone(), ALONE, at(2)).unwrap());
    assert_ne!(again.id, first.id);
    assert_eq!((edits.live().len(), edits.pending().len()), (2, 3));
    for event in edits.pending() {
        edits.settle(&event, None).unwrap();
    }
    let lifted = edits.lift("r-1", None, at(3)).unwrap().unwrap();
    edits.settle(&lifted, None).unwrap();
    new(edits.add(wanted, ALONE, at(4)).unwrap());
}

#[test]
fn attributes_of_the_edit_go_to_every_rule() {
    let wanted = with(
        draft("r-1", &["a.example  # a comment", "https://b.example/ until=2030-01-01"]),
        &[("notice", "N \"1\" \\"), ("status", "410")],
    );
    let rules = wanted.read().unwrap();
    for rule in &rules {
        assert_eq!(rule.attributes.notice.as_deref(), Some("N \"1\" \\"));
        assert_eq!(rule.attributes.status, terms::BlockStatus::Gone);
    }
    assert_eq!(rules[1].attributes.until, Timestamp::parse("2030-01-01"));
    let twice = with(draft("r-1", &["a.example", "b.example notice=N-2"]), &[("notice", "N-1")]);
    assert!(matches!(twice.read(), Err(DraftError::Rule { number: 2, .. })));
    let injected = with(draft("r-1", &["a.example"]), &[("notice", "N-1\nb.example")]);
    assert!(injected.read().is_err());
}

#[test]
fn what_is_no_edit_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let edits = Edits::open(folder.path()).unwrap();
    for id in ["", ".a", "a/b", "a:1", "ä", &"x".repeat(65)] {
        let refused = edits.add(draft(id, &["a.example"]), ALONE, NOW);
        assert!(matches!(refused, Err(AddError::Draft(DraftError::Id(_)))), "{id}");
    }
    assert!(edits.add(draft("r-1", &[]), ALONE, NOW).is_err());
    assert!(edits.add(draft("r-1", &["a.example", "not a rule"]), ALONE, NOW).is_err());
    assert!(edits.add(draft("r-1", &vec!["a.example"; MAX_RULES + 1]), ALONE, NOW).is_err());
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn a_damaged_file_is_named_and_not_passed_by() {
    let folder = tempfile::tempdir().unwrap();
    Edits::open(folder.path()).unwrap().add(draft("r-1", &["a.example"]), ALONE, NOW).unwrap();
    let file = folder.path().join("r-1.json");
    let good = fs::read(&file).unwrap();
    for length in 0..good.len() {
        fs::write(&file, &good[..length]).unwrap();
        let error = Edits::open(folder.path()).err().unwrap().to_string();
        assert!(error.contains("r-1.json: not a live edit"), "{error}");
    }
    fs::write(&file, &good).unwrap();
    fs::rename(&file, folder.path().join("r-2.json")).unwrap();
    assert!(Edits::read(folder.path()).is_err());
    fs::rename(folder.path().join("r-2.json"), folder.path().join("r-1.json~")).unwrap();
    assert!(Edits::read(folder.path()).is_err());
}

#[test]
fn pages_join_without_gap_or_repetition_even_if_the_last_rule_is_lifted() {
    let folder = tempfile::tempdir().unwrap();
    let edits = Edits::open(folder.path()).unwrap();
    edits.add(draft("b", &["b1.example", "b2.example", "b3.example"]), ALONE, NOW).unwrap();
    edits.add(draft("a", &["a1.example"]), ALONE, NOW).unwrap();
    edits.add(draft("z", &["z1.example"]), ALONE, at(1)).unwrap();
    let all = ["a:1", "b:1", "b:2", "b:3", "z:1"];
    assert_eq!(listed(&edits), all);
    for limit in 1..6 {
        let (mut seen, mut next) = (Vec::new(), None);
        loop {
            let page = edits.list(next.as_deref(), limit, &WantedEdits::default()).unwrap();
            seen.extend(page.blocks.iter().map(|block| block.id.to_string()));
            next = page.next;
            if next.is_none() {
                break;
            }
        }
        assert_eq!(seen, all, "{limit}");
    }
    let page = edits.list(None, 2, &WantedEdits::default()).unwrap();
    edits.lift("b", None, at(2)).unwrap();
    let rest = edits.list(page.next.as_deref(), 10, &WantedEdits::default()).unwrap();
    assert_eq!(rest.blocks.iter().map(|block| &*block.id).collect::<Vec<_>>(), ["z:1"]);
    assert_eq!(rest.next, None);
    assert!(edits.list(Some("nonsense"), 10, &WantedEdits::default()).is_err());
}

#[test]
fn a_ruling_names_the_rule_of_the_edit() {
    let folder = tempfile::tempdir().unwrap();
    let edits = Edits::open(folder.path()).unwrap();
    edits.add(draft("r-1", &["a.example", "https://b.example/x"]), ALONE, NOW).unwrap();
    edits.lift("r-1:1", None, NOW).unwrap();
    let index = crate::Index::new(1, edits.live(), Vec::new());
    let url = |text: &str| terms::Url::parse(text).unwrap();
    let ruling = index.judge(&url("https://b.example/x"), case()).unwrap();
    assert_eq!(ruling.origin, terms::ruling::RuleOrigin::Edit { id: Arc::from("r-1:2") });
    assert_eq!(index.judge(&url("https://a.example/"), case()), None);
}

#[test]
fn a_hundred_thousand_rules_are_one_edit() {
    let folder = tempfile::tempdir().unwrap();
    let edits = Edits::open(folder.path()).unwrap();
    let rules: Vec<String> = (0..MAX_RULES).map(|n| format!("https://h{n}.example/a")).collect();
    let rules: Vec<&str> = rules.iter().map(String::as_str).collect();
    let many = draft("many", &rules);
    let added = new(edits.add(many.clone(), ALONE, NOW).unwrap());
    assert_eq!(added.rules.len(), MAX_RULES);
    let receipt = serde_json::json!({"list": 7, "rules": rules});
    edits.word(&added, &receipt).unwrap();
    edits.settle(&added, Some(receipt.clone())).unwrap();
    edits.add(draft("one", &["a.example"]), ALONE, at(1)).unwrap();
    assert_eq!(edits.live().len(), MAX_RULES + 1);
    let file: serde_json::Value = serde_json::from_slice(&fs::read(folder.path().join("many.json")).unwrap()).unwrap();
    assert_eq!((&file["draft"], &file["receipt"]), (&serde_json::json!(many), &receipt));
    let again = Edits::open(folder.path()).unwrap().add(many, ALONE, at(2)).unwrap();
    assert!(matches!(again, Added::Same(event, Some(told)) if event.rules.len() == MAX_RULES && told == receipt));
    assert_eq!(Edits::read(folder.path()).unwrap().hash(), edits.live().hash());
}

#[test]
fn who_asked_is_kept_and_an_edit_of_which_that_is_not_known_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let edits = Edits::open(folder.path()).unwrap();
    let who = Who::read("desk").unwrap();
    edits.add(Draft { by: Some(who.clone()), ..draft("a", &["a.example", "b.example"]) }, ALONE, NOW).unwrap();
    edits.lift("a:1", Some(Who::read("appeals").unwrap()), at(1)).unwrap();
    let edits = Edits::open(folder.path()).unwrap();
    let by = |events: Vec<Event>| events.into_iter().map(|event| event.by.map(|by| by.to_string())).collect::<Vec<_>>();
    assert_eq!(by(edits.pending()), [Some("desk".to_owned()), Some("appeals".to_owned())]);
    assert_eq!(edits.list(None, 10, &WantedEdits::default()).unwrap().blocks[0].by, Some(who));

    let file = folder.path().join("a.json");
    let mut stored: serde_json::Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
    stored["draft"].as_object_mut().unwrap().remove("by");
    stored["pending"]
        .as_array_mut()
        .unwrap()
        .iter_mut()
        .for_each(|event| drop(event.as_object_mut().unwrap().remove("by")));
    fs::write(&file, stored.to_string()).unwrap();
    let edits = Edits::open(folder.path()).unwrap();
    assert_eq!((edits.live().len(), by(edits.pending())), (1, vec![None, None]));
}

#[test]
fn live_rules_are_searched() {
    let folder = tempfile::tempdir().unwrap();
    let edits = Edits::open(folder.path()).unwrap();
    let by = |draft: Draft, who: &str| Draft { by: Some(Who::read(who).unwrap()), ..draft };
    let first = with(draft("a", &["https://a.example/1", "https://b.example/2"]), &[("notice", "N-1")]);
    edits.add(by(first, "Desk 2"), ALONE, NOW).unwrap();
    let second = with(draft("b", &["*.b.example notice=N-2"]), &[("reason", "Fraud")]);
    edits.add(by(second, "appeals"), ALONE, at(10)).unwrap();
    edits.add(draft("c", &["c.example"]), ALONE, at(20)).unwrap();
    let found = |wanted: WantedEdits| {
        let page = edits.list(None, 10, &wanted).unwrap();
        assert_eq!(page.next, None);
        page.blocks.iter().map(|block| block.id.to_string()).collect::<Vec<String>>().join(" ")
    };
    let of = |rules: Wanted| found(WantedEdits { rules, ..WantedEdits::default() });
    let some = |text: &str| Some(text.to_owned());
    assert_eq!(of(Wanted { text: some("FRAUD"), ..Wanted::default() }), "b:1");
    assert_eq!(of(Wanted { notice: some("N-1"), ..Wanted::default() }), "a:1 a:2");
    assert_eq!(of(Wanted { host: Some("b.example".into()), ..Wanted::default() }), "a:2 b:1");
    assert_eq!(of(Wanted { ids: Some(["c:1".into()].into()), ..Wanted::default() }), "c:1");
    assert_eq!(found(WantedEdits { by: some("desk"), ..WantedEdits::default() }), "a:1 a:2");
    assert_eq!(found(WantedEdits { since: Some(at(10)), ..WantedEdits::default() }), "b:1 c:1");

    let many: Vec<String> = (0..50_000).map(|n| format!("h{n}.example")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    edits.add(draft("many", &many), ALONE, at(30)).unwrap();
    let wanted = Wanted { text: some("h49999."), ..Wanted::default() };
    let (mut next, mut pages, mut ids) = (None, 0, Vec::new());
    loop {
        let wanted = WantedEdits { rules: wanted.clone(), ..WantedEdits::default() };
        let page = edits.list(next.as_deref(), 10, &wanted).unwrap();
        ids.extend(page.blocks.iter().map(|block| block.id.to_string()));
        (next, pages) = (page.next, pages + 1);
        if next.is_none() {
            break;
        }
    }
    assert_eq!((ids, pages), (vec!["many:50000".to_owned()], 3), "each looks at some only");
    let ids = ["many:50000".into(), "c:1".into(), "many:7".into(), "many:50001".into(), "gone:1".into()];
    let these = WantedEdits { rules: Wanted { ids: Some(ids.into()), ..Wanted::default() }, ..WantedEdits::default() };
    let page = |after: Option<&str>, limit| edits.list(after, limit, &these).unwrap();
    let told = |page: &Page| page.blocks.iter().map(|block| block.id.to_string()).collect::<Vec<String>>().join(" ");
    assert_eq!(told(&page(None, 10)), "c:1 many:7 many:50000", "and at those alone that are meant");
    let first = page(None, 2);
    assert_eq!((told(&first), told(&page(first.next.as_deref(), 2))), ("c:1 many:7".into(), "many:50000".into()));
}
