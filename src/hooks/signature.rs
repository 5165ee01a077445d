//! What a webhook is signed with: Standard Webhooks 1.0, "Signature scheme".

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use terms::{Digest, Timestamp};

/// Signs with each: the new secret, and the old ones until the receiver knows the new.
const MAX_SECRETS: usize = 4;

/// Bytes of a file of secrets.
const MAX_FILE: u64 = 16 * 1024;

/// Bytes of a secret below which it can be guessed sooner than the standard wants.
const SHORT: usize = 24;

const PREFIX: &str = "whsec_";

/// The secrets of a file: one a line, the newest first, each `whsec_` and Base64, or taken as it
/// stands.
pub struct Secrets {
    keys: Vec<hmac::Key>,
    /// Others than the owner can read the file.
    pub is_open: bool,
    /// One of them is shorter than the 24 bytes that the standard asks for.
    pub is_short: bool,
}

#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    #[error("the secret in {} can't be read: {source}", path.display())]
    Unreadable { path: PathBuf, source: io::Error },
    #[error("{} holds no secret", path.display())]
    Empty { path: PathBuf },
    #[error("{} holds more than {MAX_SECRETS} secrets, or more than {} KiB", path.display(), MAX_FILE >> 10)]
    TooMany { path: PathBuf },
    #[error("{} line {line}: behind whsec_ stands no Base64", path.display())]
    NotBase64 { path: PathBuf, line: usize },
}

impl Secrets {
    /// Reads the file: blocks.
    pub fn read(path: &Path) -> Result<Secrets, SecretError> {
        use std::io::Read;
        let unreadable = |source| SecretError::Unreadable { path: path.to_owned(), source };
        let file = std::fs::File::open(path).map_err(unreadable)?;
        let is_open = file.metadata().map_err(unreadable)?.mode() & 0o077 != 0;
        let mut text = String::new();
        file.take(MAX_FILE + 1).read_to_string(&mut text).map_err(unreadable)?;
        if text.len() as u64 > MAX_FILE {
            return Err(SecretError::TooMany { path: path.to_owned() });
        }
        Ok(Secrets { is_open, ..Secrets::parse(&text, path)? })
    }

    fn parse(text: &str, path: &Path) -> Result<Secrets, SecretError> {
        let mut secrets = Secrets { keys: Vec::new(), is_open: false, is_short: false };
        for (line, secret) in (1..).zip(text.lines().map(str::trim)).filter(|(_, secret)| !secret.is_empty()) {
            let bytes = match secret.strip_prefix(PREFIX) {
                None => secret.as_bytes().to_vec(),
                Some(coded) => match STANDARD.decode(coded) {
                    Ok(bytes) if !bytes.is_empty() => bytes,
                    _ => return Err(SecretError::NotBase64 { path: path.to_owned(), line }),
                },
            };
            secrets.is_short |= bytes.len() < SHORT;
            secrets.keys.push(hmac::Key::new(hmac::HMAC_SHA256, &bytes));
        }
        match secrets.keys.len() {
            0 => Err(SecretError::Empty { path: path.to_owned() }),
            1..=MAX_SECRETS => Ok(secrets),
            _ => Err(SecretError::TooMany { path: path.to_owned() }),
        }
    }

    /// The value of `webhook-signature`: one signature a secret, a blank between two.
    pub(crate) fn sign(&self, id: &str, at: Timestamp, body: &[u8]) -> String {
        let signed = |key: &hmac::Key| {
            let mut context = hmac::Context::with_key(key);
            for part in [id.as_bytes(), b".", at.secs().to_string().as_bytes(), b".", body] {
                context.update(part);
            }
            format!("v1,{}", STANDARD.encode(context.sign()))
        };
        self.keys.iter().map(signed).collect::<Vec<_>>().join(" ")
    }
}

/// The value of `webhook-id`: another for each event, the same for each attempt, and without the full
/// stop that separates what is signed, which the ids of events may hold.
pub(crate) fn message_id(kind: &str, id: &str) -> String {
    let digest = Digest::of(format!("{kind}~{id}").as_bytes()).hex().to_string();
    format!("msg_{}", &digest[..32])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Secrets, SecretError> {
        Secrets::parse(text, Path::new("desk.secret"))
    }

    /// Expected values are those of Python's `hmac`.
    #[test]
    fn signatures_are_those_of_the_standard() {
        let (id, at) = ("msg_p5jXN8AQM9LWM0D4loKWxJek", Timestamp::from_secs(1_614_265_330));
        let body = br#"{"test": 2432232314}"#;
        let coded = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
        let sign = |secrets: &str| parse(secrets).unwrap().sign(id, at, body);
        assert_eq!(sign("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n"), coded);
        let plain = sign("a secret as it stands");
        assert_eq!(plain, "v1,eHO7g/W8RZN3ffJECxYJl50QZy7+iJEBuspxNuacVtM=");
        let both = sign("  a secret as it stands \r\n\nwhsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n");
        assert_eq!(both, format!("{plain} {coded}"), "the newest first");
    }

    #[test]
    fn what_is_no_secret_says_where() {
        for (text, says) in [
            ("", "holds no secret"),
            (" \n\r\n", "holds no secret"),
            ("good\nwhsec_*", "line 2: behind whsec_"),
            ("whsec_", "line 1: behind whsec_"),
            ("1\n2\n3\n4\n5", "more than 4"),
        ] {
            let error = parse(text).err().unwrap().to_string();
            assert!(error.contains("desk.secret") && error.contains(says), "{error}");
        }
        assert!(parse("short").unwrap().is_short);
        assert!(!parse("twenty-four bytes or more").unwrap().is_short);
    }

    #[test]
    fn a_file_that_others_read_is_noticed() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("desk.secret");
        std::fs::write(&path, "a secret").unwrap();
        for (mode, is_open) in [(0o600, false), (0o400, false), (0o640, true), (0o604, true)] {
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(Secrets::read(&path).unwrap().is_open, is_open, "{mode:o}");
        }
        std::fs::write(&path, "x".repeat(20_000)).unwrap();
        assert!(matches!(Secrets::read(&path), Err(SecretError::TooMany { .. })));
        assert!(matches!(Secrets::read(&folder.path().join("none")), Err(SecretError::Unreadable { .. })));
    }

    #[test]
    fn ids_hold_no_full_stop() {
        let one = message_id("block-added", "r-1.1790000000000000");
        assert!(one.starts_with("msg_") && one.len() == 36 && !one.contains('.'), "{one}");
        assert_ne!(one, message_id("block-lifted", "r-1.1790000000000000"));
    }
}
