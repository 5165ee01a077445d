//! From numbers to the page that Prometheus reads.

use std::fmt;
use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{
    DescriptorEncoder, EncodeMetric, MetricEncoder, NoLabelSet, prometheus_text as plain_text, text as open_metrics,
};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;
use terms::Durations;

/// Names numbers as they are asked for.
pub struct Names<'a>(DescriptorEncoder<'a>);

impl Names<'_> {
    /// `name` has no `_total`: the page adds it.
    pub fn counter(&mut self, name: &str, help: &str, value: u64) -> fmt::Result {
        self.one(name, help, MetricType::Counter, &ConstCounter::new(value))
    }

    /// A counter of seconds.
    pub fn seconds_counter(&mut self, name: &str, help: &str, value: f64) -> fmt::Result {
        self.one(name, help, MetricType::Counter, &ConstCounter::new(value))
    }

    pub fn gauge(&mut self, name: &str, help: &str, value: u64) -> fmt::Result {
        self.one(name, help, MetricType::Gauge, &gauge(value))
    }

    pub fn seconds(&mut self, name: &str, help: &str, value: f64) -> fmt::Result {
        self.one(name, help, MetricType::Gauge, &ConstGauge::new(value))
    }

    fn one(&mut self, name: &str, help: &str, kind: MetricType, metric: &impl EncodeMetric) -> fmt::Result {
        metric.encode(self.0.encode_descriptor(name, help, None, kind)?)
    }

    /// One counter for each set of labels.
    pub fn counters<'l, const N: usize>(&mut self, name: &str, help: &str, rows: impl Rows<'l, N>) -> fmt::Result {
        self.family(name, help, MetricType::Counter, rows, |value, row| ConstCounter::new(value).encode(row))
    }

    /// One gauge for each set of labels.
    pub fn gauges<'l, const N: usize>(&mut self, name: &str, help: &str, rows: impl Rows<'l, N>) -> fmt::Result {
        self.family(name, help, MetricType::Gauge, rows, |value, row| gauge(value).encode(row))
    }

    /// Seconds for each set of labels.
    pub fn durations<'l, const N: usize>(
        &mut self,
        name: &str,
        help: &str,
        rows: impl Rows<'l, N, f64>,
    ) -> fmt::Result {
        self.family(name, help, MetricType::Gauge, rows, |value, row| ConstGauge::new(value).encode(row))
    }

    /// One histogram of seconds for each set of labels.
    pub fn histograms<'l, const N: usize>(
        &mut self,
        name: &str,
        help: &str,
        rows: impl Rows<'l, N, &'l Durations>,
    ) -> fmt::Result {
        self.family(name, help, MetricType::Histogram, rows, |durations, mut row| {
            let counted = durations.counted();
            row.encode_histogram::<NoLabelSet>(counted.sum, counted.count, &counted.buckets, None)
        })
    }

    fn family<'l, V, const N: usize>(
        &mut self,
        name: &str,
        help: &str,
        kind: MetricType,
        rows: impl Rows<'l, N, V>,
        write: impl Fn(V, MetricEncoder<'_>) -> fmt::Result,
    ) -> fmt::Result {
        let mut rows = rows.into_iter().peekable();
        if rows.peek().is_none() {
            return Ok(());
        }
        let mut family = self.0.encode_descriptor(name, help, None, kind)?;
        rows.try_for_each(|(labels, value)| write(value, family.encode_family(&labels)?))
    }
}

fn gauge(value: u64) -> ConstGauge<i64> {
    ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX))
}

/// Values, each with its labels.
pub trait Rows<'l, const N: usize, V = u64>: IntoIterator<Item = ([(&'static str, &'l str); N], V)> {}

impl<'l, const N: usize, V, R: IntoIterator<Item = ([(&'static str, &'l str); N], V)>> Rows<'l, N, V> for R {}

/// Whoever has numbers to name.
pub trait Named: Send + Sync + 'static {
    fn name(&self, names: &mut Names<'_>) -> fmt::Result;
}

/// How the page is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exposition {
    /// OpenMetrics 1.0.
    OpenMetrics,
    /// Prometheus' text format 0.0.4, which every scraper reads.
    PlainText,
}

impl Exposition {
    /// What a scraper that sends this `Accept` is given: OpenMetrics where it asks for that.
    pub fn wanted(accept: &str) -> Exposition {
        let asks = |range: &str| {
            let mut parts = range.split(';').map(str::trim);
            let is_named = parts.next().is_some_and(|name| name.eq_ignore_ascii_case("application/openmetrics-text"));
            // A weight of 0 is a refusal (RFC 9110 section 12.4.2).
            let refuses = |part: &str| {
                let weight = part.strip_prefix("q=").or(part.strip_prefix("Q="));
                weight.and_then(|weight| weight.parse::<f32>().ok()) == Some(0.0)
            };
            is_named && !parts.any(refuses)
        };
        if accept.split(',').any(asks) { Exposition::OpenMetrics } else { Exposition::PlainText }
    }

    pub const fn content_type(self) -> &'static str {
        match self {
            Exposition::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Exposition::PlainText => plain_text::CONTENT_TYPE,
        }
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

    pub fn page(&self, exposition: Exposition) -> Result<String, fmt::Error> {
        let mut page = String::new();
        match exposition {
            Exposition::OpenMetrics => open_metrics::encode(&mut page, &self.0)?,
            Exposition::PlainText => plain_text::encode(&mut page, &self.0)?,
        }
        Ok(page)
    }
}

#[cfg(test)]
mod tests {
    use super::Exposition::{self, OpenMetrics, PlainText};

    #[test]
    fn who_asks_for_openmetrics_gets_it() {
        for (accept, wanted) in [
            ("", PlainText),
            ("*/*", PlainText),
            ("text/plain;version=0.0.4", PlainText),
            ("application/openmetrics-text", OpenMetrics),
            ("text/plain;q=0.5, Application/OpenMetrics-Text; version=1.0.0; q=0.8, */*;q=0.1", OpenMetrics),
            ("application/openmetrics-text;q=0, text/plain", PlainText),
            ("application/openmetrics-text-of-mine", PlainText),
        ] {
            assert_eq!(Exposition::wanted(accept), wanted, "{accept}");
        }
    }
}
