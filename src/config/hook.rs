//! Hooks: what they may hear of, and how they are called.

use std::collections::HashSet;
use std::path::Path;

use super::errors::{Wrong, nearest, quoted};
use super::judge::Judge;
use super::reader::At;
use super::typed;

/// The kinds of events that a hook may hear of. `filled` is none: it comes with each fetch, and is
/// read from the log.
pub const EVENTS: [&str; 6] = ["block-added", "block-lifted", "list-applied", "list-refused", "purged", "reloaded"];

/// Events of which there may be one an answer, or that tell of the log itself.
const IN_THE_LOG_ALONE: [&str; 7] = ["filled", "cut", "shed", "started", "stopped", "recovered", "clock-stepped"];

const MAX_NAME: usize = 64;

pub(super) fn all(written: Option<At<Vec<typed::Hook>>>, judge: &mut Judge<'_, '_>) -> Vec<hooks::Hook> {
    let mut names = HashSet::new();
    let mut all = Vec::new();
    for hook in written.map(|hooks| hooks.value).unwrap_or_default() {
        let on = hook.on.map(|on| events(on, judge)).unwrap_or_default();
        let exec = hook.exec.map(|exec| program(exec, judge)).unwrap_or_default();
        let name = match hook.name {
            Some(name) => {
                if names.contains(&name.value) {
                    let what = format!("a hook has the name {} already", quoted(&name.value));
                    judge.faults.add(&name.at, Wrong::new(what, "give each hook a name of its own"));
                }
                judge.checked(name, hook_name).unwrap_or_default()
            }
            None => name_of(&exec, &names),
        };
        names.insert(name.clone());
        all.push(hooks::Hook { name, on, exec });
    }
    all
}

fn events(on: At<Vec<At<String>>>, judge: &mut Judge<'_, '_>) -> Vec<String> {
    if on.value.is_empty() {
        judge.faults.add(&on.at, Wrong::new("this hook hears of nothing", "write on = [\"block-added\"]"));
    }
    on.value.into_iter().filter_map(|event| judge.checked(event, event_kind)).collect()
}

fn event_kind(text: &str) -> Result<String, Wrong> {
    if EVENTS.contains(&text) {
        return Ok(text.to_owned());
    }
    if text.starts_with("notice-") {
        return Err(Wrong::later(&quoted(text), "remove it"));
    }
    let help = match nearest(text, EVENTS) {
        _ if IN_THE_LOG_ALONE.contains(&text) => format!("read {} from the log", quoted(text)),
        Some(near) => format!("did you mean \"{near}\"?"),
        None => format!("a hook may hear of {}", EVENTS.join(", ")),
    };
    Err(Wrong::new(format!("{} is not an event that a hook hears of", quoted(text)), help))
}

/// The program is looked up in `PATH`, or, where its name holds a `/`, from the config's folder.
fn program(exec: At<Vec<At<String>>>, judge: &mut Judge<'_, '_>) -> Vec<String> {
    let missing = exec.value.first().is_none_or(|program| program.value.is_empty());
    if missing || exec.value.iter().any(|word| word.value.contains('\0')) {
        let help = "write the program and its arguments, such as [\"/usr/local/bin/told\", \"--quiet\"]";
        judge.faults.add(&exec.at, Wrong::new("this hook names no program that can be run", help));
    }
    let mut words: Vec<String> = exec.value.into_iter().map(|word| word.value).collect();
    if let Some(program) = words.first_mut().filter(|program| program.contains('/')) {
        *program = judge.beside(program).to_string_lossy().into_owned();
    }
    words
}

/// Names a folder under `state/hooks`, in which `dead` is taken.
fn hook_name(text: &str) -> Result<String, Wrong> {
    let fits = (1..=MAX_NAME).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
        && !text.starts_with('.')
        && text != "dead";
    if fits {
        return Ok(text.to_owned());
    }
    let what = format!("{} can't be the name of a hook", quoted(text));
    Err(Wrong::new(what, format!("write up to {MAX_NAME} letters, digits, `-`, `_` or `.`, but not \"dead\"")))
}

/// The name of a hook that was given none: the program's, and a digest of it with its arguments.
fn name_of(exec: &[String], taken: &HashSet<String>) -> String {
    let program = exec.first().and_then(|program| Path::new(program).file_name()).unwrap_or_default();
    let stem: String =
        program.to_string_lossy().chars().filter(|c| c.is_ascii_alphanumeric() || "_-".contains(*c)).take(32).collect();
    let digest = terms::Digest::of(exec.join("\0").as_bytes()).hex().to_string();
    let name = format!("{stem}-{}", &digest[..8]);
    let mut free = name.clone();
    let mut number = 1;
    while taken.contains(&free) {
        number += 1;
        free = format!("{name}-{number}");
    }
    free
}
