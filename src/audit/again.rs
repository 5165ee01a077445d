//! Whether the log tells of an event already: asked before one is told again that may have been told
//! before a crash.

use std::io;

use serde::Deserialize;
use serde_json::{Map, Value};
use terms::Timestamp;

use crate::files::{Folder, SegmentId};
use crate::line::Event;
use crate::read::{Lines, Next, is_damage};

/// Where a line stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    pub run: u64,
    pub seq: u64,
}

#[derive(Deserialize)]
struct Told {
    run: u64,
    seq: u64,
    time: Timestamp,
    event: Option<String>,
    #[serde(default)]
    data: Map<String, Value>,
}

impl Told {
    fn read(line: &[u8]) -> Option<Told> {
        serde_json::from_slice(line).ok()
    }
}

/// The line that tells of an event of this kind with this very data. Looked for from the newest segment
/// back to the one in which `since`, a moment before the event could be told, lies.
pub fn find(folder: &Folder, event: &Event, since: Timestamp) -> io::Result<Option<Place>> {
    for found in folder.list()?.iter().rev().filter(|found| found.plain || found.packed) {
        let scanned = scan(folder, found.id, event)?;
        if scanned.place.is_some() || scanned.begins.is_some_and(|begins| begins < since) {
            return Ok(scanned.place);
        }
    }
    Ok(None)
}

#[derive(Default)]
struct Scanned {
    begins: Option<Timestamp>,
    place: Option<Place>,
}

/// What can't be read of a damaged segment tells of nothing: an event told twice is better than one
/// that is lost.
fn scan(folder: &Folder, id: SegmentId, event: &Event) -> io::Result<Scanned> {
    let mut scanned = Scanned::default();
    let outcome = Lines::open(folder, id).and_then(|mut lines| {
        while let Next::Line(line) = lines.next()? {
            // Most lines are answers, which need not be read to be passed by.
            if scanned.begins.is_some() && !holds(line, event.kind.as_bytes()) {
                continue;
            }
            let Some(told) = Told::read(line) else { continue };
            scanned.begins.get_or_insert(told.time);
            if told.event.as_deref() == Some(event.kind) && told.data == event.data {
                scanned.place = Some(Place { run: told.run, seq: told.seq });
                break;
            }
        }
        Ok(())
    });
    match outcome {
        Err(error) if !is_damage(&error) => Err(error),
        _ => Ok(scanned),
    }
}

fn holds(line: &[u8], word: &[u8]) -> bool {
    line.windows(word.len()).any(|part| part == word)
}
