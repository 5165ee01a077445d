//! All origins of a site, and the groups in which requests are shared out among them.
//!
//! A group chooses one (`balance`) by how each of them is (`health`). If that one fails, the request goes
//! to another, once, if the first can't have acted on it or may act on it twice, and the budget allows it.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use http::{Request, StatusCode};
use parking_lot::Mutex;
use terms::{Body, tunnel};
use tokio::time::Instant;

use crate::balance::{Candidate, Fitness, Turns};
use crate::budget::Budget;
use crate::check::{self, Checking};
use crate::exchange::Failed;
use crate::health::{Health, Standing};
use crate::numbers::count;
use crate::settings::{Ejection, Plan, Share};
use crate::upload::{self, Upload};
use crate::{Agreed, Handshake, Numbers, Origin, OriginError, Reply};

/// All origins of one site, with their connections, their health and their numbers.
pub struct Origins {
    plan: Plan,
    all: Vec<Arc<Member>>,
    budget: Arc<Mutex<Budget>>,
    _checks: Vec<Checking>,
}

/// One of them.
#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) site: Arc<str>,
    pub(crate) url: Arc<str>,
    pub(crate) origin: Origin,
    pub(crate) health: Health,
}

/// How one of them is.
pub struct Seen<'a> {
    pub url: &'a str,
    pub standing: Standing,
    pub ejections: u64,
    /// Requests that went to another origin because this one failed.
    pub retried: u64,
    pub checks_failed: u64,
    pub numbers: &'a Numbers,
}

impl Origins {
    /// Dials nothing yet, but for checks, which begin at once: in a runtime.
    ///
    /// What `before` knows of an origin with the same URL is taken over; its connections too, if nothing of
    /// its settings changed.
    pub fn new(plan: Plan, before: Option<&Origins>) -> Origins {
        let known = |url: &str| before.and_then(|before| before.all.iter().find(|member| *member.url == *url));
        let mut all = Vec::new();
        for settings in &plan.origins {
            let url = settings.url();
            let known = known(&url);
            let origin = match known {
                Some(member) if member.origin.settings() == settings => member.origin.clone(),
                _ => Origin::new(settings.clone()),
            };
            let health = known.map(|member| member.health.carried_over()).unwrap_or_default();
            if plan.check.is_none() {
                health.state.lock().forget_checks();
            }
            all.push(Arc::new(Member { site: plan.site.clone(), url: url.into(), origin, health }));
        }
        let checks = plan.check.iter().flat_map(|check| all.iter().map(|one| check::begin(one.clone(), check.clone())));
        let budget = match before {
            Some(before) => before.budget.clone(),
            None => Arc::new(Mutex::new(Budget::new(Instant::now()))),
        };
        Origins { _checks: checks.collect(), budget, all, plan }
    }

    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Some of these origins, to share requests among. A share of an origin that isn't there is left out.
    pub fn group(&self, shares: &[Share]) -> Group {
        let members: Vec<(Share, Arc<Member>)> =
            shares.iter().filter_map(|share| Some((*share, self.all.get(share.origin)?.clone()))).collect();
        Group(Arc::new(Inner {
            turns: Mutex::new(Turns::new(members.len())),
            members,
            budget: self.budget.clone(),
            ejection: self.plan.ejection,
            retry_statuses: self.plan.retry_statuses.clone(),
        }))
    }

    /// How each of them is now.
    pub fn each(&self) -> impl Iterator<Item = Seen<'_>> {
        let now = Instant::now();
        self.all.iter().map(move |member| Seen {
            url: &member.url,
            standing: member.health.standing(now),
            ejections: member.health.ejections.load(Relaxed),
            retried: member.health.retried.load(Relaxed),
            checks_failed: member.health.checks_failed.load(Relaxed),
            numbers: member.origin.numbers(),
        })
    }
}

/// Those among which some requests of a site are shared out. Clones are the same group.
#[derive(Clone)]
pub struct Group(Arc<Inner>);

struct Inner {
    members: Vec<(Share, Arc<Member>)>,
    turns: Mutex<Turns>,
    budget: Arc<Mutex<Budget>>,
    ejection: Ejection,
    retry_statuses: Vec<StatusCode>,
}

/// What came of the first try, where it was no success.
enum Setback {
    /// An answer, of a status for which another origin is to be asked.
    Status(Box<Reply>),
    Failed(Box<Failed>),
}

impl Group {
    /// Sends one request to one of the group, or to two of them one after the other, and waits for the head
    /// of the answer; 1xx are passed over, a 101 that was not asked for is refused.
    ///
    /// `request` has an origin-form target (RFC 9112 section 3.2.1), `Host`, and no hop-by-hop fields;
    /// framing and version are set here. [`Settings`](crate::Settings) say how long each step may take.
    ///
    /// A second one is asked where nothing was sent to the first, whatever the method, as far as the body is
    /// still whole; where the connection ended before any byte of an answer, or the answer's status is one
    /// of `retry_statuses`, only for an idempotent method without a body (RFC 9110 section 9.2.2).
    pub async fn exchange(&self, request: Request<Body>) -> Result<Reply, OriginError> {
        let request = upload::prepare(request);
        let Some((first, member)) = self.choose(None) else { return Err(OriginError::NoOrigin) };
        if self.0.members.len() == 1 {
            // It is asked whatever it did before, so its failures decide nothing.
            return member.origin.send(request).await.map_err(|failed| failed.error);
        }
        self.0.budget.lock().earn();
        let copy = upload::repeatable(&request);
        let setback = match self.ask(member, request).await {
            Ok(reply) if !self.is_setback(&reply) => return Ok(reply),
            Ok(reply) => Setback::Status(Box::new(reply)),
            Err(failed) => Setback::Failed(failed),
        };
        let (again, setback) = setback.again(copy);
        let Some((again, (_, other))) = again.zip(self.choose(Some(first))) else { return setback.outcome() };
        if !self.0.budget.lock().spend(Instant::now()) {
            return setback.outcome();
        }
        count(&member.health.retried);
        match (self.ask(other, again).await, setback) {
            (Ok(reply), _) => Ok(reply),
            // What the first one said is better than nothing.
            (Err(_), Setback::Status(reply)) => Ok(*reply),
            (Err(failed), Setback::Failed(_)) => Err(failed.error),
        }
    }

    /// The same with a request that asks for a tunnel, which has no body. What asks for it is set here.
    pub async fn tunnel(&self, mut request: Request<Body>) -> Result<Handshake, OriginError> {
        tunnel::name(request.headers_mut());
        let mut reply = self.exchange(request).await?;
        Ok(match reply.far.take() {
            Some(far) => Handshake::Agreed(Agreed { version: reply.version, fields: reply.fields, far }),
            None => Handshake::Refused(reply),
        })
    }

    /// Whether another group has the same origins, whatever their shares are, and however long is waited for
    /// them.
    pub fn asks_as(&self, other: &Group) -> bool {
        self.is_within(other) && other.is_within(self)
    }

    /// The same as a text that holds over a restart: two that ask alike have one, as far as it can be told by the
    /// names of files.
    pub fn sources(&self) -> String {
        let source = |(_, member): &(_, Arc<Member>)| {
            let settings = member.origin.settings();
            let tls = settings.tls.as_ref().map(|tls| (&tls.server_name, tls.trust.source()));
            format!("{} {tls:?}", settings.url())
        };
        let all: BTreeSet<String> = self.0.members.iter().map(source).collect();
        format!("{all:?}")
    }

    fn is_within(&self, other: &Group) -> bool {
        let source = |member: &Member| {
            let settings = member.origin.settings();
            (settings.address.clone(), settings.tls.clone())
        };
        let sources: Vec<_> = other.0.members.iter().map(|(_, member)| source(member)).collect();
        self.0.members.iter().all(|(_, member)| sources.contains(&source(member)))
    }

    fn choose(&self, tried: Option<usize>) -> Option<(usize, &Arc<Member>)> {
        let now = Instant::now();
        let candidates: Vec<Candidate> = (0..)
            .zip(&self.0.members)
            .map(|(index, (share, member))| Candidate {
                weight: share.weight,
                backup: share.backup,
                fitness: if tried == Some(index) { Fitness::Tried } else { member.fitness(now) },
            })
            .collect();
        let index = self.0.turns.lock().choose(&candidates)?;
        self.0.members.get(index).map(|(_, member)| (index, member))
    }

    /// Asks one, and notes how it did.
    async fn ask(&self, member: &Member, request: Request<Upload>) -> Result<Reply, Box<Failed>> {
        let outcome = member.origin.send(request).await;
        let is_well = match &outcome {
            Ok(reply) => !self.is_setback(reply),
            // A client that fails, and a site that asks for more than it allows itself, are not its doing.
            Err(failed) => match failed.error {
                OriginError::RequestBody(_) | OriginError::Busy | OriginError::NoOrigin => return outcome,
                _ => false,
            },
        };
        let now = Instant::now();
        let mut state = member.health.state.lock();
        if is_well {
            state.answered(now);
        } else if let Some(time) = state.failed(&self.0.ejection, now) {
            count(&member.health.ejections);
            tracing::warn!(site = %member.site, origin = %member.url, ?time, "an origin fails: ejected for a while");
        }
        drop(state);
        outcome
    }

    fn is_setback(&self, reply: &Reply) -> bool {
        self.0.retry_statuses.contains(&reply.status)
    }
}

impl Setback {
    /// The request to send again, if it may be.
    fn again(self, copy: Option<Request<Upload>>) -> (Option<Request<Upload>>, Setback) {
        match self {
            Setback::Status(_) => (copy, self),
            Setback::Failed(mut failed) => {
                let unsent = failed.unsent.take().filter(|_| failed.error.may_retry());
                let again = unsent.or(copy.filter(|_| failed.silent));
                (again, Setback::Failed(failed))
            }
        }
    }

    fn outcome(self) -> Result<Reply, OriginError> {
        match self {
            Setback::Status(reply) => Ok(*reply),
            Setback::Failed(failed) => Err(failed.error),
        }
    }
}

impl Member {
    fn fitness(&self, now: Instant) -> Fitness {
        match self.health.standing(now) {
            Standing::Up if self.origin.numbers().waiting.load(Relaxed) == 0 => Fitness::Free,
            Standing::Up => Fitness::Queued,
            Standing::Ejected | Standing::Down => Fitness::Out,
        }
    }
}
