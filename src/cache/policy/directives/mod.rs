//! What a message says of how it may be cached, read so that a mistake never makes a cache bolder: of
//! duplicates the most restrictive counts, and a time that is no number is zero.

mod request;
mod syntax;
mod targeted;
mod transform;

use http::header::{self, HeaderMap, HeaderName};

pub use request::RequestDirectives;
use syntax::{Directive, directives, least, seconds_or_none_left};
pub use transform::forbids_transforming;

/// The directives of a response that bind this cache: of `Cache-Control` (RFC 9111 section 5.2.2, RFC 5861,
/// RFC 8246), or of a field that is aimed at it (RFC 9213).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ResponseDirectives {
    pub source: Source,
    pub no_store: bool,
    pub no_cache: Scope,
    pub private: Scope,
    pub public: bool,
    pub must_revalidate: bool,
    pub proxy_revalidate: bool,
    pub must_understand: bool,
    pub immutable: bool,
    /// Seconds.
    pub max_age: Option<u64>,
    /// Seconds.
    pub s_maxage: Option<u64>,
    /// Seconds of staleness.
    pub stale_while_revalidate: Option<u64>,
    /// Seconds of staleness.
    pub stale_if_error: Option<u64>,
}

/// Where directives stand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Source {
    #[default]
    CacheControl,
    /// Then `Cache-Control` and `Expires` are for others (RFC 9213 section 2.2).
    Targeted,
}

/// What of a response `no-cache` or `private` speaks of (RFC 9111 sections 5.2.2.4 and 5.2.2.7).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Scope {
    #[default]
    Nothing,
    /// The qualified form: sorted, each once.
    Fields(Vec<HeaderName>),
    Everything,
}

/// Without these a stored response would be another one, or could not be judged any more: who names one of
/// them in a qualified form can only have meant everything.
const INDISPENSABLE: [HeaderName; 13] = [
    header::AGE,
    header::CACHE_CONTROL,
    header::CONTENT_ENCODING,
    header::CONTENT_LENGTH,
    header::CONTENT_LOCATION,
    header::CONTENT_RANGE,
    header::CONTENT_TYPE,
    header::DATE,
    header::ETAG,
    header::EXPIRES,
    header::LAST_MODIFIED,
    header::VARY,
    header::VIA,
];

impl Scope {
    /// A list of names, as it stands between the quotes; everything, if it is none.
    fn of_names(list: &[u8]) -> Scope {
        let names = list.split(|&byte| byte == b',').map(<[u8]>::trim_ascii).filter(|name| !name.is_empty());
        let names: Result<Vec<HeaderName>, _> = names.map(HeaderName::from_bytes).collect();
        match names {
            Ok(mut names) if !names.is_empty() && !names.iter().any(|name| INDISPENSABLE.contains(name)) => {
                names.sort_by(|one, other| one.as_str().cmp(other.as_str()));
                names.dedup();
                Scope::Fields(names)
            }
            _ => Scope::Everything,
        }
    }

    /// Of several, all are meant.
    fn widen(&mut self, other: Scope) {
        *self = match (std::mem::take(self), other) {
            (Scope::Everything, _) | (_, Scope::Everything) => Scope::Everything,
            (Scope::Nothing, scope) | (scope, Scope::Nothing) => scope,
            (Scope::Fields(mut names), Scope::Fields(others)) => {
                names.extend(others);
                names.sort_by(|one, other| one.as_str().cmp(other.as_str()));
                names.dedup();
                Scope::Fields(names)
            }
        };
    }

    pub fn names(&self) -> &[HeaderName] {
        match self {
            Scope::Fields(names) => names,
            Scope::Nothing | Scope::Everything => &[],
        }
    }
}

impl ResponseDirectives {
    pub fn read(fields: &HeaderMap) -> ResponseDirectives {
        targeted::read(fields).unwrap_or_else(|| ResponseDirectives::of_cache_control(fields))
    }

    fn of_cache_control(fields: &HeaderMap) -> ResponseDirectives {
        let mut read = ResponseDirectives::default();
        let scope = |argument: Option<&[u8]>| argument.map_or(Scope::Everything, Scope::of_names);
        for Directive { name, argument } in directives(fields) {
            match name.to_ascii_lowercase().as_slice() {
                b"no-store" => read.no_store = true,
                b"no-cache" => read.no_cache.widen(scope(argument)),
                b"private" => read.private.widen(scope(argument)),
                b"must-revalidate" => read.must_revalidate = true,
                b"proxy-revalidate" => read.proxy_revalidate = true,
                // RFC 8246 section 2: arguments are ignored.
                b"immutable" => read.immutable = true,
                // These two loosen; with an argument that nobody defined they are something else.
                b"public" if argument.is_none() => read.public = true,
                b"must-understand" if argument.is_none() => read.must_understand = true,
                b"max-age" => read.max_age = least(read.max_age, seconds_or_none_left(argument)),
                b"s-maxage" => read.s_maxage = least(read.s_maxage, seconds_or_none_left(argument)),
                b"stale-while-revalidate" => {
                    read.stale_while_revalidate = least(read.stale_while_revalidate, seconds_or_none_left(argument));
                }
                b"stale-if-error" => read.stale_if_error = least(read.stale_if_error, seconds_or_none_left(argument)),
                _ => {} // section 5.2.3: unrecognised directives are ignored
            }
        }
        read
    }

    /// Whether a response is for the one who asked for it, and for nobody after (RFC 9111 section 5.2.2.7).
    pub fn is_private(&self) -> bool {
        self.private == Scope::Everything
    }

    /// Whether `fields` hint that a response is for the one who asked for it: `private`, also in a `Cache-Control` that
    /// another field takes the place of, or a field that has none of the caches it is aimed at store it.
    pub fn hint_at_one_client(fields: &HeaderMap) -> bool {
        let aimed = targeted::read(fields);
        aimed.is_some_and(|aimed| aimed.no_store || aimed.is_private())
            || ResponseDirectives::of_cache_control(fields).is_private()
    }

    /// The fields of a response that are for the one who asked for it, and for nobody after.
    pub fn for_the_asker(&self) -> impl Iterator<Item = &HeaderName> {
        self.no_cache.names().iter().chain(self.private.names())
    }
}

#[cfg(test)]
mod tests;
