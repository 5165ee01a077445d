//! Whether a response may be stored (RFC 9111 section 3).

use http::StatusCode;
use http::header::{AUTHORIZATION, HeaderMap, SET_COOKIE};

use super::directives::{ResponseDirectives, Scope};
use super::freshness::{self, Freshness};
use super::validators::Validators;
use super::vary::Vary;
use crate::Caching;

/// Why a response is not stored, and so goes to nobody but the one who asked for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unstorable {
    #[error("the response says no-store")]
    NoStore,
    #[error("the response says private")]
    Private,
    #[error("the request was authorised, and the response does not say that others may have it")]
    Authorization,
    #[error("the response sets a cookie")]
    SetCookie,
    #[error("the response varies by what no request field tells")]
    VariesByAnything,
    #[error("nothing says how long a response of this status holds")]
    NothingExplicit,
    #[error("the response is stale on arrival and can't be validated")]
    NeverReusable,
    #[error("it is a part, and no range was asked for")]
    Partial,
    #[error("the origin answered 304 to a question that it was not asked")]
    NotModifiedUnasked,
    #[error("the response is larger than an object may be")]
    TooLarge,
    #[error("the response has more tags than can be kept, and a purge by one of them would miss it")]
    TooManyTags,
}

impl Unstorable {
    /// Whether the next asker is likely to meet the same, so that nobody should wait for another.
    pub(crate) fn lasts(self) -> bool {
        !matches!(self, Unstorable::Authorization)
    }
}

/// Section 3, for a shared cache, of the response to a GET. `asked` are the request's fields.
pub fn storable(
    asked: &HeaderMap,
    status: StatusCode,
    fields: &HeaderMap,
    directives: &ResponseDirectives,
    freshness: &Freshness,
    caching: &Caching,
) -> Result<(), Unstorable> {
    // "if the response status code is 206 or 304 … the cache understands the response status code":
    // neither is stored by itself here.
    match status {
        StatusCode::PARTIAL_CONTENT => return Err(Unstorable::Partial),
        StatusCode::NOT_MODIFIED => return Err(Unstorable::NotModifiedUnasked),
        _ => {}
    }
    let understood = freshness::is_heuristically_cacheable(status) || matches!(status.as_u16(), 302 | 307);
    // Section 5.2.2.3: who understands the status ignores no-store beside must-understand, who doesn't
    // stores nothing.
    if directives.must_understand {
        if !understood {
            return Err(Unstorable::NoStore);
        }
    } else if directives.no_store {
        return Err(Unstorable::NoStore);
    }
    if directives.is_private() {
        return Err(Unstorable::Private);
    }
    // Section 3.5.
    if asked.contains_key(AUTHORIZATION) && !super::allows_authorized(directives) {
        return Err(Unstorable::Authorization);
    }
    // "at least one of the following".
    let allowed = directives.public
        || freshness::is_explicit(fields, directives)
        || freshness::is_heuristically_cacheable(status)
        || caching.rules.lifetimes.of_error(status.as_u16()).is_some();
    if !allowed {
        return Err(Unstorable::NothingExplicit);
    }
    // Section 7.3 lets a response with Set-Cookie be stored; a cookie handed to the wrong client is worse
    // than a fetch.
    if fields.contains_key(SET_COOKIE) && !caching.store_set_cookie {
        return Err(Unstorable::SetCookie);
    }
    // Section 4.1: "a member '*' always fails to match".
    if Vary::read(fields) == Vary::Anything {
        return Err(Unstorable::VariesByAnything);
    }
    // "neither a cache validator nor an explicit expiration time … not usually useful to store".
    let validates = status == StatusCode::OK && Validators::of(fields).any();
    let reusable = freshness.is_fresh_on_arrival() && directives.no_cache != Scope::Everything;
    if !reusable && !validates {
        return Err(Unstorable::NeverReusable);
    }
    Ok(())
}
