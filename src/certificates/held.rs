//! One certificate of a listener: what is in force of it, what its files show, and whether that has
//! settled; or whether one that is made here ends soon.

use std::time::Duration;

use disk::{Settled, Settling};
use net::TlsError;
use net::tls::{Certificate, PairBytes, PairFiles};
use terms::{Digest, Moment, Timestamp};

use super::{out_of_date, self_signed};

pub(super) struct Held {
    origin: Origin,
    in_force: Certificate,
    trouble: Option<String>,
}

enum Origin {
    Files(Watched),
    /// It was made here, for these names.
    Made(Vec<String>),
}

struct Watched {
    files: PairFiles,
    /// Of both files: while one of them is written yet, they show what will not last.
    settling: Settling<Mark>,
}

/// What a look found in the files.
pub(super) struct Shown(Result<PairBytes, TlsError>);

/// [`Shown`], as far as two looks compare it.
#[derive(Clone, PartialEq, Eq)]
enum Mark {
    Content(Digest),
    /// In words.
    Unreadable(String),
}

/// What a look at the files came to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Seen {
    Nothing,
    /// Something that may not last; look again after this time.
    Unsettled(Duration),
    Taken,
    Refused,
}

impl Shown {
    pub(super) fn of(files: &PairFiles) -> Shown {
        Shown(files.read())
    }

    fn mark(&self) -> Mark {
        match &self.0 {
            Ok(bytes) => Mark::Content(bytes.digest()),
            Err(error) => Mark::Unreadable(error.to_string()),
        }
    }
}

impl Held {
    pub(super) fn load(files: &PairFiles) -> Result<Held, TlsError> {
        let bytes = files.read()?;
        let in_force = files.judge(&bytes)?;
        let settling = Settling::new(Mark::Content(bytes.digest()));
        Ok(Held { origin: Origin::Files(Watched { files: files.clone(), settling }), in_force, trouble: None })
    }

    pub(super) fn made(in_force: Certificate, names: &[String]) -> Held {
        Held { origin: Origin::Made(names.to_vec()), in_force, trouble: None }
    }

    /// The files to look at.
    pub(super) fn files(&self) -> Option<&PairFiles> {
        match &self.origin {
            Origin::Files(watched) => Some(&watched.files),
            Origin::Made(_) => None,
        }
    }

    /// For whom it is to be made anew, if it is made here, and ends soon.
    pub(super) fn due(&self, now: Timestamp) -> Option<&Vec<String>> {
        match &self.origin {
            Origin::Made(names) if !self_signed::holds_for_long(&self.in_force, now) => Some(names),
            Origin::Made(_) | Origin::Files(_) => None,
        }
    }

    pub(super) fn in_force(&self) -> &Certificate {
        &self.in_force
    }

    pub(super) fn trouble(&self) -> Option<&str> {
        self.trouble.as_deref()
    }

    /// Makes something of what the files show, once two looks agree on it.
    pub(super) fn weigh(&mut self, shown: &Shown, now: Moment) -> Seen {
        let Origin::Files(Watched { files, settling }) = &mut self.origin else { return Seen::Nothing };
        match settling.see(shown.mark(), false, now.steady) {
            Settled::Same => return Seen::Nothing,
            Settled::NotYet(left) => return Seen::Unsettled(left),
            Settled::Changed => {}
        }
        let certificate = match &shown.0 {
            Ok(bytes) => files.judge(bytes).map_err(|error| error.to_string()),
            Err(error) => Err(error.to_string()),
        };
        match certificate.and_then(|certificate| self.prefer(certificate, now)) {
            Ok(certificate) => {
                (self.in_force, self.trouble) = (certificate, None);
                Seen::Taken
            }
            Err(trouble) => {
                self.trouble = Some(trouble);
                Seen::Refused
            }
        }
    }

    /// Takes what was made in its place. What can't be made is tried again with each look, and told of once.
    pub(super) fn renew(&mut self, made: &Result<Certificate, String>) -> Seen {
        match made {
            Ok(certificate) => {
                (self.in_force, self.trouble) = (certificate.clone(), None);
                Seen::Taken
            }
            Err(trouble) if self.trouble.as_ref() == Some(trouble) => Seen::Nothing,
            Err(trouble) => {
                self.trouble = Some(trouble.clone());
                Seen::Refused
            }
        }
    }

    /// A certificate that does not hold now takes the place of none that does.
    fn prefer(&self, certificate: Certificate, now: Moment) -> Result<Certificate, String> {
        let date = |one: &Certificate| out_of_date(one.not_before(), one.not_after(), now.wall);
        match (date(&certificate), date(&self.in_force), self.files()) {
            (Some(date), None, Some(files)) => Err(format!("the certificate in {} {date}", files.cert.display())),
            _ => Ok(certificate),
        }
    }
}
