//! Who may ask: the bearer of the token, from a page that is ours.

use std::fs::{self, Permissions};
use std::io::{self, Write};
use std::net::IpAddr;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

use http::header::{self, HeaderMap};
use subtle::ConstantTimeEq;

use super::problem::Problem;

/// The secret that the first start writes to `admin.token`.
pub struct Token(String);

impl Token {
    /// Reads the token in `path`, or writes a new one there. Only the owner can read it from then on.
    pub fn open(path: &Path) -> io::Result<Token> {
        match path.metadata() {
            Ok(found) if found.permissions().mode() & 0o077 != 0 => {
                tracing::warn!(file = %path.display(), "others could read the admin token: it is 0600 from now on");
                fs::set_permissions(path, Permissions::from_mode(0o600))?;
            }
            _ => {}
        }
        match fs::read_to_string(path) {
            Ok(text) if !text.trim().is_empty() => Ok(Token(text.trim().to_owned())),
            Ok(_) => Token::create(path),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Token::create(path),
            Err(error) => Err(error),
        }
    }

    fn create(path: &Path) -> io::Result<Token> {
        // Two version 4 UUIDs hold 244 random bits of the system's.
        let token = format!("{}{}", uuid::Uuid::new_v4().simple(), uuid::Uuid::new_v4().simple());
        let mut file = fs::File::options().create(true).truncate(true).write(true).mode(0o600).open(path)?;
        file.write_all(format!("{token}\n").as_bytes())?;
        file.sync_all()?;
        Ok(Token(token))
    }

    /// RFC 6750 section 2.1.
    pub(super) fn check(&self, fields: &HeaderMap) -> Result<(), Problem> {
        let given = fields.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let bearer =
            given.and_then(|value| value.split_once(' ')).filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
        match bearer {
            Some((_, token)) if bool::from(token.trim().as_bytes().ct_eq(self.0.as_bytes())) => Ok(()),
            Some(_) => Err(Problem::unauthorized("the bearer token is not the one in state/admin.token")),
            None => Err(Problem::unauthorized(
                "this needs `Authorization: Bearer TOKEN`; the token is in state/admin.token",
            )),
        }
    }
}

/// A page of a stranger's whose name was pointed at this address sends that name as `Host`: only
/// addresses and `localhost` are answered.
pub(super) fn check_host(fields: &HeaderMap) -> Result<(), Problem> {
    let host = fields.get(header::HOST).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    if name.eq_ignore_ascii_case("localhost") || name.parse::<IpAddr>().is_ok() {
        return Ok(());
    }
    Err(Problem::misdirected("the admin listener is asked for by its address, or as localhost"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn with(name: header::HeaderName, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(name, HeaderValue::from_str(value).unwrap())])
    }

    #[test]
    fn a_token_is_made_once_and_kept_private() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("admin.token");
        let first = Token::open(&path).unwrap();
        assert_eq!(Token::open(&path).unwrap().0, first.0);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(first.check(&with(header::AUTHORIZATION, &format!("Bearer {}", first.0))).is_ok());
        for wrong in ["", "Bearer", "Bearer x", &format!("Basic {}", first.0), &first.0] {
            assert!(first.check(&with(header::AUTHORIZATION, wrong)).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_token_that_others_can_read_is_made_private() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("admin.token");
        for (text, mode, after) in [("s3cret\n", 0o644, 0o600), ("", 0o666, 0o600), ("s3cret\n", 0o400, 0o400)] {
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            let token = Token::open(&path).unwrap();
            assert!(text.is_empty() || token.0 == "s3cret");
            assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, after, "{mode:o}");
        }
    }

    #[test]
    fn only_addresses_and_localhost_are_hosts() {
        for host in ["127.0.0.1:9090", "localhost", "LOCALHOST:1", "[::1]:9090", "192.0.2.1"] {
            assert!(check_host(&with(header::HOST, host)).is_ok(), "{host}");
        }
        for host in ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example:80", ""] {
            assert!(check_host(&with(header::HOST, host)).is_err(), "{host}");
        }
    }
}
