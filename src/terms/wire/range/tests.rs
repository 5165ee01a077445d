//! What RFC 9110 sections 14 and 15.3.7 say of ranges, sentence by sentence.

use proptest::prelude::*;

use super::*;

fn ranges(text: &str) -> Option<Ranges> {
    let fields = [(RANGE, HeaderValue::from_str(text).unwrap())].into_iter().collect();
    Ranges::read(&fields)
}

fn selected(text: &str, length: u64, gap: u64) -> String {
    match ranges(text).map(|ranges| ranges.within(length, gap)) {
        None | Some(Selected::Whole) => "whole".to_owned(),
        Some(Selected::Unsatisfiable) => "416".to_owned(),
        Some(Selected::Parts(parts)) => parts.to_string(),
    }
}

#[test]
fn one_range_is_as_in_section_14_1_2() {
    for (text, length, expected) in [
        // "The first 500 bytes", "the second 500 bytes".
        ("bytes=0-499", 10_000, "0-499/10000"),
        ("bytes=500-999", 10_000, "500-999/10000"),
        // "If the last-pos value is absent, or … greater than or equal to the current length".
        ("bytes=9500-", 10_000, "9500-9999/10000"),
        ("bytes=9500-10000", 10_000, "9500-9999/10000"),
        ("bytes=0-99999999999999999999999", 10, "0-9/10"),
        // "the last N bytes (N > 0)"; "if … shorter than the specified suffix-length, the entire representation".
        ("bytes=-500", 10_000, "9500-9999/10000"),
        ("bytes=-20000", 10_000, "0-9999/10000"),
        // "satisfiable if it is either: an int-range with a first-pos that is less than the current length".
        ("bytes=10-", 10, "416"),
        ("bytes=10-12", 10, "416"),
        ("bytes=99999999999999999999999-", 10, "416"),
        // "or a suffix-range with a non-zero suffix-length".
        ("bytes=-0", 10, "416"),
        // "a server MAY ignore a Range … when the selected representation has no content".
        ("bytes=0-", 0, "416"),
        ("bytes=-1", 0, "whole"),
        // Section 14.1: "range-unit names are case-insensitive".
        ("BYTES=0-0", 10, "0-0/10"),
    ] {
        assert_eq!(selected(text, length, 0), expected, "{text} of {length}");
    }
}

#[test]
fn what_is_no_range_of_bytes_is_ignored() {
    for text in [
        // "An int-range is invalid if the last-pos value is present and less than the first-pos."
        "bytes=5-4",
        // "invalid if it contains any range-spec that is invalid or undefined".
        "bytes=0-1,5-4",
        "bytes=0-1,x",
        "bytes=0-1,bytes=2-3",
        "bytes=a-b",
        "bytes=1.5-3",
        "bytes=+1-3",
        "bytes=0x1-3",
        "bytes=1-2-3",
        "bytes=--1",
        // 1#range-spec.
        "bytes=",
        "bytes=,",
        "bytes=-",
        "bytes",
        "0-1",
        // "a range unit it does not understand".
        "lines=0-1",
        "bytes =0-1",
    ] {
        assert_eq!(selected(text, 10, 0), "whole", "{text}");
    }
    let two: HeaderMap =
        ["bytes=0-1", "bytes=2-3"].map(|line| (RANGE, HeaderValue::from_static(line))).into_iter().collect();
    assert_eq!(Ranges::read(&two), None);
    assert_eq!(Ranges::read(&HeaderMap::new()), None);
}

#[test]
fn several_ranges_keep_their_order_and_near_ones_are_one() {
    for (text, length, gap, expected) in [
        // Section 14.1.2's examples.
        ("bytes=0-0,-1", 10_000, 0, "0-0,9999-9999/10000"),
        ("bytes= 0-999, 4500-5499, -1000", 10_000, 0, "0-999,4500-5499,9000-9999/10000"),
        ("bytes=500-600,601-999", 10_000, 1, "500-999/10000"),
        ("bytes=500-700,601-999", 10_000, 0, "500-999/10000"),
        // "SHOULD send the parts in the same order", also in one that is coalesced.
        ("bytes=90-99,0-9", 100, 0, "90-99,0-9/100"),
        ("bytes=90-99,0-9,95-", 100, 0, "90-99,0-9/100"),
        ("bytes=50-59,0-9,8-12", 100, 0, "50-59,0-12/100"),
        // "separated by a gap that is smaller than the overhead".
        ("bytes=0-9,20-29", 100, 10, "0-9,20-29/100"),
        ("bytes=0-9,20-29", 100, 11, "0-29/100"),
        ("bytes=20-29,0-9,60-61", 100, 11, "0-29,60-61/100"),
        // "excluding those ranges that were deemed unsatisfiable".
        ("bytes=0-1,200-300", 100, 0, "0-1/100"),
        ("bytes=100-,200-300,-0", 100, 0, "416"),
        // Section 5.6.1.2: empty members of a list are read over.
        ("bytes=,0-0,\t ,5-5", 100, 0, "0-0,5-5/100"),
        // "more than two overlapping ranges".
        ("bytes=0-,0-,0-", 100, 0, "0-99/100"),
        ("bytes=0-,0-,0-,0-", 100, 0, "whole"),
        ("bytes=0-9,5-14,10-19,15-24", 100, 0, "whole"),
        ("bytes=0-9,5-14,10-19", 100, 0, "0-19/100"),
        // Which ones overlap may be clear only where the end is.
        ("bytes=0-9,10-19,20-29,-30", 1000, 0, "0-9,10-19,20-29,970-999/1000"),
        ("bytes=0-9,10-19,20-29,-30", 30, 0, "whole"),
        ("bytes=-1,-2,-3,-4", 1000, 0, "whole"),
    ] {
        assert_eq!(selected(text, length, gap), expected, "{text} of {length}, {gap}");
    }
}

#[test]
fn a_request_names_no_more_ranges_than_its_bound() {
    let list = |count: usize| {
        let specs: Vec<String> = (0..count).map(|n| format!("{}-{}", n * 1000, n * 1000)).collect();
        format!("bytes={}", specs.join(","))
    };
    assert!(selected(&list(MOST_RANGES), 1_000_000, 0).starts_with("0-0,1000-1000,"));
    assert_eq!(selected(&list(MOST_RANGES + 1), 1_000_000, 0), "whole");
}

#[test]
fn content_range_is_read_as_section_14_4_has_it() {
    for (text, expected) in [
        ("bytes 42-1233/1234", Some("42-1233/1234")),
        ("bytes 42-1233/*", Some("42-1233/*")),
        ("Bytes 0-0/1", Some("0-0/1")),
        // "invalid if … last-pos value less than its first-pos value, or complete-length … less than or equal".
        ("bytes 5-4/10", None),
        ("bytes 0-9/9", None),
        ("bytes 0-10/10", None),
        ("bytes */1234", None),
        ("bytes 0-/10", None),
        ("bytes -5/10", None),
        ("bytes 0-18446744073709551615/*", None),
        ("bytes=0-1/10", None),
        ("lines 0-1/10", None),
        ("", None),
    ] {
        let fields = [(CONTENT_RANGE, HeaderValue::from_static(text))].into_iter().collect();
        assert_eq!(Parts::enclosed(&fields).map(|parts| parts.to_string()).as_deref(), expected, "{text}");
    }
    let twice: HeaderMap = ["bytes 0-1/10", "bytes 2-3/10"]
        .map(|line| (CONTENT_RANGE, HeaderValue::from_static(line)))
        .into_iter()
        .collect();
    assert_eq!(Parts::enclosed(&twice), None);
}

/// Which bytes a list asks for, by a reading of its own.
fn naive(text: &str, length: u64) -> Vec<bool> {
    let mut wanted = vec![false; length as usize];
    for spec in text.trim_start_matches("bytes=").split(',').filter(|spec| !spec.is_empty()) {
        let (first, last) = spec.split_once('-').unwrap();
        let (from, to) = match (first, last) {
            ("", count) => (length.saturating_sub(count.parse().unwrap()), length),
            (first, "") => (first.parse().unwrap(), length),
            (first, last) => (first.parse().unwrap(), last.parse::<u64>().unwrap() + 1),
        };
        for position in from..to.min(length) {
            wanted[position as usize] = true;
        }
    }
    wanted
}

proptest! {
    #[test]
    fn any_text_is_read(text in "(bytes=)?[0-9, \t-]{0,60}", length in 0..500_u64, gap in 0..200_u64) {
        if let Some(Selected::Parts(parts)) = ranges(&text).map(|ranges| ranges.within(length, gap)) {
            prop_assert!(!parts.is_empty());
            for part in &parts.parts {
                prop_assert!(part.first <= part.last && part.last < length);
            }
        }
    }

    /// All that was asked for is in the parts, nothing twice, and beside it no more than the gaps.
    #[test]
    fn parts_are_what_was_asked_for(
        text in "bytes=([0-9]{1,3}-[0-9]{0,3},|-[0-9]{1,3},){1,6}", length in 1..700_u64, gap in 0..150_u64,
    ) {
        let Some(Selected::Parts(parts)) = ranges(&text).map(|ranges| ranges.within(length, gap)) else { return Ok(()) };
        let mut wanted = naive(&text, length);
        let mut sorted = parts.parts.clone();
        sorted.sort_by_key(|part| part.first);
        for two in sorted.windows(2) {
            prop_assert!(two[1].first > two[0].last.saturating_add(gap), "{parts}");
        }
        for part in &parts.parts {
            let bytes = &mut wanted[part.first as usize..=part.last as usize];
            prop_assert!(bytes[0] && bytes[bytes.len() - 1], "it begins and ends with what was asked for");
            let longest = bytes.split(|asked| *asked).map(<[bool]>::len).max().unwrap_or(0);
            prop_assert!((longest as u64) < gap.max(1), "{parts}");
            bytes.fill(false);
        }
        prop_assert!(!wanted.contains(&true), "{parts}");
    }
}
