//! Rules that hold for a time, and feeds that are good for one, where the clock is set forward and back.

use block::{Audience, Lane, Load};

use super::*;

/// Before and past the hour at which the rules of these tests begin or end.
const BEFORE: Timestamp = Timestamp::from_secs(1_500);
const AFTER: Timestamp = Timestamp::from_secs(2_500);
const HOUR: &str = "1970-01-01T00:33:20Z";

struct Bench {
    _state: tempfile::TempDir,
    clock: Clock,
    takedown: Arc<Takedown>,
}

impl Bench {
    /// With a rule for https://h.example/a, which begins or ends at its hour, and a clock that stands here.
    fn with_rule(attribute: &str, start: Timestamp) -> Bench {
        let (state, clock) = (tempfile::tempdir().unwrap(), Clock::manual(start));
        let takedown = Arc::new(takedown(state.path(), 1 << 20, &clock));
        let (rules, attributes) = (vec!["https://h.example/a".into()], [(attribute.into(), HOUR.into())].into());
        takedown.block(Draft { id: "e".into(), rules, attributes, by: None }).unwrap();
        tokio::spawn(takedown.clone().keep_time());
        Bench { _state: state, clock, takedown }
    }

    /// Has an answer on its way to somebody, if the rules let it.
    fn send(&self) -> Option<Arc<Lane>> {
        let (blocks, now) = (&self.takedown.blocks, self.clock.wall());
        let url = Arc::new(Url::parse("https://h.example/a").unwrap());
        let (lane, clearance) = (blocks.lane(Load::Answers), blocks.judge(&url, Audience::Anybody, now).ok()?);
        blocks.enter(&lane, clearance, (&url, &[]), &Proof::None, now).ok()?;
        Some(lane)
    }

    /// Sets the clock past the hour or before it, and waits until what is under way was judged for that.
    async fn set(&self, at: Timestamp) {
        let before = self.takedown.lists().version;
        self.clock.set(at);
        until("it is judged", || self.takedown.lists().version > before).await;
    }
}

async fn until(what: &str, holds: impl Fn() -> bool) {
    let looks = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), looks).await.unwrap_or_else(|_| panic!("not in time: {what}"));
}

#[tokio::test]
async fn a_rule_whose_hour_comes_once_more_cuts_what_left_meanwhile() {
    let bench = Bench::with_rule("from", BEFORE);
    bench.set(AFTER).await;
    assert!(bench.send().is_none());
    bench.set(BEFORE).await;
    let lane = bench.send().expect("its hour is to come");
    bench.set(AFTER).await;
    assert!(lane.is_blocked());
}

#[tokio::test]
async fn a_rule_whose_end_is_to_come_once_more_cuts_what_left_meanwhile() {
    let bench = Bench::with_rule("until", BEFORE);
    bench.set(AFTER).await;
    let lane = bench.send().expect("its time is over");
    bench.set(BEFORE).await;
    assert!(lane.is_blocked());
}

#[tokio::test]
async fn a_feed_that_is_stale_by_a_clock_that_was_set_is_asked_at_once() {
    let state = tempfile::tempdir().unwrap();
    let (clock, list) = (Clock::manual(AFTER), Arc::new(Mutex::new("one.example\n".to_owned())));
    let feed = feed(state.path(), list);
    let feeds = Feeds::open(state.path(), clock.clone()).unwrap();
    assert!(feeds.fetch_missing(std::slice::from_ref(&feed)).await.is_empty());
    feeds.follow(std::slice::from_ref(&feed));
    let lists = vec![Listed { path: feed.file.clone(), name: Some(feed.name.clone()), foreign: None }];
    let takedown = Arc::new(takedown_by(state.path(), 1 << 20, &clock, lists, feeds));
    takedown.look_at_feeds();
    tokio::spawn(takedown.clone().keep_feeds());
    for now in [AFTER, AFTER.plus(2 * feed.max_age), BEFORE] {
        clock.set(now);
        until("it is confirmed", || takedown.feeds()[0].confirmed_at == Some(now)).await;
        until("requests are let through", || takedown.blocks.are_good(now)).await;
    }
}

#[tokio::test]
async fn many_live_rules_are_set_apart_once_they_are_in_force() {
    let state = tempfile::tempdir().unwrap();
    let takedown = Arc::new(takedown(state.path(), 1 << 20, &Clock::manual(BEFORE)));
    let block = |id: &str, rules: Vec<String>| {
        takedown.block(Draft { id: id.into(), rules, attributes: BTreeMap::new(), by: None }).unwrap();
        takedown.blocks.index()
    };
    let many = block("many", (0..1_500).map(|n| format!("h{n}.example")).collect());
    tokio::spawn(takedown.clone().keep_joined());
    let is_compiled_with = |one: &Index| Arc::ptr_eq(&one.tables()[0], &takedown.blocks.index().tables()[0]);
    until("they are compiled apart", || !is_compiled_with(&many)).await;
    let apart = takedown.blocks.index();
    assert_eq!((apart.version(), apart.rules()), (many.version(), 1_500), "nothing else is in force");
    let one = block("one", vec!["x.example".into()]);
    assert_eq!(one.tables().iter().map(|table| table.len()).collect::<Vec<_>>(), [1_500, 1]);
    assert!(is_compiled_with(&apart), "they are not compiled again");
}

#[tokio::test]
async fn what_could_not_be_published_comes_into_force_by_no_join() {
    let state = tempfile::tempdir().unwrap();
    let takedown = takedown(state.path(), 1 << 20, &Clock::manual(BEFORE));
    let in_the_way = let_nothing_be_published(state.path(), &takedown);
    let rules = (0..1_500).map(|n| format!("h{n}.example")).collect();
    assert!(takedown.block(Draft { id: "many".into(), rules, attributes: BTreeMap::new(), by: None }).is_err());
    takedown.join_edits();
    assert_eq!(takedown.blocks.index().rules(), 0);
    std::fs::remove_dir(in_the_way).unwrap();
    takedown.keep_up(true);
    assert_eq!((takedown.blocks.index().rules(), takedown.edits.pending().len()), (1_500, 0));
}
