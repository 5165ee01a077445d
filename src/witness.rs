//! The witness: from what was asked and what came of it, the response, its record and its numbers.
//!
//! An answer's record is made when its last byte has left, or when it is clear that it never will.

use std::sync::Arc;
use std::time::Duration;

use audit::{Event, Log};
use cache::coding::{Coding, Undecodable};
use cache::{Filled, TakenUp};
use http::header::{self, HeaderValue};
use http::{Method, Response};
use http_body::Body as _;
use terms::{Answer, Ask, Body, CacheUse, Clock, Digest, Proof, Record, Refusal, RequestId, Ruling, Url, Verdict};
use tokio::time::{Instant, sleep};

use crate::access_log::{AccessLog, Noted};
use crate::forward::{self, X_REQUEST_ID};
use crate::pages::Pages;
use crate::quota::Place;
use crate::sites::Site;
use crate::telemetry::{SiteNumbers, Telemetry};

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
    pub draft: Option<Draft>,
    /// No other answer may follow it on its connection.
    pub is_last: bool,
}

/// How an answer ended.
pub struct End {
    /// Body bytes handed to the kernel, less what was thrown away.
    pub bytes: u64,
    pub complete: bool,
    pub outcome: Outcome,
    /// The list version that the answer was last judged by on its way, if it was registered.
    pub list: Option<u64>,
}

pub enum Outcome {
    AsAnswered,
    /// A rule came into force, and the rest was stopped.
    Cut(Arc<Ruling>),
    /// The bytes stopped coming, or had to be stopped for another answer's sake.
    Broken,
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

    /// The response, whatever came of the ask. `list` is the index in force.
    pub fn respond(
        self: &Arc<Self>,
        ask: &Ask,
        site: Option<&Site>,
        outcome: Result<Cleared, Refusal>,
        list: u64,
    ) -> Response<Witnessed> {
        let (mut answer, url, verdict, ruling, ticket, list, place) = match outcome {
            Ok(cleared) => {
                let Cleared { answer, url, ticket, list, place } = cleared;
                (answer, Some(url), Verdict::Served, None, Some(ticket), list, place)
            }
            Err(refusal) => {
                if matches!(refusal, Refusal::OriginUnreachable(_) | Refusal::OriginBroken(_) | Refusal::OriginTimeout)
                {
                    tracing::warn!(site = site.map(|site| &*site.name), id = %ask.id, "{refusal}");
                }
                let answer = self.pages.load().refusal(&refusal, Some(&ask.fields));
                let url = ask.url.as_ref().ok().cloned();
                match refusal {
                    Refusal::Blocked(ruling) => {
                        let list = ruling.list;
                        (answer, url, Verdict::Blocked, Some(ruling), None, list, None)
                    }
                    _ => (answer, url, Verdict::Failed, None, None, list, None),
                }
            }
        };
        let url = url.map(|url| called(site, url));
        // Bytes behind a request for a tunnel that doesn't come about were meant for it: none is read as a request.
        answer.close |= ask.present.tunnel && answer.cache != CacheUse::Tunnel;
        let record = Box::new(Record {
            began: ask.began.wall,
            ended: ask.began.wall,
            site: site.map(|site| site.name.clone()),
            id: ask.id.clone(),
            method: ask.method.clone(),
            url,
            status: answer.status,
            verdict,
            ruling,
            list,
            cache: answer.cache,
            fill: answer.fill,
            origin_digest: None,
            digest: None,
            departures: answer.departures,
            range: std::mem::take(&mut answer.range),
            bytes: 0,
            complete: false,
            client: ask.client.address,
        });
        let draft = Draft {
            trace: Trace { id: ask.id.clone(), url: record.url.clone() },
            proof: answer.origin_proof.clone(),
            ticket,
            numbers: self.telemetry.of_site(site),
            record: Some(record),
            noted: self.access.is_on().then(|| Box::new(Noted::of(ask))),
            witness: self.clone(),
            place,
        };
        self.response(&ask.id, &ask.method, answer, Some(draft))
    }

    /// The response to a head of which too little could be read for a record.
    pub fn respond_unread(&self, refusal: &Refusal) -> Response<Witnessed> {
        let answer = self.pages.load().refusal(refusal, None);
        self.response(&RequestId::random(), &Method::GET, answer, None)
    }

    fn response(&self, id: &RequestId, method: &Method, answer: Answer, draft: Option<Draft>) -> Response<Witnessed> {
        let Answer { status, mut fields, mut body, cache, close, .. } = answer;
        if cache == CacheUse::None || !fields.contains_key(header::VIA) {
            fields.insert(header::VIA, self.via_here.clone());
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

    fn record(&self, record: Box<Record>, noted: Option<Box<Noted>>, numbers: &SiteNumbers) {
        numbers.answered(record.cache, record.verdict, record.bytes, record.ended.since(record.began));
        if let Some(noted) = noted {
            self.access.push(Record::clone(&record), *noted);
        }
        // By value: what is allocated here is freed here, while it is warm.
        self.log.push(*record);
    }
}

/// A URL as its records name it.
fn called(site: Option<&Site>, url: Arc<Url>) -> Arc<Url> {
    match site {
        Some(site) => site.called(url),
        None => url,
    }
}

/// Enough of a recorded answer to tell of it later.
struct Trace {
    id: RequestId,
    url: Option<Arc<Url>>,
}

/// The record of an answer that is under way. Dropped without an end, it tells of an answer of which
/// nothing left.
pub struct Draft {
    witness: Arc<Witness>,
    /// Boxed, because it is handed on some times.
    record: Option<Box<Record>>,
    /// For the access log, if there is one.
    noted: Option<Box<Noted>>,
    proof: Proof,
    ticket: Option<u64>,
    numbers: Arc<SiteNumbers>,
    trace: Trace,
    place: Option<Place>,
}

impl Draft {
    /// Where the answer stands in the register, if it is one that a rule could cut.
    pub fn ticket(&self) -> Option<u64> {
        self.ticket
    }

    pub fn end(&mut self, end: End) {
        let Some(mut record) = self.record.take() else { return };
        self.place = None;
        // The system's clock may have been set back meanwhile.
        record.ended = self.witness.clock.wall().max(record.began);
        record.bytes = end.bytes;
        record.complete = end.complete;
        record.list = end.list.unwrap_or(record.list);
        record.origin_digest = self.proof.digest();
        record.digest = self.proof.served();
        match end.outcome {
            Outcome::AsAnswered => {}
            Outcome::Broken => record.verdict = Verdict::Failed,
            Outcome::Cut(ruling) => {
                record.verdict = Verdict::Cut;
                record.list = ruling.list;
                record.ruling = Some(ruling);
            }
        }
        if record.verdict == Verdict::Cut {
            self.witness.telemetry.cut();
        }
        self.witness.record(record, self.noted.take(), &self.numbers);
    }

    /// The answer was recorded as complete, and then its last `thrown` bytes were thrown away.
    pub fn cut_after_record(&self, ruling: &Ruling, thrown: u64) {
        self.witness.telemetry.cut();
        let mut data = serde_json::json!({
            "id": self.trace.id.to_string(),
            "url": self.trace.url.as_ref().map(|url| self.witness.log.url(url)),
            "rule": &*ruling.rule,
            "notice": ruling.notices.first().map(|notice| &**notice),
            "list": ruling.list,
            "bytes_thrown_away": thrown,
        });
        if let Some(residence) = &ruling.residence {
            data["country"] = residence.as_str().into();
        }
        self.witness.log.event(event("cut", data));
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

impl Drop for Draft {
    fn drop(&mut self) {
        self.end(End { bytes: 0, complete: false, outcome: Outcome::AsAnswered, list: None });
    }
}
