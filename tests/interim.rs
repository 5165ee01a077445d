//! Interim answers of the origin, on their way to the client that waits.

use crate::harness::{Edge, HOST, Origin, Reply, client::request};

const HINTS: &str = "HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\nConnection: x-hop\r\nX-Hop: 1\r\n\r\n";
const FINAL: &str = "HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Length: 2\r\n\r\nok";

fn origin() -> Origin {
    Origin::with("/a", Reply::raw(format!("HTTP/1.1 102 Processing\r\n\r\n{HINTS}{FINAL}")).serves("ok"))
}

#[test]
fn they_are_passed_on_and_not_stored() {
    let origin = origin();
    let edge = Edge::plain(&origin);
    let mut client = edge.connect();
    client.send(request("GET", HOST, "/a", &[]));
    assert_eq!(client.one_head().status, 102);
    let hints = client.one_head();
    assert_eq!((hints.status, hints.field("Link")), (103, Some("</a.css>; rel=preload")));
    assert_eq!(hints.field("X-Hop"), None);
    let first = client.answer("GET");
    assert_eq!((first.status, first.text().as_str(), first.field("Link")), (200, "ok", None));
    let second = client.get(HOST, "/a");
    assert!(second.status == 200 && second.is_hit());
    assert_eq!(edge.record_of(&first)["bytes"], 2);
}

#[test]
fn past_the_cache_they_are_passed_on_too() {
    let origin = origin();
    let edge = Edge::plain(&origin);
    let mut client = edge.connect();
    client.send(request("POST", HOST, "/a", &[("Content-Length", "0")]));
    assert_eq!((client.one_head().status, client.one_head().status), (102, 103));
    assert_eq!(client.answer("POST").text(), "ok");
}

#[test]
fn a_client_of_http_1_0_gets_none() {
    let origin = origin();
    let edge = Edge::plain(&origin);
    let answer = edge.send(format!("GET /a HTTP/1.0\r\nHost: {HOST}\r\n\r\n"));
    assert_eq!((answer.status, answer.text().as_str()), (200, "ok"));
}
