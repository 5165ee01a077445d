//! The record of an answer, from when it is known until its last byte has left.

use std::sync::Arc;

use terms::{Answer, Ask, Proof, Record, RequestId, Ruling, Url, Verdict};

use super::{Witness, event};
use crate::access_log::Noted;
use crate::quota::Place;
use crate::sites::Site;
use crate::telemetry::SiteNumbers;

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

/// What is recorded of an answer beside what it says itself.
pub(super) struct Judged {
    pub url: Option<Arc<Url>>,
    pub verdict: Verdict,
    pub ruling: Option<Arc<Ruling>>,
    pub ticket: Option<u64>,
    pub list: u64,
    pub place: Option<Place>,
}

/// Enough of a recorded answer to tell of it later.
#[derive(Clone)]
pub struct Trace {
    witness: Arc<Witness>,
    id: RequestId,
    url: Option<Arc<Url>>,
}

/// The record of an answer that is under way. Dropped without an end, it tells of an answer of which
/// nothing left. Boxed, because it is handed on some times.
pub struct Draft {
    record: Option<Record>,
    /// For the access log, if there is one.
    noted: Option<Box<Noted>>,
    proof: Proof,
    ticket: Option<u64>,
    numbers: Arc<SiteNumbers>,
    trace: Trace,
    /// Freed with it.
    _place: Option<Place>,
}

impl Draft {
    pub(super) fn new(
        witness: &Arc<Witness>,
        ask: &Ask,
        site: Option<&Site>,
        answer: &mut Answer,
        judged: Judged,
    ) -> Box<Draft> {
        let Judged { url, verdict, ruling, ticket, list, place } = judged;
        let url = url.map(|url| called(site, url));
        Box::new(Draft {
            trace: Trace { witness: witness.clone(), id: ask.id.clone(), url: url.clone() },
            proof: answer.origin_proof.clone(),
            ticket,
            numbers: witness.telemetry.of_site(site),
            record: Some(Record {
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
            }),
            noted: witness.access.is_on().then(|| Box::new(Noted::of(ask))),
            _place: place,
        })
    }

    /// Where the answer stands in the register, if it is one that a rule could cut.
    pub fn ticket(&self) -> Option<u64> {
        self.ticket
    }

    /// Records how the answer ended.
    pub fn end(mut self: Box<Self>, end: End) -> Trace {
        self.record(end);
        self.trace.clone()
    }

    fn record(&mut self, end: End) {
        let Some(record) = &mut self.record else { return };
        let witness = &self.trace.witness;
        // The system's clock may have been set back meanwhile.
        record.ended = witness.clock.wall().max(record.began);
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
            witness.telemetry.cut();
        }
        self.numbers.answered(record.cache, record.verdict, record.bytes, record.ended.since(record.began));
        if let Some(noted) = self.noted.take() {
            witness.access.push(record.clone(), *noted);
        }
        // By value: what is allocated here is freed here, while it is warm.
        if let Some(record) = self.record.take() {
            witness.log.push(record);
        }
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        self.record(End { bytes: 0, complete: false, outcome: Outcome::AsAnswered, list: None });
    }
}

impl Trace {
    /// The answer was recorded as complete, and then its last `thrown` bytes were thrown away.
    pub fn cut_after_record(&self, ruling: &Ruling, thrown: u64) {
        self.witness.telemetry.cut();
        let mut data = serde_json::json!({
            "id": self.id.to_string(),
            "url": self.url.as_ref().map(|url| self.witness.log.url(url)),
            "rule": self.witness.log.forms().rule(&ruling.rule),
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

/// A URL as its records name it.
fn called(site: Option<&Site>, url: Arc<Url>) -> Arc<Url> {
    match site {
        Some(site) => site.called(url),
        None => url,
    }
}
