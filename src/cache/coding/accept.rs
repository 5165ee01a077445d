//! Which coding a client is best answered in (RFC 9110 section 12.5.3).

use http::header::{ACCEPT_ENCODING, HeaderMap};

use super::Coding;
use crate::policy::vary::{Weighted, list};

/// What a request says of codings, in thousandths; of a coding that is named twice, the lesser weight.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Accepted {
    codings: [Option<u16>; Coding::ALL.len()],
    identity: Option<u16>,
    /// `*`: of what is not named.
    others: Option<u16>,
}

impl Accepted {
    /// What can't be read, or names a coding that is not made here, says nothing.
    pub fn read(asked: &HeaderMap) -> Accepted {
        let mut accepted = Accepted::default();
        for member in asked.get_all(ACCEPT_ENCODING).iter().flat_map(|line| list(line.as_bytes())) {
            let Weighted { text, weight } = Weighted::read(member);
            let place = match text.as_slice() {
                b"zstd" => accepted.place(Coding::Zstd),
                b"br" => accepted.place(Coding::Br),
                // Section 8.4.1.3.
                b"gzip" | b"x-gzip" => accepted.place(Coding::Gzip),
                b"identity" => &mut accepted.identity,
                b"*" => &mut accepted.others,
                _ => continue,
            };
            *place = Some(place.map_or(weight, |before| before.min(weight)));
        }
        accepted
    }

    fn place(&mut self, coding: Coding) -> &mut Option<u16> {
        &mut self.codings[coding as usize]
    }

    fn weight(&self, coding: Coding) -> u16 {
        self.codings[coding as usize].or(self.others).unwrap_or(0)
    }

    /// "by default unless specifically excluded": where nothing is said of it, it comes behind whatever is accepted.
    fn identity(&self) -> u16 {
        self.identity.or(self.others).unwrap_or(0)
    }

    pub fn refuses_identity(&self) -> bool {
        self.identity.or(self.others) == Some(0)
    }

    /// Of those offered, the one with the most weight, the first of several; `None` where the client would rather
    /// have it as it is, or takes none of them.
    pub fn best(&self, offered: &[Coding]) -> Option<Coding> {
        let mut best: Option<Coding> = None;
        for &coding in offered {
            if best.is_none_or(|best| self.weight(coding) > self.weight(best)) {
                best = Some(coding);
            }
        }
        best.filter(|&best| self.weight(best) > 0 && self.weight(best) >= self.identity())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::testing::fields;

    fn read(lines: &[&str]) -> Accepted {
        let lines: Vec<(&'static str, &str)> = lines.iter().map(|line| ("accept-encoding", *line)).collect();
        Accepted::read(&fields(&lines))
    }

    #[test]
    fn the_best_is_by_weight_and_then_by_the_sites_order() {
        use Coding::{Br, Gzip, Zstd};
        for (section, lines, expected) in [
            ("12.5.3: no field: any; but who says nothing may know none", &[][..], None),
            ("12.5.3: an empty field wants no coding", &[""], None),
            ("12.5.3: compress, gzip", &["compress, gzip"], Some(Gzip)),
            ("12.5.3: *", &["*"], Some(Zstd)),
            ("12.5.3: compress;q=0.5, gzip;q=1.0", &["compress;q=0.5, gzip;q=1.0"], Some(Gzip)),
            ("12.5.3: gzip;q=1.0, identity;q=0.5, *;q=0", &["gzip;q=1.0, identity; q=0.5, *;q=0"], Some(Gzip)),
            ("12.4.2: the order of members says nothing", &["gzip, br, zstd"], Some(Zstd)),
            ("12.4.2: weights do", &["gzip, br;q=0.9, zstd;q=0.8"], Some(Gzip)),
            ("12.4.2: 0 is not acceptable", &["gzip;q=0"], None),
            ("12.4.2: 0.000 neither", &["gzip;q=0.000, br;q=0.001"], Some(Br)),
            ("12.4.3: * is what is not named", &["*;q=0.5, zstd;q=0"], Some(Br)),
            ("12.4.3: and excludes it", &["br, *;q=0"], Some(Br)),
            ("12.5.3: identity is preferred", &["gzip;q=0.5, identity"], None),
            ("12.5.3: identity is as good", &["gzip, identity"], Some(Gzip)),
            ("12.5.3: identity is refused", &["identity;q=0, gzip;q=0.1"], Some(Gzip)),
            ("12.5.3: all is refused", &["identity;q=0"], None),
            ("5.2: lines are one list", &["deflate", "br;q=0.2", "gzip;q=0.1"], Some(Br)),
            ("8.4.1: letter case", &["GZip"], Some(Gzip)),
            ("8.4.1.3: x-gzip", &["x-gzip"], Some(Gzip)),
            ("5.6.1: empty members", &[",, ,gzip ,"], Some(Gzip)),
            ("12.4.2: no weight that can be read", &["gzip;q=2, br;q=x, zstd;level=3"], None),
            ("a coding that is refused once is refused", &["gzip, gzip;q=0"], None),
        ] {
            assert_eq!(read(lines).best(&[Zstd, Br, Gzip]), expected, "{section}");
        }
        assert_eq!(read(&["br, gzip, zstd"]).best(&[Gzip, Zstd]), Some(Gzip), "the site's order");
        assert_eq!(read(&["br"]).best(&[Gzip, Zstd]), None, "not offered");
        assert_eq!(read(&["gzip;q=0.5, *"]).best(&[Gzip]), None, "identity is among the rest");
        assert_eq!(read(&["*"]).best(&[]), None);
    }

    #[test]
    fn identity_is_refused_by_name_or_by_the_star_alone() {
        for (line, refused) in [
            ("identity;q=0", true),
            ("*;q=0", true),
            ("*;q=0, identity;q=0.1", false),
            ("*, identity;q=0", true),
            ("gzip", false),
            ("", false),
        ] {
            assert_eq!(read(&[line]).refuses_identity(), refused, "{line}");
        }
    }

    fn member() -> impl Strategy<Value = (&'static str, u16)> {
        (prop::sample::select(vec!["zstd", "br", "gzip", "identity", "*", "deflate", "x"]), 0..=1000_u16)
    }

    proptest! {
        #[test]
        fn whatever_is_sent_is_read(line in "[ -~]{0,200}") {
            let accepted = read(&[&line]);
            let best = accepted.best(&Coding::ALL);
            prop_assert!(best.is_none_or(|best| line.contains('*') || line.to_ascii_lowercase().contains(best.as_str())));
        }

        #[test]
        fn nothing_is_chosen_that_is_refused_nor_what_something_else_outweighs(members in prop::collection::vec(member(), 0..8)) {
            let line: Vec<String> = members.iter().map(|(name, weight)| format!("{name};q={}", f64::from(*weight) / 1000.0)).collect();
            let best = read(&[&line.join(", ")]).best(&Coding::ALL);
            // Said once more, from the members themselves.
            let said = |name: &str| members.iter().filter(|(one, _)| *one == name).map(|(_, weight)| *weight).min();
            let weight = |name: &str| said(name).or(said("*")).unwrap_or(0);
            match best {
                Some(best) => {
                    prop_assert!(weight(best.as_str()) > 0);
                    prop_assert!(weight(best.as_str()) >= weight("identity"));
                    prop_assert!(Coding::ALL.iter().all(|other| weight(other.as_str()) <= weight(best.as_str())));
                }
                None => {
                    let loses = |name| weight(name) == 0 || weight(name) < weight("identity");
                    prop_assert!(Coding::ALL.iter().all(|coding| loses(coding.as_str())));
                }
            }
        }

        #[test]
        fn order_of_members_makes_no_difference(mut members in prop::collection::vec(member(), 0..8)) {
            let line = |members: &[(&str, u16)]| {
                let all: Vec<String> = members.iter().map(|(name, weight)| format!("{name};q={}", f64::from(*weight) / 1000.0)).collect();
                read(&[&all.join(",")])
            };
            let one = line(&members);
            members.reverse();
            prop_assert_eq!(one, line(&members));
        }
    }
}
