//! What is stored, over a restart: taken up behind clients' backs, and written while they leave.

use std::cell::RefCell;
use std::collections::HashMap;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use audit::Log;
use block::{Blocks, Case};
use cache::{Bounds, Cache, Judged, Kept, Stamp, Taking, Written};
use terms::{Clock, Digest, Url};
use tokio::sync::oneshot;

use super::house::House;
use super::state::{State, StateError};
use crate::config::Meant;
use crate::gateway::Gateway;
use crate::sites::{Site, Sites};
use crate::witness::Witness;

/// How long the taking up waits for the evidence to catch up, before it looks again.
const LOOK: Duration = Duration::from_millis(5);

/// The folder, and the thread that reads it back.
pub(super) struct Keep {
    folder: PathBuf,
    run: u64,
    taking: Option<JoinHandle<()>>,
    /// The taking up ends.
    stop: Arc<AtomicBool>,
    /// The writing is given up.
    give_up: Arc<AtomicBool>,
}

impl Keep {
    /// Takes what the run before has left, and begins to take it up. To be called before anybody can purge.
    pub(super) fn begin(meant: &Meant, state: &State, house: &House) -> Result<Keep, StateError> {
        let folder = state.cache();
        let mut keep = Keep { folder, run: state.run, taking: None, stop: Arc::default(), give_up: Arc::default() };
        let unusable = |source| StateError::Unusable { path: keep.folder.clone(), source };
        if !meant.cache.keep {
            Kept::discard(&keep.folder).map_err(unusable)?;
            return Ok(keep);
        }
        match Kept::take(&keep.folder, house.clock.wall()).map_err(unusable)? {
            None => {}
            Some(Err(unfit)) => tracing::warn!("what was kept of the cache is not used, this start is cold: {unfit}"),
            Some(Ok(kept)) => {
                let taking = house.cache.take_up(kept);
                let asker = Asker::new(meant, house, keep.stop.clone());
                let thread = thread::Builder::new().name("keep".to_owned());
                keep.taking = Some(thread.spawn(move || asker.take_up(taking)).map_err(unusable)?);
            }
        }
        Ok(keep)
    }

    /// Begins to write what is stored; what is not written at the deadline is left out. `None`: nothing is kept.
    pub(super) fn write(&mut self, meant: &Meant, house: &House, deadline: Instant) -> Option<Writing> {
        self.stop.store(true, Relaxed);
        let taking = self.taking.take();
        if !meant.cache.keep {
            return None;
        }
        let (sender, done) = oneshot::channel();
        let (folder, run, most) = (self.folder.clone(), self.run, meant.cache.keep_max);
        let (cache, clock, sites) = (house.cache.clone(), house.clock.clone(), house.gateway.sites());
        let give_up = self.give_up.clone();
        let work = move || {
            // It ends with the answer it reads; one that panicked has told so.
            let _ = taking.map(JoinHandle::join);
            let goes_on = || Instant::now() < deadline && !give_up.load(Relaxed);
            let stamps = Stamps::default();
            let stamp = |url: &Url| sites.of_host(url.host()).map(|site| stamps.of(&sites, site));
            // Evidence needs the disk more than this does.
            let written = disk::free(&folder).and_then(|free| {
                let bounds = Bounds { run, bytes: most.min(free / 2), now: clock.now() };
                cache.write_kept(&folder, bounds, &stamp, &goes_on)
            });
            let _ = sender.send(written);
        };
        let begun = thread::Builder::new().name("keep".to_owned()).spawn(work);
        begun.map_err(|error| cold(&error)).ok().map(|_| Writing { done, deadline })
    }

    pub(super) fn leave_at_once(&self) {
        tracing::warn!("interrupted again: leaving at once");
        self.give_up.store(true, Relaxed);
    }
}

/// What is stored, on its way to the disk.
pub(super) struct Writing {
    done: oneshot::Receiver<io::Result<Written>>,
    deadline: Instant,
}

/// How long after the deadline a disk may take for what it was given before.
const LATE: Duration = Duration::from_secs(2);

/// Waits until it is written. Dropped, nothing comes of it.
pub(super) async fn written(writing: Option<Writing>) -> Option<Written> {
    let Writing { done, deadline } = writing?;
    match tokio::time::timeout_at((deadline + LATE).into(), done).await {
        Ok(Ok(written)) => written.map_err(|error| cold(&error)).ok(),
        Ok(Err(_)) | Err(_) => {
            tracing::warn!("the disk is too slow to keep what is stored: the next start is a cold one");
            None
        }
    }
}

/// Has the next start take it up. Clients are gone, and operators.
pub(super) async fn put_in_force(written: Written) {
    match tokio::task::spawn_blocking(|| written.put_in_force()).await {
        Ok(Ok(kept)) => tracing::info!(objects = kept.objects, bytes = kept.bytes, "kept for the next start"),
        Ok(Err(error)) => cold(&error),
        Err(_) => tracing::error!("what is stored was not kept: the next start is a cold one"),
    }
}

fn cold(error: &io::Error) {
    tracing::warn!("what is stored can't be kept, the next start is a cold one: {error}");
}

/// Asked for each answer that was kept.
struct Asker {
    gateway: Arc<Gateway>,
    blocks: Arc<Blocks>,
    witness: Arc<Witness>,
    log: Log,
    cache: Cache,
    clock: Clock,
    /// Records that may wait to be written while this goes on.
    most_waiting: usize,
    stop: Arc<AtomicBool>,
}

impl Asker {
    fn new(meant: &Meant, house: &House, stop: Arc<AtomicBool>) -> Asker {
        Asker {
            gateway: house.gateway.clone(),
            blocks: house.blocks.clone(),
            witness: house.witness.clone(),
            log: house.log.clone(),
            cache: house.cache.clone(),
            clock: house.clock.clone(),
            // Answers need the rest.
            most_waiting: meant.audit.high_water / 4,
            stop,
        }
    }

    fn take_up(self, taking: Taking) {
        let stamps = Stamps::default();
        taking.run(&cache::Calls {
            judge: &|url, digest, stamp| self.judge(&stamps, url, digest, stamp),
            told: &|taken| self.witness.taken_up(&taken),
            goes_on: &|| self.goes_on(),
            now: &|| self.clock.now(),
        });
        let kept = &self.cache.numbers().kept;
        let refused: Vec<String> = kept
            .refused()
            .filter(|(_, count)| *count > 0)
            .map(|(why, count)| format!("{} {count}", why.as_str()))
            .collect();
        let (objects, bytes) = (kept.objects.load(Relaxed), kept.bytes.load(Relaxed));
        tracing::info!(objects, bytes, refused = refused.join(", "), "taken up what the run before had stored");
    }

    fn judge(&self, stamps: &Stamps, url: &Url, digest: Option<Digest>, stamp: Stamp) -> Judged {
        let (index, now) = (self.blocks.index(), self.clock.wall());
        let case = Case::of_anybody(now);
        if index.judge(url, case).is_some() {
            return Judged::Blocked;
        }
        if let Some(digest) = digest.filter(|digest| index.judge_digest(url, digest, case).is_some()) {
            self.blocks.remember(url, digest, None, now);
            return Judged::Blocked;
        }
        let sites = self.gateway.sites();
        match sites.of_host(url.host()) {
            Some(site) if stamps.of(&sites, site) == stamp => Judged::Stays(site.caching.clone()),
            _ => Judged::Moved,
        }
    }

    /// Each answer that is taken up is told of, and takes no record its room.
    fn goes_on(&self) -> bool {
        while !self.stop.load(Relaxed) {
            if !self.log.is_behind() && self.log.numbers().queue.load(Relaxed) <= self.most_waiting {
                return true;
            }
            thread::sleep(LOOK);
        }
        false
    }
}

/// Those of all sites, each made once.
#[derive(Default)]
struct Stamps(RefCell<Known>);

#[derive(Default)]
struct Known {
    of: Option<Arc<Sites>>,
    by_name: HashMap<Arc<str>, Stamp>,
}

impl Stamps {
    fn of(&self, sites: &Arc<Sites>, site: &Site) -> Stamp {
        let mut known = self.0.borrow_mut();
        if !known.of.as_ref().is_some_and(|of| Arc::ptr_eq(of, sites)) {
            *known = Known { of: Some(sites.clone()), ..Known::default() };
        }
        *known.by_name.entry(site.name.clone()).or_insert_with(|| site.stamp())
    }
}
