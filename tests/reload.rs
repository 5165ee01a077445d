//! The config is changed while it runs: by command, by signal, and by saving its file.

use std::collections::BTreeSet;
use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::symlink;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::harness::client::{End, request};
use crate::harness::{Client, Edge, Gate, HOST, List, Origin, Page, Port, always, at, eventually, noise, until};

/// A second site, before `origin`.
fn other_site(origin: &Origin, lines: &str) -> String {
    format!(
        "[[site]]\nname = \"other\"\nhosts = [\"other.example\"]\norigin = \"http://{}\"\n\
         between_bytes_timeout = \"5m\"\n{lines}\n",
        origin.address
    )
}

/// Saves a config in one step, and has it taken.
fn put(edge: &Edge, config: &str) {
    edge.set_config(config);
    let reloaded = edge.seawall(&["reload"]);
    assert_eq!(reloaded.code, 0, "{}", reloaded.all());
}

/// Reloads, which is refused; what was said.
fn refused(edge: &Edge) -> String {
    let refused = edge.seawall(&["reload"]);
    assert_eq!(refused.code, 1, "{}", refused.all());
    refused.all()
}

fn events(edge: &Edge, kind: &str) -> Vec<Value> {
    edge.log().into_iter().filter(|line| line["event"] == kind).collect()
}

#[test]
fn a_reload_takes_new_sites_and_drops_no_request() {
    let (origin, other) = (Origin::with("*", Page::ok("one")), Origin::with("*", Page::ok("two")));
    let edge = Edge::before(&origin).also(&other).start();
    let mut client = edge.connect();
    assert_eq!(client.get("other.example", "/").status, 421);
    let site =
        format!("[[site]]\nname = \"other\"\nhosts = [\"other.example\"]\norigin = \"http://{}\"\n", other.address);
    edge.set_config(&(edge.config() + &site));
    let reloaded = edge.seawall(&["reload"]);
    assert_eq!(reloaded.code, 0, "{}", reloaded.all());
    assert_eq!(client.get("other.example", "/").text(), "two", "on the same connection");
    assert_eq!(edge.event("reloaded")["event"], "reloaded");
}

#[test]
fn a_bad_reload_keeps_what_was_good_and_says_so() {
    let origin = Origin::with("*", Page::ok("one"));
    let edge = Edge::plain(&origin);
    let good = edge.config();
    edge.set_config(&good.replace("[cache]", "[cache]\nmemry = \"1GiB\""));
    let refused = edge.seawall(&["reload"]);
    assert_eq!(refused.code, 1, "{}", refused.all());
    assert!(refused.all().contains("memry"), "{}", refused.all());
    assert_eq!(edge.metric("seawall_reload_failed"), 1.0);
    assert_eq!(edge.get("/").text(), "one");
    edge.set_config(&good);
    assert_eq!(edge.seawall(&["reload"]).code, 0);
    assert_eq!(edge.metric("seawall_reload_failed"), 0.0);
}

#[test]
fn what_needs_a_restart_is_refused_by_name() {
    let origin = Origin::with("*", Page::ok("one"));
    let edge = Edge::plain(&origin);
    edge.set_config(
        &edge
            .config()
            .replace("dir = \"state\"", "dir = \"elsewhere\"")
            .replace("name = \"photos\"", "name = \"renamed\""),
    );
    let refused = edge.seawall(&["reload"]);
    assert_eq!(refused.code, 1, "{}", refused.all());
    assert!(refused.all().contains("state"), "it is named: {}", refused.all());
    assert_eq!(edge.record_of(&edge.get("/"))["site"], "photos", "the old config stays whole");
}

#[test]
fn a_reload_by_hup_that_fails_raises_the_metric() {
    let origin = Origin::with("*", Page::ok("one"));
    let edge = Edge::plain(&origin);
    edge.set_config("[nonsense");
    edge.running().signal(rustix::process::Signal::HUP);
    eventually("the metric", || edge.metric("seawall_reload_failed") == 1.0);
    assert_eq!(edge.get("/").text(), "one");
}

#[test]
fn what_changed_is_told_by_its_keys_and_no_value() {
    let origin = Origin::with("*", Page::ok("one"));
    let edge = Edge::plain(&origin);
    let config = edge.config().replace("[cache]", "[cache]\nmax_object = \"1MiB\"") + &other_site(&origin, "");
    edge.set_config(&config);
    let reload = edge.event("reloaded");
    let changed = reload["data"]["changed"].to_string();
    for part in ["cache: max_object", "site other: new"] {
        assert!(changed.contains(part), "{part} in {changed}");
    }
    assert!(!changed.contains("MiB"), "{changed}");
}

#[test]
fn every_key_that_needs_a_restart_is_named() {
    let origin = Origin::with("*", Page::ok("one"));
    let edge = Edge::plain(&origin);
    let good = edge.config();
    for (from, to, name) in [
        ("dir = \"state\"", "dir = \"elsewhere\"", "state.dir"),
        ("memory = \"64MiB\"", "memory = \"65MiB\"", "cache.memory"),
        ("[admin]\nlisten = \"127.0.0.1:0\"", "[admin]\nlisten = \"127.0.0.2:0\"", "admin.listen"),
        ("[audit]", "[audit]\nclient = \"full\"", "audit.client"),
        ("[audit]", "[audit]\nurl_query = \"none\"", "audit.url_query"),
        ("[audit]", "[audit]\nhigh_water = 1000", "audit.high_water"),
        ("[audit]", "[audit]\non_pressure = \"shed\"", "audit.on_pressure"),
        ("[audit]", "[audit]\nsegment_age = \"1h\"", "audit.segment_age"),
        ("[audit]", "[audit]\nsegment_size = \"1MiB\"", "audit.segment_size"),
        ("[audit]", "[audit]\nsync = \"line\"", "audit.sync"),
        ("[audit]", "[audit]\nwait = \"1s\"", "audit.wait"),
    ] {
        assert!(good.contains(from), "{from}");
        edge.set_config(&good.replace(from, to));
        let said = refused(&edge);
        assert!(said.contains(name) && said.contains("restart"), "{name}: {said}");
    }
    edge.set_config(&good.replace("dir = \"state\"", "dir = \"elsewhere\"").replace("64MiB", "65MiB"));
    let said = refused(&edge);
    assert!(said.contains("cache.memory, state.dir"), "{said}");
    edge.set_config(&good);
    assert_eq!(edge.seawall(&["reload"]).code, 0);
}

#[test]
fn limits_change_for_new_connections() {
    let origin = Origin::with("*", Page::ok("one"));
    let edge = Edge::plain(&origin);
    let post = |client: &mut Client| {
        client.send(request("POST", HOST, "/", &[("Content-Length", "4")]) + "body");
        client.answer("POST").status
    };
    let mut before = edge.connect();
    assert_eq!(post(&mut before), 200);
    put(&edge, &edge.config().replace("[edge]", "[edge]\nmax_body = \"3B\""));
    assert_eq!(post(&mut edge.connect()), 413);
    assert_eq!(post(&mut before), 200, "a connection keeps the limits that it began with");
}

#[test]
fn larger_bodies_are_stored_as_soon_as_they_may() {
    let origin = Origin::with("*", Page::stored(noise(3000, 7)));
    let edge = Edge::before(&origin).cache("memory = \"64MiB\"\nmax_object = \"2KiB\"").start();
    edge.get("/a").fetched();
    edge.get("/a").fetched();
    put(&edge, &edge.config().replace("2KiB", "4KiB"));
    edge.get("/b").stored();
    edge.get("/b").hit();
}

// What did not change is left alone.

#[test]
fn a_site_that_did_not_change_keeps_its_connections_and_counters() {
    let (origin, other) = (Origin::with("*", Page::ok("one")), Origin::with("*", Page::ok("two")));
    let edge = Edge::before(&origin).also(&other).start();
    let good = edge.config();
    for round in 1..=5 {
        edge.get("/");
        // It comes, changes, and goes.
        put(&edge, &(good.clone() + &other_site(&other, "")));
        assert_eq!(edge.connect().get("other.example", "/").text(), "two");
        put(&edge, &(good.clone() + &other_site(&other, "max_origin_connections = 3")));
        assert_eq!(edge.connect().get("other.example", "/").text(), "two");
        put(&edge, &good);
        assert_eq!(edge.connect().get("other.example", "/").status, 421);
        assert_eq!(edge.get("/").text(), "one");
        for site in ["site=\"photos\"", "site=\"other\""] {
            eventually("what was counted before goes on", || {
                edge.metric_where("seawall_requests_total", &[site]) == f64::from(round * 2)
            });
        }
    }
    assert_eq!(origin.connections(), 1, "the pool is the very same");
}

/// Two sites under load, of which one changes all the time, and downloads of both.
#[test]
fn reloading_all_the_time_fails_no_request() {
    const RATE: u32 = 200;
    const WORKERS: u32 = 4;
    let body = noise(200_000, 7);
    let (origin, other) = (Origin::with("*", Page::ok("one")), Origin::with("*", Page::ok("two")));
    let gate = Gate::default();
    origin.on("/slow", Page::ok(&body).hold(100_000, &gate));
    other.on("/slow", Page::ok(&body).hold(100_000, &gate));
    let edge = Edge::before(&origin).also(&other).start();
    let good = edge.config();
    let version = |round: usize| {
        let lines = if round.is_multiple_of(2) { "first_byte_timeout = \"9s\"" } else { "repr_digest = true" };
        good.clone() + &other_site(&other, lines)
    };
    put(&edge, &version(0));
    let mut downloads: Vec<Client> = [HOST, "other.example"].map(|host| download(&edge, host)).into();

    let (start, done) = (Instant::now(), AtomicBool::new(false));
    let (asked, reloads) = (AtomicUsize::new(0), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        let (edge, done, asked) = (&edge, &done, &asked);
        for worker in 0..WORKERS {
            scope.spawn(move || {
                let mut client = edge.connect();
                for turn in 0.. {
                    at(start + Duration::from_secs(1) * (turn * WORKERS + worker) / RATE);
                    if done.load(SeqCst) {
                        return;
                    }
                    let (host, text) = if turn % 2 == 0 { (HOST, "one") } else { ("other.example", "two") };
                    let answer = client.get(host, &format!("/{turn}"));
                    assert_eq!((answer.status, answer.end, answer.text().as_str()), (200, End::Whole, text));
                    asked.fetch_add(1, SeqCst);
                }
            });
        }
        for round in 1..=30 {
            at(start + Duration::from_millis(100) * u32::try_from(round).unwrap());
            edge.set_config(&version(round));
            let answer = edge.api("POST", "/api/v1/reload", None);
            assert_eq!(answer.status, 200, "{}", answer.text());
            reloads.fetch_add(1, SeqCst);
        }
        done.store(true, SeqCst);
    });
    gate.open();
    for client in &mut downloads {
        let mut rest = Vec::new();
        assert_eq!(client.take(100_000, &mut rest), End::Whole);
        assert_eq!(rest, body[100_000..], "it went on through {} reloads", reloads.load(SeqCst));
    }
    // Three seconds at this rate are 600; a machine that is busy with other tests makes them longer.
    assert!(asked.load(SeqCst) >= 100, "{} requests in {:?}", asked.load(SeqCst), start.elapsed());
    assert!(origin.connections() <= 6, "{} connections for four clients and a download", origin.connections());
    let failed = edge.log().into_iter().filter(|line| line["verdict"] == "failed" || line["complete"] == false);
    assert_eq!(failed.collect::<Vec<_>>(), Vec::<Value>::new());
}

/// A client that has read the first half of `/slow`.
fn download(edge: &Edge, host: &str) -> Client {
    let mut client = edge.connect();
    client.send(request("GET", host, "/slow", &[]));
    assert_eq!(client.head().status, 200);
    assert_eq!(client.take(100_000, &mut Vec::new()), End::Whole);
    client
}

// Listeners.

/// Adds a listener on a free port; its address.
fn open_listener(edge: &Edge) -> SocketAddr {
    let config = edge.config().replace("listen = [\"127.0.0.1:0\"]", "listen = [\"127.0.0.1:0\", \"127.0.0.1:0\"]");
    edge.set_config(&config);
    until("a second listener", || {
        let told = events(edge, "reloaded").last().map(|event| event["data"]["changed"].to_string())?;
        let opened = told.split("edge http://").nth(1)?.split(": open").next()?.to_owned();
        opened.parse().ok()
    })
}

fn close_listener(edge: &Edge) {
    put(edge, &edge.config().replace("listen = [\"127.0.0.1:0\", \"127.0.0.1:0\"]", "listen = [\"127.0.0.1:0\"]"));
}

#[test]
fn a_listener_is_opened_and_closed_while_the_other_serves() {
    let gate = Gate::default();
    let body = noise(200_000, 7);
    let origin = Origin::with("*", Page::ok("one"));
    origin.on("/slow", Page::ok(&body).hold(100_000, &gate));
    let edge = Edge::plain(&origin);
    let mut first = edge.connect();
    assert_eq!(first.get(HOST, "/").status, 200);
    let second = open_listener(&edge);
    assert_eq!(Client::connect(second).get(HOST, "/").text(), "one");
    assert_eq!(first.get(HOST, "/").status, 200, "a listener that did not change keeps its connections");

    let mut idle = Client::connect(second);
    assert_eq!(idle.get(HOST, "/").status, 200);
    let mut under_way = Client::connect(second);
    under_way.send(request("GET", HOST, "/slow", &[]));
    assert_eq!(under_way.head().status, 200);
    close_listener(&edge);
    eventually("nobody listens there", || Client::try_connect(second).is_none());
    assert_eq!(idle.ends(), End::Closed, "nothing was under way on it");
    assert_eq!(first.get(HOST, "/").status, 200);
    gate.open();
    let mut whole = Vec::new();
    assert_eq!(under_way.take(body.len(), &mut whole), End::Whole);
    assert!(whole == body, "what was under way was finished");
    assert_eq!(under_way.ends(), End::Closed);
    assert_eq!(first.get(HOST, "/").status, 200);
}

#[test]
fn a_closed_listener_ends_its_connections_by_the_deadline_and_no_others() {
    let gate = Gate::default();
    let body = noise(200_000, 7);
    let origin = Origin::with("*", Page::ok(&body).hold(100_000, &gate));
    let edge = Edge::before(&origin).edge("drain = \"500ms\"").start();
    let mut stays = download(&edge, HOST);
    let second = open_listener(&edge);
    let mut ended = Client::connect(second);
    ended.send(request("GET", HOST, "/slow", &[]));
    assert_eq!(ended.head().status, 200);
    close_listener(&edge);
    assert_ne!(ended.rest(&mut Vec::new()), End::Silent, "the deadline ends it");
    gate.open();
    let mut rest = Vec::new();
    assert_eq!(stays.take(100_000, &mut rest), End::Whole, "the other listener's download goes on");
}

#[test]
fn a_port_that_can_not_be_bound_refuses_the_reload_whole() {
    let origin = Origin::with("*", Page::ok("one"));
    let edge = Edge::plain(&origin);
    let good = edge.config();
    let port = Port::reserve();
    let (held, taken) = (port.listen(), port.address);
    let wanted = good
        .replace("listen = [\"127.0.0.1:0\"]", &format!("listen = [\"127.0.0.1:0\", \"127.0.0.1:0\", \"{taken}\"]"))
        .replace("name = \"photos\"", "name = \"renamed\"")
        .replace("[takedown]", "[takedown]\ndisclose = \"none\"");
    edge.set_config(&wanted);
    let said = refused(&edge);
    assert!(said.contains(&taken.to_string()), "{said}");
    assert_eq!(edge.record_of(&edge.get("/"))["site"], "photos", "the old config stays whole");
    assert_eq!(edge.metric("seawall_reload_failed"), 1.0);
    assert!(edge.readyz().text().contains(&taken.to_string()), "{}", edge.readyz().text());

    held.close();
    put(&edge, &wanted);
    assert_eq!(Client::connect(taken).get(HOST, "/").status, 200);
    assert_eq!(edge.record_of(&edge.get("/"))["site"], "renamed");
    assert_eq!(edge.readyz().text(), "ready\n");
}

/// Port 0 was given a port of one interface; the same port of all of them excludes it.
#[test]
fn a_port_that_a_listener_of_ours_holds_is_told_as_that() {
    let origin = Origin::with("*", Page::ok("one"));
    let edge = Edge::plain(&origin);
    let wanted = format!("listen = [\"0.0.0.0:{}\"]", edge.address.port());
    edge.set_config(&edge.config().replacen("listen = [\"127.0.0.1:0\"]", &wanted, 1));
    let said = refused(&edge);
    assert!(said.contains(&format!("{}, which would be closed, still holds the port", edge.address)), "{said}");
    assert_eq!(edge.get("/").text(), "one");
}

/// The demo writes down where it listens once it knows; so may an operator.
#[test]
fn the_port_that_was_given_may_be_written_down() {
    let origin = Origin::with("*", Page::ok("one"));
    let edge = Edge::plain(&origin);
    let mut client = edge.connect();
    assert_eq!(client.get(HOST, "/").status, 200);
    let named = edge
        .config()
        .replacen("listen = [\"127.0.0.1:0\"]", &format!("listen = [\"{}\"]", edge.address), 1)
        .replacen("listen = \"127.0.0.1:0\"", &format!("listen = \"{}\"", edge.admin), 1);
    put(&edge, &named);
    assert_eq!(client.get(HOST, "/").status, 200, "the listener is the same");
}

// The file is watched.

#[test]
fn a_save_by_rename_is_in_force_at_once() {
    let origin = Origin::with("*", Page::ok("one"));
    let edge = Edge::plain(&origin);
    edge.set_config(&(edge.config() + &other_site(&origin, "")));
    eventually("the new site", || edge.connect().get("other.example", "/").status == 200);
    List::at(edge.path("seawall.toml")).rewrite(&edge.config().replace("other.example", "another.example"));
    eventually("its new name", || edge.connect().get("another.example", "/").status == 200);
    assert_eq!(edge.connect().get("other.example", "/").status, 421);
}

/// What is written bit by bit would be a config long before it is all of it.
#[test]
fn a_save_is_never_taken_half() {
    let origin = Origin::with("*", Page::ok("one"));
    let edge = Edge::plain(&origin);
    let sites: String =
        (0..20).map(|number| other_site(&origin, "").replace("other", &format!("other{number}"))).collect();
    let file = List::at(edge.path("seawall.toml"));
    let writer = file.rewrite_slowly(&(edge.config() + &sites));
    until("the last bit", || writer.is_finished().then_some(()));
    eventually("the last site", || edge.connect().get("other19.example", "/").status == 200);
    // It is told after it is in force.
    let names_the_last = |event: &Value| event["data"]["changed"].to_string().contains("site other19: new");
    let told = until("the event", || Some(events(&edge, "reloaded")).filter(|told| told.iter().any(names_the_last)));
    // Who is held up for long has saved several times.
    assert!(told.len() == 1 || writer.was_held_up(), "taken once, and whole: {told:#?}");
    assert_eq!(edge.metric("seawall_reload_failed"), 0.0);
}

#[test]
fn a_config_map_is_taken_by_the_swap_of_its_link() {
    let origin = Origin::with("*", Page::ok("one"));
    let folder = Edge::before(&origin).write();
    let file = |name: &str| folder.path().join(name);
    let config = fs::read_to_string(file("seawall.toml")).unwrap();
    let version = |name: &str, text: &str| {
        fs::create_dir(file(name)).unwrap();
        fs::write(file(name).join("seawall.toml"), text).unwrap();
    };
    version("..1", &config);
    version("..2", &(config.clone() + &other_site(&origin, "")));
    symlink("..1", file("..data")).unwrap();
    fs::remove_file(file("seawall.toml")).unwrap();
    symlink("..data/seawall.toml", file("seawall.toml")).unwrap();
    let edge = Edge::in_folder(folder, vec![origin.served()]);
    assert_eq!(edge.connect().get("other.example", "/").status, 421);
    symlink("..2", edge.path("..next")).unwrap();
    fs::rename(edge.path("..next"), edge.path("..data")).unwrap();
    eventually("the new site", || edge.connect().get("other.example", "/").status == 200);
}

#[test]
fn a_broken_save_keeps_what_was_good_and_names_the_place() {
    let origin = Origin::with("*", Page::ok("one"));
    let edge = Edge::plain(&origin);
    let good = edge.config();
    edge.set_config(&format!("# a line\nmemry = 1\n{good}"));
    eventually("the metric", || edge.metric("seawall_reload_failed") == 1.0);
    let ready = edge.readyz();
    assert_eq!(ready.status, 200);
    let text = ready.text();
    assert!(text.starts_with("degraded\n") && text.contains("seawall.toml:2:1") && text.contains("memry"), "{text}");
    edge.until_said(&["seawall.toml:2:1"]);
    assert_eq!(edge.get("/").text(), "one");
    edge.set_config(&good);
    eventually("all is well", || edge.readyz().text() == "ready\n");
    assert_eq!(edge.metric("seawall_reload_failed"), 0.0);
}

#[test]
fn a_config_that_vanishes_stays_in_force() {
    let origin = Origin::with("*", Page::ok("one"));
    let edge = Edge::plain(&origin);
    let aside = edge.path("aside.toml");
    fs::rename(edge.path("seawall.toml"), &aside).unwrap();
    eventually("degraded", || edge.readyz().text().starts_with("degraded\n"));
    let text = edge.readyz().text();
    assert!(text.contains("seawall.toml") && text.contains("can't be read"), "{text}");
    assert_eq!(edge.get("/").text(), "one");
    fs::rename(&aside, edge.path("seawall.toml")).unwrap();
    eventually("ready", || edge.readyz().text() == "ready\n");
}

#[test]
fn a_save_that_changes_nothing_is_told_once_at_most() {
    let origin = Origin::with("*", Page::ok("one"));
    let edge = Edge::plain(&origin);
    let config = edge.config();
    until("a save in one go", || {
        put(&edge, &config);
        let told = events(&edge, "reloaded").len();
        let was_held_up = List::at(edge.path("seawall.toml")).rewrite(&config);
        // An empty file that stays is a change, and what comes behind it another.
        let is_same = || was_held_up || events(&edge, "reloaded").len() == told;
        always(Duration::from_millis(600), "the same bytes are no change", is_same);
        (!was_held_up).then_some(())
    });
}

/// A saved config names lists; only the operator's word lets go of what vanished.
#[test]
fn a_save_names_lists_and_is_no_word_on_the_others() {
    let origin = Origin::with("*", Page::ok("one"));
    let edge = Edge::before(&origin).rules("https://photos.example/a notice=N-1\n").start();
    assert_eq!(edge.get("/a").status, 451);
    fs::remove_file(edge.path("blocklist.d/list.txt")).unwrap();
    eventually("it is missed", || edge.readyz().text().starts_with("degraded\n"));
    fs::write(edge.path("more.txt"), "https://photos.example/b notice=N-2\n").unwrap();
    let file = List::at(edge.path("seawall.toml"));
    file.replace(&edge.config().replace("[\"blocklist.d\"]", "[\"blocklist.d\", \"more.txt\"]"));
    edge.until_status("/b", 451);
    assert_eq!(edge.get("/a").status, 451, "it stays until the operator says otherwise");
    file.replace(&edge.config().replace("[\"blocklist.d\", \"more.txt\"]", "[\"more.txt\"]"));
    edge.until_status("/a", 200);
    assert_eq!(edge.get("/b").status, 451);

    let named = edge.config().replace("[\"more.txt\"]", "[\"nowhere.txt\"]");
    edge.set_config(&named);
    let said = refused(&edge);
    assert!(said.contains("nowhere.txt"), "{said}");
    assert_eq!(edge.get("/b").status, 451, "refused whole");
}

#[test]
fn a_bad_list_does_not_keep_the_config_from_changing() {
    let origin = Origin::with("*", Page::ok("one"));
    let edge = Edge::before(&origin).rules("https://photos.example/a notice=N-1\n").start();
    edge.list().replace("nonsense here\n");
    edge.set_config(&(edge.config() + &other_site(&origin, "")));
    let said = refused(&edge);
    assert!(said.contains("list.txt:1:") && said.contains("in force"), "{said}");
    assert_eq!(edge.connect().get("other.example", "/").status, 200);
    assert_eq!(edge.get("/a").status, 451);
}

#[test]
fn hooks_come_and_go() {
    let origin = Origin::with("*", Page::ok("one"));
    let edge = Edge::plain(&origin);
    let good = edge.config();
    let told = edge.path("told");
    let hook = format!(
        "[[hook]]\nname = \"teller\"\non = \"block-added\"\nexec = [\"/bin/sh\", \"-c\", \"cat >> {}; echo >> {}\"]\n",
        told.display(),
        told.display()
    );
    put(&edge, &(good.clone() + &hook));
    edge.block("https://photos.example/a", "N-1");
    let lines = || fs::read_to_string(&told).unwrap_or_default().lines().count();
    eventually("the hook is told", || lines() == 1);
    put(&edge, &good);
    edge.block("https://photos.example/b", "N-2");
    assert_eq!(edge.api("GET", "/api/v1/status", None).json()["hooks"]["pending"], json!(0));
    assert_eq!(lines(), 1);
    let names: BTreeSet<String> =
        events(&edge, "reloaded").iter().map(|event| event["data"]["changed"].to_string()).collect();
    assert!(names.iter().any(|told| told.contains("hook teller: new")), "{names:?}");
    assert!(names.iter().any(|told| told.contains("hook teller: removed")), "{names:?}");
}

/// Lists and sites change together: at no moment do the sites of before meet the lists of after.
#[test]
fn a_list_that_goes_with_its_site_blocks_to_the_end() {
    let origin = Origin::with("*", Page::ok("one"));
    let edge = Edge::plain(&origin);
    let without = edge.config();
    let lists = "lists = [\"blocklist.d\"]";
    assert!(without.contains(lists), "{without}");
    let with = without.replace(lists, "lists = [\"blocklist.d\", \"other.txt\"]") + &other_site(&origin, "");
    fs::write(edge.path("other.txt"), "https://other.example/p notice=N-1\n").unwrap();
    put(&edge, &with);
    let (stop, refused) = (AtomicBool::new(false), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        let asking = scope.spawn(|| {
            let mut client = edge.connect();
            let mut seen = BTreeSet::new();
            while !stop.load(SeqCst) {
                seen.insert(client.get("other.example", "/p").status);
                refused.fetch_add(1, SeqCst);
            }
            seen
        });
        for _ in 0..5 {
            let before = refused.load(SeqCst);
            eventually("some requests", || refused.load(SeqCst) > before + 5);
            put(&edge, &without);
            assert_eq!(edge.connect().get("other.example", "/p").status, 421);
            put(&edge, &with);
            assert_eq!(edge.connect().get("other.example", "/p").status, 451);
        }
        stop.store(true, SeqCst);
        assert_eq!(asking.join().unwrap(), BTreeSet::from([421, 451]), "it was served");
    });
}

#[test]
fn what_a_header_rule_says_is_told_to_nobody() {
    let origin = Origin::with("*", Page::ok("one"));
    let rule = |secret: &str| format!("[[site.header]]\nto = \"origin\"\nset = [\"X-Edge-Key: {secret}\"]\n");
    let edge = Edge::before(&origin).site(&rule("hunter-1")).start();
    let reloaded = {
        edge.set_config(&edge.config().replace("hunter-1", "hunter-2"));
        edge.seawall(&["reload"])
    };
    assert_eq!(reloaded.code, 0, "{}", reloaded.all());
    assert_eq!(edge.get("/a").status, 200);
    assert_eq!(origin.asked_once("/a").field("X-Edge-Key"), Some("hunter-2"), "it is in force");
    assert!(edge.event("reloaded").to_string().contains("header"), "what changed is told by its name");
    for text in [reloaded.all(), edge.stderr(), edge.log().iter().map(Value::to_string).collect()] {
        assert!(!text.contains("hunter-"), "{text}");
    }
}

#[test]
fn a_stored_cookie_is_not_handed_out_once_the_site_says_no() {
    let origin = Origin::start();
    origin.on("/a", Page::stored("one").field("Set-Cookie", "sid=1"));
    let edge = Edge::before(&origin).site("store_set_cookie = true\n").start();
    edge.get("/a").stored();
    edge.get("/a").hit();
    put(&edge, &edge.config().replace("store_set_cookie = true", "store_set_cookie = false"));
    origin.on("/a", Page::stored("two").field("Set-Cookie", "sid=2"));
    assert_eq!(edge.get("/a").fetched().field("Set-Cookie"), Some("sid=2"));
}

#[test]
fn copies_of_the_origin_before_are_not_served_for_the_next() {
    let (before, now) = (Origin::with("*", Page::stored("before")), Origin::with("*", Page::stored("now")));
    let edge = Edge::before(&before).also(&now).start();
    edge.get("/a").stored();
    edge.get("/a").hit();
    put(&edge, &edge.config().replace(&before.address.to_string(), &now.address.to_string()));
    assert_eq!(edge.get("/a").stored().text(), "now");
    edge.get("/a").hit();
}
