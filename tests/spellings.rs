//! The canonicaliser against real servers' reading of paths: whatever a URL that is blocked is spelled like, no server
//! of files behind the edge hands it out; and what only looks like it is served.

mod corpus;
mod servers;

use std::collections::BTreeMap;

use crate::harness::client::{Answer, End, request};
use crate::harness::{Client, Edge, HOST};
use corpus::Spelling;
use servers::Server;

/// What no client may get through the edge.
const SECRET: &str = "this is blocked";

/// Files that are blocked, and the rules for them.
const BLOCKED: [(&str, &str); 4] = [
    ("/a/secret.jpg", "https://photos.example/a/secret.jpg"),
    ("/albums/private/deep/x.txt", "https://photos.example/albums/private/*"),
    ("/b/my file (1).jpg", "https://photos.example/b/my%20file%20(1).jpg"),
    ("/c/été.png", "https://photos.example/c/%C3%A9t%C3%A9.png"),
];

/// Files beside them, and how they are asked for.
const LOOK_ALIKES: [(&str, &str); 14] = [
    ("/a/secret.jpg2", "/a/secret.jpg2"),
    ("/a/secret.jp", "/a/secret.jp"),
    ("/a/xsecret.jpg", "/a/xsecret.jpg"),
    ("/a/secretxjpg", "/a/secretxjpg"),
    ("/A/secret.jpg", "/A/secret.jpg"),
    ("/a/Secret.jpg", "/a/Secret.jpg"),
    ("/secret.jpg", "/secret.jpg"),
    ("/x/a/secret.jpg", "/x/a/secret.jpg"),
    ("/a/secret%2ejpg", "/a/secret%252ejpg"),
    ("/albums/private2/x.txt", "/albums/private2/x.txt"),
    ("/albums/privat", "/albums/privat"),
    ("/albums/x.txt", "/albums/private/../x.txt"),
    ("/b/my file (2).jpg", "/b/my%20file%20(2).jpg"),
    ("/c/ete.png", "/c/ete.png"),
];

/// How many spellings of each path: all of them with one thing about them, and some with several.
fn count() -> usize {
    std::env::var("SEAWALL_SPELLINGS").map_or(1_000, |count| count.parse().expect("SEAWALL_SPELLINGS is a number"))
}

/// A connection that is opened anew where the last answer ended it.
struct Asker {
    address: std::net::SocketAddr,
    client: Option<Client>,
}

impl Asker {
    fn to(address: std::net::SocketAddr) -> Asker {
        Asker { address, client: None }
    }

    fn ask(&mut self, spelling: &Spelling) -> Answer {
        let mut client = self.client.take().unwrap_or_else(|| Client::connect(self.address));
        client.send(request("GET", &spelling.host, &spelling.target, &[]));
        let answer = client.answer("GET");
        let is_closed = answer.field("Connection").is_some_and(|value| value.eq_ignore_ascii_case("close"));
        if answer.end == End::Whole && !is_closed && !matches!(answer.status, 0 | 400) {
            self.client = Some(client);
        }
        answer
    }
}

fn tries(server: &Server, edge: &Edge) {
    let (mut through, mut straight) = (Asker::to(edge.address), Asker::to(server.port.address));
    for (path, _) in BLOCKED {
        let (mut handed_out, mut statuses) = (0, BTreeMap::<u16, usize>::new());
        let spellings = corpus::of(path, count());
        for spelling in &spellings {
            let answer = through.ask(spelling);
            assert!(!answer.text().contains(SECRET), "{} handed out {path} by {spelling:?}", server.name);
            *statuses.entry(answer.status).or_default() += 1;
            handed_out += usize::from(straight.ask(spelling).text().contains(SECRET));
        }
        println!(
            "spellings: {} of {path}: {handed_out} would have been handed out by {}, none was through the edge: {statuses:?}",
            spellings.len(),
            server.name
        );
        assert!(
            handed_out > spellings.len() / 50,
            "of {} spellings {} knows but {handed_out}",
            spellings.len(),
            server.name
        );
    }
}

/// The blocked files, and these beside them.
fn files<'f>(look_alikes: &[(&'f str, &'f str)]) -> Vec<(&'f str, &'f str)> {
    let blocked = BLOCKED.iter().map(|(path, _)| (*path, SECRET));
    blocked.chain(look_alikes.iter().map(|(path, _)| (*path, "this is not"))).collect()
}

/// With what the site says of its spelling.
fn holds(server: &Server, spelling: &str, look_alikes: &[(&str, &str)]) {
    let rules: String = BLOCKED.iter().map(|(_, rule)| format!("{rule} notice=N-1\n")).collect();
    let edge = Edge::before_address(&server.port.address.to_string()).site(spelling).rules(&rules).start();
    for (path, target) in look_alikes {
        let answer = edge.connect().get(HOST, target);
        assert_eq!((answer.status, &*answer.text()), (200, "this is not"), "{} {path}", server.name);
    }
    tries(server, &edge);
}

#[test]
#[ignore = "needs nginx and Apache: tests/outside/spellings.sh"]
fn no_spelling_of_what_is_blocked_is_handed_out_and_look_alikes_are() {
    let files = files(&LOOK_ALIKES);
    for server in [servers::nginx(&files), servers::apache(&files)] {
        holds(&server, "", &LOOK_ALIKES);
    }
}

#[test]
#[ignore = "needs nginx and Apache: tests/outside/spellings.sh"]
fn the_spellings_of_a_site_that_ignores_case_are_its_servers() {
    let blocked = BLOCKED.map(|(path, _)| path);
    let is_other = |(path, _): &&(&str, &str)| !blocked.iter().any(|blocked| blocked.eq_ignore_ascii_case(path));
    let look_alikes: Vec<(&str, &str)> = LOOK_ALIKES.iter().filter(is_other).copied().collect();
    assert!(look_alikes.len() + 2 == LOOK_ALIKES.len(), "two differ in case alone");
    let server = servers::nginx_ignoring_case(&files(&look_alikes), &blocked);
    let loud = server.straight("/A/SECRET.JPG");
    assert!(loud.contains(SECRET), "the server ignores case: {loud}");
    holds(&server, "spelling = { ignore_case = true }\n", &look_alikes);
}

#[test]
#[ignore = "needs nginx and Apache: tests/outside/spellings.sh"]
fn the_spellings_of_a_site_that_tells_more_apart_are_its_servers() {
    let more = [
        ("/a/secret.jpg;v=1", "/a/secret.jpg;v=1"),
        ("/a/secret.jpg;", "/a/secret.jpg%3B"),
        ("/a%2Fsecret.jpg", "/a%2Fsecret.jpg"),
        ("/albums/private%2Fdeep/x.txt", "/albums/private%2Fdeep/x.txt"),
    ];
    let look_alikes: Vec<(&str, &str)> = LOOK_ALIKES.into_iter().chain(more).collect();
    let server = servers::apache_telling_apart(&files(&look_alikes));
    holds(&server, "spelling = { path_params = \"distinct\", encoded_slash = \"distinct\" }\n", &look_alikes);
}
