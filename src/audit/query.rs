//! Asks the log what it holds.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::{Map, Value};
use terms::url::Spelling;
use terms::{Digest, Timestamp, Url, Verdict};

use crate::files::{Folder, SegmentId};
use crate::read::{Lines, Next, is_damage};
use crate::settings::QueryForm;
use crate::sought::Sought;

/// The fields of an answer's line in their order.
pub const COLUMNS: [&str; 25] = [
    "node",
    "run",
    "seq",
    "began",
    "time",
    "site",
    "id",
    "method",
    "url",
    "status",
    "verdict",
    "rule",
    "notice",
    "notices",
    "country",
    "list",
    "cache",
    "fill",
    "origin_digest",
    "digest",
    "departures",
    "range",
    "bytes",
    "complete",
    "client",
];

/// What lines are asked for: all that every set field matches.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// In any spelling. Where the log holds a query as a keyed hash, any query matches but another hash; where it holds
    /// none, that part matches.
    pub url: Option<Url>,
    /// What the URL's site says of its spelling. Where it is `None`, lines match that may be of the URL.
    pub spelling: Option<Spelling>,
    /// As served, as it came, or of an event.
    pub digest: Option<Digest>,
    /// Of an answer, or of an event.
    pub notice: Option<String>,
    pub site: Option<String>,
    pub verdict: Option<Verdict>,
    /// Both inclusive.
    pub since: Option<Timestamp>,
    pub until: Option<Timestamp>,
}

/// A line that matches.
#[derive(Clone, Copy, Debug)]
pub struct Line<'a> {
    /// The bytes as they stand in the log, without the LF.
    pub text: &'a str,
}

impl Line<'_> {
    pub fn fields(&self) -> Map<String, Value> {
        serde_json::from_str(self.text).unwrap_or_default()
    }
}

#[derive(Debug, thiserror::Error)]
pub enum QueryError {
    #[error("there is no evidence in {}: it has no folder `segments`", dir.display())]
    NoLog { dir: PathBuf },
    /// All else was still shown.
    #[error("{file} line {line} can't be read; `seawall audit verify` says more")]
    Damaged { file: String, line: u64 },
    #[error("{} can't be read: {source}", path.display())]
    Io {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
}

/// Calls `each` with the matching lines of all runs in order, until it returns `false`.
///
/// What is written while this runs may or may not be seen; every line that was visible when it began
/// is. Damaged lines are passed over, and the first is the error at the end.
pub fn query(dir: &Path, filter: &Filter, each: &mut dyn FnMut(&Line<'_>) -> bool) -> Result<(), QueryError> {
    let (folder, all) = segments(dir)?;
    let mut search = Search::new(filter.clone());
    for id in all {
        let scanned = search.scan(&folder, id, each);
        scanned.map_err(|source| QueryError::Io { path: folder.plain(id), source })?;
        if search.done {
            return Ok(());
        }
    }
    search.finish()
}

/// The segments of the log in `dir`, in order.
pub fn segments(dir: &Path) -> Result<(Folder, Vec<SegmentId>), QueryError> {
    let folder = Folder::of(dir);
    let all = folder.list().map_err(|source| match source.kind() {
        io::ErrorKind::NotFound => QueryError::NoLog { dir: dir.to_owned() },
        _ => QueryError::Io { path: folder.path().to_owned(), source },
    })?;
    let there = all.iter().filter(|found| found.plain || found.packed).map(|found| found.id);
    Ok((folder, there.collect()))
}

/// Looks at one line after the other.
pub struct Search {
    filter: Filter,
    sought: Option<Sought>,
    /// How each run writes its URLs.
    forms: BTreeMap<u64, QueryForm>,
    /// The segment looked at last whose first line is from before [`Filter::since`].
    past: Option<SegmentId>,
    damaged: Option<QueryError>,
    done: bool,
}

impl Search {
    pub fn new(filter: Filter) -> Search {
        let sought = filter.url.as_ref().map(|url| Sought::new(url, filter.spelling.as_ref()));
        Search { filter, sought, forms: BTreeMap::new(), past: None, damaged: None, done: false }
    }

    /// The caller wants no more lines.
    pub fn is_done(&self) -> bool {
        self.done
    }

    /// Whether a segment begins before all that is asked for.
    pub fn is_past(&self, id: SegmentId) -> bool {
        self.past == Some(id)
    }

    /// An error tells of the first line that could not be read.
    pub fn finish(self) -> Result<(), QueryError> {
        self.damaged.map_or(Ok(()), Err)
    }

    /// For who begins in the midst of a run: its first line says how it writes its URLs.
    pub fn learn_form(&mut self, folder: &Folder, run: u64) {
        if self.filter.url.is_none() || self.forms.contains_key(&run) {
            return;
        }
        // One that can't be read is taken as one that writes all, and met by who reads that segment.
        let Ok(mut lines) = Lines::open(folder, SegmentId { run, number: 1 }) else { return };
        if let Ok(Next::Line(line)) = lines.next()
            && let Some(form) = std::str::from_utf8(line).ok().and_then(Subject::read).and_then(|line| line.url_query())
        {
            self.forms.insert(run, form);
        }
    }

    pub fn scan(&mut self, folder: &Folder, id: SegmentId, each: &mut dyn FnMut(&Line<'_>) -> bool) -> io::Result<()> {
        let mut lines = match Lines::open(folder, id) {
            Err(error) if is_damage(&error) => {
                self.note_damage(id, 1);
                return Ok(());
            }
            lines => lines?,
        };
        let mut at = 0;
        while !self.done {
            at += 1;
            match lines.next() {
                Ok(Next::Line(line)) => self.take(id, at, line, each),
                Ok(Next::Torn | Next::End) => return Ok(()),
                Err(error) if is_damage(&error) => {
                    self.note_damage(id, at);
                    return Ok(());
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Looks at line `at` of a segment, counted from 1.
    pub fn take(&mut self, id: SegmentId, at: u64, line: &[u8], each: &mut dyn FnMut(&Line<'_>) -> bool) {
        let read = std::str::from_utf8(line).ok().and_then(|text| Some((text, Subject::read(text)?)));
        let Some((text, subject)) = read else { return self.note_damage(id, at) };
        if let Some(form) = subject.url_query() {
            self.forms.insert(subject.run, form);
        }
        if at == 1 && self.filter.since.is_some_and(|since| subject.time < since) {
            self.past = Some(id);
        }
        let form = self.forms.get(&subject.run).copied().unwrap_or(QueryForm::Full);
        self.done = self.filter.matches(&subject, self.sought.as_ref(), form) && !each(&Line { text });
    }

    fn note_damage(&mut self, id: SegmentId, line: u64) {
        self.damaged.get_or_insert(QueryError::Damaged { file: id.to_string(), line });
    }
}

/// What of a line is asked about.
#[derive(Debug, Deserialize)]
struct Subject {
    event: Option<String>,
    run: u64,
    time: Timestamp,
    site: Option<String>,
    url: Option<String>,
    verdict: Option<String>,
    notice: Option<String>,
    notices: Option<Vec<String>>,
    origin_digest: Option<Digest>,
    digest: Option<Digest>,
    data: Option<Map<String, Value>>,
}

impl Subject {
    fn read(text: &str) -> Option<Subject> {
        serde_json::from_str(text).ok()
    }

    /// A text in an event's data.
    fn told(&self, name: &str) -> Option<&str> {
        self.data.as_ref()?.get(name)?.as_str()
    }

    fn url_query(&self) -> Option<QueryForm> {
        self.event.as_deref().filter(|kind| *kind == "started")?;
        QueryForm::from_text(self.told("url_query")?)
    }

    fn has_notice(&self, notice: &str) -> bool {
        let mut one = [self.notice.as_deref(), self.told("notice")].into_iter().flatten();
        let told = self.data.as_ref().and_then(|data| data.get("notices")?.as_array());
        one.any(|id| id == notice)
            || self.notices.iter().flatten().any(|id| id == notice)
            || told.into_iter().flatten().any(|id| id == notice)
    }

    fn has_digest(&self, digest: Digest) -> bool {
        let told = |name| self.told(name).and_then(|text| text.parse::<Digest>().ok());
        [self.digest, self.origin_digest, told("digest"), told("origin_digest")].contains(&Some(digest))
    }
}

impl Filter {
    fn matches(&self, line: &Subject, sought: Option<&Sought>, form: QueryForm) -> bool {
        let within =
            self.since.is_none_or(|since| line.time >= since) && self.until.is_none_or(|until| line.time <= until);
        let site = line.site.as_deref().or_else(|| line.told("site"));
        within
            && self.site.as_deref().is_none_or(|asked| site == Some(asked))
            && self.verdict.is_none_or(|verdict| line.verdict.as_deref() == Some(verdict.as_str()))
            && self.digest.is_none_or(|digest| line.has_digest(digest))
            && self.notice.as_deref().is_none_or(|notice| line.has_notice(notice))
            && sought.is_none_or(|sought| {
                let logged = line.url.as_deref().or_else(|| line.told("url"));
                logged.is_some_and(|logged| sought.is(logged, form))
            })
    }
}
