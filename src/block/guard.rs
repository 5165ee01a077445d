//! The guard: what is asked for, and what is answered, judged by the index in force.

use std::cell::OnceCell;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering::Relaxed};
use std::time::Duration;

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use terms::country::{ANYBODY, Doubt};
use terms::{Client, Country, Digest, Proof, Residence, Ruling, Timestamp, Url};

use crate::index::{Case, Index, LiveRules, Table};
use crate::kin::Kin;
use crate::known::Known;
use crate::register::{Judging, Lane, Load, Register, Round};
use crate::shelf::Shelf;

/// For whom something is judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Audience {
    /// For the cache, or before it is known for whom.
    Anybody,
    Client {
        address: IpAddr,
        /// Where it is, as far as it was told with the request.
        told: Option<Country>,
    },
}

/// Says where the client of an audience is.
pub type Places = dyn Fn(IpAddr, Option<Country>) -> Residence + Send + Sync;

impl From<&Client> for Audience {
    fn from(client: &Client) -> Audience {
        Audience::Client { address: client.address, told: client.country }
    }
}

/// Looks where an audience is when it is first asked for that.
pub(crate) fn residence(places: &Places, audience: Audience) -> impl Fn() -> Residence + '_ {
    let found = OnceCell::new();
    move || match audience {
        Audience::Anybody => ANYBODY(),
        Audience::Client { address, told } => *found.get_or_init(|| places(address, told)),
    }
}

/// The version of the index that let something through, and for whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clearance {
    pub list: u64,
    pub audience: Audience,
}

impl Clearance {
    /// What is cleared for one client is for the cache, where less is forbidden.
    #[must_use]
    pub fn for_anybody(self) -> Clearance {
        Clearance { audience: Audience::Anybody, ..self }
    }

    /// For the same audience. Versions count from 1.
    fn never_judged(self) -> Clearance {
        Clearance { list: 0, ..self }
    }
}

/// Of what would be cut is asked what has arrived, until two looks agree.
const LOOK: Duration = Duration::from_millis(10);
const MOST_LOOKS: usize = 10;

/// What got onto a lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entered {
    /// Takes it off again.
    pub ticket: u64,
    /// The version of the index that let it on.
    pub list: u64,
}

/// The rules in force, and all that is under way.
pub struct Blocks {
    index: ArcSwap<Index>,
    register: Register,
    known: Known,
    kin: Mutex<Arc<Kin>>,
    shelf: Arc<Shelf>,
    places: Box<Places>,
    /// In microseconds since 1970.
    good_until: AtomicI64,
    versions: Mutex<Versions>,
}

impl Blocks {
    /// Puts the first index in force. `state` is the state folder, where the version counts on; `shelf`
    /// is where the pages of its rules are looked for.
    pub fn new(
        state: &Path,
        live: impl Into<LiveRules>,
        files: Vec<Arc<Table>>,
        kin: Kin,
        shelf: Shelf,
    ) -> std::io::Result<Blocks> {
        let mut versions = Versions::open(state.join("list-version"))?;
        let kin = Arc::new(kin);
        let first = Index::with_kin(versions.next()?, live, files, kin.clone(), None);
        Ok(Blocks {
            index: ArcSwap::from_pointee(first),
            register: Register::new(),
            known: Known::default(),
            kin: Mutex::new(kin),
            shelf: Arc::new(shelf),
            places: Box::new(|_, told| told.map_or(Residence::Unknown(Doubt::default()), Residence::In)),
            good_until: AtomicI64::new(i64::MAX),
            versions: Mutex::new(versions),
        })
    }

    /// Has it ask `places` where clients are.
    #[must_use]
    pub fn with_places(self, places: Box<Places>) -> Blocks {
        Blocks { places, ..self }
    }

    pub fn version(&self) -> u64 {
        self.index.load().version()
    }

    /// The index in force, for looking at it off the request path.
    pub fn index(&self) -> Arc<Index> {
        self.index.load_full()
    }

    /// Whether `url` may be asked for. The error is the rule that forbids it.
    pub fn judge(&self, url: &Url, audience: Audience, now: Timestamp) -> Result<Clearance, Arc<Ruling>> {
        let index = self.index.load();
        let whom = residence(&*self.places, audience);
        let case = Case { now, whom: &whom };
        let known = if index.has_digest_rules() { self.known.digest(url, now) } else { None };
        let ruling = match known {
            Some(digest) => index.judge_known(url, &digest, case),
            None => index.judge(url, case),
        };
        match ruling {
            None => Ok(Clearance { list: index.version(), audience }),
            Some(ruling) => Err(Arc::new(ruling)),
        }
    }

    /// Judges again what was cleared by an older index, and by its digest what is known of its bytes.
    pub fn judge_bytes(
        &self,
        clearance: Clearance,
        url: &Url,
        digest: Option<&Digest>,
        now: Timestamp,
    ) -> Result<Clearance, Arc<Ruling>> {
        let index = self.index.load();
        let whom = residence(&*self.places, clearance.audience);
        let case = Case { now, whom: &whom };
        let ruling = match digest {
            Some(digest) if clearance.list == index.version() => index.judge_digest(url, digest, case),
            Some(digest) => index.judge_known(url, digest, case),
            None if clearance.list == index.version() => None,
            None => index.judge(url, case),
        };
        match ruling {
            None => Ok(Clearance { list: index.version(), ..clearance }),
            Some(ruling) => Err(Arc::new(ruling)),
        }
    }

    pub fn has_digest_rules(&self) -> bool {
        self.index.load().has_digest_rules()
    }

    /// Notes that `url` stands for bytes which a digest rule forbids, so that the next ask for it is
    /// refused before they come: for as long as the answer would have been fresh, if that is known.
    pub fn remember(&self, url: &Url, digest: Digest, fresh_for: Option<Duration>, now: Timestamp) {
        self.known.remember(url, digest, fresh_for, now);
    }

    /// The bytes behind `url` may be others from now on.
    pub fn forget(&self, url: &Url) {
        self.known.forget(url);
    }

    /// So may those behind any.
    pub fn forget_all(&self) {
        self.known.forget_all();
    }

    /// What is known of the bytes behind a URL that a digest rule stopped.
    pub fn known(&self, url: &Url, now: Timestamp) -> Option<Digest> {
        self.known.digest(url, now)
    }

    /// Says until when the rules in force may be gone by; for ever unless this is said.
    pub fn set_good_until(&self, at: Timestamp) {
        self.good_until.store(at.micros(), Relaxed);
    }

    /// Whether the rules in force may be gone by still: past that, what they let through may be forbidden.
    #[inline]
    pub fn are_good(&self, now: Timestamp) -> bool {
        now.micros() <= self.good_until.load(Relaxed)
    }

    /// A lane for what a connection or a fill carries.
    pub fn lane(&self, load: Load) -> Arc<Lane> {
        self.register.open(load)
    }

    /// The one way onto a lane: what is blocked by now does not get on, and what gets on is judged
    /// again by every index to come until it has arrived. `aliases` are other URLs of the same bytes: what
    /// covers one of them covers it.
    pub fn enter(
        &self,
        lane: &Lane,
        clearance: Clearance,
        (url, aliases): (&Arc<Url>, &[Arc<Url>]),
        proof: &Proof,
        now: Timestamp,
    ) -> Result<Entered, Arc<Ruling>> {
        let clearance = self.judge_all(clearance, (url, aliases), proof, now)?;
        self.put_on(lane, clearance, (url, aliases), proof, now)
    }

    fn judge_all(
        &self,
        clearance: Clearance,
        (url, aliases): (&Arc<Url>, &[Arc<Url>]),
        proof: &Proof,
        now: Timestamp,
    ) -> Result<Clearance, Arc<Ruling>> {
        let (digest, other) = (proof.digest(), proof.other());
        let mut cleared = self.judge_bytes(clearance, url, digest.as_ref(), now)?;
        // An index may come in between: the oldest counts.
        let mut also = |clearance, url, digest: &Option<Digest>| {
            let also = self.judge_bytes(clearance, url, digest.as_ref(), now)?;
            cleared.list = cleared.list.min(also.list);
            Ok::<(), Arc<Ruling>>(())
        };
        if other.is_some() {
            also(clearance, url, &other)?;
        }
        for alias in aliases {
            also(clearance.never_judged(), alias, &digest)?;
            if other.is_some() {
                also(clearance.never_judged(), alias, &other)?;
            }
        }
        Ok(cleared)
    }

    /// An index that is published after `clearance` was given, and judges the lane before the ticket stands
    /// on it, sees neither: so what another index has come for meanwhile is judged once more, its bytes
    /// as well.
    fn put_on(
        &self,
        lane: &Lane,
        clearance: Clearance,
        (url, aliases): (&Arc<Url>, &[Arc<Url>]),
        proof: &Proof,
        now: Timestamp,
    ) -> Result<Entered, Arc<Ruling>> {
        // What is still to be looked at is judged by the next round, be it of the same index.
        let is_open = proof.undecoded().is_some() && self.has_digest_rules();
        let entered = Clearance { list: clearance.list - u64::from(is_open && clearance.list > 0), ..clearance };
        let ticket = lane.enter(url.clone(), aliases.into(), proof.clone(), entered);
        // From here on every publication finds the ticket; of those before, this sees the last.
        if self.version() == clearance.list {
            return Ok(Entered { ticket, list: clearance.list });
        }
        match self.judge_all(clearance, (url, aliases), proof, now) {
            Ok(cleared) => Ok(Entered { ticket, list: cleared.list }),
            Err(ruling) => {
                lane.withdraw(ticket);
                Err(ruling)
            }
        }
    }

    /// The operator's own pages for what is blocked.
    pub fn shelf(&self) -> &Arc<Shelf> {
        &self.shelf
    }

    /// Which hosts have the same content, as of the next publication. Says whether that is news.
    pub fn set_kin(&self, kin: Kin) -> bool {
        let mut before = self.kin.lock();
        let is_news = **before != kin;
        if is_news {
            *before = Arc::new(kin);
        }
        is_news
    }

    /// Puts new tables in force. The old index is never dropped on a request's thread.
    pub fn publish(&self, live: impl Into<LiveRules>, files: Vec<Arc<Table>>) -> std::io::Result<Arc<Index>> {
        let mut versions = self.versions.lock();
        let (kin, former) = (self.kin.lock().clone(), self.index());
        let index = Arc::new(Index::with_kin(versions.next()?, live, files, kin, Some(&former)));
        drop(former);
        retire(self.index.swap(index.clone()));
        Ok(index)
    }

    /// Has the live rules in force held in other tables: they are the same, so nothing is judged again, and the version
    /// stays. What takes long was made before, with `likewise` ([`Index::with_live`]), unless kin or files are others since.
    pub fn hold(&self, live: LiveRules, likewise: &Index) {
        let _versions = self.versions.lock();
        let before = self.index();
        let former = if std::ptr::eq(before.kin(), likewise.kin()) { likewise } else { &before };
        let index = before.with_live_of(live, former);
        retire(self.index.swap(Arc::new(index)));
    }

    /// How much of what is under way `index` would have cut, were it in force. Asks what has arrived by now, and waits for
    /// that a moment; blocks the thread.
    pub fn would_cut(&self, load: Load, index: &Index, now: Timestamp) -> usize {
        let by = Judging { index, places: &*self.places, now };
        let mut count = self.register.count(load, &by);
        for _ in 0..MOST_LOOKS {
            if count == 0 {
                break;
            }
            std::thread::sleep(LOOK);
            let before = std::mem::replace(&mut count, self.register.count(load, &by));
            if count == before {
                break;
            }
        }
        count
    }

    /// Judges everything under way by the index in force, and has cut what is blocked.
    pub fn cut(&self, now: Timestamp) -> Arc<Round> {
        self.register.judge(&Judging { index: &self.index.load_full(), places: &*self.places, now })
    }
}

/// Drops an index on a thread of its own, once no request looks at it any more, which is a matter of
/// microseconds; waits for that a second at most. What it holds may be large, and the cut waits for none of it.
fn retire(index: Arc<Index>) {
    let wait = move || {
        for _ in 0..1000 {
            if Arc::strong_count(&index) == 1 {
                return;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    };
    // Where there is no thread to be had, it is dropped here.
    drop(std::thread::Builder::new().name("old-index".to_owned()).spawn(wait));
}

/// Hands out version numbers that go on rising over restarts. A block of them is reserved on disk at
/// once, so that publishing does not wait for the disk; a restart skips what is left of the block.
struct Versions {
    path: PathBuf,
    last: u64,
    reserved: u64,
}

/// Publications between two writes of the reserve.
const RESERVE: u64 = 1000;

impl Versions {
    fn open(path: PathBuf) -> std::io::Result<Versions> {
        let reserved = match std::fs::read_to_string(&path) {
            Ok(text) => text.trim().parse().map_err(|_| {
                let what = format!("{}: not a number; the list version can't count on from it", path.display());
                std::io::Error::new(std::io::ErrorKind::InvalidData, what)
            })?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => 0,
            Err(error) => return Err(error),
        };
        Ok(Versions { path, last: reserved, reserved })
    }

    fn next(&mut self) -> std::io::Result<u64> {
        if self.last == self.reserved {
            let reserved = self.reserved + RESERVE;
            disk::durable::write(&self.path, format!("{reserved}\n").as_bytes())?;
            self.reserved = reserved;
        }
        self.last += 1;
        Ok(self.last)
    }
}

#[cfg(test)]
mod tests {
    use terms::BlockStatus;

    use super::*;
    use crate::index::Source;
    use crate::list;

    const NOW: Timestamp = Timestamp::from_secs(1_000);

    fn table(text: &str) -> Arc<Table> {
        let rules = list::read(text.as_bytes()).unwrap();
        Arc::new(Table::compile(Source::Edits { ids: Vec::new() }, rules, Digest::of(text.as_bytes())))
    }

    #[test]
    fn what_is_published_between_both_judgements_keeps_an_answer_off_its_lane() {
        let digest = Digest::of(b"bytes");
        for (rule, is_covered) in [
            (digest.to_string(), true),
            ("https://h.example/a".to_owned(), true),
            (Digest::of(b"others").to_string(), false),
        ] {
            let state = tempfile::tempdir().unwrap();
            let shelf = Shelf::new(PathBuf::new());
            let blocks = Blocks::new(state.path(), table(""), Vec::new(), Kin::default(), shelf).unwrap();
            let (lane, url) = (blocks.lane(Load::Answers), Arc::new(Url::parse("h.example/a").unwrap()));
            let cleared = blocks.judge(&url, Audience::Anybody, NOW).unwrap();
            let cleared = blocks.judge_bytes(cleared, &url, Some(&digest), NOW).unwrap();
            blocks.publish(table(&rule), Vec::new()).unwrap();
            // Finds nothing on the lane.
            assert_eq!(blocks.cut(NOW).cut(), 0);
            match blocks.put_on(&lane, cleared, (&url, &[]), &Proof::Known(digest), NOW) {
                Ok(entered) => assert_eq!((is_covered, entered.list), (false, blocks.version()), "{rule}"),
                Err(ruling) => assert_eq!((is_covered, ruling.status), (true, BlockStatus::default()), "{rule}"),
            }
            assert!(!lane.is_blocked());
        }
    }

    #[test]
    fn what_is_coded_here_is_judged_by_what_it_was_made_of_and_by_itself() {
        let (origin, served) = (Digest::of(b"as it came"), Digest::of(b"in a coding"));
        let proof = Proof::Known(origin).in_coding(Proof::Known(served));
        for (rule, is_covered) in [(origin, true), (served, true), (Digest::of(b"others"), false)] {
            let state = tempfile::tempdir().unwrap();
            let shelf = Shelf::new(PathBuf::new());
            let blocks = Blocks::new(state.path(), table(""), Vec::new(), Kin::default(), shelf).unwrap();
            let (lane, url) = (blocks.lane(Load::Answers), Arc::new(Url::parse("h.example/a").unwrap()));
            let cleared = blocks.judge(&url, Audience::Anybody, NOW).unwrap();
            blocks.enter(&lane, cleared, (&url, &[]), &proof, NOW).unwrap();
            blocks.publish(table(&rule.to_string()), Vec::new()).unwrap();
            let _round = blocks.cut(NOW);
            assert_eq!(lane.is_blocked(), is_covered, "under way");
            let other = blocks.lane(Load::Answers);
            let cleared = blocks.judge(&url, Audience::Anybody, NOW).unwrap();
            assert_eq!(blocks.enter(&other, cleared, (&url, &[]), &proof, NOW).is_err(), is_covered, "at the exit");
        }
    }

    #[test]
    fn a_rule_for_a_country_cuts_what_its_clients_get_and_no_fetch() {
        let state = tempfile::tempdir().unwrap();
        let shelf = Shelf::new(PathBuf::new());
        let place = |address: IpAddr, told: Option<Country>| match address.is_loopback() {
            true => told.map_or(Residence::Unknown(Doubt::Block), Residence::In),
            false => Residence::Unknown(Doubt::Serve),
        };
        let blocks = Blocks::new(state.path(), table(""), Vec::new(), Kin::default(), shelf).unwrap();
        let blocks = blocks.with_places(Box::new(place));
        let url = Arc::new(Url::parse("h.example/a").unwrap());
        let client = |address: &str, told: &str| {
            let (address, told) = (address.parse().unwrap(), Country::from_text(told));
            (Load::Answers, Audience::Client { address, told })
        };
        let all = [
            (client("127.0.0.1", "DE"), true),
            (client("127.0.0.1", "US"), false),
            (client("127.0.0.1", ""), true),
            (client("192.0.2.1", "DE"), false),
            ((Load::Fill, Audience::Anybody), false),
        ];
        let lanes = all.map(|((load, audience), is_cut)| {
            let lane = blocks.lane(load);
            let cleared = blocks.judge(&url, audience, NOW).unwrap();
            blocks.enter(&lane, cleared, (&url, &[]), &Proof::None, NOW).unwrap();
            (lane, is_cut)
        });
        blocks.publish(table("https://h.example/a geo=DE\n!https://h.example/b geo=US"), Vec::new()).unwrap();
        let round = blocks.cut(NOW);
        for ((lane, is_cut), who) in lanes.iter().zip(all) {
            assert_eq!(lane.is_blocked(), *is_cut, "{who:?}");
            assert_eq!(blocks.judge(&url, who.0.1, NOW).is_err(), *is_cut, "{who:?}");
        }
        assert_eq!(round.cut(), 2);
    }

    #[test]
    fn what_is_held_in_other_tables_is_the_same_under_the_same_version() {
        let state = tempfile::tempdir().unwrap();
        let files = || vec![table("h.example/b")];
        let blocks = Blocks::new(state.path(), table(""), files(), Kin::default(), Shelf::new(PathBuf::new())).unwrap();
        blocks.publish(table("h.example/a"), blocks.index().tables().to_vec()).unwrap();
        let (before, files) = (blocks.index(), blocks.index().tables()[1..].to_vec());
        blocks.hold(table("h.example/a").into(), &before);
        let after = blocks.index();
        assert_eq!((after.version(), after.hash()), (before.version(), before.hash()));
        assert!(after.is_of(&files) && !Arc::ptr_eq(&after, &before));
        for path in ["a", "b"] {
            let url = Url::parse(&format!("h.example/{path}")).unwrap();
            assert!(blocks.judge(&url, Audience::Anybody, NOW).is_err(), "{path}");
        }
    }

    /// Notes what it carries when it is woken.
    struct Owner(Load, Arc<Mutex<Vec<Load>>>);

    impl std::task::Wake for Owner {
        fn wake(self: Arc<Owner>) {
            self.1.lock().push(self.0);
        }
    }

    #[test]
    fn answers_are_told_before_the_fetch_that_they_read_of() {
        let state = tempfile::tempdir().unwrap();
        let blocks =
            Blocks::new(state.path(), table(""), Vec::new(), Kin::default(), Shelf::new(PathBuf::new())).unwrap();
        let (url, order) = (Arc::new(Url::parse("h.example/a").unwrap()), Arc::default());
        // Many, since where a lane stands in the register is up to chance.
        let lanes: Vec<_> = (0..32).map(|at| if at % 2 == 0 { Load::Fill } else { Load::Answers }).collect();
        let lanes: Vec<_> = lanes.into_iter().map(|load| (load, blocks.lane(load))).collect();
        let mut waits = Vec::new();
        for (load, lane) in &lanes {
            let cleared = blocks.judge(&url, Audience::Anybody, NOW).unwrap();
            blocks.enter(lane, cleared, (&url, &[]), &Proof::None, NOW).unwrap();
            let waker = Arc::new(Owner(*load, Arc::clone(&order))).into();
            let mut wait = Box::pin(lane.blocked());
            assert!(wait.as_mut().poll(&mut std::task::Context::from_waker(&waker)).is_pending());
            waits.push(wait);
        }
        blocks.publish(table("https://h.example/a"), Vec::new()).unwrap();
        blocks.cut(NOW);
        let order = order.lock();
        assert_eq!((order.len(), order.iter().rposition(|load| *load == Load::Answers)), (32, Some(15)), "{order:?}");
    }
}
