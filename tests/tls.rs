//! TLS towards clients and operators: who is shown what, and what changes under them.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::time::{Duration, Instant};

use tokio_rustls::rustls::{HandshakeKind, version};

use crate::harness::client::End;
use crate::harness::edge::Builder;
use crate::harness::process::Running;
use crate::harness::{Client, Edge, HOST, Origin, Page, Pair, Trusting, at, eventually, seawall, until};

fn origin() -> Origin {
    Origin::with("/a", Page::stored("x"))
}

/// A listener with these pairs beside the one in clear.
fn with_tls(origin: &Origin, pairs: &[&Pair]) -> Builder {
    let tls: Vec<String> = pairs.iter().map(|pair| pair.toml()).collect();
    Edge::before(origin).listen(&format!("{{ addr = \"127.0.0.1:0\", tls = [{}] }}", tls.join(", ")))
}

fn https(edge: &Edge) -> SocketAddr {
    edge.https()[0]
}

#[test]
fn an_answer_comes_over_tls() {
    let (origin, keys) = (origin(), tempfile::tempdir().unwrap());
    let pair = Pair::make(keys.path(), "a", &[HOST]);
    let edge = with_tls(&origin, &[&pair]).start();
    let mut client = Trusting::in_all(&[pair.der()]).connect(https(&edge), HOST);
    assert_eq!(
        (client.get(HOST, "/a").text().as_str(), client.session().alpn_protocol()),
        ("x", Some(&b"http/1.1"[..]))
    );
    assert_eq!(origin.asked_once("/a").field("X-Forwarded-Proto"), Some("https"));
    client.get(HOST, "/a").hit(); // the connection stands
    // The scheme is a part of the cache's identity.
    edge.get("/a").fetched();
}

#[test]
fn what_is_spoken_is_agreed_on() {
    let (origin, keys) = (origin(), tempfile::tempdir().unwrap());
    let pair = Pair::make(keys.path(), "a", &[HOST]);
    let edge = with_tls(&origin, &[&pair]).start();
    let trusting = Trusting::in_all(&[pair.der()]);
    for (offered, agreed) in [
        (&["http/1.1", "h2"][..], Some("h2")),
        (&["http/1.1", "spdy/3"], Some("http/1.1")),
        // Who offers nothing speaks HTTP/1.1.
        (&[], None),
    ] {
        let mut client = trusting.offering(offered).connect(https(&edge), HOST);
        assert_eq!(client.session().alpn_protocol(), agreed.map(str::as_bytes), "{offered:?}");
        if agreed != Some("h2") {
            assert_eq!(client.get(HOST, "/a").status, 200, "{offered:?}");
        }
    }
    assert!(trusting.offering(&["spdy/3"]).try_connect(https(&edge), HOST).is_err(), "RFC 7301 section 3.2");
}

#[test]
fn the_name_asked_for_chooses_the_certificate() {
    let (origin, keys) = (origin(), tempfile::tempdir().unwrap());
    let first = Pair::make(keys.path(), "first", &["first.example", "other.example", "x.y.photos.example"]);
    let exact = Pair::make(keys.path(), "exact", &[HOST, "a.photos.example"]);
    let wild = Pair::make(keys.path(), "wild", &["*.photos.example"]);
    let edge = with_tls(&origin, &[&first, &exact, &wild]).start();
    let client = Trusting::in_all(&[first.der(), exact.der(), wild.der()]);
    for (name, pair) in [
        (HOST, &exact),
        ("a.photos.example", &exact),
        ("b.photos.example", &wild),
        ("x.y.photos.example", &first),
        ("other.example", &first),
    ] {
        assert!(client.connect(https(&edge), name).shown() == pair.der(), "{name}");
    }
}

#[test]
fn both_versions_are_spoken_and_sessions_are_resumed() {
    let (origin, keys) = (origin(), tempfile::tempdir().unwrap());
    let pair = Pair::make(keys.path(), "a", &[HOST]);
    let edge = with_tls(&origin, &[&pair]).start();
    for spoken in [&version::TLS12, &version::TLS13] {
        let trusting = Trusting::by(&[pair.der()], &[spoken]);
        for kind in [HandshakeKind::Full, HandshakeKind::Resumed, HandshakeKind::Resumed] {
            let mut client = trusting.connect(https(&edge), HOST);
            assert_eq!(client.get(HOST, "/a").status, 200);
            assert_eq!(client.session().protocol_version(), Some(spoken.version));
            assert_eq!(client.session().handshake_kind(), Some(kind), "{:?}", spoken.version);
        }
    }
}

/// Clients that come again and again, and one that stays.
struct Load {
    stop: Arc<AtomicBool>,
    answers: Arc<AtomicU64>,
    threads: Vec<std::thread::JoinHandle<()>>,
}

impl Load {
    /// From one request of a client to its next.
    const PACE: Duration = Duration::from_millis(10);

    fn start(address: SocketAddr, trusting: &Trusting) -> Load {
        let (stop, answers) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let client = |stays: bool| {
            let (stop, answers, trusting) = (stop.clone(), answers.clone(), trusting.clone());
            std::thread::spawn(move || {
                let (start, mut turn) = (Instant::now(), 0);
                let mut standing = trusting.connect(address, HOST);
                while !stop.load(SeqCst) {
                    turn += 1;
                    at(start + Load::PACE * turn);
                    if !stays {
                        standing = trusting.connect(address, HOST);
                    }
                    let answer = standing.get(HOST, "/a");
                    assert_eq!((answer.status, answer.end), (200, End::Whole));
                    answers.fetch_add(1, SeqCst);
                }
            })
        };
        let threads = [true, false, false].map(client).into();
        Load { stop, answers, threads }
    }

    fn finish(self) -> u64 {
        self.stop.store(true, SeqCst);
        self.threads.into_iter().for_each(|thread| thread.join().expect("a client that was let down"));
        self.answers.load(SeqCst)
    }
}

/// Another certificate and a reload each second, for half a minute.
#[test]
fn swaps_and_reloads_under_load_fail_nobody() {
    let (origin, keys) = (origin(), tempfile::tempdir().unwrap());
    let pair = Pair::make(keys.path(), "a", &[HOST]);
    let others: Vec<Pair> = (0..3).map(|n| Pair::make(keys.path(), &format!("other{n}"), &[HOST])).collect();
    let edge = with_tls(&origin, &[&pair]).start();
    let all: Vec<_> = others.iter().chain([&pair]).map(Pair::der).collect();
    let load = Load::start(https(&edge), &Trusting::in_all(&all));
    let start = Instant::now();
    for (turn, other) in (0..30).zip(others.iter().cycle()) {
        at(start + Duration::from_secs(turn));
        pair.replace_by(other);
        let reloaded = edge.seawall(&["reload"]);
        assert_eq!(reloaded.code, 0, "{}", reloaded.all());
        eventually("the new certificate", || Trusting::in_all(&all).connect(https(&edge), HOST).shown() == other.der());
    }
    assert!(load.finish() > 0);
    assert_eq!(edge.readyz().text(), "ready\n");
}

/// `..data` leads to the folder of the day, as a ConfigMap has it.
fn config_map(folder: &Path, version: &str, pair: &Pair) {
    fs::create_dir(folder.join(version)).unwrap();
    fs::copy(&pair.cert, folder.join(version).join("tls.crt")).unwrap();
    fs::copy(&pair.key, folder.join(version).join("tls.key")).unwrap();
    std::os::unix::fs::symlink(version, folder.join("..next")).unwrap();
    fs::rename(folder.join("..next"), folder.join("..data")).unwrap();
}

#[test]
fn links_are_followed_to_where_they_lead_now() {
    let (origin, keys) = (origin(), tempfile::tempdir().unwrap());
    let (one, two) = (Pair::make(keys.path(), "one", &[HOST]), Pair::make(keys.path(), "two", &[HOST]));
    let mounted = tempfile::tempdir().unwrap();
    config_map(mounted.path(), "..1", &one);
    for name in ["tls.crt", "tls.key"] {
        std::os::unix::fs::symlink(Path::new("..data").join(name), mounted.path().join(name)).unwrap();
    }
    let shown = Pair { cert: mounted.path().join("tls.crt"), key: mounted.path().join("tls.key") };
    let edge = with_tls(&origin, &[&shown]).start();
    let trusting = Trusting::in_all(&[one.der(), two.der()]);
    assert!(trusting.connect(https(&edge), HOST).shown() == one.der());
    config_map(mounted.path(), "..2", &two);
    fs::remove_dir_all(mounted.path().join("..1")).unwrap();
    eventually("the new certificate", || trusting.connect(https(&edge), HOST).shown() == two.der());
}

#[test]
fn a_bad_pair_leaves_the_one_before_in_force_and_says_so() {
    let (origin, keys) = (origin(), tempfile::tempdir().unwrap());
    let pair = Pair::make(keys.path(), "a", &[HOST]);
    let kept = Pair::make(keys.path(), "kept", &[HOST]);
    let old = Pair::make_expired(keys.path(), "old", &[HOST]);
    pair.replace_by(&kept);
    let edge = with_tls(&origin, &[&pair]).start();
    let trusting = Trusting::in_all(&[kept.der()]);
    let breakages: [(&str, &dyn Fn(), &str); 5] = [
        ("no PEM", &|| fs::write(&pair.cert, "-----BEGIN CERTIFICATE-----\nhalf").unwrap(), "a.pem is not a PEM file"),
        ("gone", &|| fs::remove_file(&pair.key).unwrap(), "a.key can't be read"),
        ("another's key", &|| assert!(fs::copy(&old.key, &pair.key).is_ok()), "does not belong to"),
        ("nothing", &|| fs::write(&pair.cert, "").unwrap(), "a.pem holds no certificate"),
        ("expired", &|| pair.replace_by(&old), "a.pem expired at 2021-01-01"),
    ];
    for (what, breaks, said) in breakages {
        breaks();
        let ready = until(what, || Some(edge.readyz()).filter(|ready| ready.text().starts_with("degraded\n")));
        assert!(ready.status == 200 && ready.text().contains(said), "{what}: {}", ready.text());
        assert!(ready.text().contains(&https(&edge).to_string()), "{what}: {}", ready.text());
        assert_eq!(edge.metric("seawall_certificates_degraded"), 1.0);
        let mut client = trusting.connect(https(&edge), HOST);
        assert_eq!((client.shown() == kept.der(), client.get(HOST, "/a").status), (true, 200), "{what}");
        pair.replace_by(&kept);
        eventually("it recovers", || edge.readyz().text() == "ready\n");
    }
}

#[test]
fn days_to_expiry_are_a_metric() {
    let (origin, keys) = (origin(), tempfile::tempdir().unwrap());
    let good = Pair::make(keys.path(), "good", &[HOST]);
    let old = Pair::make_expired(keys.path(), "old", &["old.example"]);
    let edge = with_tls(&origin, &[&good, &old]).start();
    let left = |name: &str| {
        let listener = format!("listener=\"{}\"", https(&edge));
        edge.metric_where("seawall_certificate_expiry_seconds", &[&listener, &format!("name=\"{name}\"")])
    };
    assert!(left(HOST) > 86_400.0 && left("old.example") < -86_400.0);
    let ready = edge.readyz().text();
    assert!(ready.starts_with("degraded\n") && ready.contains("for old.example expired at 2021-01-01"), "{ready}");
}

#[test]
fn check_names_the_file_and_what_is_wrong_with_it() {
    let keys = tempfile::tempdir().unwrap();
    let good = Pair::make(keys.path(), "good", &[HOST]);
    let other = Pair::make(keys.path(), "other", &[HOST]);
    let old = Pair::make_expired(keys.path(), "old", &[HOST]);
    let junk = keys.path().join("junk.pem");
    fs::write(&junk, "nothing of this kind").unwrap();
    let check = |cert: &Path, key: &Path| {
        let pair = Pair { cert: cert.to_owned(), key: key.to_owned() };
        let folder = Edge::before_address("127.0.0.1:1")
            .listen(&format!("{{ addr = \"127.0.0.1:0\", tls = {} }}", pair.toml()))
            .write();
        seawall(&["check", "-c", "seawall.toml"], folder.path())
    };
    for (cert, key, said) in [
        (&good.cert, &other.key, "other.key does not belong to the first certificate in"),
        (&junk, &good.key, "junk.pem holds no certificate"),
        (&good.key, &good.key, "good.key holds no certificate, but a private key"),
        (&good.cert, &good.cert, "good.pem holds no private key, but a certificate"),
        (&keys.path().join("none.pem"), &good.key, "none.pem` is not there"),
    ] {
        let bad = check(cert, key);
        assert!(bad.code == 78 && bad.all().contains(said), "{said}: {}", bad.all());
    }
    let shown = check(&good.cert, &good.key);
    assert!(shown.code == 0 && shown.stdout.contains("good.pem until 4096-01-01"), "{}", shown.all());
    let warned = check(&old.cert, &old.key);
    assert!(warned.code == 0 && warned.stdout.contains("old.pem expired at 2021-01-01"), "{}", warned.all());
}

#[test]
fn a_start_with_a_bad_pair_is_78() {
    let keys = tempfile::tempdir().unwrap();
    let (one, two) = (Pair::make(keys.path(), "one", &[HOST]), Pair::make(keys.path(), "two", &[HOST]));
    let mixed = Pair { cert: one.cert, key: two.key };
    let folder = Edge::before_address("127.0.0.1:1")
        .listen(&format!("{{ addr = \"127.0.0.1:0\", tls = {} }}", mixed.toml()))
        .write();
    let refused = seawall(&["run", "-c", "seawall.toml"], folder.path());
    assert!(refused.code == 78 && refused.all().contains("two.key does not belong"), "{}", refused.all());
}

#[test]
fn a_reload_hands_over_other_files() {
    let (origin, keys) = (origin(), tempfile::tempdir().unwrap());
    let (one, two) = (Pair::make(keys.path(), "one", &[HOST]), Pair::make(keys.path(), "two", &[HOST]));
    let edge = with_tls(&origin, &[&one]).start();
    let trusting = Trusting::in_all(&[one.der(), two.der()]);
    let mut standing = trusting.connect(https(&edge), HOST);
    let mixed = Pair { cert: two.cert.clone(), key: one.key.clone() };
    let config = edge.config();
    edge.set_config(&config.replace(&one.toml(), &mixed.toml()));
    let refused = edge.seawall(&["reload"]);
    assert!(refused.code == 1 && refused.all().contains("does not belong"), "{}", refused.all());
    assert!(trusting.connect(https(&edge), HOST).shown() == one.der());
    edge.set_config(&config.replace(&one.toml(), &two.toml()));
    assert_eq!(edge.seawall(&["reload"]).code, 0);
    assert!(trusting.connect(https(&edge), HOST).shown() == two.der());
    assert_eq!(standing.get(HOST, "/a").status, 200);
    // The files that are shown now are the ones that are watched.
    two.replace_by(&one);
    eventually("the certificate of before", || trusting.connect(https(&edge), HOST).shown() == one.der());
}

#[test]
fn who_does_not_shake_hands_holds_no_permit_for_ever() {
    let (origin, keys) = (origin(), tempfile::tempdir().unwrap());
    let pair = Pair::make(keys.path(), "a", &[HOST]);
    let edge = with_tls(&origin, &[&pair]).edge("max_connections = 1\nhead_timeout = \"300ms\"\n").start();
    let silent = Client::connect(https(&edge));
    let mut half = Client::connect(https(&edge));
    half.send([22, 3, 1, 2, 0, 1]);
    let began = Instant::now();
    let trusting = Trusting::in_all(&[pair.der()]);
    // One that is held up for so long itself is closed as they are.
    until("a client in time", || {
        let mut client = trusting.try_connect(https(&edge), HOST).ok()?;
        (client.get(HOST, "/a").status == 200).then_some(())
    });
    assert!(began.elapsed() < Duration::from_secs(30));
    drop((silent, half));
    assert!(edge.metric_where("seawall_refused_total", &["reason=\"tls-handshake\""]) >= 2.0);
}

#[test]
fn who_speaks_no_tls_is_told_so() {
    let (origin, keys) = (origin(), tempfile::tempdir().unwrap());
    let pair = Pair::make(keys.path(), "a", &[HOST]);
    let edge = with_tls(&origin, &[&pair]).start();
    let mut plain = Client::connect(https(&edge));
    let answer = plain.get(HOST, "/a");
    assert!(answer.status == 400 && answer.text().contains("by https"), "{}", answer.text());
    assert_eq!(plain.ends(), End::Closed);
    let mut noise = Client::connect(https(&edge));
    noise.send([0; 100]);
    let mut rest = Vec::new();
    assert_ne!(noise.rest(&mut rest), End::Silent);
    assert!(Trusting::in_all(&[]).try_connect(https(&edge), HOST).is_err(), "a client that doesn't believe us leaves");
    eventually("three are counted", || {
        edge.metric_where("seawall_refused_total", &["reason=\"tls-handshake\""]) == 3.0
    });
    assert!(origin.asked("/a").is_empty());
}

#[test]
fn who_asks_in_clear_is_sent_to_https() {
    let (origin, keys) = (origin(), tempfile::tempdir().unwrap());
    let pair = Pair::make(keys.path(), "a", &[HOST]);
    let edge = with_tls(&origin, &[&pair]).site("redirect_to_https = true\n").start();
    let port = https(&edge).port();
    let mut client = edge.connect();
    let named = format!("{HOST}:8080");
    for (method, host, target, status) in [
        ("GET", HOST, "/a", 301),
        ("HEAD", HOST, "/a", 301),
        ("POST", HOST, "/a", 308),
        ("DELETE", named.as_str(), "/a", 308),
        ("GET", named.as_str(), "/A//b/../%7e?x=1&&y=%20&x=1", 301),
        ("GET", "PHOTOS.example.", "/?", 301),
    ] {
        let answer = client.ask(method, host, target, &[]);
        assert_eq!(answer.status, status, "{method} {target}");
        assert_eq!(answer.field("Location").unwrap(), format!("https://{HOST}:{port}{target}"));
        let record = edge.record_of(&answer);
        assert_eq!((record["verdict"].as_str(), record["cache"].as_str()), (Some("served"), Some("none")), "{record}");
        assert_eq!(record["status"], status);
    }
    assert!(origin.asked("/a").is_empty());
    let mut secured = Trusting::in_all(&[pair.der()]).connect(https(&edge), HOST);
    assert_eq!(secured.get(HOST, "/a").status, 200);
    // What is blocked is nowhere, so nobody is sent there.
    edge.block("https://photos.example/a", "N-1");
    assert_eq!((edge.get("/a").status, secured.get(HOST, "/a").status), (451, 451));
}

#[test]
fn the_port_of_https_is_the_operators() {
    let (origin, keys) = (origin(), tempfile::tempdir().unwrap());
    let pair = Pair::make(keys.path(), "a", &[HOST]);
    let site = "redirect_to_https = true\n";
    let edge = with_tls(&origin, &[&pair]).edge("https_port = 443\n").site(site).start();
    assert_eq!(edge.get("/a?b").field("Location"), Some("https://photos.example/a?b"));
    let folder = Edge::before_address("127.0.0.1:1").site(site).write();
    let refused = seawall(&["check", "-c", "seawall.toml"], folder.path());
    assert!(refused.code == 78 && refused.all().contains("no listener of the edge speaks https"), "{}", refused.all());
}

#[test]
fn operators_and_their_commands_speak_tls() {
    let (origin, keys) = (origin(), tempfile::tempdir().unwrap());
    // Not for the address by which it is asked: whoever reads the config believes the file itself.
    let pair = Pair::make(keys.path(), "admin", &["admin.example"]);
    let addressed = Pair::make(keys.path(), "addressed", &["127.0.0.1"]);
    let edge = Edge::before(&origin).admin(&format!("tls = {}\n", pair.toml())).start();
    let config = edge.path("seawall.toml").display().to_string();
    let token = edge.path("state/admin.token").display().to_string();
    let run = |arguments: &[&str]| seawall(arguments, edge.folder());
    let blocked = run(&["block", "https://photos.example/a", "--notice", "N-1", "--reason", "x", "-c", &config]);
    assert_eq!(blocked.code, 0, "{}", blocked.all());
    assert_eq!(edge.get("/a").status, 451);

    let url = format!("https://{}", edge.admin);
    let by_name = format!("https://localhost:{}", edge.admin.port());
    let cert = pair.cert.display().to_string();
    for (arguments, code, said) in [
        (vec!["--admin", &url, "-c", &config], 0, ""),
        (vec!["--admin", &by_name, "-c", &config], 0, ""),
        (vec!["--admin", &url, "--token-file", &token], 1, "--ca-file"),
        (vec!["--admin", &url, "--token-file", &token, "--ca-file", &cert], 1, "not valid for name"),
        (vec!["--admin", &url[8..], "--token-file", &token], 1, "name it as https://"),
    ] {
        let done = run(&[&["status"], &arguments[..]].concat());
        assert!(done.code == code && done.all().contains(said), "{arguments:?}: {}", done.all());
    }
    // The listener takes a new pair live, too.
    pair.replace_by(&addressed);
    let by_file = ["status", "--admin", &url, "--token-file", &token, "--ca-file", &cert];
    eventually("the new certificate", || run(&by_file).code == 0);
    assert!(
        Trusting::in_all(&[pair.der()]).connect(edge.admin, "127.0.0.1").get(&edge.admin.to_string(), "/livez").status
            == 200
    );
}

#[test]
fn a_self_signed_certificate_outlives_a_restart() {
    let origin = origin();
    let mut edge = Edge::before(&origin).listen("{ addr = \"127.0.0.1:0\", tls = \"self-signed\" }").start();
    let shown = Pair { cert: edge.path("state/tls/self-signed.pem"), key: edge.path("state/tls/self-signed.key") };
    let before = shown.der();
    let trusting = Trusting::in_all(std::slice::from_ref(&before));
    for name in [HOST, "a.photos.example", "localhost", "127.0.0.1"] {
        assert_eq!(trusting.connect(https(&edge), name).get(HOST, "/a").status, 200, "{name}");
    }
    edge.restart();
    assert!(trusting.connect(https(&edge), HOST).shown() == before);
    assert_eq!(edge.readyz().text(), "ready\n");
}

#[test]
fn a_drain_does_not_wait_for_handshakes() {
    let (origin, keys) = (origin(), tempfile::tempdir().unwrap());
    let pair = Pair::make(keys.path(), "a", &[HOST]);
    let mut edge = with_tls(&origin, &[&pair]).edge("head_timeout = \"1h\"\n").start();
    let mut silent = Client::connect(https(&edge));
    eventually("it is accepted", || edge.metric("seawall_connections_open") == 1.0);
    let began = Instant::now();
    edge.stop();
    assert!(began.elapsed() < Duration::from_secs(10));
    assert_ne!(silent.ends(), End::Silent);
}

#[test]
fn the_demo_speaks_https() {
    let folder = tempfile::tempdir().unwrap();
    let mut demo =
        Running::start(&["demo", "--tls", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"], folder.path());
    let address: SocketAddr = demo.printed("edge https://").parse().unwrap();
    let fetch = until("the tour", || demo.lines().into_iter().find(|line| line.contains("/pictures/harbour.svg")));
    let words: Vec<&str> = fetch.split_whitespace().collect();
    let cert = words[words.iter().position(|word| *word == "--cacert").unwrap() + 1];
    let believed = Pair { cert: cert.into(), key: cert.into() };
    let mut client = Trusting::in_all(&[believed.der()]).connect(address, "127.0.0.1");
    assert_eq!(client.get(&address.to_string(), "/").status, 200);
    demo.signal(rustix::process::Signal::INT);
    assert_eq!(demo.ended(Duration::from_secs(20)).code(), Some(0), "{}", demo.stderr());
}
