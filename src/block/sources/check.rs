//! Reading all lists as they are, for `seawall check`.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use super::Rank;
use super::compile::compile;
use super::error::{Problem, SourceError};
use super::shown::{Shown, read};
use super::survey::{Survey, survey};
use crate::index::Table;
use crate::pattern::Share;
use crate::settings::Settings;

/// Reads every list that the settings name, in the order in which they decide. The state folder is
/// not looked at: a bad list is an error even if its last good version would do for a start.
pub fn check(settings: &Settings) -> Result<Vec<Arc<Table>>, Vec<SourceError>> {
    let (mut tables, mut errors) = (BTreeMap::<Rank, Arc<Table>>::new(), Vec::new());
    for path in &settings.lists {
        let files = match survey(path) {
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
            let share = tables.values().map(|table| table.share()).sum();
            match compile_file(&file, share) {
                Ok(table) => drop(tables.insert(Rank::of(&file), table)),
                Err(bad) => errors.extend(bad),
            }
        }
    }
    if errors.is_empty() { Ok(tables.into_values().collect()) } else { Err(errors) }
}

fn compile_file(file: &Path, share: Share) -> Result<Arc<Table>, Vec<SourceError>> {
    match read(file) {
        Shown::Content(content) => compile(file, &content.bytes, content.hash, share),
        Shown::Absent => Err(vec![SourceError::new(file, Problem::Missing)]),
        Shown::Unreadable(error) => Err(vec![error]),
    }
}
