//! Databases of places in MaxMind's format (<https://maxmind.github.io/MaxMind-DB/>), as small as a test needs them.

use std::net::IpAddr;

/// A database on its way.
pub struct Mmdb {
    kind: &'static str,
    built: u64,
    nodes: Vec<[Record; 2]>,
    data: Vec<u8>,
}

#[derive(Clone, Copy)]
enum Record {
    Empty,
    Node(usize),
    /// An offset in the data section.
    Data(usize),
}

/// What a record holds that is of use to nobody here stands before the country.
pub enum Shape {
    Country,
    City,
    /// The network is registered there, and its clients may be anywhere.
    Registered,
}

impl Mmdb {
    pub fn new(kind: &'static str, built: u64) -> Mmdb {
        Mmdb { kind, built, nodes: vec![[Record::Empty; 2]], data: Vec::new() }
    }

    /// Of countries, each with its network.
    pub fn countries(all: &[(&str, &str)]) -> Vec<u8> {
        let database = Mmdb::new("GeoLite2-Country", 1_790_000_000);
        all.iter().fold(database, |database, (network, code)| database.with(network, Shape::Country, code)).bytes()
    }

    /// Wider networks come before those that lie in them.
    pub fn with(mut self, network: &str, shape: Shape, code: &str) -> Mmdb {
        let (address, prefix) = network.split_once('/').expect("a network");
        let prefix: usize = prefix.parse().expect("the length of a prefix");
        // IPv4 lies at the very beginning of IPv6.
        let (bits, prefix) = match address.parse().expect("an address") {
            IpAddr::V4(address) => (u128::from(address.to_bits()), prefix + 96),
            IpAddr::V6(address) => (address.to_bits(), prefix),
        };
        let place = Record::Data(self.data.len());
        let country = || vec![("iso_code", text(code)), ("names", map(&[("en", text("A country"))]))];
        let record = match shape {
            Shape::Country => map(&[("continent", map(&[("code", text("EU"))])), ("country", map(&country()))]),
            Shape::City => map(&[
                (
                    "city",
                    map(&[
                        ("geoname_id", unsigned(6, 2_950_159)),
                        ("names", map(&[("en", text("A city of a rather long name"))])),
                    ]),
                ),
                ("country", map(&country())),
                ("registered_country", map(&[("iso_code", text("ZA"))])),
                ("subdivisions", list(&[map(&[("iso_code", text("BE"))])])),
            ]),
            Shape::Registered => map(&[("registered_country", map(&country()))]),
        };
        self.data.extend(record);
        let mut at = 0;
        for depth in 0..prefix {
            let bit = (bits >> (127 - depth) & 1) as usize;
            if depth + 1 == prefix {
                self.nodes[at][bit] = place;
                break;
            }
            at = match self.nodes[at][bit] {
                Record::Node(next) => next,
                above => {
                    self.nodes.push([above; 2]);
                    let next = self.nodes.len() - 1;
                    self.nodes[at][bit] = Record::Node(next);
                    next
                }
            };
        }
        self
    }

    pub fn bytes(&self) -> Vec<u8> {
        const SEPARATOR: usize = 16;
        let nodes = self.nodes.len();
        let number = |record: &Record| match record {
            Record::Empty => nodes,
            Record::Node(at) => *at,
            Record::Data(offset) => nodes + SEPARATOR + offset,
        };
        let mut bytes = Vec::new();
        for record in self.nodes.iter().flatten() {
            bytes.extend_from_slice(&(number(record) as u32).to_be_bytes()[1..]);
        }
        bytes.extend([0; SEPARATOR]);
        bytes.extend(&self.data);
        bytes.extend(b"\xab\xcd\xefMaxMind.com");
        bytes.extend(map(&[
            ("binary_format_major_version", unsigned(5, 2)),
            ("binary_format_minor_version", unsigned(5, 0)),
            ("build_epoch", unsigned(9, self.built)),
            ("database_type", text(self.kind)),
            ("description", map(&[("en", text("of a test"))])),
            ("ip_version", unsigned(5, 6)),
            ("languages", list(&[text("en")])),
            ("node_count", unsigned(6, nodes as u64)),
            ("record_size", unsigned(5, 24)),
        ]));
        bytes
    }
}

/// The control bytes of a field, of types up to 7 and of those that were added.
fn control(kind: u8, size: usize) -> Vec<u8> {
    assert!(size < 29 + 256, "of what is this long tests have no need");
    let (short, rest) = if size < 29 { (size as u8, None) } else { (29, Some((size - 29) as u8)) };
    let mut bytes = if kind <= 7 { vec![kind << 5 | short] } else { vec![short, kind - 7] };
    bytes.extend(rest);
    bytes
}

fn text(value: &str) -> Vec<u8> {
    [control(2, value.len()), value.as_bytes().to_vec()].concat()
}

fn unsigned(kind: u8, value: u64) -> Vec<u8> {
    let digits: Vec<u8> = value.to_be_bytes().into_iter().skip_while(|byte| *byte == 0).collect();
    [control(kind, digits.len()), digits].concat()
}

fn map(pairs: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let each = pairs.iter().flat_map(|(key, value)| [text(key), value.clone()].concat());
    control(7, pairs.len()).into_iter().chain(each).collect()
}

fn list(values: &[Vec<u8>]) -> Vec<u8> {
    control(11, values.len()).into_iter().chain(values.iter().flatten().copied()).collect()
}
