//! Whatever a crash leaves, whole lines are kept and the log stands.

use super::*;
use crate::files::Folder;
use crate::recover::{Recovery, recover};
use crate::verify::verify_with;
use crate::{Verified, VerifyError, verify};

const OPEN: &str = "00000001-00000001.jsonl";
const SUM: &str = "00000001-00000001.sum";

/// The files of a run that crashed after its `started` (synced) and four answers (not synced).
fn crashed() -> BTreeMap<String, Vec<u8>> {
    let dir = scratch();
    let log = Log::open(settings(dir.path(), 1), Clock::manual(START)).unwrap();
    for n in 0..4 {
        log.push(record(&format!("https://photos.example/{n}")));
    }
    let lines = || files(dir.path())[OPEN].iter().filter(|byte| **byte == b'\n').count();
    while lines() < 5 || files(dir.path())[SUM].len() < 66 + 5 * 5 {
        std::thread::yield_now();
    }
    files(dir.path())
}

fn recovered(dir: &Path) -> (Recovery, Result<Verified, VerifyError>) {
    let recovery = recover(&Folder::of(dir), &settings(dir, 2), START).unwrap();
    (recovery, verify_with(dir, 1))
}

#[test]
fn lines_cut_anywhere_leave_the_whole_ones() {
    let files = crashed();
    let dir = scratch();
    let lines = &files[OPEN];
    let synced = lines.iter().position(|byte| *byte == b'\n').unwrap() + 1;
    for cut in synced..=lines.len() {
        let mut torn = files.clone();
        torn.get_mut(OPEN).unwrap().truncate(cut);
        put_back(dir.path(), &torn);
        let (recovery, verified) = recovered(dir.path());
        let whole = lines[..cut].iter().filter(|byte| **byte == b'\n').count() as u64;
        assert_eq!(verified.unwrap().lines, whole + 1, "cut at {cut}");
        let segment = &recovery.segments[0];
        let rest = cut - lines[..cut].iter().rposition(|byte| *byte == b'\n').unwrap() - 1;
        assert_eq!((segment.lines, segment.last, segment.cut.bytes), (whole + 1, whole + 1, rest as u64));
        assert_eq!((segment.cut.lines, all(dir.path()).len() as u64), (0, whole + 1));
    }
}

#[test]
fn a_sum_cut_anywhere_is_made_whole() {
    let files = crashed();
    let dir = scratch();
    for cut in 0..=files[SUM].len() {
        for end in [&[][..], &[0; 7]] {
            let mut torn = files.clone();
            let sum = torn.get_mut(SUM).unwrap();
            sum.truncate(cut);
            sum.extend_from_slice(end);
            // The first frame is on the disk before the first line.
            let is_there = torn[SUM].starts_with(&files[SUM][..33]);
            put_back(dir.path(), &torn);
            let (recovery, verified) = recovered(dir.path());
            assert_eq!(verified.ok().map(|verified| verified.lines), is_there.then_some(6), "cut at {cut}");
            let marks = recovery.segments[0].marks;
            assert_eq!((marks.contradicted, marks.without_line), (0, 0), "cut at {cut}");
            assert_eq!(marks.missing == 0, torn[SUM].starts_with(&files[SUM]), "cut at {cut}");
        }
    }
}

/// After a power loss a file may be as long as it was, with bytes that never reached the disk.
#[test]
fn lines_that_never_reached_the_disk_are_cut_and_kept_aside() {
    let files = crashed();
    let dir = scratch();
    let mut torn = files.clone();
    let lines = torn.get_mut(OPEN).unwrap();
    let ends: Vec<usize> = (0..lines.len()).filter(|at| lines[*at] == b'\n').map(|at| at + 1).collect();
    lines[ends[1]..ends[2] - 1].fill(0);
    let aside = lines[ends[1]..].to_vec();
    put_back(dir.path(), &torn);
    let (recovery, verified) = recovered(dir.path());
    assert_eq!(verified.unwrap().lines, 3);
    assert_eq!((recovery.segments[0].cut.lines, recovery.segments[0].cut.bytes), (3, aside.len() as u64));
    assert_eq!(super::files(dir.path())["00000001-00000001.torn"], aside);
}

#[test]
fn the_next_run_goes_on_and_says_what_was_cut() {
    let mut files = crashed();
    let dir = scratch();
    let lines = files.get_mut(OPEN).unwrap();
    lines.truncate(lines.len() - 3);
    put_back(dir.path(), &files);
    write_run(settings(dir.path(), 2), 1);
    let lines = all(dir.path());
    assert_eq!(kinds(&lines), ["started", "-", "-", "-", "sealed", "started", "recovered", "-", "stopped", "sealed"]);
    assert_eq!((&lines[6]["data"]["run"], &lines[6]["data"]["last"]), (&Value::from(1), &Value::from(5)));
    assert!(lines[6]["data"]["cut_bytes"].as_u64().unwrap() > 100);
    assert_eq!(verify(dir.path()).unwrap().runs.len(), 2);
    // A run that ended well needs no recovery.
    write_run(settings(dir.path(), 3), 0);
    assert_eq!(kinds(&all(dir.path()))[10..], ["started", "stopped", "sealed"]);
}

/// Between the seal and the end of packing there are five states.
#[test]
fn packing_is_finished_from_every_state() {
    let dir = scratch();
    write_run(settings(dir.path(), 1), 3);
    let packed = files(dir.path());
    let (frame_name, sum_name) = (format!("{OPEN}.zst"), SUM.to_owned());
    let frame = &packed[&frame_name];
    let sum = &packed[&sum_name];
    let lines = zstd::decode_all(frame.as_slice()).unwrap();
    let unpacked_sum = sum[..sum.len() - 33].to_vec();
    let state = |pieces: &[(&str, &[u8])]| -> BTreeMap<String, Vec<u8>> {
        pieces.iter().map(|(name, bytes)| ((*name).to_owned(), bytes.to_vec())).collect()
    };
    let half = &frame[..frame.len() / 2];
    let new = "00000001-00000001.jsonl.zst.new";
    let states = [
        state(&[(OPEN, &lines), (SUM, &unpacked_sum)]),
        state(&[(OPEN, &lines), (SUM, &unpacked_sum[..unpacked_sum.len() - 35])]),
        state(&[(OPEN, &lines), (SUM, &unpacked_sum), (new, half)]),
        state(&[(OPEN, &lines), (SUM, sum), (new, frame)]),
        state(&[(OPEN, &lines), (SUM, &sum[..sum.len() - 9]), (new, frame)]),
        state(&[(OPEN, &lines), (SUM, sum), (&frame_name, frame)]),
    ];
    for (at, state) in states.iter().enumerate() {
        put_back(dir.path(), state);
        let (recovery, verified) = recovered(dir.path());
        verified.unwrap_or_else(|error| panic!("state {at}: {error}"));
        assert!(recovery.segments.is_empty());
        assert_eq!(files(dir.path()), packed, "state {at}");
    }
}

#[test]
fn a_segment_that_was_only_being_made_leaves_no_trace() {
    let dir = scratch();
    write_run(settings(dir.path(), 1), 3);
    let whole = files(dir.path());
    let sum = &whole[SUM];
    let start = [&[b's'][..], &sum[sum.len() - 65..sum.len() - 33]].concat();
    for empty in [
        vec![("00000002-00000001.sum", &start)],
        vec![("00000002-00000001.sum", &start), ("00000002-00000001.jsonl", &Vec::new())],
    ] {
        let mut files = whole.clone();
        files.extend(empty.into_iter().map(|(name, bytes)| (name.to_owned(), bytes.clone())));
        put_back(dir.path(), &files);
        verify_with(dir.path(), 1).unwrap();
        let (recovery, _) = recovered(dir.path());
        assert!(recovery.segments.is_empty());
        assert_eq!(super::files(dir.path()), whole);
    }
}

#[test]
fn an_event_that_was_told_before_a_crash_is_not_told_twice() {
    let dir = scratch();
    let told = |list: u64| Event::new("block-added").with("id", "r-1").with("list", list);
    let log = Log::open(settings(dir.path(), 1), Clock::manual(START)).unwrap();
    log.append(told(7)).unwrap();
    let crashed = image(dir.path());
    log.close();

    let log = Log::open(settings(crashed.path(), 2), Clock::manual(START)).unwrap();
    log.append_again(told(7), START).unwrap();
    log.append_again(told(8), START).unwrap();
    log.append_again(told(8), START).unwrap();
    log.close();
    let lines = all(crashed.path());
    let lists: Vec<u64> = lines.iter().filter_map(|line| line["data"]["list"].as_u64()).collect();
    assert_eq!(lists, [7, 8], "each once: {lines:#?}");
}

#[test]
fn an_event_is_looked_for_no_further_back_than_it_can_be() {
    let dir = scratch();
    let told = || Event::new("block-added").with("id", "r-1");
    let clock = Clock::manual(START);
    let log = Log::open(settings(dir.path(), 1), clock.clone()).unwrap();
    log.append(told()).unwrap();
    log.close();
    clock.advance(Duration::from_secs(3600));
    for run in [2, 3] {
        Log::open(settings(dir.path(), run), clock.clone()).unwrap().close();
    }
    let folder = Folder::of(dir.path());
    let found = |since| crate::again::find(&folder, &told(), since).unwrap();
    let place = found(START).unwrap();
    assert_eq!((place.run, place.seq), (1, 2));
    assert_eq!(found(clock.wall().plus(Duration::from_secs(1))), None, "only the last run is read");
}
