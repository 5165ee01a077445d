//! From a list's bytes to its table.

use std::borrow::Cow;
use std::io;
use std::sync::Arc;

use terms::Digest;
use terms::ruling::RuleOrigin;

use super::body::{Body, Digested, PIECE};
use super::error::{Problem, SourceError};
use super::pieces::{BadLines, Text, read_text};
use crate::index::{Compiler, Part, Source, Table};
use crate::list::{self, BadLine, Foreign, Unread};
use crate::pattern::Share;
use crate::settings::{Allowed, Listed};

/// A list, compiled.
#[derive(Clone, Debug)]
pub struct Compiled {
    pub table: Arc<Table>,
    /// What of it no rule holds.
    pub unread: Arc<Unread>,
}

/// What came of compiling.
pub(crate) type Made = Result<Compiled, Vec<SourceError>>;

/// Reads a list in the format that is named for it, or in ours, whatever of them its name says, and compiles it.
/// `hash` is that of its bytes; an error where they are others by now.
pub(super) fn compile(listed: &Listed, body: &Body, hash: Digest, allowed: Allowed) -> Made {
    if is_text(listed) {
        let (read, compiled) =
            compile_text(listed, body, PIECE, allowed).map_err(|error| vec![unreadable(listed, error)])?;
        return if read.hash == hash { compiled } else { Err(vec![written_to(listed)]) };
    }
    let bytes = whole(listed, body, hash)?;
    if let Some(bad) = list::html(&bytes) {
        return Err(bad_lines(listed, vec![bad]));
    }
    let read = match listed.foreign() {
        Some(foreign) => read_foreign(&bytes, foreign),
        None => read_tables(&bytes, allowed.share).map(|compiler| (compiler, Unread::default())),
    };
    let (compiler, unread) = read.map_err(|bad| bad_lines(listed, bad))?;
    finish(listed, compiler, unread, hash, allowed, || Ok(Cow::Borrowed(&*bytes)))
}

/// Reads a long list once: it is compiled, where that can be done as it comes, unless it may be what is known, which has
/// so many bytes.
pub(super) fn compile_if_new(
    listed: &Listed,
    body: &Body,
    known: Option<u64>,
    allowed: Allowed,
) -> io::Result<(Digested, Option<Made>)> {
    if known == Some(body.size()) || !is_text(listed) {
        return Ok((body.digest()?, None));
    }
    compile_text(listed, body, PIECE, allowed).map(|(digested, made)| (digested, Some(made)))
}

/// Whether a list is of the plain format.
pub(super) fn is_text(listed: &Listed) -> bool {
    listed.foreign().is_none() && listed.path.extension().is_none_or(|extension| extension != "toml")
}

/// As [`compile`], of a list of the plain format, with the digest of what was read of it. `piece` as in
/// [`read_text`].
fn compile_text(listed: &Listed, body: &Body, piece: usize, allowed: Allowed) -> io::Result<(Digested, Made)> {
    let share = allowed.share;
    let Text { digested, lines } = read_text(body.reader(), body.size(), piece, share)?;
    let hash = digested.hash;
    let compiled = match (list::html(&body.head()?), lines) {
        (Some(bad), _) => Err(bad_lines(listed, vec![bad])),
        (None, Ok(compiler)) => {
            finish(listed, compiler, Unread::default(), hash, allowed, || whole(listed, body, hash))
        }
        (None, Err(BadLines { bad, is_to_be_read_in_order: false })) => Err(bad_lines(listed, bad)),
        (None, Err(BadLines { bad, .. })) => whole(listed, body, hash).and_then(|bytes| {
            let in_order = list::read_each(&bytes, share, drop).err();
            Err(bad_lines(listed, in_order.unwrap_or(bad)))
        }),
    };
    Ok((digested, compiled))
}

/// `bytes` gets all of the list, to show a line of it.
fn finish<'b>(
    listed: &Listed,
    compiler: Compiler,
    unread: Unread,
    hash: Digest,
    allowed: Allowed,
    bytes: impl FnOnce() -> Result<Cow<'b, [u8]>, Vec<SourceError>>,
) -> Made {
    let table = compiler.finish(Source::File(Arc::from(listed.shown().to_string_lossy())), hash);
    if let (false, Some(RuleOrigin::File { line, .. })) = (allowed.geo, table.first_of_countries()) {
        let is_toml = !is_text(listed) && listed.foreign.is_none();
        return Err(bad_lines(listed, vec![list::unserved(&bytes()?, line, is_toml)]));
    }
    Ok(Compiled { table: Arc::new(table), unread: Arc::new(unread) })
}

/// All of a list in memory, as `hash` is of it.
fn whole<'b>(listed: &Listed, body: &'b Body, hash: Digest) -> Result<Cow<'b, [u8]>, Vec<SourceError>> {
    match body.bytes(hash) {
        Ok(Some(bytes)) => Ok(bytes),
        Ok(None) => Err(vec![written_to(listed)]),
        Err(error) => Err(vec![unreadable(listed, error)]),
    }
}

fn written_to(listed: &Listed) -> SourceError {
    SourceError::new(listed.shown(), Problem::WrittenTo)
}

fn unreadable(listed: &Listed, error: io::Error) -> SourceError {
    SourceError::new(listed.shown(), Problem::Unreadable(Arc::new(error)))
}

fn bad_lines(listed: &Listed, bad: Vec<BadLine>) -> Vec<SourceError> {
    bad.into_iter().map(|bad| SourceError::new(listed.shown(), Problem::BadLine(bad))).collect()
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

#[cfg(test)]
mod tests {
    use std::io::Write;
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
                let body = Body::Held(page.into());
                let listed = Listed { foreign, ..PathBuf::from("/lists/a.txt").into() };
                let refused = compile(&listed, &body, Digest::of(page.as_bytes()), Allowed::default()).unwrap_err();
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
            let listed = PathBuf::from("list.txt").into();
            let allowed = Allowed { share: Share { patterns: others, bytes: 0 }, geo: false };
            let mut file = tempfile::tempfile()?;
            file.write_all(text.as_bytes())?;
            let long = Body::Long { file, size: text.len() as u64 };
            let table = |body: &Body, piece| {
                let (digested, compiled) = compile_text(&listed, body, piece, allowed).unwrap();
                assert_eq!(digested, Digested { hash: Digest::of(text.as_bytes()), size: text.len() as u64 });
                let edits = Table::compile(Source::Edits { ids: Vec::new() }, Vec::new(), Digest::ZERO);
                let index = compiled.map(|compiled| Index::new(1, Arc::new(edits), vec![compiled.table]));
                index.map_err(|errors| errors.iter().map(SourceError::to_string).collect::<Vec<_>>())
            };
            let held = Body::Held(text.clone().into());
            let (whole, pieces) = match (table(&held, usize::MAX), table(&long, piece)) {
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

    #[test]
    fn what_holds_more_bad_lines_than_are_told_is_read_to_its_end() {
        let text = "bad one\n".repeat(10_000);
        let (digested, compiled) =
            compile_text(&PathBuf::from("list.txt").into(), &Body::Held(text.clone().into()), 100, Allowed::default())
                .unwrap();
        assert_eq!((digested.hash, compiled.unwrap_err().len()), (Digest::of(text.as_bytes()), list::MAX_REPORTED));
    }

    #[test]
    fn a_list_that_was_written_to_since_is_not_taken() {
        for name in ["list.txt", "list.toml"] {
            let mut file = tempfile::tempfile().unwrap();
            file.write_all(b"# now\n").unwrap();
            let body = Body::Long { file, size: 6 };
            let compiled = |hash| compile(&PathBuf::from(name).into(), &body, hash, Allowed::default());
            assert!(compiled(Digest::of(b"# now\n")).is_ok());
            let errors = compiled(Digest::of(b"# then\n")).unwrap_err();
            assert!(errors[0].to_string().contains("was written to while it was read"), "{errors:?}");
        }
    }
}
