mod webhooks;

use std::fs;
use std::time::Instant;

use serde_json::json;

use super::*;

const START: Timestamp = Timestamp::from_secs(1_790_000_000);
const DEADLINE: Duration = Duration::from_secs(20);

struct Bench {
    folder: tempfile::TempDir,
    clock: Clock,
}

impl Bench {
    fn new() -> Bench {
        Bench { folder: tempfile::tempdir().unwrap(), clock: Clock::manual(START) }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A hook that runs a shell script, in which `$1` is the bench's folder.
    fn hook(&self, name: &str, script: &str) -> Hook {
        let exec = ["/bin/sh", "-c", script, "sh", self.folder.path().to_str().unwrap()];
        self.told_by(name, Call::Exec(exec.map(String::from).into()))
    }

    fn told_by(&self, name: &str, call: Call) -> Hook {
        Hook { name: name.into(), on: vec!["block-added".into()], call }
    }

    fn open(&self, hooks: Vec<Hook>, pace: Pace) -> Hooks {
        Hooks::open_at_pace(&self.path("hooks"), hooks, self.clock.clone(), pace).unwrap()
    }

    fn waiting(&self, name: &str) -> u64 {
        outbox::count(&self.path("hooks").join(name)).unwrap()
    }

    fn text(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_default()
    }
}

fn quick() -> Pace {
    Pace { first_wait: Duration::from_millis(1), longest_wait: Duration::from_millis(20), ..Pace::default() }
}

/// Never tries a second time by itself within a test.
fn stubborn() -> Pace {
    Pace { first_wait: Duration::from_secs(3600), longest_wait: Duration::from_secs(3600), ..Pace::default() }
}

async fn until(what: &str, holds: impl Fn() -> bool) {
    let end = Instant::now() + DEADLINE;
    while !holds() {
        assert!(Instant::now() < end, "not within {DEADLINE:?}: {what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

fn read(number: &AtomicU64) -> u64 {
    number.load(Ordering::Relaxed)
}

#[tokio::test]
async fn the_program_reads_the_event_and_its_file_goes() {
    let bench = Bench::new();
    let hooks = bench.open(vec![bench.hook("desk", r#"cat > "$1/got.new"; mv "$1/got.new" "$1/got""#)], quick());
    hooks.enqueue("r-1", "block-added", START, &json!({"id": "r-1"})).unwrap();
    hooks.enqueue("r-1", "block-lifted", START, &json!({"id": "r-1"})).unwrap();
    until("delivered", || read(&hooks.numbers().delivered) == 1).await;
    let got: serde_json::Value = serde_json::from_str(&bench.text("got")).unwrap();
    assert_eq!(got, json!({"type": "block-added", "timestamp": "2026-09-21T14:13:20.000000Z", "data": {"id": "r-1"}}));
    until("file removed", || bench.waiting("desk") == 0).await;
    assert_eq!(read(&hooks.numbers().pending), 0);
}

#[tokio::test]
async fn deliveries_keep_their_order_through_failures() {
    let bench = Bench::new();
    // Fails on every second call, before it takes anything.
    let script = r#"
        if [ -e "$1/odd" ]; then rm "$1/odd"; else touch "$1/odd"; exit 1; fi
        sed 's/.*"data":\([0-9]*\).*/\1/' >> "$1/got"; echo >> "$1/got"
    "#;
    let hooks = bench.open(vec![bench.hook("desk", script)], quick());
    for number in 0..6 {
        hooks.enqueue(&format!("r-{number}"), "block-added", START, &json!(number)).unwrap();
    }
    until("all delivered", || read(&hooks.numbers().delivered) == 6).await;
    let got = bench.text("got");
    assert_eq!(got.split_whitespace().collect::<Vec<_>>(), ["0", "1", "2", "3", "4", "5"]);
    assert!(read(&hooks.numbers().failed) >= 6);
}

#[tokio::test]
async fn what_waits_is_delivered_at_once_after_a_restart() {
    let bench = Bench::new();
    let hooks = bench.open(vec![bench.hook("desk", "exit 1")], stubborn());
    hooks.enqueue("r-1", "block-added", START, &json!(1)).unwrap();
    hooks.enqueue("r-1", "block-added", START, &json!(1)).unwrap();
    until("a failure", || read(&hooks.numbers().failed) == 1).await;
    assert_eq!(bench.waiting("desk"), 1, "the second is the first again");
    hooks.close().await;
    drop(hooks);
    fs::write(bench.path("hooks/desk/.new-torn"), b"{").unwrap();

    let hooks = bench.open(vec![bench.hook("desk", "cat > /dev/null")], stubborn());
    until("delivered", || read(&hooks.numbers().delivered) == 1).await;
    assert!(!bench.path("hooks/desk/.new-torn").exists());
}

#[tokio::test]
async fn a_mended_hook_is_tried_at_once() {
    let bench = Bench::new();
    let hooks = bench.open(vec![bench.hook("desk", "exit 1")], stubborn());
    hooks.enqueue("r-1", "block-added", START, &json!(1)).unwrap();
    until("a failure", || read(&hooks.numbers().failed) == 1).await;
    hooks.reconfigure(vec![bench.hook("desk", "cat > /dev/null")]).unwrap();
    until("delivered", || read(&hooks.numbers().delivered) == 1).await;
}

#[tokio::test]
async fn a_hook_that_leaves_and_comes_back_finds_its_deliveries() {
    let bench = Bench::new();
    let hooks = bench.open(vec![bench.hook("desk", "exit 1")], stubborn());
    hooks.enqueue("r-1", "block-added", START, &json!(1)).unwrap();
    until("a failure", || read(&hooks.numbers().failed) == 1).await;
    hooks.reconfigure(vec![]).unwrap();
    hooks.enqueue("r-2", "block-added", START, &json!(2)).unwrap();
    until("no longer pending", || read(&hooks.numbers().pending) == 0).await;
    assert_eq!(bench.waiting("desk"), 1);
    hooks.reconfigure(vec![bench.hook("desk", "cat > /dev/null")]).unwrap();
    until("delivered", || read(&hooks.numbers().delivered) == 1).await;
    until("file removed", || bench.waiting("desk") == 0).await;
}

#[tokio::test]
async fn after_a_day_of_failures_a_delivery_is_buried_and_the_next_has_its_turn() {
    let bench = Bench::new();
    let script = r#"grep -q good && touch "$1/got""#;
    let hooks = bench.open(vec![bench.hook("desk", script)], quick());
    hooks.enqueue("r-1", "block-added", START, &json!("bad")).unwrap();
    bench.clock.advance(Duration::from_secs(60));
    hooks.enqueue("r-2", "block-added", START, &json!("good")).unwrap();
    until("a failure", || read(&hooks.numbers().failed) > 0).await;
    assert_eq!(read(&hooks.numbers().dead), 0);
    bench.clock.advance(Duration::from_secs(24 * 60 * 60));
    until("the next is delivered", || bench.path("got").exists()).await;
    assert_eq!(read(&hooks.numbers().dead), 1);
    let name = format!("hooks/dead/desk~{:016}~block-added~r-1.json", START.micros());
    assert!(bench.path(&name).exists());
}

#[tokio::test]
async fn a_dead_delivery_that_is_moved_back_is_taken_up_at_the_end() {
    let bench = Bench::new();
    let script = r#"[ -e "$1/mended" ] || exit 1; sed 's/.*"data":\([0-9]*\).*/\1/' >> "$1/got"; echo >> "$1/got""#;
    let hooks = bench.open(vec![bench.hook("desk", script)], quick());
    for number in 1..=2 {
        hooks.enqueue(&format!("r-{number}"), "block-added", START, &json!(number)).unwrap();
    }
    bench.clock.advance(Duration::from_secs(24 * 60 * 60 + 1));
    until("both are given up", || read(&hooks.numbers().dead) == 2).await;
    hooks.enqueue("r-3", "block-added", START, &json!(3)).unwrap();
    for name in outbox_names(&bench.path("hooks/dead")) {
        fs::rename(bench.path("hooks/dead").join(&name), bench.path("hooks/desk").join(&name)).unwrap();
    }
    hooks.reconfigure(vec![bench.hook("desk", script)]).unwrap();
    assert_eq!((read(&hooks.numbers().pending), read(&hooks.numbers().dead)), (3, 0));
    let tried = read(&hooks.numbers().failed);
    until("they are tried for more than once", || read(&hooks.numbers().failed) > tried + 3).await;
    assert_eq!(read(&hooks.numbers().dead), 0, "another day has begun for them");
    fs::write(bench.path("mended"), "").unwrap();
    until("all delivered", || read(&hooks.numbers().delivered) == 3).await;
    assert_eq!(bench.text("got").split_whitespace().collect::<Vec<_>>(), ["3", "1", "2"]);

    // The same over a restart.
    hooks.close().await;
    drop(hooks);
    fs::write(bench.path(&format!("hooks/desk/desk~{:016}~block-added~r-9.json", 17)), r#"{"data":9}"#).unwrap();
    let hooks = bench.open(vec![bench.hook("desk", script)], quick());
    until("delivered", || read(&hooks.numbers().delivered) == 1).await;
    assert!(bench.text("got").ends_with("9\n"));
}

fn outbox_names(folder: &Path) -> Vec<String> {
    fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[tokio::test]
async fn a_program_that_hangs_is_killed_with_what_it_started() {
    let bench = Bench::new();
    let pace = Pace { timeout: Duration::from_millis(300), ..stubborn() };
    let hooks = bench.open(vec![bench.hook("desk", r#"sleep 1000 & echo $! > "$1/child"; wait"#)], pace);
    hooks.enqueue("r-1", "block-added", START, &json!(1)).unwrap();
    until("a failure", || read(&hooks.numbers().failed) == 1).await;
    let child = bench.text("child").trim().to_owned();
    assert!(!child.is_empty(), "the script had no time to start");
    // A killed one may remain as a zombie until whoever inherited it reaps it.
    let stat = || fs::read_to_string(format!("/proc/{child}/stat")).unwrap_or_default();
    until("the child's end", || stat().is_empty() || stat().contains(") Z ")).await;
}

#[tokio::test]
async fn something_left_running_in_the_background_holds_nothing_up() {
    let bench = Bench::new();
    let script = r#"sleep 1000 & echo $! > "$1/child"; exit 0"#;
    let hooks = bench.open(vec![bench.hook("desk", script)], stubborn());
    hooks.enqueue("r-1", "block-added", START, &json!(1)).unwrap();
    until("delivered", || read(&hooks.numbers().delivered) == 1).await;
    let child = bench.text("child").trim().parse().unwrap();
    let child = rustix::process::Pid::from_raw(child).unwrap();
    rustix::process::kill_process(child, rustix::process::Signal::KILL).unwrap();
}

#[tokio::test]
async fn closing_kills_what_is_under_way_and_keeps_its_delivery() {
    let bench = Bench::new();
    let hooks = bench.open(vec![bench.hook("desk", r#"touch "$1/began"; exec sleep 1000"#)], stubborn());
    hooks.enqueue("r-1", "block-added", START, &json!(1)).unwrap();
    until("begun", || bench.path("began").exists()).await;
    tokio::time::timeout(DEADLINE, hooks.close()).await.unwrap();
    assert_eq!(bench.waiting("desk"), 1);
}

#[tokio::test]
async fn a_program_gets_no_environment_but_the_usual() {
    let bench = Bench::new();
    let hooks = bench.open(vec![bench.hook("desk", r#"env > "$1/env.new"; mv "$1/env.new" "$1/env""#)], quick());
    hooks.enqueue("r-1", "block-added", START, &json!(1)).unwrap();
    until("delivered", || read(&hooks.numbers().delivered) == 1).await;
    let env = bench.text("env");
    assert!(env.contains("PATH="));
    // Cargo sets it for every test; a shell sets PWD, SHLVL and _ itself.
    assert!(!env.contains("CARGO_MANIFEST_DIR"), "{env}");
}

#[tokio::test]
async fn output_is_bounded_and_printable() {
    let noise = "head -c 1000000 /dev/zero; printf 'no \\033[1mroom' >&2; exit 3";
    let exec = ["/bin/sh", "-c", noise].map(String::from);
    let error = exec::run(&exec, b"{}", DEADLINE).await.unwrap_err().to_string();
    assert!(error.starts_with(r#"exit status: 3; stderr: "no \x1b[1mroom"; stdout: "\x00"#), "{error}");
    assert!(error.len() < 20_000);
}

#[tokio::test]
async fn what_cannot_be_run_says_so() {
    let error = exec::run(&["/no/such/program".into()], b"", DEADLINE).await.unwrap_err().to_string();
    assert!(error.starts_with("can't start /no/such/program: "), "{error}");

    let bench = Bench::new();
    let open = |hooks| Hooks::open(&bench.path("hooks"), hooks, Clock::system());
    let named = |name: &str| bench.hook(name, "true");
    assert!(matches!(open(vec![named("a/b")]), Err(HooksError::Name(_))));
    assert!(matches!(open(vec![named("dead")]), Err(HooksError::Name(_))));
    assert!(matches!(open(vec![named("desk"), named("desk")]), Err(HooksError::Twice(_))));
    let empty = bench.told_by("desk", Call::Exec(vec![]));
    assert!(matches!(open(vec![empty]), Err(HooksError::NoProgram(_))));
    let hooks = open(vec![named("desk")]).unwrap();
    assert!(hooks.enqueue("../r", "block-added", START, &json!(1)).is_err());
}
