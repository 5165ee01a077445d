//! The evidence log, read by its published format and by nothing of the product's own.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use sha2::{Digest, Sha256};

use super::bytes::hex;

/// A file of `state/audit/segments`.
pub struct Segment {
    pub path: PathBuf,
    pub run: u64,
    pub number: u64,
    pub is_sealed: bool,
    /// Each without its LF.
    pub lines: Vec<Vec<u8>>,
    /// What stands behind the last LF.
    pub torn: Vec<u8>,
}

/// All segments in order. Beside a running edge a segment may be seen in both forms for a moment; then
/// the plain one counts.
pub fn segments(audit: &Path) -> Vec<Segment> {
    loop {
        if let Some(all) = try_segments(audit) {
            return all;
        }
    }
}

/// `None` if a file went away while it was looked at.
fn try_segments(audit: &Path) -> Option<Vec<Segment>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(audit.join("segments")).into_iter().flatten() {
        let path = entry.ok()?.path();
        let name = path.file_name()?.to_str()?.to_owned();
        let (stem, is_sealed) = match (name.strip_suffix(".jsonl"), name.strip_suffix(".jsonl.zst")) {
            (Some(stem), _) => (stem, false),
            (_, Some(stem)) => (stem, true),
            _ => continue,
        };
        let (run, number) = stem.split_once('-').expect("RUN-NUMBER");
        assert_eq!((run.len(), number.len()), (8, 8), "padded to 8: {name}");
        let bytes = fs::read(&path).ok()?;
        let bytes = if is_sealed { zstd::decode_all(&bytes[..]).expect("a whole zstd frame") } else { bytes };
        let mut lines: Vec<Vec<u8>> = bytes.split(|&byte| byte == b'\n').map(<[u8]>::to_vec).collect();
        let torn = lines.pop().unwrap_or_default();
        let segment = Segment { run: run.parse().ok()?, number: number.parse().ok()?, path, is_sealed, lines, torn };
        let place = (segment.run, segment.number);
        if !is_sealed || !found.contains_key(&place) {
            found.insert(place, segment);
        }
    }
    Some(found.into_values().collect())
}

/// Every whole line as JSON.
pub fn lines(audit: &Path) -> Vec<Value> {
    segments(audit).iter().flat_map(|segment| &segment.lines).map(|line| json(line)).collect()
}

fn json(line: &[u8]) -> Value {
    serde_json::from_slice(line).unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(line)))
}

/// The chain, `seq` and `time`, over the whole log of an edge that has stopped.
pub fn check_chain(audit: &Path) {
    let mut hash = [0_u8; 32];
    let mut last: BTreeMap<u64, (u64, String)> = BTreeMap::new();
    for segment in segments(audit) {
        let name = segment.path.display();
        let before = hash;
        assert!(segment.torn.is_empty(), "{name} ends within a line");
        for (index, line) in segment.lines.iter().enumerate() {
            let value = json(line);
            check_order(&value, &segment, &mut last);
            if value["event"] == "sealed" {
                assert_eq!(index + 1, segment.lines.len(), "{name}: a line behind the sealed one");
                assert_eq!(value["prev"], hex(&before), "{name}: prev");
                assert_eq!(value["hash"], hex(&hash), "{name}: hash");
                assert_eq!(value["lines"], index, "{name}: lines");
                assert_eq!(value["first"], json(&segment.lines[0])["seq"], "{name}: first");
                assert_eq!(value["last"], json(&segment.lines[index.saturating_sub(1)])["seq"], "{name}: last");
            }
            let mut next = Sha256::new();
            next.update(hash);
            next.update(line);
            hash = next.finalize().into();
        }
        if segment.is_sealed {
            let last = segment.lines.last().expect("a sealed segment has a line");
            assert_eq!(json(last)["event"], "sealed", "{name}: the last line");
            assert!(!segment.path.with_extension("").exists(), "{name} stands beside its plain form");
        }
    }
}

fn check_order(value: &Value, segment: &Segment, last: &mut BTreeMap<u64, (u64, String)>) {
    let name = segment.path.display();
    let (run, seq) = (value["run"].as_u64(), value["seq"].as_u64());
    let time = value["time"].as_str().unwrap_or_else(|| panic!("{name}: no time in {value}"));
    assert_eq!(run, Some(segment.run), "{name}: run of {value}");
    assert!(value["node"].is_string(), "{name}: node of {value}");
    let (seq_before, time_before) = last.entry(segment.run).or_default();
    assert_eq!(seq, Some(*seq_before + 1), "{name}: seq has a gap before {value}");
    if *seq_before == 0 {
        assert_eq!(value["event"], "started", "{name}: a run begins with {value}");
    }
    assert!(time >= time_before.as_str(), "{name}: time steps back from {time_before} at {value}");
    assert!(time.ends_with('Z') && time.len() == "2026-01-01T00:00:00.000000Z".len(), "{name}: time {time}");
    (*seq_before, *time_before) = (*seq_before + 1, time.to_owned());
}
