//! Who asked for an edit.

use std::fmt;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

/// Bytes of what somebody calls himself.
const MOST: usize = 256;

/// A person or a program as they name themselves, or the address that asked. Nothing is decided by it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Who(Box<str>);

#[derive(Debug, thiserror::Error)]
#[error("by: 1 to {MOST} bytes of a text without control characters name who asks")]
pub struct BadWho;

impl Who {
    pub fn read(text: &str) -> Result<Who, BadWho> {
        let text = text.trim();
        let is_name = (1..=MOST).contains(&text.len()) && !text.contains(char::is_control);
        is_name.then(|| Who(text.into())).ok_or(BadWho)
    }

    /// Somebody who doesn't say.
    pub fn at(address: IpAddr) -> Who {
        Who(address.to_canonical().to_string().into())
    }
}

impl AsRef<str> for Who {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_a_line_of_some_length() {
        assert_eq!(Who::read(" Jörg, desk 2 ").unwrap().as_ref(), "Jörg, desk 2");
        assert!(Who::read(&"x".repeat(MOST)).is_ok());
        for text in ["", "  ", "a\nb", "a\u{1b}[31m", &"x".repeat(MOST + 1)] {
            assert!(Who::read(text).is_err(), "{text:?}");
        }
        assert_eq!(Who::at("::ffff:192.0.2.1".parse().unwrap()).as_ref(), "192.0.2.1");
    }
}
