//! Feeds: lists that are asked for over HTTP, taken whole or not at all, and held against whoever serves them.

use std::fs;
use std::io::Write;
use std::time::Duration;

use rustix::process::Signal;

use crate::harness::answer::End;
use crate::harness::client::request;
use crate::harness::origin::Asked;
use crate::harness::process::{Output, Running};
use crate::harness::tls_front::TlsFront;
use crate::harness::{Edge, Gate, HOST, List, Origin, Page, Reply, SOON, Step, always, eventually, seawall, until};

/// A feed at `path` of an origin that plays its server, asked by itself once an hour.
fn feed(server: &Origin, path: &str, more: &str) -> String {
    let often = if more.contains("every") { "" } else { ", every = \"1h\"" };
    format!("{{ url = \"http://{}{path}\", allow_private = [\"127.0.0.1\"]{often}{more} }}", server.address)
}

/// What an edge serves, and an edge that has one feed beside its list.
fn with_feed(server: &Origin, more: &str) -> (Origin, Edge) {
    let origin = Origin::start();
    for path in ["/a", "/b", "/c"] {
        origin.on(path, Page::ok("served"));
    }
    let lists = format!("[\"blocklist.d\", {}]", feed(server, "/list.txt", more));
    let edge = Edge::before(&origin).lists(&lists).start();
    (origin, edge)
}

fn rule(path: &str) -> String {
    format!("https://photos.example{path}\n")
}

impl Edge {
    fn reload(&self) -> Output {
        self.seawall(&["reload"])
    }

    fn status_of(&self, path: &str) -> u16 {
        self.get(path).status
    }
}

#[test]
fn a_feed_blocks_from_the_first_request_on() {
    let server = Origin::with("/list.txt", Page::ok("https://photos.example/a notice=N-7 # theirs\n"));
    let (_origin, edge) = with_feed(&server, "");
    let answer = edge.get("/a");
    assert_eq!((answer.status, edge.status_of("/b")), (451, 200));
    assert!(answer.text().contains("N-7"));
    let name = format!("http://{}/list.txt", server.address);
    let found = edge.seawall(&["why", "https://photos.example/a", "--output", "json"]);
    assert_eq!((found.code, &found.json()["rule"]["file"]), (10, &name.as_str().into()));
    let status = edge.api("GET", "/api/v1/status", None).json();
    let row =
        status["list"]["sources"].as_array().unwrap().iter().find(|row| row["file"] == name.as_str()).unwrap().clone();
    assert_eq!((&row["rules"], &row["error"]), (&1.into(), &serde_json::Value::Null));
    assert!(row["confirmed_seconds"].is_u64() && edge.readyz().text().starts_with("ready\n"));
    let source = format!("source=\"{name}\"");
    assert!(edge.metric_where("seawall_feed_age_seconds", &[&source]) < 60.0);
    assert_eq!(edge.metric_where("seawall_list_source_rules", &[&source]), 1.0);
    assert_eq!(edge.record_of(&answer)["notice"], "N-7");
    until("an event that names it", || {
        edge.log().into_iter().find(|line| line["event"] == "list-applied" && line["data"]["file"] == name.as_str())
    });
}

#[test]
fn what_did_not_change_is_not_fetched_again_and_what_changed_cuts() {
    let server = Origin::start();
    let version = |etag: &'static str, body: String| {
        move |asked: &Asked| -> Reply {
            match asked.field("If-None-Match") == Some(etag) {
                true => Page::new("304 Not Modified", "").field("ETag", etag).into(),
                false => {
                    Page::ok(&body).field("ETag", etag).field("Last-Modified", "Sun, 06 Nov 1994 08:49:37 GMT").into()
                }
            }
        }
    };
    server.on_each("/list.txt", version("\"one\"", rule("/a")));
    let (origin, edge) = with_feed(&server, "");
    assert_eq!(edge.status_of("/a"), 451);
    let before = edge.list_version();
    let reload = edge.reload();
    assert_eq!((reload.code, edge.list_version()), (0, before), "{}", reload.all());
    let asked = server.asked("/list.txt");
    let conditions = |at: usize| (asked[at].field("If-None-Match"), asked[at].field("If-Modified-Since"));
    assert_eq!(conditions(0), (None, None));
    assert_eq!(conditions(asked.len() - 1), (Some("\"one\""), Some("Sun, 06 Nov 1994 08:49:37 GMT")));
    assert!(edge.metric_where("seawall_feed_checks_total", &["outcome=\"unchanged\""]) >= 1.0);

    let gate = Gate::default();
    let body = vec![b'x'; 100_000];
    origin.on("/slow", Page::ok(&body).hold(50_000, &gate));
    let mut client = edge.connect();
    client.send(request("GET", HOST, "/slow", &[]));
    assert_eq!((client.head().status, client.take(1000, &mut Vec::new())), (200, End::Whole));
    server.on_each("/list.txt", version("\"two\"", rule("/slow")));
    let reload = edge.reload();
    assert_eq!(reload.code, 0, "{}", reload.all());
    assert!(reload.stdout.contains("/list.txt: fetched"), "{}", reload.all());
    edge.until_cut(1);
    gate.open();
    assert_eq!((edge.status_of("/slow"), edge.status_of("/a")), (451, 200));
}

#[test]
fn a_feed_is_asked_by_itself() {
    let server = Origin::with("/list.txt", Page::ok(rule("/a")));
    let (_origin, edge) = with_feed(&server, ", every = \"1s\"");
    assert_eq!(edge.status_of("/b"), 200);
    server.on("/list.txt", Page::ok(rule("/b")));
    edge.until_status("/b", 451);
    edge.until_status("/a", 200);
}

/// That what a feed serves is refused with these words, and what was in force stays.
fn refuses(edge: &Edge, server: &Origin, reply: impl Into<Reply>, words: &[&str]) {
    server.on("/list.txt", reply);
    let reload = edge.reload();
    assert_eq!(reload.code, 1, "{words:?}: {}", reload.all());
    for word in words {
        assert!(reload.stderr.contains(word), "{word:?} in {}", reload.all());
    }
    assert_eq!((edge.status_of("/a"), edge.status_of("/b")), (451, 200), "{words:?}");
    let ready = edge.readyz().text();
    assert!(ready.starts_with("degraded\n") && ready.contains("/list.txt"), "{words:?}: {ready}");
}

#[test]
fn what_is_no_list_leaves_the_last_good_one_in_force() {
    let server = Origin::with("/list.txt", Page::ok(rule("/a")));
    let (_origin, edge) = with_feed(&server, "");
    let bad = rule("/b") + "https://photos.example/c nonsense\n";
    refuses(&edge, &server, Page::ok(bad), &["/list.txt:2:26: "]);
    let refused = edge.event("list-refused");
    assert!(refused["data"]["what"].as_str().unwrap().contains("/list.txt"), "{refused}");
    let portal = "<!DOCTYPE html>\n<html><body>Please log in to the hotel's network</body></html>\n";
    refuses(&edge, &server, Page::ok(portal).field("Content-Type", "text/html"), &["/list.txt:1:1: a page of HTML"]);
    server.on("/list.txt", Page::ok(rule("/a")));
    assert_eq!((edge.reload().code, edge.readyz().text().as_str()), (0, "ready\n"));
}

fn gzipped(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::new(9));
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn half_an_answer_and_one_without_bounds_are_refused() {
    let server = Origin::with("/list.txt", Page::ok(rule("/a")));
    let (_origin, edge) = with_feed(&server, ", max_size = \"2MiB\"");
    let long = rule("/b").repeat(10);
    let cut = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{}", long.len(), &long[..60]);
    refuses(&edge, &server, Reply::raw(cut), &["no answer that can be read"]);
    let chunk = format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n{long}\r\n", long.len());
    refuses(&edge, &server, Reply::raw(&chunk), &["no answer that can be read"]);
    refuses(&edge, &server, Reply::raw(chunk + "no size\r\n"), &["no answer that can be read"]);
    refuses(&edge, &server, Page::ok(&long).until_close(), &["neither Content-Length nor chunks"]);
    for codings in ["identity", "gzip", "chunked, identity", "chunked\r\nTransfer-Encoding: identity"] {
        let half = format!(
            "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nTransfer-Encoding: {codings}\r\n\r\n{}",
            long.len(),
            rule("/b")
        );
        refuses(&edge, &server, Reply::raw(half), &["can't be fetched"]);
    }
    refuses(&edge, &server, Page::ok(""), &["nothing is in it"]);
    refuses(&edge, &server, Page::new("204 No Content", ""), &["it answered 204"]);
    refuses(&edge, &server, Page::new("500 Internal Server Error", &long), &["it answered 500"]);
    refuses(&edge, &server, Page::new("206 Partial Content", &long), &["it answered 206"]);
    refuses(&edge, &server, Page::new("304 Not Modified", ""), &["it answered 304 to a request for the whole"]);
    refuses(&edge, &server, Page::ok(vec![b'#'; (2 << 20) + 1]), &["more than max_size"]);
    let whole = gzipped(long.as_bytes());
    let coded = |coding: &str, bytes: &[u8]| Page::ok(bytes).field("Content-Encoding", coding);
    refuses(&edge, &server, coded("gzip", &whole[..whole.len() - 9]), &["can't be decoded"]);
    refuses(&edge, &server, coded("gzip", long.as_bytes()), &["can't be decoded"]);
    refuses(&edge, &server, coded("deflate", &whole), &["content coding deflate"]);
    refuses(&edge, &server, coded("gzip", &gzipped(&vec![b'#'; 3 << 19])), &["times its size on the wire"]);
    let odd = Reply::raw(format!("HTTP/1.1 200 OK\r\n{}: x\r\n\r\n", "X".repeat(100_000)));
    refuses(&edge, &server, odd, &["no answer that can be read"]);
    refuses(&edge, &server, Reply::script([Step::Reset]), &["no answer that can be read"]);
}

#[test]
fn an_answer_may_come_compressed() {
    let server = Origin::with("/list.txt", Page::ok(rule("/a")));
    let (_origin, edge) = with_feed(&server, "");
    let coded = |path: &str, coding: &str| {
        let (text, mut brotli) = (rule(path), Vec::new());
        let bytes = match coding {
            "gzip" => gzipped(text.as_bytes()),
            "zstd" => zstd::stream::encode_all(text.as_bytes(), 3).unwrap(),
            _ => {
                brotli::CompressorWriter::new(&mut brotli, 4096, 5, 20).write_all(text.as_bytes()).unwrap();
                brotli
            }
        };
        server.on("/list.txt", Page::ok(bytes).field("Content-Encoding", coding).chunked());
        let reload = edge.reload();
        assert_eq!((reload.code, edge.status_of(path)), (0, 451), "{coding}: {}", reload.all());
    };
    coded("/b", "gzip");
    coded("/c", "zstd");
    coded("/b", "br");
    assert_eq!(server.asked("/list.txt").last().unwrap().field("Accept-Encoding"), Some("zstd, br, gzip"));
}

#[test]
fn a_redirect_is_followed_on_the_same_server_over_https_alone() {
    let server = Origin::with("/list.txt", Page::new("302 Found", "").field("Location", "/moved.txt"));
    server.on("/moved.txt", Page::ok(rule("/a")));
    let front = TlsFront::before(&server, "127.0.0.1");
    let origin = Origin::with("/a", Page::ok("served"));
    origin.on("/b", Page::ok("served"));
    let certificate = tempfile::NamedTempFile::new().unwrap();
    fs::write(certificate.path(), &front.certificate).unwrap();
    let lists = format!(
        "[{{ url = \"https://{}/list.txt\", allow_private = [\"127.0.0.1\"], ca_file = \"{}\", every = \"1h\" }}]",
        front.address,
        certificate.path().display()
    );
    let edge = Edge::before(&origin).lists(&lists).start();
    assert_eq!(edge.status_of("/a"), 451);
    let elsewhere = Origin::with("/list.txt", Page::ok(rule("/b")));
    for location in [
        format!("http://{}/list.txt", elsewhere.address),
        format!("https://{}/list.txt", elsewhere.address),
        format!("http://{}/moved.txt", front.address),
        "https://photos.example/list.txt".to_owned(),
        format!("https://127.0.0.1@{}/", elsewhere.address),
    ] {
        let reply = Page::new("302 Found", "").field("Location", &location);
        refuses(&edge, &server, reply, &["it redirects to elsewhere"]);
    }
    assert_eq!(elsewhere.connections(), 0);
    refuses(
        &edge,
        &server,
        Page::new("307 Again", "").field("Location", "/list.txt"),
        &["redirects more than 3 times"],
    );
}

#[test]
fn addresses_of_nobody_in_the_internet_are_not_asked_unless_they_are_named() {
    let server = Origin::with("/list.txt", Page::ok(rule("/a")));
    let origin = Origin::start();
    let named = |host: &str, more: &str| {
        let url = format!("http://{host}:{}/list.txt", server.address.port());
        Edge::before(&origin).lists(&format!("[{{ url = \"{url}\"{more} }}]")).write()
    };
    let run = |folder: &tempfile::TempDir| seawall(&["run", "-c", "seawall.toml"], folder.path());
    // A name says nothing of where it leads: that is seen when it is looked up.
    let outcome = run(&named("localhost", ""));
    assert_eq!(outcome.code, 78, "{}", outcome.all());
    assert!(outcome.stderr.contains("no address of the internet"), "{}", outcome.all());
    let outcome = run(&named("127.0.0.1", ""));
    assert_eq!(outcome.code, 78, "{}", outcome.all());
    assert!(outcome.stderr.contains("allow_private = [\"127.0.0.1\"]"), "{}", outcome.all());
    assert_eq!(server.connections(), 0);
    let folder = named("localhost", ", allow_private = [\"127.0.0.0/8\", \"::1\"]");
    let edge = Edge::in_folder(folder, Vec::new());
    assert_eq!(edge.status_of("/a"), 451);
}

#[test]
fn a_start_needs_each_feed_once() {
    let origin = Origin::with("/a", Page::ok("served"));
    let server = Origin::with("/list.txt", Page::new("503 Away", ""));
    let silent = Origin::with("/list.txt", Reply::script([Step::WaitForClose]));
    let lists = format!("[{}, {}]", feed(&server, "/list.txt", ""), feed(&silent, "/list.txt", ", timeout = \"1s\""));
    let folder = Edge::before(&origin).lists(&lists).write();
    let outcome = seawall(&["run", "-c", "seawall.toml"], folder.path());
    assert_eq!(outcome.code, 78, "{}", outcome.all());
    let says = |server: &Origin, what: &str| format!("http://{}/list.txt: can't be fetched: {what}", server.address);
    assert!(outcome.stderr.contains(&says(&server, "it answered 503")), "{}", outcome.all());
    assert!(outcome.stderr.contains(&says(&silent, "no whole answer within 1s")), "{}", outcome.all());
    // `check` asks nobody.
    let asked = (server.count("/list.txt"), silent.count("/list.txt"));
    let checked = seawall(&["check", "-c", "seawall.toml"], folder.path());
    assert_eq!(checked.code, 0, "{}", checked.all());
    assert!(checked.stdout.contains("not fetched yet: a start asks for it once"), "{}", checked.all());
    assert_eq!((server.count("/list.txt"), silent.count("/list.txt")), asked);
}

#[test]
fn a_first_version_that_is_bad_is_asked_for_again_once_it_is_mended() {
    let portal = "<!DOCTYPE html>\n<html><body>Please log in to the hotel's network</body></html>\n";
    let server = Origin::with("/list.txt", Page::ok(portal));
    let origin = Origin::with("/b", Page::ok("served"));
    let folder = Edge::before(&origin).lists(&format!("[{}]", feed(&server, "/list.txt", ""))).write();
    let outcome = seawall(&["run", "-c", "seawall.toml"], folder.path());
    assert_eq!(outcome.code, 78, "{}", outcome.all());
    assert!(outcome.stderr.contains("/list.txt:1:1: a page of HTML"), "{}", outcome.all());
    server.on("/list.txt", Page::ok(rule("/a")));
    let edge = Edge::in_folder(folder, Vec::new());
    assert_eq!((edge.status_of("/a"), edge.status_of("/b")), (451, 200));
    // So it is with a feed that a reload brings.
    server.on("/new.txt", Page::ok(portal));
    let first = feed(&server, "/list.txt", "");
    let both = edge.config().replace(&first, &format!("{first}, {}", feed(&server, "/new.txt", "")));
    edge.set_config(&both);
    edge.until_said(&["/new.txt:1:1: a page of HTML"]);
    assert_eq!((edge.status_of("/a"), edge.status_of("/b")), (451, 200));
    server.on("/new.txt", Page::ok(rule("/b")));
    let reload = edge.reload();
    assert_eq!((reload.code, edge.status_of("/a"), edge.status_of("/b")), (0, 451, 451), "{}", reload.all());
}

#[test]
fn a_start_that_waits_for_a_feed_can_be_stopped() {
    let server = Origin::with("/list.txt", Reply::script([Step::WaitForClose]));
    let lists = format!("[{}]", feed(&server, "/list.txt", ", timeout = \"5m\""));
    let folder = Edge::before(&Origin::start()).lists(&lists).write();
    for signal in [Signal::TERM, Signal::INT] {
        let asked = server.count("/list.txt");
        let mut starting = Running::start(&["run", "-c", "seawall.toml"], folder.path());
        server.until_asked("/list.txt", asked + 1);
        starting.signal(signal);
        assert_eq!(starting.ended(SOON).code(), Some(0), "{}", starting.stderr());
        assert!(starting.stderr().contains("told to stop before it served"), "{}", starting.stderr());
    }
}

#[test]
fn a_restart_goes_on_with_what_was_good_last() {
    let server = Origin::with("/list.txt", Page::ok(rule("/a")).field("ETag", "\"one\""));
    let (_origin, mut edge) = with_feed(&server, "");
    assert_eq!(edge.status_of("/a"), 451);
    edge.stop();
    server.on("/list.txt", Page::new("502 Away", ""));
    edge.start_again();
    assert_eq!((edge.status_of("/a"), edge.status_of("/b")), (451, 200));
    let ready = until("a word on it", || Some(edge.readyz().text()).filter(|text| text.starts_with("degraded\n")));
    assert!(ready.contains("/list.txt: the last check failed: it answered 502"), "{ready}");
    assert_eq!(server.asked("/list.txt").last().unwrap().field("If-None-Match"), Some("\"one\""));
    // Neither is a list that was fetched and can't be taken what a start goes by.
    refuses(&edge, &server, Page::ok("https://photos.example/a nonsense\n"), &["/list.txt:1:26: "]);
    edge.restart();
    assert_eq!((edge.status_of("/a"), edge.status_of("/b")), (451, 200));
    assert!(edge.readyz().text().starts_with("degraded\n"));
    // Nor does a reload lift a feed whose file somebody removed.
    server.on("/list.txt", Page::new("502 Away", ""));
    for file in fs::read_dir(edge.path("state/feeds")).unwrap().flatten().filter(|entry| entry.path().is_file()) {
        fs::remove_file(file.path()).unwrap();
    }
    let reload = edge.reload();
    assert!(reload.stderr.contains("the config is in force, but not all lists"), "{}", reload.all());
    assert_eq!(edge.status_of("/a"), 451);
    server.on("/list.txt", Page::ok(rule("/b")));
    let reload = edge.reload();
    assert_eq!((reload.code, edge.status_of("/a"), edge.status_of("/b")), (0, 200, 451), "{}", reload.all());
    assert!(edge.readyz().text().starts_with("ready\n"));
}

#[test]
fn a_stale_feed_is_kept_and_told_of() {
    let server = Origin::with("/list.txt", Page::ok(rule("/a")));
    let (_origin, edge) = with_feed(&server, ", every = \"1s\", max_age = \"2s\"");
    server.on("/list.txt", Page::new("500 Away", ""));
    until("a word on it", || Some(edge.readyz().text()).filter(|text| text.contains("stale: not confirmed for")));
    assert_eq!((edge.status_of("/a"), edge.status_of("/b")), (451, 200));
    assert_eq!(edge.metric("seawall_feed_stale"), 1.0);
    let reload = edge.reload();
    assert!(reload.code == 1 && reload.stderr.contains("it answered 500"), "{}", reload.all());
    // Once it is back, nothing is left to be told of: no reload is needed.
    server.on("/list.txt", Page::ok(rule("/a")));
    until("it is ready", || Some(edge.readyz().text()).filter(|text| text == "ready\n"));
    assert_eq!((edge.metric("seawall_feed_stale"), edge.metric("seawall_reload_failed")), (0.0, 0.0));
}

#[test]
fn a_stale_feed_may_close_the_edge_until_it_is_confirmed() {
    let server = Origin::with("/list.txt", Page::ok(rule("/a")));
    let (origin, mut edge) = with_feed(&server, ", every = \"1s\", max_age = \"4s\", on_stale = \"fail-closed\"");
    server.on("/list.txt", Page::new("500 Away", ""));
    let closed = edge.until_status("/b", 503);
    assert!(closed.field("Retry-After").is_some() && closed.field("Cache-Control") == Some("no-store"), "{closed:?}");
    assert_eq!(edge.status_of("/a"), 451, "what is blocked is said to be");
    let record = edge.record_of(&closed);
    assert_eq!((&record["verdict"], &record["status"]), (&"failed".into(), &503.into()));
    until("an event", || {
        let is_stale =
            |line: &serde_json::Value| line["data"]["what"].as_str().is_some_and(|what| what.contains("stale: not"));
        edge.log().into_iter().find(|line| line["event"] == "list-refused" && is_stale(line))
    });
    let ready = edge.readyz().text();
    assert!(ready.contains("requests are answered with 503 until it is"), "{ready}");
    // It was so long ago before the restart as after it.
    edge.restart();
    assert_eq!((edge.status_of("/b"), edge.status_of("/a")), (503, 451));
    // A bad version confirms nothing.
    server.on("/list.txt", Page::ok("https://photos.example/c nonsense\n"));
    assert_eq!((edge.reload().code, edge.status_of("/b")), (1, 503));
    let asked = origin.count("/b");
    server.on("/list.txt", Page::ok(rule("/c")));
    assert_eq!((edge.reload().code, edge.status_of("/b"), edge.status_of("/c")), (0, 200, 451));
    edge.until_said(&["/list.txt: confirmed again"]);
    assert_eq!(origin.count("/b"), asked + 1);
}

#[test]
fn most_of_a_feed_is_not_lifted_without_a_word() {
    let all: String = (0..30).map(|number| rule(&format!("/{number}"))).collect();
    let server = Origin::with("/list.txt", Page::ok(&all));
    let (origin, edge) = with_feed(&server, "");
    origin.on("/7", Page::ok("served"));
    server.on("/list.txt", Page::ok(rule("/b")));
    let reload = edge.reload();
    assert!(reload.code == 1 && reload.stderr.contains("shrank from 30 rules to 1"), "{}", reload.all());
    assert_eq!((edge.status_of("/7"), edge.status_of("/b")), (451, 200));
    let accepted = edge.seawall(&["reload", "--accept-shrink"]);
    assert_eq!((accepted.code, edge.status_of("/7"), edge.status_of("/b")), (0, 200, 451), "{}", accepted.all());
    // However few there were, none is fewer than a feed may have by itself.
    server.on("/list.txt", Page::ok("# maintenance\n"));
    let reload = edge.reload();
    assert!(reload.code == 1 && reload.stderr.contains("shrank from 1 rules to 0"), "{}", reload.all());
    assert_eq!(edge.status_of("/b"), 451);
    assert_eq!((edge.seawall(&["reload", "--accept-shrink"]).code, edge.status_of("/b")), (0, 200));
}

#[test]
fn feeds_come_and_go_with_the_config_and_others_are_left_alone() {
    let server = Origin::with("/list.txt", Page::ok(rule("/a")));
    server.on("/more.csv", Page::ok("0.0.0.0 ads.example\n0.0.0.0 photos.example\n"));
    let (_origin, edge) = with_feed(&server, "");
    let before = edge.config();
    let first = feed(&server, "/list.txt", "");
    let more = feed(&server, "/more.csv", ", format = \"hosts\", notice = \"N-9\", name = \"ads\"");
    let with = |lists: &str| before.replace(&first, lists);
    let asked = server.count("/list.txt");

    edge.until_list_after(|| edge.set_config(&with(&format!("{first}, {more}"))));
    assert!(edge.get("/b").text().contains("N-9"));
    assert_eq!((server.count("/list.txt"), server.count("/more.csv")), (asked, 1), "nobody else was asked");
    edge.until_list_after(|| edge.set_config(&before));
    assert_eq!(edge.status_of("/b"), 200);
    eventually("its file is gone", || {
        fs::read_dir(edge.path("state/feeds")).unwrap().flatten().filter(|entry| entry.path().is_file()).count() == 1
    });

    // What can't be had changes nothing.
    edge.set_config(
        &with(&format!("{first}, {}", feed(&server, "/none.txt", ""))).replace("64MiB", "64MiB\"\nmax_object = \"1MiB"),
    );
    let said = edge.until_said(&["not reloaded"]);
    let said = if said.contains("/none.txt") { said } else { edge.until_said(&["/none.txt: can't be fetched"]) };
    assert!(said.contains("none.txt"), "{said}");
    assert_eq!((edge.status_of("/a"), edge.status_of("/b")), (451, 200));
    edge.set_config(&before);
    edge.until_list_after(|| edge.set_config(&with("")));
    assert_eq!(edge.status_of("/a"), 200);
}

/// Others are asked all the time, and how all stand is looked at each time.
#[test]
fn a_feed_that_a_reload_brings_is_not_stale_until_its_rules_are_in_force() {
    let server = Origin::with("/list.txt", Page::ok(rule("/a")));
    let often = ", every = \"1s\"";
    let more = |number: usize| {
        let path = format!("/more-{number}.txt");
        server.on(&path, Page::ok("x.example\n"));
        feed(&server, &path, often)
    };
    let others: Vec<String> = (0..5).map(more).collect();
    let origin = Origin::with("*", Page::ok("served"));
    let lists = others.join(", ");
    let edge = Edge::before(&origin).lists(&format!("[{lists}]")).start();
    let before = edge.config();
    let new = feed(&server, "/list.txt", ", on_stale = \"fail-closed\"");
    for _ in 0..4 {
        edge.set_config(&before.replace(&lists, &format!("{lists}, {new}")));
        eventually("its rule holds", || edge.status_of("/a") == 451 || edge.status_of("/b") == 503);
        assert_eq!(edge.status_of("/b"), 200);
        edge.set_config(&before);
        edge.until_status("/a", 200);
    }
    let log = edge.log();
    assert!(log.iter().all(|line| line["event"] != "list-refused" && line["status"] != 503), "{log:?}");
}

#[test]
fn a_slow_feed_holds_up_no_list_and_is_not_waited_for() {
    let server = Origin::with("/list.txt", Page::ok(rule("/a")));
    let (_origin, edge) = with_feed(&server, ", every = \"1s\"");
    let gate = Gate::default();
    let body = rule("/c") + &"# more\n".repeat(100);
    server.on("/list.txt", Page::ok(&body).hold(100, &gate));
    let asked = server.count("/list.txt");
    server.until_asked("/list.txt", asked + 1);
    edge.list().append(&rule("/b"));
    edge.until_status("/b", 451);
    assert_eq!((edge.status_of("/a"), edge.status_of("/c")), (451, 200));
    gate.open();
    edge.until_status("/c", 451);
}

#[test]
fn a_server_that_asks_to_be_left_alone_is() {
    let server = Origin::with("/list.txt", Page::ok(rule("/a")));
    let (_origin, edge) = with_feed(&server, ", every = \"1s\"");
    let turned_away = Page::new("429 Too Many Requests", "").field("Retry-After", "Fri, 31 Dec 9999 23:59:59 GMT");
    server.on("/list.txt", turned_away);
    until("a word on it", || Some(edge.readyz().text()).filter(|text| text.contains("it answered 429")));
    let asked = server.count("/list.txt");
    always(Duration::from_secs(4), "it is not asked", || server.count("/list.txt") == asked);
    server.on("/list.txt", Page::ok(rule("/b")));
    assert_eq!((edge.reload().code, edge.status_of("/b")), (0, 451), "but by the operator's word");
}

#[test]
fn secrets_go_to_the_server_and_nowhere_else() {
    const SECRETS: [&str; 3] = ["k3y-in-a-file", "t0ken-in-a-file", "in-the-query"];
    let server = Origin::with("/k3y-in-a-file/list.txt?auth=in-the-query", Page::ok(rule("/a")));
    let origin = Origin::with("/b", Page::ok("served"));
    let lists = format!(
        "[{}]",
        feed(&server, "/{key}/list.txt?auth=in-the-query", ", key_file = \"key\", headers_file = \"fields\"")
    );
    let folder = Edge::before(&origin).lists(&lists).write();
    fs::write(folder.path().join("key"), "k3y-in-a-file\n").unwrap();
    fs::write(folder.path().join("fields"), "# theirs\nAuthorization: Bearer t0ken-in-a-file\n").unwrap();
    let edge = Edge::in_folder(folder, Vec::new());
    let target = "/k3y-in-a-file/list.txt?auth=in-the-query";
    let asked = server.asked(target).remove(0);
    assert_eq!(asked.field("Authorization"), Some("Bearer t0ken-in-a-file"));
    let blocked = edge.get("/a");
    assert_eq!(blocked.status, 451);
    server.on(target, Page::new("401 Unauthorized", "").field("Location", "/k3y-in-a-file"));
    let reload = edge.reload();
    assert!(reload.code == 1 && reload.stderr.contains("it answered 401"), "{}", reload.all());
    // A new token needs no reload.
    List::at(edge.path("fields")).replace("Authorization: Bearer t0ken-in-a-file-too\n");
    server.on(target, Page::ok(rule("/a")));
    assert_eq!(edge.reload().code, 0);
    assert_eq!(server.asked(target).last().unwrap().field("Authorization"), Some("Bearer t0ken-in-a-file-too"));
    let record = edge.record_of(&blocked).to_string();
    let pages = ["/readyz", "/metrics"].map(|page| edge.api_with("GET", page, None, &[]).text());
    let status = edge.api("GET", "/api/v1/status", None).text();
    let log: String = edge.log().iter().map(ToString::to_string).collect();
    let name = format!("http://{}/{{key}}/list.txt?…", server.address);
    assert!(status.contains(&name) && log.contains(&name), "{status}");
    let why = edge.seawall(&["why", "https://photos.example/a"]).all();
    let checks = [&["check"][..], &["check", "--output", "json"]].map(|check| edge.seawall(check).stdout);
    assert!(checks.iter().all(|check| check.contains("/list.txt?…")), "{checks:?}");
    let config = edge.config();
    let bad = config.replace(", key_file", ", timeout = \"1\", key_file");
    fs::write(edge.path("seawall.toml"), bad).unwrap();
    let faulty = edge.seawall(&["check"]);
    assert!(faulty.code == 78 && faulty.stderr.contains("/list.txt?…\", allow_private"), "{}", faulty.all());
    let refused = edge.reload();
    assert_eq!(refused.code, 1, "{}", refused.all());
    fs::write(edge.path("seawall.toml"), config).unwrap();
    for (place, text) in [
        ("a record", record),
        ("the log", log),
        ("the status", status),
        ("readyz", pages[0].clone()),
        ("metrics", pages[1].clone()),
        ("stderr", edge.stderr()),
        ("reload", reload.all()),
        ("why", why),
        ("check", checks.concat()),
        ("a config's errors", faulty.all() + &refused.all()),
    ] {
        for secret in SECRETS {
            assert!(!text.contains(secret), "{secret} in {place}: {text}");
        }
    }
}
