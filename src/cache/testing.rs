//! What this room's tests share: a fixed start, asks, and heads.

use std::future::Future;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, HOST, HeaderMap, HeaderName, HeaderValue};
use http::{Request, StatusCode};
use terms::url::Scheme;
use terms::{Ask, BodyError, Moment, Peer, Refusal, Timestamp, Url};

use crate::{Cache, Caching, Fill, Filled, Landing, Lookup, ReplyHead, Settings, Writer};

pub const START: Timestamp = Timestamp::from_secs(1_790_000_000);

/// The same moment in all tests of one process.
pub fn moment() -> Moment {
    static STEADY: OnceLock<Instant> = OnceLock::new();
    Moment { wall: START, steady: *STEADY.get_or_init(Instant::now) }
}

pub fn later(moment: Moment, seconds: u64) -> Moment {
    let span = Duration::from_secs(seconds);
    Moment { wall: moment.wall.plus(span), steady: moment.steady + span }
}

pub fn fields(lines: &[(&'static str, &str)]) -> HeaderMap {
    lines.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap())).collect()
}

pub fn ask(method: &str, target: &str, lines: &[(&'static str, &str)]) -> (Ask, Arc<Url>) {
    let mut request = Request::builder().method(method).uri(target).body(()).unwrap();
    *request.headers_mut() = fields(lines);
    request.headers_mut().insert(HOST, HeaderValue::from_static("photos.example"));
    let peer = Peer { address: SocketAddr::from((Ipv4Addr::LOCALHOST, 4)), scheme: Scheme::Http };
    let (ask, ()) = Ask::read(request, peer, &terms::Trusted::default(), moment());
    let url = ask.url.clone().unwrap();
    (ask, url)
}

pub fn head(status: u16, lines: &[(&'static str, &str)]) -> ReplyHead {
    ReplyHead { status: StatusCode::from_u16(status).unwrap(), fields: fields(lines) }
}

pub fn cache_of(memory: u64, max_object: u64) -> Cache {
    Cache::new(Settings { memory, max_object, keep: false, keep_max: 0 })
}

/// Looks up and expects the duty to fetch.
pub fn miss(cache: &Cache, ask: &Ask, url: &Arc<Url>, now: Moment) -> Fill {
    match cache.look_up(ask, url, &Caching::default(), now) {
        Ok(Lookup::Miss(fill)) => *fill,
        other => panic!("{}", word(&other)),
    }
}

pub fn word(found: &Result<Lookup, Refusal>) -> String {
    match found {
        Ok(Lookup::Fresh(hit)) => format!("fresh {}", hit.how.as_str()),
        Ok(Lookup::Miss(fill)) => format!("miss {}", fill.conditions().len()),
        Ok(Lookup::Stale(hit, fill)) => format!("{} {}", hit.how.as_str(), fill.is_some()),
        Ok(Lookup::Filling(_)) => "filling".to_owned(),
        Ok(Lookup::Pass(pass)) => format!("pass {}", pass.why.as_str()),
        Ok(Lookup::Beside(pass, _)) => format!("pass {} beside a fill", pass.why.as_str()),
        Err(Refusal::OnlyIfCached) => "only-if-cached".to_owned(),
        Err(other) => other.to_string(),
    }
}

/// Lands a head that is storable.
pub fn land(fill: Fill, head: &ReplyHead, now: Moment) -> Writer {
    match fill.land(head, now, now) {
        Landing::Store(writer) => writer,
        Landing::Private(private) => panic!("{}", private.reason),
        Landing::Refreshed | Landing::Refused => panic!("not a full reply"),
    }
}

/// A cache that holds one answer to `GET /a`, fetched at [`moment`].
pub fn filled(status: u16, lines: &[(&'static str, &str)], body: &'static [u8]) -> Cache {
    let cache = cache_of(1 << 20, 1 << 17);
    fill_with(&cache, "/a", &[], &head(status, lines), body, moment());
    cache
}

/// Fetches `target` at once, and expects that it is stored.
pub fn fill_with(
    cache: &Cache,
    target: &str,
    asked: &[(&'static str, &str)],
    head: &ReplyHead,
    body: &'static [u8],
    now: Moment,
) {
    assert!(fetch(cache, target, asked, head, body, now).stored);
}

/// Fetches `target` at once.
pub fn fetch(
    cache: &Cache,
    target: &str,
    asked: &[(&'static str, &str)],
    head: &ReplyHead,
    body: &'static [u8],
    now: Moment,
) -> Filled {
    let (ask, url) = ask("GET", target, asked);
    let fill = miss(cache, &ask, &url, now);
    let _flight = fill.flight();
    let mut head = head.clone();
    head.fields.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
    let mut writer = land(fill, &head, now);
    assert!(matches!(at_once(writer.push(Bytes::from_static(body))), Some(Ok(()))));
    writer.finish().unwrap()
}

/// What comes of it without a wait.
pub fn at_once<T>(future: impl Future<Output = T>) -> Option<T> {
    match std::pin::pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(outcome) => Some(outcome),
        Poll::Pending => None,
    }
}

/// A rule came into force.
pub fn cut() -> BodyError {
    let origin = terms::ruling::RuleOrigin::Edit { id: "1".into() };
    let (status, notices) = (terms::BlockStatus::default(), std::sync::Arc::new([]));
    let ruling = terms::Ruling {
        rule: "h.example".into(),
        notices,
        reason: None,
        status,
        authority: None,
        page: None,
        disclose: None,
        residence: None,
        origin,
        list: 1,
    };
    BodyError::Cut(std::sync::Arc::new(ruling))
}
