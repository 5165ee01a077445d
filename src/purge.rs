//! Purges: copies go, or are made stale, at an operator's wish; log and hooks are told.
//!
//! A purge stops nothing: what is asked for again is fetched again. To stop it, there is the block list.

mod target;

use std::sync::Arc;

use audit::Log;
use block::{Blocks, Kin};
use cache::{Aim, Cache, Force, Purged, Tag};
use hooks::Hooks;
use http::StatusCode;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderMap, HeaderValue};
use serde::Serialize;
use serde_json::{Value, json};
use terms::{Answer, Ask, Body, Clock, Refusal, Url};
use tokio::sync::Semaphore;

pub use target::{BadTarget, Prefix, Target};

use crate::herald;

/// What is to be purged, and how.
pub struct Wish {
    pub target: Target,
    /// It is made stale, and stays.
    pub soft: bool,
}

/// Copies that a purge removed, or made stale.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Freed {
    pub objects: u64,
    pub bytes: u64,
}

impl From<Purged> for Freed {
    fn from(purged: Purged) -> Freed {
        Freed { objects: purged.objects, bytes: purged.bytes }
    }
}

/// Purges on the edge that are carried out at once: each takes a thread for as long as the log takes to be
/// told. More wait.
const AT_ONCE: usize = 4;

pub struct Purger {
    cache: Cache,
    blocks: Arc<Blocks>,
    log: Log,
    hooks: Arc<Hooks>,
    clock: Clock,
    turns: Arc<Semaphore>,
}

impl Purger {
    pub fn new(cache: Cache, blocks: Arc<Blocks>, log: Log, hooks: Arc<Hooks>, clock: Clock) -> Purger {
        Purger { cache, blocks, log, hooks, clock, turns: Arc::new(Semaphore::new(AT_ONCE)) }
    }

    /// Carries out a purge, every variant of what it covers, under every host that has the same content.
    /// When this returns, nothing that was fetched before answers who asks from now on, and log and hooks are
    /// told. Blocks the thread. `by` is the id of the request that asked for it, if that is in the log.
    pub fn purge(&self, wish: &Wish, by: Option<String>) -> Freed {
        let force = if wish.soft { Force::Soft } else { Force::Hard };
        let freed = Freed::from(self.aimed(&wish.target, |aim| self.cache.purge(aim, force)));
        self.blocks.forget_all();
        let mut data = json!({ "objects": freed.objects, "bytes": freed.bytes, "soft": wish.soft });
        let (key, value) = self.told(&wish.target);
        data[key] = value;
        if let Some(id) = by {
            data["id"] = id.into();
        }
        herald::tell_or_say(&self.log, &self.hooks, "purged", self.clock.wall(), &data);
        freed
    }

    /// What a purge of `target` would free now. Nobody is told, and nothing goes. Blocks the thread.
    pub fn count(&self, target: &Target) -> Freed {
        self.aimed(target, |aim| self.cache.count(aim)).into()
    }

    fn aimed(&self, target: &Target, act: impl Fn(&Aim<'_>) -> Purged) -> Purged {
        let index = self.blocks.index();
        let kin = index.kin();
        let are_one = |one: &str, other: &str| kin.are_one(one, other);
        let all_that = |covers: &dyn Fn(&Url, &Kin) -> bool| act(&Aim::Covered(&|url, _| covers(url, kin)));
        match target {
            // Where more is the same than places tell, all that is stored is looked at.
            Target::Url(url) if kin.merges_more(url.host()) => all_that(&|stored, kin| kin.is_same(url, stored)),
            Target::Url(url) => act(&Aim::Same(url, &are_one)),
            Target::Tag(name) => act(&Aim::Tagged(Tag::named(name.as_bytes()))),
            Target::Prefix(prefix) => all_that(&|url, kin| prefix.covers(url, kin)),
            Target::Pattern(pattern) => all_that(&|url, kin| kin.covers(pattern, url)),
            Target::Site(site, sites) => {
                all_that(&|url, _| sites.of_host(url.host()).is_some_and(|of| Arc::ptr_eq(of, site)))
            }
            Target::All => all_that(&|_, _| true),
        }
    }

    /// The target as the log names it.
    fn told(&self, target: &Target) -> (&'static str, Value) {
        match target {
            Target::Url(url) => match self.blocks.index().kin().spelling(url.host()) {
                Some(spelling) => ("url", self.log.url(&url.called_by(spelling)).into()),
                None => ("url", self.log.url(url).into()),
            },
            Target::Prefix(prefix) => ("prefix", prefix.canonical().into()),
            Target::Pattern(pattern) => ("pattern", format!("{pattern:?}").into()),
            Target::Tag(name) => ("tag", name.as_str().into()),
            Target::Site(site, _) => ("site", (*site.name).into()),
            Target::All => ("all", true.into()),
        }
    }

    /// The answer to `PURGE`, by somebody who may. The turn is waited for, and the work is done, where no
    /// other request is held up.
    pub async fn answer(self: &Arc<Self>, ask: &Ask, url: &Arc<Url>) -> Result<Answer, Refusal> {
        let turn = self.turns.clone().acquire_owned().await.map_err(|_| Refusal::Draining)?;
        let (purger, id) = (self.clone(), ask.id.to_string());
        let wish = Wish { target: Target::Url(url.clone()), soft: false };
        // The work goes on without a client that leaves, and so its turn does.
        let work = move || {
            let _turn = turn;
            purger.purge(&wish, Some(id))
        };
        let freed = tokio::task::spawn_blocking(work).await;
        let freed = freed.map_err(|_| Refusal::Internal)?;
        let fields = HeaderMap::from_iter([
            (CONTENT_TYPE, HeaderValue::from_static("application/json")),
            (CACHE_CONTROL, HeaderValue::from_static("no-store")),
        ]);
        Ok(Answer::made_here(StatusCode::OK, fields, Body::from(format!("{}\n", json!(freed)))))
    }
}
