//! Judges what the cache does for a site otherwise than the standard says, and shows it.

use std::collections::HashMap;
use std::time::Duration;

use cache::{Bypass, KeyRules, Lifetimes, Negative, Rules};
use serde_json::{Value, json};
use terms::paths::Case;

use super::errors::{Wrong, quoted};
use super::header::field_name;
use super::judge::{DAY, Judge};
use super::reader::At;
use super::typed;
use super::units::show_duration;

const SECOND: Duration = Duration::from_secs(1);

/// A year is what standards take for ever to be.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 3600);

/// Of a list: each is looked for in each request.
const MOST: usize = 64;

/// Errors that are likely to be the same a moment later. A 401, a 403 and a 429 are about who asks.
const ERRORS: [u16; 8] = [404, 405, 410, 414, 500, 502, 503, 504];

impl Judge<'_, '_> {
    /// `case` is that of letters in paths.
    pub(super) fn cache_rules(&mut self, rules: typed::Rules, case: Case) -> Rules {
        let on = |flag: Option<At<bool>>, default| flag.map_or(default, |flag| flag.value);
        Rules {
            lifetimes: Lifetimes {
                ttl: rules.ttl.map(|ttl| self.duration(Some(ttl), SECOND, SECOND..=LONGEST)),
                max_ttl: rules.max_ttl.map(|ttl| self.duration(Some(ttl), SECOND, SECOND..=LONGEST)),
                negative: rules.negative.map(|negative| self.negative(negative)),
                no_heuristics: !on(rules.heuristics, true),
            },
            key: KeyRules {
                ignored: self.names(rules.ignore_query, parameter),
                sorted: on(rules.sort_query, false),
                cookies: self.names(rules.key_cookies, cookie),
            },
            bypass: rules.bypass.map(|bypass| self.bypass(bypass, case)).unwrap_or_default(),
            no_collapse: !on(rules.collapse, true),
            stale_with_s_maxage: on(rules.stale_with_s_maxage, false),
            show_key: on(rules.show_key, false),
        }
    }

    fn negative(&mut self, negative: typed::Negative) -> Negative {
        let ttl = self.duration(negative.ttl, SECOND, SECOND..=DAY);
        let mut statuses = Vec::new();
        for status in negative.statuses.map(|statuses| statuses.value).unwrap_or_default() {
            match u16::try_from(status.value) {
                Ok(code @ 400..=599) => statuses.push(code),
                _ => {
                    let what = format!("{} is no status of an error", status.value);
                    self.faults.add(&status.at, Wrong::new(what, "write some of 400 to 599"));
                }
            }
        }
        Negative { ttl, statuses: if statuses.is_empty() { ERRORS.to_vec() } else { statuses } }
    }

    fn bypass(&mut self, bypass: typed::Bypass, case: Case) -> Bypass {
        if bypass.paths.is_none() && bypass.cookies.is_none() && bypass.fields.is_none() {
            let help = "write bypass = { paths = [\"/admin/*\"] }, or `cookies`, or `fields`";
            self.faults.add(&bypass.at, Wrong::new("nothing goes past the cache by this", help));
        }
        let mut taken = HashMap::new();
        let paths = self.few(bypass.paths);
        Bypass {
            paths: paths.into_iter().filter_map(|path| self.path_pattern(path, &mut taken)).collect(),
            case,
            cookies: self.names(bypass.cookies, cookie),
            fields: self.names(bypass.fields, field_name),
            ..Bypass::default()
        }
    }

    pub(super) fn names<T>(
        &mut self,
        written: Option<At<Vec<At<String>>>>,
        read: fn(&str) -> Result<T, Wrong>,
    ) -> Vec<T> {
        self.few(written).into_iter().filter_map(|name| self.checked(name, read)).collect()
    }

    fn few(&mut self, written: Option<At<Vec<At<String>>>>) -> Vec<At<String>> {
        let Some(written) = written else { return Vec::new() };
        if written.value.len() > MOST {
            let what = format!("{} are more than are looked for", written.value.len());
            self.faults.add(&written.at, Wrong::new(what, format!("name {MOST} at most")));
        }
        written.value
    }
}

/// As it stands in a query, before `=`; `*` at its end is whatever stands there.
pub(super) fn parameter(text: &str) -> Result<String, Wrong> {
    let name = text.strip_suffix('*').unwrap_or(text);
    let is_one = !text.is_empty() && name.bytes().all(|byte| byte.is_ascii_graphic() && !b"&=;#?*".contains(&byte));
    is_one.then(|| text.to_owned()).ok_or_else(|| {
        Wrong::new(
            format!("{} is not the name of a parameter", quoted(text)),
            "write one such as \"fbclid\" or \"utm_*\"",
        )
    })
}

/// RFC 6265 section 4.1.1: a token.
fn cookie(text: &str) -> Result<String, Wrong> {
    let is_one =
        !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic() && !b"()<>@,;:\\\"/[]?={}".contains(&byte));
    is_one.then(|| text.to_owned()).ok_or_else(|| {
        Wrong::new(format!("{} is not the name of a cookie", quoted(text)), "write one such as \"session\"")
    })
}

/// All rules, those that are not in force as well.
pub(super) fn value(rules: &Rules) -> Value {
    let Rules { lifetimes, key, bypass, no_collapse, stale_with_s_maxage, show_key } = rules;
    let negative = lifetimes.negative.as_ref();
    json!({
        "ttl": lifetimes.ttl.map(show_duration),
        "max_ttl": lifetimes.max_ttl.map(show_duration),
        "negative": negative.map(|one| json!({ "ttl": show_duration(one.ttl), "statuses": one.statuses })),
        "heuristics": !lifetimes.no_heuristics,
        "ignore_query": key.ignored,
        "sort_query": key.sorted,
        "key_cookies": key.cookies,
        "bypass": (*bypass != Bypass::default()).then(|| json!({
            "paths": bypass.paths.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "cookies": bypass.cookies,
            "fields": bypass.fields.iter().map(http::HeaderName::as_str).collect::<Vec<_>>(),
        })),
        "collapse": !no_collapse,
        "stale_with_s_maxage": stale_with_s_maxage,
        "show_key": show_key,
    })
}
