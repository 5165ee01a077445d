//! Commands: what they print, and what their exit codes say.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::harness::client::Client;
use crate::harness::process::{Running, SEAWALL};
use crate::harness::{Edge, Origin, Page, eventually, seawall, until};

fn pages() -> Origin {
    Origin::with("*", Page::stored("hello"))
}

#[test]
fn why_says_what_decides_offline() {
    let origin = pages();
    let folder = Edge::before(&origin).rules("# one\nhttps://photos.example/a notice=N-17 reason=\"DMCA\"\n").write();
    let why = |url: &str| seawall(&["why", url, "-c", "seawall.toml"], folder.path());
    let blocked = why("HTTP://PHOTOS.example:8080/%61#x");
    assert_eq!(blocked.code, 10, "{}", blocked.all());
    for said in ["https://photos.example/a", "photos", "N-17", "list.txt"] {
        assert!(blocked.stdout.contains(said), "{said} in {}", blocked.stdout);
    }
    assert!(blocked.stdout.contains(":2") || blocked.stdout.contains("line 2"), "{}", blocked.stdout);
    let allowed = why("https://photos.example/b");
    assert_eq!(allowed.code, 0, "{}", allowed.all());
    for unnameable in
        ["https://photos.example/%zz", "https://nobody.example/", "https://", "https://photos.example/a b"]
    {
        assert_eq!(why(unnameable).code, 1, "{unnameable}");
    }
    assert!(blocked.stdout.contains("not known here") && blocked.stdout.contains("--admin"), "{}", blocked.stdout);
    let json = seawall(&["why", "photos.example/a", "-c", "seawall.toml", "--output", "json"], folder.path());
    assert_eq!(json.code, 10);
    assert!(json.json().to_string().contains("N-17"));
}

#[test]
fn why_reads_live_blocks_offline_and_live() {
    let origin = pages();
    let edge = Edge::plain(&origin);
    edge.block("https://photos.example/a", "N-17");
    let offline = edge.seawall(&["why", "https://photos.example/a"]);
    assert_eq!(offline.code, 10, "beside the running edge, without its lock: {}", offline.all());
    let live = edge.seawall(&["why", "https://photos.example/a", "--live"]);
    assert_eq!(live.code, 10, "{}", live.all());
    assert!(live.stdout.contains("N-17"), "{}", live.stdout);
    assert_eq!(edge.seawall(&["why", "https://photos.example/b", "--live"]).code, 0);
}

#[test]
fn block_unblock_and_blocks() {
    let origin = pages();
    let edge = Edge::plain(&origin);
    let blocked = edge.seawall(&[
        "block",
        "https://photos.example/a",
        "*.pirate.example",
        "--notice",
        "N-17",
        "--reason",
        "a test",
    ]);
    assert_eq!(blocked.code, 0, "{}", blocked.all());
    assert!(
        blocked.stdout.contains("N-17") && blocked.stdout.contains("https://photos.example/a"),
        "{}",
        blocked.stdout
    );
    assert_eq!(edge.get("/a").status, 451);

    let receipt = edge.seawall(&["block", "https://photos.example/b", "--notice", "N-18", "--output", "json"]).json();
    let id = receipt["id"].as_str().unwrap();
    let listed = edge.seawall(&["blocks"]);
    assert_eq!(listed.code, 0);
    for said in ["https://photos.example/a", "*.pirate.example", "N-18", receipt["rules"][0]["id"].as_str().unwrap()] {
        assert!(listed.stdout.contains(said), "{said} in {}", listed.stdout);
    }
    let lifted = edge.seawall(&["unblock", id]);
    assert_eq!(lifted.code, 0, "{}", lifted.all());
    assert_eq!(edge.get("/b").status, 200);
    assert_eq!(edge.seawall(&["unblock", id]).code, 1, "an unknown id");
    let bad = edge.seawall(&["block", "https://photos.example/a*"]);
    assert_eq!(bad.code, 1, "{}", bad.all());
    assert_eq!(seawall(&["block"], edge.folder()).code, 2, "usage");
}

#[test]
fn purge_and_status() {
    let origin = pages();
    let edge = Edge::plain(&origin);
    edge.get("/a").stored();
    edge.get("/a").hit();
    let dry = edge.seawall(&["purge", "https://photos.example/a", "--dry-run"]);
    assert_eq!(dry.code, 0, "{}", dry.all());
    edge.get("/a").hit(); // it destroys nothing
    let purged = edge.seawall(&["purge", "https://photos.example/a"]);
    assert_eq!(purged.code, 0, "{}", purged.all());
    edge.get("/a").fetched();
    let status = edge.seawall(&["status"]);
    assert_eq!(status.code, 0, "{}", status.all());
    assert!(status.stdout.contains(env!("CARGO_PKG_VERSION")), "{}", status.stdout);
    let json = edge.seawall(&["status", "--output", "json"]).json();
    assert!(json["node"].is_string() && json["audit"]["lag_seconds"].is_number(), "{json}");
}

#[test]
fn commands_find_the_admin_listener_by_the_environment_and_the_config() {
    let origin = pages();
    let edge = Edge::plain(&origin);
    // A config that names the port, as one would in life.
    let config =
        edge.config().replace("[admin]\nlisten = \"127.0.0.1:0\"", &format!("[admin]\nlisten = \"{}\"", edge.admin));
    fs::write(edge.path("known.toml"), config).unwrap();
    let status = seawall(&["status", "-c", "known.toml"], edge.folder());
    assert_eq!(status.code, 0, "{}", status.all());
    let url = format!("http://{}", edge.admin);
    let by_url = seawall(&["status", "--admin", &url, "--token-file", "state/admin.token"], edge.folder());
    assert_eq!(by_url.code, 0, "{}", by_url.all());
}

#[test]
fn a_broken_config_keeps_no_block_from_the_edge_that_runs() {
    let origin = pages();
    let mut edge = Edge::plain(&origin);
    let good = edge.config();
    let on_config = |arguments: &[&str], folder: &Path| seawall(&[arguments, &["-c", "seawall.toml"]].concat(), folder);
    for (at, broken) in
        [format!("{good}\n[edg]\n"), format!("{good}\n[[site"), good.replace("origin =", "orgin =")].iter().enumerate()
    {
        edge.set_config(broken);
        let url = format!("https://photos.example/{at}");
        let blocked = on_config(&["block", &url, "--notice", "N-17"], edge.folder());
        assert_eq!(blocked.code, 0, "{broken}\n{}", blocked.all());
        assert!(
            blocked.stderr.contains("seawall.toml") && blocked.stderr.contains("state/admin.address"),
            "{blocked:?}"
        );
        assert_eq!(edge.get(&format!("/{at}")).status, 451);
        let reloaded = on_config(&["reload"], edge.folder());
        assert!(reloaded.code == 1 && reloaded.stderr.contains("seawall.toml:"), "{reloaded:?}");
    }
    assert_eq!(on_config(&["why", "https://photos.example/0"], edge.folder()).code, 10);
    edge.set_config(&good);
    assert_eq!(on_config(&["reload"], edge.folder()).code, 0);
    edge.stop();
    edge.set_config("[");
    assert_eq!(on_config(&["status"], edge.folder()).code, 69);
    assert_eq!(on_config(&["why", "https://photos.example/0"], edge.folder()).code, 78);
    fs::remove_file(edge.path("state/admin.address")).unwrap();
    assert_eq!(on_config(&["status"], edge.folder()).code, 78);
    edge.set_config(&good);
}

#[test]
fn nobody_there_is_69_and_a_wrong_token_is_1() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("token"), "x\n").unwrap();
    // Port 1 of loopback: nobody listens there.
    let status = seawall(&["status", "--admin", "127.0.0.1:1", "--token-file", "token"], folder.path());
    assert_eq!(status.code, 69, "{}", status.all());
    let origin = pages();
    let edge = Edge::plain(&origin);
    let admin = edge.admin.to_string();
    let refused = seawall(&["status", "--admin", &admin, "--token-file", "token"], folder.path());
    assert_eq!(refused.code, 1, "{}", refused.all());
}

#[test]
fn usage_is_2() {
    let folder = tempfile::tempdir().unwrap();
    for arguments in [&["nonsense"][..], &["run", "--nonsense"], &["why"], &["audit"], &[]] {
        let output = seawall(arguments, folder.path());
        assert_eq!(output.code, 2, "{arguments:?}: {}", output.all());
    }
    assert_eq!(seawall(&["--help"], folder.path()).code, 0);
    assert_eq!(seawall(&["--version"], folder.path()).code, 0);
}

#[test]
fn a_second_run_on_the_same_state_is_1() {
    let origin = pages();
    let edge = Edge::plain(&origin);
    let second = edge.seawall(&["run"]);
    assert_eq!(second.code, 1, "{}", second.all());
    assert!(second.all().contains("state"), "it says what is locked: {}", second.all());
    assert_eq!(edge.get("/a").status, 200, "the first one goes on");
}

#[test]
fn an_address_in_use_is_1() {
    let origin = pages();
    let edge = Edge::plain(&origin);
    let builder = Edge::before(&origin);
    let folder = builder.write();
    let config = builder.config().replacen("127.0.0.1:0", &edge.address.to_string(), 1);
    fs::write(folder.path().join("seawall.toml"), config).unwrap();
    let taken = seawall(&["run", "-c", "seawall.toml"], folder.path());
    assert_eq!(taken.code, 1, "{}", taken.all());
    assert!(taken.all().contains(&edge.address.to_string()), "it says which: {}", taken.all());
}

#[test]
fn proxy_works_with_no_config_file() {
    let origin = pages();
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("list.txt"), "any.example/blocked\n").unwrap();
    let to = format!("http://{}", origin.address);
    let arguments = ["proxy", "--listen", "127.0.0.1:0", "--to", &to, "--blocklist", "list.txt", "--memory", "16MiB"];
    let mut proxy = Running::start(&arguments, folder.path());
    let address = proxy.printed("edge http://").parse().unwrap();
    let admin = proxy.printed("admin http://").parse().unwrap();
    let mut client = Client::connect(address);
    assert_eq!(client.get("any.example", "/a").stored().text(), "hello");
    client.get("any.example", "/a").hit();
    assert_eq!(client.get("any.example", "/blocked").status, 451);
    assert_eq!(Client::connect(admin).get(&admin_host(admin), "/livez").status, 200);
    proxy.signal(Signal::INT);
    assert_eq!(proxy.ended(Duration::from_secs(20)).code(), Some(0), "{}", proxy.stderr());
    assert_eq!(left_in(folder.path()), ["list.txt"], "its temporary state is removed");
}

fn admin_host(admin: std::net::SocketAddr) -> String {
    admin.to_string()
}

fn left_in(folder: &std::path::Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap().flatten();
    let mut names: Vec<String> = entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

#[test]
fn a_proxy_that_is_ended_as_it_starts_leaves_no_folder() {
    let place = tempfile::tempdir().unwrap();
    let is_empty = || fs::read_dir(place.path()).unwrap().next().is_none();
    for _ in 0..5 {
        let mut proxy = Command::new(SEAWALL)
            .args(["proxy", "--listen", "127.0.0.1:0", "--to", "http://127.0.0.1:1"])
            .env("TMPDIR", place.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        until("its folder", || (!is_empty()).then_some(()));
        kill_process(Pid::from_child(&proxy), Signal::TERM).unwrap();
        proxy.wait().unwrap();
        assert!(is_empty(), "{:?}", fs::read_dir(place.path()).unwrap().collect::<Vec<_>>());
    }
}

#[test]
fn proxy_keeps_a_state_folder_that_is_named() {
    let origin = pages();
    let folder = tempfile::tempdir().unwrap();
    let to = format!("http://{}", origin.address);
    let mut proxy =
        Running::start(&["proxy", "--listen", "127.0.0.1:0", "--to", &to, "--state", "mine"], folder.path());
    let address = proxy.printed("edge http://").parse().unwrap();
    Client::connect(address).get("any.example", "/a");
    proxy.signal(Signal::TERM);
    assert_eq!(proxy.ended(Duration::from_secs(20)).code(), Some(0));
    let verified = seawall(&["audit", "verify", "mine/audit"], folder.path());
    assert_eq!(verified.code, 0, "{}", verified.all());
}

#[test]
fn demo_needs_nothing_and_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut demo = Running::start(&["demo", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"], folder.path());
    let address: std::net::SocketAddr = demo.printed("edge http://").parse().unwrap();
    let admin: std::net::SocketAddr = demo.printed("admin http://").parse().unwrap();
    let mut client = Client::connect(address);
    let host = address.to_string();
    assert_eq!(client.get(&host, "/").stored().status, 200);
    client.get(&host, "/").hit();
    assert_eq!(Client::connect(admin).get(&admin_host(admin), "/livez").status, 200);
    eventually("the tour is printed", || {
        let tour = demo.lines().join("\n");
        ["curl", "audit verify", "audit query", ">>"].iter().all(|part| tour.contains(part))
    });
    let tour = demo.lines().join("\n");
    assert!(
        tour.contains(crate::harness::process::SEAWALL),
        "it names the binary by the path it was started by: {tour}"
    );
    demo.signal(Signal::INT);
    assert_eq!(demo.ended(Duration::from_secs(20)).code(), Some(0), "{}", demo.stderr());
    assert!(left_in(folder.path()).is_empty(), "{:?} is left", left_in(folder.path()));
}

#[test]
fn the_demos_lines_can_be_copied() {
    can_be_copied(&["demo", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"]);
}

#[test]
fn the_demos_lines_can_be_copied_with_tls() {
    can_be_copied(&["demo", "--tls", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"]);
}

fn can_be_copied(demo: &[&str]) {
    if std::process::Command::new("curl").arg("--version").output().is_err() {
        // The tour is for curl; a machine without it proves nothing here.
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let elsewhere = tempfile::tempdir().unwrap();
    let mut demo = Running::start(demo, folder.path());
    demo.printed("edge ");
    eventually("the tour's last line", || {
        demo.lines().iter().any(|line| line.contains("audit verify") && line.contains("tampered"))
    });
    let lines = demo.lines();
    let commands: Vec<&str> = lines.iter().filter_map(|line| line.strip_prefix("   ")).collect();
    assert!(commands.len() >= 10, "{lines:#?}");
    for (index, command) in commands.iter().enumerate() {
        let mut shell = std::process::Command::new("sh");
        let output = shell.args(["-c", command]).current_dir(elsewhere.path()).output().unwrap();
        let expected = match command {
            _ if index + 1 == commands.len() => 1,
            why if why.contains(" why ") => 10,
            _ => 0,
        };
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert_eq!(output.status.code(), Some(expected), "{command}\n{out}{err}");
        if command.contains("/slow") && command.contains("curl ended with") {
            let ends = if command.contains("https://") { &["92", "56"][..] } else { &["56"] };
            let ended = ends.iter().any(|code| out.contains(&format!("curl ended with {code}")));
            assert!(ended, "{command}\n{out}{err}");
        }
    }
    demo.signal(Signal::INT);
    assert_eq!(demo.ended(Duration::from_secs(20)).code(), Some(0));
}

#[test]
fn a_second_int_leaves_at_once() {
    let origin = pages();
    let gate = crate::harness::Gate::default();
    origin.on("/slow", Page::ok("first and last").hold(5, &gate));
    let mut edge = Edge::plain(&origin);
    let mut client = edge.connect();
    client.send(crate::harness::client::request("GET", crate::harness::HOST, "/slow", &[]));
    client.head();
    edge.running().signal(Signal::INT);
    let address = edge.address;
    eventually("it drains", || Client::try_connect(address).is_none());
    edge.running().signal(Signal::INT);
    edge.leaves_at_once();
    gate.open();
}

#[test]
fn completions_know_every_command() {
    let folder = tempfile::tempdir().unwrap();
    for (shell, opening) in [("bash", "_seawall()"), ("zsh", "#compdef seawall"), ("fish", "complete -c seawall")] {
        let script = seawall(&["completions", shell], folder.path());
        assert_eq!(script.code, 0, "{}", script.all());
        for part in [opening, "unblock", "tail", "accept-shrink"] {
            assert!(script.stdout.contains(part), "{part} for {shell}");
        }
    }
}

#[test]
fn the_manual_has_a_page_for_every_command() {
    let folder = tempfile::tempdir().unwrap();
    let page = seawall(&["man", "audit", "tail"], folder.path());
    assert_eq!(page.code, 0, "{}", page.all());
    for part in [".TH", "Follow the log", "\\-n", "seawall audit tail state/audit"] {
        assert!(page.stdout.contains(part), "{part} in {}", page.stdout);
    }
    assert!(seawall(&["man"], folder.path()).stdout.contains("seawall\\-unblock"), "it names the other pages");
    assert_eq!(seawall(&["man", "tale"], folder.path()).code, 2);
    fs::create_dir(folder.path().join("man1")).unwrap();
    assert_eq!(seawall(&["man", "--to", "man1"], folder.path()).code, 0);
    let pages = left_in(&folder.path().join("man1"));
    for page in ["seawall.1", "seawall-run.1", "seawall-audit-tail.1"] {
        assert!(pages.iter().any(|found| found == page), "{page} in {pages:?}");
    }
    assert_eq!(seawall(&["man", "--to", "nowhere"], folder.path()).code, 1);
}
