//! Spelling: what the origins of a site take for the same URL, where that isn't all that some server might.

use super::{Folded, Url, UrlError, fold, query};
use crate::paths::Case;

/// What a site says of its origins. By default nothing is said: every spelling that a server could take for the
/// same is the same, but for letters of different case, which most servers tell apart.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Spelling {
    /// `/A` and `/a` are the same path.
    pub ignore_case: bool,
    pub ignored: Parameters,
    pub path_params: PathParams,
    pub encoded_slash: EncodedSlash,
}

/// What `;x` behind a segment of a path is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PathParams {
    /// No part of its name.
    #[default]
    Ignored,
    /// A part of its name.
    Distinct,
}

/// What `%2F` and `%5C` are in a path.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EncodedSlash {
    /// They separate segments.
    #[default]
    Slash,
    /// They are characters of a segment's name.
    Distinct,
}

impl Spelling {
    pub(super) const USUAL: Spelling = Spelling {
        ignore_case: false,
        ignored: Parameters { written: Vec::new(), canonical: Vec::new() },
        path_params: PathParams::Ignored,
        encoded_slash: EncodedSlash::Slash,
    };

    /// Nothing is said.
    pub fn is_usual(&self) -> bool {
        *self == Spelling::USUAL
    }

    /// Of letters in paths.
    pub fn case(&self) -> Case {
        if self.ignore_case { Case::Ignored } else { Case::Tells }
    }

    /// The same where case tells.
    #[must_use]
    pub fn in_own_case(&self) -> Spelling {
        Spelling { ignore_case: false, ..self.clone() }
    }

    /// Whether URLs are one that are several otherwise.
    pub fn merges_more(&self) -> bool {
        self.ignore_case || !self.ignored.is_empty()
    }
}

/// Names of parameters of a query; `*` at the end of one is whatever stands there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parameters {
    written: Vec<String>,
    /// As they stand in a canonical query.
    canonical: Vec<String>,
}

impl Parameters {
    /// Names as an operator writes them: escapes are decoded.
    pub fn read(names: Vec<String>) -> Result<Parameters, UrlError> {
        let canonical = |name: &String| match name.strip_suffix('*') {
            Some(start) => Ok(query::name(start)? + "*"),
            None => query::name(name),
        };
        Ok(Parameters { canonical: names.iter().map(canonical).collect::<Result<_, UrlError>>()?, written: names })
    }

    /// As an operator wrote them.
    pub fn names(&self) -> &[String] {
        &self.written
    }

    pub fn is_empty(&self) -> bool {
        self.canonical.is_empty()
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.canonical.iter().any(|known| match known.strip_suffix('*') {
            Some(start) => name.starts_with(start),
            None => name == known,
        })
    }

    /// The pairs of a canonical query without these.
    pub fn left_out_of<'q>(&self, query: Option<&'q str>) -> impl Iterator<Item = &'q str> {
        let pairs = query.into_iter().flat_map(|query| query.split('&'));
        pairs.filter(|pair| !self.has(pair.split('=').next().unwrap_or_default()))
    }
}

/// A URL as a site's spelling has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spelled {
    /// Every way in which an origin of the site could read it, the usual one first.
    pub readings: Box<[Folded]>,
    /// The same with the parameters that are ignored, where there are some.
    pub whole: Box<[Folded]>,
}

impl Spelled {
    /// What people and logs see of it: all parameters are there.
    pub fn canonical(&self) -> &Folded {
        self.whole.first().unwrap_or(&self.readings[0])
    }

    /// Without the parameters that are ignored, and with them.
    pub fn all(&self) -> impl Iterator<Item = &Folded> {
        self.readings.iter().chain(&self.whole)
    }
}

impl Url {
    /// What a site's origins could take this for.
    pub fn spelled(&self, spelling: &Spelling) -> Spelled {
        let spelled = fold::spelled(self.host(), self.target(), spelling);
        // What was read once can be read again.
        spelled.unwrap_or_else(|_| Spelled { readings: self.readings().cloned().collect(), whole: Box::default() })
    }

    /// The same, called as a site's spelling has it.
    #[must_use]
    pub fn called_by(&self, spelling: &Spelling) -> Url {
        let Spelled { readings, whole } = self.spelled(spelling);
        let mut readings = if whole.is_empty() { readings } else { whole }.into_iter();
        let folded = readings.next().unwrap_or_else(|| self.folded().clone());
        Url::put_together(self.key(), folded, readings.collect(), self.target(), self.authority(), self.salt().copied())
    }
}
