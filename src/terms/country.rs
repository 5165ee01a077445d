//! Countries, and where somebody is as rules for some countries take it.

use std::fmt;
use std::sync::Arc;

/// A country or territory by its two letters (ISO 3166-1 alpha-2), and Kosovo as databases of places have it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Country([u8; 2]);

/// All that are assigned, sorted, and `XK`.
const ASSIGNED: &[u8] = b"ADAEAFAGAIALAMAOAQARASATAUAWAXAZBABBBDBEBFBGBHBIBJBLBMBNBOBQBRBSBTBVBWBYBZ\
CACCCDCFCGCHCICKCLCMCNCOCRCUCVCWCXCYCZDEDJDKDMDODZECEEEGEHERESETFIFJFKFMFOFR\
GAGBGDGEGFGGGHGIGLGMGNGPGQGRGSGTGUGWGYHKHMHNHRHTHUIDIEILIMINIOIQIRISITJEJMJOJP\
KEKGKHKIKMKNKPKRKWKYKZLALBLCLILKLRLSLTLULVLYMAMCMDMEMFMGMHMKMLMMMNMOMPMQMRMSMTMUMVMWMXMYMZ\
NANCNENFNGNINLNONPNRNUNZOMPAPEPFPGPHPKPLPMPNPRPSPTPWPYQARERORSRURW\
SASBSCSDSESGSHSISJSKSLSMSNSOSRSSSTSVSXSYSZTCTDTFTGTHTJTKTLTMTNTOTRTTTVTWTZ\
UAUGUMUSUYUZVAVCVEVGVIVNVUWFWSXKYEYTZAZMZW";

impl Country {
    /// Two letters in any case that are assigned; `XX`, which says that it isn't known, is none.
    pub fn from_text(text: &str) -> Option<Country> {
        let &[first, second] = text.as_bytes() else { return None };
        let code = [first.to_ascii_uppercase(), second.to_ascii_uppercase()];
        ASSIGNED.as_chunks().0.binary_search(&code).is_ok().then_some(Country(code))
    }

    /// Every one that there is.
    pub fn all() -> impl Iterator<Item = Country> {
        ASSIGNED.as_chunks().0.iter().map(|code| Country(*code))
    }

    /// Its letters, in upper case.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl fmt::Display for Country {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Country {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// At least one country.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Countries(Arc<str>);

impl Countries {
    /// `None` for none.
    pub fn of(all: impl IntoIterator<Item = Country>) -> Option<Countries> {
        let mut all: Vec<Country> = all.into_iter().collect();
        all.sort_unstable();
        all.dedup();
        let texts: Vec<&str> = all.iter().map(Country::as_str).collect();
        (!texts.is_empty()).then(|| Countries(texts.join(",").into()))
    }

    /// Their letters as a list by commas, sorted, each once.
    pub fn text(&self) -> &Arc<str> {
        &self.0
    }

    /// Of [`Countries::text`] as it was kept.
    pub fn from_kept(text: Arc<str>) -> Countries {
        Countries(text)
    }
}

impl fmt::Display for Countries {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What holds for somebody of whom nobody knows where they are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Doubt {
    /// What is blocked in some countries is blocked, and what is lifted in some is not lifted.
    #[default]
    Block,
    /// The other way round.
    Serve,
}

/// Where somebody is, as rules for some countries take it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Residence {
    In(Country),
    /// In none of the countries that rules name.
    Elsewhere,
    Unknown(Doubt),
}

impl Residence {
    /// Whether a rule holds here that `blocks`, or lifts a block, in some countries alone. These are as
    /// [`Countries::text`] has them.
    pub fn is_in(self, countries: &str, blocks: bool) -> bool {
        match self {
            Residence::In(country) => countries.as_bytes().chunks(3).any(|one| one.starts_with(&country.0)),
            Residence::Elsewhere => false,
            Residence::Unknown(Doubt::Block) => blocks,
            Residence::Unknown(Doubt::Serve) => !blocks,
        }
    }

    /// A country's letters, or a word.
    pub fn as_str(&self) -> &str {
        match self {
            Residence::In(country) => country.as_str(),
            Residence::Elsewhere => "elsewhere",
            Residence::Unknown(_) => "unknown",
        }
    }
}

/// Says where those are for whom something is judged; asked only where a rule holds in some countries alone.
pub type Whereabouts<'a> = &'a dyn Fn() -> Residence;

/// There is no client: for the cache, only what holds for every client counts.
pub const ANYBODY: Whereabouts<'static> = &|| Residence::Unknown(Doubt::Serve);

#[cfg(test)]
mod tests {
    use super::*;

    fn country(text: &str) -> Country {
        Country::from_text(text).unwrap()
    }

    #[test]
    fn a_country_is_two_letters_that_are_assigned() {
        let codes = ASSIGNED.as_chunks::<2>().0;
        assert_eq!(codes.len(), 249 + 1, "ISO 3166-1, and XK");
        assert!(codes.is_sorted_by(|one, other| one < other));
        for (text, code) in [("DE", Some("DE")), ("de", Some("DE")), ("Fr", Some("FR")), ("xk", Some("XK"))] {
            assert_eq!(Country::from_text(text).map(|one| one.to_string()).as_deref(), code);
        }
        for text in ["", "D", "DEU", "XX", "ZZ", "UK", "EU", "T1", "A1", "D\u{fc}", "\u{df}", " DE", "D,"] {
            assert_eq!(Country::from_text(text), None, "{text}");
        }
    }

    #[test]
    fn countries_are_a_set() {
        let some = Countries::of(["US", "DE", "FR", "DE"].map(country)).unwrap();
        assert_eq!(some.to_string(), "DE,FR,US");
        assert_eq!(Countries::of([]), None);
        for one in Country::all() {
            let is_one = ["DE", "FR", "US"].contains(&one.as_str());
            assert_eq!(Residence::In(one).is_in(some.text(), true), is_one, "{one}");
        }
    }

    #[test]
    fn who_is_nowhere_to_be_found_is_blocked_or_served() {
        for (residence, blocks, lifts) in [
            (Residence::In(country("DE")), true, true),
            (Residence::In(country("US")), false, false),
            (Residence::Elsewhere, false, false),
            (Residence::Unknown(Doubt::Block), true, false),
            (Residence::Unknown(Doubt::Serve), false, true),
            (ANYBODY(), false, true),
        ] {
            assert_eq!(residence.is_in("DE,FR", true), blocks, "{residence:?}");
            assert_eq!(residence.is_in("DE,FR", false), lifts, "{residence:?}");
        }
    }
}
