//! Bytes of a target: which stand for themselves, and the escapes for the others.

use super::UrlError;

/// What a byte may do in a target.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Class {
    /// Stands for itself in a path and in a query.
    Plain,
    /// Stands for itself in one of them, or means something: looked at one by one.
    Special,
    /// A control character, or a blank.
    Never,
}

pub(super) const CLASSES: [Class; 256] = {
    let mut classes = [Class::Special; 256];
    let mut byte = 0;
    while byte < 256 {
        classes[byte] = match byte as u8 {
            0..=b' ' | 0x7f => Class::Never,
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => Class::Plain,
            b'!' | b'$' | b'\'' | b'(' | b')' | b'*' | b',' | b':' | b'@' => Class::Plain,
            _ => Class::Special,
        };
        byte += 1;
    }
    classes
};

/// The byte that an escape stands for; `rest` begins after its `%`.
pub(super) fn escape(rest: &mut &[u8]) -> Result<u8, UrlError> {
    let digit = |at: usize| rest.get(at).and_then(|&byte| (byte as char).to_digit(16)).ok_or(UrlError::BadEscape);
    let byte = digit(0)? * 16 + digit(1)?;
    *rest = &rest[2..];
    Ok(byte as u8)
}

pub(super) fn push_escaped(text: &mut String, byte: u8) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    if CLASSES[usize::from(byte)] == Class::Plain {
        text.push(byte as char);
    } else {
        text.push('%');
        text.push(DIGITS[usize::from(byte >> 4)] as char);
        text.push(DIGITS[usize::from(byte & 15)] as char);
    }
}

/// A target as it can stand on the wire: letters beyond ASCII are escaped, a missing path is `/`.
pub(super) fn wire_target(target: &str) -> Result<String, UrlError> {
    let mut wire = String::with_capacity(target.len() + 1);
    if !target.starts_with('/') {
        wire.push('/');
    }
    for &byte in target.as_bytes() {
        match byte {
            0..0x20 | 0x7f => return Err(UrlError::Control),
            b' ' => return Err(UrlError::BadCharacter),
            0x80.. | b'"' | b'<' | b'>' | b'`' | b'{' | b'}' | b'|' | b'^' | b'\\' => push_escaped(&mut wire, byte),
            _ => wire.push(byte as char),
        }
    }
    Ok(wire)
}
