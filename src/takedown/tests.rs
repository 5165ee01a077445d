use std::collections::BTreeMap;
use std::path::Path;
use std::sync::mpsc;
use std::time::Duration;

use audit::{ClientForm, OnPressure, QueryForm, Sync};
use block::edits::Draft;
use block::{Kin, Shelf};

use super::*;

const START: Timestamp = Timestamp::from_secs(1_000);

fn takedown(state: &Path, clock: &Clock) -> Takedown {
    let settings = block::Settings { lists: Vec::new(), state: state.to_owned(), geo: false };
    let (sources, _) = Sources::load(&settings, START).unwrap();
    let edits = Edits::open(&state.join("blocks")).unwrap();
    let shelf = Shelf::new(state.to_owned());
    let blocks = Blocks::new(state, edits.table(), sources.tables(), Kin::default(), shelf).unwrap();
    let log = audit::Settings {
        dir: state.join("audit"),
        node: uuid::Uuid::nil().to_string(),
        run: 1,
        segment_size: 1 << 20,
        segment_age: Duration::from_secs(60),
        sync: Sync::Segment,
        high_water: 100,
        on_pressure: OnPressure::Shed,
        client: ClientForm::None,
        url_query: QueryForm::Full,
        key: [0; 16],
    };
    let cache = Cache::new(cache::Settings { memory: 1 << 20, max_object: 1 << 20, keep: false, keep_max: 0 });
    let log = Log::open(log, clock.clone()).unwrap();
    let hooks = Hooks::open(&state.join("hooks"), Vec::new(), clock.clone()).unwrap();
    let (blocks, sources, hooks) = (Arc::new(blocks), Arc::new(Mutex::new(sources)), Arc::new(hooks));
    Takedown::new(blocks, edits, sources, cache, log, hooks, clock.clone()).unwrap()
}

#[tokio::test]
async fn what_is_shown_waits_for_no_publication() {
    let state = tempfile::tempdir().unwrap();
    let clock = Clock::manual(START);
    let takedown = Arc::new(takedown(state.path(), &clock));
    let draft =
        Draft { id: "e".into(), rules: vec!["https://h.example/a".into()], attributes: BTreeMap::new(), by: None };
    assert!(matches!(takedown.block(draft), Ok(Done::Now(_))));
    clock.advance(Duration::from_secs(7));

    let (_turn, _look) = (takedown.turn.lock(), takedown.sources.lock());
    let (tell, told) = mpsc::channel();
    let shown = takedown.clone();
    std::thread::spawn(move || tell.send((shown.lists(), shown.list_troubles(), shown.sources())));
    let (lists, troubles, _) = told.recv_timeout(Duration::from_secs(10)).expect("an answer while others publish");
    assert_eq!((lists.rules, lists.live, lists.age), (1, 1, Duration::from_secs(7)));
    assert_eq!((lists.version, troubles.len()), (takedown.blocks.version(), 0));
}
