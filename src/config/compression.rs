//! Judges what a site has compressed, and shows it.

use cache::coding::{Coding, Compression, MIN_LENGTH, MediaRange, TYPES};
use serde_json::{Value, json};

use super::choice::{self, word};
use super::errors::{Wrong, quoted};
use super::judge::Judge;
use super::reader::At;
use super::typed;
use super::units::show_size;

/// Bytes. An empty body can't become smaller; what a client waits for this long is worth compressing.
const LENGTHS: (u64, u64) = (1, 1 << 30);

/// Ranges of types: an answer is compared with each.
const MOST_TYPES: usize = 64;

impl Judge<'_, '_> {
    pub(super) fn compression(&mut self, written: typed::Compress) -> Compression {
        let codings = written.codings.map_or_else(|| Coding::ALL.to_vec(), |codings| self.codings(codings));
        let types = match written.types {
            Some(types) => self.types(types),
            None => TYPES.iter().filter_map(|range| range.parse().ok()).collect(),
        };
        let min_length = self.size(written.min_length, MIN_LENGTH, LENGTHS.0..=LENGTHS.1);
        Compression { codings, types, min_length }
    }

    fn codings(&mut self, written: At<Vec<At<String>>>) -> Vec<Coding> {
        let help = "name some of \"zstd\", \"br\" and \"gzip\", or remove `compress`: then nothing is compressed";
        if written.value.is_empty() {
            self.faults.add(&written.at, Wrong::new("no coding is offered", help));
        }
        let mut codings = Vec::new();
        for coding in written.value {
            let (at, text) = (coding.at.clone(), coding.value.clone());
            match self.checked(coding, |text| choice::choose(text, choice::CODINGS)) {
                Some(known) if codings.contains(&known) => {
                    self.faults.add(&at, Wrong::new(format!("{} stands here twice", quoted(&text)), "keep one"));
                }
                known => codings.extend(known),
            }
        }
        codings
    }

    fn types(&mut self, written: At<Vec<At<String>>>) -> Vec<MediaRange> {
        if written.value.is_empty() || written.value.len() > MOST_TYPES {
            let what = format!("{} media types", written.value.len());
            self.faults.add(&written.at, Wrong::new(what, format!("name 1 to {MOST_TYPES}, such as \"text/*\"")));
        }
        written.value.into_iter().filter_map(|range| self.checked(range, media_range)).collect()
    }
}

fn media_range(text: &str) -> Result<MediaRange, Wrong> {
    text.parse().map_err(|error| {
        Wrong::new(format!("{} names no media types: {error}", quoted(text)), "write one such as \"text/*\"")
    })
}

/// Null where nothing is compressed.
pub(super) fn value(compression: Option<&Compression>) -> Value {
    let Some(Compression { codings, types, min_length }) = compression else { return Value::Null };
    json!({
        "codings": codings.iter().map(|coding| word(coding, choice::CODINGS)).collect::<Vec<_>>(),
        "types": types.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "min_length": show_size(*min_length),
    })
}
