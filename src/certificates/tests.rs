use std::fs;
use std::os::unix::fs::PermissionsExt;

use net::Trust;
use net::tls::self_signed;
use tempfile::TempDir;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use super::*;

const NOW: Timestamp = Timestamp::from_secs(1_790_000_000);
const DAY: Duration = Duration::from_secs(24 * 3600);
const LISTENER: &str = "127.0.0.1:8443";

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

/// A pair of files that somebody writes.
struct Pair {
    folder: TempDir,
    files: PairFiles,
}

impl Pair {
    fn new() -> Pair {
        let folder = tempfile::tempdir().unwrap();
        let files = PairFiles { cert: folder.path().join("a.pem"), key: folder.path().join("a.key") };
        let pair = Pair { folder, files };
        pair.write(&made("first.example", NOW));
        pair
    }

    fn write(&self, made: &self_signed::Made) {
        fs::write(&self.files.cert, &made.cert).unwrap();
        fs::write(&self.files.key, &made.key).unwrap();
    }
}

fn made(name: &str, now: Timestamp) -> self_signed::Made {
    self_signed::make(&names(&[name]), now).unwrap()
}

/// A pair that is looked at, at times made up.
struct Looked {
    held: Held,
    now: Moment,
}

impl Looked {
    fn at(pair: &Pair) -> Looked {
        let held = Held::load(&pair.files).unwrap();
        // These looks take no time.
        let ahead = std::time::Instant::now() + Duration::from_secs(3600);
        Looked { held, now: Moment { wall: NOW, steady: ahead } }
    }

    fn after(&mut self, millis: u64) -> Seen {
        self.now.steady += Duration::from_millis(millis);
        let shown = Shown::of(self.held.files().unwrap());
        self.held.weigh(&shown, self.now)
    }

    fn name(&self) -> String {
        self.held.in_force().title()
    }
}

#[test]
fn a_new_pair_is_taken_when_two_looks_agree() {
    let pair = Pair::new();
    let mut looked = Looked::at(&pair);
    assert_eq!(looked.after(1000), Seen::Nothing);
    pair.write(&made("second.example", NOW));
    assert_eq!(looked.after(0), Seen::Unsettled(Duration::from_millis(300)));
    assert_eq!(looked.after(100), Seen::Unsettled(Duration::from_millis(200)));
    assert_eq!(looked.name(), "first.example");
    assert_eq!(looked.after(200), Seen::Taken);
    assert_eq!((looked.name().as_str(), looked.after(1000)), ("second.example", Seen::Nothing));
}

#[test]
fn half_a_pair_is_given_time_and_is_no_alarm_for_ever() {
    let pair = Pair::new();
    let second = made("second.example", NOW);
    let mut looked = Looked::at(&pair);
    // The other half comes in time: nobody hears of it.
    fs::write(&pair.files.cert, &second.cert).unwrap();
    assert!(matches!(looked.after(0), Seen::Unsettled(_)));
    fs::write(&pair.files.key, &second.key).unwrap();
    assert_eq!(looked.after(299), Seen::Unsettled(Duration::from_millis(300)));
    assert_eq!((looked.after(300), looked.held.trouble()), (Seen::Taken, None));
    // It comes late: an alarm, which ends.
    let third = made("third.example", NOW);
    fs::write(&pair.files.cert, &third.cert).unwrap();
    looked.after(0);
    assert_eq!(looked.after(300), Seen::Refused);
    assert!(looked.held.trouble().unwrap().contains("does not belong"));
    assert_eq!((looked.after(9000), looked.name().as_str()), (Seen::Nothing, "second.example"));
    fs::write(&pair.files.key, &third.key).unwrap();
    looked.after(0);
    assert_eq!((looked.after(300), looked.held.trouble()), (Seen::Taken, None));
    assert_eq!(looked.name(), "third.example");
}

#[test]
fn what_vanished_and_came_back_is_the_same_again() {
    let pair = Pair::new();
    let mut looked = Looked::at(&pair);
    let aside = pair.folder.path().join("aside");
    fs::rename(&pair.files.key, &aside).unwrap();
    looked.after(0);
    assert_eq!(looked.after(300), Seen::Refused);
    assert!(looked.held.trouble().unwrap().contains("a.key can't be read: No such file"));
    fs::rename(&aside, &pair.files.key).unwrap();
    looked.after(0);
    assert_eq!((looked.after(300), looked.held.trouble()), (Seen::Taken, None));
}

#[test]
fn an_expired_certificate_takes_the_place_of_an_expired_one_alone() {
    let pair = Pair::new();
    let mut looked = Looked::at(&pair);
    let long_ago = Timestamp::from_secs(NOW.secs() - 2 * 397 * 24 * 3600);
    pair.write(&made("expired.example", long_ago));
    looked.after(0);
    assert_eq!((looked.after(300), looked.name().as_str()), (Seen::Refused, "first.example"));
    assert!(looked.held.trouble().unwrap().contains("a.pem expired at 20"), "{:?}", looked.held.trouble());
    looked.now.wall = NOW.plus(400 * DAY);
    pair.write(&made("second.example", NOW));
    looked.after(0);
    assert_eq!((looked.after(300), looked.name().as_str()), (Seen::Taken, "second.example"));
}

#[test]
fn a_listener_shows_what_it_was_handed_and_tells_when_that_ends() {
    let (one, two) = (Pair::new(), Pair::new());
    two.write(&made("second.example", NOW));
    let (state, clock) = (tempfile::tempdir().unwrap(), Clock::manual(NOW));
    let all = Certificates::new(state.path(), clock.clone());
    let listener: SocketAddr = LISTENER.parse().unwrap();
    let wanted = |pairs: &[&Pair]| Wanted::Files(pairs.iter().map(|pair| pair.files.clone()).collect());
    let load = |pairs: &[&Pair]| all.load(&wanted(pairs), &[], &[b"http/1.1"]).unwrap();
    let before = all.show(listener, load(&[&one, &one]));
    let left = 397.0 * 24.0 * 3600.0;
    assert_eq!(all.expiries(), BTreeMap::from([((LISTENER.to_owned(), "first.example".to_owned()), left)]));
    assert!(Arc::ptr_eq(&all.show(listener, load(&[&one, &two])), &before), "its tickets stay good");
    assert_eq!((all.expiries().len(), all.troubles().len()), (2, 0));
    clock.advance(400 * DAY);
    assert!(all.expiries().values().all(|left| *left == -3.0 * 24.0 * 3600.0));
    let troubles = all.troubles();
    all.forget(listener);
    assert!(all.troubles().is_empty() && all.expiries().is_empty());
    assert!(troubles[1].contains("127.0.0.1:8443: the certificate for second.example expired at 20"), "{troubles:?}");
}

#[test]
fn the_self_signed_one_is_kept_as_long_as_it_will_do() {
    let (state, clock) = (tempfile::tempdir().unwrap(), Clock::manual(NOW));
    let all = Certificates::new(state.path(), clock.clone());
    let shown = |wanted: &[&str]| {
        all.load(&Wanted::SelfSigned, &names(wanted), &[]).unwrap();
        fs::read_to_string(state.path().join(SELF_SIGNED)).unwrap()
    };
    let first = shown(&["localhost", "127.0.0.1"]);
    assert_eq!(shown(&["127.0.0.1"]), first);
    for file in fs::read_dir(state.path().join("tls")).unwrap() {
        assert_eq!(file.unwrap().metadata().unwrap().permissions().mode() & 0o777, 0o600);
    }
    let second = shown(&["localhost", "photos.example"]);
    assert_ne!(second, first);
    clock.advance(368 * DAY);
    let third = shown(&["localhost"]);
    assert_ne!(third, second);
    fs::write(state.path().join(SELF_SIGNED), "torn").unwrap();
    assert_ne!(shown(&["localhost"]), third);
}

/// Whether who is handed this configuration shows the certificate in `file`, and has its key.
async fn shows(config: &Arc<ServerConfig>, file: &Path) -> bool {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let (accepted, _) = listener.accept().await.unwrap();
    let (trust, name) = (Trust::exactly(file).unwrap(), "localhost".try_into().unwrap());
    let (shaken, _) = tokio::join!(trust.connect(&name, stream), TlsAcceptor::from(config.clone()).accept(accepted));
    shaken.is_ok()
}

/// A clock, and a listener that shows a self-signed certificate.
struct SelfSigned {
    state: TempDir,
    clock: Clock,
    all: Certificates,
    config: Arc<ServerConfig>,
}

impl SelfSigned {
    fn new() -> SelfSigned {
        let (state, clock) = (tempfile::tempdir().unwrap(), Clock::manual(NOW));
        let all = Certificates::new(state.path(), clock.clone());
        let loaded = all.load(&Wanted::SelfSigned, &names(&["localhost"]), &[b"http/1.1"]).unwrap();
        let config = all.show(LISTENER.parse().unwrap(), loaded);
        SelfSigned { state, clock, all, config }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.state.path().join(name)
    }

    fn days_left(&self) -> f64 {
        self.all.expiries().values().next().unwrap() / DAY.as_secs_f64()
    }
}

#[tokio::test]
async fn the_self_signed_one_is_made_anew_while_it_is_shown_and_before_it_ends() {
    let made = SelfSigned::new();
    let first = made.path("first.pem");
    fs::copy(made.path(SELF_SIGNED), &first).unwrap();
    made.clock.advance(366 * DAY);
    made.all.look();
    assert_eq!(made.days_left(), 31.0);
    assert!(shows(&made.config, &first).await && shows(&made.config, &made.path(SELF_SIGNED)).await);
    made.clock.advance(DAY);
    assert_eq!(made.all.look(), None);
    assert_eq!((made.days_left(), made.all.troubles().len()), (397.0, 0));
    assert!(!shows(&made.config, &first).await && shows(&made.config, &made.path(SELF_SIGNED)).await);
    made.all.look();
    assert!(shows(&made.config, &made.path(SELF_SIGNED)).await, "once is enough");
}

#[tokio::test]
async fn listeners_have_one_self_signed_certificate_after_it_was_made_anew_too() {
    let made = SelfSigned::new();
    let load = || made.all.load(&Wanted::SelfSigned, &names(&["localhost"]), &[b"http/1.1"]).unwrap();
    let second = made.all.show("127.0.0.1:9443".parse().unwrap(), load());
    made.clock.advance(400 * DAY);
    made.all.look();
    assert_eq!((made.all.expiries().len(), made.days_left()), (2, 397.0));
    for config in [&made.config, &second] {
        assert!(shows(config, &made.path(SELF_SIGNED)).await);
    }
}

#[test]
fn one_that_cannot_be_made_anew_is_told_of_and_tried_again() {
    let made = SelfSigned::new();
    let (folder, aside) = (made.path("tls"), made.path("aside"));
    fs::rename(&folder, &aside).unwrap();
    fs::write(&folder, "").unwrap();
    made.clock.advance(368 * DAY);
    for _ in 0..2 {
        made.all.look();
        let troubles = made.all.troubles();
        assert!(troubles[0].contains("127.0.0.1:8443: the self-signed certificate can't be kept as"), "{troubles:?}");
        assert_eq!((troubles.len(), made.days_left()), (1, 29.0));
    }
    fs::remove_file(&folder).unwrap();
    fs::rename(&aside, &folder).unwrap();
    made.all.look();
    assert_eq!((made.days_left(), made.all.troubles().len()), (397.0, 0));
}
