//! What is told of a running edge: diagnostics by tracing, and numbers for Prometheus.
//!
//! Each room keeps its own numbers; here they get names. Labels are bounded: sites and
//! their origins, as the config names them, and words from closed sets; never what a client sends.

mod diagnostics;
mod names;
mod numbers;
mod process;

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use parking_lot::{Mutex, RwLock};
use terms::{CacheUse, Verdict};

use crate::sites::Site;
use numbers::Answers;

pub use diagnostics::Diagnostics;
pub use names::{Exposition, Metrics, Named, Names};
pub use numbers::{EdgeNumbers, Open, Protocol, SiteNumbers};
pub use process::Process;

/// The pages' own numbers. Those of a site outlive a reload: they are kept by its name.
#[derive(Default)]
pub struct Telemetry {
    sites: RwLock<HashMap<Arc<str>, Arc<SiteNumbers>>>,
    no_site: Arc<SiteNumbers>,
    abandoned: AtomicU64,
    cut: AtomicU64,
    /// Why the last reload was refused, if it was.
    reload_failed: Mutex<Option<String>>,
    pub edge: Arc<EdgeNumbers>,
}

impl Telemetry {
    /// The numbers of the site with this name.
    pub fn site(&self, name: &Arc<str>) -> Arc<SiteNumbers> {
        self.sites.write().entry(name.clone()).or_default().clone()
    }

    pub fn of_site(&self, site: Option<&Site>) -> Arc<SiteNumbers> {
        site.map_or_else(|| self.no_site.clone(), |site| site.numbers.clone())
    }

    pub fn abandoned(&self) {
        self.abandoned.fetch_add(1, Relaxed);
    }

    pub fn cut(&self) {
        self.cut.fetch_add(1, Relaxed);
    }

    /// Why the last reload was refused, if it was.
    pub fn set_reload_failed(&self, why: Option<String>) {
        *self.reload_failed.lock() = why;
    }

    pub fn reload_failed(&self) -> Option<String> {
        self.reload_failed.lock().clone()
    }
}

impl Named for Telemetry {
    fn name(&self, names: &mut Names<'_>) -> fmt::Result {
        self.name_answers(names)?;
        self.name_connections(names)?;
        names.counter("seawall_abandoned", "Clients that left before an answer", self.abandoned.load(Relaxed))?;
        names.counter("seawall_cut", "Answers cut by a rule that came into force", self.cut.load(Relaxed))?;
        let failed = self.reload_failed.lock().is_some();
        names.gauge("seawall_reload_failed", "1 if the last reload was refused", u64::from(failed))?;
        names.counter(
            "seawall_diagnostics_dropped",
            "Lines of diagnostics that stderr did not take",
            diagnostics::dropped(),
        )
    }
}

impl Telemetry {
    /// What can be is shown from the start, so that the first of its kind is seen as an increase.
    fn name_answers(&self, names: &mut Names<'_>) -> fmt::Result {
        let sites = self.sites.read();
        let named = sites.iter().map(|(name, numbers)| (&**name, numbers));
        let all = named.chain([(NO_SITE, &self.no_site)]).flat_map(|(site, numbers)| {
            let each = numbers.each().map(move |(cache, answers)| (site, cache, answers));
            each.filter(|(_, cache, answers)| can_be(site, *cache) || !answers.is_empty())
        });
        let all: Vec<(&str, CacheUse, &Answers)> = all.collect();
        let requests = all.iter().flat_map(|(site, cache, answers)| {
            let counts = Verdict::ALL.into_iter().zip(&answers.verdicts);
            // What is blocked has no use for the cache.
            let counts = counts.filter(|(verdict, _)| *verdict != Verdict::Blocked || *cache == CacheUse::None);
            counts.map(move |(verdict, count)| {
                ([("site", *site), ("cache", cache.as_str()), ("verdict", verdict.as_str())], count.load(Relaxed))
            })
        });
        names.counters("seawall_requests", "Answers on the edge", requests)?;
        let labels = |site, cache: CacheUse| [("site", site), ("cache", cache.as_str())];
        let bytes = all.iter().map(|(site, cache, answers)| (labels(*site, *cache), answers.bytes.load(Relaxed)));
        names.counters("seawall_body_bytes", "Body bytes handed to the kernel", bytes)?;
        // Seventeen lines each: of the rarer kinds, when there is one.
        let common = [CacheUse::Hit, CacheUse::Miss];
        let took = all.iter().filter(|(_, cache, answers)| common.contains(cache) || !answers.is_empty());
        let took = took.map(|(site, cache, answers)| (labels(*site, *cache), &answers.took));
        let help = "Seconds from the first byte asked to the answer's end";
        names.histograms("seawall_request_duration_seconds", help, took)
    }

    fn name_connections(&self, names: &mut Names<'_>) -> fmt::Result {
        let edge = &self.edge;
        let refused = edge.refusals();
        let refused = refused.iter().map(|(reason, count)| ([("reason", *reason)], *count));
        names.counters(
            "seawall_refused",
            "Connections, handshakes and heads refused before they became a request",
            refused,
        )?;
        names.counter("seawall_connections", "Connections accepted", edge.accepted.load(Relaxed))?;
        names.gauge("seawall_connections_open", "Connections open", edge.open.load(Relaxed))?;
        names.counter("seawall_tunnels", "Tunnels opened", edge.tunnels.load(Relaxed))?;
        names.gauge("seawall_tunnels_open", "Tunnels open", edge.tunnels_open.load(Relaxed))?;
        let spoken = || Protocol::ALL.into_iter().map(|protocol| (protocol, &edge.spoken[protocol as usize]));
        names.counters(
            "seawall_connections_spoken",
            "Connections, when it is known what they speak",
            spoken().map(|(protocol, spoken)| ([("protocol", protocol.as_str())], spoken.total.load(Relaxed))),
        )?;
        names.gauges(
            "seawall_connections_speaking",
            "Connections open of which it is known what they speak",
            spoken().map(|(protocol, spoken)| ([("protocol", protocol.as_str())], spoken.open.load(Relaxed))),
        )
    }
}

/// The label of answers to asks that no site is found for.
const NO_SITE: &str = "";

/// Whether a site may have such answers. Without a site, they are made here.
fn can_be(site: &str, cache: CacheUse) -> bool {
    site != NO_SITE || cache == CacheUse::None
}
