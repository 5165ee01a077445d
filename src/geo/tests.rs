use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use disk::watch::Hint;
use proptest::prelude::*;
use terms::Timestamp;

use super::watch::Looked;
use super::*;

#[path = "../../tests/harness/mmdb.rs"]
mod mmdb;
use mmdb::{Mmdb, Shape};

fn opened(bytes: &[u8]) -> Result<Database, String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("places.mmdb");
    fs::write(&path, bytes).unwrap();
    Database::open(&path).map_err(|error| error.to_string())
}

fn country(database: &Database, address: &str) -> Option<String> {
    database.country(address.parse().unwrap()).map(|country| country.to_string())
}

#[test]
fn an_address_is_where_its_network_is() {
    let database = Mmdb::new("GeoLite2-City", 1_790_000_000)
        .with("192.0.2.0/24", Shape::City, "DE")
        .with("192.0.2.128/25", Shape::Country, "fr")
        .with("198.51.100.0/24", Shape::Registered, "US")
        .with("203.0.113.0/24", Shape::Country, "XX")
        .with("2001:db8::/32", Shape::Country, "JP");
    let database = opened(&database.bytes()).unwrap();
    for (address, expected) in [
        ("192.0.2.1", Some("DE")),
        ("192.0.2.127", Some("DE")),
        ("192.0.2.128", Some("FR")),
        ("::ffff:192.0.2.1", Some("DE")),
        ("198.51.100.7", Some("US")),
        ("203.0.113.1", None),
        ("192.0.3.1", None),
        ("2001:db8:1::1", Some("JP")),
        ("2001:db9::1", None),
        ("127.0.0.1", None),
        ("::", None),
    ] {
        assert_eq!(country(&database, address).as_deref(), expected, "{address}");
    }
    assert_eq!((database.kind(), database.built()), ("GeoLite2-City", Timestamp::from_secs(1_790_000_000)));
}

#[test]
fn what_is_no_database_of_countries_is_refused() {
    let good = Mmdb::countries(&[("192.0.2.0/24", "DE")]);
    for (bytes, what) in [
        (&b""[..], "is no database in MaxMind's format"),
        (b"DE,192.0.2.0/24\n", "is no database in MaxMind's format"),
        (&good[..good.len() / 2], "is no database in MaxMind's format"),
        (&Mmdb::new("GeoLite2-ASN", 1).bytes(), "is of the type GeoLite2-ASN, which names no countries"),
    ] {
        let refused = opened(bytes).err().unwrap();
        assert!(refused.contains(what), "{refused}");
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("large.mmdb");
    fs::File::create(&path).unwrap().set_len((1 << 30) + 1).unwrap();
    let large = Database::open(&path).err().unwrap().to_string();
    assert!(large.ends_with("large.mmdb holds more than 1024 MiB"), "{large}");
    let odd = Database::open(folder.path()).err().unwrap().to_string();
    assert!(odd.ends_with("is no file"), "{odd}");
    let absent = Database::open(Path::new("/nowhere/places.mmdb")).err().unwrap().to_string();
    assert!(absent.contains("/nowhere/places.mmdb can't be read"), "{absent}");
}

proptest! {
    #[test]
    fn a_damaged_database_is_refused_or_answers(
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in prop::option::weighted(0.2, any::<prop::sample::Index>()),
        addresses in prop::collection::vec(any::<IpAddr>(), 1..20),
    ) {
        let mut bytes = Mmdb::new("GeoLite2-City", 1)
            .with("192.0.2.0/24", Shape::City, "DE")
            .with("2001:db8::/32", Shape::Registered, "FR")
            .bytes();
        let length = bytes.len();
        damage.iter().for_each(|(at, byte)| bytes[at.index(length)] = *byte);
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        if let Ok(database) = opened(&bytes) {
            let known = ["192.0.2.1", "2001:db8::1"].map(|text| text.parse().unwrap());
            addresses.into_iter().chain(known).for_each(|address| {
                let _ = database.country(address);
            });
        }
    }
}

/// A folder with a database, and what follows it; time moves by hand.
struct Bench {
    _folder: tempfile::TempDir,
    path: PathBuf,
    geo: Geo,
    start: Instant,
}

impl Bench {
    fn new() -> Bench {
        let folder = tempfile::tempdir().unwrap();
        let path = fs::canonicalize(folder.path()).unwrap().join("places.mmdb");
        fs::write(&path, Mmdb::countries(&[("192.0.2.0/24", "DE")])).unwrap();
        let geo = Geo::default();
        let settings = Settings { database: Some(path.clone()), ..Settings::default() };
        assert!(geo.carry_out(geo.prepare(&settings).unwrap()));
        Bench { _folder: folder, path, geo, start: Instant::now() + Duration::from_secs(3600) }
    }

    fn look(&self, millis: u64, hints: &[Hint]) -> Looked {
        self.geo.look(hints, self.start + Duration::from_millis(millis))
    }

    fn replace(&self, bytes: &[u8]) -> Hint {
        let new = self.path.with_extension("new");
        fs::write(&new, bytes).unwrap();
        fs::rename(&new, &self.path).unwrap();
        Hint::renamed(self.path.clone())
    }

    fn residence(&self) -> Residence {
        self.geo.residence("192.0.2.1".parse().unwrap(), None)
    }
}

fn within(code: &str) -> Residence {
    Residence::In(Country::from_text(code).unwrap())
}

#[test]
fn a_new_database_is_taken_and_a_bad_one_leaves_the_one_before() {
    let bench = Bench::new();
    assert_eq!((bench.look(0, &[]), bench.residence()), (Looked::Nothing, within("DE")));
    let hint = bench.replace(&Mmdb::countries(&[("192.0.2.0/24", "FR")]));
    assert_eq!((bench.look(1, &[hint]), bench.residence()), (Looked::Taken, within("FR")));
    assert_eq!(bench.look(2, &[]), Looked::Nothing);

    let hint = bench.replace(b"no database");
    assert_eq!((bench.look(3, &[hint]), bench.residence()), (Looked::Refused, within("FR")));
    let trouble = bench.geo.trouble().unwrap();
    assert!(trouble.contains("places.mmdb is no database") && trouble.ends_with("stays in force"), "{trouble}");
    assert_eq!((bench.look(1000, &[]), bench.geo.errors()), (Looked::Nothing, 1));

    fs::remove_file(&bench.path).unwrap();
    assert!(matches!(bench.look(2000, &[]), Looked::Unsettled(_)));
    assert_eq!((bench.look(2400, &[]), bench.residence()), (Looked::Refused, within("FR")));
    let hint = bench.replace(&Mmdb::countries(&[("192.0.2.0/24", "JP")]));
    assert_eq!((bench.look(3000, &[hint]), bench.residence()), (Looked::Taken, within("JP")));
    assert_eq!((bench.geo.trouble(), bench.geo.errors()), (None, 2));
}

#[test]
fn one_that_is_written_in_place_is_taken_when_it_rests() {
    let bench = Bench::new();
    let whole = Mmdb::countries(&[("192.0.2.0/24", "FR"), ("198.51.100.0/24", "US")]);
    fs::write(&bench.path, &whole[..whole.len() / 2]).unwrap();
    assert!(matches!(bench.look(0, &[]), Looked::Unsettled(_)));
    fs::write(&bench.path, &whole).unwrap();
    assert!(matches!(bench.look(290, &[]), Looked::Unsettled(_)));
    assert_eq!(bench.residence(), within("DE"));
    assert_eq!((bench.look(700, &[]), bench.residence()), (Looked::Taken, within("FR")));
}

#[test]
fn a_proxys_word_comes_first_and_what_nobody_tells_is_as_it_is_set() {
    let bench = Bench::new();
    let (here, away) = ("192.0.2.1".parse().unwrap(), "203.0.113.1".parse().unwrap());
    let told = Country::from_text("US");
    assert_eq!(bench.geo.residence(here, told), within("US"));
    assert_eq!(bench.geo.residence(away, None), Residence::Unknown(Doubt::Block));
    let kept = bench.geo.database().unwrap();
    let settings = Settings { database: Some(bench.path.clone()), unknown: Doubt::Serve, ..Settings::default() };
    assert!(bench.geo.carry_out(bench.geo.prepare(&settings).unwrap()));
    assert!(Arc::ptr_eq(&kept, &bench.geo.database().unwrap()), "it did not change");
    assert!(!bench.geo.carry_out(bench.geo.prepare(&settings).unwrap()));
    assert_eq!(bench.geo.residence(away, None), Residence::Unknown(Doubt::Serve));
    assert!(bench.geo.carry_out(bench.geo.prepare(&Settings::default()).unwrap()));
    assert_eq!(bench.geo.residence(here, None), Residence::Unknown(Doubt::Block));
    assert_eq!(bench.look(0, &[]), Looked::Nothing);
}
