//! Hooks: what they may hear of, and how they are called.

use std::collections::HashSet;
use std::fmt::Display;
use std::path::{Path, PathBuf};

use hooks::{Call, Secrets, Webhook};
use net::{BadTarget, Target, Trust};
use terms::nearest;

use super::errors::{Wrong, quoted};
use super::hidden;
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
        let (name, on) = (hook.name.clone(), hook.on.clone());
        let on = on.map(|on| events(on, judge)).unwrap_or_default();
        let call = call(hook, judge);
        let name = match name {
            Some(name) => {
                if names.contains(&name.value) {
                    let what = format!("a hook has the name {} already", quoted(&name.value));
                    judge.faults.add(&name.at, Wrong::new(what, "give each hook a name of its own"));
                }
                judge.checked(name, hook_name).unwrap_or_default()
            }
            None => call.as_ref().map(|call| name_of(call, &names)).unwrap_or_default(),
        };
        names.insert(name.clone());
        all.extend(call.map(|call| hooks::Hook { name, on, call }));
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

/// Exactly one of a program and a server.
fn call(hook: typed::Hook, judge: &mut Judge<'_, '_>) -> Option<Call> {
    let server_only = [("secret_file", &hook.secret_file), ("ca_file", &hook.ca_file)];
    match (hook.exec, hook.url) {
        (None, None) => {
            let help = "write exec = [\"/usr/local/bin/told\"], or url = \"https://…\" with secret_file";
            judge.faults.add(&hook.at, Wrong::new("this [[hook]] has neither `exec` nor `url`", help));
            None
        }
        (Some(_), Some(url)) => {
            judge.faults.add(&url.at, Wrong::new("this hook has `exec` already", "make two hooks of it"));
            None
        }
        (Some(exec), None) => {
            for (key, file) in server_only {
                if let Some(file) = file {
                    judge.faults.add(&file.at, Wrong::new(format!("`{key}` stands beside `url` alone"), "remove it"));
                }
            }
            Some(Call::Exec(program(exec, judge)))
        }
        (None, Some(url)) => webhook(url, hook.secret_file, hook.ca_file, judge).map(Call::Webhook),
    }
}

fn webhook(
    url: At<String>,
    secret_file: Option<At<String>>,
    ca_file: Option<At<String>>,
    judge: &mut Judge<'_, '_>,
) -> Option<Webhook> {
    let Some(secret) = secret_file else {
        let help = "write secret_file = \"desk.secret\", a file with the secret that the receiver knows too";
        judge.faults.add(&url.at, Wrong::new("a webhook is signed, and this one has no `secret_file`", help));
        return None;
    };
    let secret_file = opened(&secret, "name a file that holds the secret", Secrets::read, judge);
    let ca = "name a PEM file with the certificates of those who vouch for the server";
    let ca_file = ca_file.map(|ca_file| opened(&ca_file, ca, Trust::file, judge));
    let target = judge.checked(url, target);
    Some(Webhook {
        target: target?,
        secret_file: secret_file?,
        ca_file: ca_file.map_or(Some(None), |file| file.map(Some))?,
    })
}

/// The path of a file that can be read as what it is to hold. What is wrong with it is shown here, not
/// when an event comes.
pub(super) fn opened<T, E: Display>(
    file: &At<String>,
    help: &str,
    read: impl Fn(&Path) -> Result<T, E>,
    judge: &mut Judge<'_, '_>,
) -> Option<PathBuf> {
    let path = judge.path(file)?;
    match read(&path) {
        Ok(_) => Some(path),
        Err(error) => {
            judge.faults.add(&file.at, Wrong::new(error.to_string(), help));
            None
        }
    }
}

fn target(text: &str) -> Result<Target, Wrong> {
    Target::parse(text).map_err(|bad| {
        let help = match bad {
            BadTarget::Url => "write https://, a host, and a path, such as \"https://desk.example/told\"",
            BadTarget::UserInfo => "leave them out: what is sent is signed with the secret in secret_file",
            BadTarget::InClear => "write https://; http:// is for 127.0.0.1, [::1] and localhost alone",
        };
        Wrong::new(format!("{} {bad}", quoted(&hidden::url(text))), help)
    })
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

/// The name of a hook that was given none: the program's or the host's, and a digest of the whole.
fn name_of(call: &Call, taken: &HashSet<String>) -> String {
    let (stem, whole) = match call {
        Call::Exec(exec) => {
            let program = exec.first().and_then(|program| Path::new(program).file_name()).unwrap_or_default();
            (program.to_string_lossy().into_owned(), exec.join("\0"))
        }
        Call::Webhook(webhook) => (webhook.target.host().replace('.', "-"), webhook.target.to_string()),
    };
    let stem: String = stem.chars().filter(|c| c.is_ascii_alphanumeric() || "_-".contains(*c)).take(32).collect();
    let name = format!("{stem}-{}", &terms::Digest::of(whole.as_bytes()).hex().to_string()[..8]);
    let mut free = name.clone();
    let mut number = 1;
    while taken.contains(&free) {
        number += 1;
        free = format!("{name}-{number}");
    }
    free
}
