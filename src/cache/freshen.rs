//! What an origin's answer to HEAD says of the answer to GET that is stored (RFC 9111 section 4.3.5).

use std::sync::Arc;

use http::StatusCode;
use terms::{Ask, Moment, Url};

use crate::entry::{Arrived, Entry};
use crate::policy::directives::RequestDirectives;
use crate::policy::validators::Validators;
use crate::{Cache, Caching, ReplyHead};

impl Cache {
    /// Notes what HEAD was answered with that went past the cache. What is stored, and could have been chosen for
    /// the request, is renewed where the answer agrees with it, and stale where it does not. `sent` is when the
    /// request went out, `received` when the answer was there.
    pub fn saw_head(&self, ask: &Ask, url: &Url, reply: &ReplyHead, caching: &Caching, sent: Moment, received: Moment) {
        // RFC 9111 section 5.2.1.5: nothing of what is asked for so is stored.
        let says_nothing = reply.status != StatusCode::OK || RequestDirectives::of(ask).no_store;
        if says_nothing || caching.lease.has_ended() {
            return;
        }
        let Some(variants) = self.0.memory.look(url.key()) else { return };
        let Some(stored) = variants.select(&ask.fields).filter(|stored| stored.may_be_chosen(ask)) else { return };
        let arrived = Arrived::read(reply, sent, received, caching);
        // What HEAD doesn't say of the length it need not (RFC 9110 section 9.3.2).
        let is_as_long = arrived.declared().is_none_or(|length| stored.length() == Some(length));
        let agrees = is_as_long && arrived.speaks_of(stored.head());
        // What names no version may be another one, for all that it says.
        if agrees && !Validators::of(arrived.fields()).any() {
            return;
        }
        let updated = agrees.then(|| arrived.update(stored.head(), stored.length(), caching));
        match updated.filter(|updated| updated.storable(url, &ask.fields, caching).is_ok()) {
            Some(updated) => {
                let entry = Arc::new(stored.with_head(updated.into_head(url, &ask.fields)));
                self.0.exchange(stored, entry, &ask.fields);
            }
            None => stored.soften(),
        }
    }
}

impl Entry {
    fn may_be_chosen(&self, ask: &Ask) -> bool {
        self.status() == StatusCode::OK && self.head().stored.may_answer(ask.present.authorization)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Lookup;
    use crate::testing::{ask, filled, head, later, moment, word};

    const STORED: [(&str, &str); 3] = [("cache-control", "max-age=10"), ("etag", "\"1\""), ("x-word", "old")];

    /// What becomes of a GET for what was stored, 5 s after it was, when HEAD was answered so.
    fn after(status: u16, answered: &[(&'static str, &str)], asked: &[(&'static str, &str)]) -> (String, String) {
        let cache = filled(200, &STORED, b"x");
        let (head_ask, url) = ask("HEAD", "/a", asked);
        let now = later(moment(), 5);
        cache.saw_head(&head_ask, &url, &head(status, answered), &Caching::default(), now, now);
        let (get, url) = ask("GET", "/a", &[]);
        let found = cache.look_up(&get, &url, &Caching::default(), now);
        let shown = match &found {
            Ok(Lookup::Fresh(hit)) => hit.entry.fields()["x-word"].to_str().unwrap().to_owned(),
            _ => String::new(),
        };
        (word(&found), shown)
    }

    #[test]
    fn section_4_3_5() {
        let (same, other) = (("etag", "\"1\""), ("etag", "\"2\""));
        let (long, word) = (("cache-control", "max-age=60"), ("x-word", "new"));
        let (fresh, validated) = ("fresh hit".to_owned(), "miss 1".to_owned());
        for (status, answered, asked, expected) in [
            // The same validators, and no other length: updated.
            (200, vec![same, long, word], vec![], (&fresh, "new")),
            (200, vec![same, long, word, ("content-length", "1")], vec![], (&fresh, "new")),
            // It may be of another version, for all that it says.
            (200, vec![long, word], vec![], (&fresh, "old")),
            (200, vec![same, long, word], vec![("cache-control", "no-store")], (&fresh, "old")),
            // Others, or another length: stale.
            (200, vec![other, long, word], vec![], (&validated, "")),
            (200, vec![same, long, word, ("content-length", "2")], vec![], (&validated, "")),
            // Not to be stored any more.
            (200, vec![same, ("cache-control", "no-store")], vec![], (&validated, "")),
            // It says nothing of the answer to GET.
            (404, vec![other, long], vec![], (&fresh, "old")),
            (304, vec![same, long, word], vec![], (&fresh, "old")),
            // It could not have been chosen.
            (200, vec![other, long], vec![("authorization", "x")], (&fresh, "old")),
        ] {
            let (found, shown) = after(status, &answered, &asked);
            assert_eq!((&found, &*shown), expected, "{status} {answered:?} {asked:?}");
        }
    }
}
