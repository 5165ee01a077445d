//! What holds for any list, whatever is in it: called by property tests and by fuzz targets.

use std::sync::Arc;

use super::foreign::{Foreign, Format, read_foreign};
use super::text::{BYTE_ORDER_MARK, read_rule};

/// A list in a format of others is rules, things that are counted, or an error; and its rules are read back from
/// their words, as no exceptions.
///
/// # Panics
/// Where that is not so.
pub fn foreign(format: Format, bytes: &[u8]) {
    let foreign = Foreign { gateways: vec![Arc::from("gateway.example")], ..Foreign::new(format) };
    let bytes = bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(bytes);
    let lines = bytes.iter().filter(|byte| **byte == b'\n').count() + 1;
    let mut rules = 0_usize;
    let read = read_foreign(bytes, &foreign, |rule| {
        rules += 1;
        let again = read_rule(&rule.text).unwrap_or_else(|bad| panic!("{}: {bad}", rule.text));
        assert_eq!(again.subject, rule.subject, "{}", rule.text);
        assert!(!rule.exception && !again.exception, "{}", rule.text);
        assert!((1..=lines).contains(&(rule.line as usize)), "line {} of {lines}", rule.line);
    });
    match read {
        Ok(unread) => {
            for tally in unread.tallies() {
                assert!(tally.count >= tally.first.len() as u64 && !tally.first.is_empty());
                assert!(tally.first.is_sorted_by_key(|sample| sample.line));
                assert!(tally.first.iter().all(|sample| (1..=lines).contains(&(sample.line as usize))));
            }
        }
        Err(bad) => {
            assert_eq!(rules, 0, "what is refused has no rules: {bad}");
            assert!(bad.line >= 1 && bad.column >= 1 && !bad.what.is_empty());
        }
    }
}
