//! Judges who may ask, and how much; and shows it.

use serde_json::{Value, json};
use terms::{Network, NetworkError};

use super::errors::{Wrong, quoted};
use super::in_force::{Row, row};
use super::judge::Judge;
use super::reader::At;
use super::typed;
use super::units::{show_byte_rate, show_rate};
use crate::quota::Settings;

/// Connections, or requests at once: more than one machine has.
const MOST: u64 = 1_000_000;

/// A client that is held to more would need a better line than many have.
const MOST_MIN_RATE: u64 = 1 << 20;

impl Judge<'_, '_> {
    pub(super) fn quota(&mut self, limits: typed::Limits) -> Settings {
        if let (Some(burst), None) = (&limits.burst, &limits.requests_per_address) {
            let what = "a burst of no rate limits nothing";
            self.faults.add(&burst.at, Wrong::new(what, "set `requests_per_address` beside it, or remove it"));
        }
        let rate = |given: Option<At<_>>| given.map(|rate| rate.value);
        Settings {
            connections_per_address: self.some(limits.connections_per_address),
            requests_per_address: rate(limits.requests_per_address),
            burst: self.some(limits.burst),
            requests: rate(limits.requests),
        }
    }

    fn some(&mut self, given: Option<At<u64>>) -> Option<u32> {
        given.map(|given| u32::try_from(self.count(Some(given), 1, 1..=MOST)).unwrap_or(u32::MAX))
    }

    pub(super) fn byte_rate(&mut self, given: Option<At<u64>>, default: u64) -> u64 {
        self.bounded(given, default, 0..=MOST_MIN_RATE, |value| format!("\"{}\"", show_byte_rate(value)))
    }

    pub(super) fn networks(&mut self, given: Option<At<Vec<At<String>>>>) -> Vec<Network> {
        let given = given.map(|given| given.value).unwrap_or_default();
        given.into_iter().filter_map(|text| self.checked(text, network)).collect()
    }
}

fn network(text: &str) -> Result<Network, Wrong> {
    text.parse().map_err(|error| {
        let help = match error {
            NetworkError::HostBits(network) => format!("write \"{network}\", or the address alone"),
            NetworkError::NoAddress | NetworkError::Prefix => {
                "write a network such as \"10.0.0.0/8\" or \"2001:db8::/32\", or an address".to_owned()
            }
        };
        Wrong::new(format!("{} is no network: {error}", quoted(text)), help)
    })
}

pub(super) fn shown(networks: &[Network]) -> Vec<String> {
    networks.iter().map(ToString::to_string).collect()
}

/// What no limit is set for is null.
pub(super) fn rows(settings: &Settings, past_connections: &'static str) -> Vec<Row> {
    let remark = |is_set: bool, set: &'static str| if is_set { set } else { "no limit" };
    let Settings { connections_per_address: connections, requests_per_address: requests, burst, .. } = *settings;
    let burst_remark = match (burst, requests) {
        (None, Some(_)) => "as many as the rate names",
        _ => remark(burst.is_some(), "at once"),
    };
    vec![
        row("connections_per_address", connections).remark(remark(connections.is_some(), past_connections)),
        row("requests_per_address", requests.map(show_rate)).remark(remark(requests.is_some(), "429")),
        row("burst", burst).remark(burst_remark),
        row("requests", settings.requests.map(show_rate)).remark(remark(settings.requests.is_some(), "429")),
    ]
}

/// The same as the value of one key.
pub(super) fn value(settings: &Settings) -> Value {
    if *settings == Settings::default() {
        return Value::Null;
    }
    let mut table = json!({});
    for row in rows(settings, "") {
        table[row.key] = row.value;
    }
    table
}
