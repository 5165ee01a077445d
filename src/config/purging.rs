//! Judges who may purge a site by `PURGE`, and shows it.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use terms::{Digest, Network};

use super::errors::{Wrong, quoted};
use super::judge::Judge;
use super::{limits, typed};

/// Nobody, unless there is a network or a token.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Purging {
    pub allow: Vec<Network>,
    pub token_file: Option<PathBuf>,
    /// Of the tokens in that file.
    pub tokens: Vec<Digest>,
    /// Others than its owner can read the file.
    pub is_open: bool,
}

/// Bytes of a file with tokens, and how many it may hold: some are new, some are on their way out.
const MAX_FILE: u64 = 64 << 10;
const MAX_TOKENS: usize = 64;

/// A shorter token could be guessed by asking.
const SHORTEST: usize = 16;

const TOKEN_HELP: &str = "write one token a line, such as `openssl rand -hex 32` prints";

#[derive(Debug, thiserror::Error)]
enum TokenError {
    #[error("the tokens in it can't be read: {0}")]
    Unreadable(#[from] io::Error),
    #[error("it holds no token")]
    Empty,
    #[error("it holds more than {MAX_TOKENS} tokens, or more than {} KiB", MAX_FILE >> 10)]
    TooMany,
    #[error("the token in its line {0} is shorter than {SHORTEST} characters, or holds others than visible ASCII")]
    Bad(usize),
}

impl Judge<'_, '_> {
    pub(super) fn purging(&mut self, written: typed::Purging) -> Purging {
        if written.allow.is_none() && written.token_file.is_none() {
            let help = "write purge = { allow = [\"10.0.0.0/8\"] } or purge = { token_file = \"purge.tokens\" }";
            self.faults.add(&written.at, Wrong::new("this lets nobody purge", help));
        }
        let at = written.allow.as_ref().map(|allow| allow.at.clone());
        let allow = self.networks(written.allow);
        if let (Some(at), Some(all)) = (at, allow.iter().find(|network| network.is_everything())) {
            self.faults.add(&at, Wrong::new(format!("with {all} any stranger could purge"), "name those who may"));
        }
        let mut purging = Purging { allow, ..Purging::default() };
        if let Some(file) = written.token_file
            && let Some(path) = self.path(&file)
        {
            match tokens(&path) {
                Ok((tokens, is_open)) => {
                    purging = Purging { token_file: Some(path), tokens, is_open, ..purging };
                }
                Err(error) => {
                    let what = format!("{} gives no tokens: {error}", quoted(&file.value));
                    self.faults.add(&file.at, Wrong::new(what, TOKEN_HELP));
                }
            }
        }
        purging
    }
}

/// The digests of the tokens in a file, and whether others can read it.
fn tokens(path: &Path) -> Result<(Vec<Digest>, bool), TokenError> {
    let file = File::open(path)?;
    let is_open = file.metadata()?.mode() & 0o077 != 0;
    let mut text = String::new();
    file.take(MAX_FILE + 1).read_to_string(&mut text)?;
    let mut tokens = Vec::new();
    for (line, token) in (1..).zip(text.lines().map(str::trim)).filter(|(_, token)| !token.is_empty()) {
        if token.len() < SHORTEST || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(TokenError::Bad(line));
        }
        tokens.push(Digest::of(token.as_bytes()));
    }
    match tokens.len() {
        0 => Err(TokenError::Empty),
        1..=MAX_TOKENS if text.len() as u64 <= MAX_FILE => Ok((tokens, is_open)),
        _ => Err(TokenError::TooMany),
    }
}

/// Null where nobody may.
pub(super) fn value(purging: &Purging) -> Value {
    if *purging == Purging::default() {
        return Value::Null;
    }
    let mut table = json!({});
    if !purging.allow.is_empty() {
        table["allow"] = limits::shown(&purging.allow).into();
    }
    if let Some(file) = &purging.token_file {
        table["token_file"] = file.display().to_string().into();
    }
    table
}
