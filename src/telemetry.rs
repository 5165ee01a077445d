//! What is told of a running edge: diagnostics by tracing, and numbers for Prometheus.
//!
//! Each room keeps its own numbers; here they get names. Labels are bounded: sites and
//! their origins, as the config names them, and words from closed sets; never what a client sends.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use parking_lot::{Mutex, RwLock};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, text};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;
use terms::{CacheUse, Verdict};

use crate::sites::Site;

/// h2 warns of what clients do, as often as they do it.
const DIAGNOSTICS: &str = "info,h2=error";

/// Sends diagnostics to stderr: `SEAWALL_LOG` says how much (`warn`, `info`, `debug`, or a directive).
pub fn init_tracing() {
    use std::io::IsTerminal;
    let filter = tracing_subscriber::EnvFilter::try_from_env("SEAWALL_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new(DIAGNOSTICS));
    let ansi = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    // A second subscriber in one process (tests) is no reason to stop.
    let _ = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(ansi).try_init();
}

/// One site's answers, by what the cache had to do with them and what came of them.
#[derive(Default)]
pub struct SiteNumbers {
    answers: [[AtomicU64; Verdict::ALL.len()]; CacheUse::ALL.len()],
    bytes: AtomicU64,
}

impl SiteNumbers {
    pub fn answered(&self, cache: CacheUse, verdict: Verdict, bytes: u64) {
        self.answers[cache as usize][verdict as usize].fetch_add(1, Relaxed);
        self.bytes.fetch_add(bytes, Relaxed);
    }

    fn each(&self) -> impl Iterator<Item = (CacheUse, Verdict, u64)> + '_ {
        CacheUse::ALL.into_iter().flat_map(move |cache| {
            Verdict::ALL
                .into_iter()
                .map(move |verdict| (cache, verdict, self.answers[cache as usize][verdict as usize].load(Relaxed)))
        })
    }
}

/// Connections, and what was refused on them before it became a request.
#[derive(Default)]
pub struct EdgeNumbers {
    accepted: AtomicU64,
    open: AtomicU64,
    tunnels: AtomicU64,
    tunnels_open: AtomicU64,
    refused: Mutex<BTreeMap<&'static str, u64>>,
}

/// Counts a connection or a tunnel as open until it is dropped.
pub struct Open {
    numbers: Arc<EdgeNumbers>,
    counted: fn(&EdgeNumbers) -> &AtomicU64,
}

impl EdgeNumbers {
    pub fn connection(self: &Arc<Self>) -> Open {
        self.accepted.fetch_add(1, Relaxed);
        self.open(|numbers| &numbers.open)
    }

    pub fn tunnel(self: &Arc<Self>) -> Open {
        self.tunnels.fetch_add(1, Relaxed);
        self.open(|numbers| &numbers.tunnels_open)
    }

    fn open(self: &Arc<Self>, counted: fn(&EdgeNumbers) -> &AtomicU64) -> Open {
        counted(self).fetch_add(1, Relaxed);
        Open { numbers: self.clone(), counted }
    }

    pub fn refused(&self, reason: &'static str) {
        *self.refused.lock().entry(reason).or_default() += 1;
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        (self.counted)(&self.numbers).fetch_sub(1, Relaxed);
    }
}

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

/// Names numbers as they are asked for.
pub struct Names<'a>(DescriptorEncoder<'a>);

impl Names<'_> {
    pub fn counter(&mut self, name: &str, help: &str, value: u64) -> fmt::Result {
        let counter = ConstCounter::new(value);
        let encoder = self.0.encode_descriptor(name, help, None, counter.metric_type())?;
        counter.encode(encoder)
    }

    pub fn gauge(&mut self, name: &str, help: &str, value: u64) -> fmt::Result {
        let gauge = ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX));
        let encoder = self.0.encode_descriptor(name, help, None, gauge.metric_type())?;
        gauge.encode(encoder)
    }

    pub fn seconds(&mut self, name: &str, help: &str, value: f64) -> fmt::Result {
        let gauge = ConstGauge::new(value);
        let encoder = self.0.encode_descriptor(name, help, None, gauge.metric_type())?;
        gauge.encode(encoder)
    }

    /// One counter for each set of labels.
    pub fn counters<'l, const N: usize>(&mut self, name: &str, help: &str, rows: impl Rows<'l, N>) -> fmt::Result {
        self.family(name, help, rows, ConstCounter::new)
    }

    /// One gauge for each set of labels.
    pub fn gauges<'l, const N: usize>(&mut self, name: &str, help: &str, rows: impl Rows<'l, N>) -> fmt::Result {
        self.family(name, help, rows, |value: u64| ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX)))
    }

    /// Seconds for each set of labels.
    pub fn durations<'l, const N: usize>(
        &mut self,
        name: &str,
        help: &str,
        rows: impl Rows<'l, N, f64>,
    ) -> fmt::Result {
        self.family(name, help, rows, ConstGauge::new)
    }

    fn family<'l, V: Default, M: EncodeMetric, const N: usize>(
        &mut self,
        name: &str,
        help: &str,
        rows: impl Rows<'l, N, V>,
        metric: impl Fn(V) -> M,
    ) -> fmt::Result {
        let mut rows = rows.into_iter().peekable();
        if rows.peek().is_none() {
            return Ok(());
        }
        let mut family = self.0.encode_descriptor(name, help, None, metric(V::default()).metric_type())?;
        for (labels, value) in rows {
            metric(value).encode(family.encode_family(&labels)?)?;
        }
        Ok(())
    }
}

/// Values, each with its labels.
pub trait Rows<'l, const N: usize, V = u64>: IntoIterator<Item = ([(&'static str, &'l str); N], V)> {}

impl<'l, const N: usize, V, R: IntoIterator<Item = ([(&'static str, &'l str); N], V)>> Rows<'l, N, V> for R {}

/// Whoever has numbers to name.
pub trait Named: Send + Sync + 'static {
    fn name(&self, names: &mut Names<'_>) -> fmt::Result;
}

impl Named for Telemetry {
    fn name(&self, names: &mut Names<'_>) -> fmt::Result {
        let sites = self.sites.read();
        let named = sites.iter().map(|(name, numbers)| (&**name, numbers));
        let all: Vec<_> = named.chain([("", &self.no_site)]).collect();
        let requests = all.iter().flat_map(|(site, numbers)| {
            numbers.each().filter(|(_, _, count)| *count > 0).map(move |(cache, verdict, count)| {
                ([("site", *site), ("cache", cache.as_str()), ("verdict", verdict.as_str())], count)
            })
        });
        names.counters("seawall_requests", "Answers on the edge", requests)?;
        let bytes = all.iter().map(|(site, numbers)| ([("site", *site)], numbers.bytes.load(Relaxed)));
        names.counters("seawall_body_bytes", "Body bytes handed to the kernel", bytes)?;
        let refused = self.edge.refused.lock();
        let refused = refused.iter().map(|(reason, count)| ([("reason", *reason)], *count));
        names.counters(
            "seawall_refused",
            "Connections, handshakes and heads refused before they became a request",
            refused,
        )?;
        names.counter("seawall_connections", "Connections accepted", self.edge.accepted.load(Relaxed))?;
        names.gauge("seawall_connections_open", "Connections open", self.edge.open.load(Relaxed))?;
        names.counter("seawall_tunnels", "Tunnels opened", self.edge.tunnels.load(Relaxed))?;
        names.gauge("seawall_tunnels_open", "Tunnels open", self.edge.tunnels_open.load(Relaxed))?;
        names.counter("seawall_abandoned", "Clients that left before an answer", self.abandoned.load(Relaxed))?;
        names.counter("seawall_cut", "Answers cut by a rule that came into force", self.cut.load(Relaxed))?;
        let failed = self.reload_failed.lock().is_some();
        names.gauge("seawall_reload_failed", "1 if the last reload was refused", u64::from(failed))
    }
}

/// All that names numbers, and the page that Prometheus reads.
pub struct Metrics(Registry);

struct Source(Arc<dyn Named>);

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Source")
    }
}

impl Collector for Source {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        self.0.name(&mut Names(encoder))
    }
}

impl Metrics {
    pub fn of(sources: impl IntoIterator<Item = Arc<dyn Named>>) -> Metrics {
        let mut registry = Registry::default();
        for source in sources {
            registry.register_collector(Box::new(Source(source)));
        }
        Metrics(registry)
    }

    /// OpenMetrics text, which Prometheus reads.
    pub fn page(&self) -> Result<String, fmt::Error> {
        let mut page = String::new();
        text::encode(&mut page, &self.0)?;
        Ok(page)
    }
}
