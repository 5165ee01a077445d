//! Origins, routes, redirects and header rules.

use super::*;
use http::StatusCode;
use origin::{Check, Ejection, Share};

/// A site with these lines.
fn site(lines: &str) -> Site {
    good(&format!("[[site]]\nhosts = [\"a.example\"]\n{lines}")).sites.remove(0)
}

fn urls(site: &Site) -> Vec<String> {
    site.plan.origins.iter().map(origin::Settings::url).collect()
}

#[test]
fn one_origin_is_a_group_of_one() {
    for lines in [
        "origin = \"http://127.0.0.1:3000\"",
        "origin = [\"http://127.0.0.1:3000\"]",
        "origin = { url = \"http://127.0.0.1:3000\" }",
    ] {
        let site = site(lines);
        assert_eq!(urls(&site), ["http://127.0.0.1:3000"], "{lines}");
        assert_eq!(site.shares, [Share { origin: 0, weight: 1, backup: false }]);
        assert_eq!(site.plan.ejection, Ejection::default());
        assert!(site.plan.check.is_none() && site.plan.retry_statuses.is_empty() && site.host_header.is_none());
    }
}

#[test]
fn origins_have_shares_and_a_url_is_one_origin_in_all_routes() {
    let site = site(
        "origin = [\"http://a:1\", { url = \"http://b\", weight = 3 }, { url = \"http://c\", backup = true }]\n\
         max_origin_connections = 7\n\
         [[site.route]]\npath = \"/api/*\"\norigin = [\"http://b:80/\", \"http://d\"]\n",
    );
    assert_eq!(urls(&site), ["http://a:1", "http://b:80", "http://c:80", "http://d:80"]);
    let share = |origin, weight, backup| Share { origin, weight, backup };
    assert_eq!(site.shares, [share(0, 1, false), share(1, 3, false), share(2, 1, true)]);
    assert_eq!(site.routes[0].path.to_string(), "/api/*");
    assert_eq!(site.routes[0].shares, [share(1, 1, false), share(3, 1, false)]);
    assert!(site.plan.origins.iter().all(|one| one.max_connections == 7));
}

#[test]
fn health_is_read_in_full() {
    let site = site(
        "origin = \"http://a\"\nhost_header = \"b.example:8080\"\nretry_statuses = [502, 503]\n\
         check = { path = \"/up?x\", host = \"c.example\", interval = \"1s\", timeout = \"2s\", rise = 3, fall = 4, \
         statuses = 204 }\n\
         eject = { failures = 5, time = \"6s\", longest = \"7s\" }\n",
    );
    let second = Duration::from_secs(1);
    let check = Check {
        path: "/up?x".to_owned(),
        host: Some("c.example".to_owned()),
        interval: second,
        timeout: 2 * second,
        rise: 3,
        fall: 4,
        statuses: vec![StatusCode::NO_CONTENT],
    };
    assert_eq!(site.plan.check, Some(check));
    assert_eq!(site.plan.ejection, Ejection { failures: 5, time: 6 * second, longest: 7 * second });
    assert_eq!(site.plan.retry_statuses, [StatusCode::BAD_GATEWAY, StatusCode::SERVICE_UNAVAILABLE]);
    assert_eq!(site.host_header.unwrap(), "b.example:8080");
}

#[test]
fn header_rules_keep_their_order() {
    use crate::sites::FieldRule;
    let site = site(
        "origin = \"http://a\"\n\
         [[site.header]]\nto = \"client\"\nadd = \"Link: </a>\"\nset = [\"X-Frame-Options: DENY\"]\n\
         remove = [\"Server\"]\n\
         [[site.header]]\nto = \"origin\"\nremove = \"Cookie\"\n\
         [[site.header]]\nto = \"client\"\nset = \"Server: seawall\"\n",
    );
    let value = http::HeaderValue::from_static;
    let expected = [
        FieldRule::Remove(http::header::SERVER),
        FieldRule::Set(http::header::X_FRAME_OPTIONS, value("DENY")),
        FieldRule::Add(http::header::LINK, value("</a>")),
        FieldRule::Set(http::header::SERVER, value("seawall")),
    ];
    assert_eq!(site.to_client, expected);
    assert_eq!(site.to_origin, [FieldRule::Remove(http::header::COOKIE)]);
}

#[test]
fn names_what_is_wrong_with_origins() {
    for (lines, line, column, said) in [
        ("origin = []", 3, 10, "there is no origin"),
        ("origin = [\"http://a\", \"http://a:80\"]", 3, 23, "named twice"),
        ("origin = { weight = 2 }", 3, 10, "has no `url`"),
        ("origin = { url = \"http://a\", weight = 0 }", 3, 39, "0 is too little"),
        ("origin = { url = \"http://a\", backup = true }", 3, 10, "every origin is a backup"),
        ("origin = { url = \"http://a\", ca = \"x\" }", 3, 35, "is for TLS"),
        ("origin = { url = \"http://a\", wieght = 2 }", 3, 30, "did you mean `weight`?"),
        ("origin = { url = \"https://a\", ca = \"nowhere.pem\" }", 3, 36, "nowhere.pem can't be read"),
        ("origin = \"ftp://a\"", 3, 10, "neither http nor https"),
        ("origin = \"http://a\"\nhost_header = \"a b\"", 4, 15, "is not a host"),
        ("origin = \"http://a\"\nretry_statuses = [404]", 4, 19, "write 500 to 599"),
        ("origin = \"http://a\"\ncheck = { interval = \"1s\" }", 4, 9, "has no `path`"),
        ("origin = \"http://a\"\ncheck = { path = \"up\" }", 4, 18, "is not a path"),
        ("origin = \"http://a\"\neject = { time = \"1m\", longest = \"1s\" }", 4, 34, "too little"),
        (
            "origin = \"http://a\"\n[[site.route]]\npath = \"/a*\"\norigin = \"http://b\"",
            5,
            8,
            "the whole last segment",
        ),
        (
            "origin = \"http://a\"\n[[site.route]]\npath = \"/a\"\norigin = \"http://b\"\n[[site.route]]\npath = \"/%61\"\n\
             origin = \"http://c\"",
            8,
            8,
            "stands in line 5 already",
        ),
        ("origin = \"http://a\"\n[[site.redirect]]\nfrom = \"/a\"\nto = \"//b\"", 6, 6, "neither a path nor"),
        ("origin = \"http://a\"\n[[site.redirect]]\nfrom = \"/a\"\nto = \"/b/*\"", 6, 6, "has no rest"),
        (
            "origin = \"http://a\"\n[[site.redirect]]\nfrom = \"/a\"\nto = \"/b\"\nstatus = 200",
            7,
            10,
            "does not redirect",
        ),
        ("origin = \"http://a\"\n[[site.header]]\nto = \"client\"", 4, 1, "changes nothing"),
        ("origin = \"http://a\"\n[[site.header]]\nto = \"both\"\nremove = \"Server\"", 5, 6, "is not a choice"),
        (
            "origin = \"http://a\"\n[[site.header]]\nto = \"client\"\nset = \"a b: x\"",
            6,
            7,
            "is not the name of a field",
        ),
        ("origin = \"http://a\"\n[[site.header]]\nto = \"client\"\nset = \"A: x\\ny\"", 6, 7, "can't be the value"),
    ] {
        let told = told(&format!("[[site]]\nhosts = [\"a.example\"]\n{lines}"));
        assert_eq!(told.len(), 1, "{lines}\n{told:#?}");
        assert!(told[0].starts_with(&format!("{line}:{column} ")) && told[0].contains(said), "{lines}\n{}", told[0]);
    }
}

#[test]
fn no_rule_touches_framing_hops_or_evidence() {
    let refused = |to: &str, change: &str| {
        let text = format!(
            "[[site]]\nhosts = [\"a.example\"]\norigin = \"http://a\"\n[[site.header]]\nto = \"{to}\"\n{change}"
        );
        read(&text).is_err()
    };
    let both = ["Connection", "Content-Length", "Transfer-Encoding", "TE", "Upgrade", "Trailer", "Via", "X-Request-Id"];
    let to_client = ["Age", "Cache-Status", "Repr-Digest", "Content-Range", "Content-Encoding", "Date"];
    let to_origin = ["Host", "Range", "If-None-Match", "If-Modified-Since"];
    for (to, names) in
        [("client", &both[..]), ("origin", &both[..]), ("client", &to_client[..]), ("origin", &to_origin[..])]
    {
        for name in names {
            assert!(refused(to, &format!("set = \"{name}: x\"")), "{to} {name}");
            assert!(refused(to, &format!("remove = [\"{}\"]", name.to_lowercase())), "{to} {name}");
        }
    }
    assert!(refused("origin", "set = \"Authorization: Basic eDp5\""), "a secret");
    assert!(!refused("origin", "remove = [\"Authorization\"]"));
    assert!(!refused("client", "set = \"Cache-Control: no-store\""));
}

#[test]
fn what_is_in_force_shows_the_ways_to_origins() {
    let folder = tempfile::tempdir().unwrap();
    let made = rcgen::generate_simple_self_signed(["b.example".to_owned()]).unwrap();
    std::fs::write(folder.path().join("ca.pem"), made.cert.pem()).unwrap();
    let text = "[[site]]\nhosts = [\"a.example\"]\n\
                origin = [\"http://a\", { url = \"https://b.example\", ca = \"ca.pem\", backup = true }]\n\
                check = { path = \"/up\" }\n\
                [[site.route]]\npath = \"/api/*\"\norigin = \"http://c\"\n\
                [[site.redirect]]\nfrom = \"/old/*\"\nto = \"/new/*\"\n\
                [[site.header]]\nto = \"client\"\nremove = \"Server\"\n";
    let meant = parse(text, Path::new("seawall.toml"), folder.path()).unwrap_or_else(|errors| panic!("{errors}"));
    let shown = describe(&meant, &surprises(&meant));
    for said in [
        "http://a:80, { backup = true, ca = ",
        "/ca.pem, server_name = b.example, url = https://b.example:443, weight = 1 }",
        "{ origin = http://c:80, path = /api/* }",
        "{ fall = 3, interval = 5s, path = /up, rise = 2, statuses = none, timeout = 2s }",
        "{ failures = 5, longest = 5m, time = 10s }",
        "{ from = /old/*, status = 302, to = /new/* }",
        "{ remove = server, to = client }",
    ] {
        assert!(shown.contains(said), "{said}\n{shown}");
    }
}
