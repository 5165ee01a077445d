//! What POST was answered with, on its way into the store.

use block::{Clearance, Load};
use cache::{Fill, Landed};
use origin::Reply;
use terms::{Answer, Ask, Departures, Moment, Proof, Refusal};
use tokio::sync::oneshot;

use super::{Fetch, Fetcher, Started};
use crate::sites::Site;

impl Fetcher {
    /// Lands a reply that is there already, as a fetch lands its own, and answers with what comes of it.
    pub(super) async fn store(
        &self,
        site: &Site,
        ask: &Ask,
        fill: Fill,
        clearance: Clearance,
        reply: Reply,
        sent: Moment,
    ) -> Result<Answer, Refusal> {
        let judge = self.judge(fill.url(), clearance);
        let lane = self.blocks.lane(Load::Fill);
        let entered = self.blocks.enter(&lane, clearance.for_anybody(), (&judge.url, &[]), &Proof::None, sent.wall);
        if let Err(ruling) = entered {
            return Err(Refusal::Blocked(ruling));
        }
        self.mind_digests(site, &fill);
        let (starter, private) = oneshot::channel();
        let flight = fill.flight();
        let fetch = Fetch { witness: self.witness.clone(), to_head: false, judge, departures: Departures::default() };
        tokio::spawn(Box::pin(async move { fetch.land(fill, reply, sent, &lane, starter).await }));
        let now = self.clock.now();
        match (Started { flight, private, wish: None, hold: self.hold(site) }).landed().await? {
            Landed::Entry(hit) => Ok(self.attend(site, ask, hit.answer(ask, &site.caching, now), clearance)),
            Landed::Private(answer) => Ok(*answer),
            // Nobody waited for anybody.
            Landed::Pass(_) => Err(Refusal::Internal),
        }
    }
}
