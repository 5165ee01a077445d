//! A database of places in MaxMind's format, such as GeoLite2-Country and -City: read into memory and judged whole
//! before it is asked.
//!
//! It is not mapped: a file that is truncated under a mapping would take the process with it.

use std::fs::{self, File};
use std::io::{self, Read};
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use disk::Face;
use maxminddb::{MaxMindDbError, PathElement, Reader, WithinOptions};
use terms::{Country, Timestamp};

/// Bytes of a database: ten times what the largest of countries and cities take.
const MAX_FILE: u64 = 1 << 30;

/// Networks that are looked at for one with a country. All that are about countries have one among the first.
const LOOKED_AT: usize = 10_000;

/// Where a record names a country, the first that does counts: where the client is, or else where its network is
/// registered, which databases leave alone for satellites and the like.
const COUNTRY: [[PathElement<'static>; 2]; 2] = [
    [PathElement::Key("country"), PathElement::Key("iso_code")],
    [PathElement::Key("registered_country"), PathElement::Key("iso_code")],
];

/// A database that can be asked.
pub struct Database {
    reader: Reader<Vec<u8>>,
    path: PathBuf,
    built: Timestamp,
    /// As the file stood when it was read.
    face: Option<Face>,
}

#[derive(Debug, thiserror::Error)]
#[error("the database of places {} {}", .path.display(), .what)]
pub struct DatabaseError {
    path: PathBuf,
    what: What,
}

#[derive(Debug, thiserror::Error)]
enum What {
    #[error("can't be read: {0}")]
    Io(#[from] io::Error),
    #[error("is no file")]
    Odd,
    #[error("holds more than {} MiB", MAX_FILE >> 20)]
    TooLarge,
    #[error("is being written")]
    Unsteady,
    #[error("is no database in MaxMind's format (.mmdb), or damaged: {0}")]
    Damaged(#[from] MaxMindDbError),
    #[error("is of the type {0}, which names no countries; name one such as GeoLite2-Country.mmdb")]
    NoCountries(String),
}

impl Database {
    /// Reads and judges all of it. Takes as long as that takes: seconds for the largest.
    pub fn open(path: &Path) -> Result<Database, DatabaseError> {
        Database::read(path).map_err(|what| DatabaseError { path: path.to_owned(), what })
    }

    fn read(path: &Path) -> Result<Database, What> {
        let face = Face::of(path);
        let facts = fs::metadata(path)?;
        // Opening a pipe would wait for whoever writes to it.
        if !facts.is_file() {
            return Err(What::Odd);
        }
        if facts.len() > MAX_FILE {
            return Err(What::TooLarge);
        }
        let mut bytes = Vec::new();
        File::open(path)?.take(MAX_FILE).read_to_end(&mut bytes)?;
        if Face::of(path) != face {
            return Err(What::Unsteady);
        }
        let reader = Reader::from_source(bytes)?;
        reader.verify()?;
        let built = i64::try_from(reader.metadata().build_epoch).unwrap_or(i64::MAX / 1_000_000);
        let built = Timestamp::from_secs(built.min(i64::MAX / 1_000_000));
        let database = Database { reader, path: path.to_owned(), built, face };
        match database.names_countries()? {
            true => Ok(database),
            false => Err(What::NoCountries(database.kind().to_owned())),
        }
    }

    fn names_countries(&self) -> Result<bool, MaxMindDbError> {
        for network in self.reader.networks(WithinOptions::default())?.take(LOOKED_AT) {
            if COUNTRY.iter().any(
                |path| matches!(network, Ok(ref one) if one.decode_path::<&str>(path).is_ok_and(|code| code.is_some())),
            ) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Where an address is; `None` where it says nothing, or what no country is.
    pub fn country(&self, address: IpAddr) -> Option<Country> {
        let found = self.reader.lookup(address.to_canonical()).ok()?;
        let code = COUNTRY.iter().find_map(|path| found.decode_path::<&str>(path).ok().flatten());
        code.and_then(Country::from_text)
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What it says it is, such as `GeoLite2-Country`.
    pub fn kind(&self) -> &str {
        &self.reader.metadata().database_type
    }

    pub fn built(&self) -> Timestamp {
        self.built
    }

    pub(super) fn face(&self) -> Option<Face> {
        self.face
    }
}
