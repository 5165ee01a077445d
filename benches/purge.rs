//! Purges and look-ups among ten thousand, a hundred thousand and a million objects; what a look-up waits while one
//! is carried out; and what an object takes beside its body and its head.
//!
//! Plain figures, because what is filled takes longer than what is measured.

use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use cache::{Aim, Cache, Caching, Force, Landing, Lookup, Purged, ReplyHead, Settings, Tag};
use http::header::{CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, DATE, ETAG, HOST, HeaderMap, HeaderName, HeaderValue};
use http::{Request, StatusCode};
use terms::url::Scheme;
use terms::{Ask, Body, Clock, Networks, Peer, Url};

const BODY: usize = 64;

/// Objects of one tag and of one folder.
const TOGETHER: usize = 100;

fn ask(target: &str, clock: &Clock) -> (Ask, Arc<Url>) {
    let mut request = Request::new(Body::Empty);
    *request.uri_mut() = target.parse().expect("a URI");
    request.headers_mut().insert(HOST, HeaderValue::from_static("o.example"));
    let peer = Peer { address: ([127, 0, 0, 1], 4).into(), scheme: Scheme::Http };
    let (ask, _) = Ask::read(request, peer, &Networks::default(), clock.now());
    let url = ask.url.clone().expect("a URL");
    (ask, url)
}

fn target(n: usize) -> String {
    format!("/album-{}/picture-{n}.jpg", n / TOGETHER)
}

fn head(n: usize) -> HeaderMap {
    HeaderMap::from_iter([
        (CACHE_CONTROL, HeaderValue::from_static("max-age=3600")),
        (CONTENT_TYPE, HeaderValue::from_static("image/jpeg")),
        (CONTENT_LENGTH, HeaderValue::from(BODY)),
        (ETAG, HeaderValue::try_from(format!("\"{n}\"")).expect("an ETag")),
        (HeaderName::from_static("surrogate-key"), HeaderValue::try_from(format!("t{}", n / TOGETHER)).expect("a tag")),
    ])
}

async fn store(cache: &Cache, clock: &Clock, n: usize) {
    let (ask, url) = ask(&target(n), clock);
    let Ok(Lookup::Miss(fill)) = cache.look_up(&ask, &url, &Caching::default(), ask.began) else { return };
    let flight = fill.flight();
    let head = ReplyHead { status: StatusCode::OK, fields: head(n) };
    let Landing::Store(mut writer) = fill.land(&head, ask.began, ask.began) else { panic!("this can be stored") };
    writer.push(Bytes::from(vec![b'x'; BODY])).await.expect("it has a reader");
    writer.finish().expect("it is whole");
    drop(flight);
}

fn resident() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").expect("the kernel tells");
    statm.split(' ').nth(1).and_then(|pages| pages.parse::<usize>().ok()).expect("pages") * 4096
}

/// What a head of those takes that are stored, with the room that each has for what answers add.
fn bytes_of_a_head() -> usize {
    let before = resident();
    let clone = |n| {
        let mut head = head(n);
        // What the cache adds where an origin leaves it out, and the room that it makes for what answers add.
        head.insert(DATE, HeaderValue::try_from(format!("Sat, 28 Nov 2026 12:00:{:02} GMT", n % 60)).expect("a date"));
        head.reserve(8);
        head
    };
    let heads: Vec<HeaderMap> = (0..10_000).map(clone).collect();
    let each = (resident() - before) / heads.len();
    drop(black_box(heads));
    each
}

/// The longest of the look-ups that are made one after another until told to stop, half of them misses.
fn longest_look_up(cache: Cache, clock: Clock, stop: &AtomicBool) -> (Duration, u64) {
    let (mut longest, mut count) = (Duration::ZERO, 0);
    while !stop.load(Ordering::Relaxed) {
        let asked = [ask("/album-0/picture-0.jpg", &clock), ask("/missing", &clock)];
        for (ask, url) in &asked {
            let began = Instant::now();
            drop(black_box(cache.look_up(ask, url, &Caching::default(), ask.began)));
            longest = longest.max(began.elapsed());
            count += 1;
        }
    }
    (longest, count)
}

fn purge(what: &str, cache: &Cache, clock: &Clock, carry_out: impl FnOnce() -> Purged) {
    let stop = Arc::new(AtomicBool::new(false));
    let (others, others_clock, told) = (cache.clone(), clock.clone(), stop.clone());
    let looking = std::thread::spawn(move || longest_look_up(others, others_clock, &told));
    let began = Instant::now();
    let purged = carry_out();
    let took = began.elapsed();
    stop.store(true, Ordering::Relaxed);
    let (longest, count) = looking.join().expect("look-ups go on");
    println!("  {what:<24} {took:>12.2?}  {:>8} objects; longest of {count} look-ups {longest:.2?}", purged.objects);
}

fn measure(objects: usize, head: usize) {
    let clock = Clock::system();
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let before = resident();
    let cache = Cache::new(Settings { memory: 16 << 30, max_object: 1 << 20 });
    let began = Instant::now();
    runtime.block_on(async {
        for n in 0..objects {
            store(&cache, &clock, n).await;
        }
    });
    let each = began.elapsed() / objects as u32;
    let all = (resident() - before) / objects;
    let beside = all.saturating_sub(BODY + head);
    println!("{objects} objects; {each:.2?} to store one; {all} bytes each, {beside} beside body and head");
    let asked: Vec<_> = (0..1000).map(|n| ask(&target(n * (objects / 1000)), &clock)).collect();
    let began = Instant::now();
    for (ask, url) in &asked {
        assert!(matches!(cache.look_up(ask, url, &Caching::default(), ask.began), Ok(Lookup::Fresh(_))));
    }
    println!("  {:<24} {:>12.2?}", "look-up", began.elapsed() / asked.len() as u32);
    let url = Url::parse(&format!("https://o.example{}", target(7))).expect("a URL");
    let covered = |test: &dyn Fn(&Url) -> bool| cache.purge(&Aim::Covered(&|url, _| test(url)), Force::Hard);
    purge("purge of a URL", &cache, &clock, || cache.purge(&Aim::Same(&url, &|one, other| one == other), Force::Hard));
    purge("by a tag", &cache, &clock, || cache.purge(&Aim::Tagged(Tag::named(b"t1")), Force::Hard));
    purge("by a prefix", &cache, &clock, || covered(&|url| url.folded().path().starts_with("/album-2/")));
    purge("of all, softly", &cache, &clock, || cache.purge(&Aim::Covered(&|_, _| true), Force::Soft));
    purge("of all", &cache, &clock, || covered(&|_| true));
}

fn main() {
    let head = bytes_of_a_head();
    println!("a head takes {head} bytes");
    // A run of the tests builds benches and starts them with this word.
    let most = if std::env::args().any(|word| word == "--test") { 10_000 } else { 1_000_000 };
    for objects in [10_000, 100_000, 1_000_000].into_iter().filter(|objects| *objects <= most) {
        measure(objects, head);
    }
}
