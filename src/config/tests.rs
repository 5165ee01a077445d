use std::sync::Arc;
use std::time::Duration;

use block::list::Format;
use block::{Foreign, Listed};
use cache::coding::Coding;
use terms::url::{EncodedSlash, PathParams};

use super::*;
use crate::certificates::Wanted;
use crate::quota::{self, Rate};
use crate::sites::UnknownDigest;

mod origins;
mod secrets;
mod whole;

const SITE: &str = "[[site]]\nhosts = [\"a.example\"]\norigin = \"http://127.0.0.1:3000\"\n";

/// Every key that this version knows, none with its default where there is another value.
const EVERY_KEY: &str = r#"
[edge]
listen = ["127.0.0.1:0", { addr = "127.0.0.1:0", h2c = true }, { addr = "[::]:8443", tls = [{ cert = "a.pem", key = "./a.key" }, { cert = "a.pem", key = "a.key" }] }, { addr = "[::]:8444", tls = "self-signed" }]
head_timeout = "1s"
idle_timeout = "2s"
drain = "0s"
max_head = "1KiB"
max_target = "64B"
max_fields = 7
max_body = "0B"
max_connections = 1
https_port = 443
min_rate = "1KiB/s"
trusted_proxies = ["10.0.0.0/8", "::1"]
[limits]
connections_per_address = 5
requests_per_address = "6/m"
burst = 7
requests = "8/h"
[admin]
listen = "0.0.0.0:9443"
insecure = true
tls = { cert = "a.pem", key = "a.key" }
[cache]
memory = "1MiB"
max_object = "1MiB"
keep = false
keep_max = "64MiB"
[takedown]
lists = [
  "one.txt",
  "/lists/",
  { path = "./two", format = "ipfs-deny", notice = "N-1", reason = "because", status = 410, hosts = ["GW.example"] },
  { url = "https://10.0.0.1/{key}/list.csv", name = "feed", format = "urlhaus", every = "1s", timeout = "2s", max_size = "1MiB", max_age = "3s", on_stale = "fail-closed", allow_private = ["10.0.0.0/8"], key_file = "feed.key", headers_file = "feed.headers", ca_file = "ca.pem" },
]
operator_url = "https://operator.example/notices"
disclose = "id"
[geo]
database = "places.mmdb"
header = "X-Country"
unknown = "serve"
[state]
dir = "/var/lib/seawall"
[audit]
segment_size = "1KiB"
segment_age = "1h"
sync = "line"
on_pressure = "shed"
high_water = 1
wait = "0s"
client = "keyed"
url_query = "none"
[log]
access = "access.log"
format = "combined"
client = "full"
[[site]]
name = "all"
hosts = "*"
origin = ["http://[::1]:3000", { url = "https://far.example", weight = 2, backup = true, ca = "ca.pem", server_name = "near.example" }]
host_header = "photos.internal"
check = { path = "/up", host = "up.example", interval = "1s", timeout = "1s", rise = 5, fall = 6, statuses = [204] }
eject = { failures = 7, time = "8s", longest = "9s" }
retry_statuses = [502, 503]
connect_timeout = "1ms"
first_byte_timeout = "2ms"
between_bytes_timeout = "3ms"
tunnel_timeout = "4ms"
max_origin_connections = 4
repr_digest = true
on_unknown_digest = "hold"
hold_max = "2MiB"
slices = "1MiB"
compress = { codings = ["gzip", "br"], types = ["text/*", "application/*+json"], min_length = "2KiB" }
pass_fields = ["X-Forwarded-For"]
store_set_cookie = true
client_refresh = true
forwarded = true
allow = ["192.0.2.0/24"]
deny = "192.0.2.7"
limits = { connections_per_address = 1, requests_per_address = "2/s", burst = 3, requests = "4/s" }
cache = { ttl = "1m", max_ttl = "2m", heuristics = false, negative = { ttl = "3s", statuses = [404] }, ignore_query = ["utm_*"], sort_query = true, key_cookies = ["lang"], bypass = { paths = ["/admin/*"], cookies = ["session"], fields = ["X-Preview"] }, collapse = false, stale_with_s_maxage = true, show_key = true }
purge = { allow = ["192.0.2.0/24"], token_file = "purge.tokens" }
same_content = true
spelling = { ignore_case = true, ignore_query = ["utm_*", "f[%41]"], path_params = "distinct", encoded_slash = "distinct" }
redirect_to_https = true
[[site.route]]
path = "/api/*"
origin = "http://127.0.0.1:4000"
[[site.redirect]]
from = "/old/*"
to = "/new/*"
status = 308
[[site.header]]
to = "client"
set = ["X-Frame-Options: DENY"]
add = ["Link: </a>", "Link: </b>"]
remove = ["Server"]
[[site.header]]
to = "origin"
remove = ["Cookie"]
[[hook]]
on = "block-added"
exec = ["bin/told", "--quiet"]
[[hook]]
name = "desk"
on = ["reloaded", "purged"]
url = "https://desk.example:8443/told"
secret_file = "desk.secret"
ca_file = "ca.pem"
[[hook]]
on = "purged"
url = "http://127.0.0.1:9/"
secret_file = "desk.secret"
"#;

/// With the files that [`EVERY_KEY`] names.
fn folder_of_every_key() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let authority = rcgen::generate_simple_self_signed(["desk.example".to_owned()]).unwrap().cert.pem();
    for (name, text) in [
        ("a.pem", ""),
        ("a.key", ""),
        ("places.mmdb", ""),
        ("desk.secret", SECRET),
        ("ca.pem", &authority),
        ("purge.tokens", TOKEN),
        ("feed.key", "k3y\n"),
        ("feed.headers", "Auth-Key: s3cret\n"),
    ] {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    folder
}

const TOKEN: &str = "0123456789abcdef\n";

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// A folder with the files that [`EVERY_KEY`] names, and that config.
fn every_key() -> (tempfile::TempDir, Meant) {
    let folder = folder_of_every_key();
    let meant = parse(EVERY_KEY, Path::new("seawall.toml"), folder.path()).unwrap_or_else(|errors| panic!("{errors}"));
    (folder, meant)
}

fn network(text: &str) -> terms::Network {
    text.parse().unwrap()
}

fn read(text: &str) -> Result<Meant, Errors> {
    parse(text, Path::new("seawall.toml"), Path::new("/etc/seawall"))
}

fn faults(text: &str) -> Vec<Fault> {
    match read(text) {
        Err(Errors::Faults { faults, .. }) => faults,
        Err(other) => panic!("{text}\n{other}"),
        Ok(_) => panic!("this was taken:\n{text}"),
    }
}

/// Each fault as `line:column what; help`.
fn told(text: &str) -> Vec<String> {
    faults(text).iter().map(|fault| format!("{}:{} {}", fault.line, fault.column, fault.wrong)).collect()
}

fn good(text: &str) -> Meant {
    read(text).unwrap_or_else(|errors| panic!("{errors}"))
}

/// `text` is wrong in one place alone, and the message holds `said`. Lines count from `text`; the
/// site that every config needs stands below.
fn wrong(text: &str, line: usize, column: usize, said: &str) {
    let told = told(&format!("{text}\n{SITE}"));
    assert_eq!(told.len(), 1, "{text}\n{told:#?}");
    assert!(told[0].starts_with(&format!("{line}:{column} ")), "{text}\n{}", told[0]);
    assert!(told[0].contains(said), "{text}\n{}", told[0]);
}

#[test]
fn all_but_the_site_has_a_default() {
    let meant = good(SITE);
    assert_eq!(meant.edge, Edge::default());
    assert_eq!(meant.admin, Admin::default());
    assert_eq!(meant.audit, Audit::default());
    assert_eq!(meant.takedown, Takedown::default());
    assert_eq!(meant.state, Path::new("/etc/seawall/state"));
    assert_eq!((meant.cache.memory, meant.cache.max_object), (256 << 20, 32 << 20));
    assert!(meant.hooks.is_empty());

    let site = &meant.sites[0];
    assert_eq!(&*site.name, "a.example");
    assert_eq!(site.hosts, [HostPattern::Exact("a.example".to_owned())]);
    let origin = &site.plan.origins[0];
    assert_eq!(origin.address, origin::Address { host: "127.0.0.1".to_owned(), port: 3000 });
    assert_eq!(origin.connect_timeout, Duration::from_secs(5));
    assert_eq!(origin.first_byte_timeout, Duration::from_secs(30));
    assert_eq!(origin.between_bytes_timeout, Duration::from_secs(30));
    assert_eq!(site.tunnel_timeout, Duration::from_secs(3600));
    assert_eq!(origin.max_connections, 256);
    assert!(!site.caching.store_set_cookie && !site.caching.client_refresh && !site.caching.repr_digest);
    assert!(site.pass_fields.is_empty() && site.caching.compression.is_none());
    assert_eq!((site.on_unknown_digest, site.hold_max), (UnknownDigest::Stream, 1 << 20));
}

#[test]
fn a_site_that_compresses_does_so_with_the_defaults_of_the_example() {
    let with = |table: &str| good(&format!("{SITE}compress = {table}\n")).sites.remove(0).caching.compression.unwrap();
    let compression = with("{}");
    assert_eq!(compression, with("{ codings = [\"zstd\", \"br\", \"gzip\"], min_length = \"1KiB\" }"));
    for (media_type, covers) in [("text/html", true), ("application/ld+json", true), ("image/png", false)] {
        let fields = http::HeaderMap::from_iter([(http::header::CONTENT_TYPE, media_type.parse().unwrap())]);
        assert_eq!(compression.covers(http::StatusCode::OK, &fields, None), covers, "{media_type}");
    }
    assert_eq!(compression.types.len(), cache::coding::TYPES.len(), "each can be read");
}

/// The example, and the example with every line that shows a default put in force.
#[test]
fn the_example_says_what_the_defaults_are() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("config");
    let text = std::fs::read_to_string(folder.join("seawall.toml")).unwrap();
    let shows = |line: &str| line.starts_with('#') && line[1..].starts_with(|c: char| c.is_ascii_lowercase());
    let all: String =
        text.lines().map(|line| if shows(line) { &line[1..] } else { line }).map(|line| format!("{line}\n")).collect();

    let minimal = "[takedown]\nlists = [\"blocklist.d\"]\n[[site]]\nname = \"photos\"\n\
                   hosts = [\"photos.example\", \"*.photos.example\"]\norigin = \"http://127.0.0.1:3000\"\n";
    let shown = Path::new("seawall.toml");
    let wanted = format!("{:?}", parse(minimal, shown, &folder).unwrap());
    for text in [&text, &all] {
        let meant = parse(text, shown, &folder).unwrap_or_else(|errors| panic!("{errors}"));
        assert_eq!(format!("{meant:?}"), wanted);
        assert!(meant.takedown.lists[0].path.is_dir());
    }
}

#[test]
fn reads_every_key() {
    let (folder, meant) = every_key();
    let pair = net::tls::PairFiles { cert: folder.path().join("a.pem"), key: folder.path().join("a.key") };
    let tls = Wanted::Files(vec![pair.clone()]);
    let listeners = vec![
        Listener { address: "127.0.0.1:0".parse().unwrap(), tls: None, h2c: false },
        Listener { address: "127.0.0.1:0".parse().unwrap(), tls: None, h2c: true },
        Listener {
            address: "[::]:8443".parse().unwrap(),
            tls: Some(Wanted::Files(vec![pair.clone(), pair])),
            h2c: false,
        },
        Listener { address: "[::]:8444".parse().unwrap(), tls: Some(Wanted::SelfSigned), h2c: false },
    ];
    let edge = Edge {
        listeners,
        head_timeout: Duration::from_secs(1),
        idle_timeout: Duration::from_secs(2),
        drain: Duration::ZERO,
        max_head: 1024,
        max_target: 64,
        max_fields: 7,
        max_body: 0,
        max_connections: 1,
        https_port: Some(443),
        min_rate: 1024,
        trusted_proxies: vec![network("10.0.0.0/8"), network("::1")],
    };
    assert_eq!(meant.edge, edge);
    assert_eq!(meant.admin, Admin { address: "0.0.0.0:9443".parse().unwrap(), tls: Some(tls), insecure: true });
    assert_eq!((meant.cache.memory, meant.cache.max_object), (1 << 20, 1 << 20));
    let foreign = Foreign {
        notice: Some("N-1".into()),
        reason: Some("because".into()),
        status: Some(terms::BlockStatus::Gone),
        gateways: vec!["gw.example".into()],
        ..Foreign::new(Format::IpfsDeny)
    };
    let url = "https://10.0.0.1/{key}/list.csv";
    let feed = feeds::Feed {
        name: "feed".into(),
        url: url.to_owned(),
        file: feeds::place(Path::new("/var/lib/seawall"), "feed", url),
        key_file: Some(folder.path().join("feed.key")),
        headers_file: Some(folder.path().join("feed.headers")),
        ca_file: Some(folder.path().join("ca.pem")),
        every: Duration::from_secs(1),
        timeout: Duration::from_secs(2),
        max_size: 1 << 20,
        allow_private: vec!["10.0.0.0/8".parse().unwrap()],
        max_age: Duration::from_secs(3),
        on_stale: feeds::OnStale::FailClosed,
    };
    let takedown = Takedown {
        lists: vec![
            folder.path().join("one.txt").into(),
            PathBuf::from("/lists").into(),
            Listed { path: folder.path().join("two"), name: None, foreign: Some(Arc::new(foreign)) },
            Listed {
                path: feed.file.clone(),
                name: Some("feed".into()),
                foreign: Some(Arc::new(Foreign::new(Format::UrlHaus))),
            },
        ],
        feeds: vec![feed],
        operator_url: Some("https://operator.example/notices".to_owned()),
        disclose: terms::ruling::Disclose::Id,
    };
    assert_eq!(meant.takedown, takedown);
    let geo = crate::geo::Settings {
        database: Some(folder.path().join("places.mmdb")),
        header: Some(http::HeaderName::from_static("x-country")),
        unknown: terms::country::Doubt::Serve,
    };
    assert_eq!(meant.geo, geo);
    assert_eq!(meant.state, Path::new("/var/lib/seawall"));
    let audit = Audit {
        segment_size: 1024,
        segment_age: Duration::from_secs(3600),
        sync: audit::Sync::Line,
        high_water: 1,
        on_pressure: audit::OnPressure::Shed,
        client: audit::ClientForm::Keyed,
        url_query: audit::QueryForm::None,
    };
    assert_eq!(meant.audit, audit);
    let site = &meant.sites[0];
    assert_eq!((&*site.name, &site.hosts[..]), ("all", &[HostPattern::Any][..]));
    let origin = &site.plan.origins[0];
    let times = [origin.connect_timeout, origin.first_byte_timeout, origin.between_bytes_timeout];
    assert_eq!(times, [1, 2, 3].map(Duration::from_millis));
    assert_eq!(site.tunnel_timeout, Duration::from_millis(4));
    assert_eq!((origin.url(), origin.max_connections), ("http://[::1]:3000".to_owned(), 4));
    assert!(site.same_content && site.spelling.ignore_case);
    assert_eq!(site.spelling.ignored.names(), ["utm_*", "f[%41]"]);
    let (params, slash) = (site.spelling.path_params, site.spelling.encoded_slash);
    assert_eq!((params, slash), (PathParams::Distinct, EncodedSlash::Distinct));
    assert_eq!((site.on_unknown_digest, site.hold_max), (UnknownDigest::Hold, 2 << 20));
    assert_eq!(site.caching.slices, Some(1 << 20));
    let compression = site.caching.compression.as_deref().unwrap();
    assert_eq!(compression.codings, [Coding::Gzip, Coding::Br]);
    assert_eq!(compression.types.iter().map(ToString::to_string).collect::<Vec<_>>(), ["text/*", "application/*+json"]);
    assert_eq!(compression.min_length, 2048);
    assert!(site.caching.repr_digest && site.caching.store_set_cookie && site.caching.client_refresh);
    assert_eq!(site.pass_fields, ["x-forwarded-for"]);
    assert!(site.forwarded);
    assert_eq!((&site.allow[..], &site.deny[..]), (&[network("192.0.2.0/24")][..], &[network("192.0.2.7")][..]));
    let lifetimes = &site.caching.rules.lifetimes;
    assert_eq!((lifetimes.ttl, lifetimes.max_ttl), (Some(Duration::from_secs(60)), Some(Duration::from_secs(120))));
    let negative = cache::Negative { ttl: Duration::from_secs(3), statuses: vec![404] };
    assert_eq!((&lifetimes.negative, lifetimes.no_heuristics), (&Some(negative), true));
    let key = &site.caching.rules.key;
    assert_eq!(
        (&key.ignored[..], key.sorted, &key.cookies[..]),
        (&["utm_*".to_owned()][..], true, &["lang".to_owned()][..])
    );
    let bypass = &site.caching.rules.bypass;
    assert_eq!(
        (bypass.paths[0].to_string(), &*bypass.cookies[0], bypass.fields[0].as_str()),
        ("/admin/*".to_owned(), "session", "x-preview")
    );
    assert!(site.caching.rules.no_collapse && site.caching.rules.stale_with_s_maxage && site.caching.rules.show_key);
    let purging = &site.purging;
    assert_eq!((&purging.allow[..], purging.tokens.len()), (&[network("192.0.2.0/24")][..], 1));
    let rate = |count, seconds| Some(Rate { count, per: Duration::from_secs(seconds) });
    let limits = |connections, requests_per_address, burst, requests| quota::Settings {
        connections_per_address: Some(connections),
        requests_per_address,
        burst: Some(burst),
        requests,
    };
    assert_eq!(site.limits, limits(1, rate(2, 1), 3, rate(4, 1)));
    assert_eq!(meant.limits, limits(5, rate(6, 60), 7, rate(8, 3600)));
    let program = folder.path().join("bin/told").to_str().unwrap().to_owned();
    assert_eq!(meant.hooks[0].call, hooks::Call::Exec(vec![program, "--quiet".to_owned()]));
    assert!(meant.hooks[0].name.starts_with("told-"), "{}", meant.hooks[0].name);
    assert_eq!(meant.hooks[1].name, "desk");
    assert_eq!(meant.hooks[1].on, ["reloaded", "purged"]);
    let webhook = |url: &str, ca_file| {
        let target = net::Target::parse(url).unwrap();
        hooks::Call::Webhook(hooks::Webhook { target, secret_file: folder.path().join("desk.secret"), ca_file })
    };
    assert_eq!(meant.hooks[1].call, webhook("https://desk.example:8443/told", Some(folder.path().join("ca.pem"))));
    assert_eq!(meant.hooks[2].call, webhook("http://127.0.0.1:9/", None));
    assert!(meant.hooks[2].name.starts_with("127-0-0-1-"), "{}", meant.hooks[2].name);
    let page = describe(&meant, &surprises(&meant));
    assert!(page.contains("https://desk.example:8443/told") && page.contains("desk.secret"), "{page}");
    assert!(!page.contains(&SECRET[6..]), "no secret is shown: {page}");
}

#[test]
fn names_the_place_of_each_fault_of_a_webhook() {
    let folder = tempfile::tempdir().unwrap();
    let put = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    put("good.secret", "a secret of more than 24 bytes");
    put("empty.secret", "\n");
    put("bad.secret", "whsec_*");
    put("none.pem", "no certificate");
    let secret = "secret_file = \"good.secret\"";
    for (url, files, place, said) in [
        ("https://a/", "secret_file = \"none.secret\"", "4:15", "can't be read"),
        ("https://a/", "secret_file = \"empty.secret\"", "4:15", "holds no secret"),
        ("https://a/", "secret_file = \"bad.secret\"", "4:15", "line 1: behind whsec_"),
        ("https://a/", &format!("{secret}\nca_file = \"none.pem\""), "5:11", "holds no certificate"),
        ("https://a/", &format!("{secret}\nca_file = \"gone.pem\""), "5:11", "can't be read"),
        ("desk.example", secret, "3:7", "`desk.example` is not an https:// URL"),
        ("http://desk.example/", secret, "3:7", "http:// is for 127.0.0.1"),
        ("https://me:pass@desk.example/", secret, "3:7", "`https://…@desk.example/` has a user or a password"),
        ("desk.example/?s3cret", secret, "3:7", "`desk.example/?…` is not an https:// URL"),
    ] {
        let text = format!("[[hook]]\non = [\"purged\"]\nurl = \"{url}\"\n{files}\n{SITE}");
        let shown = parse(&text, Path::new("seawall.toml"), folder.path()).unwrap_err().to_string();
        assert!(shown.contains(&format!("seawall.toml:{place}: ")) && shown.contains(said), "{text}\n{shown}");
        assert_eq!(shown.matches("seawall.toml:").count(), 1, "{shown}");
        assert!(!shown.contains("s3cret") && !shown.contains("me:pass"), "{shown}");
    }
}

#[test]
fn names_the_place_of_each_fault() {
    for (text, line, column, said) in [
        // Unknown keys and those of later versions.
        ("[cache]\nmemry = \"1GiB\"", 2, 1, "did you mean `memory`?"),
        ("[cach]\nmemory = \"1GiB\"", 1, 2, "did you mean `cache`?"),
        ("[edge]\n  max_object = \"1GiB\"", 2, 3, "`max_object` stands in [cache]"),
        ("[state]\nzebra = 1", 2, 1, "it has dir"),
        ("[edge]\nmemry = \"1GiB\"", 2, 1, "did you mean `memory` in [cache]?"),
        ("[edge]\ncert = \"a.pem\"", 2, 1, "`cert` stands in [admin.tls] or [edge.listen.tls]"),
        (
            "[admin]\ntls = { crt = \"x\", cert = \"/dev/null\", key = \"/dev/null\" }",
            2,
            9,
            "`crt` is not a key of [admin.tls]; did you mean `cert`?",
        ),
        ("listen = [\"127.0.0.1:80\"]", 1, 1, "not a key of the top of the file; `listen` stands in [admin] or [edge]"),
        ("edge.listne = \"127.0.0.1:80\"", 1, 6, "did you mean `listen`?"),
        // Who may ask, and how much.
        ("[edge]\ntrusted_proxies = [\"10.0.0.1/8\"]", 2, 20, "write \"10.0.0.0/8\""),
        ("[edge]\ntrusted_proxies = \"proxy.example\"", 2, 19, "write a network such as \"10.0.0.0/8\""),
        ("[edge]\nmin_rate = \"128B\"", 2, 12, "such as \"128B/s\""),
        ("[edge]\nmin_rate = \"2MiB/s\"", 2, 12, "write \"0B/s\" to \"1MiB/s\""),
        ("[limits]\nburst = 3", 2, 9, "set `requests_per_address` beside it"),
        ("[limits]\nrequests_per_address = 3", 2, 24, "write \"3/s\""),
        ("[limits]\nrequests_per_address = \"0/s\"", 2, 24, "from 1 to 1000000"),
        ("[limits]\nconnections_per_address = 0", 2, 27, "write 1 to 1000000"),
        ("[log]\naccess = true", 2, 10, "`log.access` is a text"),
        ("[log]\naccess = \"/gone/access.log\"", 2, 10, "is in a folder that is not there; write a file in a folder"),
        ("[log]\nformat = \"cmbined\"", 2, 10, "did you mean \"combined\"?"),
        ("[audit]\non_pressure = \"sheds\"", 2, 15, "did you mean \"shed\"?"),
        ("[[hook]]\non = [\"purged\"]\nexec = [\"a\"]\nurl = \"https://a\"", 4, 7, "make two hooks of it"),
        // Types.
        ("edge = 3", 1, 8, "`edge` is a table, and this is a number"),
        ("[edge]\nhead_timeout = 10", 2, 16, "for seconds write \"10s\""),
        ("[edge]\nmax_body = 1048576", 2, 12, "for bytes write \"1MiB\""),
        ("[edge]\nmax_fields = \"7\"", 2, 14, "a whole number"),
        ("[edge]\nmax_fields = -7", 2, 14, "below zero"),
        ("[edge]\nmax_fields = 99999999999999999999", 2, 14, "too large"),
        ("[edge]\nlisten = [8080]", 2, 11, "a list of texts or tables"),
        ("[admin]\ninsecure = \"yes\"", 2, 12, "without quotes"),
        ("[takedown]\nlists = [\"a\", 3]", 2, 15, "a list of texts or tables"),
        ("[hook]\non = []", 1, 1, "[[hook]]"),
        // Values.
        ("[edge]\nhead_timeout = \"10\"", 2, 16, "write \"10s\""),
        ("[edge]\nhead_timeout = \"0s\"", 2, 16, "\"0s\" is too little; write \"1ms\" to \"1h\""),
        ("[edge]\nmax_head = \"2MiB\"", 2, 12, "\"2MiB\" is too much; write \"1KiB\" to \"1MiB\""),
        ("[edge]\nmax_connections = 0", 2, 19, "0 is too little"),
        ("[edge]\nlisten = []", 2, 10, "listens nowhere"),
        ("[edge]\nlisten = [\"localhost:80\"]", 2, 11, "write \"127.0.0.1:80\""),
        ("[edge]\nlisten = [\":80\"]", 2, 11, "write \"0.0.0.0:80\""),
        ("[edge]\nlisten = [\"127.0.0.1:80\", \"127.0.0.1:80\"]", 2, 27, "twice"),
        ("[edge]\nlisten = [{ adr = \"127.0.0.1:80\", addr = \"127.0.0.1:81\" }]", 2, 13, "did you mean `addr`?"),
        ("[edge]\nlisten = [{ tls = { cert = \"/dev/null\", key = \"/dev/null\" } }]", 2, 11, "no `addr`"),
        ("[edge]\nlisten = [{ addr = \"127.0.0.1:80\", tls = { cert = \"/dev/null\" } }]", 2, 42, "no `key`"),
        (
            "[edge]\nlisten = [{ addr = \"127.0.0.1:80\", h2c = true, tls = { cert = \"/dev/null\", key = \"/dev/null\" } }]",
            2,
            42,
            "remove h2c",
        ),
        (
            "[edge]\nlisten = [{ addr = \"127.0.0.1:80\", tls = { cert = \"/nowhere.pem\", key = \"/dev/null\" } }]",
            2,
            51,
            "`/nowhere.pem` is not there",
        ),
        ("[edge]\nlisten = [{ addr = \"127.0.0.1:80\", tls = [] }]", 2, 42, "names no certificate"),
        ("[edge]\nlisten = [{ addr = \"127.0.0.1:80\", tls = \"selfsigned\" }]", 2, 42, "\"self-signed\""),
        (
            "[edge]\nlisten = [{ addr = \"127.0.0.1:80\", tls = [\"self-signed\", { cert = \"/dev/null\", key = \"/dev/null\" }] }]",
            2,
            43,
            "stands alone",
        ),
        ("[edge]\nhttps_port = 65536", 2, 14, "is not a port"),
        ("[admin]\nlisten = \"127.0.0.1:8080\"", 2, 10, "a listener of the edge already"),
        ("[edge]\nlisten = [\"127.0.0.1:80\", \"127.0.0.1:9090\"]", 2, 10, "is the admin listener's, unless"),
        ("[edge]\nlisten = \"0.0.0.0:9090\"", 2, 10, "127.0.0.1:9090 is the admin listener's, unless"),
        ("[edge]\nlisten = [\"127.0.0.1:80\", \"0.0.0.0:80\"]", 2, 27, "twice"),
        ("[state]\ndir = \"/dev/null\"", 2, 7, "`/dev/null` is a file, not a folder"),
        ("[state]\ndir = \"/dev/null/state\"", 2, 7, "`/dev/null` is a file, not a folder"),
        ("[admin]\nlisten = \"0.0.0.0:9090\"", 2, 10, "admin.insecure = true"),
        ("[cache]\nmemory = \"4KiB\"", 2, 10, "\"4KiB\" is too little"),
        ("[cache]\nmemory = \"1MiB\"\nmax_object = \"2MiB\"", 3, 14, "\"2MiB\" is too much"),
        ("[takedown]\nlists = [\"a\", \"./a\"]", 2, 15, "named twice"),
        ("[takedown]\nlists = [\"\"]", 2, 10, "is not a path"),
        ("[takedown]\nlists = [{ path = \"a\", format = \"host\" }]", 2, 33, "did you mean \"hosts\"?"),
        ("[takedown]\nlists = [{ format = \"hosts\" }]", 2, 10, "neither `path` nor `url`"),
        ("[takedown]\nlists = [\"https://f.example/l\"]", 2, 10, "is a URL, not a path"),
        ("[takedown]\nlists = [{ path = \"a\", url = \"https://f.example/\" }]", 2, 19, "has a `url` already"),
        ("[takedown]\nlists = [{ path = \"a\", every = \"1m\" }]", 2, 32, "`every` stands beside `url` alone"),
        ("[takedown]\nlists = [{ url = \"f.example\" }]", 2, 18, "is not an https:// URL"),
        ("[takedown]\nlists = [{ url = \"http://f.example/l\" }]", 2, 18, "http:// is for 127.0.0.1"),
        (
            "[takedown]\nlists = [{ url = \"https://u:p@f.example/l\" }]",
            2,
            18,
            "`https://…@f.example/l` has a user or a password",
        ),
        ("[takedown]\nlists = [{ url = \"https://169.254.169.254/l\" }]", 2, 18, "is no address of the internet"),
        ("[takedown]\nlists = [{ url = \"http://[::1]:7/l\" }]", 2, 18, "allow_private = [\"::1\"]"),
        ("[takedown]\nlists = [{ url = \"https://f.example/{key}\" }]", 2, 18, "there is no `key_file`"),
        ("[takedown]\nlists = [{ url = \"https://f.example/\", key_file = \"k\" }]", 2, 18, "has no place in this URL"),
        ("[takedown]\nlists = [{ url = \"https://f.example/{key}\", key_file = \"k\" }]", 2, 56, "can't be read"),
        ("[takedown]\nlists = [{ url = \"https://f.example/\", every = \"10ms\" }]", 2, 48, "is too little"),
        (
            "[takedown]\nlists = [{ url = \"https://f.example/\", max_age = \"1m\" }]",
            2,
            50,
            "it is asked every 5m alone",
        ),
        ("[takedown]\nlists = [{ url = \"https://f.example/\", on_stale = \"closed\" }]", 2, 51, "fail-closed"),
        ("[takedown]\nlists = [{ url = \"https://f.example/\", name = \"\" }]", 2, 47, "is no name of a feed"),
        (
            "[takedown]\nlists = [{ url = \"https://f.example/l?a\" }, { url = \"https://f.example/l?b\" }]",
            2,
            45,
            "another feed is shown as `https://f.example/l?…`",
        ),
        ("[takedown]\nlists = [{ path = \"a\", notice = \"N\" }]", 2, 33, "for a list that is read with `format`"),
        ("[takedown]\nlists = [{ path = \"a\", format = \"hosts\", notice = \"\" }]", 2, 51, "this is empty"),
        ("[takedown]\nlists = [{ path = \"a\", format = \"hosts\", status = 500 }]", 2, 51, "write 451, 410"),
        (
            "[takedown]\nlists = [{ path = \"a\", format = \"hosts\", hosts = [\"h\"] }]",
            2,
            50,
            "names its hosts itself",
        ),
        ("[takedown]\nlists = [{ path = \"a\", format = \"ipfs-deny\" }]", 2, 33, "the hosts here that serve IPFS"),
        ("[takedown]\nlists = [{ path = \"a\", format = \"ipfs-deny\", hosts = [\"*.h\"] }]", 2, 55, "is no host"),
        ("[takedown]\noperator_url = \"operator.example\"", 2, 16, "is not an http or https URL"),
        ("[takedown]\noperator_url = \"javascript:alert(1)\"", 2, 16, "is not an http or https URL"),
        ("[takedown]\noperator_url = \"javascript://a/%0aalert(1)\"", 2, 16, "is not an http or https URL"),
        ("[takedown]\noperator_url = \"https:///notices\"", 2, 16, "is not an http or https URL"),
        ("[takedown]\noperator_url = \"https://a/>; rel=x\"", 2, 16, "is not an http or https URL"),
        ("[takedown]\ndisclose = \"ful\"", 2, 12, "did you mean \"full\"?"),
        ("[geo]\ndatabase = \"nowhere.mmdb\"", 2, 12, "is no file"),
        ("[geo]\nheader = \"X-Country\"", 2, 10, "name the networks of the proxies"),
        ("[geo]\nheader = \"X Country\"\n[edge]\ntrusted_proxies = [\"::1\"]", 2, 10, "is no name of a field"),
        ("[geo]\nunknown = \"blok\"", 2, 11, "did you mean \"block\"?"),
        ("[audit]\nsync = \"always\"", 2, 8, "write \"interval\" or \"segment\" or \"line\""),
        ("[audit]\nurl_query = \"truncated\"", 2, 13, "not a choice"),
        ("[[hook]]\non = [\"block-aded\"]\nexec = [\"a\"]", 2, 7, "did you mean \"block-added\"?"),
        ("[[hook]]\non = [\"notice-filed\"]\nexec = [\"a\"]", 2, 7, "comes with a later version"),
        ("[[hook]]\non = [\"filled\"]\nexec = [\"a\"]", 2, 7, "from the log"),
        ("[[hook]]\non = [\"purged\"]\nexec = []", 3, 8, "no program"),
        ("[[hook]]\non = [\"purged\"]\nexec = \"a\"\nsecret = \"x\"", 4, 1, "did you mean `secret_file`?"),
        ("[[hook]]\non = [\"purged\"]", 1, 1, "neither `exec` nor `url`"),
        ("[[hook]]\non = [\"purged\"]\nexec = [\"a\"]\nca_file = \"a\"", 4, 11, "beside `url` alone"),
        ("[[hook]]\non = [\"purged\"]\nurl = \"https://a/\"", 3, 7, "no `secret_file`"),
        ("[[hook]]\nname = \"dead\"\non = [\"purged\"]\nexec = [\"a\"]", 2, 8, "can't be the name"),
    ] {
        wrong(text, line, column, said);
    }
}

#[test]
fn names_the_place_of_each_fault_of_a_site() {
    let origin = "origin = \"http://127.0.0.1:3000\"";
    for (text, line, column, said) in [
        ("hosts = [\"x.example\"]".to_owned(), 1, 1, "this [[site]] has no `origin`"),
        (origin.to_owned(), 1, 1, "this [[site]] has no `hosts`"),
        (format!("{origin}\nhosts = []"), 3, 9, "this site has no host"),
        (format!("{origin}\nhosts = [\"x.example\", \"y.*\"]"), 3, 23, "`y.*` is not a host"),
        (format!("{origin}\nhosts = [\"x.example:80\"]"), 3, 10, "leave out the port"),
        (format!("{origin}\nhosts = [\"http://x.example\"]"), 3, 10, "leave out the scheme"),
        (format!("{origin}\nhosts = [\"A.example.\"]"), 5, 10, "remove it here or in line 3"),
        (format!("{origin}\nhosts = [\".a.example\"]"), 5, 10, "remove it here or in line 3"),
        (format!("{origin}\nhosts = [\"x.example\"]\nname = \"a.example\""), 5, 1, "or the one in line 4"),
        (format!("{origin}\nhosts = [\"x.example\"]\nname = \"\""), 4, 8, "can't be the name"),
        (format!("{origin}\nhosts = [\"x.example\"]\nname = \"a\\u001b\""), 4, 8, "can't be the name"),
        (format!("{origin}\nhosts = [\"x.example\"]\nallow = []"), 4, 9, "allows nobody"),
        (format!("{origin}\nhosts = [\"x.example\"]\npurge = {{}}"), 4, 9, "lets nobody purge"),
        (format!("{origin}\nhosts = [\"x.example\"]\ncache = {{ ttl = \"0s\" }}"), 4, 17, "is too little"),
        (format!("{origin}\nhosts = [\"x.example\"]\ncache = {{ ttl = 60 }}"), 4, 17, "for seconds write"),
        (format!("{origin}\nhosts = [\"x.example\"]\ncache = {{ ttls = \"1s\" }}"), 4, 11, "did you mean `ttl`"),
        (format!("{origin}\nhosts = [\"x.example\"]\ncache = {{ negative = {{}} }}"), 4, 22, "has no `ttl`"),
        (
            format!("{origin}\nhosts = [\"x.example\"]\ncache = {{ negative = {{ ttl = \"1s\", statuses = [200] }} }}"),
            4,
            48,
            "no status of an error",
        ),
        (
            format!("{origin}\nhosts = [\"x.example\"]\ncache = {{ ignore_query = [\"a=b\"] }}"),
            4,
            27,
            "name of a parameter",
        ),
        (
            format!("{origin}\nhosts = [\"x.example\"]\ncache = {{ key_cookies = [\"a b\"] }}"),
            4,
            26,
            "name of a cookie",
        ),
        (format!("{origin}\nhosts = [\"x.example\"]\ncache = {{ bypass = {{}} }}"), 4, 20, "nothing goes past"),
        (format!("{origin}\nhosts = [\"x.example\"]\ncompress = {{ codings = [] }}"), 4, 24, "no coding"),
        (
            format!("{origin}\nhosts = [\"x.example\"]\ncompress = {{ codings = [\"deflate\"] }}"),
            4,
            25,
            "write \"zstd\" or",
        ),
        (format!("{origin}\nhosts = [\"x.example\"]\ncompress = {{ codings = [\"br\", \"br\"] }}"), 4, 31, "twice"),
        (format!("{origin}\nhosts = [\"x.example\"]\ncompress = {{ types = [\"text\"] }}"), 4, 23, "no media types"),
        (format!("{origin}\nhosts = [\"x.example\"]\ncompress = {{ types = [] }}"), 4, 22, "0 media types"),
        (format!("{origin}\nhosts = [\"x.example\"]\ncompress = {{ min_length = \"0B\" }}"), 4, 27, "is too little"),
        (format!("{origin}\nhosts = [\"x.example\"]\ncompress = true"), 4, 12, "table"),
        (format!("{origin}\nhosts = [\"x.example\"]\ncache = {{ bypass = {{ paths = [\"a\"] }} }}"), 4, 31, "path"),
        (format!("{origin}\nhosts = [\"x.example\"]\npurge = {{ allow = [\"::/0\"] }}"), 4, 19, "any stranger"),
        (format!("{origin}\nhosts = [\"x.example\"]\npurge = {{ token_file = \"none\" }}"), 4, 24, "can't be read"),
        (format!("{origin}\nhosts = [\"x.example\"]\npass_fields = [\"a b\"]"), 4, 16, "not the name of a field"),
        (format!("{origin}\nhosts = [\"x.example\"]\npass_fields = [\"TE\"]"), 4, 16, "can't be passed"),
        (format!("{origin}\nhosts = [\"x.example\"]\nspelling.ignore_query = [\"a=b\"]"), 4, 26, "not the name of a"),
        (format!("{origin}\nhosts = [\"x.example\"]\nspelling.ignore_query = [\"a%zz\"]"), 4, 26, "can't be read"),
        (format!("{origin}\nhosts = [\"x.example\"]\nspelling.path_params = \"folded\""), 4, 24, "not a choice"),
        (format!("{origin}\nhosts = [\"x.example\"]\nmax_origin_connections = 0"), 4, 26, "too little"),
        ("hosts = [\"x.example\"]\norigin = \"127.0.0.1:3000\"".to_owned(), 3, 10, "no scheme"),
        ("hosts = [\"x.example\"]\norigin = []".to_owned(), 3, 10, "no origin"),
        ("hosts = [\"x.example\"]\norigin = \"http://a/b\"".to_owned(), 3, 10, "it has a path"),
    ] {
        let told = told(&format!("[[site]]\n{text}\n{SITE}"));
        assert_eq!(told.len(), 1, "{text}\n{told:#?}");
        assert!(told[0].starts_with(&format!("{line}:{column} ")), "{text}\n{}", told[0]);
        assert!(told[0].contains(said), "{text}\n{}", told[0]);
    }
}

#[test]
fn a_config_without_a_site_is_none() {
    assert!(told("")[0].starts_with("1:1 there is no [[site]]; add [[site]]"));
    assert!(told("[edge]\n")[0].contains("there is no [[site]]"));
    assert!(told("site = []\n")[0].starts_with("1:8 there is no site"));
    let told = told("[site]\nhosts = [\"a\"]\norigin = \"http://a\"\n");
    assert_eq!(told.len(), 1);
    assert!(told[0].contains("write [[site]]"), "{}", told[0]);
}

#[test]
fn tells_all_faults_at_once_in_their_order() {
    let told = told(
        "[edge]\nmax_head = \"1\"\nlisten = [\"x\", \"y\"]\nzz = 1\n[cache]\nmemory = true\n[[site]]\norigin = \"a\"\n",
    );
    let places: Vec<&str> = told.iter().filter_map(|fault| fault.split(' ').next()).collect();
    assert_eq!(places, ["2:12", "3:11", "3:16", "4:1", "6:10", "7:1", "8:10"], "{told:#?}");
}

#[test]
fn shows_a_bounded_number_of_faults() {
    let text: String = (0..5000).map(|number| format!("x{number} = 1\n")).collect();
    let shown = read(&text).unwrap_err().to_string();
    assert!(shown.ends_with("… and 4901 more"), "{}", shown.len());
}

#[test]
fn text_that_is_not_toml_is_shown_in_its_place() {
    for (text, line, column, said) in [
        ("[edge]\nlisten = 127.0.0.1\n", 2, 15, "between quotes"),
        ("[cache]\nmemory = 256MiB\n", 2, 10, "between quotes"),
        ("[edge]\nlisten = [\"127.0.0.1:80\"\n[cache]\n", 3, 1, "a bracket before this place is not closed"),
        ("[cache]\nmemory = \"1GiB\"\nmemory = \"2GiB\"\n", 3, 1, "keep one of the two"),
        ("[cache]\nmemory\n", 2, 7, ""),
    ] {
        let told = told(text);
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(told[0].starts_with(&format!("{line}:{column} ")) && told[0].contains(said), "{text}\n{}", told[0]);
    }
}

#[test]
fn a_fault_is_rendered_with_its_line() {
    let text = format!("# a comment\n[cache]\nmemry = \"1GiB\"\n{SITE}");
    let shown = read(&text).unwrap_err().to_string();
    let wanted = "seawall.toml:3:1: `memry` is not a key of [cache]\n    3 | memry = \"1GiB\"\n      | ^^^^^\n      \
                  = did you mean `memory`?";
    assert_eq!(shown, wanted);
}

#[test]
fn loads_from_the_folder_of_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("seawall.toml");
    assert!(matches!(load(&path), Err(Errors::Unreadable { .. })));
    std::fs::write(&path, format!("[takedown]\nlists = [\"l\"]\n{SITE}")).unwrap();
    let meant = load(&path).unwrap();
    assert_eq!(meant.state, folder.path().join("state"));
    assert_eq!(meant.takedown.lists, [folder.path().join("l").into()]);
    std::fs::write(&path, b"# caf\xe9\n").unwrap();
    let shown = load(&path).unwrap_err().to_string();
    assert!(shown.contains("seawall.toml:1:6: this is not UTF-8"), "{shown}");
}

#[test]
fn hooks_alike_have_names_of_their_own() {
    let hook = "[[hook]]\non = [\"purged\"]\nexec = [\"a\"]\n";
    let names = |text: &str| good(text).hooks.into_iter().map(|hook| hook.name).collect::<Vec<_>>();
    let two = names(&format!("{hook}{hook}{SITE}"));
    assert_eq!(two[1], format!("{}-2", two[0]));
    assert_eq!(names(&format!("{SITE}{hook}"))[0], two[0]);
    let named = "[[hook]]\nname = \"n\"\non = [\"purged\"]\nexec = [\"a\"]\n";
    assert!(told(&format!("{named}{named}{SITE}"))[0].starts_with("6:8 a hook has the name `n` already"));
}

#[test]
fn an_admin_listener_is_exposed_knowingly() {
    for address in ["127.0.0.1:9090", "127.8.8.8:9090", "[::1]:9090", "[::ffff:127.0.0.1]:9090"] {
        assert!(!good(&format!("[admin]\nlisten = \"{address}\"\n{SITE}")).admin.is_exposed(), "{address}");
    }
    let meant = good(&format!("[admin]\nlisten = \"0.0.0.0:9090\"\ninsecure = true\n{SITE}"));
    assert!(meant.admin.is_exposed() && describe(&meant, &surprises(&meant)).contains("0.0.0.0:9090 is in clear"));
}

#[test]
fn describes_surprises_first() {
    let text = format!("{SITE}store_set_cookie = true\ncompress = {{}}\nname = \"shop\"\n");
    let meant = good(&text);
    let shown = describe(&meant, &surprises(&meant));
    let before = |one: &str, other: &str| {
        let place = |text: &str| shown.find(text).unwrap_or_else(|| panic!("no {text} in\n{shown}"));
        assert!(place(one) < place(other), "{shown}");
    };
    for surprise in [
        "a full disk",
        "gzip_proxied any;",
        "site shop stores answers with Set-Cookie",
        "what site shop compresses tells its secrets",
        "only live edits",
    ] {
        before(surprise, "\nedge\n");
    }
    before("\nedge\n", "\nsite shop\n");
    assert!(shown.ends_with('\n'));
}

#[test]
fn a_hook_whose_program_cannot_run_yet_is_a_surprise() {
    for (program, surprise) in [
        ("/nope/x", Some("/nope/x is not there")),
        ("/proc/version/x", Some("/proc/version/x is not there")),
        ("/", Some("/ is no program")),
        ("/proc/version", Some("/proc/version may not be executed")),
        ("/bin/sh", None),
        ("not-looked-for-in-path", None),
    ] {
        let meant = good(&format!("[[hook]]\nname = \"desk\"\non = [\"purged\"]\nexec = [\"{program}\"]\n{SITE}"));
        let told: Vec<String> = surprises(&meant).into_iter().map(|surprise| surprise.what).collect();
        let of_hook: Vec<&String> = told.iter().filter(|what| what.contains("desk")).collect();
        assert_eq!(of_hook.len(), surprise.iter().count(), "{program}: {told:?}");
        assert!(surprise.iter().all(|wanted| of_hook[0].starts_with(wanted)), "{program}: {of_hook:?}");
    }
}

#[test]
fn a_single_site_takes_any_host() {
    let [listen, admin] = ["0.0.0.0:0", "127.0.0.1:0"].map(|address| address.parse::<SocketAddr>().unwrap());
    let make = |to: &str, admin, memory| single(vec![listen], to, admin, vec!["l".into()], "/s".into(), memory);
    let meant = make("http://127.0.0.1:3000", admin, 8 << 20).unwrap();
    assert_eq!(meant.sites[0].hosts, [HostPattern::Any]);
    assert_eq!((meant.cache.memory, meant.cache.max_object), (8 << 20, 1 << 20));
    assert!(meant.takedown.lists[0].path.is_absolute());
    assert!(make("https://a/b", admin, 8 << 20).is_err());
    assert!(make("http://a", "0.0.0.0:9090".parse().unwrap(), 8 << 20).is_err());
    assert!(make("http://a", admin, 3).is_err());
    assert!(single(Vec::new(), "http://a", admin, Vec::new(), "/s".into(), 8 << 20).is_err());
}

proptest::proptest! {
    #[test]
    fn no_text_makes_it_panic(text in "(\\[{1,2}(edge|site|hook|audit)\\]{1,2}\n|(listen|hosts|origin|name|exec|memory) = ([\"\\[0-9a-z*.:/{}, ]{0,12}|\"[^\"]{0,9}\")\n|.{0,12}\n){0,8}") {
        if let Err(errors) = read(&text) {
            let _ = errors.to_string();
        }
    }
}
