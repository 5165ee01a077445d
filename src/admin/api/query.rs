//! What a request says behind its path's `?`.

use terms::nearest;

use super::super::problem::Problem;
use super::PAGE;

/// Refuses what is not one of `known`, and what is said twice: a wish that is misspelled, were it ignored, would have
/// something else done.
pub(super) fn takes(query: Option<&str>, known: &[&str]) -> Result<(), Problem> {
    let mut said: Vec<String> = Vec::new();
    for (name, _) in form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
        if !known.contains(&&*name) {
            return Err(Problem::bad_request(unknown(&name, known)));
        }
        if said.iter().any(|before| *before == name) {
            return Err(Problem::bad_request(format!("{name} is said twice")));
        }
        said.push(name.into_owned());
    }
    Ok(())
}

fn unknown(name: &str, known: &[&str]) -> String {
    let short: String = name.chars().take(40).collect();
    let near = nearest(name, known.iter().copied());
    let meant = near.map(|known| format!("; did you mean {known}?")).unwrap_or_default();
    match known.is_empty() {
        true => format!("{short:?} is unknown: this takes no parameters behind a \"?\""),
        false => format!("{short:?} is no parameter of this, which takes {}{meant}", known.join(", ")),
    }
}

/// The value of a parameter, decoded; an empty one says nothing.
pub(super) fn parameter(query: Option<&str>, name: &str) -> Option<String> {
    form_urlencoded::parse(query?.as_bytes())
        .find(|(key, _)| key == name)
        .map(|(_, value)| value.into_owned())
        .filter(|value| !value.is_empty())
}

/// How many rows are asked for, where a page holds so many at most.
pub(super) fn limit(query: Option<&str>, most: usize) -> Result<usize, Problem> {
    match parameter(query, "limit") {
        None => Ok(PAGE),
        Some(text) => limit_of(text.parse().map_err(|_| out_of_bounds(most))?, most),
    }
}

/// Who asks for more than a page holds would take what comes for all there is.
pub(super) fn limit_of(limit: usize, most: usize) -> Result<usize, Problem> {
    (1..=most).contains(&limit).then_some(limit).ok_or_else(|| out_of_bounds(most))
}

fn out_of_bounds(most: usize) -> Problem {
    Problem::bad_request(format!("limit is a number from 1 to {most}; ask for what is left with after"))
}
