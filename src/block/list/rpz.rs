//! Response policy zones, as the text of a zone (RFC 1035 section 5).
//!
//! ```text
//! $ORIGIN rpz.example.
//! @                SOA ns.example. hostmaster.example. 1 3600 600 86400 60
//! pirate.example   CNAME .             the host alone
//! *.pirate.example CNAME .             those under it
//! ```
//! Names stand below the zone's own, which is that of its SOA, or of its first `$ORIGIN`.

use super::foreign::{Reader, Taking};
use super::hosts::is_host;
use super::unread::Kind;

#[derive(Default)]
pub(super) struct Rpz {
    /// With a dot at its end, or empty where the text doesn't name it.
    origin: String,
    zone: Option<String>,
    owner: Option<String>,
    /// A record goes on over lines until its parenthesis is closed.
    is_open: bool,
}

/// What stands at the end of the names that other things than names trigger.
const OTHER_TRIGGERS: [&str; 5] = ["rpz-ip", "rpz-client-ip", "rpz-nsip", "rpz-nsdname", "rpz-client-nsdname"];

/// Answers of a resolver that let through, or refuse otherwise than by saying that there is no such name.
const PASSTHRU: &str = "rpz-passthru.";

impl Reader for Rpz {
    fn line(&mut self, line: &str, taking: &mut Taking<'_>) {
        let text = &*without_quoted(line);
        if self.is_open {
            self.is_open = !text.contains(')');
            return;
        }
        let mut words = text.split_ascii_whitespace().peekable();
        let Some(first) = words.peek() else { return };
        if first.starts_with('$') {
            return self.directive(&words.collect::<Vec<_>>(), taking);
        }
        self.is_open = text.contains('(') && !text.contains(')');
        if !text.starts_with([' ', '\t']) {
            let owner = words.next().unwrap_or_default();
            self.owner = Some(self.absolute(owner));
        }
        let Some(owner) = self.owner.clone() else { return taking.leave(Kind::Malformed) };
        let words: Vec<&str> = words.skip_while(|word| is_class_or_ttl(word)).collect();
        self.record(&owner, &words, taking);
    }
}

impl Rpz {
    fn directive(&mut self, words: &[&str], taking: &mut Taking<'_>) {
        match (words[0].to_ascii_uppercase().as_str(), words.get(1)) {
            ("$TTL", Some(_)) => {}
            ("$ORIGIN", Some(origin)) => {
                self.origin = self.absolute(origin);
                if self.zone.is_none() {
                    self.zone = Some(self.origin.clone());
                }
            }
            ("$INCLUDE" | "$GENERATE", _) => taking.leave(Kind::OtherRecord),
            _ => taking.leave(Kind::Malformed),
        }
    }

    /// A name with the origin behind it.
    fn absolute(&self, name: &str) -> String {
        let name = name.to_ascii_lowercase();
        match name.as_str() {
            "@" => self.origin.clone(),
            _ if name.ends_with('.') => name,
            _ if self.origin == "." => format!("{name}."),
            _ => format!("{name}.{}", self.origin),
        }
    }

    fn record(&mut self, owner: &str, words: &[&str], taking: &mut Taking<'_>) {
        let Some((kind, data)) = words.split_first() else { return taking.leave(Kind::Malformed) };
        match kind.to_ascii_uppercase().as_str() {
            "SOA" => {
                self.zone = Some(owner.to_owned());
            }
            "NS" if Some(owner) == self.zone.as_deref() => {}
            "CNAME" => match data {
                [target] => self.action(owner, target, taking),
                _ => taking.leave(Kind::Malformed),
            },
            "A" | "AAAA" | "TXT" | "MX" | "SRV" | "NS" | "DNAME" | "PTR" | "CAA" | "HTTPS" | "SVCB" => {
                taking.leave(Kind::OtherRecord);
            }
            _ => taking.leave(Kind::Malformed),
        }
    }

    fn action(&self, owner: &str, target: &str, taking: &mut Taking<'_>) {
        let zone = self.zone.as_deref().unwrap_or_default();
        let name = match owner.strip_suffix(zone) {
            Some(name) if zone.is_empty() => name.trim_end_matches('.'),
            Some(name) if name.ends_with('.') => name.trim_end_matches('.'),
            _ => return taking.leave(Kind::OutsideZone),
        };
        let last = name.rsplit('.').next();
        if OTHER_TRIGGERS.iter().any(|trigger| last == Some(trigger)) {
            return taking.leave(Kind::OtherTrigger);
        }
        match target {
            "." => {}
            _ if target.eq_ignore_ascii_case(PASSTHRU) => return taking.leave(Kind::Exception),
            _ => return taking.leave(Kind::OtherAction),
        }
        let host = name.strip_prefix("*.").unwrap_or(name);
        match is_host(host) {
            true => taking.block(name, Kind::NotAHost),
            false if host.contains('*') => taking.leave(Kind::Wildcard),
            false => taking.leave(Kind::NotAHost),
        }
    }
}

/// A line up to its comment, without what stands in quotes: parentheses and semicolons there are text.
fn without_quoted(line: &str) -> String {
    let (mut kept, mut is_quoted, mut is_escaped) = (String::new(), false, false);
    for c in line.chars() {
        match c {
            ';' if !is_quoted && !is_escaped => break,
            '"' if !is_escaped => is_quoted = !is_quoted,
            _ if !is_quoted => kept.push(c),
            _ => {}
        }
        is_escaped = c == '\\' && !is_escaped;
    }
    kept
}

/// `IN`, and how long a record holds: a number, perhaps with units.
fn is_class_or_ttl(word: &str) -> bool {
    let is_ttl = word.starts_with(|first: char| first.is_ascii_digit())
        && word.bytes().all(|byte| byte.is_ascii_digit() || b"smhdwSMHDW".contains(&byte));
    is_ttl || word.eq_ignore_ascii_case("IN")
}
