//! Tables of large lists: what a start makes of those that the run before kept.

use super::*;

/// More than a megabyte, so that its table is kept.
fn large(rules: usize) -> String {
    (0..rules)
        .map(|n| format!("https://h{n}.photos.example/a/rather/long/path/to/a/picture-{n}.jpg notice=N-{n}\n"))
        .collect()
}

/// What is kept of the lists: how many files there are, and of them the one with a table.
fn kept_table(bench: &Bench) -> (usize, Option<PathBuf>) {
    let folder = bench.settings.state.join("lists");
    let files: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    let table = files.iter().find(|path| path.extension().is_some_and(|extension| extension == "index"));
    (files.len(), table.cloned())
}

fn rests_on_image(sources: &Sources) -> bool {
    sources.tables().iter().all(|table| table.rests_on_image())
}

#[test]
fn the_table_of_a_large_list_is_kept_and_used_over_a_restart() {
    let bench = Bench::new();
    bench.write("list.txt", &large(20_000));
    let sources = bench.load();
    assert!(!rests_on_image(&sources));
    sources.errands.run();
    // What stands in memory is given up once it stands on the disk.
    assert!(rests_on_image(&sources));
    let (files, first) = kept_table(&bench);
    assert_eq!(files, 3);

    let (mut sources, changes) = bench.restart(sources);
    assert!(changes.is_empty(), "{changes:?}");
    assert!(rests_on_image(&sources));
    assert_eq!(rules(&sources), [20_000]);
    assert!(bench.settle(&mut sources, 0).is_empty());

    // Another version of the list takes another table, and the former goes.
    bench.write("list.txt", &large(20_001));
    let (sources, changes) = bench.restart(sources);
    assert!(matches!(changes[..], [Change::Applied { rules: 20_001, before: 20_000, .. }]), "{changes:?}");
    assert!(!rests_on_image(&sources));
    sources.errands.run();
    let (files, second) = kept_table(&bench);
    assert_eq!(files, 3);
    assert_ne!(first, second);

    // Of a list that is bad or gone, the table of the last good version is in force.
    bench.write("list.txt", "bad one");
    let (sources, changes) = bench.restart(sources);
    assert!(matches!(changes[..], [Change::Refused { .. }]), "{changes:?}");
    assert!(rests_on_image(&sources));
    fs::remove_file(bench.path("list.txt")).unwrap();
    let (sources, changes) = bench.restart(sources);
    assert!(matches!(changes[..], [Change::Vanished { .. }]), "{changes:?}");
    assert_eq!((rests_on_image(&sources), rules(&sources)), (true, vec![20_001]));
}

#[test]
fn a_kept_table_that_is_damaged_is_compiled_again() {
    let bench = Bench::new();
    bench.write("list.txt", &large(20_000));
    let sources = bench.load();
    sources.errands.run();
    let (_, table) = kept_table(&bench);
    let table = table.unwrap();
    let mut bytes = fs::read(&table).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    // Written anew, as whoever restores a backup does: what is mapped is left alone.
    fs::remove_file(&table).unwrap();
    fs::write(&table, bytes).unwrap();
    let (sources, changes) = bench.restart(sources);
    assert!(changes.is_empty(), "{changes:?}");
    assert!(!rests_on_image(&sources));
    assert_eq!(rules(&sources), [20_000]);
    let (sources, _) = bench.restart(sources);
    assert!(rests_on_image(&sources));
}

#[test]
fn a_large_list_that_is_known_by_its_stamp_is_read_after_the_start() {
    let bench = Bench::new();
    bench.write("list.txt", &large(20_000));
    let mut sources = bench.load();
    // Late enough for the file to be old: from now on its stamp proves something, and its copy tells it.
    let later = Clock::system().wall().plus(Duration::from_secs(60));
    let facts = || {
        let kept = fs::read_dir(bench.settings.state.join("lists")).ok()?.map(|entry| entry.unwrap().path());
        let facts = kept.into_iter().find(|path| path.extension().is_some_and(|extension| extension == "json"));
        facts.map(|path| (serde_json::from_slice::<serde_json::Value>(&fs::read(&path).unwrap()).unwrap(), path))
    };
    // It is hashed beside the looks.
    let look_until = |sources: &mut Sources, is_so: &dyn Fn(&[Change]) -> bool| {
        let (began, mut changes) = (Instant::now(), Vec::new());
        while !is_so(&changes) {
            assert!(began.elapsed() < Duration::from_secs(60), "{changes:?}");
            changes.extend(sources.look(&[], bench.start + began.elapsed(), later).changes);
            sources.errands.run();
            std::thread::yield_now();
        }
        changes
    };
    let is_known = |_: &[Change]| facts().is_some_and(|(copy, _)| copy.get("stamp").is_some());
    assert!(look_until(&mut sources, &is_known).is_empty());
    let (path, (mut copy, facts)) = (bench.path("list.txt"), facts().unwrap());
    let told = |stamp: Option<shown::Stamp>| serde_json::to_value(stamp.unwrap()).unwrap();
    assert_eq!(copy["stamp"], told(shown::stamp(&path)));

    // A change that left no trace, as if: the start takes the stamp's word, and the first look finds it.
    bench.write("list.txt", &large(20_001));
    copy["stamp"] = told(shown::stamp(&path));
    fs::write(&facts, copy.to_string()).unwrap();
    let (mut sources, changes) = Sources::load(&bench.settings, later).unwrap();
    assert_eq!((changes.len(), rules(&sources)), (0, vec![20_000]));
    let changes = look_until(&mut sources, &|changes| !changes.is_empty());
    assert!(matches!(changes[..], [Change::Applied { rules: 20_001, before: 20_000, .. }]), "{changes:?}");

    // One that did leave a trace is read before anything is in force.
    bench.write("list.txt", &large(20_002));
    let (sources, changes) = Sources::load(&bench.settings, later).unwrap();
    assert_eq!((changes.len(), rules(&sources)), (1, vec![20_002]));
}

#[test]
fn a_kept_table_with_countries_is_used_where_clients_can_be_found() {
    let mut bench = Bench::new();
    bench.settings.geo = true;
    bench.write("a.txt", &(hosts(80_000) + "a.example geo=DE notice=N-1\n"));
    let sources = bench.load();
    let (mut sources, changes) = bench.restart(sources);
    assert!(changes.is_empty() && sources.tables()[0].rests_on_image());
    let (_, attributes) = sources.tables()[0].wording().last().unwrap();
    assert_eq!(attributes.geo.map(|countries| countries.to_string()).as_deref(), Some("DE"));
    bench.look(&mut sources, 0, &[]);
    drop(sources);
    bench.settings.geo = false;
    let errors = Sources::load(&bench.settings, Timestamp::from_secs(0)).err().unwrap();
    assert!(errors[0].to_string().contains("a.txt:80001:11: "), "{}", errors[0]);
}

#[test]
fn the_copy_of_a_large_list_is_kept_though_another_has_its_name_by_then() {
    let bench = Bench::new();
    bench.write("list.txt", &large(20_000));
    let sources = bench.load();
    // It is copied from the file that was read.
    bench.replace("list.txt", "bad one");
    let (sources, changes) = bench.restart(sources);
    assert!(matches!(changes[..], [Change::Refused { .. }]), "{changes:?}");
    assert_eq!((rules(&sources), kept_table(&bench).0), (vec![20_000], 3));
}

#[test]
fn of_a_large_list_that_is_written_to_before_it_is_copied_the_table_is_kept() {
    let bench = Bench::new();
    bench.write("list.txt", &large(20_000));
    let sources = bench.load();
    bench.write("list.txt", "bad one");
    sources.errands.run();
    let (files, table) = kept_table(&bench);
    assert_eq!((files, table.is_some(), rests_on_image(&sources)), (2, true, true));
    let (sources, changes) = bench.restart(sources);
    assert!(matches!(changes[..], [Change::Refused { .. }]), "{changes:?}");
    assert_eq!((rules(&sources), rests_on_image(&sources)), (vec![20_000], true));

    // Once the list is good again, it is copied.
    bench.write("list.txt", &large(20_000));
    let (sources, changes) = bench.restart(sources);
    assert!(changes.is_empty(), "{changes:?}");
    sources.errands.run();
    assert_eq!((rules(&sources), kept_table(&bench).0), (vec![20_000], 3));
}

#[test]
fn a_large_list_is_taken_or_refused_whole_however_it_is_saved() {
    let bench = Bench::new();
    bench.write("list.txt", &large(20_000));
    let mut sources = bench.load();
    let longer = large(20_001);
    let of_the_same_size = longer.replacen("h0.photos", "h9.photos", 1);
    for (at, (text, is_good)) in
        (1..).zip([(longer + "bad one\n", false), (large(20_001), true), (of_the_same_size, true)])
    {
        let renamed = bench.replace("list.txt", &text);
        let changes = bench.look(&mut sources, at * 1000, &[renamed]).changes;
        match &changes[..] {
            [Change::Applied { rules: 20_001, hash, .. }] if is_good => assert_eq!(*hash, Digest::of(text.as_bytes())),
            [Change::Refused { errors, .. }] if !is_good => {
                assert!(errors[0].to_string().contains("list.txt:20002:5: "), "{}", errors[0]);
            }
            _ => panic!("{changes:?}"),
        }
        sources.errands.run();
        assert!(bench.settle(&mut sources, at * 1000 + 100).is_empty());
    }
    // In place, as many editors do it: two looks have to agree.
    bench.write("list.txt", &large(20_003));
    let changes = bench.settle(&mut sources, 10_000);
    assert!(matches!(changes[..], [Change::Applied { rules: 20_003, before: 20_001, .. }]), "{changes:?}");
    assert_eq!(sources.tables()[0].hash(), Digest::of(large(20_003).as_bytes()));
}

/// As a look has it that found `text`, of a file in which something else stands by the time it is compiled.
fn written_to_since(bench: &Bench, text: &str) -> Shown {
    bench.write("list.txt", text);
    let Shown::Content(content) = shown::read(&bench.path("list.txt").into()) else { panic!() };
    bench.write("list.txt", "half\n");
    Shown::Content(content)
}

#[test]
fn what_was_written_to_while_it_was_compiled_is_taken_once_it_stands_there_again() {
    let bench = Bench::new();
    bench.write("list.txt", &large(20_000));
    let mut sources = bench.load();
    let rank = Rank::of(&bench.path("list.txt"));
    let late = Clock::system().wall().plus(Duration::from_secs(60));
    let shown = written_to_since(&bench, &large(25_000));
    let change = sources.settle(&rank, shown, Evidence::Closed, late);
    assert!(matches!(change, Some(Change::Refused { .. })));
    assert!(troubles(&sources).is_empty(), "it is told by the next look");
    let shown = written_to_since(&bench, &large(25_000));
    assert!(sources.settle(&rank, shown, Evidence::Closed, late).is_none(), "it is told once");
    bench.write("list.txt", &large(25_000));
    let look = bench.look(&mut sources, 0, &[]);
    assert!(look.changes.is_empty() && look.again_in.is_some());
    let changes = bench.look(&mut sources, 300, &[]).changes;
    assert!(matches!(changes[..], [Change::Applied { rules: 25_000, .. }]), "{changes:?}");
}

#[test]
fn behind_a_table_that_stands_alone_the_copy_before_is_kept_for_other_versions() {
    let bench = Bench::new();
    bench.write("list.txt", &large(20_000));
    let mut sources = bench.load();
    sources.errands.run();
    let renamed = bench.replace("list.txt", &large(25_000));
    assert_eq!(bench.look(&mut sources, 0, &[renamed]).changes.len(), 1);
    bench.write("list.txt", "bad one");
    let (sources, _) = bench.restart(sources);
    assert_eq!(rules(&sources), [25_000]);
    drop(sources);
    let table = kept_table(&bench).1.unwrap();
    let bytes = fs::read(&table).unwrap();
    fs::remove_file(&table).unwrap();
    fs::write(&table, [b"of another version", &bytes[18..]].concat()).unwrap();
    let (sources, changes) = Sources::load(&bench.settings, Clock::system().wall()).unwrap();
    assert!(matches!(changes[..], [Change::Refused { .. }]), "{changes:?}");
    assert_eq!(rules(&sources), [20_000]);
}

#[test]
fn a_list_that_shows_again_what_is_in_force_is_copied() {
    let bench = Bench::new();
    bench.write("list.txt", &large(20_000));
    let mut sources = bench.load();
    bench.write("list.txt", "bad one");
    assert!(matches!(bench.settle(&mut sources, 0)[..], [Change::Refused { .. }]));
    sources.errands.run();
    assert_eq!(kept_table(&bench).0, 2);
    bench.write("list.txt", &large(20_000));
    assert!(matches!(bench.settle(&mut sources, 1000)[..], [Change::Restored { .. }]));
    sources.errands.run();
    assert_eq!(kept_table(&bench).0, 3);
}

#[test]
fn a_large_list_in_a_format_of_others_is_copied_as_it_was_read() {
    let mut bench = Bench::new();
    let foreign = Some(Arc::new(Foreign::new(Format::Hosts)));
    bench.settings.lists = vec![Listed { foreign, ..bench.path("list.txt").into() }];
    bench.write("list.txt", &(0..40_000).map(|n| format!("0.0.0.0 a-host-{n}.example\n")).collect::<String>());
    let sources = bench.load();
    bench.write("list.txt", "<html>oops\n");
    let (sources, changes) = bench.restart(sources);
    assert!(matches!(changes[..], [Change::Refused { .. }]), "{changes:?}");
    assert_eq!(rules(&sources), [40_000]);
}
