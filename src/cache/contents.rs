//! What is stored: all of it, and of a URL by its bytes.

use std::collections::BTreeMap;

use http::StatusCode;
use terms::{Digest, Url};

use crate::memory::{Memory, Variants};
use crate::{Cache, Entry};

/// What is as good as a URL.
pub struct Alike<'a> {
    pub url: &'a Url,
    pub is_same: &'a (dyn Fn(&Url) -> bool + 'a),
    /// More is the same than places tell, so all that is stored is looked at.
    pub is_anywhere: bool,
}

impl Alike<'_> {
    /// What is stored of it, by key.
    pub(crate) fn variants(&self, memory: &Memory) -> Vec<Variants> {
        let keys = match self.is_anywhere {
            true => memory.keys(|entry| (self.is_same)(entry.url())).collect(),
            false => memory.keys_at(self.url),
        };
        keys.into_iter().filter_map(|key| memory.look(key)).collect()
    }
}

impl Cache {
    /// Shows `visit` all that is stored, in no order: each variant, slice and coding is an entry. Takes no lock for long, and
    /// holds up nobody: what comes in meanwhile may be missed.
    pub fn each_entry(&self, mut visit: impl FnMut(&Entry)) {
        self.0.memory.each(|entry| visit(entry));
    }

    /// The digests of the representations that are stored of `url` in every spelling, each once, with how many bytes
    /// they have; of what the origin sent in a content coding, those of what it is without, too. Blocks the thread for as
    /// long as decoding takes. What lies in slices has none, nor has an error, nor what is empty, as many answers are;
    /// what was compressed here is blocked with what it was made of.
    pub fn contents(&self, url: &Alike<'_>) -> BTreeMap<Digest, u64> {
        let variants = url.variants(&self.0.memory);
        let entries = variants.iter().flat_map(|variants| variants.entries());
        let came_whole = |entry: &Entry| entry.status() == StatusCode::OK && !entry.is_coded();
        let of_url = entries.filter(|entry| (url.is_same)(entry.url()) && came_whole(entry));
        let told = of_url.flat_map(|entry| {
            entry.undecoded().inspect(|undecoded| undecoded.decode());
            let decoded = entry.decoded().and_then(Result::ok).map(|decoded| (decoded.digest, decoded.bytes));
            [entry.digest().zip(entry.length()), decoded]
        });
        told.flatten().filter(|(_, length)| *length > 0).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{ask, cache_of, fill_with, head, moment};

    #[test]
    fn every_variant_and_every_spelling_counts_once() {
        let cache = cache_of(1 << 20, 1 << 20);
        let vary = head(200, &[("cache-control", "max-age=60"), ("vary", "accept-language")]);
        let store = |target, language, body| {
            fill_with(&cache, target, &[("accept-language", language)], &vary, body, moment());
        };
        store("/a", "de", b"hallo");
        store("/a", "fr", b"salut");
        store("/%61", "de", b"hallo");
        store("/b", "de", b"other");
        store("/a", "it", b"");
        fill_with(&cache, "/a?x", &[], &head(404, &[("cache-control", "max-age=60")]), b"not found", moment());
        let (_, url) = ask("GET", "/a", &[]);
        let is_same = |stored: &Url| stored.is_same(&url);
        let of = |is_anywhere| Alike { url: &url, is_same: &is_same, is_anywhere };
        let found = cache.contents(&of(false));
        assert_eq!(cache.contents(&of(true)), found);
        assert_eq!(found, BTreeMap::from([(Digest::of(b"hallo"), 5), (Digest::of(b"salut"), 5)]));
    }
}
