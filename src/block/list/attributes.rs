//! What stands behind a rule, `name=value` each, in whichever format it is written.

use std::sync::Arc;

use terms::ruling::Disclose;
use terms::{BlockStatus, Countries, Country, Timestamp};

use super::bad_line::{Fault, quoted};
use crate::rule::{Attributes, Subject};

pub(super) const NAMES: [&str; 10] =
    ["notice", "reason", "status", "from", "until", "query", "geo", "authority", "page", "disclose"];

/// An attribute as written: where its name and its value begin, and both.
pub(super) struct Pair<'a> {
    pub(super) start: usize,
    pub(super) name: &'a str,
    pub(super) value_start: usize,
    pub(super) value: String,
}

/// Attributes on their way: each may stand once.
#[derive(Default)]
pub(super) struct Reading<'a> {
    attributes: Attributes,
    named: Vec<&'a str>,
}

impl<'a> Reading<'a> {
    pub(super) fn add(&mut self, pair: &Pair<'a>, subject: &Subject) -> Result<(), Fault> {
        if self.named.contains(&pair.name) {
            return Err(Fault::new(pair.start, format!("{} stands twice; leave one of them out", pair.name)));
        }
        self.named.push(pair.name);
        if pair.value.is_empty() {
            let what = format!("{} has no value; leave the attribute out, or give it one", pair.name);
            return Err(Fault::new(pair.value_start, what));
        }
        set(&mut self.attributes, pair, subject)
    }

    /// `start` is where the rule begins.
    pub(super) fn finish(self, start: usize) -> Result<Attributes, Fault> {
        if let (Some(from), Some(until)) = (self.attributes.from, self.attributes.until)
            && until <= from
        {
            let what = "`until` is not later than `from`, so the rule would never hold; swap the two";
            return Err(Fault::new(start, what));
        }
        Ok(self.attributes)
    }
}

fn set(attributes: &mut Attributes, pair: &Pair<'_>, subject: &Subject) -> Result<(), Fault> {
    let wrong = |what: String| Err(Fault::new(pair.value_start, what));
    let value = pair.value.as_str();
    match pair.name {
        "notice" => attributes.notice = Some(Arc::from(value)),
        "reason" => attributes.reason = Some(Arc::from(value)),
        "status" => match BlockStatus::from_text(value) {
            Some(status) => attributes.status = status,
            None => return wrong(format!("{} is no status of a rule; write 451, 410, 404 or 403", quoted(value))),
        },
        "from" => attributes.from = Some(time(pair)?),
        "until" => attributes.until = Some(time(pair)?),
        "query" => match (value, subject) {
            ("exact", Subject::Url(_) | Subject::Prefix(_)) => attributes.exact_query = true,
            ("exact", _) => return wrong("query=exact goes with a URL, and this rule names none".into()),
            _ => return wrong(format!("{} says nothing about the query; the one value is `exact`", quoted(value))),
        },
        "geo" => attributes.geo = Some(countries(value).map_err(|what| Fault::new(pair.value_start, what))?),
        "authority" => match is_web_address(value) && !terms::url::is_reference(value) {
            true => {
                return wrong("this URL can't stand in a Link field; percent-encode what is not plain ASCII".into());
            }
            false => attributes.authority = Some(Arc::from(value)),
        },
        "page" => match is_page_name(value) {
            true => attributes.page = Some(Arc::from(value)),
            false => return wrong(format!("{} is no page; {PAGE_HELP}", quoted(value))),
        },
        "disclose" => match Disclose::from_text(value) {
            Some(disclose) => attributes.disclose = Some(disclose),
            None => return wrong(format!("{} is no choice here; write full, id or none", quoted(value))),
        },
        name => return Err(Fault::new(pair.start, unknown(name, &NAMES))),
    }
    Ok(())
}

fn is_web_address(text: &str) -> bool {
    ["https://", "http://"]
        .iter()
        .any(|scheme| text.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme)))
}

const PAGE_HELP: &str =
    "name an .html file that lies beside this list (of A-Z a-z 0-9 . _ -, not beginning with a dot)";

/// A bare name: no folder can be entered by it, and none left.
fn is_page_name(name: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    name.len() <= 100 && name.ends_with(".html") && !name.starts_with('.') && name.bytes().all(is_plain)
}

fn time(pair: &Pair<'_>) -> Result<Timestamp, Fault> {
    Timestamp::parse(&pair.value).ok_or_else(|| {
        let what = format!(
            "{} is no time; write a date such as 2027-01-31 (00:00 UTC) or RFC 3339, such as 2027-01-31T09:00:00Z",
            quoted(&pair.value)
        );
        Fault::new(pair.value_start, what)
    })
}

/// A list by commas.
fn countries(text: &str) -> Result<Countries, String> {
    let one = |code: &str| Country::from_text(code.trim()).ok_or_else(|| no_country(code.trim()));
    let all = text.split(',').map(one).collect::<Result<Vec<Country>, String>>()?;
    Countries::of(all).ok_or_else(|| no_country(text))
}

fn no_country(code: &str) -> String {
    let help = "write the two letters of ISO 3166-1, as in geo=DE,FR";
    let upper = code.to_ascii_uppercase();
    let meant = match upper.as_str() {
        "" => return format!("a country is missing here; {help}"),
        "EU" => return "EU is no country; name its members, as in geo=DE,FR".to_owned(),
        // What people and older lists write.
        "UK" => Country::from_text("GB"),
        "EL" => Country::from_text("GR"),
        _ if upper.starts_with('!') => {
            return format!("{} names where the rule would not hold; name where it does: {help}", quoted(code));
        }
        _ if upper.len() != 2 => return format!("{} is no country; {help}", quoted(code)),
        _ => Country::all().min_by_key(|known| {
            let known = known.as_str();
            (strsim::damerau_levenshtein(&upper, known), !known.starts_with(&upper[..1]))
        }),
    };
    match meant {
        Some(meant) => format!("there is no country {}; did you mean {meant}? ({help})", quoted(code)),
        None => format!("there is no country {}; {help}", quoted(code)),
    }
}

/// What to say of a name that can't be served where there are `names`.
pub(super) fn unknown(name: &str, names: &[&str]) -> String {
    let lower = name.to_lowercase();
    let nearest = names.iter().map(|known| (strsim::damerau_levenshtein(&lower, known), known)).min();
    let all = names.join(", ");
    match nearest {
        Some((distance, known)) if distance <= known.len() / 2 => {
            format!("there is no attribute {}; did you mean {known}? ({all})", quoted(name))
        }
        _ => format!("there is no attribute {}; there are {all}", quoted(name)),
    }
}
