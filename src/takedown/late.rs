//! What is under way in a content coding when a rule comes that asks for digests: what it is without must be found out
//! before it can be judged.
//!
//! One thread does that for all publications, and nothing waits for it: it is seldom needed, for what is stored or fetched
//! while such a rule stands is known beforehand. It has no turn among those who decode for clients that ask, since what
//! it looks at goes on leaving meanwhile.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Weak};

use block::Blocks;
use parking_lot::{Condvar, Mutex};
use terms::{Clock, Encoded};

/// Bodies that are to be decoded, and then judged once more. Dropped, it has its thread end.
pub(super) struct Late(Arc<Shared>);

#[derive(Default)]
struct Shared {
    owed: Mutex<Owed>,
    more: Condvar,
}

#[derive(Default)]
struct Owed {
    /// By where each lies, so that what several publications leave is owed once. What neither anybody carries any more
    /// nor is stored isn't kept for this.
    bodies: BTreeMap<usize, Weak<dyn Encoded>>,
    is_closed: bool,
}

impl Late {
    pub(super) fn start(blocks: Arc<Blocks>, clock: Clock) -> std::io::Result<Late> {
        let shared = Arc::<Shared>::default();
        let ours = shared.clone();
        let look = move || {
            while let Some(body) = ours.next() {
                decode(&*body);
                // Also where others have decoded it meanwhile: they judged their own answers alone.
                blocks.cut(clock.wall());
            }
        };
        std::thread::Builder::new().name("decoding".to_owned()).spawn(look)?;
        Ok(Late(shared))
    }

    /// Has these judged again, by the rules that are in force once it is known what they are.
    pub(super) fn judge_again(&self, undecoded: Vec<Arc<dyn Encoded>>) {
        if undecoded.is_empty() {
            return;
        }
        let mut owed = self.0.owed.lock();
        if owed.is_closed {
            return;
        }
        owed.bodies.retain(|_, body| body.strong_count() > 0);
        owed.bodies.extend(undecoded.iter().map(|body| (Arc::as_ptr(body).addr(), Arc::downgrade(body))));
        self.0.more.notify_one();
    }

    /// Has the thread end with the body that it is at: nothing leaves any more.
    pub(super) fn close(&self) {
        let mut owed = self.0.owed.lock();
        *owed = Owed { is_closed: true, ..Owed::default() };
        self.0.more.notify_one();
    }
}

impl Drop for Late {
    fn drop(&mut self) {
        self.close();
    }
}

impl Shared {
    /// The next that is owed, when there is one; `None` once it is closed.
    fn next(&self) -> Option<Arc<dyn Encoded>> {
        let mut owed = self.owed.lock();
        loop {
            if owed.is_closed {
                return None;
            }
            match owed.bodies.pop_first() {
                Some((_, body)) => match body.upgrade() {
                    Some(body) => return Some(body),
                    None => continue,
                },
                None => self.more.wait(&mut owed),
            }
        }
    }
}

/// A decoder that panics takes nobody's turn away: those behind it are decoded all the same.
fn decode(body: &dyn Encoded) {
    if catch_unwind(AssertUnwindSafe(|| body.decode())).is_err() {
        tracing::error!(
            "a body under way could not be judged by what it is without its content coding: its decoder failed"
        );
    }
}
