//! The end of a log at every point between two steps of the program: what a crash can leave there is no
//! tampering, and what it can't is.

use super::*;
use crate::files::Folder;
use crate::recover::recover;
use crate::verify::{OpenEnd, verify_with};
use crate::{Verified, VerifyError};

const LINES: &str = "00000001-00000002.jsonl";
const SUM: &str = "00000001-00000002.sum";
/// Bytes of the frames `L`, and of `s` or `Z`.
const MARK: usize = 5;
const HASH: usize = 33;

/// A run of two segments, as they were packed; the second also as it was before.
struct Good {
    packed: BTreeMap<String, Vec<u8>>,
    lines: Vec<u8>,
    /// Where the line that seals begins.
    seal: usize,
    /// With `Z` at its end.
    sum: Vec<u8>,
}

impl Good {
    fn new() -> Good {
        let dir = scratch();
        write_run(Settings { segment_size: 1200, ..settings(dir.path(), 1) }, 4);
        let packed = files(dir.path());
        assert_eq!(packed.len(), 4, "{:?}", packed.keys());
        let lines = zstd::decode_all(packed[&format!("{LINES}.zst")].as_slice()).unwrap();
        let seal = lines[..lines.len() - 1].iter().rposition(|byte| *byte == b'\n').unwrap() + 1;
        let sum = packed[SUM].clone();
        Good { packed, lines, seal, sum }
    }

    /// The first segment, and these bytes of the second.
    fn with(&self, lines: &[u8], sum: Option<&[u8]>) -> BTreeMap<String, Vec<u8>> {
        let mut files = self.packed.clone();
        files.remove(&format!("{LINES}.zst"));
        files.remove(SUM);
        files.insert(LINES.to_owned(), lines.to_vec());
        files.extend(sum.map(|sum| (SUM.to_owned(), sum.to_vec())));
        files
    }

    /// The same, and a whole run after it, as if nothing had been mended at its start.
    fn followed(&self, files: &BTreeMap<String, Vec<u8>>) -> BTreeMap<String, Vec<u8>> {
        let dir = scratch();
        put_back(dir.path(), &self.packed);
        write_run(settings(dir.path(), 2), 1);
        let mut all = super::files(dir.path());
        all.retain(|name, _| name.starts_with("00000002"));
        all.extend(files.clone());
        all
    }

    /// Bytes of the `.sum` before the mark of the seal.
    fn marks(&self) -> usize {
        self.sum.len() - 2 * HASH - MARK
    }
}

fn verified(files: &BTreeMap<String, Vec<u8>>) -> Result<Verified, VerifyError> {
    let dir = scratch();
    put_back(dir.path(), files);
    verify_with(dir.path(), 1)
}

/// What the program has written when it is killed between two bytes of the seal and its sync: the lines
/// first, then the marks, then the hash, then the digest of the compressed file.
#[test]
fn a_seal_that_a_crash_cut_short_is_an_open_end() {
    let good = Good::new();
    let (lines, sum, marks) = (&good.lines, &good.sum, good.marks());
    let mut steps: Vec<(&[u8], &[u8])> = Vec::new();
    steps.extend((good.seal..lines.len()).map(|cut| (&lines[..cut], &sum[..marks])));
    steps.extend((marks..sum.len()).map(|cut| (lines.as_slice(), &sum[..cut])));
    // A power loss takes any part of the `.sum` that was not synced: all but its first frame.
    steps.extend((HASH..marks).map(|cut| (lines.as_slice(), &sum[..cut])));
    for (lines, sum) in steps {
        let at = format!("{} of {} bytes of lines, {} of {}", lines.len(), good.lines.len(), sum.len(), good.sum.len());
        let files = good.with(lines, Some(sum));
        let found = verified(&files).unwrap_or_else(|error| panic!("{at}: {error}"));
        let is_written = lines.len() == good.lines.len();
        let is_synced = sum.len() >= good.sum.len() - HASH;
        let end = found.open_end.as_ref().map(|open| (open.segment.as_str(), open.end));
        let expected = (is_written && !is_synced).then_some(("00000001-00000002", OpenEnd::Seal));
        assert_eq!(end, expected, "{at}");
        let run = found.runs[0];
        assert_eq!(run.sealed == run.last, is_synced, "{at}: {run:?}");
        assert!(run.sealed > 0 && run.sealed <= run.synced && (is_synced || run.synced < run.last), "{at}: {run:?}");
        assert_eq!(found.to_string().contains("as a crash leaves it"), expected.is_some(), "{at}");

        let dir = scratch();
        put_back(dir.path(), &files);
        let recovery = recover(&Folder::of(dir.path()), &settings(dir.path(), 2), START).unwrap();
        assert_eq!(recovery.segments.len(), usize::from(!is_written), "{at}");
        let mended = verify_with(dir.path(), 1).unwrap_or_else(|error| panic!("{at}, mended: {error}"));
        assert_eq!((mended.open_end, mended.runs[0].sealed), (None, run.last + u64::from(!is_written)), "{at}");
    }
}

#[test]
fn an_end_that_no_crash_leaves_is_tampering() {
    let good = Good::new();
    let (lines, sum, marks) = (&good.lines, &good.sum, good.marks());
    let wrong = |what: &str, files: &BTreeMap<String, Vec<u8>>| {
        assert!(matches!(verified(files), Err(VerifyError::Tampered { .. })), "{what}");
    };
    for cut in HASH..sum.len() - HASH {
        let found = verified(&good.followed(&good.with(lines, Some(&sum[..cut]))));
        let is_named = matches!(&found, Err(VerifyError::Tampered { file, .. }) if file.ends_with(SUM));
        assert!(is_named, "an unfinished seal that others follow, {cut}: {found:?}");
    }
    for cut in sum.len() - HASH..sum.len() {
        // Segments are compressed beside the writing of the next ones, and no line hangs on that.
        let found = verified(&good.followed(&good.with(lines, Some(&sum[..cut]))));
        assert!(found.is_ok_and(|found| found.open_end.is_none()), "packing that is cut at {cut}");
    }
    for cut in 0..sum.len() {
        let mut files = good.packed.clone();
        files.insert(SUM.to_owned(), sum[..cut].to_vec());
        wrong(&format!("a compressed segment whose .sum is cut to {cut}"), &files);
    }
    for cut in 0..HASH {
        wrong(&format!("lines beside a first frame of {cut} bytes"), &good.with(lines, Some(&sum[..cut])));
    }
    let mut emptied = good.packed.clone();
    emptied.insert(format!("{LINES}.zst"), Vec::new());
    emptied.insert(SUM.to_owned(), Vec::new());
    wrong("a compressed segment of which both files are emptied", &emptied);
    wrong("lines beside no .sum", &good.with(lines, None));
    for cut in 0..lines.len() {
        wrong(&format!("a mark ahead of its line, {cut}"), &good.with(&lines[..cut], Some(&sum[..marks + MARK])));
    }
    wrong("the digest of the compressed file without the hash of the seal", &{
        let frames = [&sum[..marks + MARK], &sum[sum.len() - HASH..]].concat();
        good.with(lines, Some(&frames))
    });
    wrong("bytes after the seal", &good.with(&[lines, b"{".as_slice()].concat(), Some(&sum[..marks])));
    // The marks of all lines before the seal are there, and those of none but the first frame.
    for cut in [marks, HASH] {
        for at in 0..lines.len() - 1 {
            let mut altered = lines.clone();
            altered[at] ^= 0x01;
            let is_seal = at >= good.seal;
            let found = verified(&good.with(&altered, Some(&sum[..cut])));
            // Like each line after the last sync, the seal itself is what it says, and nobody else.
            assert!(found.is_err() || is_seal, "byte {at} beside a .sum of {cut}");
        }
    }
}

#[test]
fn a_segment_that_a_crash_left_as_it_began_is_an_open_end() {
    let good = Good::new();
    for cut in (0..HASH).map(Some).chain([None]) {
        let files = good.with(b"", cut.map(|cut| &good.sum[..cut]));
        let found = verified(&files).unwrap_or_else(|error| panic!("{cut:?}: {error}"));
        assert_eq!(found.open_end.as_ref().map(|open| open.end), Some(OpenEnd::Begun), "{cut:?}");
        let run = found.runs[0];
        assert!(run.sealed > 0 && (run.sealed, run.synced) == (run.last, run.last), "{cut:?}: {run:?}");
        assert!(found.to_string().contains("as a crash leaves it"), "{found}");
        assert!(verified(&good.followed(&files)).is_err(), "{cut:?}, followed by another");

        let dir = scratch();
        put_back(dir.path(), &files);
        let recovery = recover(&Folder::of(dir.path()), &settings(dir.path(), 2), START).unwrap();
        assert!(recovery.segments.is_empty());
        assert_eq!(verify_with(dir.path(), 1).unwrap().open_end, None);
    }
    assert!(verified(&good.with(b"", Some(b"x"))).is_err(), "this is no frame");
}
