//! From a list's bytes to its table, on as many threads as are worth it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{Builder, available_parallelism, scope};

use terms::Digest;
use terms::ruling::RuleOrigin;

use super::error::{Problem, SourceError};
use crate::index::{Compiler, Part, Source, Table};
use crate::list::{self, BadLine, Foreign, MAX_REPORTED, Unread};
use crate::pattern::Share;
use crate::settings::{Allowed, Listed};

/// Bytes that a thread reads at once: some 15,000 lines, a few milliseconds.
const PIECE: usize = 1 << 20;

/// Threads that read beside one another; one more joins what they read.
const MAX_THREADS: usize = 4;

/// A list, compiled.
#[derive(Clone, Debug)]
pub struct Compiled {
    pub table: Arc<Table>,
    /// What of it no rule holds.
    pub unread: Arc<Unread>,
}

/// Reads a list in the format that is named for it, or in ours, whatever of them its name says, and compiles it.
/// `hash` is that of its bytes.
pub(super) fn compile(
    listed: &Listed,
    bytes: &[u8],
    hash: Digest,
    allowed: Allowed,
) -> Result<Compiled, Vec<SourceError>> {
    let share = allowed.share;
    if let Some(bad) = list::html(bytes) {
        return Err(vec![SourceError::new(listed.shown(), Problem::BadLine(bad))]);
    }
    let of_ours = |compiler| (compiler, Unread::default());
    let read = match (listed.foreign(), listed.path.extension()) {
        (Some(foreign), _) => read_foreign(bytes, foreign),
        (None, Some(extension)) if extension == "toml" => read_tables(bytes, share).map(of_ours),
        (None, _) => read_text(bytes, PIECE, share).map(of_ours),
    };
    let bad_line = |bad| SourceError::new(listed.shown(), Problem::BadLine(bad));
    let (compiler, unread) = read.map_err(|bad| bad.into_iter().map(bad_line).collect::<Vec<_>>())?;
    let table = compiler.finish(Source::File(Arc::from(listed.shown().to_string_lossy())), hash);
    if let (false, Some(RuleOrigin::File { line, .. })) = (allowed.geo, table.first_of_countries()) {
        let is_toml = listed.foreign.is_none() && listed.path.extension().is_some_and(|extension| extension == "toml");
        return Err(vec![bad_line(list::unserved(bytes, line, is_toml))]);
    }
    Ok(Compiled { table: Arc::new(table), unread: Arc::new(unread) })
}

fn read_foreign(bytes: &[u8], foreign: &Foreign) -> Result<(Compiler, Unread), Vec<BadLine>> {
    let (mut compiler, mut part) = (Compiler::default(), Part::default());
    let unread = list::read_foreign(bytes, foreign, |rule| part.add(&rule)).map_err(|bad| vec![bad])?;
    compiler.append(&part, 0);
    Ok((compiler, unread))
}

fn read_tables(bytes: &[u8], share: Share) -> Result<Compiler, Vec<BadLine>> {
    let (mut compiler, mut part) = (Compiler::default(), Part::default());
    list::read_tables(bytes, share)?.iter().for_each(|rule| part.add(rule));
    compiler.append(&part, 0);
    Ok(compiler)
}

/// A piece that was read.
struct Read {
    number: usize,
    part: Part,
    /// That end in it.
    lines: u32,
    bad: Vec<BadLine>,
}

impl Read {
    fn of(number: usize, piece: &[u8]) -> Read {
        // Most lines are rules, and longer.
        let mut part = Part::of(piece.len() / 48);
        let (lines, bad) = list::read_lines(piece, Share::default(), |rule| part.add(&rule));
        Read { number, part, lines, bad }
    }
}

fn read_text(bytes: &[u8], piece: usize, share: Share) -> Result<Compiler, Vec<BadLine>> {
    let pieces = list::pieces(bytes, piece);
    let mut joined = Joined { share, expected: pieces.len(), ..Joined::default() };
    let threads = available_parallelism().map_or(1, usize::from).min(MAX_THREADS).min(pieces.len());
    match threads {
        0 | 1 => pieces.iter().enumerate().for_each(|(number, piece)| joined.take(Read::of(number, piece))),
        _ => read_beside(&pieces, threads, &mut joined),
    }
    joined.finish(bytes, share)
}

/// Has some threads read the pieces, and joins them in their order.
fn read_beside(pieces: &[&[u8]], threads: usize, joined: &mut Joined) {
    let next = AtomicUsize::new(0);
    let work = |done: SyncSender<Read>| {
        while let number = next.fetch_add(1, Relaxed)
            && let Some(piece) = pieces.get(number)
        {
            // Nobody takes any more where enough lines are bad.
            if done.send(Read::of(number, piece)).is_err() {
                break;
            }
        }
    };
    scope(|scope| {
        let (done, came) = sync_channel(threads);
        let spawned = (0..threads).filter(|_| {
            let done = done.clone();
            Builder::new().name("list".to_owned()).spawn_scoped(scope, || work(done)).is_ok()
        });
        if spawned.count() == 0 {
            return pieces.iter().enumerate().for_each(|(number, piece)| joined.take(Read::of(number, piece)));
        }
        drop(done);
        join(came, joined);
    });
}

fn join(came: Receiver<Read>, joined: &mut Joined) {
    let mut early = BTreeMap::new();
    for read in came {
        early.insert(read.number, read);
        while let Some(read) = early.remove(&joined.pieces) {
            joined.take(read);
        }
        if joined.bad.len() >= MAX_REPORTED {
            break;
        }
    }
}

/// Pieces on their way to a table, in their order.
#[derive(Default)]
struct Joined {
    compiler: Compiler,
    /// How many pieces there are.
    expected: usize,
    pieces: usize,
    lines: u32,
    bad: Vec<BadLine>,
    share: Share,
    has_patterns: bool,
}

impl Joined {
    fn take(&mut self, read: Read) {
        let own = read.part.share();
        self.has_patterns |= own != Share::default();
        self.share = self.share.plus(own);
        self.bad.extend(read.bad.into_iter().map(|bad| BadLine { line: bad.line + self.lines, ..bad }));
        if self.pieces == 0 {
            self.compiler.reserve(&read.part, self.expected);
        }
        if self.bad.is_empty() {
            self.compiler.append(&read.part, self.lines);
        }
        self.pieces += 1;
        self.lines += read.lines;
    }

    /// `share` is what was taken of the patterns that there may be before.
    fn finish(mut self, bytes: &[u8], share: Share) -> Result<Compiler, Vec<BadLine>> {
        let is_over = self.share.excess().is_some();
        if self.has_patterns && (is_over || !self.bad.is_empty()) {
            // Only who reads all of them in order knows which one is too much.
            list::read_each(bytes, share, drop)?;
        }
        self.bad.truncate(MAX_REPORTED);
        if self.bad.is_empty() { Ok(self.compiler) } else { Err(self.bad) }
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use proptest::prelude::*;
    use terms::{Timestamp, Url};

    use super::*;
    use crate::index::{Case, Index};
    use crate::list::Format;

    #[test]
    fn a_page_of_html_is_a_list_in_no_format() {
        let pages = [
            "<!DOCTYPE html>\n<html><body>Please log in</body></html>\n",
            "\u{feff}\r\n  <HTML>\n<head>\n",
            "<!doctype html><style>#id ## .x{}</style>\n||ads.example^\n0.0.0.0 ads.example\n",
        ];
        for page in pages {
            let formats = Format::ALL.iter().map(|(_, format)| Some(Arc::new(Foreign::new(*format))));
            for foreign in formats.chain([None]) {
                let listed = Listed { foreign, ..PathBuf::from("/lists/a.txt").into() };
                let refused = compile(&listed, page.as_bytes(), Digest::ZERO, Allowed::default()).unwrap_err();
                let line = if page.starts_with('<') { 1 } else { 2 };
                let place = format!("/lists/a.txt:{line}:1: a page of HTML begins here");
                assert!(refused[0].to_string().starts_with(&place), "{listed:?}: {}", refused[0]);
            }
        }
        assert_eq!(list::html(b"# <html\nads.example\n"), None);
    }

    fn line() -> impl Strategy<Value = String> {
        let rule = prop::sample::select(vec![
            "",
            "# nothing",
            "h.example",
            "*.h.example notice=N-1",
            "https://h.example/a",
            "https://h.example/a?x=1&y=2 notice=N-1",
            "https://h.example/b?x=1&y=3 notice=N-2 reason=r",
            "!https://h.example/a/b until=2027-01-31",
            "https://g.example/*",
            "~^https://p\\.example/[0-9]",
        ]);
        prop_oneof![20 => rule.prop_map(str::to_owned), 1 => Just("bad one".to_owned())]
    }

    proptest! {
        #[test]
        fn pieces_beside_one_another_are_read_as_the_whole(
            lines in prop::collection::vec(line(), 0..80),
            piece in 1..200_usize,
            others in prop_oneof![4 => Just(0), 1 => 995..1_001_usize],
            ends_with in prop::sample::select(vec!["", "\n", "\r\n"]),
        ) {
            let text = format!("\u{feff}{}{ends_with}", lines.join("\n"));
            let share = Share { patterns: others, bytes: 0 };
            let table = |piece| {
                let read = read_text(text.as_bytes(), piece, share);
                let finish = |compiler: Compiler| compiler.finish(Source::File("list.txt".into()), Digest::ZERO);
                let edits = Table::compile(Source::Edits { ids: Vec::new() }, Vec::new(), Digest::ZERO);
                read.map(|compiler| Index::new(1, Arc::new(edits), vec![Arc::new(finish(compiler))]))
            };
            let (whole, pieces) = match (table(usize::MAX), table(piece)) {
                (Ok(whole), Ok(pieces)) => (whole, pieces),
                (Err(whole), Err(pieces)) => {
                    prop_assert_eq!(whole, pieces);
                    return Ok(());
                }
                _ => return Err(TestCaseError::fail("one of them is read, and the other is not")),
            };
            prop_assert_eq!(whole.rules(), pieces.rules());
            let case = Case::of_anybody(Timestamp::from_secs(1_000));
            for url in ["h.example", "x.h.example/a?x=1&y=2", "h.example/a/b", "h.example/b?y=3&x=1", "g.example/x", "p.example/7"] {
                let url = Url::parse(url).map_err(|error| TestCaseError::fail(error.to_string()))?;
                prop_assert_eq!(whole.explain(&url, case), pieces.explain(&url, case));
            }
        }
    }
}
