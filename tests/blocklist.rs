//! Block lists: what each kind of rule covers, how lists are watched, and what a blocked client gets.

use std::cell::Cell;
use std::fs;

use crate::harness::client::{End, request};
use crate::harness::{Edge, HOST, List, Origin, Page, eventually, noise, sha256_hex, until};

/// An origin that has every page.
fn any_page() -> Origin {
    Origin::with("*", Page::stored("x"))
}

/// An edge for any host, with these rules.
fn edge_with(origin: &Origin, rules: &str) -> Edge {
    Edge::before(origin).hosts("[\"*\"]").rules(rules).start()
}

/// Asks for each URL, `host/path`, and compares its status.
fn assert_statuses(edge: &Edge, expected: &[(&str, u16)]) {
    let mut client = edge.connect();
    for (url, status) in expected {
        let (host, path) = url.split_once('/').unwrap();
        let answer = client.get(host, &format!("/{path}"));
        assert_eq!(answer.status, *status, "{url}");
    }
}

#[test]
fn every_kind_of_rule_covers_what_it_says() {
    let origin = any_page();
    let edge = edge_with(
        &origin,
        "https://photos.example/a/stolen.jpg notice=N-1\n\
         https://photos.example/albums/private/* notice=N-2\n\
         *.pirate.example notice=N-3\n\
         pirate2.example notice=N-4\n\
         https://photos.example/view?id=7&size=l notice=N-5\n\
         https://photos.example/page?id=7 query=exact\n\
         https://photos.example/bare query=exact\n\
         no-scheme.example/x\n\
         http://plain.example:8080/y#fragment\n\
         !https://photos.example/albums/private/cover.jpg\n\
         !https://photos.example/albums/private/open/*\n",
    );
    assert_statuses(
        &edge,
        &[
            ("photos.example/a/stolen.jpg", 451),
            ("photos.example/a/stolen.jpg?any=query", 451),
            ("photos.example/a/stolen.jpg2", 200),
            ("photos.example/a", 200),
            ("photos.example/albums/private", 451),
            ("photos.example/albums/private/", 451),
            ("photos.example/albums/private/deep/er.jpg?x=1", 451),
            ("photos.example/albums/private2", 200),
            ("photos.example/albums/private/cover.jpg", 200),
            ("photos.example/albums/private/cover.jpg?x=1", 200),
            ("photos.example/albums/private/open", 200),
            ("photos.example/albums/private/open/x", 200),
            ("pirate.example/", 451),
            ("www.pirate.example/x?y", 451),
            ("a.b.pirate.example/", 451),
            ("notpirate.example/", 200),
            ("pirate2.example/", 451),
            ("www.pirate2.example/", 200),
            ("photos.example/view?size=l&id=7", 451),
            ("photos.example/view?x=1&id=7&size=l", 451),
            ("photos.example/view?id=7", 200),
            ("photos.example/view", 200),
            ("photos.example/page?id=7", 451),
            ("photos.example/page?id=7&x=1", 200),
            ("photos.example/bare", 451),
            ("photos.example/bare?", 451),
            ("photos.example/bare?x=1", 200),
            ("no-scheme.example/x", 451),
            ("plain.example/y", 451),
            ("plain.example:81/y", 451),
        ],
    );
}

#[test]
fn a_url_is_one_url_in_every_spelling() {
    let origin = any_page();
    let edge = edge_with(&origin, "https://photos.example/a/stolen.jpg notice=N-1\nhttps://bücher.example/café\n");
    for (host, target) in [
        ("photos.example", "/a/stolen.jpg"),
        ("PHOTOS.Example", "/a/stolen.jpg"),
        ("photos.example.", "/a/stolen.jpg"),
        ("photos.example:8080", "/a/stolen.jpg"),
        ("photos.example:", "/a/stolen.jpg"),
        ("photos.example", "/%61/stolen.jpg"),
        ("photos.example", "/a/%73tolen%2Ejpg"),
        ("photos.example", "/a/stolen%2ejpg"),
        ("photos.example", "/./a/./stolen.jpg"),
        ("photos.example", "/x/../a/stolen.jpg"),
        ("photos.example", "/a/x/%2E%2e/stolen.jpg"),
        ("photos.example", "/a/x/.%2e/stolen.jpg"),
        ("photos.example", "/../../a/stolen.jpg"),
        ("photos.example", "//a//stolen.jpg"),
        ("photos.example", "/a/x//../stolen.jpg"),
        ("photos.example", "/a%2Fstolen.jpg"),
        ("photos.example", "/a%2fstolen.jpg"),
        ("photos.example", "/a%5Cstolen.jpg"),
        ("photos.example", "/a;v=1/stolen.jpg"),
        ("photos.example", "/a/stolen.jpg;jsessionid=7"),
        ("photos.example", "/a/stolen.jpg%3bx"),
        ("photos.example", "/x/..;/a/stolen.jpg"),
        ("photos.example", "/a/stolen.jpg;x%2Fy"),
        ("photos.example", "/a/stolen.jpg;%5c"),
        ("photos.example", "/a/stolen.jpg/"),
        ("photos.example", "/a/stolen.jpg//"),
        ("photos.example", "/a/stolen.jpg?"),
        ("photos.example", "/a/stolen.jpg?x=%41"),
        ("photos.example", "http://photos.example/a/stolen.jpg"),
        ("photos.example", "http://PHOTOS.example:80/a/stolen.jpg"),
        ("xn--bcher-kva.example", "/caf%C3%A9"),
        ("XN--BCHER-KVA.example", "/caf%c3%a9"),
    ] {
        let answer = edge.connect().get(host, target);
        assert!(matches!(answer.status, 451 | 400), "{host} {target}: {}", answer.status);
        let refused_by_port = target.starts_with("http://PHOTOS");
        assert!(answer.status == 451 || refused_by_port, "{host} {target} is a spelling that must be known");
    }
    // A back slash in a target is no URL at all, but some servers take it.
    let raw = edge.send("GET /a\\stolen.jpg HTTP/1.1\r\nHost: photos.example\r\n\r\n");
    assert!(matches!(raw.status, 400 | 451), "{}", raw.status);
    assert_eq!(origin.connections(), 0, "the origin was asked for none of them");
}

#[test]
fn queries_are_sets_of_pairs_in_every_spelling() {
    let origin = any_page();
    let edge = edge_with(&origin, "https://photos.example/v?name=a%20b&id=7\n");
    let mut client = edge.connect();
    for query in ["name=a+b&id=7", "id=7&name=a%20b", "id=%37&n%61me=a%20b", "&&id=7&&name=a+b&", "id=7;name=a+b"] {
        assert_eq!(client.get(HOST, &format!("/v?{query}")).status, 451, "{query}");
    }
    for query in ["name=a%2Bb&id=7", "name=ab&id=7", "id=7", "id=77&name=a+b"] {
        assert_eq!(client.get(HOST, &format!("/v?{query}")).status, 200, "{query}");
    }
}

#[test]
fn a_parameter_is_blocked_under_every_name_that_a_program_takes_for_it() {
    let origin = any_page();
    let edge = edge_with(&origin, "https://photos.example/v?photo_id=7\n!https://photos.example/v?photo.id=7&key=x\n");
    let mut client = edge.connect();
    for query in
        ["photo.id=7", "photo+id=7", "photo%20id=7", "photo%5bid=7", "Photo_ID=7", "z&photo%2Eid=7", "photo_id=7&key=x"]
    {
        assert_eq!(client.get(HOST, &format!("/v?{query}")).status, 451, "{query}");
    }
    for query in ["photo.id=7&key=x", "photo-id=7", "photoid=7", "photo.id=8", "x=photo_id"] {
        assert_eq!(client.get(HOST, &format!("/v?{query}")).status, 200, "{query}");
    }
}

#[test]
fn look_alikes_are_served() {
    let origin = any_page();
    let edge = edge_with(&origin, "https://photos.example/a/stolen.jpg\n");
    assert_statuses(
        &edge,
        &[
            ("photos.example/a/Stolen.jpg", 200),
            ("photos.example/a/stolen.jpeg", 200),
            ("photos.example/a/stolen%252ejpg", 200),
            ("photos.example/a/x/%252e%252e/stolen.jpg", 200),
            ("photos.example/a/stolen.jpg/more", 200),
            ("photos.example/b/a/stolen.jpg", 200),
            ("www.photos.example/a/stolen.jpg", 200),
            ("photos.example.org/a/stolen.jpg", 200),
            ("xphotos.example/a/stolen.jpg", 200),
            ("photos.example/?u=/a/stolen.jpg", 200),
        ],
    );
}

#[test]
fn a_star_is_a_whole_segment_or_label() {
    let origin = any_page();
    let edge = edge_with(&origin, "https://photos.example/lit%2Aeral\nhttps://photos.example/p/*\n");
    assert_statuses(
        &edge,
        &[
            ("photos.example/lit*eral", 451),
            ("photos.example/lit%2aeral", 451),
            ("photos.example/literal", 200),
            ("photos.example/p", 451),
            ("photos.example/p/", 451),
            ("photos.example/p/q", 451),
            ("photos.example/p2", 200),
        ],
    );
    for wrong in ["https://photos.example/a*", "https://photos.example/*/b", "https://ph*.example/", "a.*.example"] {
        edge.list().replace(&format!("{wrong}\n"));
        eventually(wrong, || edge.readyz().text().starts_with("degraded"));
        edge.list().replace("https://photos.example/p/*\n");
        eventually("mended", || edge.readyz().text().starts_with("ready"));
    }
}

#[test]
fn a_digest_rule_covers_content_wherever_it_stands() {
    let (bad, good) = ("stolen bytes", "honest bytes");
    let origin = Origin::start();
    for target in ["/1", "/2"] {
        origin.on(target, Page::stored(bad));
    }
    origin.on("/good", Page::stored(good));
    let edge = Edge::plain(&origin);
    edge.get("/1").stored();
    edge.get("/1").hit();
    let version = edge.until_list_after(|| edge.list().append(&format!("{} notice=N-20", sha256_hex(bad.as_bytes()))));
    // The copies are purged. Bytes that are not stored are known by the last one: it never leaves, and nothing
    // is stored.
    for target in ["/1", "/2"] {
        for _ in 0..2 {
            let answer = edge.get(target);
            assert!(answer.status == 451 || answer.end != End::Whole, "{target}: {answer:?}");
            assert_ne!(answer.body, bad.as_bytes(), "{target}: all of it was served");
        }
        let url = format!("https://photos.example{target}");
        edge.record_where("a record that names the notice", |line| line["url"] == url && line["notice"] == "N-20");
    }
    edge.must_block("https://photos.example/1", version, None);
    assert_eq!(edge.get("/good").status, 200);
}

#[test]
fn a_digest_rule_covers_what_is_not_stored_too() {
    let body = noise(300_000, 1);
    let origin = Origin::start();
    origin.on("/small", Page::ok("stolen bytes").field("Cache-Control", "no-store"));
    origin.on("/large", Page::ok(&body).field("Cache-Control", "no-store"));
    origin.on("/chunked", Page::ok(&body).field("Cache-Control", "no-store").chunked());
    let edge = edge_with(&origin, &format!("{}\n{}\n", sha256_hex(b"stolen bytes"), sha256_hex(&body)));
    for target in ["/small", "/large", "/chunked"] {
        let answer = edge.get(target);
        assert!(answer.status == 451 || answer.end != End::Whole, "{target}: all of it was served");
    }
}

#[test]
fn an_exception_beats_every_block() {
    let origin = Origin::with("*", Page::stored("bytes"));
    let digest = sha256_hex(b"bytes");
    let edge = edge_with(
        &origin,
        &format!(
            "https://photos.example/a\n!https://photos.example/a\n\
             *.pirate.example\n!good.pirate.example\n!https://pirate.example/license\n\
             {digest}\n!https://photos.example/ok/*\n"
        ),
    );
    assert_statuses(
        &edge,
        &[
            ("photos.example/a", 200),
            ("pirate.example/", 451),
            ("good.pirate.example/x", 200),
            ("bad.pirate.example/x", 451),
            ("pirate.example/license", 200),
            ("photos.example/ok/x", 200),
        ],
    );
}

#[test]
fn who_decides_is_said() {
    let origin = any_page();
    let edge = edge_with(
        &origin,
        "*.pirate.example notice=H\nhttps://www.pirate.example/* notice=P1\n\
         https://www.pirate.example/a/* notice=P2\nhttps://www.pirate.example/a/b notice=E status=410\n",
    );
    for (path, notice, status) in [("/a/b", "E", 410), ("/a/c", "P2", 451), ("/d", "P1", 451)] {
        let answer = edge.connect().get("www.pirate.example", path);
        assert_eq!(answer.status, status, "{path}");
        assert_eq!(edge.record_of(&answer)["notice"], notice, "{path}");
    }
    let other = edge.connect().get("x.pirate.example", "/");
    assert_eq!(edge.record_of(&other)["notice"], "H");
}

#[test]
fn a_rule_that_stands_twice_has_several_notices() {
    let origin = any_page();
    let edge = Edge::before(&origin)
        .rules("https://photos.example/a notice=N-1\nhttp://photos.example:81/%61 notice=N-2\n")
        .start();
    let answer = edge.ask("GET", "/a", &[("Accept", "application/problem+json")]);
    assert!(answer.text().contains("N-1") && answer.text().contains("N-2"), "{}", answer.text());
    edge.list().remove_lines_with("N-1");
    eventually("one notice lifted", || !edge.ask("GET", "/a", &[]).text().contains("N-1"));
    assert_eq!(edge.get("/a").status, 451, "the other still asks for it");
}

#[test]
fn statuses_and_times_of_rules_hold() {
    let origin = any_page();
    let edge = edge_with(
        &origin,
        "https://photos.example/410 status=410\nhttps://photos.example/404 status=404\n\
         https://photos.example/403 status=403\nhttps://photos.example/451 status=451\n\
         https://photos.example/over until=2020-01-31\nhttps://photos.example/later from=2999-01-01\n\
         https://photos.example/now from=2020-01-01 until=2999-01-01T00:00:00Z\n",
    );
    assert_statuses(
        &edge,
        &[
            ("photos.example/410", 410),
            ("photos.example/404", 404),
            ("photos.example/403", 403),
            ("photos.example/451", 451),
            ("photos.example/over", 200),
            ("photos.example/later", 200),
            ("photos.example/now", 451),
        ],
    );
}

#[test]
fn a_rule_comes_into_force_and_ends_at_its_time() {
    let origin = any_page();
    let edge = Edge::plain(&origin);
    edge.rules_change_with_time();
    let in_seconds = |seconds: u64| {
        let now = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs();
        jiff::Timestamp::from_second((now + seconds) as i64).unwrap().to_string()
    };
    let is_past = |time: &str| jiff::Timestamp::now() >= time.parse().unwrap();
    let turn = Cell::new(0);
    // A machine that is held up may see nothing of it before it begins, or before it ends: then once more.
    until("a look at it before and within its time", || {
        turn.set(turn.get() + 1);
        let path = format!("/{}", turn.get());
        let (from, end) = (in_seconds(2), in_seconds(5));
        let line = format!("https://photos.example{path} from={from} until={end}");
        edge.until_list_after(|| edge.list().append(&line));
        let early = edge.get(&path).status;
        if is_past(&from) {
            return None;
        }
        assert_eq!(early, 200, "not yet");
        let is_seen = until("its time", || match edge.get(&path).status {
            451 => Some(true),
            _ => is_past(&end).then_some(false),
        });
        assert!(is_past(&from), "it began early");
        edge.until_status(&path, 200);
        assert!(is_past(&end), "it ended early");
        is_seen.then_some(())
    });
}

#[test]
fn lines_are_read_as_the_format_says() {
    let origin = any_page();
    let edge = Edge::before(&origin)
        .rules(
            "\u{feff}# a comment\r\n\r\n   \t\r\nhttps://photos.example/crlf notice=N-1\r\n\
             https://photos.example/comment    # notice=N-2\r\n\
             \thttps://photos.example/indented\r\nhttps://photos.example/quoted reason=\"say \\\"hi\\\" \\\\ # no comment\"\r\n\
             https://photos.example/no-newline",
        )
        .start();
    for path in ["/crlf", "/comment", "/indented", "/no-newline"] {
        assert_eq!(edge.get(path).status, 451, "{path}");
    }
    let quoted = edge.ask("GET", "/quoted", &[("Accept", "application/problem+json")]);
    assert_eq!(quoted.json()["reason"], "say \"hi\" \\ # no comment");
}

#[test]
fn a_list_with_a_bad_line_keeps_the_good_old_version() {
    let origin = any_page();
    let edge = Edge::before(&origin).rules("https://photos.example/old\n").start();
    let version = edge.list_version();
    let errors = edge.metric("seawall_list_errors_total");
    edge.list().replace("https://photos.example/new\nhttps://photos.example/bad colour=red\n");
    eventually("degraded", || edge.readyz().text().starts_with("degraded\n"));
    let ready = edge.readyz();
    assert_eq!(ready.status, 200);
    assert!(ready.text().contains("list.txt"), "the reason names the file: {}", ready.text());
    eventually("it is counted", || edge.metric("seawall_list_errors_total") > errors);
    assert_eq!((edge.get("/old").status, edge.get("/new").status), (451, 200), "nothing is half applied");
    assert_eq!(edge.list_version(), version);
    edge.until_said(&["list.txt:2:", "colour"]);
    assert_eq!(edge.event("list-refused")["event"], "list-refused");

    edge.list().replace("https://photos.example/new\n");
    edge.until_status("/new", 451);
    assert_eq!(edge.get("/old").status, 200);
    eventually("ready again", || edge.readyz().text().starts_with("ready"));
}

#[test]
fn other_lists_go_on_while_one_is_bad() {
    let origin = any_page();
    let edge = Edge::before(&origin).rules("https://photos.example/old\n").start();
    edge.list().replace("https://photos.example/bad status=200\n");
    eventually("degraded", || edge.readyz().text().starts_with("degraded\n"));
    let other = List::at(edge.path("blocklist.d/other.txt"));
    other.replace("https://photos.example/other\n");
    edge.until_status("/other", 451);
    assert_eq!(edge.get("/old").status, 451);
}

#[test]
fn every_file_of_a_folder_is_read_but_dotfiles_and_strangers() {
    let origin = any_page();
    let edge = Edge::before(&origin).rules("https://photos.example/1\n").start();
    let folder = edge.path("blocklist.d");
    fs::write(folder.join(".hidden.txt"), "https://photos.example/hidden\n").unwrap();
    fs::write(folder.join("notes.md"), "https://photos.example/notes\n").unwrap();
    fs::write(folder.join("list.txt~"), "https://photos.example/backup\n").unwrap();
    List::at(folder.join("second.txt")).replace("https://photos.example/2\n");
    edge.until_status("/2", 451);
    for (path, status) in [("/1", 451), ("/hidden", 200), ("/notes", 200), ("/backup", 200)] {
        assert_eq!(edge.get(path).status, status, "{path}");
    }
}

#[test]
fn a_single_file_may_be_named_and_comes_by_rename() {
    let origin = any_page();
    let edge = Edge::before(&origin).lists("[\"blocklist.d/list.txt\"]").rules("https://photos.example/1\n").start();
    for round in 2..6 {
        edge.list().replace(&format!("https://photos.example/{round}\n"));
        edge.until_status(&format!("/{round}"), 451);
    }
    assert_eq!(edge.get("/1").status, 200);
}

#[test]
fn an_in_place_save_is_applied() {
    let origin = any_page();
    let edge = Edge::before(&origin).rules("https://photos.example/1\n").start();
    edge.list().rewrite("https://photos.example/1\nhttps://photos.example/2\n");
    edge.until_status("/2", 451);
    // Shorter than before: applied when two looks agree.
    edge.list().rewrite("https://photos.example/3\n");
    edge.until_status("/3", 451);
    edge.until_status("/2", 200);
}

#[test]
fn a_half_written_save_is_not_taken() {
    let origin = any_page();
    let rules: String = (0..50).map(|n| format!("https://photos.example/{n:03} notice=N-{n}\n")).collect();
    let edge = Edge::before(&origin).rules(&rules).start();
    let whole = rules + "https://photos.example/last\n";
    let writer = edge.list().rewrite_slowly(&whole);
    let mut served = None;
    while !writer.is_finished() {
        served = ["/000", "/049"].into_iter().find(|path| edge.get(path).status != 451).or(served);
    }
    // Only now it is known whether the writer was held up.
    assert!(served.is_none() || writer.was_held_up(), "{served:?} was served while the file was half written");
    edge.until_status("/last", 451);
    assert_eq!(edge.get("/049").status, 451);
}

#[test]
fn a_list_truncated_to_nothing_stays_in_force_until_reload() {
    let origin = any_page();
    let mut edge = Edge::before(&origin).rules("https://photos.example/1\n").start();
    edge.list().truncate();
    eventually("degraded", || edge.readyz().text().starts_with("degraded\n"));
    assert_eq!(edge.get("/1").status, 451);
    edge.restart();
    assert_eq!(edge.get("/1").status, 451, "over a restart, too");
    assert!(edge.readyz().text().starts_with("degraded\n"), "{}", edge.readyz().text());
    let reloaded = edge.seawall(&["reload"]);
    assert_eq!(reloaded.code, 0, "{}", reloaded.all());
    edge.until_status("/1", 200);
    assert!(edge.readyz().text().starts_with("ready"), "{}", edge.readyz().text());
}

#[test]
fn a_list_that_vanishes_stays_in_force_until_reload() {
    let origin = any_page();
    let mut edge = Edge::before(&origin).rules("https://photos.example/1\n").start();
    fs::remove_file(edge.list().path).unwrap();
    eventually("degraded", || edge.readyz().text().starts_with("degraded\n"));
    assert_eq!(edge.get("/1").status, 451);
    edge.restart();
    assert_eq!(edge.get("/1").status, 451, "over a restart, too");
    assert!(edge.readyz().text().starts_with("degraded\n"), "{}", edge.readyz().text());
    assert_eq!(edge.seawall(&["reload"]).code, 0);
    edge.until_status("/1", 200);
}

#[test]
fn a_folder_that_vanishes_stays_in_force() {
    let origin = any_page();
    let edge = Edge::before(&origin).rules("https://photos.example/1\n").start();
    fs::rename(edge.path("blocklist.d"), edge.path("elsewhere")).unwrap();
    eventually("degraded", || edge.readyz().text().starts_with("degraded\n"));
    assert_eq!(edge.get("/1").status, 451);
    // It comes back, and is watched again.
    fs::rename(edge.path("elsewhere"), edge.path("blocklist.d")).unwrap();
    edge.list().append("https://photos.example/2");
    edge.until_status("/2", 451);
    eventually("ready again", || edge.readyz().text().starts_with("ready"));
}

#[test]
fn a_list_that_shrinks_to_under_half_waits_for_a_word() {
    let origin = any_page();
    let rules: String = (0..30).map(|n| format!("https://photos.example/{n}\n")).collect();
    let mut edge = Edge::before(&origin).rules(&rules).start();
    let few: String = rules.lines().take(14).map(|line| format!("{line}\n")).collect();
    edge.list().replace(&few);
    eventually("degraded", || edge.readyz().text().starts_with("degraded\n"));
    assert!(edge.readyz().text().contains("--accept-shrink"), "it says what to do: {}", edge.readyz().text());
    assert_eq!(edge.get("/29").status, 451);
    edge.restart();
    assert_eq!(edge.get("/29").status, 451, "a restart is no word");
    let reloaded = edge.seawall(&["reload", "--accept-shrink"]);
    assert_eq!(reloaded.code, 0, "{}", reloaded.all());
    edge.until_status("/29", 200);
    assert_eq!(edge.get("/13").status, 451);
    assert!(edge.readyz().text().starts_with("ready"), "{}", edge.readyz().text());
}

#[test]
fn a_small_list_may_shrink() {
    let origin = any_page();
    let rules: String = (0..10).map(|n| format!("https://photos.example/{n}\n")).collect();
    let edge = Edge::before(&origin).rules(&rules).start();
    edge.list().replace("https://photos.example/0\n");
    edge.until_status("/9", 200);
    assert_eq!(edge.get("/0").status, 451);
}

#[test]
fn a_link_swap_as_config_maps_do_it_is_applied() {
    let origin = any_page();
    let builder = Edge::before(&origin).lists("[\"map\"]");
    let folder = builder.write();
    let map = folder.path().join("map");
    let version = |name: &str, rule: &str| {
        fs::create_dir_all(map.join(name)).unwrap();
        fs::write(map.join(name).join("list.txt"), format!("{rule}\n")).unwrap();
    };
    version("..2026_01", "https://photos.example/1");
    std::os::unix::fs::symlink("..2026_01", map.join("..data")).unwrap();
    std::os::unix::fs::symlink("..data/list.txt", map.join("list.txt")).unwrap();
    let edge = Edge::in_folder(folder, vec![origin.served()]);
    assert_eq!(edge.get("/1").status, 451);
    for round in 2..4 {
        let name = format!("..2026_0{round}");
        let map = edge.path("map");
        fs::create_dir_all(map.join(&name)).unwrap();
        fs::write(map.join(&name).join("list.txt"), format!("https://photos.example/{round}\n")).unwrap();
        std::os::unix::fs::symlink(&name, map.join("..data_tmp")).unwrap();
        fs::rename(map.join("..data_tmp"), map.join("..data")).unwrap();
        fs::remove_dir_all(map.join(format!("..2026_0{}", round - 1))).unwrap();
        edge.until_status(&format!("/{round}"), 451);
        edge.until_status(&format!("/{}", round - 1), 200);
    }
}

#[test]
fn a_start_with_a_bad_list_is_exit_78_unless_its_last_good_version_is_known() {
    let origin = any_page();
    let folder = Edge::before(&origin).rules("https://photos.example/a colour=red\n").write();
    let config = folder.path().join("seawall.toml").display().to_string();
    let refused = crate::harness::seawall(&["run", "-c", &config], folder.path());
    assert_eq!(refused.code, 78, "{}", refused.all());
    assert!(refused.all().contains("list.txt") && refused.all().contains("colour"), "{}", refused.all());

    let mut edge = Edge::before(&origin).rules("https://photos.example/a\n").start();
    edge.stop();
    edge.list().replace("https://photos.example/b\nhttps://photos.example/a colour=red\n");
    edge.start_again();
    assert_eq!((edge.get("/a").status, edge.get("/b").status), (451, 200));
    assert!(edge.readyz().text().starts_with("degraded\n"), "{}", edge.readyz().text());
}

#[test]
fn a_start_with_a_missing_list_is_exit_78() {
    let origin = any_page();
    let folder = Edge::before(&origin).lists("[\"nowhere.txt\"]").write();
    let config = folder.path().join("seawall.toml").display().to_string();
    let refused = crate::harness::seawall(&["run", "-c", &config], folder.path());
    assert_eq!(refused.code, 78, "{}", refused.all());
    assert!(refused.all().contains("nowhere.txt"), "{}", refused.all());
}

#[test]
fn a_list_changed_while_the_edge_was_down_is_in_force_from_the_first_request() {
    let origin = any_page();
    let mut edge = Edge::before(&origin).rules("https://photos.example/a\n").start();
    let before = edge.list_version();
    edge.stop();
    edge.list().replace("https://photos.example/b\n");
    edge.start_again();
    assert_eq!((edge.get("/a").status, edge.get("/b").status), (200, 451));
    assert!(edge.list_version() > before, "versions count on across restarts");
}

#[test]
fn the_list_version_counts_on_across_restarts() {
    let origin = any_page();
    let mut edge = Edge::before(&origin).rules("https://photos.example/a\n").start();
    edge.until_list_after(|| edge.list().append("https://photos.example/b"));
    let before = edge.list_version();
    edge.restart();
    assert!(edge.list_version() >= before, "{} after {before}", edge.list_version());
}

#[test]
fn a_list_that_the_config_no_longer_names_is_lifted() {
    let origin = any_page();
    let edge = Edge::before(&origin).lists("[\"blocklist.d\", \"extra.txt\"]").rules("https://photos.example/a\n");
    let folder = edge.write();
    fs::write(folder.path().join("extra.txt"), "https://photos.example/b\n").unwrap();
    let edge = Edge::in_folder(folder, vec![origin.served()]);
    assert_eq!((edge.get("/a").status, edge.get("/b").status), (451, 451));
    edge.set_config(&edge.config().replace(", \"extra.txt\"", ""));
    assert_eq!(edge.seawall(&["reload"]).code, 0);
    edge.until_status("/b", 200);
    assert_eq!(edge.get("/a").status, 451);
}

#[test]
fn hup_reloads() {
    let origin = any_page();
    let edge = Edge::before(&origin).rules("https://photos.example/a\n").start();
    fs::remove_file(edge.list().path).unwrap();
    eventually("degraded", || edge.readyz().text().starts_with("degraded\n"));
    edge.running().signal(rustix::process::Signal::HUP);
    edge.until_status("/a", 200);
}

// What a blocked request gets.

#[test]
fn a_blocked_answer_says_who_and_why_and_is_stored_by_nobody() {
    let origin = any_page();
    let edge = Edge::before(&origin).rules("https://photos.example/a notice=N-17 reason=\"DMCA 512(c)\"\n").start();
    let answer = edge.get("/a");
    assert_eq!(answer.status, 451);
    assert_eq!(answer.field("Cache-Control"), Some("no-store"));
    let node = edge.event("started")["node"].as_str().unwrap().to_owned();
    assert_eq!(answer.field("Link"), Some(format!("<urn:uuid:{node}>; rel=\"blocked-by\"").as_str()));
    assert!(answer.field("Content-Type").unwrap().starts_with("text/html"));
    assert!(answer.field("Content-Security-Policy").unwrap().contains("default-src 'none'"));
    assert!(answer.text().contains("N-17") && answer.text().contains("DMCA 512(c)"), "{}", answer.text());
    assert_eq!(answer.field("Cache-Status"), None, "answers made here have none");
    assert_eq!(answer.field("Age"), None);
    assert!(answer.field("Via").is_some());

    let problem = edge.ask("GET", "/a", &[("Accept", "application/problem+json")]);
    assert_eq!(problem.field("Content-Type"), Some("application/problem+json"));
    let json = problem.json();
    assert_eq!(
        (&json["status"], &json["notice"], &json["reason"]),
        (&451.into(), &"N-17".into(), &"DMCA 512(c)".into())
    );
}

#[test]
fn what_is_told_of_a_notice_is_the_operators_choice() {
    let origin = any_page();
    let rules = "https://photos.example/a notice=N-17 reason=\"DMCA 512(c)\"\n";
    for (disclose, id, reason) in [("full", true, true), ("id", true, false), ("none", false, false)] {
        let edge = Edge::before(&origin)
            .rules(rules)
            .takedown(&format!("disclose = \"{disclose}\"\noperator_url = \"https://op.example/n\"\n"))
            .start();
        for accept in ["text/html", "application/problem+json"] {
            let answer = edge.ask("GET", "/a", &[("Accept", accept)]);
            let text = answer.text();
            assert_eq!((text.contains("N-17"), text.contains("DMCA")), (id, reason), "{disclose}, {accept}: {text}");
            assert_eq!(answer.field("Link"), Some("<https://op.example/n>; rel=\"blocked-by\""));
        }
    }
}

#[test]
fn all_text_on_the_page_is_escaped() {
    let origin = any_page();
    let edge = Edge::before(&origin)
        .rules("https://photos.example/a notice=\"N<i>&\" reason=\"<script>alert('x')</script> \\\"q\\\"\"\n")
        .start();
    let page = edge.get("/a").text();
    assert!(!page.contains("<script>") && !page.contains("<i>"), "{page}");
    assert!(page.contains("&lt;script&gt;") && page.contains("N&lt;i&gt;&amp;"), "{page}");
    let json = edge.ask("GET", "/a", &[("Accept", "application/problem+json")]).json();
    assert_eq!(json["reason"], "<script>alert('x')</script> \"q\"");
}

#[test]
fn a_blocked_head_has_no_body_and_the_connection_stays_open() {
    let origin = any_page();
    let edge = Edge::before(&origin).rules("https://photos.example/a\n").start();
    let mut client = edge.connect();
    let head = client.ask("HEAD", HOST, "/a", &[]);
    assert_eq!((head.status, head.body.len()), (451, 0));
    assert_eq!(client.get(HOST, "/a").status, 451);
    assert_eq!(client.get(HOST, "/b").status, 200);
    client.send(request("POST", HOST, "/a", &[("Content-Length", "3")]) + "abc");
    assert_eq!(client.answer("POST").status, 451, "every method is blocked");
    assert_eq!(origin.count("/a"), 0);
}

#[test]
fn a_block_comes_before_the_cache() {
    let origin = any_page();
    let edge = Edge::plain(&origin);
    edge.get("/a").stored();
    edge.get("/a").hit();
    let version = edge.until_list_after(|| edge.list().append("https://photos.example/a notice=N-1"));
    for fields in
        [vec![], vec![("If-None-Match", "*")], vec![("Cache-Control", "only-if-cached")], vec![("Range", "bytes=0-0")]]
    {
        assert_eq!(edge.ask("GET", "/a", &fields).status, 451, "{fields:?}");
    }
    eventually("the copy is purged", || edge.metric("seawall_cache_objects") == 0.0);
    let lifted = edge.until_list_after(|| edge.list().replace("# nothing\n"));
    edge.must_block("https://photos.example/a", version, Some(lifted));
    assert_eq!(edge.get("/a").status, 200);
    assert_eq!(origin.count("/a"), 2, "and is fetched anew when the block is lifted");
}

#[test]
fn an_origin_that_is_down_changes_nothing_for_what_is_blocked() {
    let edge = Edge::before_address("127.0.0.1:1").rules("https://photos.example/a\n").start();
    assert_eq!((edge.get("/a").status, edge.get("/b").status), (451, 502));
}

#[test]
fn a_pattern_covers_what_it_matches_in_every_spelling() {
    let origin = any_page();
    let edge = edge_with(
        &origin,
        "~^https://photos\\.example/u/[0-9]+/leak$ notice=N-21\n\
         ~(?i)^https://photos\\.example/film.*\\.mkv notice=N-22\n\
         !https://photos.example/u/7/*\n",
    );
    assert_statuses(
        &edge,
        &[
            ("photos.example/u/17/leak", 451),
            ("photos.example/u/17/leak?any=query", 451),
            ("photos.example//u/x/..%2F1/leak/", 451),
            ("PHOTOS.example:8080/u/%31/leak;v=1", 451),
            ("photos.example/FILM/x.MKV", 451),
            ("photos.example/u/7/leak", 200),
            ("photos.example/u/x/leak", 200),
            ("photos.example/u/1/leaks", 200),
            ("other.example/u/1/leak", 200),
            ("other.example/?u=https://photos.example/u/1/leak", 200),
        ],
    );
    edge.block("~^https://other\\.example/x[0-9]", "N-23");
    assert_eq!(edge.connect().get("other.example", "/x1").status, 451);
    let refused = edge.api("POST", "/api/v1/blocks", Some(&serde_json::json!({"rules": ["~^http://h/("]})));
    assert_eq!(refused.status, 422, "{}", refused.text());
    assert!(refused.text().contains("unclosed group"), "{}", refused.text());
}

#[test]
fn a_folder_takes_lists_in_toml_beside_plain_ones() {
    let origin = any_page();
    let edge = Edge::before(&origin).hosts("[\"*\"]").rules("").start();
    let list = List::at(edge.path("blocklist.d/rules.toml"));
    let rules = "[[rule]]\nprefix = \"https://photos.example/albums/\"\nnotice = \"N-18\"\nreason = \"private\"\n\n\
                 [[rule]]\nurl = \"https://photos.example/albums/cover.jpg\"\nexcept = true\n\n\
                 [[rule]]\npattern = '^https://photos\\.example/u/[0-9]+'\nstatus = 410\n";
    edge.until_list_after(|| list.replace(rules));
    assert_statuses(
        &edge,
        &[("photos.example/albums", 451), ("photos.example/albums/cover.jpg", 200), ("photos.example/u/1", 410)],
    );
    let record = edge.record_of(&edge.connect().get("photos.example", "/albums/y"));
    assert_eq!((&record["rule"], &record["notice"]), (&"https://photos.example/albums/*".into(), &"N-18".into()));

    // A bad version is refused whole, and the good one before it stays.
    list.replace("[[rule]]\nhots = \"photos.example\"\n");
    let troubled =
        until("the edge is degraded", || Some(edge.readyz()).filter(|ready| ready.text().contains("degraded")));
    assert!(
        troubled.text().contains("rules.toml:2:1: there is no attribute `hots`; did you mean host?"),
        "{}",
        troubled.text()
    );
    assert_statuses(&edge, &[("photos.example/albums", 451), ("photos.example/", 200)]);
}

#[test]
fn a_rule_says_who_ordered_it_and_what_is_shown() {
    let origin = any_page();
    let rules = "https://photos.example/a notice=N-1 reason=why authority=https://court.example/o/7 page=gone.html\n\
                 https://photos.example/b notice=N-2 reason=why authority=\"The <Court>\" disclose=id\n\
                 https://photos.example/c notice=N-3 authority=\"The <Court>\" page=missing.html\n";
    let edge = edge_with(&origin, rules);
    let ask = |path: &str| edge.connect().get("photos.example", path);

    let built_in = ask("/a");
    assert!(
        built_in.text().contains("N-1") && built_in.text().contains("https://court.example/o/7"),
        "{}",
        built_in.text()
    );
    assert_eq!(built_in.all("link")[1], "<https://court.example/o/7>; rel=\"blocking-authority\"");
    assert!(edge.readyz().text().contains("missing.html is not there"), "{}", edge.readyz().text());

    fs::write(edge.path("blocklist.d/gone.html"), "<!doctype html><p>Gone for good").unwrap();
    let own = until("the page is shown", || Some(ask("/a")).filter(|answer| answer.text().contains("Gone for good")));
    assert_eq!((own.status, own.text().as_ref()), (451, "<!doctype html><p>Gone for good"));
    assert_eq!(own.field("content-type"), Some("text/html; charset=utf-8"));
    let json = edge.connect().ask("GET", "photos.example", "/a", &[("Accept", "application/json")]);
    assert!(json.text().contains("\"authority\":\"https://court.example/o/7\""), "{}", json.text());

    let id_alone = ask("/b");
    assert!(id_alone.text().contains("N-2"), "{}", id_alone.text());
    assert!(!id_alone.text().contains("why") && !id_alone.text().contains("Court"), "{}", id_alone.text());
    assert_eq!(id_alone.all("link").len(), 1);
    assert!(ask("/c").text().contains("The &lt;Court&gt;"));
}

#[test]
fn hosts_with_the_same_content_share_their_rules() {
    let origin = any_page();
    let hosts = "[\"photos.example\", \"*.photos.example\", \"fotos.example\"]";
    let edge = Edge::before(&origin)
        .hosts(hosts)
        .site("same_content = true")
        .rules("https://a.photos.example/x notice=N-1\n!https://fotos.example/x/../free\n*.photos.example until=2020-01-01\n")
        .start();
    assert_statuses(&edge, &[("photos.example/x", 451), ("b.photos.example/x", 451), ("fotos.example/x?q", 451)]);
    let why = edge.seawall(&["why", "https://fotos.example/x"]);
    assert_eq!(why.code, 10);
    assert!(why.stdout.contains("a.photos.example") && why.stdout.contains("same_content"), "{}", why.stdout);

    // The copies of all of them go, by a block and by a purge.
    for host in ["photos.example", "b.photos.example", "fotos.example"] {
        assert_eq!(edge.connect().get(host, "/y").status, 200);
    }
    let purged = edge.api("POST", "/api/v1/purge", Some(&serde_json::json!({"url": "https://photos.example/y"})));
    assert_eq!(purged.json()["objects"], 3, "{}", purged.text());
    assert_eq!(edge.connect().get("fotos.example", "/y").status, 200);
    let receipt = edge.block("https://photos.example/y", "N-2");
    assert_eq!(receipt["purged"]["objects"], 1, "{receipt}");
    assert!(receipt["last_served"].is_object(), "{receipt}");
    assert_statuses(&edge, &[("fotos.example/y", 451), ("c.photos.example/y", 451)]);

    // Without the word each host stands alone again, by a reload.
    edge.set_config(&edge.config().replace("same_content = true", ""));
    assert_eq!(edge.seawall(&["reload"]).code, 0);
    assert_statuses(
        &edge,
        &[("photos.example/y", 451), ("fotos.example/y", 200), ("a.photos.example/x", 451), ("photos.example/x", 200)],
    );
}

#[test]
fn a_pattern_that_may_miss_hosts_of_the_same_content_is_told_of() {
    let origin = any_page();
    let edge = Edge::before(&origin)
        .hosts("[\"photos.example\", \"*.photos.example\"]")
        .site("same_content = true")
        .rules("~^https://img[0-9]+\\.photos\\.example/leak")
        .start();
    assert_statuses(&edge, &[("img1.photos.example/leak", 451), ("img.photos.example/leak", 200)]);
    let told = "names no host whole";
    eventually("the start tells of it", || edge.stderr().matches(told).count() == 1);
    assert_eq!(edge.seawall(&["reload"]).code, 0);
    eventually("the reload tells of it", || edge.stderr().matches(told).count() == 2);
    let check = edge.seawall(&["check"]);
    assert!(check.stdout.contains(told), "{}", check.all());
}

#[test]
fn why_shows_each_step_and_each_probe_live_and_from_the_disk() {
    let origin = any_page();
    let rules = "https://photos.example/a/x notice=N-1\nhttps://photos.example/a/* notice=N-2\n~/a/[a-z]$ notice=N-3\n";
    let edge = edge_with(&origin, rules);
    let asked = "HTTP://Photos.example:8080//%61/./x?q";
    for arguments in [&["why", "--output", "json", asked][..], &["why", "--live", "--output", "json", asked]] {
        let told = edge.seawall(arguments);
        assert_eq!(told.code, 10, "{}", told.stderr);
        let why: serde_json::Value = serde_json::from_str(&told.stdout).unwrap();
        let steps: Vec<&str> =
            why["steps"].as_array().unwrap().iter().filter_map(|step| step["url"].as_str()).collect();
        assert_eq!((steps[0], steps[steps.len() - 1]), (asked, "https://photos.example/a/x?q"));
        let probes: Vec<(&str, &str, bool)> = why["probes"]
            .as_array()
            .unwrap()
            .iter()
            .map(|probe| {
                let hit = probe["hit"].as_bool().unwrap();
                (probe["class"].as_str().unwrap(), probe["text"].as_str().unwrap(), hit)
            })
            .collect();
        let expected = [
            ("prefix", "https://photos.example/a/*", true),
            ("url", "https://photos.example/a/x", true),
            ("pattern", "https://photos.example/a/x?q", true),
        ];
        assert_eq!(probes, expected);
        assert_eq!(why["others"][0]["because"], "a rule for the URL itself comes first", "{why}");
        assert_eq!(why["list"].is_null(), !arguments.contains(&"--live"));
    }
    let text = edge.seawall(&["why", asked]).stdout;
    for part in ["how it is read", "what is looked up", "comes first", "list.txt:3"] {
        assert!(text.contains(part), "{part}: {text}");
    }
}
