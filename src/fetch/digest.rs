//! A fetch whose bytes are for nobody: their digest is asked for.

use std::collections::BTreeMap;

use http::StatusCode;
use http_body_util::BodyExt;
use terms::{Ask, Body, Digest, Hasher, Refusal};

use super::Fetcher;
use crate::forward;
use crate::sites::Site;

impl Fetcher {
    /// The status of what the origin answers now, and the digest and the length of its body; those of what it is without
    /// a content coding, too, if it comes in one that can be decoded.
    pub async fn digest(&self, site: &Site, ask: &Ask) -> Result<(StatusCode, BTreeMap<Digest, u64>), Refusal> {
        let url = ask.url.as_ref().map_err(|error| Refusal::BadUrl(*error))?;
        let request = forward::request(ask, url, ask.fields.clone(), Body::Empty, site, self.witness.via());
        let mut reply = site.group(url).exchange(request).await?;
        let (mut hasher, mut bytes, mut decoding) = (Hasher::new(), 0, self.cache.decoding(&reply.fields));
        while let Some(frame) = reply.body.frame().await {
            let frame = frame.map_err(|error| Refusal::OriginBroken(error.to_string().into()))?;
            if let Some(data) = frame.data_ref() {
                hasher.update(data);
                bytes += data.len() as u64;
                decoding.iter_mut().for_each(|decoding| decoding.write(data));
            }
        }
        let decoded = decoding.and_then(|decoding| decoding.finish().ok());
        let mut contents = BTreeMap::from([(hasher.finish(), bytes)]);
        contents.extend(decoded.map(|decoded| (decoded.digest, decoded.bytes)));
        Ok((reply.status, contents))
    }
}
