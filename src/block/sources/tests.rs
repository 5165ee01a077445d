use std::fs;
use std::io::Write;

use parking_lot::Mutex;
use terms::{Clock, Digest};

use super::*;
use crate::list::{Foreign, Format};
use crate::settings::{Listed, Settings};

mod kept_tables;

/// A folder with lists, a state folder, and the sources of it; time moves by hand.
struct Bench {
    _folder: tempfile::TempDir,
    top: PathBuf,
    settings: Settings,
    start: Instant,
}

impl Bench {
    /// With `lists/` named.
    fn new() -> Bench {
        let folder = tempfile::tempdir().unwrap();
        let top = fs::canonicalize(folder.path()).unwrap();
        fs::create_dir(top.join("lists")).unwrap();
        let settings = Settings { lists: vec![top.join("lists").into()], state: top.join("state"), geo: false };
        // Looks made up, that take no time.
        Bench { _folder: folder, top, settings, start: Instant::now() + Duration::from_secs(3600) }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.top.join("lists").join(name)
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    /// As a good editor does it.
    fn replace(&self, name: &str, text: &str) -> Hint {
        self.write("new", text);
        fs::rename(self.path("new"), self.path(name)).unwrap();
        Hint::renamed(self.path(name))
    }

    fn load(&self) -> Sources {
        Sources::load(&self.settings, Clock::system().wall()).unwrap().0
    }

    /// The sources after a first run that kept its copies, loaded by a second one.
    fn restart(&self, mut sources: Sources) -> (Sources, Vec<Change>) {
        sources.look(&[], self.start, Clock::system().wall());
        sources.errands.run();
        Sources::load(&self.settings, Clock::system().wall()).unwrap()
    }

    fn look(&self, sources: &mut Sources, millis: u64, hints: &[Hint]) -> Look {
        sources.look(hints, self.start + Duration::from_millis(millis), Clock::system().wall())
    }

    /// Looks that are far enough apart for anything to settle.
    fn settle(&self, sources: &mut Sources, millis: u64) -> Vec<Change> {
        let mut changes = self.look(sources, millis, &[]).changes;
        changes.extend(self.look(sources, millis + 300, &[]).changes);
        changes
    }

    fn reload(&self, sources: &mut Sources, accept_shrink: bool) -> Vec<Change> {
        // Late enough for every file to be old.
        let later = Clock::manual(Clock::system().wall().plus(Duration::from_secs(60)));
        let mut changes =
            sources.reload(&self.settings.lists, self.settings.geo, Naming::Reload { accept_shrink }, &later);
        changes.extend(sources.let_go());
        changes
    }
}

fn hosts(count: usize) -> String {
    (0..count).map(|number| format!("h{number}.example\n")).collect()
}

fn rules(sources: &Sources) -> Vec<usize> {
    sources.tables().iter().map(|table| table.len()).collect()
}

fn troubles(sources: &Sources) -> Vec<String> {
    sources.status().iter().filter_map(|status| status.trouble.clone()).collect()
}

#[test]
fn a_rename_into_place_is_taken_at_once() {
    let bench = Bench::new();
    bench.write("a.txt", &hosts(2));
    let mut sources = bench.load();
    let hint = bench.replace("a.txt", &hosts(3));
    let look = bench.look(&mut sources, 0, &[hint]);
    assert!(matches!(look.changes[..], [Change::Applied { rules: 3, before: 2, .. }]), "{look:?}");
    assert_eq!(rules(&sources), [3]);
}

#[test]
fn without_a_hint_two_looks_have_to_agree() {
    let bench = Bench::new();
    bench.write("a.txt", &hosts(2));
    let mut sources = bench.load();
    bench.replace("a.txt", &hosts(3));
    let look = bench.look(&mut sources, 0, &[]);
    assert!(look.changes.is_empty());
    assert_eq!(look.again_in, Some(Duration::from_millis(300)));
    assert_eq!(bench.look(&mut sources, 299, &[]).again_in, Some(Duration::from_millis(1)));
    assert_eq!(rules(&sources), [2]);
    assert_eq!(bench.look(&mut sources, 300, &[]).changes.len(), 1);
    assert_eq!(rules(&sources), [3]);
}

#[test]
fn a_slow_writer_is_never_taken_half() {
    let bench = Bench::new();
    bench.write("a.txt", &hosts(8));
    let mut sources = bench.load();
    let mut file = fs::File::create(bench.path("a.txt")).unwrap();
    for step in 0..20 {
        file.write_all(format!("new{step}.example\n").as_bytes()).unwrap();
        let written = Hint::Written(bench.path("a.txt"));
        assert!(bench.look(&mut sources, step * 200, &[written]).changes.is_empty());
    }
    assert_eq!(rules(&sources), [8]);
    let closed = Hint::closed(bench.path("a.txt"));
    bench.look(&mut sources, 4000, &[closed]);
    assert_eq!(rules(&sources), [20]);
}

#[test]
fn a_close_counts_only_if_the_file_looks_whole() {
    let bench = Bench::new();
    bench.write("a.txt", &hosts(3));
    let mut sources = bench.load();
    let closed = || Hint::closed(bench.path("a.txt"));
    for (at, text) in [(0, hosts(2)), (100, format!("{}h3.example", hosts(3)))] {
        bench.write("a.txt", &text);
        assert!(bench.look(&mut sources, at, &[closed()]).changes.is_empty(), "{text}");
    }
    bench.write("a.txt", &hosts(4));
    assert_eq!(bench.look(&mut sources, 200, &[closed()]).changes.len(), 1);
    bench.write("a.txt", &hosts(5));
    let written_since = [closed(), Hint::Written(bench.path("a.txt"))];
    assert!(bench.look(&mut sources, 300, &written_since).changes.is_empty());
}

/// The hint of the second save has yet to come.
#[test]
fn a_save_behind_one_that_was_told_is_not_taken_half() {
    let bench = Bench::new();
    bench.write("a.txt", &hosts(3));
    let mut sources = bench.load();
    let renamed = bench.replace("a.txt", &hosts(4));
    bench.write("a.txt", "");
    assert!(bench.look(&mut sources, 0, &[renamed]).changes.is_empty());
    bench.write("a.txt", &hosts(4));
    let closed = Hint::closed(bench.path("a.txt"));
    bench.write("a.txt", &hosts(5));
    assert!(bench.look(&mut sources, 100, &[closed]).changes.is_empty());
    assert_eq!(rules(&sources), [3]);
    assert_eq!(bench.look(&mut sources, 400, &[]).changes.len(), 1);
    assert_eq!(rules(&sources), [5]);
}

#[test]
fn a_bad_version_leaves_the_good_one_in_force() {
    let bench = Bench::new();
    bench.write("a.txt", &hosts(3));
    let mut sources = bench.load();
    let hint = bench.replace("a.txt", "fine.example\nnot fine\n");
    let look = bench.look(&mut sources, 0, &[hint]);
    assert!(matches!(look.changes[..], [Change::Refused { .. }]));
    assert_eq!(rules(&sources), [3]);
    assert!(troubles(&sources)[0].contains("a.txt:2:"), "{:?}", troubles(&sources));
    assert!(bench.settle(&mut sources, 1000).is_empty(), "told once");

    let hint = bench.replace("a.txt", &hosts(3));
    let look = bench.look(&mut sources, 2000, &[hint]);
    assert!(matches!(look.changes[..], [Change::Restored { .. }]));
    assert!(troubles(&sources).is_empty());
}

#[test]
fn what_cannot_be_read_is_refused_and_the_former_stays() {
    let bench = Bench::new();
    bench.write("a.txt", &hosts(3));
    let mut sources = bench.load();
    fs::remove_file(bench.path("a.txt")).unwrap();
    rustix::fs::mkfifoat(rustix::fs::CWD, bench.path("a.txt"), rustix::fs::Mode::RWXU).unwrap();
    assert!(matches!(bench.settle(&mut sources, 0)[..], [Change::Refused { .. }]));
    assert_eq!(rules(&sources), [3]);
}

#[test]
fn countries_are_taken_where_clients_can_be_found_and_refused_elsewhere() {
    let mut bench = Bench::new();
    bench.write("a.txt", "a.example reason=\"no geo=DE\" geo=DE\n");
    bench.write("b.toml", "[[rule]]\ngeo = [\"DE\"]\nhost = \"b.example\"\n\n[[rule]]\nhost = \"c.example\"\n");
    let errors = Sources::load(&bench.settings, Timestamp::from_secs(0)).err().unwrap();
    let told: Vec<String> = errors.iter().map(ToString::to_string).collect();
    assert!(told[0].contains("a.txt:1:30: ") && told[0].contains("[geo]"), "{told:?}");
    assert!(told[1].contains("b.toml:2:1: "), "{told:?}");
    assert_eq!(check(&bench.settings.lists, false, |_| true).unwrap_err().len(), 2);
    assert_eq!(check(&bench.settings.lists, true, |_| true).unwrap().len(), 2);

    bench.settings.geo = true;
    let sources = bench.load();
    assert_eq!(rules(&sources), [1, 2]);
    let (sources, _) = bench.restart(sources);
    // The copies say the same, so that none of them is a last good version.
    bench.settings.geo = false;
    drop(sources);
    assert!(Sources::load(&bench.settings, Timestamp::from_secs(0)).is_err());
}

/// One that is long enough for its table to be kept, and to be used without its list being read.
#[test]
fn what_was_refused_for_its_countries_is_read_again_once_there_are_some() {
    let bench = Bench::new();
    bench.write("a.txt", "a.example\n");
    let mut sources = bench.load();
    let hint = bench.replace("a.txt", "a.example geo=DE\n");
    assert!(matches!(bench.look(&mut sources, 0, &[hint]).changes[..], [Change::Refused { .. }]));
    let later = Clock::manual(Clock::system().wall().plus(Duration::from_secs(60)));
    let changes = sources.reload(&bench.settings.lists, true, Naming::Config, &later);
    assert!(matches!(changes[..], [Change::Applied { rules: 1, .. }]), "{changes:?}");
    assert!(troubles(&sources).is_empty() && sources.tables()[0].first_of_countries().is_some());
}

#[test]
fn a_vanished_file_stays_in_force_until_reload_also_over_a_restart() {
    let bench = Bench::new();
    bench.write("a.txt", &hosts(3));
    let mut sources = bench.load();
    bench.look(&mut sources, 0, &[]);
    fs::remove_file(bench.path("a.txt")).unwrap();
    assert!(matches!(bench.settle(&mut sources, 1000)[..], [Change::Vanished { .. }]));
    assert_eq!((rules(&sources), troubles(&sources).len()), (vec![3], 1));

    let (mut sources, changes) = bench.restart(sources);
    assert!(matches!(changes[..], [Change::Vanished { .. }]));
    assert_eq!((rules(&sources), troubles(&sources).len()), (vec![3], 1));

    let changes = bench.reload(&mut sources, false);
    assert!(matches!(changes[..], [Change::Lifted { rules: 3, .. }]), "{changes:?}");
    assert_eq!((rules(&sources), troubles(&sources).len()), (vec![], 0));
    let (sources, changes) = bench.restart(sources);
    assert!(changes.is_empty() && rules(&sources).is_empty());
}

#[test]
fn a_file_that_comes_back_is_restored() {
    let bench = Bench::new();
    bench.write("a.txt", &hosts(3));
    let mut sources = bench.load();
    fs::rename(bench.path("a.txt"), bench.path("away")).unwrap();
    bench.settle(&mut sources, 0);
    fs::rename(bench.path("away"), bench.path("a.txt")).unwrap();
    let look = bench.look(&mut sources, 1000, &[Hint::renamed(bench.path("a.txt"))]);
    assert!(matches!(look.changes[..], [Change::Restored { .. }]));
}

#[test]
fn a_vanished_folder_stays_in_force_until_reload() {
    let bench = Bench::new();
    bench.write("a.txt", &hosts(3));
    let mut sources = bench.load();
    fs::rename(bench.top.join("lists"), bench.top.join("away")).unwrap();
    let changes = bench.settle(&mut sources, 0);
    assert!(changes.iter().all(|change| matches!(change, Change::Vanished { .. })) && changes.len() == 2);
    let (mut sources, _) = bench.restart(sources);
    assert_eq!((rules(&sources), troubles(&sources).len()), (vec![3], 2));
    assert_eq!(sources.folders(), BTreeSet::from([bench.top.clone()]));
    bench.reload(&mut sources, false);
    assert_eq!((rules(&sources), troubles(&sources).len()), (vec![], 0));

    fs::rename(bench.top.join("away"), bench.top.join("lists")).unwrap();
    bench.look(&mut sources, 1000, &[Hint::renamed(bench.top.join("lists"))]);
    assert_eq!(rules(&sources), [3]);
}

#[test]
fn an_emptied_file_stays_in_force_until_reload_also_over_a_restart() {
    let bench = Bench::new();
    bench.write("a.txt", &hosts(30));
    let mut sources = bench.load();
    bench.write("a.txt", "");
    assert!(matches!(bench.settle(&mut sources, 0)[..], [Change::Emptied { .. }]));
    let (mut sources, changes) = bench.restart(sources);
    assert!(matches!(changes[..], [Change::Emptied { .. }]));
    assert_eq!((rules(&sources), troubles(&sources).len()), (vec![30], 1));
    bench.reload(&mut sources, false);
    assert_eq!((rules(&sources), troubles(&sources).len()), (vec![0], 0));
}

#[test]
fn a_shrunk_file_waits_for_a_second_word_also_over_a_restart() {
    let bench = Bench::new();
    bench.write("a.txt", &hosts(100));
    let mut sources = bench.load();
    let hint = bench.replace("a.txt", &hosts(10));
    let look = bench.look(&mut sources, 0, &[hint]);
    assert!(matches!(look.changes[..], [Change::Shrunk { from: 100, to: 10, .. }]));
    assert!(matches!(bench.reload(&mut sources, false)[..], [Change::Shrunk { .. }]));
    let (mut sources, changes) = bench.restart(sources);
    assert!(matches!(changes[..], [Change::Shrunk { .. }]));
    assert_eq!((rules(&sources), troubles(&sources).len()), (vec![100], 1));
    assert!(matches!(bench.reload(&mut sources, true)[..], [Change::Applied { rules: 10, before: 100, .. }]));
    assert_eq!((rules(&sources), troubles(&sources).len()), (vec![10], 0));
}

#[test]
fn a_start_takes_the_last_good_version_of_a_bad_list_or_none() {
    let bench = Bench::new();
    bench.write("a.txt", "not fine\n");
    let errors = Sources::load(&bench.settings, Timestamp::from_secs(0)).err().unwrap();
    assert!(errors[0].to_string().contains("a.txt:1:5: "), "{}", errors[0]);

    bench.write("a.txt", &hosts(3));
    let sources = bench.load();
    let (sources, changes) = bench.restart(sources);
    assert!(changes.is_empty(), "the same as in the run before: {changes:?}");
    bench.write("a.txt", "not fine\n");
    let (sources, changes) = bench.restart(sources);
    assert!(matches!(changes[..], [Change::Refused { .. }]));
    assert_eq!((rules(&sources), troubles(&sources).len()), (vec![3], 1));
    assert!(check(&bench.settings.lists, false, |_| true).is_err(), "a check does not look at the copy");
}

#[test]
fn a_start_without_a_named_list_fails() {
    let bench = Bench::new();
    let missing =
        Settings { lists: vec![bench.path("none.txt").into(), bench.path("away").into()], ..bench.settings.clone() };
    assert_eq!(Sources::load(&missing, Timestamp::from_secs(0)).err().unwrap().len(), 2);
    assert_eq!(check(&missing.lists, false, |_| true).err().unwrap().len(), 2);
}

#[test]
fn files_decide_in_the_order_of_their_names() {
    let mut bench = Bench::new();
    fs::create_dir(bench.top.join("more")).unwrap();
    fs::write(bench.top.join("more/b.txt"), hosts(2)).unwrap();
    bench.write("c.txt", &hosts(3));
    bench.write("a.txt", &hosts(1));
    bench.settings.lists.insert(0, bench.top.join("more").into());
    assert_eq!(rules(&bench.load()), [1, 2, 3]);
    let checked: Vec<usize> =
        check(&bench.settings.lists, false, |_| true).unwrap().iter().map(|one| one.table.len()).collect();
    assert_eq!(checked, [1, 2, 3]);
}

#[test]
fn a_file_new_in_a_folder_is_a_new_list() {
    let bench = Bench::new();
    let mut sources = bench.load();
    let hint = bench.replace("b.txt", &hosts(2));
    bench.look(&mut sources, 0, &[hint]);
    assert_eq!(rules(&sources), [2]);
    bench.write("a.txt", &hosts(1));
    assert!(matches!(bench.settle(&mut sources, 1000)[..], [Change::Applied { before: 0, .. }]));
    assert_eq!(rules(&sources), [1, 2]);
    bench.write("bad.txt", "not fine\n");
    assert!(matches!(bench.settle(&mut sources, 2000)[..], [Change::Refused { .. }]));
    fs::remove_file(bench.path("bad.txt")).unwrap();
    bench.settle(&mut sources, 3000);
    assert!(troubles(&sources).is_empty(), "nothing of it was ever in force");
}

#[test]
fn what_is_no_longer_named_is_lifted() {
    let mut bench = Bench::new();
    bench.write("a.txt", &hosts(1));
    bench.write("b.txt", &hosts(2));
    let mut sources = bench.load();
    bench.settings.lists = vec![bench.path("b.txt").into()];
    let changes = bench.reload(&mut sources, false);
    assert!(matches!(&changes[..], [Change::Lifted { file, rules: 1 }] if *file == bench.path("a.txt")));
    assert_eq!(rules(&sources), [2]);
    bench.settings.lists = vec![];
    let (sources, changes) = bench.restart(sources);
    assert!(matches!(&changes[..], [Change::Lifted { rules: 2, .. }]), "{changes:?}");
    assert!(rules(&sources).is_empty());
}

#[test]
fn what_is_to_be_lifted_stays_in_force_until_it_is_let_go() {
    let mut bench = Bench::new();
    bench.write("a.txt", &hosts(1));
    bench.write("b.txt", &hosts(2));
    bench.write("c.txt", &hosts(3));
    bench.settings.lists = ["a.txt", "b.txt", "c.txt"].map(|name| bench.path(name).into()).to_vec();
    let mut sources = bench.load();
    bench.settings.lists.remove(0);
    fs::remove_file(bench.path("b.txt")).unwrap();
    let reloaded =
        sources.reload(&bench.settings.lists, false, Naming::Reload { accept_shrink: false }, &Clock::system());
    assert!(reloaded.is_empty(), "{reloaded:?}");
    assert!(bench.settle(&mut sources, 0).is_empty(), "that it is gone was the operator's will");
    assert_eq!(rules(&sources), [1, 2, 3]);
    let changes = sources.let_go();
    assert!(matches!(&changes[..], [Change::Lifted { rules: 1, .. }, Change::Lifted { rules: 2, .. }]), "{changes:?}");
    assert_eq!((rules(&sources), troubles(&sources).len()), (vec![3], 0));
    assert!(bench.settle(&mut sources, 1000).is_empty());
}

#[test]
fn a_config_that_names_others_leaves_the_rest_as_it_is() {
    let bench = Bench::new();
    bench.write("a.txt", &hosts(1));
    bench.write("b.txt", &hosts(2));
    let mut sources = bench.load();
    // Of lists named before, the operator has yet to speak: one is gone, one was emptied.
    fs::remove_file(bench.path("a.txt")).unwrap();
    bench.write("b.txt", "");
    bench.settle(&mut sources, 0);
    let other = bench.top.join("other.txt");
    fs::write(&other, hosts(3)).unwrap();
    let named = [bench.settings.lists.clone(), vec![other.clone().into()]].concat();
    let changes = sources.reload(&named, false, Naming::Config, &Clock::system());
    assert!(matches!(&changes[..], [Change::Applied { file, rules: 3, .. }] if *file == other), "{changes:?}");
    assert_eq!((rules(&sources), troubles(&sources).len()), (vec![1, 2, 3], 2));
    assert!(sources.reload(&[other.into()], false, Naming::Config, &Clock::system()).is_empty());
    let changes = sources.let_go();
    assert!(matches!(&changes[..], [Change::Lifted { .. }, Change::Lifted { .. }]), "{changes:?}");
    assert_eq!((rules(&sources), troubles(&sources).len()), (vec![3], 0));
}

#[test]
fn a_feed_is_held_to_the_most_that_it_had_over_a_restart_too() {
    let mut bench = Bench::new();
    bench.settings.lists = vec![Listed { name: Some("feed".into()), ..bench.path("a.txt").into() }];
    bench.write("a.txt", &hosts(100));
    let mut sources = bench.load();
    let hint = bench.replace("a.txt", &hosts(60));
    bench.look(&mut sources, 0, &[hint]);
    (sources, _) = bench.restart(sources);
    let hint = bench.replace("a.txt", &hosts(40));
    let look = bench.look(&mut sources, 0, &[hint]);
    assert!(matches!(look.changes[..], [Change::Shrunk { from: 100, to: 40, .. }]), "{look:?}");
    let (mut sources, changes) = bench.restart(sources);
    assert!(matches!(changes[..], [Change::Shrunk { from: 100, to: 40, .. }]), "{changes:?}");
    assert_eq!(rules(&sources), [60]);
    bench.reload(&mut sources, true);
    let hint = bench.replace("a.txt", &hosts(25));
    bench.look(&mut sources, 100, &[hint]);
    assert_eq!(rules(&sources), [25], "an operator accepted less");
}

#[test]
fn an_operator_accepts_what_a_feed_came_to_in_steps_too() {
    let mut bench = Bench::new();
    bench.settings.lists = vec![Listed { name: Some("feed".into()), ..bench.path("a.txt").into() }];
    bench.write("a.txt", &hosts(100));
    let mut sources = bench.load();
    for is_kept in [false, true] {
        let hint = bench.replace("a.txt", &hosts(100));
        bench.look(&mut sources, 0, &[hint]);
        let hint = bench.replace("a.txt", &hosts(51));
        bench.look(&mut sources, 100, &[hint]);
        if is_kept {
            sources.errands.run();
        }
        assert!(bench.reload(&mut sources, true).is_empty(), "it is in force");
        (sources, _) = bench.restart(sources);
        let hint = bench.replace("a.txt", &hosts(49));
        bench.look(&mut sources, 200, &[hint]);
        assert_eq!((rules(&sources), troubles(&sources)), (vec![49], vec![]), "{is_kept}");
    }
}

/// What is named as a list of hosts, which lies in the folder of the others.
fn hosts_file(bench: &Bench, name: &str) -> Listed {
    Listed { path: bench.path(name), name: None, foreign: Some(Arc::new(Foreign::new(Format::Hosts))) }
}

#[test]
fn a_file_is_read_in_the_format_that_is_named_for_it() {
    let mut bench = Bench::new();
    bench.write("a.txt", &hosts(2));
    bench.write("hosts.txt", "0.0.0.0 h.example\n192.0.2.1 g.example\n");
    bench.settings.lists.push(hosts_file(&bench, "hosts.txt"));
    let mut sources = bench.load();
    assert_eq!(rules(&sources), [2, 1]);
    let status = sources.status();
    assert_eq!((status[1].format, status[1].unread.count()), (Some(Format::Hosts), 1));
    // Over a restart as well, and by a check.
    (sources, _) = bench.restart(sources);
    assert_eq!((rules(&sources), sources.status()[1].unread.count()), (vec![2, 1], 1));
    assert_eq!(check(&bench.settings.lists, false, |_| true).unwrap()[1].table.len(), 1);
    // Named as ours it is none, and what was in force stays.
    bench.settings.lists.pop();
    let changes = sources.reload(&bench.settings.lists, false, Naming::Config, &Clock::system());
    assert!(matches!(changes[..], [Change::Refused { .. }]), "{changes:?}");
    assert_eq!(rules(&sources), [2, 1]);
    bench.settings.lists.push(hosts_file(&bench, "hosts.txt"));
    let changes = sources.reload(&bench.settings.lists, false, Naming::Config, &Clock::system());
    assert!(matches!(changes[..], [Change::Restored { .. }]), "{changes:?}");
}

#[test]
fn another_format_is_another_list_however_many_rules_it_has() {
    let mut bench = Bench::new();
    let text: String = (0..40).map(|number| format!("h{number}.example\n")).collect();
    bench.write("a.txt", &format!("{text}0.0.0.0 one.example\n"));
    let plain = Listed { path: bench.path("a.txt"), name: None, foreign: Some(Arc::new(Foreign::new(Format::Plain))) };
    bench.settings.lists = vec![plain];
    let mut sources = bench.load();
    assert_eq!(rules(&sources), [40]);
    bench.settings.lists = vec![hosts_file(&bench, "a.txt")];
    let changes = sources.reload(&bench.settings.lists, false, Naming::Config, &Clock::system());
    assert!(matches!(changes[..], [Change::Applied { rules: 1, before: 40, .. }]), "{changes:?}");
    // By a restart too; and what shrinks in one format waits, as ever.
    (sources, _) = bench.restart(sources);
    assert_eq!(rules(&sources), [1]);
    let nowhere: String = (0..30).map(|number| format!("0.0.0.0 h{number}.example\n")).collect();
    let hint = bench.replace("a.txt", &nowhere);
    assert_eq!(bench.look(&mut sources, 0, &[hint]).changes.len(), 1);
    let hint = bench.replace("a.txt", "0.0.0.0 one.example\n");
    assert!(matches!(bench.look(&mut sources, 100, &[hint]).changes[..], [Change::Shrunk { from: 30, to: 1, .. }]));
}

#[test]
fn a_format_is_named_for_files_alone() {
    let mut bench = Bench::new();
    bench.write("a.txt", &hosts(2));
    bench.settings.lists = vec![Listed { path: bench.top.join("lists"), ..hosts_file(&bench, "a.txt") }];
    let errors = check(&bench.settings.lists, false, |_| true).err().unwrap();
    assert!(errors[0].to_string().contains("name each file"), "{}", errors[0]);
    assert!(Sources::load(&bench.settings, Clock::system().wall()).is_err());
}

#[test]
fn a_reload_that_names_a_missing_list_says_so() {
    let mut bench = Bench::new();
    bench.write("a.txt", &hosts(1));
    let mut sources = bench.load();
    bench.settings.lists.push(bench.top.join("missing.txt").into());
    assert!(matches!(bench.reload(&mut sources, false)[..], [Change::Refused { .. }]));
    assert_eq!((rules(&sources), troubles(&sources).len()), (vec![1], 1));
    fs::write(bench.top.join("missing.txt"), hosts(2)).unwrap();
    bench.settle(&mut sources, 0);
    assert_eq!((rules(&sources), troubles(&sources).len()), (vec![1, 2], 0));
}

#[test]
fn a_config_map_is_taken_at_the_swap_of_its_link() {
    let bench = Bench::new();
    let version = |name: &str, text: &str| {
        fs::create_dir(bench.path(name)).unwrap();
        fs::write(bench.path(name).join("list.txt"), text).unwrap();
    };
    version("..1", &hosts(1));
    std::os::unix::fs::symlink("..1", bench.path("..data")).unwrap();
    std::os::unix::fs::symlink("..data/list.txt", bench.path("list.txt")).unwrap();
    let mut sources = bench.load();
    bench.look(&mut sources, 0, &[]);
    assert!(sources.folders().contains(&bench.path("..1")));

    version("..2", &hosts(2));
    std::os::unix::fs::symlink("..2", bench.path("..data_tmp")).unwrap();
    fs::rename(bench.path("..data_tmp"), bench.path("..data")).unwrap();
    fs::remove_dir_all(bench.path("..1")).unwrap();
    bench.look(&mut sources, 1000, &[Hint::renamed(bench.path("..data"))]);
    assert_eq!(rules(&sources), [2]);
    assert!(sources.folders().contains(&bench.path("..2")));
}

#[test]
fn the_thread_takes_a_rename_and_ends_when_dropped() {
    let bench = Bench::new();
    bench.write("a.txt", &hosts(1));
    let sources = Arc::new(Mutex::new(bench.load()));
    let board = sources.lock().board();
    let (sender, changes) = std::sync::mpsc::channel();
    let (resting, rest) = std::sync::mpsc::channel();
    let on_change = move |changes| {
        let _ = sender.send(changes);
    };
    let at_rest = move || {
        let _ = resting.send(std::thread::current().id());
    };
    let watching = watch(sources.clone(), Clock::system(), on_change, || (), at_rest).unwrap();
    let thread = rest.recv_timeout(Duration::from_secs(20)).expect("what was loaded is worked off");
    for count in 2..12 {
        bench.replace("a.txt", &hosts(count));
        let told = changes.recv_timeout(Duration::from_secs(20)).unwrap();
        assert!(matches!(told[..], [Change::Applied { rules, .. }] if rules == count), "{told:?}");
        assert_eq!(board.tables()[0].len(), count);
    }
    assert_eq!(rest.recv_timeout(Duration::from_secs(20)), Ok(thread), "the changes are worked off");
    // Another folder, told by a reload.
    let other = bench.top.join("other");
    fs::create_dir(&other).unwrap();
    sources.lock().reload(
        &[bench.top.join("lists").into(), other.clone().into()],
        false,
        Naming::Reload { accept_shrink: false },
        &Clock::system(),
    );
    fs::write(other.join("b.txt"), hosts(3)).unwrap();
    let told = changes.recv_timeout(Duration::from_secs(20)).unwrap();
    assert!(matches!(told[..], [Change::Applied { rules: 3, .. }]), "{told:?}");
    drop(watching);
    assert!(changes.recv().is_err(), "the thread is gone, and its sender with it");
}
