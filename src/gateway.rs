//! The life of a request: this page, top to bottom.
//!
//! What is asked is read once; the block list is asked before the cache; one fetch serves all who
//! wait for it; and whatever was found leaves by one exit, the guard.

mod content;

use std::sync::Arc;

use arc_swap::ArcSwap;
use block::{Blocks, Clearance, Entered, Lane, Load};
use cache::{Cache, Landed, Lookup};
use http::{Request, Response};
use terms::{Answer, Ask, Body, Clock, Peer, Refusal, Url, Voice};

use crate::aliases;
use crate::fetch::Fetcher;
use crate::forward::steering;
use crate::purge::Purger;
use crate::sites::{Site, Sites, asks_for_purge};
use crate::witness::{Cleared, Witness, Witnessed};

pub use content::Unknown;

pub struct Gateway {
    sites: ArcSwap<Sites>,
    blocks: Arc<Blocks>,
    cache: Cache,
    fetcher: Fetcher,
    purger: Arc<Purger>,
    witness: Arc<Witness>,
    clock: Clock,
}

impl Gateway {
    pub fn new(
        sites: Sites,
        blocks: Arc<Blocks>,
        cache: Cache,
        purger: Arc<Purger>,
        witness: Arc<Witness>,
        clock: Clock,
    ) -> Gateway {
        let fetcher = Fetcher::new(cache.clone(), blocks.clone(), witness.clone(), clock.clone());
        Gateway { sites: ArcSwap::from_pointee(sites), blocks, cache, fetcher, purger, witness, clock }
    }

    /// Answers a request, and has its record made when the answer has left.
    pub async fn serve(&self, request: Request<Body>, peer: Peer, lane: &Lane, voice: Voice) -> Response<Witnessed> {
        let (mut ask, body) = self.read(request, peer);
        ask.voice = voice;
        let mut watch = Abandonment { witness: &self.witness, answered: false };
        let judged = self.judge(&ask); // before its site is found: a reload lifts rules after it drops sites
        let site = self.sites.load().find(&ask);
        let outcome = self.answer(&ask, site.as_ref(), judged, body, lane).await;
        watch.answered = true;
        self.respond(&ask, site.as_deref().ok(), outcome)
    }

    fn read<B>(&self, request: Request<B>, peer: Peer) -> (Ask, B) {
        Ask::read(request, peer, &self.sites.load().trusted, self.clock.now())
    }

    async fn answer(
        &self,
        ask: &Ask,
        site: Result<&Arc<Site>, &Refusal>,
        judged: Result<Clearance, Refusal>,
        body: Body,
        lane: &Lane,
    ) -> Result<Cleared, Refusal> {
        let site = site.map_err(Clone::clone)?; // 421, or 400: a URL that can't be named
        let url = ask.url.as_ref().map_err(|error| Refusal::BadUrl(*error))?;
        let place = site.admit(ask, self.witness.via())?; // 403, 429, 501, 508, 417
        let clearance = judged?; // 451; 503: the rules that let it through may be out of date
        self.witness.room().await?; // 503: no answer without evidence
        let ((name, others), caching) = (self.named(site, ask, url)?, self.fetcher.caching(site)); // 451, too
        // What waits is boxed: a hit's future stays small, and is moved for little.
        let landed = match site.redirect(ask, url) {
            Some(elsewhere) => Landed::Private(Box::new(elsewhere)),
            None if asks_for_purge(&ask.method) => {
                Landed::Private(Box::new(Box::pin(self.purger.answer(ask, &name)).await?))
            }
            None => match self.cache.look_up(ask, &name, &caching, ask.began)? {
                Lookup::Fresh(hit) => Landed::Entry(hit),
                Lookup::Stale(hit, fill) => {
                    if let Some(fill) = fill {
                        self.fetcher.start(site, ask, *fill, clearance);
                    }
                    Landed::Entry(hit)
                }
                Lookup::Filling(flight) => Box::pin(flight.landed()).await?,
                Lookup::Miss(fill) => Box::pin(self.fetcher.start(site, ask, *fill, clearance).landed()).await?,
                Lookup::Pass(pass) => Landed::Pass(pass),
                Lookup::Beside(pass, whole) => {
                    self.fetcher.start(site, ask, *whole, clearance);
                    Landed::Pass(pass)
                }
            },
        };
        let (url, mut answer) = match self.fetcher.uncut(landed) {
            Landed::Entry(hit) => {
                if let Some(undecoded) = self.fetcher.undecoded(&hit) {
                    Box::pin(self.fetcher.decode(site, undecoded, &hit, clearance)).await?;
                }
                (hit.url(url), self.fetcher.answer(site, ask, hit, clearance, &caching))
            }
            Landed::Private(answer) => (url.clone(), *answer),
            Landed::Pass(pass) => {
                (url.clone(), Box::pin(self.fetcher.pass(site, ask, url, clearance, body, pass)).await?)
            }
        };
        let Entered { ticket, list } = self.guard(clearance, &url, (&name, others), &answer, lane)?;
        site.adjust(&mut answer, &name);
        Ok(Cleared { answer, url, ticket, list, place })
    }

    /// Under which name the answer is stored, and asked for; and what the origin may take the request for beside it, by
    /// fields that the site lets through. Rules judge all of that: what one blocks with just its query is not to be had
    /// by a parameter that is ignored.
    fn named(&self, site: &Site, ask: &Ask, url: &Arc<Url>) -> Result<(Arc<Url>, Vec<Arc<Url>>), Refusal> {
        let name = site.caching.rules.key.name(ask, url);
        let others = steering::other_urls(&site.pass_fields, ask, url)?;
        let renamed = (!Arc::ptr_eq(&name, url)).then_some(&name);
        for other in renamed.into_iter().chain(&others) {
            self.blocks.judge(other, (&ask.client).into(), ask.began.wall).map_err(Refusal::Blocked)?;
        }
        Ok((name, others))
    }

    fn judge(&self, ask: &Ask) -> Result<Clearance, Refusal> {
        let url = ask.url.as_ref().map_err(|error| Refusal::BadUrl(*error))?;
        let clearance = self.blocks.judge(url, (&ask.client).into(), ask.began.wall).map_err(Refusal::Blocked)?;
        if self.blocks.are_good(ask.began.wall) { Ok(clearance) } else { Err(Refusal::ListsStale) }
    }

    /// The one exit: judges what only the answer tells, and registers the answer, so that a rule that
    /// comes into force while it is under way cuts it.
    fn guard(
        &self,
        clearance: Clearance,
        url: &Arc<Url>,
        (name, others): (&Arc<Url>, Vec<Arc<Url>>),
        answer: &Answer,
        lane: &Lane,
    ) -> Result<Entered, Refusal> {
        let (now, proof) = (self.clock.wall(), &answer.origin_proof);
        let aliases = aliases::of(url, name, others, &answer.fields);
        let entered = self.blocks.enter(lane, clearance, (url, &aliases), proof, now).map_err(Refusal::Blocked)?;
        self.fetcher.look_after(proof);
        Ok(entered)
    }

    /// Answers a head that was refused before it became a request; recorded if enough of it could be
    /// read.
    pub fn refuse(&self, readable: Option<Request<()>>, peer: Peer, refusal: Refusal) -> Response<Witnessed> {
        match readable {
            Some(request) => {
                let (ask, ()) = self.read(request, peer);
                let site = self.sites.load().find(&ask);
                self.respond(&ask, site.as_deref().ok(), Err(refusal))
            }
            None => self.witness.respond_unread(&refusal),
        }
    }

    fn respond(&self, ask: &Ask, site: Option<&Site>, outcome: Result<Cleared, Refusal>) -> Response<Witnessed> {
        match outcome {
            Ok(cleared) => self.witness.served(ask, site, cleared),
            Err(refusal) => self.witness.refused(ask, site, refusal, self.blocks.version()),
        }
    }

    /// The lane of a new connection.
    pub fn lane(&self) -> Arc<Lane> {
        self.blocks.lane(Load::Answers)
    }

    pub fn sites(&self) -> Arc<Sites> {
        self.sites.load_full()
    }

    /// Returns those of before.
    pub fn set_sites(&self, sites: Arc<Sites>) -> Arc<Sites> {
        self.sites.swap(sites)
    }
}

/// Counts the client that leaves before it is answered: then the future that serves it is dropped.
struct Abandonment<'a> {
    witness: &'a Witness,
    answered: bool,
}

impl Drop for Abandonment<'_> {
    fn drop(&mut self) {
        if !self.answered {
            self.witness.abandoned();
        }
    }
}
