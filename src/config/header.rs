//! Judges what a site changes in the fields of messages.

use http::{HeaderName, HeaderValue};

use super::choice::Towards;
use super::errors::{Wrong, quoted};
use super::judge::Judge;
use super::reader::At;
use super::site::NEVER_PASSED;
use super::typed;
use crate::sites::FieldRule;

/// Fields that say what the content is, how much of it there is, and by what way it came: whoever reads
/// the evidence, and every cache behind this one, has to find them as they are.
const NEVER_TO_CLIENTS: [&str; 9] = [
    "age",
    "cache-status",
    "content-digest",
    "content-encoding",
    "content-range",
    "date",
    "proxy-authenticate",
    "repr-digest",
    "accept-ranges",
];

/// What is asked for: the cache decides it, and must know what the answer is an answer to.
const NEVER_TO_ORIGINS: [&str; 8] = [
    "content-encoding",
    "content-range",
    "if-match",
    "if-modified-since",
    "if-none-match",
    "if-range",
    "if-unmodified-since",
    "range",
];

/// Never a value in a config.
const SECRET: [&str; 3] = ["authorization", "cookie", "proxy-authorization"];

const FIELD_HELP: &str = "write remove = [\"Server\"], set = [\"X-Frame-Options: DENY\"] or add = [\"Link: </a>\"]";

impl Judge<'_, '_> {
    /// The rules towards clients, and those towards origins, in the order in which they apply.
    pub(super) fn headers(&mut self, written: Option<At<Vec<typed::Header>>>) -> (Vec<FieldRule>, Vec<FieldRule>) {
        let (mut to_client, mut to_origin) = (Vec::new(), Vec::new());
        for header in written.map(|written| written.value).unwrap_or_default() {
            if header.set.is_none() && header.add.is_none() && header.remove.is_none() {
                self.faults.add(&header.at, Wrong::new("this [[site.header]] changes nothing", FIELD_HELP));
            }
            let Some(to) = header.to.as_ref().map(|to| to.value) else { continue };
            let rules = self.rules(header, to);
            match to {
                Towards::Client => to_client.extend(rules),
                Towards::Origin => to_origin.extend(rules),
            }
        }
        (to_client, to_origin)
    }

    /// What is removed goes first, then what is set, then what is added: so that one table can do all three
    /// to a field.
    fn rules(&mut self, header: typed::Header, towards: Towards) -> Vec<FieldRule> {
        let mut rules = Vec::new();
        for name in header.remove.map(|names| names.value).unwrap_or_default() {
            rules.extend(self.name(&name, towards).map(FieldRule::Remove));
        }
        for (lines, rule) in [(header.set, FieldRule::Set as fn(_, _) -> _), (header.add, FieldRule::Add)] {
            for line in lines.map(|lines| lines.value).unwrap_or_default() {
                rules.extend(self.field(&line, towards).map(|(name, value)| rule(name, value)));
            }
        }
        rules
    }

    /// Reads `Name: value`.
    fn field(&mut self, line: &At<String>, towards: Towards) -> Option<(HeaderName, HeaderValue)> {
        let Some((name, value)) = line.value.split_once(':') else {
            let what = format!("{} has no `:`", quoted(&line.value));
            self.faults.add(&line.at, Wrong::new(what, FIELD_HELP));
            return None;
        };
        let part = |text: &str| At { value: text.trim().to_owned(), at: line.at.clone() };
        let name = self.name(&part(name), towards)?;
        if SECRET.contains(&name.as_str()) {
            let what = format!("`{name}` holds a secret, and a config is no place for one");
            let help = "let the origin know this edge by its address or its network";
            self.faults.add(&line.at, Wrong::new(what, help));
            return None;
        }
        Some((name, self.checked(part(value), field_value)?))
    }

    fn name(&mut self, text: &At<String>, towards: Towards) -> Option<HeaderName> {
        let name = self.checked(text.clone(), field_name)?;
        let never = match towards {
            Towards::Client => &NEVER_TO_CLIENTS[..],
            Towards::Origin => &NEVER_TO_ORIGINS[..],
        };
        let help = match (towards, name.as_str()) {
            (Towards::Origin, "host") => "set `host_header` in the site",
            _ => "remove it",
        };
        if NEVER_PASSED.contains(&name.as_str()) || never.contains(&name.as_str()) {
            self.faults.add(&text.at, untouchable(&name, help));
            return None;
        }
        Some(name)
    }
}

fn untouchable(name: &HeaderName, help: &str) -> Wrong {
    let what = format!("`{name}` belongs to one connection, frames the message, or is evidence: no rule may touch it");
    Wrong::new(what, help)
}

pub(super) fn field_name(text: &str) -> Result<HeaderName, Wrong> {
    HeaderName::from_bytes(text.as_bytes()).map_err(|_| {
        Wrong::new(format!("{} is not the name of a field", quoted(text)), "write one such as \"X-Forwarded-For\"")
    })
}

/// Visible ASCII with blanks within: what every recipient reads in the same way.
fn field_value(text: &str) -> Result<HeaderValue, Wrong> {
    let fits = text.bytes().all(|byte| (b' '..=b'~').contains(&byte)) && text.trim() == text;
    fits.then(|| HeaderValue::from_str(text).ok()).flatten().ok_or_else(|| {
        let what = format!("{} can't be the value of a field", quoted(text));
        Wrong::new(what, "write printable ASCII, without blanks at its ends")
    })
}
