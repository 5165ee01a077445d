//! What is not written is counted, and nobody waits for it.

use std::fs::{self, OpenOptions};
use std::net::IpAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use audit::QueryForm;
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, header};
use proptest::prelude::*;
use rustix::fs::{CWD, FileType, Mode, mknodat};
use terms::url::Scheme;
use terms::wire::range::Parts;
use terms::{Ask, CacheUse, Clock, Departures, Peer, RequestId, Timestamp, Trusted, Verdict};

use super::*;

fn forms() -> Forms {
    Forms::of(&audit::Settings {
        dir: PathBuf::new(),
        node: String::new(),
        run: 1,
        segment_size: 1,
        segment_age: Duration::ZERO,
        sync: audit::Sync::Segment,
        high_water: 1,
        on_pressure: audit::OnPressure::Shed,
        client: ClientForm::Truncated,
        url_query: QueryForm::Full,
        key: [7; 16],
    })
}

fn record() -> Record {
    Record {
        began: Timestamp::from_secs(0),
        ended: Timestamp::from_micros(1_500),
        site: None,
        id: RequestId::random(),
        method: Method::GET,
        url: None,
        status: StatusCode::OK,
        verdict: Verdict::Served,
        ruling: None,
        list: 1,
        cache: CacheUse::Hit,
        fill: None,
        origin_digest: None,
        digest: None,
        departures: Departures::default(),
        range: Parts::default(),
        bytes: 7,
        complete: true,
        client: IpAddr::from([192, 0, 2, 7]),
    }
}

fn noted(agent: &[u8]) -> Noted {
    let mut fields = HeaderMap::new();
    fields.insert(header::USER_AGENT, HeaderValue::from_bytes(agent).unwrap());
    let mut request = Request::new(());
    *request.headers_mut() = fields;
    let peer = Peer { address: ([127, 0, 0, 1], 1).into(), scheme: Scheme::Http };
    let (ask, ()) = Ask::read(request, peer, &Trusted::default(), Clock::manual(Timestamp::from_secs(0)).now());
    Noted::of(&ask)
}

fn opened(destination: Destination) -> AccessLog {
    let log = AccessLog::new(forms());
    let settings = Settings { destination, format: Format::Json, client: ClientForm::Full };
    log.carry_out(log.prepare(&settings).unwrap());
    log
}

fn pipe(folder: &Path) -> PathBuf {
    let pipe = folder.join("pipe");
    mknodat(CWD, &pipe, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    pipe
}

#[test]
fn what_there_is_no_room_for_is_dropped_and_counted() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = pipe(folder.path());
    let _unread = OpenOptions::new().read(true).write(true).open(&pipe).unwrap();
    let log = opened(Destination::File(pipe));
    let pushed = 3 * QUEUE as u64;
    for _ in 0..pushed {
        log.push(record(), noted(&[b'x'; 500]));
    }
    let dropped = log.numbers().dropped.load(Relaxed);
    // The writer holds what it took when the pipe was full, a batch or two.
    assert!(dropped > 0 && dropped < pushed, "{dropped} of {pushed}");
    log.close();
    log.push(record(), noted(b"late"));
    assert_eq!(log.numbers().dropped.load(Relaxed), dropped, "it is off, which drops nothing");
}

#[test]
fn a_pipe_without_a_reader_is_an_error_and_a_file_is_private() {
    let folder = tempfile::tempdir().unwrap();
    let log = AccessLog::new(forms());
    let to = |destination| Settings { destination, format: Format::Json, client: ClientForm::Full };
    let error = log.prepare(&to(Destination::File(pipe(folder.path())))).err().unwrap();
    assert!(error.to_string().contains("log.access"), "{error}");
    assert!(!log.is_on());

    let file = folder.path().join("access.log");
    log.carry_out(log.prepare(&to(Destination::File(file.clone()))).unwrap());
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o007, 0);
    assert!(log.is_on());
    log.push(record(), noted(b"x"));
    log.close();
    assert_eq!(fs::read_to_string(&file).unwrap().lines().count(), 1, "what waited is written at the end");
}

/// A disk that is full.
#[test]
fn what_can_t_be_written_is_counted() {
    let log = opened(Destination::File(PathBuf::from("/dev/full")));
    for _ in 0..10 {
        log.push(record(), noted(b"x"));
    }
    log.close();
    assert_eq!(log.numbers().dropped.load(Relaxed), 10);
    assert!(log.numbers().failures.load(Relaxed) > 0);
}

proptest! {
    #[test]
    fn whatever_stands_in_a_field_a_line_is_one_line(agent in prop::collection::vec(any::<u8>(), 0..3000)) {
        let agent: Vec<u8> = agent.into_iter().filter(|byte| HeaderValue::from_bytes(&[*byte]).is_ok()).collect();
        let noted = noted(&agent);
        let line = |format| {
            let mut line = Vec::new();
            Encoder::new(format, forms()).line(&mut line, &record(), &noted);
            String::from_utf8(line).unwrap()
        };
        let json = line(Format::Json);
        prop_assert_eq!(json.chars().filter(|c| c.is_control()).count(), 1, "the LF at its end");
        let value: serde_json::Value = serde_json::from_str(&json).unwrap();
        let kept = String::from_utf8_lossy(&agent[..agent.len().min(1024)]).into_owned();
        prop_assert_eq!(value["user_agent"].as_str(), Some(&*kept));
        prop_assert_eq!(&value["duration"], &serde_json::json!(0.0015));

        let combined = line(Format::Combined);
        let head = "192.0.2.0/24 - - [01/Jan/1970:00:00:00 +0000] \"GET - HTTP/1.1\" 200 7 \"-\" \"";
        prop_assert!(combined.starts_with(head), "{}", combined);
        let rest = combined[head.len()..].strip_suffix("\"\n").unwrap();
        prop_assert!(rest.bytes().all(|byte| matches!(byte, b' '..=b'~') && byte != b'"'), "{}", rest);
    }
}
