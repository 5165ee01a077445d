//! Judges what a site says of its spelling, and shows it.

use serde_json::{Value, json};
use terms::url::{Parameters, Spelling};

use super::choice::{self, word};
use super::errors::{Wrong, quoted};
use super::judge::Judge;
use super::rules::parameter;
use super::typed;

impl Judge<'_, '_> {
    pub(super) fn spelling(&mut self, written: typed::Spelling) -> Spelling {
        let names = self.names(written.ignore_query, ignored);
        let ignored = Parameters::read(names).unwrap_or_default();
        Spelling {
            ignore_case: written.ignore_case.is_some_and(|flag| flag.value),
            ignored,
            path_params: written.path_params.map(|chosen| chosen.value).unwrap_or_default(),
            encoded_slash: written.encoded_slash.map(|chosen| chosen.value).unwrap_or_default(),
        }
    }
}

/// Escapes in it are decoded, as those of requests are.
fn ignored(text: &str) -> Result<String, Wrong> {
    let name = parameter(text)?;
    let readable = Parameters::read(vec![name.clone()]);
    readable.map_err(|error| Wrong::new(format!("{} can't be read: {error}", quoted(text)), "write % as %25"))?;
    Ok(name)
}

pub(super) fn value(spelling: &Spelling) -> Value {
    json!({
        "ignore_case": spelling.ignore_case,
        "ignore_query": spelling.ignored.names(),
        "path_params": word(&spelling.path_params, choice::PATH_PARAMS),
        "encoded_slash": word(&spelling.encoded_slash, choice::ENCODED_SLASH),
    })
}
