//! Purges and look-ups among ten thousand, a hundred thousand and a million objects; what a look-up waits while one
//! is carried out; what an object takes beside its body and its head, and what all of them take where the memory is
//! full.
//!
//! Plain figures, because what is filled takes longer than what is measured.

use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use cache::{Aim, Cache, Caching, Force, Landing, Lookup, ReplyHead, Settings, Tag};
use http::header::{CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, ETAG, HOST, HeaderMap, HeaderName, HeaderValue};
use http::{Request, StatusCode};
use terms::url::Scheme;
use terms::{Ask, Body, Clock, Peer, Trusted, Url};

/// As in the program.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const BODY: usize = 64;

/// Objects of one tag and of one folder.
const TOGETHER: usize = 100;

fn ask(target: &str, clock: &Clock) -> (Ask, Arc<Url>) {
    let mut request = Request::new(Body::Empty);
    *request.uri_mut() = target.parse().expect("a URI");
    request.headers_mut().insert(HOST, HeaderValue::from_static("o.example"));
    let peer = Peer { address: ([127, 0, 0, 1], 4).into(), scheme: Scheme::Http };
    let (ask, _) = Ask::read(request, peer, &Trusted::default(), clock.now());
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

/// Names and values as they stand on the wire, with what stands between them.
fn bytes_of(head: &HeaderMap) -> usize {
    head.iter().map(|(name, value)| name.as_str().len() + value.len() + ": \r\n".len()).sum()
}

/// The longest of the look-ups that are made one after another until told to stop, half of them misses.
fn longest_look_up(cache: Cache, clock: Clock, stop: &AtomicBool) -> (Duration, u64) {
    let (mut longest, mut count) = (Duration::ZERO, 0);
    let asked = [ask("/album-0/picture-0.jpg", &clock), ask("/missing", &clock)];
    while !stop.load(Ordering::Relaxed) {
        for (ask, url) in &asked {
            let began = Instant::now();
            drop(black_box(cache.look_up(ask, url, &Caching::default(), ask.began)));
            longest = longest.max(began.elapsed());
            count += 1;
        }
    }
    (longest, count)
}

/// With look-ups beside it, that say how long the longest waited.
fn beside(what: &str, cache: &Cache, clock: &Clock, carry_out: impl FnOnce() -> u64) {
    let stop = Arc::new(AtomicBool::new(false));
    let (others, others_clock, told) = (cache.clone(), clock.clone(), stop.clone());
    let looking = std::thread::spawn(move || longest_look_up(others, others_clock, &told));
    std::thread::sleep(Duration::from_millis(10));
    let (began, busy) = (Instant::now(), on_cpu());
    let objects = carry_out();
    let (took, busy) = (began.elapsed(), on_cpu() - busy);
    stop.store(true, Ordering::Relaxed);
    let (longest, count) = looking.join().expect("look-ups go on");
    println!(
        "  {what:<24} {took:>12.2?}, {busy:>10.2?} of a core  {objects:>8} objects; longest of {count} look-ups \
         {longest:.2?}"
    );
}

/// For how long this thread has run: on a busy machine it mostly waits.
fn on_cpu() -> Duration {
    let told = std::fs::read_to_string("/proc/thread-self/schedstat").expect("the kernel tells");
    Duration::from_nanos(told.split(' ').next().and_then(|nanos| nanos.parse().ok()).expect("nanoseconds"))
}

/// What the machine makes a look-up wait while nothing is done to the cache.
fn spin() -> u64 {
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(1) {
        std::hint::spin_loop();
    }
    0
}

fn fill(cache: &Cache, clock: &Clock, objects: usize) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(async {
        for n in 0..objects {
            store(cache, clock, n).await;
        }
    });
}

fn measure(objects: usize) {
    let clock = Clock::system();
    let before = resident();
    let cache = Cache::new(Settings { memory: (objects * 4096) as u64, max_object: 1 << 20, keep: false, keep_max: 0 });
    let began = Instant::now();
    fill(&cache, &clock, objects);
    let each = began.elapsed() / objects as u32;
    let all = (resident() - before) / objects;
    let head = bytes_of(&stored_head(&cache, &clock, objects - 1));
    let weighed = cache.numbers().bytes.load(Ordering::Relaxed) as usize / objects;
    println!(
        "{objects} objects; {each:.2?} to store one; each takes {all} bytes, {} beside {BODY} of body and {head} of head, \
         and weighs {weighed}",
        all as i64 - (BODY + head) as i64
    );
    let asked: Vec<_> = (0..1000).map(|n| ask(&target(n * (objects / 1000)), &clock)).collect();
    let began = Instant::now();
    for (ask, url) in &asked {
        assert!(matches!(cache.look_up(ask, url, &Caching::default(), ask.began), Ok(Lookup::Fresh(_))));
    }
    println!("  {:<24} {:>12.2?}", "look-up", began.elapsed() / asked.len() as u32);
    let url = Url::parse(&format!("https://o.example{}", target(7))).expect("a URL");
    let covered = |test: &dyn Fn(&Url) -> bool| cache.purge(&Aim::Covered(&|url, _| test(url)), Force::Hard).objects;
    beside("nothing, for a second", &cache, &clock, spin);
    beside("purge of a URL", &cache, &clock, || {
        cache.purge(&Aim::Same(&url, &|one, other| one == other), Force::Hard).objects
    });
    beside("by a tag", &cache, &clock, || cache.purge(&Aim::Tagged(Tag::named(b"t1")), Force::Hard).objects);
    beside("by a prefix", &cache, &clock, || covered(&|url| url.folded().path().starts_with("/album-2/")));
    beside("of all, softly", &cache, &clock, || cache.purge(&Aim::Covered(&|_, _| true), Force::Soft).objects);
    beside("of all", &cache, &clock, || covered(&|_| true));
}

fn stored_head(cache: &Cache, clock: &Clock, n: usize) -> HeaderMap {
    let (ask, url) = ask(&target(n), clock);
    match cache.look_up(&ask, &url, &Caching::default(), ask.began) {
        Ok(Lookup::Fresh(hit)) => hit.entry.fields(),
        _ => panic!("it is stored"),
    }
}

/// A memory that more objects than it has room for are put into, each asked for twice so that it is let in.
fn overfill(memory: usize, objects: usize) {
    let clock = Clock::system();
    let before = resident();
    let cache = Cache::new(Settings { memory: memory as u64, max_object: 1 << 20, keep: false, keep_max: 0 });
    fill(&cache, &clock, objects);
    fill(&cache, &clock, objects);
    let (took, held) = ((resident() - before) >> 20, cache.numbers().objects.load(Ordering::Relaxed));
    println!("{objects} objects for a memory of {} MiB: {held} are held, and take {took} MiB", memory >> 20);
}

/// Each in a process of its own, so that no memory is taken which another one has left.
fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let number = |at: usize| words.get(at).and_then(|word| word.parse().ok()).unwrap_or(10_000);
    match words.first().map(String::as_str) {
        Some("measure") => measure(number(1)),
        Some("overfill") => overfill(number(1) * 256, number(1)),
        // A run of the tests builds benches and starts them so.
        Some("--test") => measure(10_000),
        _ => {
            for words in ["measure 10000", "measure 100000", "measure 1000000", "overfill 1000000"] {
                let program = std::env::current_exe().expect("this program");
                let ended = std::process::Command::new(program).args(words.split(' ')).status();
                assert!(ended.is_ok_and(|status| status.success()), "{words}");
            }
        }
    }
}
