//! Asking a feed once: for what it serves now, unless that is what is there.

use std::io::{self, Seek};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use disk::durable::Draft;
use http::header::{
    ACCEPT_ENCODING, CONTENT_LENGTH, HeaderMap, IF_MODIFIED_SINCE, IF_NONE_MATCH, LOCATION, TRANSFER_ENCODING,
};
use http::{Method, StatusCode};
use http_body_util::Full;
use net::{ClientError, DialError, Line, Reply, Target, TrustError};
use terms::url::Scheme;
use terms::{Digest, Timestamp, Url};
use tokio::io::AsyncWriteExt;

use crate::decode::{ACCEPTED, Coding, DecodeError, decode};
use crate::facts::Validators;
use crate::secrets::{SecretError, read_fields, read_key};
use crate::settings::{Feed, KEY};

/// More than that lead nowhere.
const MAX_REDIRECTS: usize = 3;

/// Why there is nothing new, nor the word that there is none. What it tells is for everybody to see: no part of the URL
/// that could be a secret, and nothing of what files hold.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    #[error(transparent)]
    Secret(#[from] SecretError),
    #[error("nobody vouches for the server")]
    Trust(#[from] TrustError),
    #[error("with the key in it, this is no URL")]
    Url,
    #[error("the request can't be written")]
    Request(#[from] http::Error),
    #[error("{host} is at {address}, which is no address of the internet; if that is meant, name it in allow_private")]
    Private { host: String, address: IpAddr },
    #[error(transparent)]
    Client(ClientError),
    #[error("no whole answer within {0:?}")]
    TimedOut(Duration),
    #[error("it answered {status}")]
    Status {
        status: StatusCode,
        /// How long it wants to be left alone.
        retry_after: Option<Duration>,
    },
    #[error("it answered 304 to a request for the whole")]
    Unasked,
    #[error("it redirects to elsewhere; only https:// on the same host and port is followed, so write the new URL")]
    Elsewhere,
    #[error("it redirects more than {MAX_REDIRECTS} times")]
    Lost,
    #[error("it doesn't say where its answer ends (neither Content-Length nor chunks), so half of it would look whole")]
    Endless,
    #[error(transparent)]
    Decode(#[from] DecodeError),
    #[error("the state folder can't be written")]
    Write(#[from] io::Error),
    #[error("a step of it failed")]
    Unfinished(#[from] tokio::task::JoinError),
}

impl From<ClientError> for FetchError {
    fn from(error: ClientError) -> FetchError {
        match error {
            ClientError::Dial(DialError::Barred { host, address }) => FetchError::Private { host, address },
            other => FetchError::Client(other),
        }
    }
}

/// What a feed serves now, whole, in a file that nobody sees yet.
pub(crate) struct Coming {
    pub draft: Draft,
    pub hash: Digest,
    pub validators: Validators,
}

/// Asks. `None`: what `have` is of is what it still serves. What comes is written into the folder `coming`.
pub(crate) async fn fetch(
    feed: Arc<Feed>,
    have: Option<Validators>,
    coming: PathBuf,
    now: Timestamp,
) -> Result<Option<Coming>, FetchError> {
    let ours = feed.clone();
    let way = tokio::task::spawn_blocking(move || Way::to(&ours)).await??;
    let asked = tokio::time::timeout(feed.timeout, ask(&feed, way, have, &coming, now));
    let Some(raw) = asked.await.map_err(|_| FetchError::TimedOut(feed.timeout))?? else { return Ok(None) };
    let limit = feed.max_size;
    Ok(Some(tokio::task::spawn_blocking(move || raw.decoded(limit, &coming)).await??))
}

/// Where the feed is, how it is believed, and what it is told.
struct Way {
    target: Target,
    line: Line,
    fields: HeaderMap,
}

impl Way {
    /// Reads the files that this takes: blocks.
    fn to(feed: &Feed) -> Result<Way, FetchError> {
        let url = match &feed.key_file {
            Some(file) => feed.url.replace(KEY, &read_key(file)?),
            None => feed.url.clone(),
        };
        let target = Target::parse(&url).map_err(|_| FetchError::Url)?;
        let line = Line::to(&target, feed.ca_file.as_deref())?;
        let fields = feed.headers_file.as_deref().map(read_fields).transpose()?.unwrap_or_default();
        Ok(Way { target, line, fields })
    }
}

async fn ask(
    feed: &Feed,
    way: Way,
    have: Option<Validators>,
    coming: &Path,
    now: Timestamp,
) -> Result<Option<Raw>, FetchError> {
    let Way { mut target, line, fields } = way;
    let have = have.filter(|have| !have.is_empty());
    let reach = feed.reach();
    for _ in 0..=MAX_REDIRECTS {
        let mut request = target.request(Method::GET).header(ACCEPT_ENCODING, ACCEPTED);
        if let Some(etag) = have.as_ref().and_then(|have| have.etag.as_deref()) {
            request = request.header(IF_NONE_MATCH, etag);
        }
        if let Some(date) = have.as_ref().and_then(|have| have.last_modified.as_deref()) {
            request = request.header(IF_MODIFIED_SINCE, date);
        }
        let mut request = request.body(Full::default())?;
        fields.keys().for_each(|name| drop(request.headers_mut().remove(name)));
        request.headers_mut().extend(fields.clone());
        let reply = line.ask(request, &reach, feed.timeout).await?;
        match reply.status.as_u16() {
            200 => return Raw::take(reply, feed.max_size, coming).await.map(Some),
            304 if have.is_some() => return Ok(None),
            304 => return Err(FetchError::Unasked),
            301 | 302 | 303 | 307 | 308 => target = beside(&target, &reply.fields).ok_or(FetchError::Elsewhere)?,
            _ => {
                let retry_after = net::retry_after(&reply.fields, now);
                return Err(FetchError::Status { status: reply.status, retry_after });
            }
        }
    }
    Err(FetchError::Lost)
}

/// Where a redirect leads, if that is the same server over https.
fn beside(target: &Target, fields: &HeaderMap) -> Option<Target> {
    if target.is_in_clear() {
        return None;
    }
    let location = fields.get(LOCATION)?.to_str().ok()?;
    let there = Url::parse(&target.to_string()).ok()?.at_same_origin(Scheme::Https, location).ok()??;
    Target::parse(&format!("https://{}{}", there.authority(), there.target())).ok()
}

/// By its length, or by chunks alone: with any other transfer coding a body ends with the connection, whatever length
/// stands beside it (RFC 9112 section 6.3).
fn says_its_end(fields: &HeaderMap) -> bool {
    let mut codings = fields.get_all(TRANSFER_ENCODING).iter();
    match (codings.next(), codings.next()) {
        (None, _) => fields.contains_key(CONTENT_LENGTH),
        (Some(only), None) => only.as_bytes().trim_ascii().eq_ignore_ascii_case(b"chunked"),
        (Some(_), Some(_)) => false,
    }
}

/// A whole body as it came.
struct Raw {
    draft: Draft,
    wire: u64,
    coding: Coding,
    validators: Validators,
}

impl Raw {
    async fn take(mut reply: Reply, limit: u64, coming: &Path) -> Result<Raw, FetchError> {
        let (coding, validators) = (Coding::of(&reply.fields)?, Validators::of(&reply.fields));
        if !says_its_end(&reply.fields) {
            return Err(FetchError::Endless);
        }
        let mut draft = Draft::in_folder(coming)?;
        let mut file = tokio::fs::File::from_std(draft.file().try_clone()?);
        let mut wire = 0;
        while let Some(piece) = reply.piece().await? {
            wire += piece.len() as u64;
            if wire > limit {
                return Err(DecodeError::TooLarge { limit }.into());
            }
            file.write_all(&piece).await?;
        }
        file.flush().await?;
        Ok(Raw { draft, wire, coding, validators })
    }

    /// Blocks.
    fn decoded(mut self, limit: u64, coming: &Path) -> Result<Coming, FetchError> {
        let mut draft = Draft::in_folder(coming)?;
        let coded = self.draft.file();
        coded.rewind()?;
        let (hash, _) = decode(self.coding, coded, self.wire, limit, draft.file())?;
        Ok(Coming { draft, hash, validators: self.validators })
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn a_redirect_leads_to_the_same_server_over_https_or_nowhere() {
        let from = Target::parse("https://feed.example:8443/lists/a.txt?x").unwrap();
        let to = |location: &'static str| {
            let fields = HeaderMap::from_iter([(LOCATION, HeaderValue::from_static(location))]);
            beside(&from, &fields).map(|target| target.to_string())
        };
        for (location, leads_to) in [
            ("/b", Some("https://feed.example:8443/b")),
            ("b?y=1", Some("https://feed.example:8443/lists/b?y=1")),
            ("../b#part", Some("https://feed.example:8443/b")),
            ("//feed.example:8443/b", Some("https://feed.example:8443/b")),
            ("https://FEED.example:8443/b", Some("https://feed.example:8443/b")),
            ("https://feed.example/b", None),
            ("http://feed.example:8443/b", None),
            ("https://feed.example.evil.example:8443/", None),
            ("https://me@feed.example:8443/", None),
            ("https://evil.example/", None),
            ("//evil.example/", None),
            ("https://127.0.0.1:8443/", None),
            ("file:///etc/passwd", None),
            ("javascript:0", None),
        ] {
            assert_eq!(to(location).as_deref(), leads_to, "{location}");
        }
        let clear = Target::parse("http://127.0.0.1:1/").unwrap();
        let fields = HeaderMap::from_iter([(LOCATION, HeaderValue::from_static("/b"))]);
        assert!(beside(&clear, &fields).is_none());
        assert!(beside(&from, &HeaderMap::new()).is_none());
    }
}
