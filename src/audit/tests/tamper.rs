//! Nothing is altered without being found.

use super::*;
use crate::VerifyError;
use crate::verify::verify_with;

/// A log of two runs: four sealed segments, one of them not compressed, and an open one. Returns the
/// folder, whose files are as a crash would leave them.
fn log() -> tempfile::TempDir {
    let dir = scratch();
    write_run(Settings { segment_size: 1200, ..settings(dir.path(), 1) }, 3);
    let log = Log::open(Settings { sync: Sync::Segment, ..settings(dir.path(), 2) }, Clock::manual(START)).unwrap();
    for n in 0..3 {
        log.push(record(&format!("https://photos.example/{n}")));
    }
    settle(&log);
    log.push(record("https://photos.example/last"));
    settle(&log);
    image(dir.path())
}

fn unpack(files: &mut BTreeMap<String, Vec<u8>>, stem: &str) {
    let frame = files.remove(&format!("{stem}.jsonl.zst")).unwrap();
    files.insert(format!("{stem}.jsonl"), zstd::decode_all(frame.as_slice()).unwrap());
    let sum = files.get_mut(&format!("{stem}.sum")).unwrap();
    sum.truncate(sum.len() - 33);
}

/// File, line and seq of the first thing wrong.
fn wrong(dir: &Path) -> Option<(String, u64, u64)> {
    match verify_with(dir, 1) {
        Ok(_) => None,
        Err(VerifyError::Tampered { file, line, seq, .. }) => {
            Some((file.file_name().unwrap().to_str().unwrap().to_owned(), line, seq))
        }
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn the_log_stands_as_it_was_written() {
    let dir = log();
    assert_eq!(wrong(dir.path()), None);
    let mut files = files(dir.path());
    unpack(&mut files, "00000001-00000002");
    put_back(dir.path(), &files);
    assert_eq!(wrong(dir.path()), None);
}

#[test]
fn any_flipped_byte_is_named() {
    let dir = log();
    let mut original = files(dir.path());
    unpack(&mut original, "00000001-00000002");
    put_back(dir.path(), &original);
    for (name, bytes) in &original {
        let path = segments(dir.path()).join(name);
        let mut line = 1;
        for at in 0..bytes.len() {
            let mask = [0x01, 0x80, 0xff][at % 3];
            let mut altered = bytes.clone();
            altered[at] ^= mask;
            std::fs::write(&path, altered).unwrap();
            let found = wrong(dir.path());
            let Some((file, found_line, _)) = &found else { panic!("{name} byte {at} ^ {mask:#x} is not found") };
            // A frame's digest and the frame itself are each other's only witness.
            let is_frame_digest = original.contains_key(&name.replace(".sum", ".jsonl.zst")) && at + 32 >= bytes.len();
            assert!(file == name || is_frame_digest, "{name} byte {at} ^ {mask:#x}: {found:?}");
            if name.ends_with(".jsonl") {
                assert_eq!(*found_line, line, "{name} byte {at} ^ {mask:#x}: {found:?}");
            }
            line += u64::from(bytes[at] == b'\n');
        }
        std::fs::write(&path, bytes).unwrap();
    }
}

fn lines_of(bytes: &[u8]) -> Vec<Vec<u8>> {
    bytes.split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect()
}

#[test]
fn a_line_that_is_removed_repeated_or_moved_is_named() {
    let dir = log();
    let mut original = files(dir.path());
    unpack(&mut original, "00000001-00000001");
    put_back(dir.path(), &original);
    for (name, first_seq) in [("00000001-00000001.jsonl", 1), ("00000002-00000001.jsonl", 1)] {
        let path = segments(dir.path()).join(name);
        let lines = lines_of(&original[name]);
        for at in 0..lines.len() {
            let mut removed = lines.clone();
            removed.remove(at);
            let mut repeated = lines.clone();
            repeated.insert(at, lines[at].clone());
            let mut moved = lines.clone();
            moved.swap(at, (at + 1) % lines.len());
            for (what, altered) in [("removed", removed), ("repeated", repeated), ("moved", moved)] {
                std::fs::write(&path, altered.concat()).unwrap();
                let (file, line, seq) = wrong(dir.path()).unwrap_or_else(|| panic!("{name} line {} {what}", at + 1));
                assert_eq!(file, name);
                let first = match what {
                    "repeated" => at + 2,
                    "moved" if at + 1 == lines.len() => 1,
                    _ => at + 1,
                } as u64;
                assert_eq!((line, seq), (first, first_seq + first - 1), "{name} line {} {what}", at + 1);
            }
        }
        std::fs::write(&path, &original[name]).unwrap();
    }
}

#[test]
fn a_segment_that_is_gone_is_missed() {
    let dir = log();
    let original = files(dir.path());
    let stems: Vec<String> = original.keys().filter_map(|name| Some(name.strip_suffix(".sum")?.to_owned())).collect();
    assert!(stems.len() >= 3);
    for stem in &stems {
        let mut altered = original.clone();
        altered.retain(|name, _| !name.starts_with(stem) || name.ends_with(".sum"));
        put_back(dir.path(), &altered);
        assert!(wrong(dir.path()).is_some(), "{stem} without its .sum");

        altered.retain(|name, _| !name.starts_with(stem));
        put_back(dir.path(), &altered);
        // Of the very last segment nothing else knows, until there are signed checkpoints.
        let is_newest = stem == stems.last().unwrap();
        assert_eq!(wrong(dir.path()).is_none(), is_newest, "{stem}");

        let mut altered = original.clone();
        altered.remove(&format!("{stem}.sum"));
        put_back(dir.path(), &altered);
        assert_eq!(wrong(dir.path()).unwrap().0, format!("{stem}.sum"));
    }
}

#[test]
fn another_log_in_the_place_of_a_segment_is_found() {
    let (dir, other) = (log(), log());
    let original = files(dir.path());
    for stem in ["00000001-00000001", "00000001-00000002"] {
        let mut altered = original.clone();
        altered.extend(files(other.path()).into_iter().filter(|(name, _)| name.starts_with(stem)));
        put_back(dir.path(), &altered);
        assert!(wrong(dir.path()).is_some(), "{stem}");
    }
}

#[test]
fn other_lines_beside_a_compressed_segment_are_found() {
    let dir = log();
    let original = files(dir.path());
    let mut plain = original.clone();
    unpack(&mut plain, "00000001-00000001");
    let lines = plain.remove("00000001-00000001.jsonl").unwrap();
    let path = segments(dir.path()).join("00000001-00000001.jsonl");
    std::fs::write(&path, &lines).unwrap();
    assert_eq!(wrong(dir.path()), None);
    std::fs::write(&path, &lines[..lines.len() / 2]).unwrap();
    assert_eq!(wrong(dir.path()).unwrap().0, "00000001-00000001.jsonl");
}

#[test]
fn a_folder_without_a_log_is_no_log() {
    let dir = scratch();
    assert!(matches!(verify_with(dir.path(), 1), Err(VerifyError::NoLog { .. })));
    std::fs::create_dir(segments(dir.path())).unwrap();
    assert_eq!(verify_with(dir.path(), 1).unwrap().lines, 0);
}
