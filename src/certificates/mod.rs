//! The certificates that listeners show: loaded, watched, and swapped while they serve.
//!
//! New files are taken when two looks agree on them, so a pair of which one half is written yet is left
//! alone. A pair that can't be used, or has expired, leaves the one before in force, and says so until
//! the files can be used again. One that is made here is made anew in time.

mod check;
mod held;
mod self_signed;
mod watch;

#[cfg(test)]
mod tests;

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::Hash;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use disk::Bell;
use net::TlsError;
use net::tls::{Certificate, PairFiles, Server};
use parking_lot::Mutex;
use terms::{Clock, Moment, Timestamp};
use tokio_rustls::rustls::ServerConfig;

pub use check::{Checked, check};
use held::{Held, Seen, Shown};
pub use self_signed::PLACE as SELF_SIGNED;
pub use watch::watch;

/// What a listener is to show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// At least one. The first is for clients that name no host, or one that none of these is for.
    Files(Vec<PairFiles>),
    /// One made here, and kept in the state folder.
    SelfSigned,
}

#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    #[error(transparent)]
    Tls(#[from] TlsError),
    #[error("the self-signed certificate can't be kept as {}: {source}", file.display())]
    Unkept { file: PathBuf, source: io::Error },
}

/// The certificates of all listeners, each by the address that it is bound to.
pub struct Certificates {
    state: PathBuf,
    clock: Clock,
    listeners: Mutex<BTreeMap<SocketAddr, Secured>>,
    /// What is in force, for those who must not wait for a look.
    board: ArcSwap<Vec<Status>>,
    bell: Arc<Bell>,
    /// Held while the self-signed one is made: its two files are those of one pair.
    making: Mutex<()>,
}

struct Secured {
    server: Server,
    held: Vec<Held>,
}

/// Certificates that can be shown, and are not yet.
pub struct Loaded(Secured);

/// One certificate in force.
#[derive(Clone, Debug)]
pub struct Status {
    pub listener: SocketAddr,
    /// The first of the names that it is for.
    pub title: String,
    pub not_before: Timestamp,
    pub not_after: Timestamp,
    /// Why it is not what its files show.
    trouble: Option<String>,
}

impl Certificates {
    /// A self-signed one is kept in the folder `state`, at [`SELF_SIGNED`].
    pub fn new(state: &Path, clock: Clock) -> Certificates {
        Certificates {
            state: state.to_owned(),
            clock,
            listeners: Mutex::default(),
            board: ArcSwap::default(),
            bell: Arc::default(),
            making: Mutex::default(),
        }
    }

    /// Reads what is wanted from the disk. A self-signed one is made for `names` unless the one that is
    /// kept will do. `protocols` are those that are offered by ALPN.
    pub fn load(&self, wanted: &Wanted, names: &[String], protocols: &[&[u8]]) -> Result<Loaded, CertificateError> {
        let held = match wanted {
            Wanted::Files(pairs) => pairs.iter().map(Held::load).collect::<Result<_, _>>()?,
            Wanted::SelfSigned => vec![Held::made(self.self_signed(names, self.clock.wall())?, names)],
        };
        let server = Server::new(protocols, &in_force(&held))?;
        Ok(Loaded(Secured { server, held }))
    }

    fn self_signed(&self, names: &[String], now: Timestamp) -> Result<Certificate, CertificateError> {
        let _making = self.making.lock();
        self_signed::open(&self.state, names, now)
    }

    /// Has a listener show these from now on, and gives the TLS that it speaks. Connections that stand notice
    /// nothing, and the tickets of a listener that had TLS before stay good.
    pub fn show(&self, listener: SocketAddr, loaded: Loaded) -> Arc<ServerConfig> {
        let mut listeners = self.listeners.lock();
        let secured = match listeners.entry(listener) {
            Entry::Vacant(free) => free.insert(loaded.0),
            Entry::Occupied(taken) => {
                let secured = taken.into_mut();
                secured.held = loaded.0.held;
                secured.server.show(&in_force(&secured.held));
                secured
            }
        };
        let config = secured.server.config();
        drop(listeners);
        self.changed();
        config
    }

    /// A listener is closed, or speaks no TLS any more.
    pub fn forget(&self, listener: SocketAddr) {
        self.listeners.lock().remove(&listener);
        self.changed();
    }

    fn changed(&self) {
        self.post();
        self.bell.ring();
    }

    fn post(&self) {
        let listeners = self.listeners.lock();
        let status = |listener: &SocketAddr, held: &Held| Status {
            listener: *listener,
            title: held.in_force().title(),
            not_before: held.in_force().not_before(),
            not_after: held.in_force().not_after(),
            trouble: held.trouble().map(str::to_owned),
        };
        let all = listeners.iter().flat_map(|(listener, one)| one.held.iter().map(move |held| status(listener, held)));
        self.board.store(Arc::new(all.collect()));
    }

    /// Looks at all files, and takes what has changed and settled; makes anew what is made here and ends soon. Returns
    /// when to look again for what has not settled. Waits for the disk.
    fn look(&self) -> Option<Duration> {
        let now = self.clock.now();
        // Without the lock: a disk that hangs must not hold up a reload.
        let found = self.find(now);
        let mut again: Option<Duration> = None;
        let mut is_changed = false;
        for (listener, secured) in self.listeners.lock().iter_mut() {
            let mut is_swapped = false;
            for held in &mut secured.held {
                match found.weigh(held, now) {
                    Seen::Nothing => continue,
                    Seen::Unsettled(left) => {
                        again = Some(again.map_or(left, |sooner| sooner.min(left)));
                        continue;
                    }
                    Seen::Refused => tracing::error!(%listener, "{}", held.trouble().unwrap_or_default()),
                    Seen::Taken => {
                        is_swapped = true;
                        let (name, until) = (held.in_force().title(), held.in_force().not_after());
                        tracing::info!(%listener, name, %until, "a certificate is in force");
                    }
                }
                is_changed = true;
            }
            if is_swapped {
                secured.server.show(&in_force(&secured.held));
            }
        }
        if is_changed {
            self.post();
        }
        again
    }

    fn find(&self, now: Moment) -> Found {
        let shown = self.files().into_iter().map(|files| (files.clone(), Shown::of(&files))).collect();
        let make = |names: Vec<String>| {
            let made = self.self_signed(&names, now.wall).map_err(|error| error.to_string());
            (names, made)
        };
        let made = self.of_each(|held| held.due(now.wall)).into_iter().map(make).collect();
        Found { shown, made }
    }

    fn files(&self) -> HashSet<PairFiles> {
        self.of_each(Held::files)
    }

    fn of_each<T: Clone + Eq + Hash>(&self, what: impl Fn(&Held) -> Option<&T>) -> HashSet<T> {
        self.listeners.lock().values().flat_map(|one| one.held.iter().filter_map(&what)).cloned().collect()
    }

    pub fn status(&self) -> Arc<Vec<Status>> {
        self.board.load_full()
    }

    /// For how many more seconds each certificate holds, by listener and name; less than zero for one
    /// that has expired. Of several with one name, the one that ends first.
    pub fn expiries(&self) -> BTreeMap<(String, String), f64> {
        let now = self.clock.wall();
        let mut expiries = BTreeMap::new();
        for status in self.status().iter() {
            let left = (status.not_after.secs() - now.secs()) as f64;
            let soonest = expiries.entry((status.listener.to_string(), status.title.clone())).or_insert(left);
            *soonest = left.min(*soonest);
        }
        expiries
    }

    /// What clients are shown and should not be, a sentence each.
    pub fn troubles(&self) -> Vec<String> {
        let now = self.clock.wall();
        self.status().iter().filter_map(|status| status.trouble(now)).collect()
    }
}

/// What a look found on the disk, or made.
struct Found {
    shown: HashMap<PairFiles, Shown>,
    /// By the names that it is for.
    made: HashMap<Vec<String>, Result<Certificate, String>>,
}

impl Found {
    fn weigh(&self, held: &mut Held, now: Moment) -> Seen {
        if let Some(made) = held.due(now.wall).and_then(|names| self.made.get(names)) {
            return held.renew(made);
        }
        match held.files().and_then(|files| self.shown.get(files)) {
            Some(shown) => held.weigh(shown, now),
            None => Seen::Nothing,
        }
    }
}

impl Status {
    fn trouble(&self, now: Timestamp) -> Option<String> {
        let Status { listener, title, .. } = self;
        if let Some(trouble) = &self.trouble {
            return Some(format!("{listener}: {trouble}; the certificate of before stays in force"));
        }
        let date = out_of_date(self.not_before, self.not_after, now)?;
        Some(format!("{listener}: the certificate for {title} {date}"))
    }
}

/// How a certificate does not hold at a time.
fn out_of_date(not_before: Timestamp, not_after: Timestamp, now: Timestamp) -> Option<String> {
    match () {
        () if now > not_after => Some(format!("expired at {not_after}")),
        () if now < not_before => Some(format!("holds only from {not_before} on")),
        () => None,
    }
}

fn in_force(held: &[Held]) -> Vec<Certificate> {
    held.iter().map(|held| held.in_force().clone()).collect()
}
