//! Keys that take one of a few words.

use audit::{ClientForm, QueryForm, Sync};
use cache::coding::Coding;
use feeds::OnStale;

use super::errors::{Wrong, quoted};
use super::meant::Audit;
use crate::access_log::Format;
use crate::sites::UnknownDigest;
use terms::country::Doubt;
use terms::nearest;
use terms::ruling::Disclose;
use terms::url::{EncodedSlash, PathParams};

/// Words, each with what it stands for; no two stand for the same.
pub(super) type Choices<T> = &'static [(&'static str, T)];

pub(super) const DISCLOSE: Choices<Disclose> =
    &[("full", Disclose::Full), ("id", Disclose::Id), ("none", Disclose::None)];

pub(super) const ON_STALE: Choices<OnStale> = &[("keep", OnStale::Keep), ("fail-closed", OnStale::FailClosed)];

/// Whether who is nowhere to be found is blocked or served.
pub(super) const UNKNOWN: Choices<Doubt> = &[("block", Doubt::Block), ("serve", Doubt::Serve)];

pub(super) const SYNC: Choices<Sync> =
    &[("interval", Audit::SYNC_INTERVAL), ("segment", Sync::Segment), ("line", Sync::Line)];

/// What becomes of an answer for whose record there is no room. How long one waits is a key of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pressure {
    Wait,
    Shed,
}

pub(super) const ON_PRESSURE: Choices<Pressure> = &[("wait", Pressure::Wait), ("shed", Pressure::Shed)];

pub(super) const CLIENT: Choices<ClientForm> = &[
    ("full", ClientForm::Full),
    ("truncated", ClientForm::Truncated),
    ("keyed", ClientForm::Keyed),
    ("none", ClientForm::None),
];

pub(super) const URL_QUERY: Choices<QueryForm> =
    &[("full", QueryForm::Full), ("keyed", QueryForm::Keyed), ("none", QueryForm::None)];

pub(super) const LOG_FORMAT: Choices<Format> = &[("json", Format::Json), ("combined", Format::Combined)];

pub(super) const CODINGS: Choices<Coding> = &[("zstd", Coding::Zstd), ("br", Coding::Br), ("gzip", Coding::Gzip)];

pub(super) const ON_UNKNOWN_DIGEST: Choices<UnknownDigest> =
    &[("stream", UnknownDigest::Stream), ("hold", UnknownDigest::Hold)];

/// Which messages a rule changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Towards {
    Client,
    Origin,
}

pub(super) const TOWARDS: Choices<Towards> = &[("client", Towards::Client), ("origin", Towards::Origin)];

pub(super) const PATH_PARAMS: Choices<PathParams> =
    &[("ignored", PathParams::Ignored), ("distinct", PathParams::Distinct)];

pub(super) const ENCODED_SLASH: Choices<EncodedSlash> =
    &[("slash", EncodedSlash::Slash), ("distinct", EncodedSlash::Distinct)];

/// What a word stands for.
pub(super) fn choose<T: Copy>(text: &str, choices: Choices<T>) -> Result<T, Wrong> {
    if let Some((_, chosen)) = choices.iter().find(|(word, _)| *word == text) {
        return Ok(*chosen);
    }
    let words = choices.iter().map(|(word, _)| *word);
    let help = match nearest(text, words.clone()) {
        Some(near) => format!("did you mean \"{near}\"?"),
        None => format!("write {}", words.map(|word| format!("\"{word}\"")).collect::<Vec<_>>().join(" or ")),
    };
    Err(Wrong::new(format!("{} is not a choice here", quoted(text)), help))
}

/// The word that stands for a value; empty where none does.
pub(super) fn word<T: PartialEq>(value: &T, choices: Choices<T>) -> &'static str {
    choices.iter().find(|(_, stands_for)| stands_for == value).map_or("", |(word, _)| word)
}
