//! The real binary, run from a config that the test words.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;

use super::check::{self, Blocked};
use super::client::{Answer, Client};
use super::list::List;
use super::origin::{Origin, Served};
use super::process::{Output, Running};
use super::{SOON, eventually, evidence, seawall, until};

/// The host that tests ask for unless they say otherwise.
pub const HOST: &str = "photos.example";

/// What stands in each table of the config, beside what every test needs.
pub struct Builder {
    listen: String,
    edge: String,
    admin: String,
    cache: String,
    takedown: String,
    audit: String,
    hosts: String,
    site: String,
    rest: String,
    lists: String,
    origin: String,
    served: Vec<Served>,
    rules: String,
}

impl Builder {
    /// Clients may begin with HTTP/2.
    pub fn h2c(mut self) -> Builder {
        self.listen = "{ addr = \"127.0.0.1:0\", h2c = true }".to_owned();
        self
    }

    /// Another listener, as TOML.
    pub fn listen(mut self, listener: &str) -> Builder {
        self.listen.push_str(", ");
        self.listen.push_str(listener);
        self
    }

    pub fn admin(mut self, lines: &str) -> Builder {
        self.admin.push_str(lines);
        self
    }

    pub fn edge(mut self, lines: &str) -> Builder {
        self.edge.push_str(lines);
        self
    }

    pub fn cache(mut self, lines: &str) -> Builder {
        self.cache = lines.to_owned();
        self
    }

    pub fn takedown(mut self, lines: &str) -> Builder {
        self.takedown.push_str(lines);
        self
    }

    /// `takedown.lists`, as TOML.
    pub fn lists(mut self, lists: &str) -> Builder {
        self.lists = lists.to_owned();
        self
    }

    pub fn audit(mut self, lines: &str) -> Builder {
        self.audit.push_str(lines);
        self
    }

    pub fn hosts(mut self, hosts: &str) -> Builder {
        self.hosts = hosts.to_owned();
        self
    }

    pub fn site(mut self, lines: &str) -> Builder {
        self.site.push_str(lines);
        self
    }

    /// Whole tables, behind the others.
    pub fn tables(mut self, text: &str) -> Builder {
        self.rest.push_str(text);
        self
    }

    /// What stands in the list when the edge starts.
    pub fn rules(mut self, text: &str) -> Builder {
        self.rules = text.to_owned();
        self
    }

    /// `site.origin`, as TOML.
    pub fn origins(mut self, origins: &str) -> Builder {
        self.origin = origins.to_owned();
        self
    }

    /// A second origin that the config names somewhere.
    pub fn also(mut self, origin: &Origin) -> Builder {
        self.served.push(origin.served());
        self
    }

    pub fn config(&self) -> String {
        format!(
            "[edge]\nlisten = [{}]\n{}\n[admin]\nlisten = \"127.0.0.1:0\"\n{}\n[cache]\n{}\n\
             [takedown]\nlists = {}\n{}\n[state]\ndir = \"state\"\n[audit]\n{}\n\
             [[site]]\nname = \"photos\"\nhosts = {}\norigin = {}\n{}\n{}",
            self.listen,
            unless_said(&self.edge, &[("head_timeout", "5m")]) + &self.edge,
            self.admin,
            self.cache,
            self.lists,
            self.takedown,
            self.audit,
            self.hosts,
            self.origin,
            unless_said(&self.site, &PATIENT) + &self.site,
            self.rest
        )
    }

    /// The folder and its files, with nothing started.
    pub fn write(&self) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("blocklist.d")).unwrap();
        fs::write(folder.path().join("blocklist.d/list.txt"), &self.rules).unwrap();
        fs::write(folder.path().join("seawall.toml"), self.config()).unwrap();
        folder
    }

    pub fn start(self) -> Edge {
        let folder = self.write();
        Edge::in_folder(folder, self.served)
    }
}

pub struct Edge {
    /// Where clients ask.
    pub address: SocketAddr,
    pub admin: SocketAddr,
    folder: tempfile::TempDir,
    running: Running,
    served: Vec<Served>,
    blocked: Mutex<Vec<Blocked>>,
    stderr_before: String,
    timed: AtomicBool,
    stopped: bool,
}

impl Edge {
    /// A builder of an edge before this origin, for [`HOST`] and those under it.
    pub fn before(origin: &Origin) -> Builder {
        Builder { served: vec![origin.served()], ..Edge::before_address(&origin.address.to_string()) }
    }

    /// Before an origin that nobody plays.
    pub fn before_address(address: &str) -> Builder {
        Builder {
            listen: "\"127.0.0.1:0\"".to_owned(),
            edge: String::new(),
            admin: String::new(),
            cache: "memory = \"64MiB\"".to_owned(),
            takedown: String::new(),
            audit: String::new(),
            hosts: "[\"photos.example\", \"*.photos.example\"]".to_owned(),
            site: String::new(),
            rest: String::new(),
            lists: "[\"blocklist.d\"]".to_owned(),
            origin: format!("\"http://{address}\""),
            served: Vec::new(),
            rules: String::new(),
        }
    }

    /// An edge before this origin, with an empty list.
    pub fn plain(origin: &Origin) -> Edge {
        Edge::before(origin).start()
    }

    pub fn in_folder(folder: tempfile::TempDir, served: Vec<Served>) -> Edge {
        Edge::saying_to(Stdio::piped(), folder, served)
    }

    /// With a stderr of the test's own.
    pub fn saying_to(stderr: Stdio, folder: tempfile::TempDir, served: Vec<Served>) -> Edge {
        let (running, address, admin) = launch(folder.path(), stderr);
        Edge {
            address,
            admin,
            folder,
            running,
            served,
            blocked: Mutex::default(),
            stderr_before: String::new(),
            timed: AtomicBool::new(false),
            stopped: false,
        }
    }

    /// Where clients ask by https, in the config's order.
    pub fn https(&self) -> Vec<SocketAddr> {
        let lines = self.running.lines();
        lines.iter().filter_map(|line| line.strip_prefix("edge https://")?.parse().ok()).collect()
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder().join(name)
    }

    pub fn list(&self) -> List {
        List::at(self.path("blocklist.d/list.txt"))
    }

    /// Saves it in one step.
    pub fn set_config(&self, text: &str) {
        List::at(self.path("seawall.toml")).replace(text);
    }

    pub fn config(&self) -> String {
        fs::read_to_string(self.path("seawall.toml")).unwrap()
    }

    // What clients do.

    pub fn connect(&self) -> Client {
        Client::connect(self.address)
    }

    /// Asks [`HOST`] on a connection of its own.
    pub fn get(&self, target: &str) -> Answer {
        self.ask("GET", target, &[])
    }

    pub fn ask(&self, method: &str, target: &str, fields: &[(&str, &str)]) -> Answer {
        self.connect().ask(method, HOST, target, fields)
    }

    /// Sends raw bytes on a connection of its own, and reads one answer.
    pub fn send(&self, bytes: impl AsRef<[u8]>) -> Answer {
        let mut client = self.connect();
        client.send(bytes);
        client.answer("GET")
    }

    /// Asks until the answer has this status.
    pub fn until_status(&self, target: &str, status: u16) -> Answer {
        until(&format!("{status} for {target}"), || Some(self.get(target)).filter(|answer| answer.status == status))
    }

    // What operators do.

    pub fn token(&self) -> String {
        fs::read_to_string(self.path("state/admin.token")).unwrap().trim().to_owned()
    }

    /// Asks the admin listener, with the token.
    pub fn api(&self, method: &str, target: &str, body: Option<&Value>) -> Answer {
        self.api_with(method, target, body, &[("Authorization", &format!("Bearer {}", self.token()))])
    }

    pub fn api_with(&self, method: &str, target: &str, body: Option<&Value>, fields: &[(&str, &str)]) -> Answer {
        self.api_sent(method, target, &body.map(Value::to_string).unwrap_or_default(), fields)
    }

    /// With the token, and a body that may be no JSON.
    pub fn api_text(&self, method: &str, target: &str, body: &str) -> Answer {
        self.api_sent(method, target, body, &[("Authorization", &format!("Bearer {}", self.token()))])
    }

    fn api_sent(&self, method: &str, target: &str, body: &str, fields: &[(&str, &str)]) -> Answer {
        let length = body.len().to_string();
        let mut all = fields.to_vec();
        if !body.is_empty() {
            all.push(("Content-Type", "application/json"));
        }
        all.push(("Content-Length", &length));
        let mut client = Client::connect(self.admin);
        let host = fields.iter().find(|(name, _)| *name == "Host").map(|(_, value)| (*value).to_owned());
        all.retain(|(name, _)| *name != "Host");
        let host = host.unwrap_or_else(|| self.admin.to_string());
        client.send(super::client::request(method, &host, target, &all) + body);
        client.answer(method)
    }

    /// Blocks one rule by the API, and returns the receipt.
    pub fn block(&self, rule: &str, notice: &str) -> Value {
        let body = serde_json::json!({ "rules": [rule], "notice": notice, "reason": "a test" });
        let answer = self.api("POST", "/api/v1/blocks", Some(&body));
        assert_eq!(answer.status, 201, "{}", answer.text());
        answer.json()
    }

    /// Runs a command on this edge's config.
    pub fn seawall(&self, arguments: &[&str]) -> Output {
        let config = self.path("seawall.toml").display().to_string();
        // A live command finds the admin listener by the config, which here says port 0.
        let admin = self.admin.to_string();
        let token = self.path("state/admin.token").display().to_string();
        let of_running = ["block", "unblock", "blocks", "purge", "status", "reload"];
        let mut all = arguments.to_vec();
        if of_running.contains(&arguments[0]) || arguments.contains(&"--live") {
            all.retain(|argument| *argument != "--live");
            all.extend(["--admin", &admin, "--token-file", &token]);
        } else {
            all.extend(["-c", &config]);
        }
        seawall(&all, self.folder())
    }

    pub fn readyz(&self) -> Answer {
        self.api_with("GET", "/readyz", None, &[])
    }

    /// The sum of a metric over all its labels.
    pub fn metric(&self, name: &str) -> f64 {
        self.metric_where(name, &[])
    }

    /// The sum over those that carry all of these labels, as `verdict="served"`.
    pub fn metric_where(&self, name: &str, labels: &[&str]) -> f64 {
        let page = self.api_with("GET", "/metrics", None, &[]);
        assert_eq!(page.status, 200);
        let text = page.text();
        let samples: Vec<f64> = text
            .lines()
            .filter(|line| line.strip_prefix(name).is_some_and(|rest| rest.starts_with(['{', ' '])))
            .filter(|line| labels.iter().all(|label| line.contains(label)))
            .map(|line| line.rsplit(' ').next().unwrap().parse().unwrap())
            .collect();
        samples.iter().sum()
    }

    /// Waits until so many answers were cut since the start. It takes 100 ms from the rule on, but for a machine
    /// that is busy with other things.
    pub fn until_cut(&self, count: usize) {
        eventually("the cuts", || self.metric("seawall_cut_total") >= count as f64);
    }

    /// Waits until no client is connected: what was answered is recorded, and nothing of it is under way.
    pub fn until_quiet(&self) {
        eventually("no connection is left", || self.metric("seawall_connections_open") == 0.0);
    }

    pub fn list_version(&self) -> u64 {
        self.metric("seawall_list_version") as u64
    }

    /// Does something to the lists, and waits until another version is in force. Returns it.
    pub fn until_list_after(&self, edit: impl FnOnce()) -> u64 {
        let before = self.list_version();
        edit();
        eventually("a new list version", || self.list_version() > before);
        self.list_version()
    }

    /// From this list version on no record may say that the URL was served.
    pub fn must_block(&self, url: &str, from: u64, to: Option<u64>) {
        self.blocked.lock().unwrap().push((url.to_owned(), from, to));
    }

    /// A rule of this test begins or ends at a time, which makes no new list version.
    pub fn rules_change_with_time(&self) {
        self.timed.store(true, SeqCst);
    }

    // What the log says.

    pub fn audit(&self) -> PathBuf {
        self.path("state/audit")
    }

    pub fn log(&self) -> Vec<Value> {
        evidence::lines(&self.audit())
    }

    /// The record of an answer, as soon as it is there.
    pub fn record_of(&self, answer: &Answer) -> Value {
        self.record_where(&format!("the record of {}", answer.id()), |line| line["id"] == answer.id())
    }

    pub fn record_where(&self, what: &str, mut is: impl FnMut(&Value) -> bool) -> Value {
        until(what, || self.log().into_iter().find(|line| line["event"].is_null() && is(line)))
    }

    /// The first event of a kind, as soon as it is there.
    pub fn event(&self, kind: &str) -> Value {
        until(&format!("an event {kind}"), || self.log().into_iter().find(|line| line["event"] == kind))
    }

    // The process.

    pub fn running(&self) -> &Running {
        &self.running
    }

    pub fn stderr(&self) -> String {
        self.stderr_before.clone() + &self.running.stderr()
    }

    /// Waits until a line of its stderr holds all these words, and returns it. What it said may still be in the
    /// pipe when what it did can be seen.
    pub fn until_said(&self, words: &[&str]) -> String {
        let holds = |line: &&str| words.iter().all(|word| line.contains(word));
        until(&format!("{words:?} on stderr"), || self.stderr().lines().find(holds).map(str::to_owned))
    }

    /// TERM, and waits for the end.
    pub fn stop(&mut self) {
        if !self.stopped {
            self.running.signal(Signal::TERM);
            self.wait_for_end();
        }
    }

    pub fn wait_for_end(&mut self) {
        let status = self.running.ended(SOON);
        self.stopped = true;
        assert_eq!(status.code(), Some(0), "it ended with {status}:\n{}", self.stderr());
    }

    /// It was told to leave at once; with which code is its own affair.
    pub fn leaves_at_once(&mut self) {
        self.running.ended(Duration::from_secs(20));
        self.stopped = true;
    }

    /// KILL: it has no time to do anything.
    pub fn kill(&mut self) {
        self.running.kill();
        self.stopped = true;
    }

    /// Starts it again in the same folder, after [`Edge::stop`] or [`Edge::kill`].
    pub fn start_again(&mut self) {
        assert!(self.stopped);
        self.stderr_before = self.stderr();
        (self.running, self.address, self.admin) = launch(self.folder.path(), Stdio::piped());
        self.stopped = false;
    }

    pub fn restart(&mut self) {
        self.stop();
        self.start_again();
    }
}

/// How long a site waits for its origin: the thread that plays it may be held up for longer than one would wait in
/// life.
const PATIENT: [(&str, &str); 3] =
    [("connect_timeout", "1m"), ("first_byte_timeout", "5m"), ("between_bytes_timeout", "5m")];

/// Lines for the keys that the table's own lines don't have.
fn unless_said(lines: &str, keys: &[(&str, &str)]) -> String {
    let left = keys.iter().filter(|(key, _)| !lines.contains(key));
    left.map(|(key, value)| format!("{key} = \"{value}\"\n")).collect()
}

/// Blocks something, until the receipt counts nothing as cut. What is not known to have arrived within 100 ms is
/// counted, and a busy machine may not find the time to know it.
pub fn until_none_is_cut(mut block: impl FnMut(usize) -> Value) {
    let mut turn = 0;
    until("a receipt that counts none", || {
        turn += 1;
        (block(turn)["cut"] == 0).then_some(())
    });
}

fn launch(folder: &Path, stderr: Stdio) -> (Running, SocketAddr, SocketAddr) {
    let config = folder.join("seawall.toml").display().to_string();
    let mut running = Running::start_saying_to(stderr, &["run", "-c", &config], folder);
    let address = running.printed("edge http://").parse().unwrap();
    let admin = running.printed("admin ");
    let (_, admin) = admin.split_once("://").unwrap();
    let admin = admin.parse().unwrap();
    (running, address, admin)
}

impl Drop for Edge {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.kill();
            let stderr = self.stderr();
            let tail: Vec<&str> = stderr.lines().rev().take(30).collect();
            eprintln!("--- the edge's stderr, its end ---");
            tail.iter().rev().for_each(|line| eprintln!("{line}"));
            eprintln!("--- its evidence, the end ---");
            let log = self.log();
            log.iter().skip(log.len().saturating_sub(10)).for_each(|line| eprintln!("{line}"));
            return;
        }
        self.stop();
        let expected = check::Expected {
            served: &self.served,
            blocked: &self.blocked.lock().unwrap(),
            timed: self.timed.load(SeqCst),
        };
        check::everything(self.folder(), &expected, &self.stderr());
    }
}
