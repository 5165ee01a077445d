mod late;
mod time;

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::Duration;

use ::cache::{Caching, Landing, Lookup, ReplyHead};
use audit::{ClientForm, OnPressure, QueryForm, Sync};
use block::edits::Draft;
use block::{Kin, Listed, Shelf};
use bytes::Bytes;
use feeds::{Feed, OnStale};
use http::header::{CACHE_CONTROL, HOST, HeaderMap, HeaderValue};
use http::{Request, StatusCode};
use terms::url::Scheme;
use terms::{Ask, Body, Peer, Proof, Trusted};

use super::*;
use crate::sites::Sites;

const START: Timestamp = Timestamp::from_secs(1_000);

fn takedown(state: &Path, memory: u64, clock: &Clock) -> Takedown {
    takedown_by(state, memory, clock, Vec::new(), Feeds::open(state, clock.clone()).unwrap())
}

fn takedown_by(state: &Path, memory: u64, clock: &Clock, lists: Vec<Listed>, feeds: Feeds) -> Takedown {
    let settings = block::Settings { lists, state: state.to_owned(), geo: false };
    let (sources, _) = Sources::load(&settings, START).unwrap();
    let edits = Edits::open(&state.join("blocks")).unwrap();
    let shelf = Shelf::new(state.to_owned());
    let blocks = Blocks::new(state, edits.live(), sources.tables(), Kin::default(), shelf).unwrap();
    let log = audit::Settings {
        dir: state.join("audit"),
        node: uuid::Uuid::nil().to_string(),
        run: 1,
        segment_size: 1 << 20,
        segment_age: Duration::from_secs(60),
        sync: Sync::Segment,
        high_water: 100,
        on_pressure: OnPressure::Shed,
        client: ClientForm::None,
        url_query: QueryForm::Full,
        key: [0; 16],
    };
    let cache = Cache::new(cache::Settings { memory, max_object: 1 << 20, keep: false, keep_max: 0 });
    let log = Log::open(log, clock.clone()).unwrap();
    let hooks = Hooks::open(&state.join("hooks"), Vec::new(), clock.clone()).unwrap();
    let (blocks, sources, hooks) = (Arc::new(blocks), Arc::new(Mutex::new(sources)), Arc::new(hooks));
    let supply = Supply { sources, feeds: Arc::new(feeds) };
    Takedown::new(blocks, edits, supply, cache, log, hooks, clock.clone()).unwrap()
}

#[tokio::test]
async fn what_is_shown_waits_for_no_publication() {
    let state = tempfile::tempdir().unwrap();
    let clock = Clock::manual(START);
    let takedown = Arc::new(takedown(state.path(), 1 << 20, &clock));
    let draft =
        Draft { id: "e".into(), rules: vec!["https://h.example/a".into()], attributes: BTreeMap::new(), by: None };
    assert!(matches!(takedown.block(draft), Ok(Done::Now(_))));
    clock.advance(Duration::from_secs(7));

    let (_turn, _look) = (takedown.turn.lock(), takedown.supply.sources.lock());
    let (tell, told) = mpsc::channel();
    let shown = takedown.clone();
    std::thread::spawn(move || tell.send((shown.lists(), shown.list_troubles(), shown.sources())));
    let (lists, troubles, _) = told.recv_timeout(Duration::from_secs(10)).expect("an answer while others publish");
    assert_eq!((lists.rules, lists.live, lists.age), (1, 1, Duration::from_secs(7)));
    assert_eq!((lists.version, troubles.len()), (takedown.blocks.version(), 0));
}

/// A feed at a server that gives this list to whoever asks.
fn feed(state: &Path, list: Arc<Mutex<String>>) -> Feed {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/list.txt", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        while let Ok((mut stream, _)) = listener.accept() {
            let _ = stream.read(&mut [0; 4096]);
            let list = list.lock().clone();
            let _ = write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{list}", list.len());
        }
    });
    Feed {
        name: "feed".into(),
        file: feeds::place(state, "feed", &url),
        url,
        key_file: None,
        headers_file: None,
        ca_file: None,
        every: Duration::from_secs(3600),
        timeout: Duration::from_secs(10),
        max_size: 1 << 20,
        allow_private: vec!["127.0.0.1".parse().unwrap()],
        max_age: Duration::from_secs(60),
        on_stale: OnStale::FailClosed,
    }
}

/// No other rules can be put in force once the numbers of versions that were written ahead are used up; until the folder
/// is gone that stands where they are written.
fn let_nothing_be_published(state: &Path, takedown: &Takedown) -> PathBuf {
    let versions = state.join("list-version");
    std::fs::remove_file(&versions).unwrap();
    std::fs::create_dir(&versions).unwrap();
    while takedown.put_in_force(&takedown.turn.lock()).is_ok() {}
    versions
}

#[tokio::test]
async fn a_feed_is_confirmed_by_what_judges_and_not_by_what_was_read() {
    let state = tempfile::tempdir().unwrap();
    let (clock, list) = (Clock::manual(START), Arc::new(Mutex::new("one.example\n".to_owned())));
    let feed = feed(state.path(), list.clone());
    let feeds = Feeds::open(state.path(), clock.clone()).unwrap();
    assert!(feeds.fetch_missing(std::slice::from_ref(&feed)).await.is_empty());
    feeds.follow(std::slice::from_ref(&feed));
    let lists = vec![Listed { path: feed.file.clone(), name: Some(feed.name.clone()), foreign: None }];
    let takedown = takedown_by(state.path(), 1 << 20, &clock, lists.clone(), feeds);
    takedown.look_at_feeds();
    assert!(takedown.blocks.are_good(clock.wall()));

    let in_the_way = let_nothing_be_published(state.path(), &takedown);
    clock.advance(2 * feed.max_age);
    list.lock().insert_str(0, "two.example\n");
    let asked = takedown.supply.feeds.poll(std::slice::from_ref(&feed.name), Duration::from_secs(10)).await;
    assert!(asked[0].1.is_ok(), "{asked:?}");
    let changes = takedown.supply.sources.lock().reload(&lists, false, Naming::Reload { accept_shrink: false }, &clock);
    takedown.look_at_feeds();
    assert!(!takedown.blocks.are_good(clock.wall()), "it was read, and is not in force yet");
    takedown.lists_changed(&changes);
    assert_eq!((takedown.board.tables()[0].len(), takedown.blocks.index().rules()), (2, 1));
    // Nor does it look confirmed while that is tried again.
    for _ in 0..2 {
        assert!(!takedown.blocks.are_good(clock.wall()));
        assert!(takedown.unpublished.load(Relaxed));
        takedown.keep_up(true);
    }
    std::fs::remove_dir(in_the_way).unwrap();
    takedown.keep_up(true);
    assert!(takedown.blocks.are_good(clock.wall()));
    assert_eq!((takedown.blocks.index().rules(), takedown.unpublished.load(Relaxed)), (2, false));
}

/// Stores an object of one byte.
async fn store(cache: &Cache, clock: &Clock, target: &str) {
    let mut request = Request::new(Body::Empty);
    *request.uri_mut() = target.parse().unwrap();
    request.headers_mut().insert(HOST, HeaderValue::from_static("h.example"));
    let peer = Peer { address: ([127, 0, 0, 1], 4).into(), scheme: Scheme::Https };
    let (ask, _) = Ask::read(request, peer, &Trusted::default(), clock.now());
    let url = ask.url.clone().unwrap();
    let Ok(Lookup::Miss(fill)) = cache.look_up(&ask, &url, &Caching::default(), ask.began) else { panic!() };
    let flight = fill.flight();
    let fields = HeaderMap::from_iter([(CACHE_CONTROL, HeaderValue::from_static("max-age=3600"))]);
    let Landing::Store(mut writer) = fill.land(&ReplyHead { status: StatusCode::OK, fields }, ask.began, ask.began)
    else {
        panic!()
    };
    writer.push(Bytes::from_static(b"x")).await.unwrap();
    writer.finish().unwrap();
    drop(flight);
}

/// Or as many as `SEAWALL_TEST_OBJECTS` says.
const OBJECTS: usize = 10_000;

#[tokio::test]
async fn a_dry_run_counts_all_and_tells_some() {
    let objects = std::env::var("SEAWALL_TEST_OBJECTS").map_or(OBJECTS, |count| count.parse().unwrap());
    let state = tempfile::tempdir().unwrap();
    let clock = Clock::manual(START);
    let takedown = takedown(state.path(), objects as u64 * 4096, &clock);
    for n in 0..objects {
        store(&takedown.cache, &clock, &format!("/{}/{n}", n % 10)).await;
    }
    let stored = takedown.cache.numbers().objects.load(Relaxed);
    assert_eq!(stored, objects as u64);
    let sites = Sites::new(Vec::new(), Trusted::default());
    let draft = |rules: &[&str]| Draft {
        id: "e".into(),
        rules: rules.iter().map(|rule| (*rule).to_owned()).collect(),
        attributes: BTreeMap::new(),
        by: None,
    };
    let tried = |rules: &[&str], after: Option<&str>| {
        let rows = Rows::new(after, 7).unwrap();
        let began = std::time::Instant::now();
        let told = json!(takedown.try_block(&draft(rules), &sites, &rows).unwrap());
        println!("{rules:?} among {objects}: {:?}", began.elapsed());
        told
    };
    let told = tried(&["https://h.example/3/*"], None);
    let first = (0..objects).filter(|n| n % 10 == 3).map(|n| format!("https://h.example/3/{n}")).min();
    assert_eq!((&told["blocked"]["urls"], &told["urls"][0]["url"]), (&json!(objects / 10), &json!(first)));
    let next = told["next"].as_str().unwrap();
    assert_eq!(tried(&["https://h.example/3/*"], Some(next))["left_out"], objects / 10 - 14);
    let told = tried(&["*.example", "!https://h.example/4/*"], None);
    assert_eq!(
        (&told["blocked"]["objects"], &told["spared"]["objects"]),
        (&json!(objects / 10 * 9), &json!(objects / 10))
    );
    let told = tried(&[&Digest::of(b"x").to_string()], None);
    assert_eq!(told["blocked"]["urls"], objects);
    assert_eq!(takedown.cache.numbers().objects.load(Relaxed), stored);
}
