//! What stored bodies are without their content codings: found out before the next byte of them leaves, once a rule
//! asks for digests.

use std::sync::Arc;

use block::Clearance;
use cache::coding::Decoded;
use cache::{Digests, Hit};
use terms::{Encoded, Proof, Refusal};

use super::Fetcher;
use crate::hold::Hold;
use crate::sites::Site;

impl Fetcher {
    /// What must be known of a hit before any of it leaves, and is not.
    pub fn undecoded(&self, hit: &Hit) -> Option<Arc<dyn Encoded>> {
        hit.entry.undecoded().filter(|_| self.blocks.has_digest_rules())
    }

    /// Finds that out, and judges by it for all who may ask. What is forbidden leaves the store, and so does what can't
    /// be decoded: this asker still gets it, or doesn't, as if it had just been fetched.
    pub async fn decode(
        &self,
        site: &Site,
        undecoded: Arc<dyn Encoded>,
        hit: &Hit,
        clearance: Clearance,
    ) -> Result<(), Refusal> {
        self.cache.decode(undecoded).await;
        let entry = &hit.entry;
        match entry.decoded() {
            Some(Ok(Decoded { digest, .. })) => {
                let digests = Digests { came: entry.digest().unwrap_or(digest), decoded: Some(digest) };
                let judge = self.judge(entry.url(), clearance).for_anybody();
                judge.judge(|| digests, || entry.answers_for(self.clock.now())).map_err(|ruling| {
                    self.cache.forget(entry);
                    Refusal::Blocked(ruling)
                })
            }
            Some(Err(why)) => {
                if self.cache.forget(entry) {
                    self.witness.undecoded(Some(entry.fill()), entry.url(), why);
                }
                let is_held = |most| entry.length().is_some_and(|bytes| (1..=most).contains(&bytes));
                if site.hold_max.is_some_and(is_held) { Err(why.into()) } else { Ok(()) }
            }
            // Nobody could look.
            None => Err(Refusal::Internal),
        }
    }

    /// A rule that asks for digests may have come after an answer was looked at, and before it was on the register: then
    /// it is looked at now, and judged again. It waits for no turn behind those who ask: it goes on leaving meanwhile.
    pub fn look_after(&self, proof: &Proof) {
        let Some(undecoded) = proof.undecoded().filter(|_| self.blocks.has_digest_rules()).cloned() else { return };
        let (blocks, clock) = (self.blocks.clone(), self.clock.clone());
        tokio::task::spawn_blocking(move || {
            undecoded.decode();
            blocks.cut(clock.wall());
        });
    }

    /// How what passes is handed on.
    pub(super) fn hold(&self, site: &Site) -> Hold {
        match site.hold_max.filter(|_| self.blocks.has_digest_rules()) {
            Some(most) => Hold::UpTo(most, self.holds.clone()),
            None => Hold::Nothing,
        }
    }
}
