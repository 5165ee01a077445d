//! What becomes of a list's new content: a pure decision.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use terms::{Digest, Timestamp};

use super::compile::Compiled;
use super::error::SourceError;
use super::shown::{Content, Stamp};
use super::source::Trouble;
use crate::list::Foreign;
use crate::settings::Listed;

/// Losing no more rules than this never needs a second word.
const SHRINKS_FREELY: usize = 10;

/// How long a feed is held to the most rules that it had: a slide of many steps is a shrink as one of one step is.
const OF_LATE: Duration = Duration::from_secs(24 * 60 * 60);

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
    pub most: Most,
}

/// The most rules that were in force of late.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Most {
    pub rules: usize,
    /// When they last were.
    pub until: Timestamp,
}

impl Content {
    pub fn former(&self, foreign: Option<&Foreign>, rules: usize, taken_at: Timestamp) -> Former {
        let (read_as, size) = (foreign.map(Foreign::mark), self.body.size());
        Former { hash: self.hash, read_as, rules, size, taken_at, most: Most { rules, until: taken_at } }
    }
}

impl Former {
    /// The most rules that were in force in the day before `now`, as far as one number tells. What a clock that was
    /// wrong put far ahead of it tells nothing.
    fn most_of_late(&self, now: Timestamp) -> Most {
        let is_of_late = now.since(self.most.until) < OF_LATE && self.most.until.since(now) <= OF_LATE;
        match self.most.rules > self.rules && is_of_late {
            true => self.most,
            false => Most { rules: self.rules, until: now },
        }
    }

    /// What is known of it after `before`, unless an operator said that less is well.
    pub(super) fn behind(self, before: Option<&Former>, word: Word) -> Former {
        let before = before.filter(|before| before.read_as == self.read_as && word != ACCEPTING);
        let most = before.map(|before| before.most_of_late(self.taken_at)).filter(|most| most.rules > self.rules);
        Former { most: most.unwrap_or(self.most), ..self }
    }

    /// Has it be held to what it has alone, where an operator says that this is well. Whether that is news.
    pub(super) fn accept(&mut self, word: Word) -> bool {
        let is_news = word == ACCEPTING && self.most.rules > self.rules;
        if is_news {
            self.most = Most { rules: self.rules, until: self.taken_at };
        }
        is_news
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

const ACCEPTING: Word = Word::Operator { accept_shrink: true };

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

/// `compile` makes a table of the content, where it comes to that.
pub(super) fn judge(
    listed: &Listed,
    former: Option<&Former>,
    content: &Content,
    word: Word,
    now: Timestamp,
    compile: impl FnOnce() -> Result<Compiled, Vec<SourceError>>,
) -> Verdict {
    let had = former.map_or(0, |former| former.rules);
    // What is read otherwise is another list: how many rules there were before says nothing of it.
    let former = former.filter(|former| former.read_as == listed.foreign().map(Foreign::mark));
    if former.is_some_and(|former| former.hash == content.hash) {
        return Verdict::Same;
    }
    // A file is its owner's, who may take from it as often as need be.
    let from = former.map_or(0, |former| match listed.name {
        Some(_) => former.most_of_late(now).rules,
        None => former.rules,
    });
    if content.body.size() == 0 && word == Word::InPlace && had > 0 {
        return Verdict::Hold(Trouble::Emptied);
    }
    let compiled = match compile() {
        Ok(compiled) => compiled,
        Err(errors) => return Verdict::Hold(Trouble::Refused(errors)),
    };
    let to = compiled.table.len();
    let has_shrunk = to < from.div_ceil(2) && from - to > SHRINKS_FREELY;
    // Whoever serves a feed may have nothing to serve for an hour, and says so in a comment.
    let has_gone = listed.name.is_some() && to == 0 && had > 0;
    if (has_shrunk || has_gone) && word != ACCEPTING {
        return Verdict::Hold(Trouble::Shrunk { from: if has_gone { had } else { from }, to });
    }
    Verdict::Take(compiled)
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::super::compile::compile;
    use super::*;
    use crate::settings::Allowed;

    fn judge(listed: &Listed, former: Option<&Former>, content: &Content, word: Word, now: Timestamp) -> Verdict {
        let compile = || compile(listed, &content.body, content.hash, Allowed::default());
        super::judge(listed, former, content, word, now, compile)
    }

    fn hosts(count: usize) -> Content {
        let text: String = (0..count).map(|number| format!("h{number}.example\n")).collect();
        content(text.as_bytes())
    }

    fn content(bytes: &[u8]) -> Content {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("list.txt");
        std::fs::write(&path, bytes).unwrap();
        let super::super::shown::Shown::Content(content) = super::super::shown::read(&path.into()) else { panic!() };
        content
    }

    fn judged(from: usize, to: &Content, word: Word) -> Verdict {
        let of = hosts(from);
        let now = Timestamp::from_secs(0);
        let former = of.former(None, from, now);
        judge(&PathBuf::from("list.txt").into(), Some(&former), to, word, now)
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
            let word = Word::Operator { accept_shrink };
            judge(listed, Some(&former), &none, word, Timestamp::from_secs(0))
        };
        assert!(matches!(verdict(&feed, false), Verdict::Hold(Trouble::Shrunk { from: 1, to: 0 })));
        assert!(matches!(verdict(&feed, true), Verdict::Take(_)));
        assert!(matches!(verdict(&PathBuf::from("list.txt").into(), false), Verdict::Take(_)), "a file is its owner's");
        let first = judge(&feed, None, &none, Word::InPlace, Timestamp::from_secs(0));
        assert!(matches!(first, Verdict::Take(_)), "nothing is lifted: {first:?}");
    }

    /// Takes one after the other, an hour and more apart, as far as they are taken; says how many rules are in force
    /// after each.
    fn slide(listed: &Listed, counts: &[(i64, usize)], word: Word) -> Vec<usize> {
        let mut former: Option<Former> = None;
        let mut in_force = Vec::new();
        for (hours, count) in counts {
            let (now, content) = (Timestamp::from_secs(hours * 3600), hosts(*count));
            if let Verdict::Take(list) = judge(listed, former.as_ref(), &content, word, now) {
                former = Some(content.former(None, list.table.len(), now).behind(former.as_ref(), word));
            }
            in_force.push(former.as_ref().unwrap().rules);
        }
        in_force
    }

    #[test]
    fn a_feed_that_slides_is_held_to_the_most_it_had_within_a_day() {
        let feed = Listed { name: Some("feed".into()), ..PathBuf::from("list.txt").into() };
        let file = PathBuf::from("list.txt").into();
        let steps = [(0, 100), (100, 100), (101, 70), (102, 51), (103, 40), (104, 60), (124, 30)];
        assert_eq!(slide(&feed, &steps, Word::Replaced), [100, 100, 70, 51, 51, 60, 60]);
        assert_eq!(slide(&file, &steps, Word::Replaced), [100, 100, 70, 51, 40, 60, 30], "a file is its owner's");
        assert_eq!(slide(&feed, &steps, ACCEPTING), [100, 100, 70, 51, 40, 60, 30], "an operator accepts it");
        // A day later what it held in between is what counts.
        assert_eq!(slide(&feed, &[(0, 100), (1, 60), (24, 40), (25, 31)], Word::Replaced), [100, 60, 60, 31]);
        assert_eq!(slide(&feed, &[(0, 100), (1, 60), (26, 29)], Word::Replaced), [100, 60, 60]);
        assert_eq!(slide(&feed, &[(0, 12), (1, 7), (2, 2), (3, 1)], Word::Replaced), [12, 7, 2, 2], "eleven are lost");
    }

    #[test]
    fn a_clock_that_was_far_ahead_holds_no_feed_for_good() {
        let feed = Listed { name: Some("feed".into()), ..PathBuf::from("list.txt").into() };
        const AHEAD: i64 = 1_000_000;
        assert_eq!(slide(&feed, &[(0, 100), (AHEAD, 60), (2, 40), (3, 31)], Word::Replaced), [100, 60, 40, 31]);
        assert_eq!(slide(&feed, &[(0, 100), (20, 60), (2, 40)], Word::Replaced), [100, 60, 60], "a little");
    }

    #[test]
    fn a_bad_line_refuses_the_whole() {
        let verdict = judged(3, &content(b"good.example\n\nbad.example nonsense\n"), Word::Replaced);
        let Verdict::Hold(Trouble::Refused(errors)) = verdict else { panic!("{verdict:?}") };
        assert!(errors[0].to_string().starts_with("list.txt:3:13: "), "{}", errors[0]);
        let toml = content(b"[[rule]]\nhost = \"good.example\"\n");
        let now = Timestamp::from_secs(0);
        let verdict = |name: &str| judge(&PathBuf::from(name).into(), None, &toml, Word::Replaced, now);
        assert!(matches!(verdict("list.toml"), Verdict::Take(list) if list.table.len() == 1));
        assert!(matches!(verdict("list.txt"), Verdict::Hold(Trouble::Refused(_))));
    }
}
