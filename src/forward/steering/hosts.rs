//! The hosts that a field names.

use terms::Refusal;

/// Those of a list: every part is one.
pub(super) fn listed(line: &str) -> impl Iterator<Item = String> {
    line.split(',').map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned)
}

const NOT_FORWARDED: Refusal = Refusal::BadHead("a Forwarded field is not written as in RFC 7239 section 4");

/// Adds those that `Forwarded` says the client asked for, hop by hop (RFC 7239 section 4).
pub(super) fn of_hops(line: &str, hosts: &mut Vec<String>) -> Result<(), Refusal> {
    let mut is_quoted = false;
    let mut is_escaped = false;
    let parts = line.split(|character| {
        match character {
            _ if is_escaped => is_escaped = false,
            '\\' if is_quoted => is_escaped = true,
            '"' => is_quoted = !is_quoted,
            ',' | ';' if !is_quoted => return true,
            _ => {}
        }
        false
    });
    for part in parts.map(str::trim).filter(|part| !part.is_empty()) {
        let (name, value) = part.split_once('=').ok_or(NOT_FORWARDED)?;
        let value = unquoted(value.trim()).ok_or(NOT_FORWARDED)?;
        if name.trim().eq_ignore_ascii_case("host") {
            hosts.push(value);
        }
    }
    Ok(())
}

/// A token as it is, or what a quoted string holds (RFC 9110 section 5.6.4); `None` for what is neither.
fn unquoted(value: &str) -> Option<String> {
    let Some(rest) = value.strip_prefix('"') else { return (!value.contains('"')).then(|| value.to_owned()) };
    let mut text = String::new();
    let mut characters = rest.chars();
    loop {
        match characters.next()? {
            '"' => return characters.as_str().is_empty().then_some(text),
            '\\' => text.push(characters.next()?),
            other => text.push(other),
        }
    }
}
