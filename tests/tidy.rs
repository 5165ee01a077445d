//! House rules, each with its reason. Those with a number are ratchets: they go down, not up.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::{Path, PathBuf};

/// A file of the project, by its path from the top.
struct File {
    path: String,
    text: String,
}

impl File {
    fn is_test(&self) -> bool {
        let folders = ["tests/", "benches/"];
        let is_in = |folder: &&str| self.path.starts_with(*folder) || self.path.contains(&format!("/{folder}"));
        folders.iter().any(is_in) || ["tests.rs", "testing.rs"].iter().any(|name| self.path.ends_with(name))
    }

    /// Its lines, with their numbers, as far as they are no tests.
    fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        let lines: Vec<&str> = self.text.lines().collect();
        let tests = lines.windows(2).position(|two| two[0] == "#[cfg(test)]" && two[1].ends_with("{"));
        let end = if self.is_test() { 0 } else { tests.unwrap_or(lines.len()) };
        (1..).zip(lines.into_iter().take(end))
    }
}

/// Rooms, and whom each may know.
const ROOMS: [(&str, &[&str]); 9] = [
    ("terms", &[]),
    ("disk", &["terms"]),
    ("net", &["terms"]),
    ("block", &["terms", "disk"]),
    ("cache", &["terms", "disk"]),
    ("origin", &["terms", "net"]),
    ("audit", &["terms", "disk"]),
    ("hooks", &["terms", "disk", "net"]),
    ("feeds", &["terms", "disk", "net"]),
];

fn top() -> PathBuf {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").canonicalize().unwrap();
    tests.parent().unwrap().to_owned()
}

fn files(folders: &[&str], ending: &str) -> Vec<File> {
    let top = top();
    let mut found = Vec::new();
    let mut folders: Vec<PathBuf> = folders.iter().map(|folder| top.join(folder)).collect();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir()
                && !entry.file_name().to_string_lossy().starts_with(['.', '_'])
                && !path.ends_with("target")
            {
                folders.push(path);
            } else if path.to_string_lossy().ends_with(ending) {
                let text = fs::read_to_string(&path).unwrap();
                found.push(File { path: path.strip_prefix(&top).unwrap().display().to_string(), text });
            }
        }
    }
    found.sort_by(|one, other| one.path.cmp(&other.path));
    found
}

fn sources() -> Vec<File> {
    files(&["src"], ".rs")
}

fn report(rule: &str, broken: Vec<String>) {
    assert!(broken.is_empty(), "{rule}\n  {}", broken.join("\n  "));
}

/// A word that may stand only in some places, and why.
struct Forbidden {
    words: &'static [&'static str],
    allowed: &'static [&'static str],
    why: &'static str,
}

const FORBIDDEN: &[Forbidden] = &[
    Forbidden {
        words: &["SystemTime::now", "Timestamp::now()", "Zoned::now"],
        allowed: &["src/terms/clock.rs"],
        why: "one clock: whoever decides by time takes it as an argument",
    },
    Forbidden {
        words: &["anyhow"],
        allowed: &["src/app", "src/cli"],
        why: "rooms have closed errors that carry their cause; only what talks to people flattens them",
    },
    Forbidden {
        words: &["hyper::", "hyper_util::"],
        allowed: &["src/server/", "src/net/", "src/origin/", "src/admin/", "src/gateway.rs", "src/cli/bench/wire.rs"],
        why: "hyper owns HTTP on the wire, the house speaks `http`'s types",
    },
    Forbidden {
        words: &[".unwrap()", ".expect(", "unreachable!", "unimplemented!"],
        allowed: &[],
        why: "nothing from outside makes a task panic; what can't happen has a type, or a fallback",
    },
    Forbidden { words: &["todo!", "dbg!", "println!", "eprintln!"], allowed: &[], why: "left over from work" },
    Forbidden {
        words: &["percent_decode", "percent_encoding", "url::Url::parse(", "idna::", "form_urlencoded"],
        // The query of an admin URL holds a URL in turn.
        allowed: &["src/terms/url/", "src/admin/api/"],
        why: "one canonicaliser: two parsers that disagree are a way round the list",
    },
    Forbidden {
        words: &["TODO", "FIXME", "XXX", "HACK"],
        allowed: &[],
        why: "what is missing is said to whoever plans, not to whoever reads",
    },
];

#[test]
fn words_stand_where_they_may() {
    let mut broken = Vec::new();
    for file in sources() {
        for (number, line) in file.code().filter(|(_, line)| !line.trim_start().starts_with("//")) {
            for rule in FORBIDDEN {
                let is_allowed = rule.allowed.iter().any(|allowed| file.path.starts_with(allowed));
                for word in rule.words.iter().filter(|word| !is_allowed && line.contains(*word)) {
                    broken.push(format!("{}:{number}: `{word}`: {}", file.path, rule.why));
                }
            }
        }
    }
    report("a word stands where it may not", broken);
}

#[test]
fn nothing_names_the_machine_it_was_written_on() {
    let mut broken = Vec::new();
    let places = [concat!("/wo", "rk/"), concat!("/ro", "ot/"), concat!("/ho", "me/"), concat!("/tmp/", "target")];
    for ending in [".rs", ".toml", ".md", ".txt", ".sh"] {
        for file in files(&["src", "tests", "benches", "config", "docs"], ending).into_iter().chain(top_files(ending)) {
            for (number, line) in (1..).zip(file.text.lines()) {
                broken.extend(
                    places
                        .iter()
                        .filter(|place| line.contains(*place))
                        .map(|place| format!("{}:{number}: {place}", file.path)),
                );
            }
        }
    }
    report("a path of one machine", broken);
}

fn top_files(ending: &str) -> Vec<File> {
    let entries = fs::read_dir(top()).unwrap().flatten();
    let named = entries.filter(|entry| entry.path().is_file() && entry.file_name().to_string_lossy().ends_with(ending));
    named
        .map(|entry| File {
            path: entry.file_name().to_string_lossy().into_owned(),
            text: fs::read_to_string(entry.path()).unwrap(),
        })
        .collect()
}

/// Tests whose waiting has no sign that could be waited for.
const MAY_SLEEP: [(&str, &str); 2] = [
    ("tests/harness/", "where waiting is made"),
    ("src/audit/tests/life.rs", "a writer that saw nothing for a while looks more seldom, and shows it to nobody"),
];

#[test]
fn tests_wait_for_conditions() {
    let word = concat!("thread::", "sl", "eep");
    let mut broken = Vec::new();
    for file in files(&["src", "tests"], ".rs").iter().filter(|file| file.is_test()) {
        let is_allowed = MAY_SLEEP.iter().any(|(path, _)| file.path.starts_with(path));
        for (number, _) in (1..).zip(file.text.lines()).filter(|(_, line)| !is_allowed && line.contains(word)) {
            broken.push(format!("{}:{number}: a sleep for luck: wait for the condition with a deadline", file.path));
        }
    }
    report("a test sleeps", broken);
}

#[test]
fn rooms_know_whom_they_may() {
    let mut broken = Vec::new();
    for (room, may_know) in ROOMS {
        let manifest = fs::read_to_string(top().join("src").join(room).join("Cargo.toml")).unwrap();
        let names = ROOMS.iter().map(|(name, _)| *name).filter(|name| *name != room);
        for name in names.filter(|name| !may_know.contains(name)) {
            let knows = manifest
                .lines()
                .any(|line| line.strip_prefix(name).is_some_and(|rest| rest.starts_with(['.', ' ', '='])));
            if knows {
                broken.push(format!("src/{room}/Cargo.toml: {room} knows {name}; it may know {may_know:?}"));
            }
        }
    }
    report("a room knows whom it may not (see ARCHITECTURE)", broken);
}

#[test]
fn doors_and_pages_know_only_what_lies_below_them() {
    // What each part of the root package may not name.
    let above: [(&str, &[&str]); 6] = [
        ("src/gateway.rs", &["crate::server", "crate::admin", "crate::config", "crate::app", "crate::cli"]),
        ("src/takedown.rs", &["crate::server", "crate::admin", "crate::config", "crate::app", "crate::cli"]),
        (
            "src/witness.rs",
            &["crate::server", "crate::admin", "crate::config", "crate::app", "crate::cli", "crate::gateway"],
        ),
        ("src/server/", &["crate::admin", "crate::config", "crate::app", "crate::cli"]),
        ("src/admin/", &["crate::server", "crate::cli", "crate::config"]),
        ("src/config/", &["crate::app", "crate::cli", "crate::server", "crate::admin", "crate::gateway"]),
    ];
    let mut broken = Vec::new();
    for file in sources() {
        for (part, names) in above.iter().filter(|(part, _)| file.path.starts_with(part)) {
            for (number, line) in file.code() {
                broken.extend(
                    names
                        .iter()
                        .filter(|name| line.contains(*name))
                        .map(|name| format!("{}:{number}: {part} knows {name}, which stands above it", file.path)),
                );
            }
        }
    }
    report("a part knows one above it", broken);
}

// Ratchets.

/// Lines of code of the longest file.
const LONGEST_FILE: usize = 400;
/// Lines of the longest function.
const LONGEST_FUNCTION: usize = 65;
/// The two pages that a newcomer reads whole. About 250 lines each is what they are meant to have.
const PAGES: [(&str, usize); 2] = [("src/gateway.rs", 250), ("src/takedown.rs", 280)];
/// Functions over 45 lines.
const LONG_FUNCTIONS: usize = 6;
/// `pub` items that no other file names. Types that only a signature hands out are among them.
const UNUSED_PUB: usize = 14;

#[test]
fn files_stay_readable() {
    let mut lengths: Vec<(usize, String)> =
        sources().into_iter().map(|file| (file.code().count(), file.path)).collect();
    lengths.sort();
    let over = lengths.iter().filter(|(length, _)| *length > LONGEST_FILE);
    report(
        "a file that does more than one thing is hard to find things in: split it by what it is about",
        over.map(|(length, path)| format!("{path}: {length} lines of code, over {LONGEST_FILE}")).collect(),
    );
    for (page, most) in PAGES {
        let length = lengths.iter().find(|(_, path)| path == page).map_or(0, |(length, _)| *length);
        assert!(length <= most, "{page} is a page that a newcomer reads whole: {length} lines, over {most}");
    }
}

/// Name, place and lines of every function.
fn functions(file: &File) -> Vec<(usize, String)> {
    let lines: Vec<(usize, &str)> = file.code().collect();
    let mut found = Vec::new();
    for (index, (number, line)) in lines.iter().enumerate() {
        let trimmed = line.trim_start();
        let before = trimmed.split("fn ").next().unwrap_or_default();
        let is_function = trimmed.contains("fn ")
            && before.split_whitespace().all(|word| {
                word.starts_with("pub") || ["const", "async", "unsafe", "in", "crate)", "super)"].contains(&word)
            });
        if !is_function || trimmed.ends_with(';') {
            continue;
        }
        let end = format!("{}}}", &line[..line.len() - trimmed.len()]);
        let length = lines[index..].iter().position(|(_, line)| *line == end).map_or(1, |length| length + 1);
        let name = trimmed.split("fn ").nth(1).unwrap_or_default().split(['(', '<']).next().unwrap_or_default();
        found.push((length, format!("{}:{number}: {name}", file.path)));
    }
    found
}

#[test]
fn functions_fit_on_a_screen() {
    let mut all: Vec<(usize, String)> = sources().iter().flat_map(functions).collect();
    all.sort();
    let (longest, place) = all.last().cloned().unwrap();
    assert!(
        longest <= LONGEST_FUNCTION,
        "{place}: {longest} lines, over {LONGEST_FUNCTION}: let it tell the story, and others do the steps"
    );
    let long: Vec<String> =
        all.iter().filter(|(length, _)| *length > 45).map(|(length, place)| format!("{place}: {length}")).collect();
    assert!(
        long.len() <= LONG_FUNCTIONS,
        "{} functions over 45 lines, not {LONG_FUNCTIONS}:\n{}",
        long.len(),
        long.join("\n")
    );
}

/// The words of a file that could be names.
fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|word| !word.is_empty())
}

#[test]
fn what_is_pub_is_used_from_outside() {
    let all = files(&["src", "tests", "benches"], ".rs");
    // Which files hold a word.
    let mut holders: HashMap<&str, Vec<usize>> = HashMap::new();
    for (index, file) in all.iter().enumerate() {
        let mut seen: Vec<&str> = words(&file.text).collect();
        seen.sort_unstable();
        seen.dedup();
        for word in seen {
            holders.entry(word).or_default().push(index);
        }
    }
    let mut unused: BTreeMap<String, String> = BTreeMap::new();
    for (index, file) in all.iter().enumerate().filter(|(_, file)| file.path.starts_with("src/")) {
        for (number, line) in file.code() {
            let Some(name) = pub_name(line) else { continue };
            if !holders[name].iter().any(|other| *other != index) {
                unused.insert(format!("{}:{number}", file.path), name.to_owned());
            }
        }
    }
    let list: Vec<String> = unused.iter().map(|(place, name)| format!("{place}: {name}")).collect();
    assert!(
        list.len() <= UNUSED_PUB,
        "{} `pub` items that no other file names, not {UNUSED_PUB}: less is easier to change\n  {}",
        list.len(),
        list.join("\n  ")
    );
}

/// The name that a line makes public.
fn pub_name(line: &str) -> Option<&str> {
    let mut rest = line.trim_start().strip_prefix("pub ")?;
    for modifier in ["const ", "async ", "unsafe "] {
        if rest.starts_with("const fn") || !rest.starts_with("const ") {
            rest = rest.strip_prefix(modifier).unwrap_or(rest);
        }
    }
    let kinds = ["fn ", "struct ", "enum ", "trait ", "type ", "const ", "static "];
    let rest = kinds.iter().find_map(|kind| rest.strip_prefix(kind))?;
    words(rest).next()
}

#[test]
fn links_lead_somewhere() {
    let mut broken = Vec::new();
    for page in top_files(".md").into_iter().chain(files(&["docs"], ".md")) {
        let folder = top().join(&page.path).parent().unwrap().to_owned();
        for link in page.text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let path = link.split('#').next().unwrap_or_default();
            let is_elsewhere = link.starts_with('#') || link.contains("://") || link.starts_with("mailto:");
            if !is_elsewhere && !folder.join(path).exists() {
                broken.push(format!("{}: {link}", page.path));
            }
        }
    }
    report("a link leads nowhere", broken);
}
