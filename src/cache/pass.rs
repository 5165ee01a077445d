//! What goes past the cache, and why.

use http::{HeaderValue, StatusCode};
use terms::Departures;

use crate::answer::status::Forwarded;
use crate::policy::Forward;

/// A request that goes past the cache.
#[derive(Clone, Copy, Debug)]
pub struct Pass {
    pub why: Forward,
    waited: bool,
    part: bool,
    is_bypassed: bool,
}

impl Pass {
    pub(crate) fn at_once(why: Forward) -> Pass {
        Pass { why, waited: false, part: false, is_bypassed: false }
    }

    pub(crate) fn for_part(why: Forward) -> Pass {
        Pass { part: true, ..Pass::at_once(why) }
    }

    /// Whether a rule of the site's has it pass.
    pub(crate) fn by_rule(self, is_bypassed: bool) -> Pass {
        Pass { is_bypassed, ..self }
    }

    /// Whether it is forwarded for a part of what could be stored.
    pub fn is_part(&self) -> bool {
        self.part
    }

    /// What a rule of the site's has to do with it.
    pub fn departures(&self) -> Departures {
        if self.is_bypassed { Departures::BYPASS_RULE } else { Departures::default() }
    }

    pub(crate) fn waited_in_vain(why: Forward) -> Pass {
        Pass { waited: true, ..Pass::at_once(why) }
    }

    /// This cache's member of `Cache-Status`, to stand behind the origin's own.
    pub fn cache_status(&self, status: StatusCode) -> HeaderValue {
        let collapsed = self.waited.then_some(false);
        Forwarded { why: self.why, status, collapsed, stored: false }.value(None)
    }
}
