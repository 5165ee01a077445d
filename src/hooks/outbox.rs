//! What a hook has not yet taken: a folder with a file for each delivery.

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use disk::durable;
use parking_lot::Mutex;
use terms::Timestamp;
use tokio::sync::Notify;

use crate::Numbers;

/// The folder of deliveries that were given up.
pub(crate) const DEAD: &str = "dead";

/// Deliveries that wait for one hook. A day of one event a second; a folder of this many files is
/// still listed in well under a second.
const MAX_WAITING: usize = 100_000;

/// Buried deliveries of all hooks; the oldest makes room.
const MAX_DEAD: usize = 100_000;

/// One file, by its place in the order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Delivery {
    /// Microseconds since 1970 at which it was put here, raised where needed so that no two of a
    /// hook are the same: its place in the order, and its age.
    pub order: i64,
    pub kind: String,
    pub id: String,
}

impl Delivery {
    fn file_name(&self) -> String {
        format!("{:016}~{}~{}.json", self.order, self.kind, self.id)
    }

    fn from_file_name(name: &str) -> Option<Delivery> {
        let mut parts = name.strip_suffix(".json")?.splitn(3, '~');
        let delivery = Delivery {
            order: parts.next()?.parse().ok()?,
            kind: parts.next()?.to_owned(),
            id: parts.next()?.to_owned(),
        };
        // Only a name that leads back to the same file.
        (delivery.file_name() == name).then_some(delivery)
    }

    pub(crate) fn put_at(&self) -> Timestamp {
        Timestamp::from_micros(self.order)
    }
}

pub(crate) struct Outbox {
    hook: String,
    folder: PathBuf,
    dead: PathBuf,
    waiting: Mutex<Waiting>,
    arrival: Notify,
    numbers: Arc<Numbers>,
}

#[derive(Default)]
struct Waiting {
    last: i64,
    deliveries: BTreeMap<i64, Delivery>,
    /// Kind and id of each.
    known: HashSet<(String, String)>,
}

impl Waiting {
    /// A place at the end.
    fn next(&self, now: Timestamp) -> i64 {
        now.micros().max(self.last.saturating_add(1))
    }

    fn add(&mut self, delivery: Delivery) {
        self.last = self.last.max(delivery.order);
        self.known.insert((delivery.kind.clone(), delivery.id.clone()));
        self.deliveries.insert(delivery.order, delivery);
    }
}

impl Outbox {
    /// Creates the folder if need be, and finds what waits in it.
    pub fn open(hook: &str, folder: &Path, dead: &Path, numbers: Arc<Numbers>, now: Timestamp) -> io::Result<Outbox> {
        durable::private_folder(folder)?;
        let outbox = Outbox {
            hook: hook.to_owned(),
            folder: folder.to_owned(),
            dead: dead.to_owned(),
            waiting: Mutex::default(),
            arrival: Notify::new(),
            numbers,
        };
        outbox.look(now)?;
        Ok(outbox)
    }

    /// Finds what waits in the folder and isn't known yet: left by an earlier run, or moved back from the
    /// dead ones by an operator, which goes to the end and has its whole time before it again.
    pub fn look(&self, now: Timestamp) -> io::Result<()> {
        let mut waiting = self.waiting.lock();
        let before = waiting.deliveries.len();
        let mut revived = Vec::new();
        for name in names(&self.folder)? {
            match (Delivery::from_file_name(&name), self.dead_name(&name)) {
                (Some(delivery), _) => waiting.add(delivery),
                (_, Some(delivery)) => revived.push((name, delivery)),
                // Left by a write that a crash interrupted: none is under way.
                _ if name.starts_with(".new-") => fs::remove_file(self.folder.join(name))?,
                _ => tracing::warn!(hook = self.hook, file = name, "not a delivery, left alone"),
            }
        }
        revived.sort_by_key(|(_, delivery)| delivery.order);
        for (name, delivery) in revived {
            let delivery = Delivery { order: waiting.next(now), ..delivery };
            durable::rename(&self.folder.join(name), &self.folder.join(delivery.file_name()))?;
            waiting.add(delivery);
        }
        self.numbers.pending.fetch_add((waiting.deliveries.len() - before) as u64, Ordering::Relaxed);
        self.arrival.notify_one();
        Ok(())
    }

    /// What a dead delivery of this hook was, by its name.
    fn dead_name(&self, name: &str) -> Option<Delivery> {
        Delivery::from_file_name(name.strip_prefix(&self.hook)?.strip_prefix('~')?)
    }

    /// Writes a delivery durably, unless one of the same kind and id waits.
    pub fn put(&self, now: Timestamp, kind: &str, id: &str, body: &[u8]) -> io::Result<()> {
        let mut waiting = self.waiting.lock();
        if waiting.known.contains(&(kind.to_owned(), id.to_owned())) {
            return Ok(());
        }
        if waiting.deliveries.len() >= MAX_WAITING {
            let text = format!("the hook {:?} has {MAX_WAITING} deliveries waiting: mend it", self.hook);
            return Err(io::Error::new(io::ErrorKind::QuotaExceeded, text));
        }
        let delivery = Delivery { order: waiting.next(now), kind: kind.to_owned(), id: id.to_owned() };
        durable::write(&self.folder.join(delivery.file_name()), body)?;
        waiting.add(delivery);
        self.numbers.pending.fetch_add(1, Ordering::Relaxed);
        self.arrival.notify_one();
        Ok(())
    }

    /// The delivery whose turn it is.
    pub fn first(&self) -> Option<Delivery> {
        self.waiting.lock().deliveries.first_key_value().map(|(_, delivery)| delivery.clone())
    }

    /// Returns when there may be a first one again.
    pub async fn arrival(&self) {
        self.arrival.notified().await;
    }

    /// The bytes of a delivery; `None` if somebody removed its file.
    pub fn body(&self, delivery: &Delivery) -> io::Result<Option<Vec<u8>>> {
        match fs::read(self.folder.join(delivery.file_name())) {
            Ok(body) => Ok(Some(body)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Takes a delivery out. On an error its file is still there, and is delivered again after the
    /// next start.
    pub fn remove(&self, delivery: &Delivery) -> io::Result<()> {
        self.forget(delivery);
        durable::remove(&self.folder.join(delivery.file_name()))
    }

    /// Moves a delivery to the dead ones. On an error as [`Outbox::remove`].
    pub fn bury(&self, delivery: &Delivery) -> io::Result<()> {
        self.forget(delivery);
        let mut buried: Vec<String> = names(&self.dead)?.collect();
        if buried.len() >= MAX_DEAD {
            buried.sort_by(|one, other| age(one).cmp(age(other)));
            for oldest in &buried[..=buried.len() - MAX_DEAD] {
                durable::remove(&self.dead.join(oldest))?;
            }
        }
        let name = delivery.file_name();
        durable::rename(&self.folder.join(&name), &self.dead.join(format!("{}~{name}", self.hook)))?;
        self.numbers.dead.store(count(&self.dead)?, Ordering::Relaxed);
        Ok(())
    }

    fn forget(&self, delivery: &Delivery) {
        let mut waiting = self.waiting.lock();
        if waiting.deliveries.remove(&delivery.order).is_some() {
            waiting.known.remove(&(delivery.kind.clone(), delivery.id.clone()));
            self.numbers.pending.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

impl Drop for Outbox {
    fn drop(&mut self) {
        self.numbers.pending.fetch_sub(self.waiting.get_mut().deliveries.len() as u64, Ordering::Relaxed);
    }
}

/// The part of a dead delivery's name that orders it by age.
fn age(name: &str) -> &str {
    name.split_once('~').map_or(name, |(_hook, rest)| rest)
}

/// How many deliveries are in a folder.
pub(crate) fn count(folder: &Path) -> io::Result<u64> {
    Ok(names(folder)?.filter(|name| name.ends_with(".json")).count() as u64)
}

/// Says which hooks, no longer configured, still have deliveries here.
pub(crate) fn warn_of_strangers(dir: &Path, is_known: impl Fn(&str) -> bool) {
    let Ok(names) = names(dir) else { return };
    for name in names.filter(|name| name != DEAD && !is_known(name)) {
        match count(&dir.join(&name)) {
            Ok(waiting) if waiting > 0 => tracing::warn!(
                hook = name,
                waiting,
                "deliveries wait for a hook that isn't configured: name it again, or remove its folder"
            ),
            _ => {}
        }
    }
}

fn names(folder: &Path) -> io::Result<impl Iterator<Item = String>> {
    Ok(fs::read_dir(folder)?.filter_map(|entry| entry.ok()?.file_name().into_string().ok()))
}
