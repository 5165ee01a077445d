//! What is known of a URL's bytes: what is stored, what was served of late, and which digest rules are about them.

use std::sync::Arc;

use block::{Case, Cited, Index};
use cache::Alike;
use terms::url::Scheme;
use terms::{Digest, Residence, Url};

use super::Takedown;
use crate::sites::Sites;
use crate::why::{Bytes, Content, Named, Object};

impl Takedown {
    /// For who is where `residence` says. `sites` say under which name what is asked for as `url` is stored.
    pub fn content(&self, url: &Arc<Url>, residence: Residence, sites: &Sites) -> Content {
        let (index, now) = (self.blocks.index(), self.clock.now());
        let case = Case { now: now.wall, whom: &|| residence };
        let name = sites.name_of(url);
        let is_same_as = |url: &Url, other: &Url| index.kin().is_same(url, other);
        let (is_same, is_anywhere) = (|other: &Url| is_same_as(&name, other), index.kin().merges_more(name.host()));
        let (stored, left_out) = self.cache.stored(&Alike { url: &name, is_same: &is_same, is_anywhere }, now);
        let objects = stored.into_iter().map(|one| Object {
            url: self.log.url(&one.url).into_owned(),
            form: one.form.as_str().to_owned(),
            status: one.status.as_u16(),
            length: one.bytes,
            age_seconds: one.age.as_secs(),
            fresh_seconds: one.fresh_for,
            to_be_validated: one.softened,
            bytes: [one.digest, one.other]
                .into_iter()
                .flatten()
                .map(|digest| bytes(&index, url, digest, case))
                .collect(),
        });
        let recent = self.log.recent();
        let served: Vec<_> =
            recent.iter().filter(|served| served.url.host() == url.host() && is_same_as(url, &served.url)).collect();
        // What is remembered hangs on the scheme, too, and on the name that it was stored under.
        let both = [url, &name].into_iter().flat_map(|url| [Scheme::Https, Scheme::Http].map(|scheme| (url, scheme)));
        let known = both.into_iter().find_map(|(url, scheme)| {
            let url = url.with_target(scheme, url.target()).ok()?;
            self.blocks.known(&url, now.wall)
        });
        Content {
            known: known.map(|digest| bytes(&index, url, digest, case)),
            objects: objects.collect(),
            left_out,
            answers: served.len(),
            last_served: served.last().map(|served| served.time),
            recent_since: recent.first().map(|served| served.time),
        }
    }
}

fn bytes(index: &Index, url: &Url, digest: Digest, case: Case<'_>) -> Bytes {
    let ruling = index.judge_digest(url, &digest, case);
    let rules: Vec<Cited> = index.cite_digest(&digest, case);
    Bytes {
        digest: digest.to_string(),
        blocked: ruling.is_some(),
        rules: rules.iter().map(Named::of).collect(),
        refusal: ruling.as_ref().map(crate::why::Told::of),
    }
}
