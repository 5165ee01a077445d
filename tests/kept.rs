//! Restarts without a cold cache: what was stored is taken up, and nothing that should not be.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::PathBuf;

use rustix::fs::{CWD, FileType, Mode, mknodat};
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::harness::{Answer, Edge, Gate, HOST, Origin, Page, eventually, noise, seawall, sha256_hex, until};
use crate::ranges::{STORED, asked, range, ranged};

fn kept(edge: &Edge, name: &str) -> PathBuf {
    edge.path("state/cache").join(name)
}

/// Waits until all that the run before had kept is taken up, or refused.
fn until_taken_up(edge: &Edge) {
    eventually("the kept answers", || edge.metric("seawall_cache_kept_left_bytes") == 0.0);
}

/// Stops and starts it, and waits until what was kept is there.
fn restart(edge: &mut Edge) {
    edge.restart();
    until_taken_up(edge);
}

fn refused(edge: &Edge, reason: &str) -> f64 {
    edge.metric_where("seawall_cache_kept_refused_total", &[&format!("reason=\"{reason}\"")])
}

#[test]
fn what_was_stored_is_stored_after_a_restart() {
    let body = noise(300_000, 1);
    let page = Page::stored(&body).field("ETag", "\"1\"").field("Age", "100").field("X-Own", "caf\u{e9}");
    let origin = Origin::with("/a", page);
    let mut edge = Edge::plain(&origin);
    let first = edge.get("/a").stored();
    let fill = edge.record_of(&first)["fill"].clone();
    restart(&mut edge);
    let again = edge.get("/a").hit();
    assert!(again.body == body);
    assert!(age(&again) >= 100, "{again:#?}");
    for name in ["ETag", "X-Own", "Date", "Cache-Control", "Content-Length"] {
        assert_eq!(again.field(name), first.field(name), "{name}");
    }
    assert_eq!(edge.ask("GET", "/a", &[("If-None-Match", "\"1\"")]).hit().status, 304);
    let part = edge.ask("GET", "/a", &range("bytes=100-199")).hit();
    assert_eq!((part.status, &part.body[..]), (206, &body[100..200]));
    assert_eq!(edge.ask("HEAD", "/a", &[]).hit().field("Content-Length"), Some("300000"));
    assert_eq!(origin.asked("/a").len(), 1);
    // What the log says of it leads back to the fetch that made the bytes.
    let record = edge.record_of(&again);
    assert_eq!((&record["cache"], &record["digest"]), (&json!("hit"), &json!(sha256_hex(&body))));
    let filled = edge.log().into_iter().find(|line| line["event"] == "filled" && line["run"] == record["run"]);
    let filled = &filled.expect("an event in this run")["data"];
    assert_eq!((&filled["fill"], &filled["digest"]), (&record["fill"], &record["digest"]), "{filled}");
    assert_eq!(filled["kept"], json!({"run": 1, "fill": fill}), "{filled}");
}

#[test]
fn time_that_passed_while_it_was_down_is_age() {
    let origin = Origin::with("/a", Page::stored("a").field("ETag", "\"1\""));
    origin.on("/b", Page::ok("b").field("Cache-Control", "max-age=60").field("ETag", "\"1\""));
    let mut edge = Edge::plain(&origin);
    edge.get("/a").stored();
    edge.get("/b").stored();
    edge.stop();
    was_down_for(&edge, 100);
    edge.start_again();
    until_taken_up(&edge);
    let answer = edge.get("/a").hit();
    assert!((100..200).contains(&age(&answer)), "{answer:#?}");
    origin.on("/b", Page::new("304 Not Modified", "").field("ETag", "\"1\""));
    let answer = edge.get("/b");
    assert!(answer.cache().starts_with("fwd=stale; fwd-status=304"), "{answer:#?}");
    assert_eq!(answer.text(), "b");
    restart(&mut edge);
    assert!(age(&edge.get("/a").hit()) >= 100, "it is no younger the second time");
}

fn age(answer: &Answer) -> u64 {
    answer.field("Age").and_then(|age| age.parse().ok()).unwrap_or_else(|| panic!("no age: {answer:#?}"))
}

/// As if the stopped edge had stopped so many seconds before.
fn was_down_for(edge: &Edge, seconds: i64) {
    let then = jiff::Timestamp::now() - jiff::SignedDuration::from_secs(seconds);
    change_manifest(edge, "written", json!(then.to_string()));
}

#[test]
fn what_can_answer_nobody_any_more_is_not_taken_up() {
    let origin = Origin::with("/a", Page::ok("a").field("Cache-Control", "max-age=60, must-revalidate"));
    origin.on("/b", Page::ok("b").field("Cache-Control", "max-age=60"));
    let mut edge = Edge::plain(&origin);
    edge.get("/a").stored();
    edge.get("/b").stored();
    edge.stop();
    was_down_for(&edge, 100);
    edge.start_again();
    until_taken_up(&edge);
    assert_eq!(refused(&edge, "useless"), 1.0);
    assert_eq!(edge.metric("seawall_cache_objects"), 1.0);
    drop(origin);
    assert_eq!(edge.get("/b").text(), "b", "stale, it stands in for an origin that is away");
}

#[test]
fn variants_tags_and_purges_are_as_before() {
    let origin = Origin::start();
    origin.on_each("/v", |asked| {
        let language = asked.field("Accept-Language").unwrap_or("none").to_owned();
        Page::stored(&language).field("Vary", "Accept-Language").field("Cache-Tag", "all, words").into()
    });
    origin.on("/other", Page::stored("o").field("Surrogate-Key", "all"));
    origin.on("/soft", Page::stored("s").field("ETag", "\"s\""));
    let mut edge = Edge::plain(&origin);
    let ask = |edge: &Edge, language: &str| edge.ask("GET", "/v", &[("Accept-Language", language)]);
    for language in ["de, en;q=0.5", "fr"] {
        ask(&edge, language).stored();
    }
    edge.get("/v").stored();
    for path in ["/other", "/soft"] {
        edge.get(path).stored();
    }
    edge.seawall(&["purge", "--soft", "https://photos.example/soft"]);
    restart(&mut edge);
    assert_eq!(ask(&edge, "en;q=0.500,DE").hit().text(), "de, en;q=0.5");
    assert_eq!(ask(&edge, "fr").hit().text(), "fr");
    assert_eq!(edge.get("/v").hit().text(), "none");
    assert!(edge.get("/soft").cache().starts_with("fwd=stale"), "a soft purge holds over a restart");
    let purged = edge.api("POST", "/api/v1/purge", Some(&json!({"tag": "words"}))).json();
    assert_eq!(purged["objects"], 3, "{purged}");
    restart(&mut edge);
    ask(&edge, "fr").fetched();
    edge.get("/other").hit();
    let purged = edge.api("POST", "/api/v1/purge", Some(&json!({"url": "https://photos.example/%6fther"}))).json();
    assert_eq!(purged["objects"], 1, "{purged}");
}

#[test]
fn what_was_purged_before_does_not_come_back() {
    let origin = Origin::with("*", Page::stored("x"));
    let mut edge = Edge::plain(&origin);
    for path in ["/a", "/b", "/c"] {
        edge.get(path).stored();
    }
    restart(&mut edge);
    edge.seawall(&["purge", "https://photos.example/a"]);
    // The kept ones were taken: no crash brings them back.
    assert!(!kept(&edge, "manifest.json").exists() && !kept(&edge, "frames").exists());
    edge.kill();
    edge.start_again();
    until_taken_up(&edge);
    edge.get("/a").fetched();
    edge.get("/b").fetched();
    edge.seawall(&["purge", "https://photos.example/b"]);
    restart(&mut edge);
    edge.get("/a").hit();
    edge.get("/b").fetched();
}

#[test]
fn what_was_blocked_while_it_was_down_is_not_in_memory() {
    let secret = noise(50_000, 3);
    let origin = Origin::with("*", Page::stored("x"));
    origin.on("/hashed", Page::stored(&secret));
    let mut edge = Edge::plain(&origin);
    for path in ["/a", "/b", "/hashed"] {
        edge.get(path).stored();
    }
    edge.stop();
    edge.list().replace(&format!("https://photos.example/%61 notice=N-1\n{} notice=N-2\n", sha256_hex(&secret)));
    edge.start_again();
    until_taken_up(&edge);
    assert_eq!(refused(&edge, "blocked"), 2.0);
    assert_eq!(edge.metric("seawall_cache_objects"), 1.0);
    assert_eq!(edge.get("/a").status, 451);
    assert_eq!(edge.get("/hashed").status, 451, "its digest is known: no byte of it leaves");
    edge.get("/b").hit();
    assert_eq!(origin.asked("/hashed").len(), 1);
}

#[test]
fn a_damaged_body_is_dropped_and_the_rest_is_taken_up() {
    let (one, two) = (noise(100_000, 4), noise(100_000, 5));
    let origin = Origin::with("/one", Page::stored(&one));
    origin.on("/two", Page::stored(&two));
    let mut edge = Edge::plain(&origin);
    edge.get("/one").stored();
    edge.get("/two").stored();
    edge.stop();
    let mut bytes = fs::read(kept(&edge, "frames")).unwrap();
    let at = bytes.windows(16).position(|window| *window == one[..16]).expect("the body lies there as it is");
    bytes[at + 50_000] ^= 1;
    fs::write(kept(&edge, "frames"), bytes).unwrap();
    edge.start_again();
    until_taken_up(&edge);
    assert_eq!(refused(&edge, "damaged"), 1.0);
    assert!(edge.get("/two").hit().body == two);
    assert!(edge.get("/one").fetched().body == one);
}

#[test]
fn a_file_that_ends_early_is_taken_up_as_far_as_it_goes() {
    let origin = Origin::with("*", Page::stored(noise(10_000, 6)));
    let mut edge = Edge::plain(&origin);
    for n in 0..10 {
        edge.get(&format!("/{n}")).stored();
    }
    edge.stop();
    let bytes = fs::read(kept(&edge, "frames")).unwrap();
    fs::write(kept(&edge, "frames"), &bytes[..bytes.len() / 2]).unwrap();
    edge.start_again();
    until_taken_up(&edge);
    assert_eq!(refused(&edge, "damaged"), 1.0);
    let objects = edge.metric("seawall_cache_objects");
    assert!((4.0..=5.0).contains(&objects), "{objects}");
    for n in 0..10 {
        edge.get(&format!("/{n}"));
    }
}

#[test]
fn what_somebody_else_put_there_is_not_used() {
    let origin = Origin::with("/a", Page::stored("a"));
    let mut edge = Edge::plain(&origin);
    type Spoil = fn(&Edge);
    let spoils: [(&str, Spoil); 6] = [
        ("does not hold what was written", |edge| fs::write(kept(edge, "manifest.json"), "{").unwrap()),
        ("does not hold what was written", |edge| fs::write(kept(edge, "frames"), noise(5_000, 7)).unwrap()),
        ("does not hold what was written", |edge| fs::remove_file(kept(edge, "frames")).unwrap()),
        ("another version", |edge| change_manifest(edge, "format", json!(99))),
        ("the clock was set back", |edge| change_manifest(edge, "written", json!("2100-01-01T00:00:00Z"))),
        ("does not hold what was written", |edge| change_manifest(edge, "run", json!(77))),
    ];
    for (said, spoil) in spoils {
        edge.get("/a");
        edge.get("/a").hit();
        edge.stop();
        spoil(&edge);
        edge.start_again();
        edge.until_said(&["this start is cold", said]);
        assert_eq!(edge.metric("seawall_cache_objects"), 0.0, "{said}");
        assert_eq!(fs::read_dir(edge.path("state/cache")).unwrap().count(), 0, "nothing is left of it");
        edge.get("/a").fetched();
    }
}

fn change_manifest(edge: &Edge, key: &str, value: Value) {
    let path = kept(edge, "manifest.json");
    let mut manifest: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    manifest[key] = value;
    fs::write(path, manifest.to_string()).unwrap();
}

#[test]
fn a_start_waits_for_nothing_that_lies_there_in_the_place_of_a_file() {
    let origin = Origin::with("/a", Page::stored("a"));
    let mut edge = Edge::plain(&origin);
    let fifo = |path: &PathBuf| mknodat(CWD, path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    let endless = |path: &PathBuf| symlink("/dev/zero", path).unwrap();
    type Put<'p> = &'p dyn Fn(&PathBuf);
    for (name, put) in
        [("manifest.json", &fifo as Put), ("frames", &fifo), ("manifest.json", &endless), ("frames", &endless)]
    {
        edge.get("/a");
        edge.stop();
        fs::remove_file(kept(&edge, name)).unwrap();
        put(&kept(&edge, name));
        edge.start_again();
        edge.until_said(&["this start is cold", "does not hold what was written"]);
        assert_eq!(fs::read_dir(edge.path("state/cache")).unwrap().count(), 0, "nothing is left of it");
        edge.get("/a").fetched();
    }
    edge.stop();
    fs::remove_file(kept(&edge, "frames")).unwrap();
    fs::create_dir(kept(&edge, "frames")).unwrap();
    let refused = seawall(&["run", "-c", "seawall.toml"], edge.folder());
    assert!(refused.code == 1 && refused.stderr.contains("frames can't be removed"), "{refused:?}");
    fs::remove_dir(kept(&edge, "frames")).unwrap();
}

#[test]
fn nothing_is_kept_where_it_is_not_wanted() {
    let origin = Origin::with("/a", Page::stored("a"));
    let mut edge = Edge::plain(&origin);
    edge.get("/a").stored();
    edge.stop();
    for name in ["manifest.json", "frames"] {
        let mode = fs::metadata(kept(&edge, name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
    assert_eq!(fs::metadata(edge.path("state/cache")).unwrap().permissions().mode() & 0o777, 0o700);
    edge.set_config(&edge.config().replace("[cache]\n", "[cache]\nkeep = false\n"));
    edge.start_again();
    assert!(!kept(&edge, "manifest.json").exists() && !kept(&edge, "frames").exists(), "it is removed");
    edge.get("/a").stored();
    edge.stop();
    assert_eq!(fs::read_dir(edge.path("state/cache")).unwrap().count(), 0);
    edge.start_again();
    edge.get("/a").fetched();
}

#[test]
fn a_site_that_is_another_now_takes_up_nothing_of_before() {
    let (origin, other) = (Origin::with("/a", Page::stored("old")), Origin::with("/a", Page::stored("new")));
    let mut edge = Edge::before(&origin).also(&other).start();
    edge.get("/a").stored();
    edge.stop();
    edge.set_config(&edge.config().replace(&origin.address.to_string(), &other.address.to_string()));
    edge.start_again();
    until_taken_up(&edge);
    assert_eq!(refused(&edge, "moved"), 1.0);
    assert_eq!(edge.get("/a").stored().text(), "new");
    edge.stop();
    edge.set_config(&edge.config().replace("hosts = [", "site_is = 1\nhosts = [").replace("site_is = 1\n", ""));
    edge.start_again();
    until_taken_up(&edge);
    assert_eq!(edge.get("/a").hit().text(), "new", "a site that is the same still takes up all");
    edge.stop();
    edge.set_config(&(edge.config() + "[site.cache]\nkey_cookies = [\"lang\"]\n"));
    edge.start_again();
    until_taken_up(&edge);
    edge.get("/a").fetched();
}

#[test]
fn answers_that_cookies_tell_apart_stay_apart() {
    let origin = Origin::start();
    origin.on_each("/a", |asked| Page::stored(asked.field("Cookie").unwrap_or("none")).into());
    let mut edge = Edge::before(&origin).site("cache = { key_cookies = [\"lang\"] }\n").start();
    let ask = |edge: &Edge, cookie: &str| edge.ask("GET", "/a", &[("Cookie", cookie)]);
    ask(&edge, "lang=secret-de").stored();
    ask(&edge, "lang=fr").stored();
    edge.get("/a").stored();
    edge.stop();
    let bytes = fs::read(kept(&edge, "frames")).unwrap();
    let hides = |text: &str| bytes.windows(text.len()).filter(|window| *window == text.as_bytes()).count();
    assert_eq!(hides("lang=secret-de"), 1, "in the body alone");
    edge.start_again();
    until_taken_up(&edge);
    assert_eq!(ask(&edge, "lang=fr").hit().text(), "lang=fr");
    assert_eq!(ask(&edge, "lang=secret-de").hit().text(), "lang=secret-de");
    assert_eq!(edge.get("/a").hit().text(), "none");
    ask(&edge, "lang=it").fetched();
}

#[test]
fn a_smaller_memory_takes_up_what_was_asked_for_again() {
    let origin = Origin::with("*", Page::stored(noise(100_000, 8)));
    let mut edge = Edge::before(&origin).cache("memory = \"16MiB\"\n").start();
    for n in 0..40 {
        edge.get(&format!("/{n}")).stored();
    }
    for n in 10..15 {
        edge.get(&format!("/{n}")).hit();
    }
    edge.stop();
    edge.set_config(&edge.config().replace("memory = \"16MiB\"", "memory = \"1MiB\""));
    edge.start_again();
    until_taken_up(&edge);
    assert!(edge.metric("seawall_cache_bytes") <= f64::from(1 << 20));
    assert!(refused(&edge, "no-room") >= 25.0);
    for n in 10..15 {
        edge.get(&format!("/{n}")).hit();
    }
    edge.stop();
    edge.set_config(&edge.config().replace("memory = \"1MiB\"", "memory = \"1MiB\"\nmax_object = \"50KiB\""));
    edge.start_again();
    until_taken_up(&edge);
    assert_eq!(edge.metric("seawall_cache_objects"), 0.0);
}

#[test]
fn slices_are_kept_with_their_object() {
    const MIB: usize = 1 << 20;
    let body = noise(5 * MIB, 51);
    let origin = Origin::start();
    ranged(&origin, "/a", &body, STORED);
    let mut edge = Edge::before(&origin).site("slices = \"1MiB\"\n").start();
    let ask = |edge: &Edge| edge.ask("GET", "/a", &range("bytes=3000000-3999999"));
    ask(&edge);
    eventually("the slices in the store", || ask(&edge).is_hit());
    let fetched = asked(&origin, "/a").len();
    for _ in 0..2 {
        restart(&mut edge);
        assert_eq!(edge.metric("seawall_cache_objects"), 3.0);
        assert!(ask(&edge).hit().body == body[3_000_000..=3_999_999]);
        assert_eq!(asked(&origin, "/a").len(), fetched);
    }
    let told = |line: &Value| line["event"] == "filled" && line["data"]["kept"]["run"] == 2;
    let all = || edge.log().into_iter().filter(told).collect::<Vec<Value>>();
    let told = until("an event for each slice", || Some(all()).filter(|told| told.len() >= 2));
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told.iter().all(|line| line["data"]["slice_digest"].is_string()), "{told:?}");
    let purged = edge.api("POST", "/api/v1/purge", Some(&json!({"url": "https://photos.example/a"}))).json();
    assert_eq!(purged["objects"], 3, "{purged}");
}

#[test]
fn a_drain_ends_in_time_and_keeps_what_there_was_time_for() {
    let gate = Gate::default();
    let origin = Origin::with("*", Page::stored(noise(100_000, 9)));
    origin.on("/slow", Page::ok(noise(50_000, 10)).hold(10_000, &gate));
    let mut edge = Edge::before(&origin).edge("drain = \"1s\"\n").start();
    for n in 0..20 {
        edge.get(&format!("/{n}")).stored();
    }
    let mut slow = edge.connect();
    slow.send(crate::harness::client::request("GET", HOST, "/slow", &[]));
    slow.head();
    edge.stop();
    gate.open();
    drop(slow);
    edge.start_again();
    until_taken_up(&edge);
    assert_eq!(edge.metric("seawall_cache_kept_total"), 20.0);
}

#[test]
fn who_leaves_at_once_keeps_nothing_half() {
    let gate = Gate::default();
    let origin = Origin::with("/a", Page::stored("a"));
    origin.on("/slow", Page::ok(noise(50_000, 10)).hold(10_000, &gate));
    let mut edge = Edge::plain(&origin);
    edge.get("/a").stored();
    let mut slow = edge.connect();
    slow.send(crate::harness::client::request("GET", HOST, "/slow", &[]));
    slow.head();
    edge.running().signal(Signal::INT);
    edge.until_said(&["stopping"]);
    edge.running().signal(Signal::INT);
    edge.leaves_at_once();
    gate.open();
    drop(slow);
    edge.start_again();
    until_taken_up(&edge);
    let answer = edge.get("/a");
    assert_eq!(answer.text(), "a");
}

#[test]
fn kill_9_amid_the_writing_leaves_right_answers_or_none() {
    let gate = Gate::default();
    let body = |n: usize| noise(200_000 + n, n as u64);
    let origin = Origin::start();
    for n in 0..100 {
        origin.on(&format!("/{n}"), Page::stored(body(n)));
    }
    origin.on("/slow", Page::ok(noise(50_000, 10)).hold(10_000, &gate));
    let mut edge = Edge::before(&origin).cache("memory = \"256MiB\"").start();
    for least in [0, 1, 5_000_000] {
        for n in 0..100 {
            assert!(edge.get(&format!("/{n}")).body == body(n), "{n}");
        }
        // It can't have ended when it is killed.
        let mut slow = edge.connect();
        slow.send(crate::harness::client::request("GET", HOST, "/slow", &[]));
        slow.head();
        edge.running().signal(Signal::TERM);
        let frames = kept(&edge, "frames");
        eventually("some of it is written", || fs::metadata(&frames).is_ok_and(|facts| facts.len() >= least));
        edge.kill();
        drop(slow);
        assert!(!kept(&edge, "manifest.json").exists(), "nothing counts before all is written");
        edge.start_again();
        until_taken_up(&edge);
        assert_eq!(edge.metric("seawall_cache_objects"), 0.0);
    }
    gate.open();
    for n in 0..100 {
        edge.get(&format!("/{n}"));
    }
    edge.running().signal(Signal::TERM);
    let manifest = kept(&edge, "manifest.json");
    eventually("all of it is written", || manifest.exists());
    edge.kill();
    edge.start_again();
    until_taken_up(&edge);
    for n in 0..100 {
        assert!(edge.get(&format!("/{n}")).hit().body == body(n), "{n}");
    }
}

#[test]
fn a_disk_that_takes_nothing_makes_the_next_start_a_cold_one() {
    let origin = Origin::with("/a", Page::stored("a"));
    let mut edge = Edge::plain(&origin);
    edge.get("/a").stored();
    fs::remove_dir(edge.path("state/cache")).unwrap();
    edge.stop();
    edge.until_said(&["can't be kept", "the next start is a cold one"]);
    edge.start_again();
    edge.get("/a").fetched();
    restart(&mut edge);
    edge.get("/a").hit();
}
