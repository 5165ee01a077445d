//! The rooms and the pages of one edge, opened and put together.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use anyhow::Context;
use audit::Log;
use block::sources::Problem;
use block::{Blocks, Change, Edits, Shelf, Sources, Watching};
use cache::Cache;
use disk::Lookout;
use feeds::Feeds;
use hooks::Hooks;
use net::Draining;
use parking_lot::Mutex;
use terms::Clock;
use tokio::sync::{Semaphore, mpsc};

use super::feeds::{Opened, forget_refused};
use super::state::State;
use super::{ListsUnusable, reload, tell};
use crate::access_log::AccessLog;
use crate::admin::{Admin, Identity, MOST_TRIALS, Reload, Token};
use crate::allocator;
use crate::certificates::Certificates;
use crate::config::Meant;
use crate::gateway::Gateway;
use crate::geo::{self, Geo};
use crate::pages::Pages;
use crate::purge::Purger;
use crate::quota::Quota;
use crate::sites::Sites;
use crate::takedown::{Supply, Takedown};
use crate::telemetry::{Metrics, Process, Telemetry};
use crate::witness::Witness;

pub(super) struct House {
    pub(super) gateway: Arc<Gateway>,
    pub(super) takedown: Arc<Takedown>,
    pub(super) witness: Arc<Witness>,
    pub(super) telemetry: Arc<Telemetry>,
    /// What is asked of all sites together.
    pub(super) quota: Arc<Quota>,
    pub(super) hooks: Arc<Hooks>,
    pub(super) log: Log,
    pub(super) certificates: Arc<Certificates>,
    pub(super) access: Arc<AccessLog>,
    pub(super) cache: Cache,
    pub(super) blocks: Arc<Blocks>,
    purger: Arc<Purger>,
    sources: Arc<Mutex<Sources>>,
    pub(super) feeds: Arc<Feeds>,
    pub(super) shelf: Arc<Shelf>,
    pub(super) geo: Arc<Geo>,
    pub(super) clock: Clock,
    /// What changed in the lists since the run before, until it is told of.
    changes: Vec<Change>,
}

impl House {
    /// Opens every room, the lists first: an edge that can't know what is blocked does not start. `pages` is
    /// the folder of the pages that live edits name, `https` the port to which sites that are for https alone
    /// send clients.
    pub(super) fn open(
        (meant, state): (&Meant, &State),
        feeds: Opened,
        pages: PathBuf,
        certificates: Arc<Certificates>,
        https: Option<u16>,
    ) -> anyhow::Result<House> {
        let clock = Clock::system();
        let geo = Arc::new(Geo::default());
        geo.carry_out(geo.prepare(&meant.geo)?);
        let (sources, changes) = open_lists(meant, &feeds, &clock)?;
        let edits = Edits::open(&meant.state.join("blocks")).context("the live blocks can't be read")?;
        let log = Log::open(state.audit_settings(meant)?, clock.clone()).context("the evidence log can't be opened")?;
        let hooks = Arc::new(Hooks::open(&meant.state.join("hooks"), meant.hooks.clone(), clock.clone())?);
        let telemetry = Arc::new(Telemetry::default());
        let (sites, quota) = open_sites(meant, &telemetry, https);
        let access = open_access_log(meant, &log)?;
        let shelf = Shelf::new(pages);
        let blocks = Blocks::new(&meant.state, edits.live(), sources.tables(), sites.kin(), shelf);
        let blocks = Arc::new(blocks.context("the list version is lost")?.with_places(geo.places()));
        let cache = Cache::new(meant.cache.clone());
        let shelf = blocks.shelf().clone();
        shelf.look(blocks.index().tables(), clock.wall());
        let pages = pages_of(meant, &state.node, shelf.clone());
        let (via, patience) = (via_of(&state.node), meant.audit.on_pressure.patience());
        let witness = Witness::new(log.clone(), access.clone(), clock.clone(), pages, via, patience, telemetry.clone());
        let witness = Arc::new(witness);
        let purger = Purger::new(cache.clone(), blocks.clone(), log.clone(), hooks.clone(), clock.clone());
        let purger = Arc::new(purger);
        let gateway =
            Gateway::new(sites, blocks.clone(), cache.clone(), purger.clone(), witness.clone(), clock.clone());
        let sources = Arc::new(Mutex::new(sources));
        let feeds = feeds.feeds;
        feeds.follow(&meant.takedown.feeds);
        feeds.sweep().context("state/feeds can't be used")?;
        let supply = Supply { sources: sources.clone(), feeds: feeds.clone() };
        let takedown =
            Takedown::new(blocks.clone(), edits, supply, cache.clone(), log.clone(), hooks.clone(), clock.clone());
        let takedown = takedown.context("no thread can be started")?;
        takedown.look_at_feeds();
        Ok(House {
            gateway: Arc::new(gateway),
            takedown: Arc::new(takedown),
            witness,
            telemetry,
            quota,
            hooks,
            log,
            certificates,
            access,
            cache,
            blocks,
            purger,
            sources,
            feeds,
            shelf,
            geo,
            clock,
            changes,
        })
    }

    /// Tells what an earlier run left untold, and keeps watch over lists and hours from now on.
    pub(super) async fn begin(&mut self) -> anyhow::Result<Watching> {
        let (takedown, changes) = (self.takedown.clone(), std::mem::take(&mut self.changes));
        tokio::task::spawn_blocking(move || takedown.resume(&changes))
            .await?
            .context("pending blocks can't be told of")?;
        let takedown = self.takedown.clone();
        let on_change = move |changes: Vec<Change>| takedown.lists_changed(&changes);
        let telling = self.takedown.clone();
        let told = move || telling.settle();
        let watching = block::watch(self.sources.clone(), self.clock.clone(), on_change, told, allocator::give_back);
        tokio::spawn(self.takedown.clone().keep_time());
        tokio::spawn(self.takedown.clone().keep_pages());
        tokio::spawn(self.takedown.clone().keep_joined());
        tokio::spawn(self.takedown.clone().keep_feeds());
        watching.context("the lists can't be watched")
    }

    /// Has what is under way judged again where clients turn out to be elsewhere.
    pub(super) fn follow_places(&self) -> std::io::Result<Lookout> {
        let takedown = self.takedown.clone();
        geo::watch(self.geo.clone(), move || takedown.places_changed())
    }

    /// The operators' door to all of it.
    pub(super) fn admin(
        &self,
        state: &State,
        token: Token,
        reloads: mpsc::Sender<Reload>,
        draining: Draining,
    ) -> Admin {
        let rooms = tell::Rooms {
            cache: self.cache.clone(),
            log: self.log.clone(),
            access: self.access.clone(),
            hooks: self.hooks.clone(),
            certificates: self.certificates.clone(),
            geo: self.geo.clone(),
            takedown: self.takedown.clone(),
            gateway: self.gateway.clone(),
        };
        let process = Process::started(self.clock.wall());
        Admin {
            identity: Identity {
                version: env!("CARGO_PKG_VERSION"),
                node: state.node.clone(),
                run: state.run,
                started: Instant::now(),
            },
            token,
            gateway: self.gateway.clone(),
            takedown: self.takedown.clone(),
            cache: self.cache.clone(),
            purger: self.purger.clone(),
            log: self.log.clone(),
            hooks: self.hooks.clone(),
            certificates: self.certificates.clone(),
            geo: self.geo.clone(),
            telemetry: self.telemetry.clone(),
            metrics: Metrics::of([self.telemetry.clone() as _, Arc::new(rooms) as _, Arc::new(process) as _]),
            trials: Arc::new(Semaphore::new(MOST_TRIALS)),
            reloads,
            draining,
        }
    }
}

fn open_sites(meant: &Meant, telemetry: &Telemetry, https: Option<u16>) -> (Sites, Arc<Quota>) {
    let quota = Arc::new(Quota::default());
    quota.set(reload::everywhere_of(meant));
    let sites = meant.sites.iter().map(|site| reload::site_of(site, telemetry, &quota, None, https)).collect();
    (Sites::new(sites, reload::trusted_of(meant)), quota)
}

/// How this node names itself in `Via`.
fn via_of(node: &str) -> String {
    format!("seawall-{}", node.split('-').next().unwrap_or_default())
}

fn open_access_log(meant: &Meant, log: &Log) -> anyhow::Result<Arc<AccessLog>> {
    let access = AccessLog::new(log.forms().clone());
    access.carry_out(access.prepare(&meant.log)?);
    Ok(Arc::new(access))
}

fn open_lists(meant: &Meant, feeds: &Opened, clock: &Clock) -> anyhow::Result<(Sources, Vec<Change>)> {
    let settings =
        block::Settings { lists: meant.takedown.lists.clone(), state: meant.state.clone(), geo: meant.geo.tells() };
    Sources::load(&settings, clock.wall()).map_err(|errors| {
        forget_refused(&feeds.feeds, &meant.takedown.feeds, &errors);
        // Why there is nothing of a feed says more than that there is nothing.
        let told = errors.iter().filter(|error| !matches!(error.problem, Problem::Unfetched));
        let lines: Vec<String> = feeds.missing.iter().cloned().chain(told.map(ToString::to_string)).collect();
        anyhow::Error::new(ListsUnusable(lines.join("\n")))
    })
}

pub(super) fn pages_of(meant: &Meant, node: &str, shelf: Arc<Shelf>) -> Pages {
    let own = format!("urn:uuid:{node}");
    Pages::new(meant.takedown.operator_url.as_deref().unwrap_or(&own), meant.takedown.disclose, shelf)
}
