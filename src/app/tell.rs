//! The rooms' numbers, by the names that operators know.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use audit::Log;
use block::sources::SourceStatus;
use cache::Cache;
use hooks::Hooks;
use origin::{Numbers, Seen, Standing};
use terms::Durations;

use crate::access_log::AccessLog;
use crate::certificates::Certificates;
use crate::gateway::Gateway;
use crate::geo::Geo;
use crate::takedown::Takedown;
use crate::telemetry::{Named, Names};

/// What is asked for its numbers at each scrape.
pub(super) struct Rooms {
    pub(super) cache: Cache,
    pub(super) log: Log,
    pub(super) access: Arc<AccessLog>,
    pub(super) hooks: Arc<Hooks>,
    pub(super) certificates: Arc<Certificates>,
    pub(super) geo: Arc<Geo>,
    pub(super) takedown: Arc<Takedown>,
    pub(super) gateway: Arc<Gateway>,
}

fn read(number: &AtomicU64) -> u64 {
    number.load(Relaxed)
}

impl Named for Rooms {
    fn name(&self, names: &mut Names<'_>) -> fmt::Result {
        self.name_lists(names)?;
        self.name_cache(names)?;
        self.name_log(names)?;
        self.name_access_log(names)?;
        self.name_hooks(names)?;
        self.name_certificates(names)?;
        self.name_geo(names)?;
        self.name_origins(names)
    }
}

impl Rooms {
    fn name_lists(&self, names: &mut Names<'_>) -> fmt::Result {
        let lists = self.takedown.lists();
        names.gauge("seawall_list_version", "Version of the rules in force", lists.version)?;
        names.gauge("seawall_list_rules", "Rules in force", lists.rules)?;
        names.counter("seawall_list_errors", "Lists that could not be taken", lists.errors)?;
        names.gauge("seawall_list_degraded", "Lists that show something else than is in force", lists.troubles)?;
        self.name_sources(names, lists.age.as_secs_f64())?;
        self.name_feeds(names)
    }

    fn name_feeds(&self, names: &mut Names<'_>) -> fmt::Result {
        let (now, feeds) = (self.takedown.now(), self.takedown.feeds());
        let ages = feeds.iter().filter_map(|feed| Some(([("source", &*feed.name)], now.since(feed.confirmed_at?))));
        names.durations(
            "seawall_feed_age_seconds",
            "Since what is in force of a feed was confirmed by it",
            ages.map(|(labels, age)| (labels, age.as_secs_f64())),
        )?;
        let stale = feeds.iter().map(|feed| ([("source", &*feed.name)], u64::from(now > feed.good_until())));
        names.gauges("seawall_feed_stale", "1 if that is longer ago than max_age", stale)?;
        let checks = feeds.iter().flat_map(|feed| {
            let outcomes = [("unchanged", feed.unchanged), ("fetched", feed.fetched), ("failed", feed.failed)];
            outcomes.map(|(outcome, count)| ([("source", &*feed.name), ("outcome", outcome)], count))
        });
        names.counters("seawall_feed_checks", "Times that a feed was asked", checks)
    }

    /// Each list file, and `all` for everything that blocks, the live edits too.
    fn name_sources(&self, names: &mut Names<'_>, age_of_all: f64) -> fmt::Result {
        let (now, sources) = (self.takedown.now(), self.takedown.sources());
        let sources: Vec<(String, &SourceStatus)> =
            sources.iter().map(|source| (source.file.display().to_string(), source)).collect();
        let ages = sources.iter().filter_map(|(file, source)| Some((&**file, now.since(source.loaded_at?))));
        let ages = ages.map(|(file, age)| ([("source", file)], age.as_secs_f64()));
        names.durations(
            "seawall_list_age_seconds",
            "Since other rules came in force, of all or of one list",
            [([("source", "all")], age_of_all)].into_iter().chain(ages),
        )?;
        let rows = |pick: fn(&SourceStatus) -> u64| {
            sources.iter().map(move |(file, source)| ([("source", &**file)], pick(source)))
        };
        names.gauges("seawall_list_source_rules", "Rules in force, of one list", rows(|source| source.rules as u64))?;
        let unread = sources.iter().flat_map(|(file, source)| {
            source.unread.tallies().iter().map(|one| ([("source", &**file), ("kind", one.kind.as_str())], one.count))
        });
        names.gauges("seawall_list_source_unread", "Entries that no rule holds, or not whole, of one list", unread)?;
        names.gauges(
            "seawall_list_source_degraded",
            "1 if the list shows something else than is in force",
            rows(|source| u64::from(source.trouble.is_some())),
        )
    }

    fn name_cache(&self, names: &mut Names<'_>) -> fmt::Result {
        let cache = self.cache.numbers();
        names.gauge("seawall_cache_bytes", "Bytes of stored answers", read(&cache.bytes))?;
        names.gauge("seawall_cache_objects", "Stored answers; each variant is one", read(&cache.objects))?;
        names.counter("seawall_cache_evictions", "Answers that made room for others", read(&cache.evictions))?;
        names.counter(
            "seawall_cache_kept",
            "Answers taken up that the run before had stored",
            read(&cache.kept.objects),
        )?;
        names.counter("seawall_cache_kept_bytes", "Their bytes", read(&cache.kept.bytes))?;
        names.counters(
            "seawall_cache_kept_refused",
            "Answers that the run before had stored, and that are not taken up",
            cache.kept.refused().map(|(why, count)| ([("reason", why.as_str())], count)),
        )?;
        names.gauge(
            "seawall_cache_kept_left_bytes",
            "Bytes that the run before had kept, and that are still to be read",
            read(&cache.kept.left),
        )?;
        names.gauge("seawall_cache_fills", "Fetches under way", read(&cache.fills))?;
        names.gauge(
            "seawall_cache_bytes_in_flight",
            "Bytes of bodies that arrive, or are read though they were taken out",
            cache.in_flight(),
        )
    }

    fn name_log(&self, names: &mut Names<'_>) -> fmt::Result {
        let log = self.log.numbers();
        names.gauge("seawall_audit_queue", "Records that wait to be written", log.queue.load(Relaxed) as u64)?;
        names.counter("seawall_audit_shed", "Records for which there was no room", read(&log.shed))?;
        names.counter("seawall_audit_lines", "Lines of evidence written", read(&log.lines))?;
        names.counter("seawall_audit_bytes", "Bytes of evidence written, before compression", read(&log.bytes))?;
        names.counter("seawall_audit_segments_sealed", "Segments sealed", read(&log.segments_sealed))?;
        names.counter(
            "seawall_audit_write_failures",
            "Attempts to write evidence that failed",
            read(&log.write_failures),
        )?;
        let unsynced = read(&log.written_seq).saturating_sub(read(&log.synced_seq));
        names.gauge("seawall_audit_unsynced_lines", "Lines written and not yet synced", unsynced)?;
        names.seconds(
            "seawall_audit_lag_seconds",
            "Age of the oldest record that is not known to be on the disk",
            self.log.lag().as_secs_f64(),
        )
    }

    fn name_access_log(&self, names: &mut Names<'_>) -> fmt::Result {
        let log = self.access.numbers();
        names.counter("seawall_log_lines", "Lines made for the access log", read(&log.lines))?;
        names.counter("seawall_log_dropped", "Lines of the access log that are lost", read(&log.dropped))?;
        names.counter("seawall_log_failures", "Attempts to write or reopen it that failed", read(&log.failures))
    }

    fn name_hooks(&self, names: &mut Names<'_>) -> fmt::Result {
        let hooks = self.hooks.numbers();
        names.gauge("seawall_hooks_pending", "Deliveries that wait", read(&hooks.pending))?;
        names.counter("seawall_hooks_delivered", "Deliveries made", read(&hooks.delivered))?;
        names.counter("seawall_hooks_failed", "Attempts that failed", read(&hooks.failed))?;
        names.gauge("seawall_hooks_dead", "Deliveries given up", read(&hooks.dead))
    }

    fn name_certificates(&self, names: &mut Names<'_>) -> fmt::Result {
        let expiries = self.certificates.expiries();
        let rows =
            expiries.iter().map(|((listener, name), left)| ([("listener", &**listener), ("name", &**name)], *left));
        names.durations(
            "seawall_certificate_expiry_seconds",
            "Until the certificate expires; below zero, since it did",
            rows,
        )?;
        let troubles = self.certificates.troubles().len() as u64;
        names.gauge("seawall_certificates_degraded", "Certificates that clients should not be shown", troubles)
    }

    fn name_geo(&self, names: &mut Names<'_>) -> fmt::Result {
        let ages = self.geo.database().map(|database| {
            let age = self.takedown.now().since(database.built()).as_secs_f64();
            ([("type", database.kind().to_owned())], age)
        });
        let ages = ages.iter().map(|([(name, kind)], age)| ([(*name, &**kind)], *age));
        names.durations("seawall_geo_database_age_seconds", "Since the database of places was built", ages)?;
        names.counter("seawall_geo_errors", "Databases of places that could not be taken", self.geo.errors())?;
        let degraded = u64::from(self.geo.trouble().is_some());
        names.gauge("seawall_geo_degraded", "1 if the database shows something else than is in force", degraded)
    }

    fn name_origins(&self, names: &mut Names<'_>) -> fmt::Result {
        let sites = self.gateway.sites();
        let all: Vec<(&str, Seen<'_>)> =
            sites.all().iter().flat_map(|site| site.origins.each().map(|origin| (&*site.name, origin))).collect();
        let rows = |pick: Pick| {
            all.iter().map(move |(site, origin)| ([("site", *site), ("origin", origin.url)], pick(origin)))
        };
        names.gauges(
            "seawall_origin_up",
            "1 if it is asked, 0 if ejected or down",
            rows(|o| u64::from(o.standing == Standing::Up)),
        )?;
        names.gauges(
            "seawall_origin_connections_in_use",
            "Connections that carry an exchange",
            rows(|o| read(&o.numbers.in_use)),
        )?;
        names.gauges(
            "seawall_origin_connections_idle",
            "Connections that wait for one",
            rows(|o| read(&o.numbers.idle)),
        )?;
        let counters: [(&str, &str, Pick); 8] = [
            ("seawall_origin_dialled", "Connections opened", |o| read(&o.numbers.dialled)),
            ("seawall_origin_reused", "Exchanges on a pooled connection", |o| read(&o.numbers.reused)),
            ("seawall_origin_failures", "Exchanges that failed", |o| read(&o.numbers.failures)),
            ("seawall_origin_timeouts", "Exchanges that took too long", |o| read(&o.numbers.timeouts)),
            ("seawall_origin_busy", "Asks refused for want of a connection", |o| read(&o.numbers.busy)),
            ("seawall_origin_ejections", "Times it was left alone for a while", |o| o.ejections),
            ("seawall_origin_retried", "Requests that went to another origin instead", |o| o.retried),
            ("seawall_origin_checks_failed", "Checks that failed", |o| o.checks_failed),
        ];
        for (name, help, pick) in counters {
            names.counters(name, help, rows(pick))?;
        }
        name_timings(names, &all)
    }
}

/// One number of an origin.
type Pick = fn(&Seen<'_>) -> u64;

/// How long each origin takes.
fn name_timings(names: &mut Names<'_>, all: &[(&str, Seen<'_>)]) -> fmt::Result {
    let timings = |pick: fn(&Numbers) -> &Durations| {
        all.iter().map(move |(site, origin)| ([("site", *site), ("origin", origin.url)], pick(origin.numbers)))
    };
    names.histograms(
        "seawall_origin_connect_seconds",
        "Seconds to open a connection, TLS included",
        timings(|numbers| &numbers.connect),
    )?;
    names.histograms(
        "seawall_origin_first_byte_seconds",
        "Seconds from a request's last byte to the head of the answer",
        timings(|numbers| &numbers.first_byte),
    )
}
