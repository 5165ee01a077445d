//! From a miss to an entry: the fetch that fills it.
//!
//! Nobody owns a fetch: it runs in a task of its own, and the client that caused it waits like any
//! other.

mod decoding;
mod digest;
mod pass;
mod post;

use std::borrow::Cow;
use std::sync::Arc;

use block::{Blocks, Clearance, Lane, Load};
use bytes::Bytes;
use cache::coding::{Making, accept_decodable};
use cache::{Cache, Caching, Digests, Fill, Filled, Flight, Hit, Landed, Landing, ReplyHead, Stop, Writer};
use http::{Method, Request};
use http_body_util::BodyExt;
use origin::{Group, Reply};
use terms::{Answer, Ask, Body, BodyError, CacheUse, Clock, Departures, Moment, Proof, Refusal, Ruling, Url};
use tokio::sync::oneshot;

use crate::compress::{Compressed, Wish};
use crate::forward;
use crate::hold::{Hold, Room};
use crate::passage::{self, Judge, Passage};
use crate::sites::Site;
use crate::witness::Witness;
use pass::is_for_all;

/// Fetches for the cache, and past it.
#[derive(Clone)]
pub struct Fetcher {
    cache: Cache,
    blocks: Arc<Blocks>,
    witness: Arc<Witness>,
    clock: Clock,
    holds: Room,
}

/// A fetch that runs: its flight, and the reply itself if it turns out to be for the starter alone.
pub struct Started {
    flight: Flight,
    private: oneshot::Receiver<Answer>,
    wish: Option<Box<Wish>>,
    hold: Hold,
}

impl Started {
    /// Waits until the origin's head is there, and says what it makes of the fetch.
    pub async fn landed(self) -> Result<Landed<Box<Answer>>, Refusal> {
        match self.flight.landed().await? {
            Landed::Private(()) => match self.private.await {
                Ok(answer) => {
                    let answer = match self.wish {
                        Some(wish) => wish.fulfil(answer),
                        None => answer,
                    };
                    Ok(Landed::Private(Box::new(self.hold.hold(answer).await?)))
                }
                Err(_) => Err(Refusal::Internal),
            },
            Landed::Entry(hit) => Ok(Landed::Entry(hit)),
            Landed::Pass(pass) => Ok(Landed::Pass(pass)),
        }
    }
}

impl Fetcher {
    pub fn new(cache: Cache, blocks: Arc<Blocks>, witness: Arc<Witness>, clock: Clock) -> Fetcher {
        Fetcher { cache, blocks, witness, clock, holds: Room::default() }
    }

    /// Starts the fetch that `fill` asks for. The origin is asked for what is stored, by the name that it is stored
    /// under.
    pub fn start(&self, site: &Arc<Site>, ask: &Ask, fill: Fill, clearance: Clearance) -> Started {
        let name = &site.called(fill.url().clone());
        let renamed = ask.url.as_ref().is_ok_and(|asked| asked.target() != name.target());
        let mut request = forward::request(ask, name, fill.request_fields(ask), Body::Empty, site, self.witness.via());
        // What GET is answered with is stored, and HEAD is answered from it.
        *request.method_mut() = Method::GET;
        origin::relay_interim(&mut request, ask.voice.clone());
        // The digest is of the whole: with a rule that asks for it, no part is handed out unseen.
        if self.mind_digests(site, &fill) {
            accept_decodable(request.headers_mut());
        }
        let (starter, private) = oneshot::channel();
        let flight = fill.flight();
        let fetch = Fetch {
            witness: self.witness.clone(),
            to_head: ask.method == Method::HEAD,
            judge: Judge { remembers: !ask.present.authorization, ..self.judge(name, clearance) },
            departures: if renamed { Departures::KEY_RULE } else { Departures::default() },
        };
        // Boxed, because a task's future is moved several times before it is first polled.
        tokio::spawn(Box::pin(fetch.run(fill, site.group(name).clone(), request, starter)));
        let wish = Wish::of(ask, &site.caching, &self.cache, || self.judge(name, clearance)).map(Box::new);
        Started { flight, private, wish, hold: self.hold(site) }
    }

    /// Has nothing handed out before it was judged that a rule may name by its digest. Says whether there are such rules.
    fn mind_digests(&self, site: &Site, fill: &Fill) -> bool {
        let asks_digests = self.blocks.has_digest_rules();
        if asks_digests {
            fill.withhold_parts();
            fill.hold_back(site.hold_max.unwrap_or_default());
        }
        asks_digests
    }

    /// How a site's answers are cached now: where a rule asks for digests, which are of the whole, nothing is cut
    /// into slices.
    pub fn caching<'s>(&self, site: &'s Site) -> Cow<'s, Caching> {
        match site.caching.slices {
            Some(_) if self.blocks.has_digest_rules() => Cow::Owned(Caching { slices: None, ..site.caching.clone() }),
            _ => Cow::Borrowed(&site.caching),
        }
    }

    /// A fetch that began to cut an object into slices lands as that; where a rule has come since that asks for
    /// digests, the whole is fetched past the cache.
    pub fn uncut<P>(&self, landed: Landed<P>) -> Landed<P> {
        match landed {
            Landed::Entry(hit) if hit.is_sliced() && self.blocks.has_digest_rules() => Landed::Pass(hit.into_pass()),
            other => other,
        }
    }

    /// The answer from a hit of which nothing is [undecoded](Fetcher::undecoded); slices that it lacks are fetched on
    /// its way.
    pub fn answer(&self, site: &Arc<Site>, ask: &Ask, hit: Hit, clearance: Clearance, caching: &Caching) -> Answer {
        let now = self.clock.now();
        if !hit.is_sliced() {
            let (hit, making) = self.cache.represent(hit, ask, caching, now);
            if let Some(making) = making {
                self.make(site, *making, clearance);
            }
            return self.attend(site, ask, hit.answer(ask, caching, now), clearance);
        }
        let (fetcher, site, asked) = (self.clone(), site.clone(), ask.clone());
        let blocks = self.blocks.clone();
        let feeder = self.cache.feeder(
            caching,
            move |fill| drop(fetcher.start(&site, &asked, fill, clearance)),
            move || !blocks.has_digest_rules(),
        );
        hit.fed_by(feeder).answer(ask, caching, now)
    }

    /// The digest of what still comes is judged once for the cache, and here for the client.
    fn attend(&self, site: &Site, ask: &Ask, answer: Answer, clearance: Clearance) -> Answer {
        match &ask.url {
            Ok(url) if answer.origin_proof.is_awaited() => {
                let name = site.caching.rules.key.name(ask, url);
                passage::attended(answer, self.judge(&name, clearance))
            }
            _ => answer,
        }
    }

    /// Has an entry made in a coding. Like a fetch, nobody owns it.
    fn make(&self, site: &Site, making: Making, clearance: Clearance) {
        let judge = self.judge(&site.called(making.writer.entry().url().clone()), clearance);
        let departures = Departures::default();
        let maker = Fetch { witness: self.witness.clone(), to_head: false, judge, departures };
        tokio::spawn(Box::pin(maker.make(making)));
    }

    fn judge(&self, url: &Arc<Url>, clearance: Clearance) -> Judge {
        let Fetcher { blocks, witness, clock, cache, .. } = self;
        let (blocks, witness, clock, cache) = (blocks.clone(), witness.clone(), clock.clone(), cache.clone());
        Judge { blocks, url: url.clone(), clearance, clock, cache, witness, remembers: true }
    }
}

/// One fetch for the cache, on its way.
struct Fetch {
    witness: Arc<Witness>,
    /// The one who started it asked with HEAD.
    to_head: bool,
    judge: Judge,
    /// What rules of the site's made of the request.
    departures: Departures,
}

impl Fetch {
    /// A fill is on the register as answers are, so that nothing blocked meanwhile is stored.
    async fn run(self, fill: Fill, origins: Group, request: Request<Body>, starter: oneshot::Sender<Answer>) {
        // Under load what other clients asked for goes out together with this: an origin that is woken once for
        // several requests costs a sixth less for each of them.
        tokio::task::yield_now().await;
        let Judge { blocks, url, clearance, clock, .. } = &self.judge;
        let lane = blocks.lane(Load::Fill);
        let sent = clock.now();
        if let Err(ruling) = blocks.enter(&lane, clearance.for_anybody(), (url, &[]), &Proof::None, sent.wall) {
            return fill.fail(Refusal::Blocked(ruling), sent);
        }
        let reply = tokio::select! {
            biased;
            blocked = lane.blocked() => {
                let refusal = ruling_of(&blocked).map_or(Refusal::Internal, Refusal::Blocked);
                return fill.fail(refusal, clock.now());
            }
            // Before its head is there, a fetch is worth nothing to nobody.
            _ = fill.stopped() => return,
            reply = origins.exchange(request) => reply,
        };
        // A body may stream for long after a reload has put other origins in their place.
        drop(origins);
        match reply {
            Ok(reply) => self.land(fill, reply, sent, &lane, starter).await,
            Err(error) => fill.fail(error.into(), self.judge.clock.now()),
        }
    }

    async fn land(self, fill: Fill, reply: Reply, sent: Moment, lane: &Lane, starter: oneshot::Sender<Answer>) {
        let number = fill.number();
        let fields = forward::reply(reply.fields.clone(), reply.version, self.witness.via());
        let head = ReplyHead { status: reply.status, fields };
        match fill.land(&head, sent, self.judge.clock.now()) {
            Landing::Store(writer) => {
                let filled = self.grow(writer, reply.body, lane).await;
                if let Err(Stop::Undecodable(why)) = filled {
                    self.witness.undecoded(Some(number), &self.judge.url, why);
                }
                self.witness.filled(number, &self.judge.url, filled.map_err(|stop| stop.to_string()));
            }
            Landing::Private(private) => {
                self.witness.filled(number, &self.judge.url, Err(private.reason.to_string()));
                let cache_status = private.cache_status(reply.status);
                let passage =
                    Passage { to_head: self.to_head, cache: CacheUse::Miss, fill: Some(number), cache_status };
                let judge = Judge { remembers: self.judge.remembers && is_for_all(&reply.fields), ..self.judge };
                let mut answer = passage.answer(reply, judge, self.witness.via());
                answer.departures.add(self.departures);
                // A starter that left takes its reply with it.
                let _ = starter.send(answer);
            }
            Landing::Refreshed | Landing::Refused => {}
        }
    }

    /// Makes an entry in a coding of another one's bytes, as they come.
    async fn make(self, making: Making) {
        let Making { source, origin, writer, room } = making;
        let Judge { blocks, url, clearance, clock, .. } = &self.judge;
        let (lane, fill, coding) = (blocks.lane(Load::Fill), writer.entry().fill(), room.coding);
        let made = match blocks.enter(&lane, clearance.for_anybody(), (url, &[]), &origin, clock.wall()) {
            Ok(_) => self.grow(writer, Compressed::new(source, room), &lane).await,
            Err(ruling) => Err(writer.fail(BodyError::Cut(ruling))),
        };
        self.witness.coded(fill, url, coding, origin.digest(), made.map_err(|stop| stop.to_string()));
    }

    async fn grow<B>(&self, mut writer: Writer, mut body: B, lane: &Lane) -> Result<Filled, Stop>
    where
        B: http_body::Body<Data = Bytes, Error = BodyError> + Unpin,
    {
        loop {
            let frame = tokio::select! {
                biased;
                blocked = lane.blocked() => {
                    let cut = ruling_of(&blocked).map_or(BodyError::Incomplete, BodyError::Cut);
                    return Err(writer.fail(cut));
                }
                stop = writer.stopped() => return Err(stop),
                frame = body.frame() => frame,
            };
            match frame {
                None => break,
                Some(Err(error)) => return Err(writer.fail(error)),
                Some(Ok(frame)) => {
                    if self.judge.blocks.has_digest_rules() {
                        writer.withhold_parts();
                        writer.decode().await;
                    }
                    let Ok(chunk) = frame.into_data() else { continue };
                    match body.is_end_stream() {
                        true => writer.push_last(chunk)?,
                        false => writer.push(chunk).await?,
                    }
                }
            }
        }
        // The verdict before storing, which is for all who will ask.
        let (judge, entry) = (self.judge.for_anybody(), writer.entry().clone());
        let judged = match writer.is_whole() {
            true => {
                let digests = if judge.blocks.has_digest_rules() { Some(writer.digests().await) } else { None };
                let of_what_came = || Digests { came: writer.digest(), decoded: None };
                judge.judge(|| digests.unwrap_or_else(of_what_came), || entry.answers_for(judge.clock.now()))
            }
            false => judge.judge_name(),
        };
        match judged {
            Ok(()) => writer.finish(),
            Err(ruling) => Err(writer.fail(BodyError::Cut(ruling))),
        }
    }
}

fn ruling_of(blocked: &[block::Blocked]) -> Option<Arc<Ruling>> {
    blocked.first().map(|one| one.ruling.clone())
}
