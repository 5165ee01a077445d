//! What a URL stands for, by digest: to block content wherever it stands.

use std::collections::BTreeMap;
use std::time::Duration;

use cache::Alike;
use http::header::HOST;
use http::{HeaderValue, Method, Request};
use serde::Serialize;
use terms::url::Scheme;
use terms::{Digest, Peer, Refusal, Url};

use super::Gateway;

/// How long an origin may take for all of it. Whoever asks waits.
const FETCH_WITHIN: Duration = Duration::from_secs(90);

/// What a URL was found to stand for.
#[derive(Debug, Serialize)]
pub struct Found {
    /// The canonical URL.
    pub url: String,
    pub contents: Vec<Content>,
    /// None of it was stored: its origin was asked.
    pub fetched: bool,
}

/// A whole representation.
#[derive(Debug, Serialize)]
pub struct Content {
    pub digest: Digest,
    pub bytes: u64,
}

/// Why it is not known what a URL stands for.
#[derive(Debug, thiserror::Error)]
pub enum Unknown {
    #[error("no site answers for {0}, and nothing of it is stored")]
    NoSite(String),
    #[error("nothing of it is stored, and its origin was of no help: {0}")]
    Refused(#[from] Refusal),
    #[error("nothing of it is stored, and its origin answers with {0}: there is no content to name")]
    Status(u16),
    #[error(
        "nothing of it is stored, and its origin answers with an empty body, as many do: it can't be told by its content"
    )]
    Empty,
    #[error("nothing of it is stored, and its origin took longer than {FETCH_WITHIN:?} to send all of it")]
    TooSlow,
}

impl Gateway {
    /// The contents that are stored of a URL; where none is, its site's origin is asked once. Nobody is answered with
    /// what it sends, and nothing of it is stored.
    pub async fn contents(&self, url: &Url) -> Result<Found, Unknown> {
        let index = self.blocks.index();
        let (cache, wanted) = (self.cache.clone(), url.clone());
        let look = move || {
            let kin = index.kin();
            let is_same = |stored: &Url| kin.is_same(&wanted, stored);
            cache.contents(&Alike { url: &wanted, is_same: &is_same, is_anywhere: kin.merges_more(wanted.host()) })
        };
        let stored = tokio::task::spawn_blocking(look).await.map_err(|_| Refusal::Internal)?;
        let fetched = stored.is_empty();
        let told = if fetched { self.fetch_content(url).await? } else { stored };
        let contents = told.into_iter().map(|(digest, bytes)| Content { digest, bytes }).collect();
        Ok(Found { url: url.canonical().to_owned(), contents, fetched })
    }

    async fn fetch_content(&self, url: &Url) -> Result<BTreeMap<Digest, u64>, Unknown> {
        let mut request = Request::new(());
        *request.method_mut() = Method::GET;
        *request.uri_mut() = url.target().parse().unwrap_or_default();
        let host = HeaderValue::from_str(url.authority()).map_err(|_| Unknown::NoSite(url.authority().to_owned()))?;
        request.headers_mut().insert(HOST, host);
        let peer = Peer { address: ([127, 0, 0, 1], 0).into(), scheme: Scheme::Https };
        let (ask, ()) = self.read(request, peer);
        let sites = self.sites.load();
        let site = sites.find(&ask).map_err(|_| Unknown::NoSite(url.host().to_owned()))?;
        match tokio::time::timeout(FETCH_WITHIN, self.fetcher.digest(&site, &ask)).await {
            Ok(Ok((status, contents))) if status == 200 => match contents.values().any(|bytes| *bytes == 0) {
                true => Err(Unknown::Empty),
                false => Ok(contents),
            },
            Ok(Ok((status, _))) => Err(Unknown::Status(status.as_u16())),
            Ok(Err(refusal)) => Err(refusal.into()),
            Err(_) => Err(Unknown::TooSlow),
        }
    }
}
