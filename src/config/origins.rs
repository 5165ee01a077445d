//! Judges a site's origins: where they are, how they prove it, what is each one's share, and when one is
//! left alone.

use std::time::Duration;

use http::StatusCode;
use net::{ServerName, Trust};
use origin::{Check, Ejection, Plan, Settings, Share};
use terms::url::Scheme;

use super::errors::{Span, Wrong, quoted};
use super::hosts;
use super::judge::{DAY, Judge, MILLISECOND};
use super::reader::At;
use super::{meant, typed};

/// Each is looked at when one is chosen.
const MAX_ORIGINS: usize = 64;

impl Judge<'_, '_> {
    /// The shares of some origins; those that are new to the site join its plan. `waits` holds what is the
    /// same for all of them.
    pub(super) fn shares(&mut self, written: At<Vec<typed::Origin>>, plan: &mut Plan, waits: &Settings) -> Vec<Share> {
        if written.value.is_empty() {
            self.faults.add(&written.at, Wrong::new("there is no origin", typed::ORIGIN_HELP));
        }
        if written.value.len() > MAX_ORIGINS {
            let what = format!("these are {} origins", written.value.len());
            self.faults.add(&written.at, Wrong::new(what, format!("name up to {MAX_ORIGINS}")));
        }
        let mut shares: Vec<Share> = Vec::new();
        for one in written.value.into_iter().take(MAX_ORIGINS) {
            let at = one.url.at.clone();
            let weight = u32::try_from(self.count(one.weight.clone(), 1, 1..=1000)).unwrap_or(1);
            let backup = one.backup.as_ref().is_some_and(|backup| backup.value);
            let Some(settings) = self.settings(one, waits) else { continue };
            let origin = self.place(settings, plan, &at);
            if shares.iter().any(|share| share.origin == origin) {
                self.faults.add(&at, Wrong::new("this origin is named twice", "name it once; `weight` gives it more"));
            }
            shares.push(Share { origin, weight, backup });
        }
        if !shares.is_empty() && shares.iter().all(|share| share.backup) {
            let help = "leave `backup` out of one: a backup is asked when those that are none can't be";
            self.faults.add(&written.at, Wrong::new("every origin is a backup", help));
        }
        shares
    }

    /// An origin that a site names in several routes is one origin, with one state of health.
    fn place(&mut self, settings: Settings, plan: &mut Plan, at: &Span) -> usize {
        let url = settings.url();
        match plan.origins.iter().position(|known| known.url() == url) {
            Some(place) => {
                if plan.origins[place] != settings {
                    let what = format!("{url} has another `ca` or `server_name` elsewhere in this site");
                    self.faults.add(at, Wrong::new(what, "write the same in both places"));
                }
                place
            }
            None => {
                plan.origins.push(settings);
                plan.origins.len() - 1
            }
        }
    }

    fn settings(&mut self, one: typed::Origin, waits: &Settings) -> Option<Settings> {
        let url = self.checked(one.url.clone(), hosts::origin);
        if let Some((Scheme::Http, _)) = url {
            for (key, given) in [("ca", &one.ca), ("server_name", &one.server_name)] {
                if let Some(given) = given {
                    let what = format!("`{key}` is for TLS, and this origin is spoken to in clear");
                    self.faults.add(&given.at, Wrong::new(what, "write https:// in its url, or remove it"));
                }
            }
        }
        let (scheme, address) = url?;
        let tls = match scheme {
            Scheme::Http => None,
            Scheme::Https => Some(self.tls_to(&one, &address)?),
        };
        Some(Settings { address, tls, ..waits.clone() })
    }

    fn tls_to(&mut self, one: &typed::Origin, address: &origin::Address) -> Option<origin::Tls> {
        let (trust, at) = match &one.ca {
            Some(ca) => (Trust::file(&self.path(ca)?), &ca.at),
            None => (self.system_trust(), &one.url.at),
        };
        let trust = trust.map_err(|error| self.faults.add(at, untrusted(&error))).ok();
        let (name, at) = match &one.server_name {
            Some(name) => (&name.value, &name.at),
            None => (&address.host, &one.url.at),
        };
        let server_name = ServerName::try_from(name.clone()).map_err(|_| self.faults.add(at, nameless(name)));
        Some(origin::Tls { trust: trust?, server_name: server_name.ok()? })
    }

    pub(super) fn check(&mut self, check: Option<typed::Check>) -> Option<Check> {
        let check = check?;
        let path = self.checked(check.path, check_path);
        let host = check.host.and_then(|host| self.checked(host, host_field));
        let second = Duration::from_secs(1);
        let mut count = |given, default| u32::try_from(self.count(given, default, 1..=100)).unwrap_or(1);
        let (rise, fall) = (count(check.rise, 2), count(check.fall, 3));
        Some(Check {
            path: path?,
            host: host.and_then(|host| host.to_str().ok().map(str::to_owned)),
            interval: self.duration(check.interval, 5 * second, 10 * MILLISECOND..=DAY),
            timeout: self.duration(check.timeout, 2 * second, MILLISECOND..=DAY),
            rise,
            fall,
            statuses: self.statuses(check.statuses, 200),
        })
    }

    pub(super) fn ejection(&mut self, eject: Option<typed::Eject>) -> Ejection {
        let default = Ejection::default();
        let Some(eject) = eject else { return default };
        let failures = self.count(eject.failures, default.failures as usize, 1..=1000);
        let time = self.duration(eject.time, default.time, MILLISECOND..=DAY);
        let longest = self.duration(eject.longest, default.longest.max(time), time..=DAY);
        Ejection { failures: u32::try_from(failures).unwrap_or(default.failures), time, longest }
    }

    pub(super) fn statuses(&mut self, given: Option<At<Vec<At<u64>>>>, least: u16) -> Vec<StatusCode> {
        let mut statuses = Vec::new();
        for status in given.map(|given| given.value).unwrap_or_default() {
            let code = u16::try_from(status.value).ok().filter(|code| (least..=599).contains(code));
            match code.and_then(|code| StatusCode::from_u16(code).ok()) {
                Some(code) => statuses.push(code),
                None => {
                    let what = format!("{} is not a status that fits here", status.value);
                    self.faults.add(&status.at, Wrong::new(what, format!("write {least} to 599")));
                }
            }
        }
        statuses
    }
}

/// The origin of a command that has no config.
pub(super) fn alone(url: &str) -> Result<Settings, Wrong> {
    let (scheme, address) = hosts::origin(url)?;
    let name = ServerName::try_from(address.host.clone());
    let tls = match (scheme, name) {
        (Scheme::Http, _) => None,
        (Scheme::Https, Ok(server_name)) => {
            Some(origin::Tls { trust: Trust::system().map_err(|error| untrusted(&error))?, server_name })
        }
        (Scheme::Https, Err(_)) => return Err(nameless(&address.host)),
    };
    Ok(Settings { address, tls, ..meant::waits() })
}

fn nameless(name: &str) -> Wrong {
    let what = format!("{} can't be the name in a certificate", quoted(name));
    Wrong::new(what, "set `server_name` to a DNS name or an address")
}

fn untrusted(error: &net::TrustError) -> Wrong {
    Wrong::new(error.to_string(), "name a PEM file of the authorities that vouch for the origin with `ca`")
}

fn check_path(text: &str) -> Result<String, Wrong> {
    let fits = text.starts_with('/') && text.parse::<http::uri::PathAndQuery>().is_ok() && !text.contains('#');
    match fits {
        true => Ok(text.to_owned()),
        false => Err(Wrong::new(format!("{} is not a path", quoted(text)), "write one such as \"/healthz\"")),
    }
}

/// What can stand in `Host`: a host as it is canonical, and a port unless it goes without saying.
pub(super) fn host_field(text: &str) -> Result<http::HeaderValue, Wrong> {
    let wrong = |why: &str| Wrong::new(format!("{} is not a host: {why}", quoted(text)), "write \"photos.example\"");
    let fields = http::HeaderMap::from_iter([(
        http::header::HOST,
        http::HeaderValue::try_from(text).map_err(|_| wrong("it holds a control character"))?,
    )]);
    let url = terms::Url::of_request(Scheme::Http, &http::Uri::from_static("/"), &fields);
    url.map_err(|error| wrong(&error.to_string()))?;
    Ok(fields[http::header::HOST].clone())
}
