//! The one canonicaliser: what a URL *is*, for the cache, for the block lists and for the log.
//!
//! Two parsers that disagree are a way round the list, so a target is parsed once, here, and two
//! values come of that one parse:
//!
//! - [`UrlKey`], the cache's identity. It keeps scheme, authority and target as they came, for so the
//!   origin gets them: the cache must not merge what an origin could tell apart.
//! - [`Folded`], the looser canonical text. It merges every spelling that some server could take for
//!   the same resource: rules are compiled from it and requests judged by it.
//!
//! The raw target goes to the origin as it came (RFC 9110 section 7.7).

mod escapes;
mod fold;
mod host;
mod path;
mod query;
mod reference;
mod spelling;
mod steps;
mod written;

use std::collections::hash_map::RandomState;
use std::fmt;
use std::hash::{BuildHasher, Hash, Hasher};
use std::sync::OnceLock;

use http::header::{HOST, HeaderMap, HeaderValue};
use http::uri::{PathAndQuery, Uri};
use siphasher::sip128::{Hasher128, SipHasher13};

use crate::Digest;

pub use fold::Folded;
pub use host::host;
pub use spelling::{EncodedSlash, Parameters, PathParams, Spelled, Spelling};
pub use steps::Step;
use written::{Written, split_scheme};
pub use written::{is_reference, readings, readings_by};

/// The longest URL that is read, in bytes. Edges take shorter ones; this bounds lists and commands.
pub const MAX_URL: usize = 64 * 1024;

/// Whether a connection is encrypted. It plays no part in matching rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scheme {
    Http,
    Https,
}

impl Scheme {
    pub const fn as_str(self) -> &'static str {
        match self {
            Scheme::Http => "http",
            Scheme::Https => "https",
        }
    }
}

/// Why a URL can't be named. Such a request is answered 400: no guess is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    #[error("it is longer than {MAX_URL} bytes")]
    TooLong,
    #[error("its scheme is neither http nor https")]
    Scheme,
    #[error("it names no host")]
    NoHost,
    #[error("it names more than one host")]
    TwoHosts,
    #[error("its host is not a DNS name or an address")]
    BadHost,
    #[error("its port is not a number up to 65535")]
    BadPort,
    #[error("a % in it is not followed by two hexadecimal digits")]
    BadEscape,
    #[error("it holds a control character")]
    Control,
    #[error("it holds a blank or another character that must be percent-encoded")]
    BadCharacter,
    #[error("it holds bytes that are not UTF-8")]
    NotUtf8,
    #[error("its target is not a path")]
    NotAPath,
}

/// The identity of a resource in the cache: a keyed 128-bit hash, good for this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UrlKey(u128);

impl UrlKey {
    /// Of what the origin sees, byte for byte: `authority` goes to it as `Host`.
    fn of(scheme: Scheme, authority: &str, target: &str) -> UrlKey {
        let mut hasher = keyed_hasher();
        hasher.write(authority.as_bytes());
        // Stands in no UTF-8.
        hasher.write_u8(match scheme {
            Scheme::Http => 0xfe,
            Scheme::Https => 0xff,
        });
        hasher.write(target.as_bytes());
        UrlKey(hasher.finish128().as_u128())
    }

    fn salted(self, salt: &Digest) -> UrlKey {
        let mut hasher = keyed_hasher();
        hasher.write_u128(self.0);
        hasher.write(salt.as_bytes());
        UrlKey(hasher.finish128().as_u128())
    }

    /// In two halves, for what would be padded otherwise.
    pub fn words(self) -> [u64; 2] {
        [(self.0 >> 64) as u64, self.0 as u64]
    }

    /// The key of which these are the halves.
    pub fn from_words([high, low]: [u64; 2]) -> UrlKey {
        UrlKey(u128::from(high) << 64 | u128::from(low))
    }

    /// Of one of the slices in which what it identifies is kept. `version` tells apart what came under the same
    /// key at different times.
    pub fn slice(self, version: u64, index: u64) -> UrlKey {
        self.within(&[version, index])
    }

    /// Of what was made, in a content coding, of the bytes that came by the fetch of this number. No slice has it.
    pub fn coding(self, fetch: u64, coding: u64) -> UrlKey {
        self.within(&[fetch, coding, 0])
    }

    /// Numbers of another count are another key.
    fn within(self, numbers: &[u64]) -> UrlKey {
        let mut hasher = keyed_hasher();
        for number in self.words().iter().chain(numbers) {
            hasher.write_u64(*number);
        }
        UrlKey(hasher.finish128().as_u128())
    }
}

impl Hash for UrlKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.0 as u64);
    }
}

/// A 128-bit hasher under a key that this process drew at random, so that nobody outside can choose
/// texts that collide.
pub fn keyed_hasher() -> SipHasher13 {
    static KEYS: OnceLock<(u64, u64)> = OnceLock::new();
    let (first, second) = *KEYS.get_or_init(|| (RandomState::new().hash_one(0_u8), RandomState::new().hash_one(1_u8)));
    SipHasher13::new_with_keys(first, second)
}

/// A URL, parsed once.
#[derive(Clone)]
pub struct Url {
    key: UrlKey,
    folded: Folded,
    /// Nearly every URL comes in its canonical form, and many are kept.
    unusual: Option<Box<Unusual>>,
}

/// Where a URL is not what its canonical form says. Nothing here is a slice of a connection's buffer, which would
/// keep all of it.
#[derive(Clone)]
struct Unusual {
    others: Box<[Folded]>,
    /// As it came, where it is not what stands behind the canonical host.
    target: Option<Box<str>>,
    /// As it came, where it is not the canonical host.
    authority: Option<Box<str>>,
    /// What else tells it apart, hashed: it may be a secret of clients'.
    salt: Option<Digest>,
}

impl Url {
    /// Reads where a request points: its target, and the one host that it names.
    ///
    /// An absolute-form target and `Host` must agree (RFC 9112 section 3.2.2 lets a proxy prefer the
    /// target; a request that says two things is refused here).
    pub fn of_request(scheme: Scheme, uri: &Uri, fields: &HeaderMap) -> Result<Url, UrlError> {
        let target = uri.path_and_query().ok_or(UrlError::NotAPath)?;
        if !target.as_str().starts_with('/') {
            return Err(UrlError::NotAPath);
        }
        if !matches!(uri.scheme_str(), None | Some("http" | "https")) {
            return Err(UrlError::Scheme);
        }
        let mut hosts = fields.get_all(HOST).iter();
        let named = hosts.next();
        if hosts.next().is_some() {
            return Err(UrlError::TwoHosts);
        }
        let (host, authority) = match (uri.authority(), named) {
            (None, None) => return Err(UrlError::NoHost),
            (None, Some(value)) => {
                let authority = text_of(value)?;
                let (host, _) = host::host_and_port(authority)?;
                (host, authority)
            }
            (Some(authority), named) => {
                let (host, port) = host::host_and_port(authority.as_str())?;
                if let Some(value) = named
                    && host::host_and_port(text_of(value)?)? != (host.clone(), port)
                {
                    return Err(UrlError::TwoHosts);
                }
                (host, authority.as_str())
            }
        };
        Url::assemble(scheme, host, target.as_str(), authority)
    }

    /// Reads a URL as an operator writes it: http or https, the scheme may be missing (https then), a
    /// fragment and userinfo are dropped, letters beyond ASCII may stand as themselves.
    pub fn parse(text: &str) -> Result<Url, UrlError> {
        let Written { scheme, host, port, target } = Written::read(text)?;
        let authority = match port {
            Some(port) => format!("{host}:{port}"),
            None => host.clone(),
        };
        Url::assemble(scheme, host, target.as_str(), &authority)
    }

    fn assemble(scheme: Scheme, host: String, target: &str, authority: &str) -> Result<Url, UrlError> {
        let key = UrlKey::of(scheme, authority, target);
        let (folded, others) = fold::fold(host.trim_end_matches('.'), target)?;
        Ok(Url::put_together(key, folded, others, target, authority, None))
    }

    fn put_together(
        key: UrlKey,
        folded: Folded,
        others: Vec<Folded>,
        target: &str,
        authority: &str,
        salt: Option<Digest>,
    ) -> Url {
        let target = (target != folded.path_and_query()).then(|| target.into());
        let authority = (authority != folded.host()).then(|| authority.into());
        let is_usual = others.is_empty() && target.is_none() && authority.is_none() && salt.is_none();
        let unusual = (!is_usual).then(|| Box::new(Unusual { others: others.into(), target, authority, salt }));
        Url { key, folded, unusual }
    }

    /// The same resource in the cache, in another process: made of what [`Url::scheme`], [`Url::authority`],
    /// [`Url::target`] and [`Url::salt`] were in the first.
    pub fn again(scheme: Scheme, authority: &str, target: &str, salt: Option<Digest>) -> Result<Url, UrlError> {
        let (host, _) = host::host_and_port(authority)?;
        let target = PathAndQuery::try_from(target).map_err(|_| UrlError::BadCharacter)?;
        if !target.as_str().starts_with('/') {
            return Err(UrlError::NotAPath);
        }
        let url = Url::assemble(scheme, host, target.as_str(), authority)?;
        Ok(if let Some(salt) = salt { url.apart_by(salt) } else { url })
    }

    /// Another target of the same authority.
    pub fn with_target(&self, scheme: Scheme, target: &str) -> Result<Url, UrlError> {
        Url::assemble(scheme, self.host().to_owned(), target, self.authority())
    }

    /// The same URL, and another resource in the cache: whatever else tells them apart is in `salt`.
    #[must_use]
    pub fn apart(self, salt: &[u8]) -> Url {
        self.apart_by(Digest::of(salt))
    }

    fn apart_by(self, salt: Digest) -> Url {
        let unusual = match self.unusual {
            Some(unusual) => Unusual { salt: Some(salt), ..*unusual },
            None => Unusual { others: Box::default(), target: None, authority: None, salt: Some(salt) },
        };
        Url { key: self.key.salted(&salt), unusual: Some(Box::new(unusual)), ..self }
    }

    /// What else than the URL tells it apart.
    pub fn salt(&self) -> Option<&Digest> {
        self.unusual.as_ref().and_then(|unusual| unusual.salt.as_ref())
    }

    /// That of the connection it was asked for on. Found by its key, in which it is: no URL need keep it.
    pub fn scheme(&self) -> Scheme {
        let plain = UrlKey::of(Scheme::Http, self.authority(), self.target());
        let key = self.salt().map_or(plain, |salt| plain.salted(salt));
        if key == self.key { Scheme::Http } else { Scheme::Https }
    }

    pub fn key(&self) -> UrlKey {
        self.key
    }

    /// The canonical URL as people and logs see it: always `https://`, no port.
    pub fn canonical(&self) -> &str {
        self.folded.as_str()
    }

    pub fn folded(&self) -> &Folded {
        &self.folded
    }

    /// The canonical host: lower-case A-labels without a dot at the end, or an address.
    pub fn host(&self) -> &str {
        self.folded.host()
    }

    /// Every way in which a server could read this URL, the usual one first. There is more than one
    /// only where `..` stands after separators that servers read differently.
    pub fn readings(&self) -> impl Iterator<Item = &Folded> {
        std::iter::once(&self.folded).chain(self.other_readings())
    }

    /// All but the usual one.
    pub fn other_readings(&self) -> &[Folded] {
        self.unusual.as_ref().map_or(&[], |unusual| &unusual.others)
    }

    /// The target in origin-form, as it came, without a fragment.
    pub fn target(&self) -> &str {
        let target = self.unusual.as_ref().and_then(|unusual| unusual.target.as_deref());
        target.unwrap_or(self.folded.path_and_query())
    }

    /// Bytes that it takes, about.
    pub fn bytes(&self) -> usize {
        let folded = |folded: &Folded| size_of::<Folded>() + folded.as_str().len();
        let text = |text: &Option<Box<str>>| text.as_ref().map_or(0, |text| text.len());
        let unusual = self.unusual.as_ref().map_or(0, |unusual| {
            let others: usize = unusual.others.iter().map(folded).sum();
            size_of::<Unusual>() + others + text(&unusual.target) + text(&unusual.authority)
        });
        size_of::<Url>() + self.folded.as_str().len() + unusual
    }

    /// Host and port as they came, for the `Host` that the origin sees.
    pub fn authority(&self) -> &str {
        let authority = self.unusual.as_ref().and_then(|unusual| unusual.authority.as_deref());
        authority.unwrap_or(self.folded.host())
    }

    /// The same resource in any spelling.
    pub fn is_same(&self, other: &Url) -> bool {
        self.is_same_where(other, |one, two| one == two)
    }

    /// The same resource in any spelling, where `are_one` says which hosts are as good as one.
    pub fn is_same_where(&self, other: &Url, are_one: impl Fn(&str, &str) -> bool) -> bool {
        let is_same = |one: &Folded, two: &Folded| one.path_and_query() == two.path_and_query();
        are_one(self.host(), other.host()) && self.readings().any(|one| other.readings().any(|two| is_same(one, two)))
    }
}

impl fmt::Debug for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.canonical())
    }
}

fn text_of(value: &HeaderValue) -> Result<&str, UrlError> {
    // Nearly all are ASCII, for which the first look is enough, and the cheaper one.
    value.to_str().or_else(|_| std::str::from_utf8(value.as_bytes())).map_err(|_| UrlError::NotUtf8)
}

#[cfg(test)]
mod tests;
