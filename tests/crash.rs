//! Kill -9 under load: the evidence holds, and so does every block that was acknowledged.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Mutex, mpsc};

use crate::harness::client::{End, request};
use crate::harness::{Client, Edge, HOST, Origin, Page, SOON, eventually, noise, seawall};

#[test]
fn kill_9_under_load_three_times() {
    let origin = Origin::with("*", Page::stored(noise(20_000, 1)));
    let mut edge = Edge::before(&origin).audit("segment_age = \"1s\"\nsegment_size = \"8KiB\"\n").start();
    let acknowledged = Mutex::new(Vec::new());
    let mut left_open = 0;
    for round in 0..3 {
        load_and_kill(&mut edge, round, &acknowledged);
        left_open += usize::from(!edge.log().last().is_some_and(|line| line["event"] == "sealed"));
        // Beside no running edge, and after a crash, the log can be read.
        let audit = edge.audit().display().to_string();
        let torn = seawall(&["audit", "verify", &audit], edge.folder());
        assert_eq!(torn.code, 0, "what a crash leaves is no tampering: {}", torn.all());
        edge.start_again();
        let verified = seawall(&["audit", "verify", &audit], edge.folder());
        assert_eq!(verified.code, 0, "round {round}: {}", verified.all());
        let mut client = edge.connect();
        for path in acknowledged.lock().unwrap().iter() {
            assert_eq!(client.get(HOST, path).status, 451, "{path} was acknowledged before round {round}'s end");
        }
    }
    let log = edge.log();
    let recovered: Vec<_> = log.iter().filter(|line| line["event"] == "recovered").collect();
    assert_eq!(recovered.len(), left_open, "each recovery is told");
    assert!(acknowledged.lock().unwrap().len() >= 3);
    for path in acknowledged.lock().unwrap().iter() {
        let rule = format!("https://photos.example{path}");
        let told = log.iter().any(|line| line["event"] == "block-added" && line.to_string().contains(&rule));
        assert!(told, "the block of {path} is in the log");
    }
    let mut receipts: Vec<String> = log.iter().filter(|line| line["event"] == "block-added").map(id_of).collect();
    let all = receipts.len();
    receipts.sort();
    receipts.dedup();
    assert_eq!(receipts.len(), all, "no edit has two receipts, whenever the crash came");
}

fn id_of(event: &serde_json::Value) -> String {
    event["data"]["id"].as_str().unwrap().to_owned()
}

/// Clients ask, an operator blocks; in the midst of it the edge is killed.
fn load_and_kill(edge: &mut Edge, round: usize, acknowledged: &Mutex<Vec<String>>) {
    let (stop, asked, blocked) = (AtomicBool::new(false), AtomicUsize::new(0), AtomicUsize::new(0));
    let (address, admin, token) = (edge.address, edge.admin, edge.token());
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                let mut client = Client::connect(address);
                while !stop.load(SeqCst) && client.get(HOST, &format!("/{}", asked.load(SeqCst) % 50)).end == End::Whole
                {
                    asked.fetch_add(1, SeqCst);
                }
            });
        }
        scope.spawn(|| {
            for n in 0.. {
                let path = format!("/blocked/{round}/{n}");
                let Some(status) = block(admin, &token, &format!("https://photos.example{path}")) else { return };
                assert_eq!(status, 201);
                acknowledged.lock().unwrap().push(path);
                blocked.fetch_add(1, SeqCst);
            }
        });
        eventually("load", || asked.load(SeqCst) > 300 && blocked.load(SeqCst) > 3);
        edge.kill();
        stop.store(true, SeqCst);
    });
}

#[test]
fn a_torn_last_line_is_cut_and_the_cut_is_recorded() {
    use std::io::Write;
    let origin = Origin::with("/a", Page::stored("x"));
    let mut edge = Edge::plain(&origin);
    let answer = edge.get("/a");
    edge.record_of(&answer);
    edge.kill();
    let open = crate::harness::evidence::segments(&edge.audit()).pop().unwrap();
    assert!(!open.is_sealed);
    let mut file = std::fs::OpenOptions::new().append(true).open(&open.path).unwrap();
    file.write_all(b"{\"node\":\"half a li").unwrap();
    drop(file);
    let audit = edge.audit().display().to_string();
    assert_eq!(seawall(&["audit", "verify", &audit], edge.folder()).code, 0, "a torn tail is no tampering");
    edge.start_again();
    let recovered = edge.event("recovered");
    assert!(recovered.to_string().contains("18"), "it says how many bytes were cut: {recovered}");
    assert!(edge.log().iter().any(|line| line["id"] == answer.id()), "what was whole is there");
}

/// How often it is killed, each time right after so many edits were acknowledged.
const KILLS: usize = 8;
const EDITS: usize = 50;

#[test]
fn edits_are_all_there_whenever_it_was_killed() {
    let origin = Origin::with("*", Page::stored("x"));
    let mut edge = Edge::plain(&origin);
    let acknowledged = Mutex::new(Vec::new());
    for round in 1..=KILLS {
        edit_and_kill(&mut edge, round, &acknowledged);
        edge.start_again();
        let acknowledged = acknowledged.lock().unwrap();
        assert!(acknowledged.len() >= round * EDITS);
        let rules = rules_in_force(&edge);
        let lost: Vec<&String> = acknowledged.iter().filter(|rule| !rules.contains(*rule)).collect();
        assert!(lost.is_empty(), "round {round}: {lost:?}");
    }
    let mut client = edge.connect();
    for rule in acknowledged.lock().unwrap().iter() {
        assert_eq!(client.get(HOST, rule.strip_prefix("https://photos.example").unwrap()).status, 451, "{rule}");
    }
    let log = edge.log();
    let told: Vec<String> = log.iter().filter(|line| line["event"] == "block-added").map(id_of).collect();
    let once: HashSet<&String> = told.iter().collect();
    assert_eq!(once.len(), told.len(), "each is told once");
    assert!(told.len() >= KILLS * EDITS);
}

/// Four at a time block one URL after another; with the last acknowledgement it is killed.
fn edit_and_kill(edge: &mut Edge, round: usize, acknowledged: &Mutex<Vec<String>>) {
    let (admin, token) = (edge.admin, edge.token());
    let before = acknowledged.lock().unwrap().len();
    let (done, all) = mpsc::channel();
    std::thread::scope(|scope| {
        for worker in 0..4 {
            let (done, token) = (done.clone(), &token);
            scope.spawn(move || {
                for n in 0.. {
                    let rule = format!("https://photos.example/{round}/{worker}/{n}");
                    let Some(201) = block(admin, token, &rule) else { return };
                    let mut acknowledged = acknowledged.lock().unwrap();
                    acknowledged.push(rule);
                    if acknowledged.len() == before + EDITS {
                        done.send(()).unwrap();
                    }
                }
            });
        }
        all.recv_timeout(SOON).expect("edits are acknowledged");
        edge.kill();
    });
}

/// The answer's status, if one came.
fn block(admin: SocketAddr, token: &str, rule: &str) -> Option<u16> {
    let body = format!("{{\"rules\": [\"{rule}\"]}}");
    let fields = [("Authorization", format!("Bearer {token}")), ("Content-Length", body.len().to_string())];
    let fields = fields.each_ref().map(|(name, value)| (*name, value.as_str()));
    let mut client = Client::try_connect(admin)?;
    client.send(request("POST", &admin.to_string(), "/api/v1/blocks", &fields) + &body);
    let answer = client.head();
    (answer.end == End::Whole).then_some(answer.status)
}

fn rules_in_force(edge: &Edge) -> HashSet<String> {
    let (mut rules, mut after) = (HashSet::new(), String::new());
    loop {
        let page = edge.api("GET", &format!("/api/v1/blocks?limit=1000{after}"), None).json();
        let these = page["blocks"].as_array().unwrap();
        rules.extend(these.iter().map(|block| block["rule"].as_str().unwrap().to_owned()));
        let Some(next) = page["next"].as_str() else { return rules };
        after = format!("&after={next}");
    }
}
