use std::fs;
use std::time::Instant;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;

const START: Timestamp = Timestamp::from_secs(1_790_000_000);

/// A server that gives this answer to whoever asks, until there is another; what it was asked is kept.
struct Server {
    port: u16,
    answer: Arc<Mutex<String>>,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Server {
    async fn start() -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (answer, asked): (Arc<Mutex<String>>, Arc<Mutex<Vec<String>>>) = Default::default();
        let (ours, heard) = (answer.clone(), asked.clone());
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut head = vec![0; 4096];
                let count = stream.read(&mut head).await.unwrap_or(0);
                heard.lock().push(String::from_utf8_lossy(&head[..count]).into_owned());
                let answer = ours.lock().clone();
                let _ = stream.write_all(answer.as_bytes()).await;
            }
        });
        Server { port, answer, asked }
    }

    fn serves(&self, body: &str) {
        let length = body.len();
        *self.answer.lock() = format!("HTTP/1.1 200 OK\r\nETag: \"{body}\"\r\nContent-Length: {length}\r\n\r\n{body}");
    }

    fn answers(&self, status: &str) {
        *self.answer.lock() = format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n");
    }

    fn count(&self) -> usize {
        self.asked.lock().len()
    }
}

fn feed(state: &Path, server: &Server, path: &str) -> Feed {
    let url = format!("http://127.0.0.1:{}{path}", server.port);
    Feed {
        name: path.into(),
        file: place(state, path, &url),
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

async fn until(what: &str, holds: impl Fn() -> bool) {
    let end = Instant::now() + Duration::from_secs(20);
    while !holds() {
        assert!(Instant::now() < end, "in vain: {what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

async fn poll(feeds: &Feeds, feed: &Feed) -> Result<Heard, Arc<str>> {
    let mut heard = feeds.poll(std::slice::from_ref(&feed.name), Duration::from_secs(10)).await;
    let (name, outcome) = heard.remove(0);
    assert_eq!((name, heard.len()), (feed.name.clone(), 0));
    outcome
}

#[tokio::test]
async fn what_is_fetched_is_in_its_file_and_confirmed_once_it_is_in_force() {
    let (state, server, clock) = (tempfile::tempdir().unwrap(), Server::start().await, Clock::manual(START));
    let feeds = Feeds::open(state.path(), clock.clone()).unwrap();
    let one = feed(state.path(), &server, "/one.txt");
    server.serves("first");
    assert!(feeds.fetch_missing(std::slice::from_ref(&one)).await.is_empty());
    feeds.follow(std::slice::from_ref(&one));
    assert_eq!(fs::read(&one.file).unwrap(), b"first");
    assert_eq!(server.count(), 1, "what was fetched for this is not asked for at once");
    let status = |in_force: Option<&[u8]>| feeds.status(|_| in_force.map(Digest::of)).remove(0);
    assert_eq!((status(None).checked_at, status(None).confirmed_at), (Some(START), None));
    assert!(status(Some(b"older")).good_until() < START);
    assert_eq!(status(Some(b"first")).good_until(), START.plus(one.max_age));

    clock.advance(Duration::from_secs(30));
    server.answers("304 Not Modified");
    assert_eq!(poll(&feeds, &one).await, Ok(Heard::Unchanged));
    assert!(server.asked.lock()[1].contains("if-none-match: \"first\"\r\n"));
    assert_eq!(status(Some(b"first")).confirmed_at, Some(START.plus(Duration::from_secs(30))));

    clock.advance(Duration::from_secs(30));
    server.serves("second");
    assert_eq!(poll(&feeds, &one).await, Ok(Heard::New));
    let now = status(Some(b"first"));
    assert_eq!(now.confirmed_at, Some(START.plus(Duration::from_secs(30))), "the second is not in force yet");
    assert_eq!((now.fetched, now.unchanged, now.failed), (1, 1, 0));
    assert_eq!(status(Some(b"second")).confirmed_at, Some(START.plus(Duration::from_secs(60))));
}

#[tokio::test]
async fn what_is_known_outlives_a_restart_if_the_file_is_the_same() {
    let (state, server, clock) = (tempfile::tempdir().unwrap(), Server::start().await, Clock::manual(START));
    let one = feed(state.path(), &server, "/one.txt");
    for (file, condition) in [("first", true), ("somebody's", false)] {
        server.serves("first");
        let feeds = Feeds::open(state.path(), clock.clone()).unwrap();
        feeds.fetch_missing(std::slice::from_ref(&one)).await;
        feeds.close();
        fs::write(&one.file, file).unwrap();
        let (again, asked) = (Feeds::open(state.path(), clock.clone()).unwrap(), server.count());
        again.follow(std::slice::from_ref(&one));
        until("it is asked at once", || server.count() > asked).await;
        assert_eq!(server.asked.lock().last().unwrap().contains("if-none-match"), condition, "{file}");
        until("the file is whole", || fs::read(&one.file).unwrap() == b"first").await;
    }
}

#[tokio::test]
async fn what_is_known_is_of_the_file_that_is_there_whatever_fails() {
    let (state, server, clock) = (tempfile::tempdir().unwrap(), Server::start().await, Clock::manual(START));
    let feeds = Feeds::open(state.path(), clock.clone()).unwrap();
    let one = feed(state.path(), &server, "/one.txt");
    let is_conditional = || server.asked.lock().last().unwrap().contains("if-none-match");
    let status = |in_force: &[u8]| feeds.status(|_| Some(Digest::of(in_force))).remove(0);
    server.serves("first");
    assert!(feeds.fetch_missing(std::slice::from_ref(&one)).await.is_empty());
    feeds.follow(std::slice::from_ref(&one));
    assert_eq!(status(b"first").confirmed_at, Some(START));

    // The file is put, and its facts can't be.
    let name = one.file.file_name().unwrap().to_str().unwrap();
    let facts = state.path().join(format!("feeds/facts/{name}.json"));
    fs::remove_file(&facts).unwrap();
    fs::create_dir(&facts).unwrap();
    clock.advance(Duration::from_secs(30));
    server.serves("second");
    assert!(poll(&feeds, &one).await.unwrap_err().contains("the state folder can't be written"));
    assert_eq!(fs::read(&one.file).unwrap(), b"second");
    assert_eq!(status(b"second").confirmed_at, Some(START), "nothing says yet of what it is");
    fs::remove_dir(&facts).unwrap();
    // Though the first comes again, the file is the second.
    server.serves("first");
    assert_eq!(poll(&feeds, &one).await, Ok(Heard::New));
    assert!(!is_conditional());
    assert_eq!(fs::read(&one.file).unwrap(), b"first");
    assert_eq!(status(b"first").confirmed_at, Some(START.plus(Duration::from_secs(30))));

    // Somebody's is in force, and what the feed serves is not: it is asked for the whole. What it serves and is refused
    // is not fetched over and over.
    for (file, condition) in [("somebody's", false), ("first", true)] {
        fs::write(&one.file, file).unwrap();
        status(b"somebody's");
        assert!(poll(&feeds, &one).await.is_ok());
        assert_eq!((is_conditional(), fs::read(&one.file).unwrap()), (condition, b"first".to_vec()), "{file}");
    }
}

#[tokio::test]
async fn what_was_confirmed_in_the_future_is_not() {
    let (state, server) = (tempfile::tempdir().unwrap(), Server::start().await);
    let one = feed(state.path(), &server, "/one.txt");
    let later = START.plus(Duration::from_secs(3600));
    server.serves("first");
    let feeds = Feeds::open(state.path(), Clock::manual(later)).unwrap();
    assert!(feeds.fetch_missing(std::slice::from_ref(&one)).await.is_empty());
    feeds.close();
    server.answers("500 Away");
    for (now, is_confirmed) in [(START, false), (later.plus(Duration::from_secs(1)), true)] {
        let feeds = Feeds::open(state.path(), Clock::manual(now)).unwrap();
        feeds.follow(std::slice::from_ref(&one));
        let status = feeds.status(|_| Some(Digest::of(b"first"))).remove(0);
        assert_eq!(status.confirmed_at.is_some(), is_confirmed);
        assert_eq!(status.good_until() >= now, is_confirmed);
        feeds.close();
    }
}

#[tokio::test]
async fn feeds_are_told_apart_and_files_of_none_are_swept() {
    let (state, server) = (tempfile::tempdir().unwrap(), Server::start().await);
    let feeds = Feeds::open(state.path(), Clock::manual(START)).unwrap();
    let (one, other) = (feed(state.path(), &server, "/one.txt"), feed(state.path(), &server, "/other.txt"));
    server.serves("rules");
    let both = [one.clone(), other.clone()];
    assert!(feeds.fetch_missing(&both).await.is_empty());
    feeds.follow(&both);
    assert_eq!(server.count(), 2);
    // The same again asks nobody; other settings of one ask that one.
    feeds.follow(&[one.clone(), Feed { max_size: 1 << 10, ..other.clone() }]);
    until("the other is asked", || server.count() == 3).await;
    assert!(server.asked.lock()[2].starts_with("GET /other.txt "));
    feeds.follow(std::slice::from_ref(&one));
    assert!(!feeds.is_in_use(&other) && other.file.exists());
    feeds.sweep().unwrap();
    assert!(!other.file.exists() && one.file.exists());
    // One that is in use is not waited for, whatever became of its file; what was fetched for nobody is asked for again.
    fs::remove_file(&one.file).unwrap();
    let asked = server.count();
    assert!(feeds.fetch_missing(&both).await.is_empty());
    assert!(other.file.exists() && !one.file.exists());
    assert!(feeds.fetch_missing(&both).await.is_empty());
    assert_eq!(server.count(), asked + 1);
    feeds.follow(std::slice::from_ref(&other));
    until("it is asked at once", || server.count() == asked + 2).await;
    feeds.follow(std::slice::from_ref(&one));
    assert_eq!(feeds.poll(std::slice::from_ref(&other.name), Duration::from_secs(10)).await, []);
}

#[tokio::test]
async fn a_turn_is_news_once() {
    let (state, server) = (tempfile::tempdir().unwrap(), Server::start().await);
    let feeds = Feeds::open(state.path(), Clock::manual(START)).unwrap();
    let one = feed(state.path(), &server, "/one.txt");
    server.serves("rules");
    feeds.follow(std::slice::from_ref(&one));
    feeds.checked().await;
    assert!(feeds.news().is_empty());
    server.answers("500 Away");
    assert_eq!(poll(&feeds, &one).await, Err("it answered 500 Internal Server Error".into()));
    assert!(poll(&feeds, &one).await.is_err());
    assert_eq!(feeds.news().remove("/one.txt").unwrap().as_deref(), Some("it answered 500 Internal Server Error"));
    assert!(poll(&feeds, &one).await.is_err());
    assert!(feeds.news().is_empty());
    server.serves("rules");
    assert_eq!(poll(&feeds, &one).await, Ok(Heard::Unchanged));
    assert_eq!(feeds.news().remove("/one.txt"), Some(None));
    assert_eq!(fs::read(&one.file).unwrap(), b"rules");
    assert_eq!(fs::read_dir(state.path().join("feeds/coming")).unwrap().count(), 0, "nothing is left half fetched");
}

#[test]
fn a_file_is_named_after_its_feed() {
    let state = Path::new("/s");
    let file = |url: &str| place(state, "n", url).file_name().unwrap().to_str().unwrap().to_owned();
    for (url, begins, ends) in [
        ("https://f.example/lists/blocked.txt", "blocked~", ".txt"),
        ("https://f.example/lists/blocked.toml?x=/y.txt", "blocked~", ".toml"),
        ("https://f.example/export/csv_online/", "csv_online~", ".txt"),
        ("https://f.example", "feed~", ".txt"),
        ("https://f.example/?x", "feed~", ".txt"),
        ("https://f.example/..", "~", ".txt"),
        ("https://f.example/.hidden", "hidden~", ".txt"),
        ("https://f.example/a%2Fb{key}ü", "a_2Fb_key__~", ".txt"),
    ] {
        let name = file(url);
        assert!(name.starts_with(begins) && name.ends_with(ends), "{url}: {name}");
        assert_eq!(name.len(), begins.len() + 16 + ends.len(), "{name}");
    }
    assert_ne!(file("https://f.example/a?x"), file("https://f.example/a?y"));
    assert_ne!(place(state, "n", "https://f.example/a"), place(state, "m", "https://f.example/a"));
    assert!(file(&format!("https://f.example/{}", "x".repeat(2000))).len() < 255);
}
