//! The witness: from what was asked and what came of it, the response, its record and its numbers.
//!
//! An answer's record is made when its last byte has left, or when it is clear that it never will.

mod draft;

use std::sync::Arc;
use std::time::Duration;

use audit::{Event, Log};
use cache::coding::{Coding, Undecodable};
use cache::{Filled, TakenUp};
use http::header::{self, Entry, HeaderValue};
use http::{Method, Response};
use http_body::Body as _;
use terms::{Answer, Ask, Body, CacheUse, Clock, Digest, Refusal, RequestId, Url, Verdict};
use tokio::time::{Instant, sleep};

use crate::access_log::AccessLog;
use crate::forward::{self, X_REQUEST_ID};
use crate::pages::Pages;
use crate::quota::Place;
use crate::sites::Site;
use crate::telemetry::Telemetry;
use draft::Judged;

pub use draft::{Draft, End, Outcome, Trace};

/// An answer that the guard let through, and where it stands in the register.
pub struct Cleared {
    pub answer: Answer,
    /// What was asked for, by the name that the store has for it where the answer is a stored one: all its
    /// records share that.
    pub url: Arc<Url>,
    pub ticket: u64,
    pub list: u64,
    /// What it takes up until it has left, where that is limited.
    pub place: Option<Place>,
}

pub struct Witness {
    log: Log,
    access: Arc<AccessLog>,
    clock: Clock,
    pages: arc_swap::ArcSwap<Pages>,
    /// How this node names itself in `Via`.
    via: String,
    via_here: HeaderValue,
    /// How long an ask waits at the door for the log to catch up.
    wait: Duration,
    telemetry: Arc<Telemetry>,
}

/// A body, and what will be recorded of it.
pub struct Witnessed {
    pub body: Body,
    /// `None`: too little is known for a record.
    pub draft: Option<Box<Draft>>,
    /// No other answer may follow it on its connection.
    pub is_last: bool,
}

/// How often the door looks whether the log has caught up.
const DOOR_LOOK: Duration = Duration::from_millis(20);

impl Witness {
    pub fn new(
        log: Log,
        access: Arc<AccessLog>,
        clock: Clock,
        pages: Pages,
        via: String,
        wait: Duration,
        telemetry: Arc<Telemetry>,
    ) -> Witness {
        let hop = forward::hop(http::Version::HTTP_11, &via);
        let via_here = HeaderValue::try_from(hop).unwrap_or(HeaderValue::from_static("1.1 seawall"));
        Witness { log, access, clock, pages: arc_swap::ArcSwap::from_pointee(pages), via, via_here, wait, telemetry }
    }

    pub fn via(&self) -> &str {
        &self.via
    }

    pub fn set_pages(&self, pages: Pages) {
        self.pages.store(Arc::new(pages));
    }

    /// The door: an answer without evidence is not given. Waits until the log has room for another
    /// record, but not for long.
    pub async fn room(&self) -> Result<(), Refusal> {
        if self.log.has_room() { Ok(()) } else { Box::pin(self.room_in_time()).await }
    }

    async fn room_in_time(&self) -> Result<(), Refusal> {
        let deadline = Instant::now() + self.wait;
        while Instant::now() < deadline {
            sleep(DOOR_LOOK).await;
            if self.log.has_room() {
                return Ok(());
            }
        }
        Err(Refusal::Pressure)
    }

    /// The response to what the guard let through.
    pub fn served(self: &Arc<Self>, ask: &Ask, site: Option<&Site>, cleared: Cleared) -> Response<Witnessed> {
        let Cleared { answer, url, ticket, list, place } = cleared;
        let judged =
            Judged { url: Some(url), verdict: Verdict::Served, ruling: None, ticket: Some(ticket), list, place };
        self.respond(ask, site, answer, judged)
    }

    /// The response to what is refused. `list` is the index in force.
    pub fn refused(
        self: &Arc<Self>,
        ask: &Ask,
        site: Option<&Site>,
        refusal: Refusal,
        list: u64,
    ) -> Response<Witnessed> {
        if matches!(refusal, Refusal::OriginUnreachable(_) | Refusal::OriginBroken(_) | Refusal::OriginTimeout) {
            tracing::warn!(site = site.map(|site| &*site.name), id = %ask.id, "{refusal}");
        }
        let answer = self.pages.load().refusal(&refusal, Some(&ask.fields));
        let (verdict, list, ruling) = match refusal {
            Refusal::Blocked(ruling) => (Verdict::Blocked, ruling.list, Some(ruling)),
            _ => (Verdict::Failed, list, None),
        };
        let url = ask.url.as_ref().ok().cloned();
        self.respond(ask, site, answer, Judged { url, verdict, ruling, ticket: None, list, place: None })
    }

    fn respond(
        self: &Arc<Self>,
        ask: &Ask,
        site: Option<&Site>,
        mut answer: Answer,
        judged: Judged,
    ) -> Response<Witnessed> {
        // Bytes behind a request for a tunnel that doesn't come about were meant for it: none is read as a request.
        answer.close |= ask.present.tunnel && answer.cache != CacheUse::Tunnel;
        let draft = Draft::new(self, ask, site, &mut answer, judged);
        self.response(&ask.id, &ask.method, answer, Some(draft))
    }

    /// The response to a head of which too little could be read for a record.
    pub fn respond_unread(&self, refusal: &Refusal) -> Response<Witnessed> {
        let answer = self.pages.load().refusal(refusal, None);
        self.response(&RequestId::random(), &Method::GET, answer, None)
    }

    fn response(
        &self,
        id: &RequestId,
        method: &Method,
        answer: Answer,
        draft: Option<Box<Draft>>,
    ) -> Response<Witnessed> {
        let Answer { status, mut fields, mut body, cache, close, .. } = answer;
        match fields.entry(header::VIA) {
            Entry::Occupied(_) if cache != CacheUse::None => {}
            Entry::Occupied(mut via) => drop(via.insert(self.via_here.clone())),
            Entry::Vacant(via) => _ = via.insert(self.via_here.clone()),
        }
        fields.insert(X_REQUEST_ID.clone(), id.to_value());
        if close {
            fields.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        if method == Method::HEAD && !body.is_end_stream() {
            if let Some(length) = body.size_hint().exact() {
                fields.entry(header::CONTENT_LENGTH).or_insert_with(|| HeaderValue::from(length));
            }
            body = Body::Empty;
        }
        let mut response = Response::new(Witnessed { body, draft, is_last: close });
        *response.status_mut() = status;
        *response.headers_mut() = fields;
        response
    }

    /// A client that left before it was answered: there is nothing to record, but it is counted.
    pub fn abandoned(&self) {
        self.telemetry.abandoned();
    }

    /// A fetch came to its end: its digest, or why there is none.
    pub fn filled(&self, fill: u64, url: &Url, filled: Result<Filled, String>) {
        let data = match filled {
            Ok(Filled { slice: Some(slice), digest, bytes, stored, .. }) => serde_json::json!({
                "fill": fill,
                "url": self.log.url(url),
                "slice": slice.to_string(),
                "slice_digest": digest.to_string(),
                "bytes": bytes,
                "stored": stored,
            }),
            Ok(filled) => {
                let mut data = serde_json::json!({
                    "fill": fill,
                    "digest": filled.digest.to_string(),
                    "bytes": filled.bytes,
                    "stored": filled.stored,
                });
                match filled.decoded {
                    Some(Ok(decoded)) => data["decoded_digest"] = decoded.digest.to_string().into(),
                    Some(Err(why)) => self.undecoded(Some(fill), url, why),
                    None => {}
                }
                data
            }
            Err(why) => serde_json::json!({ "fill": fill, "url": self.log.url(url), "stored": false, "why": why }),
        };
        self.log.event(event("filled", data));
    }

    /// An entry was made in a coding, of the bytes that came by that fetch: its digest and theirs, or why there is
    /// none.
    pub fn coded(&self, fill: u64, url: &Url, coding: Coding, origin: Option<Digest>, made: Result<Filled, String>) {
        let data = match made {
            Ok(filled) => serde_json::json!({
                "fill": fill,
                "coding": coding.as_str(),
                "origin_digest": origin.map(|digest| digest.to_string()),
                "digest": filled.digest.to_string(),
                "bytes": filled.bytes,
                "stored": filled.stored,
            }),
            Err(why) => serde_json::json!({
                "fill": fill,
                "url": self.log.url(url),
                "coding": coding.as_str(),
                "stored": false,
                "why": why,
            }),
        };
        self.log.event(event("filled", data));
    }

    /// It is not known what a body is without the content coding that its origin sent it in, though a rule may name
    /// that.
    pub fn undecoded(&self, fill: Option<u64>, url: &Url, why: Undecodable) {
        let mut data = serde_json::json!({ "url": self.log.url(url), "why": why.to_string() });
        fill.inspect(|fill| data["fill"] = (*fill).into());
        self.log.event(event("undecoded", data));
    }

    /// What the run before had stored is stored again: as if it had been fetched, and where it is from.
    pub fn taken_up(&self, taken: &TakenUp) {
        let (run, fill) = taken.before;
        let mut data = serde_json::json!({
            "fill": taken.fill,
            "bytes": taken.bytes,
            "stored": true,
            "kept": { "run": run, "fill": fill },
        });
        match &taken.slice {
            Some(slice) => {
                data["url"] = self.log.url(&taken.url).into();
                data["slice"] = slice.to_string().into();
                data["slice_digest"] = taken.digest.to_string().into();
            }
            None => data["digest"] = taken.digest.to_string().into(),
        }
        self.log.event(event("filled", data));
    }
}

/// An event of the log, from an object.
pub fn event(kind: &'static str, data: serde_json::Value) -> Event {
    let data = match data {
        serde_json::Value::Object(data) => data,
        _ => serde_json::Map::new(),
    };
    Event { kind, data }
}
