//! Reading all lists as they are, for `seawall check`.

use std::collections::BTreeMap;
use std::path::Path;

use super::Rank;
use super::compile::{Compiled, compile};
use super::error::{Problem, SourceError};
use super::shown::{Shown, read};
use super::survey::{Survey, survey_listed};
use crate::list::Foreign;
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
                errors.push(SourceError::new(path, Problem::Missing));
                continue;
            }
            Survey::Unreadable(error) => {
                errors.push(error);
                continue;
            }
        };
        for file in files {
            let share = tables.values().map(|one| one.table.share()).sum();
            match compile_file(&file, foreign_of(lists, &file), Allowed { share, geo }) {
                Ok(compiled) => drop(tables.insert(Rank::of(&file), compiled)),
                Err(bad) => errors.extend(bad),
            }
        }
    }
    if errors.is_empty() { Ok(tables.into_values().collect()) } else { Err(errors) }
}

/// How a file is read that is named itself, as one in a format of others has to be.
fn foreign_of<'l>(lists: &'l [Listed], file: &Path) -> Option<&'l Foreign> {
    lists.iter().find(|listed| listed.path == file)?.foreign.as_deref()
}

fn compile_file(file: &Path, foreign: Option<&Foreign>, allowed: Allowed) -> Result<Compiled, Vec<SourceError>> {
    match read(file) {
        Shown::Content(content) => compile(file, foreign, &content.bytes, content.hash, allowed),
        Shown::Absent => Err(vec![SourceError::new(file, Problem::Missing)]),
        Shown::Unreadable(error) => Err(vec![error]),
    }
}
