//! Several origins: who is asked, who is left alone, and what is changed on the way.

use std::time::Instant;

use crate::harness::edge::Builder;
use crate::harness::tls_front::TlsFront;
use crate::harness::{Edge, HOST, Origin, Page, Port, Reply, Step, eventually};

/// An edge before these origins, each with the rest of its table.
fn before(origins: &[(&Origin, &str)]) -> Builder {
    let tables = origins.iter().map(|(origin, more)| format!("{{ url = \"http://{}\"{more} }}", origin.address));
    let list = format!("[{}]", tables.collect::<Vec<_>>().join(", "));
    let (first, rest) = origins.split_first().unwrap();
    rest.iter().fold(Edge::before(first.0).origins(&list), |builder, (origin, _)| builder.also(origin))
}

/// An origin that answers everything, and says who it is.
fn named(name: &str) -> Origin {
    Origin::with("*", Page::ok(name))
}

/// Takes a request and closes the connection.
fn silent() -> Origin {
    Origin::with("*", Reply::script([Step::Close]))
}

/// The rows that `status` has of the origin.
fn status_of(edge: &Edge, origin: &Origin) -> serde_json::Value {
    let status = edge.api("GET", "/api/v1/status", None).json();
    let url = format!("http://{}", origin.address);
    let rows: Vec<_> =
        status["origins"].as_array().unwrap().iter().filter(|row| row["origin"] == *url).cloned().collect();
    assert_eq!(rows.len(), 1, "{status:#}");
    rows[0].clone()
}

fn is_up(edge: &Edge, origin: &Origin) -> bool {
    let label = format!("origin=\"http://{}\"", origin.address);
    edge.metric_where("seawall_origin_up", &[&label]) == 1.0
}

#[test]
fn requests_are_shared_out_by_weight() {
    let (a, b, c) = (named("a"), named("b"), named("c"));
    let edge = before(&[(&a, ", weight = 3"), (&b, ""), (&c, ", backup = true")]).start();
    for _ in 0..8 {
        assert_eq!(edge.get("/x").status, 200);
    }
    assert_eq!([&a, &b, &c].map(|origin| origin.count("/x")), [6, 2, 0]);
}

#[test]
fn a_backup_is_asked_when_the_others_are_gone() {
    let backup = named("backup");
    let nobody = Port::reserve();
    let list = format!("[\"http://{}\", {{ url = \"http://{}\", backup = true }}]", nobody.address, backup.address);
    let edge = Edge::before(&backup).origins(&list).start();
    assert_eq!(edge.get("/x").text(), "backup");
}

#[test]
fn what_was_sent_to_nobody_goes_to_another_whatever_the_method() {
    let b = named("b");
    let nobody = Port::reserve();
    let list = format!("[\"http://{}\", \"http://{}\"]", nobody.address, b.address);
    let edge = Edge::before(&b).origins(&list).start();
    for number in 1..=4 {
        let mut client = edge.connect();
        client.send(format!("POST /x HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: 4\r\n\r\nbody"));
        assert_eq!(client.answer("POST").status, 200, "request {number}");
    }
    assert!(b.asked("/x").iter().all(|asked| asked.body == b"body"));
}

#[test]
fn a_get_without_an_answer_goes_to_another_once() {
    let (a, b) = (silent(), named("b"));
    let edge = before(&[(&a, ""), (&b, "")]).start();
    for _ in 0..4 {
        assert_eq!(edge.get("/x").text(), "b");
    }
    assert_eq!((a.count("/x"), b.count("/x")), (2, 4));
    assert_eq!(status_of(&edge, &a)["retried"], 2);

    let (a, b, c) = (silent(), silent(), silent());
    let edge = before(&[(&a, ""), (&b, ""), (&c, "")]).start();
    assert_eq!(edge.get("/x").status, 502);
    assert_eq!([&a, &b, &c].map(|origin| origin.count("/x")).iter().sum::<usize>(), 2);
}

#[test]
fn a_post_and_an_answer_that_began_are_not_asked_for_again() {
    let (a, b) = (silent(), silent());
    let edge = before(&[(&a, ""), (&b, "")]).start();
    assert_eq!(edge.ask("POST", "/x", &[("Content-Length", "0")]).status, 502);
    assert_eq!(a.count("/x") + b.count("/x"), 1);

    let torn = || Origin::with("*", Reply::raw("HTTP/1.1 200 OK\r\nContent-"));
    let (a, b) = (torn(), torn());
    let edge = before(&[(&a, ""), (&b, "")]).start();
    assert_eq!(edge.get("/x").status, 502);
    assert_eq!(a.count("/x") + b.count("/x"), 1);
}

#[test]
fn what_a_field_says_is_another_method_is_not_sent_again() {
    for (method, sends) in [("POST", 1), ("PUT", 1), ("GET", 2)] {
        let (a, b) = (silent(), silent());
        let edge = before(&[(&a, ""), (&b, "")]).site("pass_fields = [\"X-HTTP-Method-Override\"]\n").start();
        assert_eq!(edge.ask("GET", "/x", &[("X-HTTP-Method-Override", method)]).status, 502);
        assert_eq!(a.count("/x") + b.count("/x"), sends, "{method}");
    }
}

#[test]
fn statuses_are_retried_when_the_site_asks_for_it() {
    let busy = || Origin::with("*", Reply::raw("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 4\r\n\r\nbusy"));
    let (a, b) = (busy(), named("b"));
    let edge = before(&[(&a, ""), (&b, "")]).start();
    let statuses: Vec<u16> = (0..2).map(|_| edge.get("/x").status).collect();
    assert_eq!(statuses, [503, 200], "an answer is an answer unless the site says otherwise");

    let edge = before(&[(&a, ""), (&b, "")]).site("retry_statuses = [502, 503]\n").start();
    let before_posts = a.count("/x");
    for _ in 0..4 {
        assert_eq!(edge.get("/x").text(), "b");
    }
    assert_eq!(a.count("/x"), before_posts + 2);
    let posts: Vec<u16> = (0..2).map(|_| edge.ask("POST", "/y", &[("Content-Length", "0")]).status).collect();
    assert_eq!(posts, [503, 200]);

    let (a, b) = (busy(), busy());
    let edge = before(&[(&a, ""), (&b, "")]).site("retry_statuses = 503\n").start();
    let answer = edge.get("/x");
    assert_eq!((answer.status, answer.text().as_str()), (503, "busy"), "an origin's own word is better than ours");
    assert_eq!(a.count("/x") + b.count("/x"), 2);
}

#[test]
fn retries_have_a_budget() {
    let (a, b) = (silent(), named("b"));
    let edge = before(&[(&a, ""), (&b, "")]).site("eject = { failures = 1000 }\n").start();
    let start = Instant::now();
    let served = (0..100).filter(|_| edge.get("/x").status == 200).count();
    // Half of them meet the silent one first.
    let earned_by_time = start.elapsed().as_secs() as usize + 1;
    let retried = served - 50;
    assert!(retried >= 10, "what was saved up: {retried}");
    assert!(retried <= 10 + 100 / 10 + earned_by_time, "{retried} of 50 were sent again");
    assert_eq!(status_of(&edge, &a)["retried"], retried);
}

#[test]
fn who_fails_in_a_row_is_left_alone() {
    let (a, b) = (silent(), named("b"));
    let edge =
        before(&[(&a, ""), (&b, "")]).site("eject = { failures = 2, time = \"1h\", longest = \"1h\" }\n").start();
    assert!(is_up(&edge, &a) && is_up(&edge, &b));
    for _ in 0..10 {
        assert_eq!(edge.get("/x").status, 200);
    }
    assert_eq!(a.count("/x"), 2);
    assert!(!is_up(&edge, &a) && is_up(&edge, &b));
    assert_eq!((&status_of(&edge, &a)["health"], &status_of(&edge, &a)["ejections"]), (&"ejected".into(), &1.into()));
    edge.until_said(&["ejected for a while"]);

    // It is known over a reload that changes something else.
    edge.set_config(&edge.config().replace("failures = 2", "failures = 3"));
    let reloaded = edge.seawall(&["reload"]);
    assert_eq!(reloaded.code, 0, "{}", reloaded.all());
    assert_eq!(status_of(&edge, &a)["health"], "ejected");
    for _ in 0..4 {
        assert_eq!(edge.get("/x").status, 200);
    }
    assert_eq!(a.count("/x"), 2);
}

#[test]
fn when_all_are_out_they_are_asked_all_the_same() {
    let (a, b) = (silent(), silent());
    let edge =
        before(&[(&a, ""), (&b, "")]).site("eject = { failures = 1, time = \"1h\", longest = \"1h\" }\n").start();
    assert_eq!(edge.get("/x").status, 502);
    assert!(!is_up(&edge, &a) && !is_up(&edge, &b));
    for origin in [&a, &b] {
        origin.on("*", Page::ok("well again"));
    }
    assert_eq!(edge.get("/x").text(), "well again");
    assert!(is_up(&edge, &a) || is_up(&edge, &b), "an answer brings it back");
}

#[test]
fn an_ejection_ends() {
    let (a, b) = (silent(), named("b"));
    let edge = before(&[(&a, ""), (&b, "")]).site("eject = { failures = 1, time = \"50ms\" }\n").start();
    edge.get("/x");
    a.on("*", Page::ok("a"));
    eventually("the first one is asked again", || edge.get("/x").text() == "a");
}

#[test]
fn checks_take_an_origin_out_and_bring_it_back() {
    let (a, b) = (named("a"), named("b"));
    let check = "check = { path = \"/up?now\", host = \"check.example\", interval = \"20ms\", rise = 2, fall = 2 }\n";
    let edge = before(&[(&a, ""), (&b, "")]).site(check).start();
    a.until_asked("/up?now", 1);
    let asked = &a.asked("/up?now")[0];
    assert_eq!((asked.method.as_str(), asked.field("Host")), ("GET", Some("check.example")));
    assert!(is_up(&edge, &a));

    a.on("/up", Page::new("404 Not Found", "gone"));
    eventually("it is down", || !is_up(&edge, &a));
    assert_eq!(status_of(&edge, &a)["health"], "down");
    let before = a.count("/x");
    for _ in 0..4 {
        assert_eq!(edge.get("/x").text(), "b");
    }
    assert_eq!(a.count("/x"), before);

    a.on("/up", Page::new("302 Found", ""));
    eventually("it is up again", || is_up(&edge, &a));
    eventually("it is asked again", || edge.get("/x").text() == "a");
}

#[test]
fn checks_end_with_the_config_that_asked_for_them() {
    let a = named("a");
    let edge = Edge::before(&a).site("check = { path = \"/up\", interval = \"10ms\" }\n").start();
    a.on("/up", Page::new("500 Internal Server Error", ""));
    eventually("it is down", || !is_up(&edge, &a));
    assert_eq!(edge.get("/x").text(), "a", "there is no other");
    edge.set_config(&edge.config().replace("check = {", "# check = {"));
    assert_eq!(edge.seawall(&["reload"]).code, 0);
    assert!(is_up(&edge, &a), "nothing could bring it back");
    let after = a.count("/up");
    // One may have been under way.
    for _ in 0..20 {
        edge.get("/x");
    }
    assert!(a.count("/up") <= after + 1);
}

#[test]
fn an_origin_is_believed_by_its_certificate() {
    let origin = named("secret");
    let front = TlsFront::before(&origin, "origin.example");
    let edge = |more: &str| {
        let url = format!("https://{}", front.address);
        let builder = Edge::before(&origin).origins(&format!("{{ url = \"{url}\"{more} }}"));
        let folder = builder.write();
        std::fs::write(folder.path().join("ca.pem"), &front.certificate).unwrap();
        Edge::in_folder(folder, vec![origin.served()])
    };
    let good = edge(", ca = \"ca.pem\", server_name = \"origin.example\"");
    assert_eq!(good.get("/x").text(), "secret");
    assert_eq!(good.get("/x").text(), "secret");
    assert_eq!(origin.asked("/x")[0].field("Host"), Some(HOST));
    assert_eq!(origin.connections(), 1, "a connection under TLS is used again");

    for (more, reason) in [
        (", ca = \"ca.pem\"", "not valid for name"),
        (", ca = \"ca.pem\", server_name = \"other.example\"", "not valid for name"),
    ] {
        let bad = edge(more);
        assert_eq!(bad.get("/x").status, 502, "{more}");
        eventually("the reason is in the log", || bad.stderr().contains(reason));
    }
    assert_eq!(origin.count("/x"), 2, "nothing was sent to a stranger");
}

#[test]
fn an_authority_that_was_written_anew_counts_from_the_reload_on() {
    let origin = named("secret");
    let (front, stranger) = (TlsFront::before(&origin, "origin.example"), TlsFront::before(&origin, "origin.example"));
    let table = format!("{{ url = \"https://{}\", ca = \"ca.pem\", server_name = \"origin.example\" }}", front.address);
    let folder = Edge::before(&origin).origins(&table).write();
    std::fs::write(folder.path().join("ca.pem"), &stranger.certificate).unwrap();
    let edge = Edge::in_folder(folder, vec![origin.served()]);
    assert_eq!(edge.get("/x").status, 502);
    std::fs::write(edge.path("ca.pem"), &front.certificate).unwrap();
    assert_eq!(edge.seawall(&["reload"]).code, 0);
    assert_eq!(edge.get("/x").text(), "secret");
}

#[test]
fn a_site_may_name_the_host_that_its_origin_sees() {
    let origin = Origin::with("/x", Page::stored("x"));
    let edge = Edge::before(&origin).site("host_header = \"inner.example:81\"\n").start();
    for host in [HOST, "a.photos.example", HOST, "a.photos.example"] {
        assert_eq!(edge.connect().get(host, "/x").status, 200);
    }
    let asked = origin.asked("/x");
    assert_eq!(asked.len(), 2, "what clients ask for by different hosts is not one answer");
    assert!(asked.iter().all(|one| one.field("Host") == Some("inner.example:81")));
    let forwarded: Vec<_> = asked.iter().map(|one| one.field("X-Forwarded-Host").unwrap()).collect();
    assert_eq!(forwarded, [HOST, "a.photos.example"]);
}

#[test]
fn fields_are_changed_on_their_way() {
    let page = Page::stored("x").field("Server", "inner/1.0").field("Link", "</a>").field("ETag", "\"1\"");
    let origin = Origin::with("*", page);
    let edge = Edge::before(&origin)
        .tables(
            "[[site.header]]\nto = \"client\"\nremove = [\"Server\"]\nset = [\"X-Frame-Options: DENY\"]\n\
             add = [\"Link: </b>\"]\n[[site.header]]\nto = \"origin\"\nremove = \"Cookie\"\nset = \"X-Edge: seawall\"\n",
        )
        .start();
    let first = edge.ask("GET", "/x", &[("Cookie", "a=b"), ("X-Edge", "forged")]).stored();
    let hit = edge.get("/x").hit();
    for answer in [&first, &hit] {
        assert_eq!(answer.field("Server"), None);
        assert_eq!(answer.all("X-Frame-Options"), ["DENY"]);
        assert_eq!(answer.all("Link"), ["</a>", "</b>"]);
        assert_eq!(edge.record_of(answer)["departures"], serde_json::json!(["header-rule"]));
    }
    let not_modified = edge.ask("GET", "/x", &[("If-None-Match", "\"1\"")]);
    assert_eq!((not_modified.status, not_modified.field("X-Frame-Options")), (304, Some("DENY")));
    let asked = origin.asked_once("/x");
    assert_eq!((asked.field("Cookie"), asked.all("X-Edge")), (None, vec!["seawall"]));

    edge.block("https://photos.example/x", "N-1");
    let blocked = edge.get("/x");
    assert_eq!((blocked.status, blocked.field("X-Frame-Options")), (451, None), "what is answered here stays as it is");
}

#[test]
fn a_rule_that_changes_nothing_is_no_departure() {
    let origin = Origin::with("/x", Page::ok("x").field("X-Frame-Options", "DENY"));
    let rules = "[[site.header]]\nto = \"client\"\nremove = \"Server\"\nset = \"X-Frame-Options: DENY\"\n";
    let edge = Edge::before(&origin).tables(rules).start();
    let answer = edge.get("/x");
    assert!(edge.record_of(&answer)["departures"].as_array().is_none_or(Vec::is_empty));
}

#[test]
fn a_new_rule_holds_for_what_was_stored_before() {
    let origin = Origin::with("/x", Page::stored("x").field("Server", "inner"));
    let edge = Edge::before(&origin).start();
    assert_eq!(edge.get("/x").stored().field("Server"), Some("inner"));
    edge.set_config(&(edge.config() + "\n[[site.header]]\nto = \"client\"\nremove = \"Server\"\n"));
    assert_eq!(edge.seawall(&["reload"]).code, 0);
    let hit = edge.get("/x").hit();
    assert_eq!(hit.field("Server"), None);
}

#[test]
fn the_longest_path_decides_in_every_spelling() {
    let (main, api, v2) = (named("main"), named("api"), named("v2"));
    let tables = format!(
        "[[site.route]]\npath = \"/api/*\"\norigin = \"http://{}\"\n[[site.route]]\npath = \"/api/v2/*\"\norigin = \"http://{}\"\n",
        api.address, v2.address
    );
    let edge =
        Edge::before(&main).also(&api).also(&v2).tables(&tables).rules("https://photos.example/api/bad\n").start();
    for (target, who) in [
        ("/", "main"),
        ("/apis", "main"),
        ("/api", "api"),
        ("/api/", "api"),
        ("/api?x", "api"),
        ("/api/x", "api"),
        ("/%61pi/x", "api"),
        ("//api//x", "api"),
        ("/x/../api/x", "api"),
        ("/api%2Fx", "api"),
        ("/api/../x", "main"),
        ("/api/v2/x", "v2"),
        ("/api/v2", "v2"),
        ("/api/v20", "api"),
    ] {
        assert_eq!(edge.get(target).text(), who, "{target}");
    }
    for target in ["/api/bad", "/%61pi/bad"] {
        assert_eq!(edge.get(target).status, 451, "{target}");
    }
    assert_eq!(api.count("/api/bad"), 0);
}

#[test]
fn clients_are_sent_elsewhere() {
    let origin = named("x");
    let tables = "[[site.redirect]]\nfrom = \"/old/*\"\nto = \"https://new.example/in/*\"\nstatus = 308\n\
                  [[site.redirect]]\nfrom = \"/old/one\"\nto = \"/one\"\n";
    let edge = Edge::before(&origin).tables(tables).rules("https://photos.example/old/bad notice=N-1\n").start();
    for (target, status, location) in [
        ("/old/a/b?c=d", 308, "https://new.example/in/a/b?c=d"),
        ("/old", 308, "https://new.example/in/"),
        ("/%6Fld/a/", 308, "https://new.example/in/a/"),
        ("/old/one", 302, "/one"),
        ("/old//evil.example", 308, "https://new.example/in/evil.example"),
    ] {
        let answer = edge.get(target);
        assert_eq!((answer.status, answer.field("Location")), (status, Some(location)), "{target}");
        assert_eq!(answer.field("Cache-Status"), None);
        assert!(answer.body.is_empty() && answer.field("Via").is_some());
        let record = edge.record_of(&answer);
        assert_eq!((&record["verdict"], &record["cache"]), (&"served".into(), &"none".into()), "{record}");
    }
    assert_eq!(edge.get("/older").text(), "x");
    let blocked = edge.get("/old/bad");
    assert_eq!((blocked.status, blocked.field("Location")), (451, None), "the list is asked before");
    let posted = edge.ask("POST", "/old/a", &[("Content-Length", "0")]);
    assert_eq!(posted.status, 308);
    assert!(origin.asked("/old/a").is_empty());
}

#[test]
fn status_lists_each_origin_once() {
    let (a, b) = (named("a"), named("b"));
    let route = format!("[[site.route]]\npath = \"/b/*\"\norigin = [\"http://{}\"]\n", b.address);
    let edge = before(&[(&a, ""), (&b, "")]).tables(&route).start();
    edge.get("/b/x");
    let status = edge.api("GET", "/api/v1/status", None).json();
    assert_eq!(status["origins"].as_array().unwrap().len(), 2, "{status:#}");
    let shown = edge.seawall(&["status"]);
    assert_eq!(shown.code, 0, "{}", shown.all());
    for said in [a.address.to_string(), b.address.to_string(), "health".to_owned(), "photos".to_owned()] {
        assert!(shown.stdout.contains(&said), "{said} in\n{}", shown.stdout);
    }
}
