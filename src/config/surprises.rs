//! What a config comes to that its reader may not expect.

use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use audit::OnPressure;
use feeds::{Feed, OnStale};
use hooks::{Call, Hook, Secrets};
use serde::Serialize;
use terms::url::{EncodedSlash, PathParams};

use super::meant::{Meant, Site};
use super::units::{show_duration, show_size};
use crate::sites::HostPattern;

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Surprise {
    pub about: &'static str,
    pub what: String,
}

/// The gravest first.
pub fn surprises(meant: &Meant) -> Vec<Surprise> {
    let mut all = of_all(meant);
    all.extend(meant.sites.iter().flat_map(of_site));
    all.extend(meant.sites.iter().filter_map(|site| of_slices(site, meant.cache.max_object)));
    all.extend(of_admin(meant));
    all.extend(of_keeping(meant));
    all.extend(meant.hooks.iter().flat_map(of_hook));
    all.extend(meant.takedown.feeds.iter().flat_map(of_feed));
    for network in meant.edge.trusted_proxies.iter().filter(|network| network.is_everything()) {
        let what = format!("edge.trusted_proxies holds {network}: whoever asks can say that it is somebody else");
        all.push(surprise("believing everybody", what));
    }
    if meant.takedown.lists.is_empty() {
        all.push(surprise("no block list", "takedown.lists is empty: only live edits block"));
    }
    all
}

fn surprise(about: &'static str, what: impl Into<String>) -> Surprise {
    Surprise { about, what: what.into() }
}

fn of_keeping(meant: &Meant) -> Option<Surprise> {
    let what = || {
        let (most, folder) = (show_size(meant.cache.keep_max), meant.state.join("cache"));
        format!(
            "up to {most} of stored bodies lie in {}, as they are, from a stop to the next start: cache.keep = false",
            folder.display()
        )
    };
    meant.cache.keep.then(|| surprise("bodies on the disk", what()))
}

/// What holds for every config of its kind.
fn of_all(meant: &Meant) -> Vec<Surprise> {
    let full_disk = match meant.audit.on_pressure {
        OnPressure::Wait(wait) => format!(
            "no evidence, no answer: a new one waits up to {}, then is 503 with Retry-After; blocks are answered \
             in any case",
            show_duration(wait)
        ),
        OnPressure::Shed => {
            "answers are given without evidence; how many were is recorded when it can be written again".to_owned()
        }
    };
    vec![
        surprise("a full disk", full_disk),
        surprise(
            "an nginx origin",
            "stops compressing, for requests carry Via (RFC 9110 section 7.6.3): set `gzip_proxied any;` there",
        ),
    ]
}

fn of_site(site: &Site) -> Vec<Surprise> {
    let name = &site.name;
    let mut all = Vec::new();
    if site.caching.store_set_cookie {
        let what = format!("site {name} stores answers with Set-Cookie: one client's cookie may go to all");
        all.push(surprise("cookies", what));
    }
    if site.caching.client_refresh {
        let what = format!("any client of site {name} can make it ask the origin, with Cache-Control: no-cache");
        all.push(surprise("refreshing", what));
    }
    if site.caching.compression.is_some() {
        let what = format!(
            "what site {name} compresses tells its secrets by its length, where an answer holds one beside what the \
             request said (BREACH)"
        );
        all.push(surprise("compression", what));
    }
    if site.same_content && site.hosts.contains(&HostPattern::Any) {
        let what = format!("a rule for any host that no other site has blocks its path under all hosts of site {name}");
        all.push(surprise("same content", what));
    }
    all.extend(of_spelling(site));
    all.extend(of_purging(site));
    if !site.pass_fields.is_empty() {
        let fields = site.pass_fields.iter().map(http::HeaderName::as_str).collect::<Vec<_>>().join(", ");
        let what = format!("the origin of site {name} gets {fields} as clients wrote them");
        all.push(surprise("believing clients", what));
    }
    all
}

fn of_spelling(site: &Site) -> Vec<Surprise> {
    let (name, spelling) = (&site.name, &site.spelling);
    let slash =
        "an origin that takes %2F or %5C for a slash, as nginx and Apache's AllowEncodedSlashes On do, hands out";
    let params = "an origin that ignores ;params, as Tomcat does, hands out";
    let loose = [
        (spelling.encoded_slash == EncodedSlash::Distinct, "encoded slashes", "encoded_slash", slash),
        (spelling.path_params == PathParams::Distinct, "path parameters", "path_params", params),
    ];
    let told = |about, key, who| {
        surprise(
            about,
            format!("site {name} has spelling.{key} = \"distinct\": {who} what is blocked, by that spelling"),
        )
    };
    loose.into_iter().filter(|(is_set, ..)| *is_set).map(|(_, about, key, who)| told(about, key, who)).collect()
}

fn of_slices(site: &Site, max_object: u64) -> Option<Surprise> {
    let size = site.caching.slices.filter(|size| *size > max_object)?;
    let (name, size) = (&site.name, show_size(size));
    Some(surprise(
        "slices",
        format!("slices of {size} of site {name} are larger than cache.max_object: nothing is cut"),
    ))
}

fn of_purging(site: &Site) -> Vec<Surprise> {
    let (name, purging) = (&site.name, &site.purging);
    let by_address = || {
        let networks = super::limits::shown(&purging.allow).join(", ");
        let what = format!(
            "whoever asks from {networks} may purge site {name}: all clients of a proxy there, too, unless \
             edge.trusted_proxies names it and it names them"
        );
        surprise("purging", what)
    };
    let open = |file: &std::path::PathBuf| {
        let what = format!("others can read {}, whose tokens purge site {name}: chmod 600", file.display());
        surprise("open tokens", what)
    };
    let by_address = (!purging.allow.is_empty()).then(by_address);
    by_address.into_iter().chain(purging.token_file.as_ref().filter(|_| purging.is_open).map(open)).collect()
}

fn of_hook(hook: &Hook) -> Vec<Surprise> {
    let webhook = match &hook.call {
        Call::Webhook(webhook) => webhook,
        Call::Exec(words) => return of_program(&hook.name, words),
    };
    // What can't be read was a fault of the config.
    let Ok(secrets) = Secrets::read(&webhook.secret_file) else { return Vec::new() };
    let (file, name) = (webhook.secret_file.display(), &hook.name);
    let open =
        || surprise("an open secret", format!("others can read {file}, with which hook {name} signs: chmod 600"));
    let short =
        || surprise("a short secret", format!("{file} holds less than the 24 bytes that receivers may ask for"));
    secrets.is_open.then(open).into_iter().chain(secrets.is_short.then(short)).collect()
}

/// It may come later, and is told what waits then. Of what can't be looked at nothing is said: a command may read a config
/// whose programs its user may not.
fn of_program(name: &str, words: &[String]) -> Vec<Surprise> {
    let Some(program) = words.first().filter(|program| program.contains('/')) else { return Vec::new() };
    let why = match Path::new(program).metadata() {
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => "is not there",
        Ok(found) if !found.is_file() => "is no program",
        Ok(found) if found.permissions().mode() & 0o111 == 0 => "may not be executed",
        _ => return Vec::new(),
    };
    vec![surprise("a hook that can't run", format!("{program} {why}: what {name} is to hear of waits for it, a day"))]
}

fn of_feed(feed: &Feed) -> Vec<Surprise> {
    let name = &feed.name;
    let fails_closed = || {
        let age = show_duration(feed.max_age);
        surprise("failing closed", format!("all requests are 503 once {name} was not confirmed for {age}"))
    };
    let fails_closed = (feed.on_stale == OnStale::FailClosed).then(fails_closed);
    let files = [&feed.key_file, &feed.headers_file].into_iter().flatten().filter(|file| feeds::is_open(file));
    let open = files.map(|file| {
        let what = format!("others can read {}, which holds what {name} is asked with: chmod 600", file.display());
        surprise("an open secret", what)
    });
    fails_closed.into_iter().chain(open).collect()
}

fn of_admin(meant: &Meant) -> Option<Surprise> {
    let what = || format!("{} is in clear: whoever sees the traffic has the token", meant.admin.address);
    meant.admin.is_exposed().then(|| surprise("the admin listener", what()))
}
