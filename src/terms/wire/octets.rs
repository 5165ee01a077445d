//! What each byte may be part of.

const TOKEN: u8 = 1;
const METHOD: u8 = 2;
const HOST: u8 = 4;

static CLASSES: [u8; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = classes(byte as u8);
        byte += 1;
    }
    table
};

const fn classes(byte: u8) -> u8 {
    let alphanumeric = byte.is_ascii_alphanumeric();
    let mut classes = 0;
    // RFC 9110 section 5.6.2.
    if alphanumeric
        || matches!(byte, b'!' | b'#' | b'$' | b'%' | b'&' | b'\'' | b'*' | b'+')
        || matches!(byte, b'-' | b'.' | b'^' | b'_' | b'`' | b'|' | b'~')
    {
        classes |= TOKEN;
    }
    // Any token is a method, but registered ones are made of these, and an origin that folds the case of
    // others would answer for a method that was not judged.
    if byte.is_ascii_uppercase() || matches!(byte, b'-' | b'_') {
        classes |= METHOD;
    }
    // Names, addresses in brackets, ports; U-labels and escapes are the canonicaliser's to judge.
    if alphanumeric || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'%' | b':' | b'[' | b']' | 0x80..) {
        classes |= HOST;
    }
    classes
}

pub(super) fn is_token(byte: u8) -> bool {
    of(byte) & TOKEN != 0
}

/// How many bytes at the start are of a token: four are looked at in one step.
pub(super) fn token_length(bytes: &[u8]) -> usize {
    let is_token = |four: &&[u8; 4]| of(four[0]) & of(four[1]) & of(four[2]) & of(four[3]) & TOKEN != 0;
    let (fours, _) = bytes.as_chunks();
    let sure = 4 * fours.iter().take_while(is_token).count();
    sure + bytes[sure..].iter().take_while(|&&byte| of(byte) & TOKEN != 0).count()
}

fn of(byte: u8) -> u8 {
    CLASSES[usize::from(byte)]
}

/// How many bytes at the start are of a method.
pub(super) fn method_length(bytes: &[u8]) -> usize {
    bytes.iter().take_while(|&&byte| of(byte) & METHOD != 0).count()
}

pub(super) fn are_host(bytes: &[u8]) -> bool {
    bytes.iter().fold(HOST, |all, &byte| all & of(byte)) != 0
}

/// What may stand anywhere in a target in origin-form: RFC 3986 sections 3.3 and 3.4, and what clients send
/// unencoded all the same. Compared, not looked up, so that many bytes are looked at in one step.
pub(super) fn are_target(bytes: &[u8]) -> bool {
    let is_odd = |byte: u8| {
        matches!(byte, 0..=b' ' | 0x7f..)
            | matches!(byte, b'"' | b'<' | b'>' | b'^' | b'`')
            | matches!(byte, b'{' | b'}')
    };
    !bytes.iter().fold(false, |odd, &byte| odd | is_odd(byte))
}

/// Where the first control character stands that is no tab.
#[inline]
pub(super) fn control_at(bytes: &[u8]) -> Option<usize> {
    let (blocks, rest) = bytes.as_chunks();
    for (number, block) in blocks.iter().enumerate() {
        let flags = controls(block);
        if flags != 0 {
            return Some(16 * number + flags.trailing_zeros() as usize);
        }
    }
    let at = rest.iter().position(|&byte| is_control(byte))?;
    Some(16 * blocks.len() + at)
}

/// One bit for each control character that is no tab, the lowest for the first byte.
#[cfg(target_arch = "x86_64")]
#[inline]
fn controls(block: &[u8; 16]) -> u32 {
    use std::arch::x86_64::*;
    // SAFETY: SSE2 is part of x86-64, and the block has the 16 bytes that are loaded, from any address.
    unsafe {
        let block = _mm_loadu_si128(block.as_ptr().cast());
        let is_below_blank = _mm_cmpeq_epi8(_mm_min_epu8(block, _mm_set1_epi8(0x1f)), block);
        let is_tab = _mm_cmpeq_epi8(block, _mm_set1_epi8(0x09));
        let is_delete = _mm_cmpeq_epi8(block, _mm_set1_epi8(0x7f));
        _mm_movemask_epi8(_mm_or_si128(_mm_andnot_si128(is_tab, is_below_blank), is_delete)).cast_unsigned()
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn controls(block: &[u8; 16]) -> u32 {
    block.iter().rev().fold(0, |flags, &byte| flags << 1 | u32::from(is_control(byte)))
}

fn is_control(byte: u8) -> bool {
    ((byte < b' ') & (byte != b'\t')) | (byte == 0x7f)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_first_control_character_is_found_wherever_it_stands(
            clean in "[\t -~\u{80}-\u{ff}]{0,60}",
            byte in any::<u8>(),
            rest in prop::collection::vec(any::<u8>(), 0..40),
        ) {
            let bytes = [clean.as_bytes(), &[byte], &rest].concat();
            prop_assert_eq!(control_at(&bytes), bytes.iter().position(|&byte| is_control(byte)));
        }

        #[test]
        fn a_token_ends_at_the_first_byte_that_is_none(bytes in prop::collection::vec(any::<u8>(), 0..9), name in "[!-~]{0,20}") {
            let bytes = [name.as_bytes(), &bytes].concat();
            let end = bytes.iter().position(|&byte| !is_token(byte)).unwrap_or(bytes.len());
            prop_assert_eq!(token_length(&bytes), end);
        }
    }
}
