//! The operator's own pages, shown in place of the built-in one.
//!
//! A rule names its page by a bare name that ends in `.html`: a file in the folder of its list, or for a
//! live edit in that of the config. No name leads out of the folder; a link in it is followed, as a
//! list's is. A page is at most 256 KiB of UTF-8, there are at most 64 of them, and they are read off
//! the request path. A rule blocks whether or not its page can be shown: a page that is missing, or is
//! being written, leaves the one before, or the built-in one.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use bytes::Bytes;
use parking_lot::Mutex;
use terms::Timestamp;
use terms::ruling::{RuleOrigin, Ruling};

use crate::index::Table;
use crate::sources::shown::{self, Body, Content, Shown, Stamp};

/// Bytes of one page.
const MAX_PAGE: u64 = 256 << 10;

/// Pages in all, so that they take 16 MiB at most.
const MAX_PAGES: usize = 64;

/// A page that was written to less than this ago may be half of itself.
const SETTLING: Duration = Duration::from_millis(300);

/// All pages that rules in force name.
pub struct Shelf {
    /// Where the pages of live edits lie.
    beside_config: PathBuf,
    shown: ArcSwap<BTreeMap<PathBuf, Bytes>>,
    troubles: ArcSwap<Vec<String>>,
    /// By what the pages shown were known when they were read. Held for as long as the disk takes.
    looked: Mutex<BTreeMap<PathBuf, Stamp>>,
}

impl Shelf {
    pub fn new(beside_config: PathBuf) -> Shelf {
        Shelf { beside_config, shown: ArcSwap::default(), troubles: ArcSwap::default(), looked: Mutex::default() }
    }

    /// The page that a ruling shows, if its rule names one that could be read.
    pub fn page(&self, ruling: &Ruling) -> Option<Bytes> {
        let name = ruling.page.as_deref()?;
        let file = match &ruling.origin {
            RuleOrigin::File { file, .. } => Some(&**file),
            RuleOrigin::Edit { .. } => None,
        };
        self.shown.load().get(&self.place(file, name)).cloned()
    }

    fn place(&self, list: Option<&str>, name: &str) -> PathBuf {
        let folder = match list {
            Some(list) if Path::new(list).is_absolute() => Path::new(list).parent().unwrap_or(Path::new("/")),
            // A feed has no folder.
            Some(_) | None => &self.beside_config,
        };
        folder.join(name)
    }

    /// What the last finished look found wrong with pages, a sentence each.
    pub fn troubles(&self) -> Arc<Vec<String>> {
        self.troubles.load_full()
    }

    /// Reads the pages that `tables` name, as far as they changed and have settled. Blocks on the disk.
    pub fn look(&self, tables: &[Arc<Table>], wall: Timestamp) {
        let named = tables.iter().flat_map(|table| table.pages().map(|name| self.place(table.file(), &name)));
        let named: BTreeSet<PathBuf> = named.collect();
        let mut stamps = self.looked.lock();
        let mut troubles = Vec::new();
        let mut shown = BTreeMap::clone(&self.shown.load());
        shown.retain(|path, _| named.contains(path));
        stamps.retain(|path, _| named.contains(path));
        if named.len() > MAX_PAGES {
            troubles.push(format!("rules name more than {MAX_PAGES} pages; those beyond show the built-in one"));
        }
        for path in named.into_iter().take(MAX_PAGES) {
            let stamp = shown::stamp(&path);
            if stamp.is_some() && stamp == stamps.get(&path).copied() {
                continue;
            }
            match read(&path) {
                Ok((stamp, page)) if !stamp.is_within(SETTLING, wall) || !shown.contains_key(&path) => {
                    // A page so new that its stamp proves nothing is read again.
                    match stamp.is_within(SETTLING, wall) {
                        true => drop(stamps.remove(&path)),
                        false => drop(stamps.insert(path.clone(), stamp)),
                    }
                    shown.insert(path, page);
                }
                Ok(_) => {}
                Err(what) => {
                    let instead = if shown.contains_key(&path) { "the one before" } else { "the built-in one" };
                    troubles.push(format!("the page {} {what}; {instead} is shown", path.display()));
                    stamps.remove(&path);
                }
            }
        }
        self.shown.store(Arc::new(shown));
        self.troubles.store(Arc::new(troubles));
    }
}

fn read(path: &Path) -> Result<(Stamp, Bytes), String> {
    match shown::try_read(path, MAX_PAGE) {
        Ok(Shown::Content(Content { steady: true, body: Body::Held(bytes), stamp, .. })) => {
            match std::str::from_utf8(&bytes) {
                Ok(_) => Ok((stamp, Bytes::from(bytes))),
                Err(_) => Err("is not UTF-8".to_owned()),
            }
        }
        Ok(Shown::Content(_)) => Err("is being written".to_owned()),
        Ok(Shown::Absent) => Err("is not there".to_owned()),
        Ok(Shown::Unreadable(_)) => Err(format!("is no file of {} KiB at most", MAX_PAGE >> 10)),
        Err(error) if shown::is_absent(&error) => Err("is not there".to_owned()),
        Err(error) => Err(format!("can't be read: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use terms::Digest;

    use super::*;
    use crate::index::Source;
    use crate::list;

    const LATER: Timestamp = Timestamp::from_secs(i64::MAX / 2_000_000);

    fn table(list: &Path, text: &str) -> Arc<Table> {
        let name = Source::File(Arc::from(list.to_str().unwrap()));
        Arc::new(Table::compile(name, list::read(text.as_bytes()).unwrap(), Digest::ZERO))
    }

    fn shown(shelf: &Shelf, list: &Path, page: &str) -> Option<String> {
        let ruling = Ruling {
            rule: "h.example".into(),
            notices: Arc::new([]),
            reason: None,
            status: Default::default(),
            authority: None,
            page: Some(page.into()),
            disclose: None,
            residence: None,
            origin: RuleOrigin::File { file: Arc::from(list.to_str().unwrap()), line: 1 },
            list: 1,
        };
        shelf.page(&ruling).map(|page| String::from_utf8(page.to_vec()).unwrap())
    }

    #[test]
    fn a_page_is_shown_as_it_last_could_be_read() {
        let folder = tempfile::tempdir().unwrap();
        let (list, page) = (folder.path().join("list.txt"), folder.path().join("gone.html"));
        let shelf = Shelf::new(folder.path().join("config"));
        let tables = [table(&list, "a.example page=gone.html\nb.example page=gone.html")];
        shelf.look(&tables, LATER);
        assert_eq!(shown(&shelf, &list, "gone.html"), None);
        assert!(shelf.troubles()[0].contains("is not there; the built-in one"), "{:?}", shelf.troubles());

        for text in ["<p>one", "<p>another"] {
            std::fs::write(&page, text).unwrap();
            shelf.look(&tables, LATER);
            assert_eq!(shown(&shelf, &list, "gone.html").as_deref(), Some(text));
            assert!(shelf.troubles().is_empty());
        }
        for bad in [&b"\xff"[..], &vec![b'x'; MAX_PAGE as usize + 1]] {
            std::fs::write(&page, bad).unwrap();
            shelf.look(&tables, LATER);
            assert_eq!(shown(&shelf, &list, "gone.html").as_deref(), Some("<p>another"));
            assert!(shelf.troubles()[0].contains("the one before"), "{:?}", shelf.troubles());
        }
        std::fs::remove_file(&page).unwrap();
        shelf.look(&tables, LATER);
        assert_eq!(shown(&shelf, &list, "gone.html").as_deref(), Some("<p>another"));
        shelf.look(&[table(&list, "a.example")], LATER);
        assert_eq!(shown(&shelf, &list, "gone.html"), None);
        assert!(shelf.troubles().is_empty());
    }

    #[test]
    fn a_page_that_is_being_written_waits_where_there_is_one_to_show() {
        let folder = tempfile::tempdir().unwrap();
        let (list, page) = (folder.path().join("list.txt"), folder.path().join("gone.html"));
        let shelf = Shelf::new(folder.path().to_owned());
        let tables = [table(&list, "a.example page=gone.html")];
        let now = || terms::Clock::system().wall();
        std::fs::write(&page, "<p>one").unwrap();
        shelf.look(&tables, now());
        assert_eq!(shown(&shelf, &list, "gone.html").as_deref(), Some("<p>one"));
        std::fs::write(&page, "<p>half").unwrap();
        shelf.look(&tables, now());
        assert_eq!(shown(&shelf, &list, "gone.html").as_deref(), Some("<p>one"));
        shelf.look(&tables, LATER);
        assert_eq!(shown(&shelf, &list, "gone.html").as_deref(), Some("<p>half"));
    }

    #[test]
    fn what_is_wrong_is_told_while_the_disk_hangs() {
        let shelf = Arc::new(Shelf::new(PathBuf::new()));
        let _under_way = shelf.looked.lock();
        let (tell, told) = std::sync::mpsc::channel();
        let asked = shelf.clone();
        std::thread::spawn(move || tell.send(asked.troubles()));
        assert!(told.recv_timeout(Duration::from_secs(10)).unwrap().is_empty());
    }

    #[test]
    fn pages_are_bounded_in_number() {
        let folder = tempfile::tempdir().unwrap();
        let list = folder.path().join("list.txt");
        let text: String = (0..100).map(|n| format!("h{n}.example page=p{n:02}.html\n")).collect();
        (0..100).for_each(|n| std::fs::write(folder.path().join(format!("p{n:02}.html")), "x").unwrap());
        let shelf = Shelf::new(folder.path().to_owned());
        shelf.look(&[table(&list, &text)], LATER);
        let all = (0..100).filter(|n| shown(&shelf, &list, &format!("p{n:02}.html")).is_some());
        assert_eq!(all.count(), MAX_PAGES);
        assert!(shelf.troubles()[0].contains("more than 64"));
    }
}
