//! What is stored of a URL, for people.

use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use terms::{Digest, Moment, Url};

use crate::{Alike, Cache, Entry};

/// Entries that are told of one URL: a large object has thousands of slices.
const MOST: usize = 100;

/// One entry: a variant, a slice, or what was compressed of one.
#[derive(Clone, Debug)]
pub struct Stored {
    /// What it is stored under.
    pub url: Arc<Url>,
    pub form: Form,
    pub status: StatusCode,
    /// Of its body, as far as that is known.
    pub bytes: Option<u64>,
    /// Of the full representation; of a slice there is none.
    pub digest: Option<Digest>,
    /// Of what it was compressed from, or of what it is without the content coding that it came in, if that is known.
    pub other: Option<Digest>,
    pub age: Duration,
    /// Seconds for which it is fresh; below zero, it is stale.
    pub fresh_for: i64,
    /// It is validated before it is used again, whatever its age.
    pub softened: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    Whole,
    /// The head of what lies in slices.
    Sliced,
    Slice,
    Compressed,
}

impl Form {
    pub fn as_str(self) -> &'static str {
        match self {
            Form::Whole => "whole",
            Form::Sliced => "sliced",
            Form::Slice => "slice",
            Form::Compressed => "compressed",
        }
    }
}

impl Cache {
    /// What is stored of `url` in every spelling, and how much more there is than a hundred entries.
    pub fn stored(&self, url: &Alike<'_>, now: Moment) -> (Vec<Stored>, usize) {
        let variants = url.variants(&self.0.memory);
        let entries = variants.iter().flat_map(|variants| variants.entries());
        let mut all: Vec<&Arc<Entry>> = entries.filter(|entry| (url.is_same)(entry.url())).collect();
        all.sort_by_key(|entry| (form(entry) as u8, entry.fill()));
        let left_out = all.len().saturating_sub(MOST);
        (all.into_iter().take(MOST).map(|entry| Stored::of(entry, now)).collect(), left_out)
    }
}

fn form(entry: &Entry) -> Form {
    match entry {
        _ if entry.is_coded() => Form::Compressed,
        _ if entry.slicing().is_some() => Form::Sliced,
        _ if entry.place().is_some() => Form::Slice,
        _ => Form::Whole,
    }
}

impl Stored {
    fn of(entry: &Entry, now: Moment) -> Stored {
        let freshness = &entry.head().stored.freshness;
        Stored {
            url: entry.url().clone(),
            form: form(entry),
            status: entry.status(),
            bytes: entry.length(),
            digest: entry.digest(),
            other: entry.other_digest(),
            age: freshness.age(now),
            fresh_for: freshness.ttl(now),
            softened: entry.is_softened(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{ask, cache_of, fill_with, head, moment};

    #[test]
    fn all_that_is_stored_of_a_url_is_told() {
        let cache = cache_of(1 << 20, 1 << 20);
        let vary = head(200, &[("cache-control", "max-age=60"), ("vary", "accept-language")]);
        fill_with(&cache, "/a", &[("accept-language", "de")], &vary, b"hallo", moment());
        fill_with(&cache, "/%61", &[("accept-language", "fr")], &vary, b"salut", moment());
        fill_with(&cache, "/b", &[], &vary, b"other", moment());
        let (_, url) = ask("GET", "/a", &[]);
        let of_url = Alike { url: &url, is_same: &|other| other.is_same(&url), is_anywhere: false };
        let (stored, left_out) = cache.stored(&of_url, moment());
        let told: Vec<_> = stored.iter().map(|one| (one.form, one.bytes, one.digest, one.fresh_for)).collect();
        let whole = |body: &[u8]| (Form::Whole, Some(5), Some(Digest::of(body)), 60);
        assert_eq!((told, left_out), (vec![whole(b"hallo"), whole(b"salut")], 0));
    }
}
