//! The self-signed certificate of a node: made once and kept, so that whoever came to trust it can do
//! so after a restart, too.

use std::path::Path;
use std::time::Duration;

use disk::durable;
use net::tls::{Certificate, PairFiles, self_signed};
use terms::Timestamp;

use super::CertificateError;

/// Where it is kept in the state folder, its key beside it.
pub const PLACE: &str = "tls/self-signed.pem";
const KEY: &str = "tls/self-signed.key";

/// One that ends sooner is made anew.
const LEAST_LEFT: Duration = Duration::from_secs(30 * 24 * 3600);

/// Names in one certificate: clients read it in every handshake.
const MAX_NAMES: usize = 100;

/// The one that is kept in the folder `state` if it is for all of `names` and holds for a while, else a new one.
/// Both files can be read by the owner alone.
pub(super) fn open(state: &Path, names: &[String], now: Timestamp) -> Result<Certificate, CertificateError> {
    let names = &names[..names.len().min(MAX_NAMES)];
    let files = PairFiles { cert: state.join(PLACE), key: state.join(KEY) };
    // Whatever is wrong with the one before is no reason not to make another.
    if let Ok(kept) = files.load()
        && covers(&kept, names)
        && holds_for_long(&kept, now)
    {
        return Ok(kept);
    }
    let made = self_signed::make(names, now)?;
    let unkept = |source| CertificateError::Unkept { file: files.cert.clone(), source };
    durable::private_folder(files.cert.parent().unwrap_or(state)).map_err(unkept)?;
    durable::write(&files.key, made.key.as_bytes()).map_err(unkept)?;
    durable::write(&files.cert, made.cert.as_bytes()).map_err(unkept)?;
    Ok(files.load()?)
}

/// Whether it need not be made anew.
pub(super) fn holds_for_long(kept: &Certificate, now: Timestamp) -> bool {
    kept.not_before() <= now && kept.not_after() > now.plus(LEAST_LEFT)
}

fn covers(kept: &Certificate, names: &[String]) -> bool {
    names.iter().all(|name| match name.parse() {
        Ok(address) => kept.addresses().contains(&address),
        Err(_) => kept.names().contains(name),
    })
}
