//! Who may ask a site, and how much.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use terms::{Networks, Refusal};

use crate::quota::{Place, Quota};

/// Open to everybody unless it says otherwise.
#[derive(Default)]
pub struct Admission {
    /// Where it is not empty, nobody else may ask.
    pub allow: Networks,
    /// Nor may these, whatever allows them.
    pub deny: Networks,
    /// Of all sites together.
    pub everywhere: Arc<Quota>,
    pub here: Arc<Quota>,
}

impl Admission {
    /// Counts a request, and gives the place that it takes until its answer has left, if these are limited.
    pub fn admit(&self, client: IpAddr, now: Instant) -> Result<Option<Place>, Refusal> {
        let is_allowed = self.allow.is_empty() || self.allow.contains(client);
        if !is_allowed || self.deny.contains(client) {
            return Err(Refusal::AddressDenied);
        }
        self.everywhere.admit(client, now)?;
        self.here.admit(client, now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn networks(list: &[&str]) -> Networks {
        Networks::new(&list.iter().map(|text| text.parse().unwrap()).collect::<Vec<_>>())
    }

    #[test]
    fn who_is_denied_is_not_allowed() {
        for (allow, deny, client, may_ask) in [
            (&[][..], &[][..], "192.0.2.1", true),
            (&["192.0.2.0/24"], &[], "192.0.2.1", true),
            (&["192.0.2.0/24"], &[], "198.51.100.1", false),
            (&["192.0.2.0/24"], &["192.0.2.1"], "192.0.2.1", false),
            (&["192.0.2.1"], &["192.0.2.0/24"], "192.0.2.1", false),
            (&[], &["192.0.2.0/24"], "192.0.2.1", false),
            (&[], &["192.0.2.0/24"], "198.51.100.1", true),
        ] {
            let admission = Admission { allow: networks(allow), deny: networks(deny), ..Admission::default() };
            let asked = admission.admit(client.parse().unwrap(), Instant::now());
            assert_eq!(asked.is_ok(), may_ask, "{client} with allow {allow:?}, deny {deny:?}");
        }
    }
}
