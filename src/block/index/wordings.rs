//! The texts of many rules, by number.
//!
//! Each is held as what it doesn't share with the one before it (front coding): the lines of a list
//! resemble their neighbours. Every 16th is held whole, so that one is found in a few short steps.

/// Texts from one that is held whole to the next.
const BLOCK: usize = 16;

#[derive(Default)]
pub(super) struct Wordings {
    /// For each text: how many bytes it shares, how many follow, and those.
    blob: Vec<u8>,
    /// Where each block begins.
    blocks: Vec<usize>,
    count: usize,
    /// The text pushed last.
    last: Vec<u8>,
}

impl Wordings {
    pub(super) fn push(&mut self, text: &str) {
        let text = text.as_bytes();
        let shared = if self.count.is_multiple_of(BLOCK) {
            self.blocks.push(self.blob.len());
            0
        } else {
            self.last.iter().zip(text).take_while(|(one, other)| one == other).count()
        };
        self.push_number(shared);
        self.push_number(text.len() - shared);
        self.blob.extend_from_slice(&text[shared..]);
        self.last.truncate(shared);
        self.last.extend_from_slice(&text[shared..]);
        self.count += 1;
    }

    /// Gives back what no further text will need.
    pub(super) fn shrink(&mut self) {
        self.last = Vec::new();
        self.blob.shrink_to_fit();
        self.blocks.shrink_to_fit();
    }

    pub(super) fn at(&self, number: usize) -> String {
        let mut rest = &self.blob[self.blocks[number / BLOCK]..];
        let mut text = Vec::new();
        for _ in 0..=number % BLOCK {
            let (shared, own) = (take_number(&mut rest), take_number(&mut rest));
            let (own, behind) = rest.split_at(own);
            text.truncate(shared);
            text.extend_from_slice(own);
            rest = behind;
        }
        String::from_utf8(text).unwrap_or_default()
    }

    /// Seven bits a byte, the lowest first; the highest bit says that more follow (LEB128).
    fn push_number(&mut self, mut number: usize) {
        while number >= 0x80 {
            self.blob.push(number as u8 | 0x80);
            number >>= 7;
        }
        self.blob.push(number as u8);
    }
}

fn take_number(bytes: &mut &[u8]) -> usize {
    let mut number = 0;
    for shift in (0..usize::BITS).step_by(7) {
        let Some((&byte, rest)) = bytes.split_first() else { break };
        *bytes = rest;
        number |= usize::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            break;
        }
    }
    number
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn wordings(texts: &[String]) -> Wordings {
        let mut wordings = Wordings::default();
        texts.iter().for_each(|text| wordings.push(text));
        wordings.shrink();
        wordings
    }

    proptest! {
        #[test]
        fn what_was_put_in_comes_out(parts in prop::collection::vec((0..40_000_usize, "[aé€]{0,4}"), 0..40)) {
            // Lengths of one byte, two and three; neighbours that part in the middle of a character.
            let long = |length: usize| "é".repeat(if length < 20_000 { length % 70 } else { length / 4 });
            let texts: Vec<String> = parts.into_iter().map(|(length, own)| long(length) + &own).collect();
            let wordings = wordings(&texts);
            for (number, text) in texts.iter().enumerate() {
                prop_assert_eq!(&wordings.at(number), text);
            }
        }
    }

    #[test]
    fn neighbours_share_what_they_begin_with() {
        let texts: Vec<String> = (0..16_000).map(|number| format!("https://photos.example/a/{number}")).collect();
        let wordings = wordings(&texts);
        let plain: usize = texts.iter().map(String::len).sum();
        assert!(wordings.blob.len() * 3 < plain, "{} of {plain}", wordings.blob.len());
    }
}
