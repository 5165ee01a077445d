//! From the config as written to the config as run: defaults, bounds, and what must fit together.
//! Every fault is noted and judging goes on, so that one run of `check` shows them all.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

use audit::OnPressure;
use net::{Trust, TrustError};
use terms::ruling::Disclose;

use super::choice::Pressure;
use super::errors::{Faults, Wrong, quoted};
use super::meant::{self, Audit, Meant, Takedown};
use super::reader::At;
use super::{hidden, hook, typed, units};
use crate::access_log::{self, Destination};

pub(super) const MILLISECOND: Duration = Duration::from_millis(1);
pub(super) const HOUR: Duration = Duration::from_secs(3600);
pub(super) const DAY: Duration = Duration::from_secs(24 * 3600);

pub(super) struct Judge<'t, 'b> {
    pub(super) faults: Faults<'t>,
    /// The folder that relative paths start from.
    base: &'b Path,
    /// Read once, for all origins that need it.
    system_trust: Option<Trust>,
}

impl<'t, 'b> Judge<'t, 'b> {
    pub(super) fn new(faults: Faults<'t>, base: &'b Path) -> Judge<'t, 'b> {
        Judge { faults, base, system_trust: None }
    }

    pub(super) fn file(&mut self, file: typed::File) -> Meant {
        let of_edge = file.edge.listen.as_ref().map(|listen| listen.at.clone());
        let edge = self.edge(file.edge);
        let sites = self.sites(file.sites, &edge);
        let audit = self.audit(file.audit);
        let state = file.state.and_then(|dir| self.folder(&dir)).unwrap_or_else(|| meant::state_beside(self.base));
        Meant {
            admin: self.admin(file.admin, &edge, of_edge),
            limits: self.quota(file.limits),
            cache: self.cache(file.cache),
            takedown: self.takedown(file.takedown, &state),
            geo: self.geo(file.geo, &edge),
            state,
            log: self.log(file.log, &audit),
            audit,
            sites,
            hooks: hook::all(file.hooks, self),
            edge,
        }
    }

    fn cache(&mut self, cache: typed::Cache) -> cache::Settings {
        let memory = self.size(cache.memory, meant::MEMORY, MEMORY_BOUNDS);
        let default = meant::cache_of(memory);
        cache::Settings {
            memory,
            max_object: self.size(cache.max_object, default.max_object, 0..=memory),
            keep: chosen(cache.keep, default.keep),
            keep_max: self.size(cache.keep_max, default.keep_max, 1 << 20..=*MEMORY_BOUNDS.end()),
        }
    }

    fn takedown(&mut self, takedown: typed::Takedown, state: &Path) -> Takedown {
        let (lists, feeds) = self.lists(takedown.lists, state);
        Takedown {
            lists,
            feeds,
            operator_url: takedown.operator_url.and_then(|url| self.checked(url, operator_url)),
            disclose: chosen(takedown.disclose, Disclose::default()),
        }
    }

    fn audit(&mut self, audit: typed::Audit) -> Audit {
        let default = Audit::default();
        let wait = self.duration(audit.wait, default.on_pressure.patience(), Duration::ZERO..=HOUR);
        Audit {
            segment_size: self.size(audit.segment_size, default.segment_size, 1 << 10..=4 << 30),
            segment_age: self.duration(audit.segment_age, default.segment_age, MILLISECOND..=31 * DAY),
            sync: chosen(audit.sync, default.sync),
            high_water: self.count(audit.high_water, default.high_water, 1..=16 << 20),
            on_pressure: match chosen(audit.on_pressure, Pressure::Wait) {
                Pressure::Wait => OnPressure::Wait(wait),
                Pressure::Shed => OnPressure::Shed,
            },
            client: chosen(audit.client, default.client),
            url_query: chosen(audit.url_query, default.url_query),
        }
    }

    fn log(&mut self, log: typed::Log, audit: &Audit) -> access_log::Settings {
        let default = meant::no_access_log(audit);
        access_log::Settings {
            destination: log.access.and_then(|access| self.destination(&access)).unwrap_or_default(),
            format: chosen(log.format, default.format),
            client: chosen(log.client, default.client),
        }
    }

    fn destination(&mut self, access: &At<String>) -> Option<Destination> {
        match access.value.as_str() {
            "off" => return Some(Destination::Off),
            "stdout" => return Some(Destination::Stdout),
            _ => {}
        }
        let path = self.path(access)?;
        let folder = path.parent().unwrap_or(&path);
        if path.is_dir() || !folder.is_dir() {
            let what = if path.is_dir() { "is a folder" } else { "is in a folder that is not there" };
            let what = format!("{} {what}", quoted(&access.value));
            let help = "write a file in a folder that is there, \"stdout\" or \"off\"";
            self.faults.add(&access.at, Wrong::new(what, help));
            return None;
        }
        Some(Destination::File(path))
    }

    /// What `read` makes of a text; a fault where it can't.
    pub(super) fn checked<T>(&mut self, text: At<String>, read: fn(&str) -> Result<T, Wrong>) -> Option<T> {
        read(&text.value).map_err(|wrong| self.faults.add(&text.at, wrong)).ok()
    }

    pub(super) fn system_trust(&mut self) -> Result<Trust, TrustError> {
        let trust = match self.system_trust.take() {
            Some(trust) => trust,
            None => Trust::system()?,
        };
        self.system_trust = Some(trust.clone());
        Ok(trust)
    }

    pub(super) fn path(&mut self, text: &At<String>) -> Option<PathBuf> {
        if text.value.is_empty() || text.value.contains('\0') {
            let what = format!("{} is not a path", quoted(&text.value));
            self.faults.add(&text.at, Wrong::new(what, "write a path, absolute or relative to the config's folder"));
            return None;
        }
        Some(self.beside(&text.value))
    }

    /// The path of a folder that is there, or can be made.
    fn folder(&mut self, text: &At<String>) -> Option<PathBuf> {
        let path = self.path(text)?;
        if let Some(file) = path.ancestors().find(|part| part.exists()).filter(|part| !part.is_dir()) {
            let what = format!("{} is a file, not a folder", quoted(&file.to_string_lossy()));
            self.faults.add(&text.at, Wrong::new(what, "name a folder; a start makes it if it is not there"));
            return None;
        }
        Some(path)
    }

    pub(super) fn beside(&self, path: &str) -> PathBuf {
        // Taken component by component, so that `./lists` and `lists/` are one.
        self.base.join(path).components().collect()
    }

    pub(super) fn duration(
        &mut self,
        given: Option<At<Duration>>,
        default: Duration,
        bounds: RangeInclusive<Duration>,
    ) -> Duration {
        self.bounded(given, default, bounds, |value| format!("\"{}\"", units::show_duration(value)))
    }

    pub(super) fn size(&mut self, given: Option<At<u64>>, default: u64, bounds: RangeInclusive<u64>) -> u64 {
        self.bounded(given, default, bounds, |value| format!("\"{}\"", units::show_size(value)))
    }

    /// A size of something that is held in memory whole.
    pub(super) fn length(&mut self, given: Option<At<u64>>, default: usize, bounds: RangeInclusive<u64>) -> usize {
        usize::try_from(self.size(given, default as u64, bounds)).unwrap_or(default)
    }

    pub(super) fn count(&mut self, given: Option<At<u64>>, default: usize, bounds: RangeInclusive<u64>) -> usize {
        let count = self.bounded(given, default as u64, bounds, |value| value);
        usize::try_from(count).unwrap_or(default)
    }

    pub(super) fn bounded<T: PartialOrd + Copy, S: Display>(
        &mut self,
        given: Option<At<T>>,
        default: T,
        bounds: RangeInclusive<T>,
        show: fn(T) -> S,
    ) -> T {
        let Some(given) = given else { return default };
        if !bounds.contains(&given.value) {
            self.faults.add(&given.at, out_of_bounds(given.value, &bounds, show));
            return default;
        }
        given.value
    }
}

pub(super) fn chosen<T>(given: Option<At<T>>, default: T) -> T {
    given.map_or(default, |given| given.value)
}

/// Less than the least holds no cache worth the name.
pub(super) const MEMORY_BOUNDS: RangeInclusive<u64> = 1 << 20..=1 << 44;

pub(super) fn out_of_bounds<T: PartialOrd + Copy, S: Display>(
    value: T,
    bounds: &RangeInclusive<T>,
    show: fn(T) -> S,
) -> Wrong {
    let (least, most) = (show(*bounds.start()), show(*bounds.end()));
    let which = if value < *bounds.start() { "too little" } else { "too much" };
    Wrong::new(format!("{} is {which}", show(value)), format!("write {least} to {most}"))
}

/// A URL (RFC 3986) that stands between `<` and `>` in a field, for a person to open.
fn operator_url(text: &str) -> Result<String, Wrong> {
    let is_web = text.split_once("://").is_some_and(|(scheme, rest)| {
        ["https", "http"].iter().any(|known| scheme.eq_ignore_ascii_case(known)) && !rest.starts_with('/')
    });
    if is_web && terms::url::is_reference(text) {
        return Ok(text.to_owned());
    }
    let what = format!("{} is not an http or https URL", quoted(&hidden::url(text)));
    Err(Wrong::new(what, "write an absolute URL in ASCII, such as \"https://operator.example/notices\""))
}
