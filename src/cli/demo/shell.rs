//! Words for a POSIX shell, so that a printed line can be copied as it stands.

use std::path::{Path, PathBuf};

/// `text` as one word: bare where that is safe, in single quotes otherwise.
pub fn word(text: &str) -> String {
    let safe = |c: char| c.is_ascii_alphanumeric() || "/._-+:,@%=".contains(c);
    if !text.is_empty() && text.chars().all(safe) && !text.starts_with('=') {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

pub fn path(path: &Path) -> String {
    word(&path.to_string_lossy())
}

/// How to start this very program again from any folder: by its name where it was found by its name,
/// by its whole path otherwise.
pub fn this_program() -> String {
    let named = std::env::args_os().next().map(PathBuf::from);
    started_as(named, std::env::current_exe().ok())
}

fn started_as(named: Option<PathBuf>, executable: Option<PathBuf>) -> String {
    match (named, executable) {
        // A shell looks a word without a slash up in PATH, and nowhere else.
        (Some(named), _) if named.components().count() == 1 && named.is_relative() => path(&named),
        (_, Some(executable)) => path(&executable),
        (Some(named), None) => path(&std::path::absolute(&named).unwrap_or(named)),
        (None, None) => "seawall".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_what_a_shell_would_read_otherwise() {
        for (text, quoted) in [
            ("/usr/bin/seawall", "/usr/bin/seawall"),
            ("http://127.0.0.1:80/a?b", "'http://127.0.0.1:80/a?b'"),
            ("/my folder/it's", r"'/my folder/it'\''s'"),
            ("", "''"),
            ("$(rm)", "'$(rm)'"),
        ] {
            assert_eq!(word(text), quoted);
        }
    }

    #[test]
    fn a_name_found_in_path_stays_a_name() {
        let executable = Some(PathBuf::from("/opt/seawall/bin/seawall"));
        let started = |named: &str| started_as(Some(PathBuf::from(named)), executable.clone());
        assert_eq!(started("seawall"), "seawall");
        assert_eq!(started("./seawall"), "/opt/seawall/bin/seawall");
        assert_eq!(started("target/release/seawall"), "/opt/seawall/bin/seawall");
    }
}
