//! Pieces of JSON as bytes: strings, numbers, times. Written by hand because a line is written for
//! every answer.

use std::fmt::Display;
use std::io::Write as _;

use terms::{Digest, Timestamp};

const HEX: &[u8; 16] = b"0123456789abcdef";

/// A JSON string with its quotes (RFC 8259 section 7); bytes past ASCII stand as they are.
pub fn string(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    let bytes = text.as_bytes();
    let mut from = 0;
    for (at, &byte) in bytes.iter().enumerate() {
        if byte >= 0x20 && byte != b'"' && byte != b'\\' {
            continue;
        }
        out.extend_from_slice(&bytes[from..at]);
        from = at + 1;
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
            _ => {
                out.extend_from_slice(b"\\u00");
                out.push(HEX[usize::from(byte >> 4)]);
                out.push(HEX[usize::from(byte & 15)]);
            }
        }
    }
    out.extend_from_slice(&bytes[from..]);
    out.push(b'"');
}

pub fn number(out: &mut Vec<u8>, value: u64) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

/// A JSON string of `sha256:` and 64 hexadecimal digits.
pub fn digest(out: &mut Vec<u8>, digest: Digest) {
    let mut digits = [0; 64];
    for (pair, byte) in digits.chunks_exact_mut(2).zip(digest.as_bytes()) {
        pair[0] = HEX[usize::from(byte >> 4)];
        pair[1] = HEX[usize::from(byte & 15)];
    }
    out.extend_from_slice(b"\"sha256:");
    out.extend_from_slice(&digits);
    out.push(b'"');
}

/// A JSON string of something whose text needs no escapes.
pub fn plain(out: &mut Vec<u8>, value: impl Display) {
    // Writing to a Vec does not fail.
    let _ = write!(out, "\"{value}\"");
}

/// Writes times, and keeps the text of the last whole second: lines share it.
#[derive(Debug)]
pub struct Stamp {
    second: i64,
    text: Vec<u8>,
}

impl Stamp {
    pub fn new() -> Stamp {
        Stamp { second: i64::MIN, text: Vec::new() }
    }

    /// A JSON string: RFC 3339 with six decimals and `Z`.
    pub fn write(&mut self, out: &mut Vec<u8>, time: Timestamp) {
        const DECIMALS: &str = "000000Z";
        if time.secs() != self.second {
            self.second = time.secs();
            self.text = Timestamp::from_secs(self.second).to_string().into_bytes();
            self.text.truncate(self.text.len().saturating_sub(DECIMALS.len()));
        }
        out.push(b'"');
        out.extend_from_slice(&self.text);
        let mut micros = time.micros().rem_euclid(1_000_000);
        let mut digits = [b'0'; 6];
        for digit in digits.iter_mut().rev() {
            *digit = b'0' + (micros % 10) as u8;
            micros /= 10;
        }
        out.extend_from_slice(&digits);
        out.extend_from_slice(b"Z\"");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_string_is_read_back_as_it_was(text in any::<String>()) {
            let mut out = Vec::new();
            string(&mut out, &text);
            prop_assert!(!out.contains(&b'\n'));
            prop_assert_eq!(serde_json::from_slice::<String>(&out).unwrap(), text);
        }

        #[test]
        fn a_time_is_written_as_the_vocabulary_writes_it(times in prop::collection::vec(-1_000_000_000_000_000..4_000_000_000_000_000_i64, 1..5)) {
            let mut stamp = Stamp::new();
            for micros in times {
                let mut out = Vec::new();
                stamp.write(&mut out, Timestamp::from_micros(micros));
                prop_assert_eq!(String::from_utf8(out).unwrap(), format!("\"{}\"", Timestamp::from_micros(micros)));
            }
        }
    }

    #[test]
    fn control_characters_are_escaped() {
        let mut out = Vec::new();
        string(&mut out, "a\n\"\\\u{1}é");
        assert_eq!(String::from_utf8(out).unwrap(), "\"a\\u000a\\\"\\\\\\u0001é\"");
    }
}
