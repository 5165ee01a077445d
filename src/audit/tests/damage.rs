//! No start makes it go away that an open segment was altered.

use super::*;
use crate::VerifyError;
use crate::damage::Marks;
use crate::verify::verify_with;

const LINES: &str = "00000001-00000001.jsonl";
const SUM: &str = "00000001-00000001.sum";

/// A run that crashed after nine lines, of which eight were synced.
fn crashed() -> BTreeMap<String, Vec<u8>> {
    let dir = scratch();
    let log = Log::open(settings(dir.path(), 1), Clock::manual(START)).unwrap();
    for n in 0..3 {
        log.push(record(&format!("https://photos.example/{n}")));
    }
    settle(&log);
    for n in 3..5 {
        log.push(record(&format!("https://photos.example/{n}")));
    }
    settle(&log);
    log.push(record("https://photos.example/last"));
    let is_there = || files(dir.path())[SUM].len() == 33 * 4 + 9 * 5;
    while !is_there() {
        std::thread::yield_now();
    }
    files(dir.path())
}

fn wrong(dir: &Path) -> Option<String> {
    match verify_with(dir, 1) {
        Ok(_) => None,
        Err(error @ VerifyError::Tampered { .. }) => Some(error.to_string()),
        Err(error) => panic!("{error}"),
    }
}

/// Starts, serves and stops, and returns what the start said of the run before.
fn start_and_stop(dir: &Path, run: u64) -> Vec<Value> {
    write_run(settings(dir, run), 2);
    let mut told = Vec::new();
    // It gives all lines that can be read, and then says which can't.
    let _ = query(dir, &Filter::default(), &mut |line| {
        told.push(serde_json::from_str(line.text).unwrap());
        true
    });
    told.retain(|line: &Value| line["event"] == "recovered" && line["run"] == run);
    told
}

/// The same folder stays wrong in the same place over two starts, each of which says so, and no byte of the
/// segment is touched. Returns what they said.
fn stays(files: &BTreeMap<String, Vec<u8>>) -> Value {
    let dir = scratch();
    put_back(dir.path(), files);
    let before = wrong(dir.path()).expect("it is wrong to begin with");
    let mut said = Vec::new();
    for run in [2, 3] {
        let told = start_and_stop(dir.path(), run);
        assert_eq!(told.len(), 1, "{told:?}");
        let said_wrong = told[0]["data"]["wrong"].as_str().unwrap();
        assert!(said_wrong.starts_with("00000001-") && before.ends_with(said_wrong), "{said_wrong}, and not {before}");
        assert_eq!(wrong(dir.path()).as_ref(), Some(&before), "after the start of run {run}");
        let mut left = super::files(dir.path());
        left.retain(|name, _| name.starts_with("00000001"));
        assert_eq!(&left, files);
        said.push(told[0]["data"].clone());
    }
    assert_eq!(said[0], said[1]);
    said.remove(0)
}

fn told(data: &Value) -> Marks {
    let number = |name: &str| data[name].as_u64().unwrap();
    Marks { missing: number("unmarked"), contradicted: number("contradicted"), without_line: number("lost") }
}

fn altered(lines: &[u8]) -> Vec<u8> {
    let text = String::from_utf8(lines.to_vec()).unwrap();
    text.replacen("\"bytes\":4", "\"bytes\":9", 1).into_bytes()
}

fn without(lines: &[u8], which: std::ops::Range<usize>) -> Vec<u8> {
    let mut lines: Vec<&[u8]> = lines.split_inclusive(|byte| *byte == b'\n').collect();
    lines.drain(which);
    lines.concat()
}

#[test]
fn an_altered_segment_is_left_as_it_is() {
    let good = crashed();
    let (lines, sum) = (&good[LINES], &good[SUM]);
    let with = |lines: Vec<u8>, sum: Option<&[u8]>| {
        let sum = sum.map(|sum| (SUM.to_owned(), sum.to_vec()));
        stays(&[(LINES.to_owned(), lines)].into_iter().chain(sum).collect())
    };
    let marks = |missing, contradicted, without_line| Marks { missing, contradicted, without_line };
    assert_eq!(told(&with(altered(lines), None)), marks(9, 0, 0), "a line, and no marks");
    assert_eq!(told(&with(lines.clone(), None)), marks(9, 0, 0), "no marks");
    assert_eq!(told(&with(altered(lines), Some(sum))), marks(0, 1, 0), "a line");
    assert_eq!(told(&with(without(lines, 6..9), Some(sum))), marks(0, 0, 3), "two synced lines and one");
    assert_eq!(told(&with(without(lines, 0..9), Some(sum))), marks(0, 0, 9), "all lines");
    assert_eq!(told(&with(without(lines, 2..3), None)), marks(8, 0, 0), "a line is gone, and so are the marks");
    assert_eq!(told(&with(without(lines, 8..9), Some(&sum[..20]))), marks(8, 0, 0), "the first frame");
    let mut garbled = lines.clone();
    let at = garbled.len() - 20;
    garbled[at] ^= 0x80;
    assert_eq!(told(&with(garbled, Some(sum))), marks(0, 1, 0), "a line that was not synced");
}

/// Zeros at the end are what a power loss leaves, and are not tried here.
#[test]
fn no_flipped_byte_is_mended() {
    let good = crashed();
    for (name, bytes) in &good {
        // Without its LF the last line is torn: told, and cut as after a power loss.
        let end = bytes.len() - usize::from(name == LINES);
        for at in (0..end).step_by(31).chain([end - 1]) {
            let mut files = good.clone();
            let byte = &mut files.get_mut(name).unwrap()[at];
            *byte ^= if *byte == 0x01 { 0x81 } else { 0x01 };
            stays(&files);
        }
    }
}

/// What was not synced may be gone after a power loss, and its marks may be there; the record says so.
#[test]
fn what_was_mended_is_told() {
    let good = crashed();
    let (lines, sum) = (&good[LINES], &good[SUM]);
    for (lines, sum, marks) in [
        (without(lines, 8..9), &sum[..], Marks { missing: 0, contradicted: 0, without_line: 1 }),
        (lines.clone(), &sum[..sum.len() - 5], Marks { missing: 1, contradicted: 0, without_line: 0 }),
        (lines.clone(), &sum[..33], Marks { missing: 9, contradicted: 0, without_line: 0 }),
    ] {
        let dir = scratch();
        put_back(dir.path(), &[(LINES.to_owned(), lines), (SUM.to_owned(), sum.to_vec())].into());
        let said = start_and_stop(dir.path(), 2);
        assert_eq!((told(&said[0]["data"]), &said[0]["data"]["wrong"]), (marks, &Value::Null));
        let verified = verify_with(dir.path(), 1).unwrap();
        let recovered = &verified.recovered[0];
        assert_eq!((recovered.unmarked, recovered.lost), (marks.missing, marks.without_line));
        assert!(verified.to_string().contains("marks"), "{verified}");
        assert!(start_and_stop(dir.path(), 3).is_empty(), "it is told once");
    }
}

/// The run after it went on from what it found: to seal it then would break the chain.
#[test]
fn a_segment_that_was_left_is_not_sealed_when_its_bytes_are_put_back() {
    let dir = scratch();
    let good = crashed();
    put_back(dir.path(), &[(LINES.to_owned(), altered(&good[LINES])), (SUM.to_owned(), good[SUM].clone())].into());
    start_and_stop(dir.path(), 2);
    std::fs::write(segments(dir.path()).join(LINES), &good[LINES]).unwrap();
    for run in [3, 4] {
        let said = start_and_stop(dir.path(), run);
        assert!(said[0]["data"]["wrong"].as_str().unwrap().contains("no `sealed` line"), "{said:?}");
        assert!(wrong(dir.path()).unwrap().contains("no `sealed` line"));
    }
    assert_eq!(files(dir.path())[LINES], good[LINES]);
}

/// The runs after one that is left are recovered as ever.
#[test]
fn a_crash_after_an_altered_run_is_mended() {
    let dir = scratch();
    let mut files = crashed();
    files.insert(LINES.to_owned(), altered(&files[LINES]));
    put_back(dir.path(), &files);
    let log = Log::open(settings(dir.path(), 2), Clock::manual(START)).unwrap();
    settle(&log);
    let again = image(dir.path());
    log.close();
    let said = start_and_stop(again.path(), 3);
    let mended: Vec<bool> = said.iter().map(|line| line["data"]["wrong"].is_null()).collect();
    assert_eq!(mended, [false, true]);
    assert!(segments(again.path()).join("00000002-00000001.jsonl.zst").exists());
}
