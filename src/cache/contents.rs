//! What is stored: all of it, and of a URL by its bytes.

use std::collections::BTreeMap;

use http::StatusCode;
use terms::{Digest, Url};

use crate::{Cache, Entry};

impl Cache {
    /// Shows `visit` all that is stored, in no order: each variant, slice and coding is an entry. Takes no lock for long, and
    /// holds up nobody: what comes in meanwhile may be missed.
    pub fn each_entry(&self, mut visit: impl FnMut(&Entry)) {
        self.0.memory.each(|entry| visit(entry));
    }

    /// The digests of the representations that are stored of `url` in every spelling, each once, with how many bytes
    /// they have; of what the origin sent in a content coding, those of what it is without, too. Blocks the thread for as
    /// long as decoding takes. `is_same` says of a URL whether it is as good as this one. What lies in slices has none, nor has an error, nor what is
    /// empty, as many answers are; what was compressed here is blocked with what it was made of.
    pub fn contents(&self, url: &Url, is_same: &dyn Fn(&Url) -> bool) -> BTreeMap<Digest, u64> {
        let memory = &self.0.memory;
        let variants: Vec<_> = memory.keys_at(url).into_iter().filter_map(|key| memory.look(key)).collect();
        let entries = variants.iter().flat_map(|variants| variants.entries());
        let came_whole = |entry: &Entry| entry.status() == StatusCode::OK && !entry.is_coded();
        let of_url = entries.filter(|entry| is_same(entry.url()) && came_whole(entry));
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
        let found = cache.contents(&url, &|stored| stored.is_same(&url));
        assert_eq!(found, BTreeMap::from([(Digest::of(b"hallo"), 5), (Digest::of(b"salut"), 5)]));
    }
}
