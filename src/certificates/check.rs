//! Certificates judged before they are put in force.

use net::TlsError;
use net::tls::{Certificate, PairFiles};
use terms::Timestamp;

use super::{Wanted, out_of_date};

/// A pair of files that can be used.
pub struct Checked {
    pub files: PairFiles,
    pub certificate: Certificate,
    /// What its owner should know.
    pub warning: Option<String>,
}

/// The pairs that a listener is to show, or what is wrong with each.
pub fn check(wanted: &Wanted, now: Timestamp) -> Vec<Result<Checked, TlsError>> {
    let Wanted::Files(pairs) = wanted else { return Vec::new() };
    let judge = |(place, files): (usize, &PairFiles)| {
        let certificate = files.load()?;
        let date = out_of_date(certificate.not_before(), certificate.not_after(), now);
        let is_idle = place > 0 && certificate.names().is_empty();
        let idle = is_idle.then(|| "names no host, and is not the first: no client gets it".to_owned());
        Ok(Checked { files: files.clone(), certificate, warning: date.or(idle) })
    };
    pairs.iter().enumerate().map(judge).collect()
}
