//! What the edge says of itself on stderr, and that nothing it does depends on whether that can be written.

use std::fs::{self, Permissions};
use std::io::{BufRead, BufReader, PipeReader, pipe};
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;
use std::sync::mpsc::channel;

use rustix::fs::{CWD, FileType, Mode, mknodat};

use crate::harness::{Edge, HOST, Origin, Page, Port, SOON, eventually, seawall};

/// A site beside the tests' own, whose origin is away: each ask of it is a line on stderr.
fn dead_site(port: &Port) -> String {
    format!("[[site]]\nname = \"dead\"\nhosts = [\"dead.example\"]\norigin = \"http://{}\"\n", port.address)
}

/// An edge, and the other end of its stderr.
fn edge(origin: &Origin, dead: &Port) -> (Edge, PipeReader) {
    let (reader, writer) = pipe().unwrap();
    let folder = Edge::before(origin).tables(&dead_site(dead)).write();
    (Edge::saying_to(Stdio::from(writer), folder, vec![origin.served()]), reader)
}

/// Has it say so much that the pipe is full, and all that may wait behind it.
fn say_too_much(edge: &Edge) {
    let mut client = edge.connect();
    for turn in 0.. {
        assert_eq!(client.get("dead.example", "/").status, 502);
        if turn % 100 == 0 && edge.metric("seawall_diagnostics_dropped_total") > 0.0 {
            return;
        }
        assert!(turn < 20_000, "every line found a place");
    }
}

/// Two lists one after the other, a reload, an origin that is away: whatever logs goes on.
fn does_all_that_it_should(edge: &Edge) {
    for target in ["/first", "/second"] {
        assert_eq!(edge.get(target).status, 200);
        edge.list().append(&format!("https://{HOST}{target}"));
        edge.until_status(target, 451);
    }
    assert_eq!(edge.connect().get("dead.example", "/").status, 502);
    edge.set_config(&edge.config().replace("dead.example", "gone.example"));
    let reloaded = edge.seawall(&["reload"]);
    assert_eq!(reloaded.code, 0, "{}", reloaded.all());
    assert_eq!(edge.connect().get("gone.example", "/").status, 502);
    assert_eq!(edge.readyz().status, 200);
    edge.record_of(&edge.get("/third"));
}

#[test]
fn an_edge_whose_stderr_has_lost_its_reader_goes_on() {
    let (origin, dead) = (Origin::with("*", Page::stored("hello")), Port::reserve());
    let (mut edge, reader) = edge(&origin, &dead);
    drop(reader);
    does_all_that_it_should(&edge);
    eventually("lines that were dropped", || edge.metric("seawall_diagnostics_dropped_total") > 0.0);
    edge.stop();
}

#[test]
fn an_edge_whose_stderr_nobody_reads_goes_on_and_leaves() {
    let (origin, dead) = (Origin::with("*", Page::stored("hello")), Port::reserve());
    let (mut edge, _unread) = edge(&origin, &dead);
    say_too_much(&edge);
    does_all_that_it_should(&edge);
    edge.stop();
}

#[test]
fn who_reads_again_learns_how_much_is_missing_and_the_rest() {
    let (origin, dead) = (Origin::with("*", Page::stored("hello")), Port::reserve());
    let (mut edge, reader) = edge(&origin, &dead);
    say_too_much(&edge);
    let (pass, lines) = channel();
    let reading = std::thread::spawn(move || {
        BufReader::new(reader).lines().map(Result::unwrap).for_each(|line| drop(pass.send(line)));
    });
    let line_with = |words: &str| loop {
        let line = lines.recv_timeout(SOON).unwrap_or_else(|_| panic!("a line with {words}"));
        if line.contains(words) {
            return line;
        }
    };
    let gap = line_with(" lines are missing here");
    let missing = gap.split(" lines are").next().unwrap().rsplit(' ').next().unwrap();
    assert_eq!(missing.parse(), Ok(edge.metric("seawall_diagnostics_dropped_total")), "{gap}");
    let answer = edge.connect().get("dead.example", "/");
    line_with(answer.id());
    edge.stop();
    line_with("kept for the next start");
    drop(lines);
    reading.join().unwrap();
}

#[test]
fn a_start_that_fails_takes_no_line_with_it() {
    let tables = "[log]\naccess = \"pipe\"\n[[hook]]\nname = \"told\"\non = [\"block-added\"]\n\
                  url = \"http://127.0.0.1:9/\"\nsecret_file = \"secret\"\n";
    let folder = Edge::before_address("127.0.0.1:9").tables(tables).write();
    fs::write(folder.path().join("secret"), "x".repeat(40)).unwrap();
    fs::set_permissions(folder.path().join("secret"), Permissions::from_mode(0o644)).unwrap();
    mknodat(CWD, folder.path().join("pipe"), FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    let failed = seawall(&["run", "-c", "seawall.toml"], folder.path());
    assert_eq!(failed.code, 1, "{failed:?}");
    let place = |words| failed.stderr.find(words).unwrap_or_else(|| panic!("{words}: {failed:?}"));
    assert!(place("others can read this secret") < place("the access log can't be written"), "{failed:?}");
}
