//! What becomes of a list's new content: a pure decision.

use terms::{Digest, Timestamp};

use super::compile::{Compiled, compile};
use super::shown::{Content, Stamp};
use super::source::Trouble;
use crate::list::Foreign;
use crate::settings::{Allowed, Listed};

/// Losing no more rules than this never needs a second word.
const SHRINKS_FREELY: usize = 10;

/// The version of a list that is in force.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Former {
    pub hash: Digest,
    /// Of how it was read, where that is in a format of others.
    pub read_as: Option<Digest>,
    pub rules: usize,
    /// Bytes.
    pub size: u64,
    pub taken_at: Timestamp,
}

impl Content {
    pub fn former(&self, foreign: Option<&Foreign>, rules: usize, taken_at: Timestamp) -> Former {
        Former { hash: self.hash, read_as: foreign.map(Foreign::mark), rules, size: self.bytes.len() as u64, taken_at }
    }
}

/// On whose word content is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Word {
    /// The disk shows it, under the same inode as before: written in place.
    InPlace,
    /// The disk shows it, under another inode.
    Replaced,
    /// The operator said `reload`.
    Operator { accept_shrink: bool },
}

impl Word {
    /// What the disk says by showing `now` where `before` was seen; nothing is known of before at a
    /// start, nor while the file is absent.
    pub fn of_disk(before: Option<Stamp>, now: Stamp, renamed: bool) -> Word {
        match before {
            _ if renamed => Word::Replaced,
            Some(before) if before.file != now.file => Word::Replaced,
            _ => Word::InPlace,
        }
    }
}

#[derive(Debug)]
pub(super) enum Verdict {
    /// It is what is in force.
    Same,
    Take(Compiled),
    Hold(Trouble),
}

pub(super) fn judge(
    listed: &Listed,
    former: Option<&Former>,
    content: &Content,
    word: Word,
    allowed: Allowed,
) -> Verdict {
    let had = former.map_or(0, |former| former.rules);
    // What is read otherwise is another list: how many rules there were before says nothing of it.
    let former = former.filter(|former| former.read_as == listed.foreign().map(Foreign::mark));
    if former.is_some_and(|former| former.hash == content.hash) {
        return Verdict::Same;
    }
    let from = former.map_or(0, |former| former.rules);
    if content.bytes.is_empty() && word == Word::InPlace && had > 0 {
        return Verdict::Hold(Trouble::Emptied);
    }
    let compiled = match compile(listed, &content.bytes, content.hash, allowed) {
        Ok(compiled) => compiled,
        Err(errors) => return Verdict::Hold(Trouble::Refused(errors)),
    };
    let to = compiled.table.len();
    let has_shrunk = to < from.div_ceil(2) && from - to > SHRINKS_FREELY;
    // Whoever serves a feed may have nothing to serve for an hour, and says so in a comment.
    let has_gone = listed.name.is_some() && to == 0 && had > 0;
    if (has_shrunk || has_gone) && word != (Word::Operator { accept_shrink: true }) {
        return Verdict::Hold(Trouble::Shrunk { from: if has_gone { had } else { from }, to });
    }
    Verdict::Take(compiled)
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    fn hosts(count: usize) -> Content {
        let text: String = (0..count).map(|number| format!("h{number}.example\n")).collect();
        content(text.as_bytes())
    }

    fn content(bytes: &[u8]) -> Content {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("list.txt");
        std::fs::write(&path, bytes).unwrap();
        let super::super::shown::Shown::Content(content) = super::super::shown::read(&path) else { panic!() };
        content
    }

    fn judged(from: usize, to: &Content, word: Word) -> Verdict {
        let of = hosts(from);
        let former = Former {
            hash: of.hash,
            read_as: None,
            rules: from,
            size: of.bytes.len() as u64,
            taken_at: Timestamp::from_secs(0),
        };
        judge(&PathBuf::from("list.txt").into(), Some(&former), to, word, Allowed::default())
    }

    #[test]
    fn under_half_and_more_than_ten_lost_waits_for_a_word() {
        let cases = [(20, 10, true), (20, 9, false), (21, 11, true), (21, 10, false), (10, 0, true), (11, 1, true)];
        let cases = cases.into_iter().chain([(11, 0, false), (100, 50, true), (100, 49, false), (5, 500, true)]);
        for (from, to, taken) in cases {
            for word in [Word::InPlace, Word::Replaced, Word::Operator { accept_shrink: false }] {
                if to == 0 && word == Word::InPlace {
                    continue;
                }
                let verdict = judged(from, &hosts(to), word);
                assert_eq!(matches!(verdict, Verdict::Take(_)), taken, "{from} to {to}: {verdict:?}");
                assert_eq!(matches!(verdict, Verdict::Hold(Trouble::Shrunk { .. })), !taken, "{from} to {to}");
            }
            let verdict = judged(from, &hosts(to), Word::Operator { accept_shrink: true });
            assert!(matches!(verdict, Verdict::Take(_)), "{from} to {to}");
        }
    }

    #[test]
    fn nothing_in_place_of_something_is_no_list() {
        assert!(matches!(judged(3, &content(b""), Word::InPlace), Verdict::Hold(Trouble::Emptied)));
        assert!(matches!(judged(3, &content(b""), Word::Replaced), Verdict::Take(list) if list.table.is_empty()));
        assert!(
            matches!(judged(3, &content(b"# none\n"), Word::InPlace), Verdict::Take(list) if list.table.is_empty())
        );
    }

    #[test]
    fn a_feed_with_no_rule_any_more_waits_for_a_word() {
        let feed = Listed { name: Some("feed".into()), ..PathBuf::from("list.txt").into() };
        let (of, none) = (hosts(1), content(b"# maintenance\n"));
        let verdict = |listed: &Listed, accept_shrink: bool| {
            let former = of.former(None, 1, Timestamp::from_secs(0));
            judge(listed, Some(&former), &none, Word::Operator { accept_shrink }, Allowed::default())
        };
        assert!(matches!(verdict(&feed, false), Verdict::Hold(Trouble::Shrunk { from: 1, to: 0 })));
        assert!(matches!(verdict(&feed, true), Verdict::Take(_)));
        assert!(matches!(verdict(&PathBuf::from("list.txt").into(), false), Verdict::Take(_)), "a file is its owner's");
        let first = judge(&feed, None, &none, Word::InPlace, Allowed::default());
        assert!(matches!(first, Verdict::Take(_)), "nothing is lifted: {first:?}");
    }

    #[test]
    fn a_bad_line_refuses_the_whole() {
        let verdict = judged(3, &content(b"good.example\n\nbad.example nonsense\n"), Word::Replaced);
        let Verdict::Hold(Trouble::Refused(errors)) = verdict else { panic!("{verdict:?}") };
        assert!(errors[0].to_string().starts_with("list.txt:3:13: "), "{}", errors[0]);
        let toml = content(b"[[rule]]\nhost = \"good.example\"\n");
        let verdict = |name: &str| judge(&PathBuf::from(name).into(), None, &toml, Word::Replaced, Allowed::default());
        assert!(matches!(verdict("list.toml"), Verdict::Take(list) if list.table.len() == 1));
        assert!(matches!(verdict("list.txt"), Verdict::Hold(Trouble::Refused(_))));
    }
}
