//! An edge without sockets, for measuring what is ours between hyper's request and hyper's response.

use std::sync::Arc;
use std::time::Duration;

use block::{Blocks, Source, Table};
use bytes::Bytes;
use cache::{Cache, Caching, Landing, Lookup, ReplyHead};
use hooks::Hooks;
use http::header::{CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, DATE, ETAG, HOST, HeaderMap, HeaderValue};
use http::{Request, StatusCode};
use seawall::gateway::Gateway;
use seawall::pages::Pages;
use seawall::purge::Purger;
use seawall::sites::{Admission, ByPath, HostPattern, Purging, Redirects, Site, Sites};
use seawall::telemetry::Telemetry;
use seawall::witness::Witness;
use terms::url::Scheme;
use terms::{Ask, Body, Clock, Digest, Peer, Trusted};

pub struct House {
    pub gateway: Gateway,
    pub cache: Cache,
    pub log: audit::Log,
    _folder: tempfile::TempDir,
}

/// To be called within a runtime, in which its hooks live.
pub fn house(clock: Clock) -> House {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let settings = audit::Settings {
        dir: folder.path().join("audit"),
        node: "00000000-0000-0000-0000-000000000000".to_owned(),
        run: 1,
        segment_size: 64 << 20,
        segment_age: Duration::from_secs(600),
        sync: audit::Sync::Interval(Duration::from_secs(1)),
        high_water: usize::MAX / 2,
        on_pressure: audit::OnPressure::Wait(Duration::from_secs(5)),
        client: audit::ClientForm::Truncated,
        url_query: audit::QueryForm::Full,
        key: [0; 16],
    };
    let log = audit::Log::open(settings, clock.clone()).expect("the log can be opened");
    let edits = Table::compile(Source::Edits { ids: Vec::new() }, Vec::new(), Digest::ZERO);
    let blocks = Arc::new(
        Blocks::new(
            folder.path(),
            Arc::new(edits),
            Vec::new(),
            block::Kin::default(),
            block::Shelf::new(folder.path().to_owned()),
        )
        .expect("the index can be published"),
    );
    let cache = Cache::new(cache::Settings { memory: 64 << 20, max_object: 8 << 20, keep: false, keep_max: 0 });
    let telemetry = Arc::new(Telemetry::default());
    let pages = Pages::new("urn:uuid:0", terms::ruling::Disclose::Full, blocks.shelf().clone());
    let wait = Duration::from_secs(5);
    let access = Arc::new(seawall::access_log::AccessLog::new(log.forms().clone()));
    let witness = Arc::new(Witness::new(
        log.clone(),
        access,
        clock.clone(),
        pages,
        "seawall".to_owned(),
        wait,
        telemetry.clone(),
    ));
    let name: Arc<str> = "bench".into();
    let origins = origin::Origins::new(
        origin::Plan {
            site: name.clone(),
            origins: Vec::new(),
            check: None,
            ejection: origin::Ejection::default(),
            retry_statuses: Vec::new(),
        },
        None,
    );
    let site = Site {
        hold_max: None,
        numbers: telemetry.site(&name),
        name,
        hosts: vec![HostPattern::Any],
        same_content: false,
        spelling: Default::default(),
        caching: Caching::default(),
        group: origins.group(&[]),
        origins,
        routes: ByPath::new([]),
        host_header: None,
        redirects: Redirects::new([]),
        to_client: Vec::new(),
        to_origin: Vec::new(),
        tunnel_timeout: std::time::Duration::from_secs(3600),
        pass_fields: Vec::new(),
        https: None,
        forwarded: false,
        admission: Admission::default(),
        purging: Purging::default(),
    };
    let sites = Sites::new(vec![Arc::new(site)], Trusted::default());
    let hooks = Hooks::open(&folder.path().join("hooks"), Vec::new(), clock.clone()).expect("hooks can be opened");
    let purger = Purger::new(cache.clone(), blocks.clone(), log.clone(), Arc::new(hooks), clock.clone());
    let gateway = Gateway::new(sites, blocks, cache.clone(), Arc::new(purger), witness, clock);
    House { gateway, cache, log, _folder: folder }
}

pub fn request() -> Request<Body> {
    let mut request = Request::new(Body::Empty);
    *request.uri_mut() = "/1k".parse().expect("a URI");
    request.headers_mut().insert(HOST, HeaderValue::from_static("o.example"));
    request
}

pub fn peer() -> Peer {
    Peer { address: ([127, 0, 0, 1], 40_000).into(), scheme: Scheme::Http }
}

pub async fn store(cache: &Cache) {
    let (ask, _) = Ask::read(request(), peer(), &Trusted::default(), Clock::system().now());
    let url = ask.url.clone().expect("a URL");
    let Ok(Lookup::Miss(fill)) = cache.look_up(&ask, &url, &Caching::default(), ask.began) else {
        panic!("nothing is stored yet")
    };
    let fields = HeaderMap::from_iter([
        (CACHE_CONTROL, HeaderValue::from_static("max-age=3600")),
        (CONTENT_TYPE, HeaderValue::from_static("application/octet-stream")),
        (CONTENT_LENGTH, HeaderValue::from_static("1024")),
        (
            DATE,
            HeaderValue::try_from(httpdate::fmt_http_date(Clock::system().wall().to_system_time())).expect("a date"),
        ),
        (ETAG, HeaderValue::from_static("\"1\"")),
    ]);
    let flight = fill.flight();
    let head = ReplyHead { status: StatusCode::OK, fields };
    let Landing::Store(mut writer) = fill.land(&head, ask.began, ask.began) else { panic!("this can be stored") };
    writer.push(Bytes::from(vec![b'x'; 1024])).await.expect("it has a reader");
    writer.finish().expect("it is whole");
    drop(flight);
}
