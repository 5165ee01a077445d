//! Reading all lists as they are, for `seawall check`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::Rank;
use super::compile::{Compiled, compile};
use super::error::SourceError;
use super::shown::{Shown, read};
use super::survey::{Survey, survey_listed};
use crate::settings::{Allowed, Listed};

/// Reads the lists that are asked for, in the order in which they decide. The state folder is
/// not looked at: a bad list is an error even if its last good version would do for a start. `geo` as in [`Allowed`].
pub fn check(
    lists: &[Listed],
    geo: bool,
    is_asked_for: impl Fn(&Listed) -> bool,
) -> Result<Vec<Compiled>, Vec<SourceError>> {
    let (mut tables, mut errors) = (BTreeMap::<Rank, Compiled>::new(), Vec::new());
    for listed in lists.iter().filter(|listed| is_asked_for(listed)) {
        let path = &listed.path;
        let files = match survey_listed(listed) {
            Survey::File => vec![path.clone()],
            Survey::Folder(files, odd) => {
                errors.extend(odd);
                files
            }
            Survey::Absent => {
                errors.push(listed.missing());
                continue;
            }
            Survey::Unreadable(error) => {
                errors.push(error);
                continue;
            }
        };
        for file in files {
            let share = tables.values().map(|one| one.table.share()).sum();
            match compile_file(&listed_of(lists, file.clone()), Allowed { share, geo }) {
                Ok(compiled) => drop(tables.insert(Rank::of(&file), compiled)),
                Err(bad) => errors.extend(bad),
            }
        }
    }
    if errors.is_empty() { Ok(tables.into_values().collect()) } else { Err(errors) }
}

/// What is said of a file that is named itself, as one in a format of others has to be.
fn listed_of(lists: &[Listed], file: PathBuf) -> Listed {
    lists.iter().find(|listed| listed.path == file).cloned().unwrap_or_else(|| file.into())
}

fn compile_file(listed: &Listed, allowed: Allowed) -> Result<Compiled, Vec<SourceError>> {
    match read(listed) {
        Shown::Content(content) => compile(listed, &content.body, content.hash, allowed),
        Shown::Absent => Err(vec![listed.missing()]),
        Shown::Unreadable(error) => Err(vec![error]),
    }
}
