//! The rules of list files, as they stand there, in pages.

use std::collections::BTreeSet;
use std::sync::Arc;

use terms::ruling::RuleOrigin;
use terms::{Timestamp, Url};

use super::{Index, Table};
use crate::edits::{BadCursor, MAX_PAGE};
use crate::rule::{Attributes, Standing};
use crate::wanted::Wanted;

/// Rules that are looked at for one page. Of ten million, a search takes some two hundred pages, empty ones among them.
const MOST_LOOKS: usize = 50_000;

/// A rule of a list file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// As it stands there, without its attributes.
    pub rule: Arc<str>,
    pub exception: bool,
    pub attributes: Attributes,
    pub origin: RuleOrigin,
    pub standing: Standing,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lines {
    pub rules: Vec<Line>,
    /// Asks for those behind; there may be more of them though this page has few.
    pub next: Option<String>,
}

/// A rule's place: its number, and the name of its file.
struct Cursor<'a> {
    number: u32,
    file: &'a str,
}

impl Cursor<'_> {
    fn read(text: &str) -> Option<Cursor<'_>> {
        let (number, file) = text.split_once(':')?;
        Some(Cursor { number: number.parse().ok()?, file })
    }
}

impl Index {
    /// The rules of list files in the order in which they decide, a page of 1 to 1,000 at a time. `file` is the name of one
    /// file, whole or its last part; `about` leaves those that cover a URL. A page that begins after its list has changed
    /// may miss some, or repeat some. Looks at a bounded number of rules.
    pub fn lines(
        &self,
        after: Option<&str>,
        limit: usize,
        (wanted, file, about): (&Wanted, Option<&str>, Option<&Url>),
        now: Timestamp,
    ) -> Result<Lines, BadCursor> {
        let bad = || BadCursor::of(after.unwrap_or_default());
        let numbered = self.tables.iter().enumerate().filter(|(number, _)| !self.tables.is_live(*number));
        let files: Vec<(usize, &Table)> = numbered.map(|(number, table)| (number, &**table)).collect();
        let (first, mut number) = match after.map(|after| Cursor::read(after).ok_or_else(bad)).transpose()? {
            None => (0, 0),
            Some(Cursor { number, file }) => {
                let at = files.iter().position(|(_, table)| table.name() == file).ok_or_else(bad)?;
                (at, number)
            }
        };
        let about = about.map(|url| self.about(url));
        let mut search =
            Search { lines: Lines::default(), left: MOST_LOOKS, limit: limit.clamp(1, MAX_PAGE), wanted, now };
        for (at, table) in files.into_iter().skip(first) {
            let is_meant = file.is_none_or(|file| is_named(table.name(), file));
            let end = if is_meant { table.len() as u32 } else { 0 };
            let next = match &about {
                None => search.through(table, number..end),
                Some(about) => search.through(table, about.range((at, number)..(at, end.max(number))).map(|one| one.1)),
            };
            if let Some(next) = next {
                search.lines.next = Some(format!("{next}:{}", table.name()));
                break;
            }
            number = 0;
        }
        Ok(search.lines)
    }

    /// The rules that cover a URL by its name, in force or not, by table and number.
    fn about(&self, url: &Url) -> BTreeSet<(usize, u32)> {
        let mut all = BTreeSet::new();
        self.readings(url)
            .iter()
            .for_each(|reading| self.each_match(reading, |one| all.extend([(one.table, one.rule)])));
        all
    }

    /// The ids of the live rules that cover a URL by its name.
    pub fn live_about(&self, url: &Url) -> impl Iterator<Item = Arc<str>> {
        let live = self.about(url).into_iter().filter(|(table, _)| self.tables.is_live(*table));
        live.filter_map(|(table, rule)| match self.tables[table].origin(rule) {
            RuleOrigin::Edit { id } => Some(id),
            RuleOrigin::File { .. } => None,
        })
    }
}

fn is_named(name: &str, wanted: &str) -> bool {
    name.strip_suffix(wanted).is_some_and(|before| before.is_empty() || before.ends_with('/'))
}

struct Search<'a> {
    lines: Lines,
    left: usize,
    limit: usize,
    wanted: &'a Wanted,
    now: Timestamp,
}

impl Search<'_> {
    /// The number to go on from, where the page is full or enough was looked at.
    fn through(&mut self, table: &Table, numbers: impl Iterator<Item = u32>) -> Option<u32> {
        for number in numbers {
            if self.left == 0 || self.lines.rules.len() == self.limit {
                return Some(number);
            }
            self.left -= 1;
            let text = table.text(number);
            if self.wanted.takes_text(&text, || table.attributes(number)) {
                self.lines.rules.push(Line {
                    rule: text.into(),
                    exception: table.is_exception(number),
                    attributes: table.attributes(number),
                    origin: table.origin(number),
                    standing: table.standing(number, self.now),
                });
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use terms::Digest;

    use super::*;
    use crate::index::Source;
    use crate::list;

    const NOW: Timestamp = Timestamp::from_secs(1_790_000_000);

    fn table(name: &str, text: &str) -> Arc<Table> {
        let rules = list::read(text.as_bytes()).unwrap();
        Arc::new(Table::compile(Source::File(name.into()), rules, Digest::ZERO))
    }

    fn index(files: Vec<Arc<Table>>) -> Index {
        let edits = Table::compile(
            Source::Edits { ids: vec!["e:1".into()] },
            vec![list::read_rule("*.h0.example").unwrap()],
            Digest::ZERO,
        );
        Index::new(1, Arc::new(edits), files)
    }

    /// All that the pages hold, and how many pages there were.
    fn all(index: &Index, limit: usize, what: (&Wanted, Option<&str>, Option<&Url>)) -> (Vec<String>, usize) {
        let (mut told, mut next, mut pages) = (Vec::new(), None::<String>, 0);
        loop {
            let page = index.lines(next.as_deref(), limit, what, NOW).unwrap();
            assert!(page.rules.len() <= limit);
            told.extend(page.rules.iter().map(|line| format!("{} {}", line.rule, line.origin)));
            (next, pages) = (page.next, pages + 1);
            if next.is_none() {
                return (told, pages);
            }
        }
    }

    #[test]
    fn pages_join_over_all_files() {
        let first: String = (0..5).map(|n| format!("h{n}.example notice=N-{n}\n")).collect();
        let index = index(vec![
            table("l/a.txt", &first),
            table("l/b.txt", ""),
            table("l/c.txt", "# c\nhttps://h0.example/x until=2020-01-01\n!h3.example"),
        ]);
        let every = [
            "h0.example l/a.txt:1",
            "h1.example l/a.txt:2",
            "h2.example l/a.txt:3",
            "h3.example l/a.txt:4",
            "h4.example l/a.txt:5",
            "https://h0.example/x l/c.txt:2",
            "!h3.example l/c.txt:3",
        ];
        let any = Wanted::default();
        for limit in 1..9 {
            assert_eq!(all(&index, limit, (&any, None, None)).0, every, "{limit}");
        }
        let notice = Wanted { notice: Some("N-2".into()), ..Wanted::default() };
        let host = Wanted { host: Some("h3.example".into()), ..Wanted::default() };
        let url = Url::parse("http://h0.example/x").unwrap();
        for (what, wanted) in [
            ((&any, Some("c.txt"), None), &every[5..]),
            ((&any, Some("txt"), None), &[]),
            ((&notice, None, None), &every[2..3]),
            ((&host, None, None), &[every[3], every[6]]),
            ((&any, None, Some(&url)), &[every[0], every[5]]),
            ((&any, Some("l/c.txt"), Some(&url)), &[every[5]]),
        ] {
            for limit in 1..3 {
                assert_eq!(all(&index, limit, what).0, wanted);
            }
        }
        assert_eq!(index.live_about(&url).collect::<Vec<_>>(), [Arc::from("e:1")]);
        for bad in ["", "x", "1:nowhere.txt", "-1:l/a.txt"] {
            assert!(index.lines(Some(bad), 1, (&any, None, None), NOW).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_page_looks_at_a_bounded_number_of_rules() {
        let many: String = (0..120_000).map(|n| format!("h{n}.example\n")).collect();
        let index = index(vec![table("a.txt", &many)]);
        let wanted = Wanted { text: Some("h119999.".into()), ..Wanted::default() };
        assert_eq!(all(&index, 10, (&wanted, None, None)), (vec!["h119999.example a.txt:120000".to_owned()], 3));
    }
}
