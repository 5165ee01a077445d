//! The config: what `check` says, and that the examples can be run.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::harness::seawall;

fn check(text: &str) -> crate::harness::process::Output {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("seawall.toml"), text).unwrap();
    seawall(&["check", "-c", "seawall.toml"], folder.path())
}

const SITE: &str = "[[site]]\nhosts = [\"photos.example\"]\norigin = \"http://127.0.0.1:3000\"\n";

#[test]
fn the_smallest_config_is_a_site() {
    let good = check(SITE);
    assert_eq!(good.code, 0, "{}", good.all());
    // What is in force is printed, defaults as well.
    for shown in ["127.0.0.1:8080", "127.0.0.1:9090", "photos.example", "256"] {
        assert!(good.stdout.contains(shown), "{shown} in {}", good.stdout);
    }
}

#[test]
fn errors_show_line_column_source_and_what_to_write() {
    for (text, place, source, help) in [
        (format!("[cache]\nmemry = \"1GiB\"\n{SITE}"), "seawall.toml:2:1", "memry = \"1GiB\"", "memory"),
        (
            format!("[edge]\nlisten = [\"127.0.0.1:8080\"]\n  drian = \"3s\"\n{SITE}"),
            "seawall.toml:3:3",
            "drian",
            "drain",
        ),
        (format!("[edge]\nhead_timeout = \"3 parsecs\"\n{SITE}"), "seawall.toml:2:16", "3 parsecs", "s"),
        (format!("[cache]\nmemory = 5\n{SITE}"), "seawall.toml:2:10", "memory = 5", "5B"),
        (format!("[cash]\n{SITE}"), "seawall.toml:1:2", "[cash]", "cache"),
        ("[[site]]\nhosts = [\"a\"]\n".to_owned(), "seawall.toml:1", "[[site]]", "origin"),
        (format!("{SITE}orgin = \"x\"\n"), "seawall.toml:4:1", "orgin", "origin"),
        (format!("{SITE}hosts = [\"b\"]\n"), "seawall.toml:4:1", "hosts", "hosts"),
        (format!("[audit]\nclient = \"ful\"\n{SITE}"), "seawall.toml:2:10", "ful", "full"),
        (format!("[admin]\nlisten = \"0.0.0.0:9090\"\n{SITE}"), "seawall.toml:2:10", "0.0.0.0", "insecure"),
        ("[edge\n".to_owned(), "seawall.toml:1", "[edge", ""),
    ] {
        let bad = check(&text);
        assert_eq!(bad.code, 78, "{text}\n{}", bad.all());
        for part in [place, source, help] {
            assert!(bad.all().contains(part), "`{part}` for\n{text}\n{}", bad.all());
        }
    }
}

#[test]
fn all_errors_are_shown_at_once() {
    let bad = check(&format!("[cache]\nmemry = \"1GiB\"\n[edge]\ndrian = \"1s\"\n{SITE}"));
    assert!(bad.all().contains(":2:1") && bad.all().contains(":4:1"), "{}", bad.all());
}

#[test]
fn a_list_with_a_bad_line_is_named_with_file_line_and_column() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("blocklist.d")).unwrap();
    fs::write(folder.path().join("seawall.toml"), format!("[takedown]\nlists = [\"blocklist.d\"]\n{SITE}")).unwrap();
    let list = folder.path().join("blocklist.d/list.txt");
    for (line, what) in [
        ("https://photos.example/a colour=red", "colour"),
        ("https://photos.example/a*", "*"),
        ("https://photos.example/a status=200", "200"),
        ("https://photos.example/a until=soon", "soon"),
        ("https://photos.example/a geo=DE", "geo"),
        ("sha256:123", "sha256"),
        ("not a rule at all", "not"),
        ("https://photos.example/%zz", "%"),
        ("https://photos.example/a notice=\"open", "notice"),
    ] {
        fs::write(&list, format!("# first\nhttps://photos.example/good\n{line}\n")).unwrap();
        let bad = seawall(&["check", "-c", "seawall.toml"], folder.path());
        assert_eq!(bad.code, 78, "{line}: {}", bad.all());
        let said = bad.all();
        assert!(said.contains("list.txt") && said.contains(what), "{line}: {said}");
        assert!(said.contains(":3:") || said.contains("line 3"), "{line}: {said}");
        assert!(said.contains(line), "the source line: {said}");
    }
    fs::write(&list, "https://photos.example/good\n").unwrap();
    assert_eq!(seawall(&["check", "-c", "seawall.toml"], folder.path()).code, 0);
}

#[test]
fn a_config_that_is_not_there_is_78() {
    let folder = tempfile::tempdir().unwrap();
    for arguments in [&["check"][..], &["run"], &["check", "-c", "nowhere.toml"], &["run", "-c", "nowhere.toml"]] {
        let missing = seawall(arguments, folder.path());
        assert_eq!(missing.code, 78, "{arguments:?}: {}", missing.all());
    }
}

#[test]
fn a_bad_config_starts_nothing() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("seawall.toml"), format!("[cache]\nmemry = \"1GiB\"\n{SITE}")).unwrap();
    let refused = seawall(&["run", "-c", "seawall.toml"], folder.path());
    assert_eq!(refused.code, 78);
    assert!(!folder.path().join("state").exists(), "it left a state folder");
}

fn repository() -> PathBuf {
    // The manifest's folder; from a copy of the tests it is where they really stand.
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").canonicalize().unwrap();
    tests.parent().unwrap().to_owned()
}

#[test]
fn the_commented_config_can_be_run() {
    let folder = tempfile::tempdir().unwrap();
    let config = repository().join("config/seawall.toml").display().to_string();
    let good = seawall(&["check", "-c", &config], folder.path());
    assert_eq!(good.code, 0, "{}", good.all());
}

#[test]
fn every_key_in_the_commented_config_is_one() {
    let text = fs::read_to_string(repository().join("config/seawall.toml")).unwrap();
    // `#key = value` stands for a key with its default.
    let uncommented: String = text
        .lines()
        .map(|line| match line.strip_prefix('#') {
            Some(rest) if rest.starts_with(|first: char| first.is_ascii_lowercase()) && rest.contains(" = ") => rest,
            _ => line,
        })
        .map(|line| format!("{line}\n"))
        .collect();
    assert_ne!(text, uncommented);
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("blocklist.d")).unwrap();
    fs::write(folder.path().join("seawall.toml"), &uncommented).unwrap();
    let good = seawall(&["check", "-c", "seawall.toml"], folder.path());
    assert_eq!(good.code, 0, "{}", good.all());
}

#[test]
fn the_readmes_config_can_be_run() {
    let Ok(readme) = fs::read_to_string(repository().join("README.md")) else { return };
    let block = readme.split("```toml\n").nth(1).expect("a block of TOML").split("```").next().unwrap();
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("blocklist.d")).unwrap();
    fs::write(folder.path().join("seawall.toml"), block).unwrap();
    let good = seawall(&["check", "-c", "seawall.toml"], folder.path());
    assert_eq!(good.code, 0, "{}", good.all());
}

#[test]
fn check_tells_programs_all_that_is_in_force() {
    let folder = tempfile::tempdir().unwrap();
    let site = format!("{SITE}store_set_cookie = true\n");
    fs::write(folder.path().join("seawall.toml"), site).unwrap();
    let good = seawall(&["check", "-c", "seawall.toml", "--output", "json"], folder.path());
    assert_eq!(good.code, 0, "{}", good.all());
    let told: Value = serde_json::from_str(&good.stdout).unwrap();
    for (path, value) in [
        ("/good", json!(true)),
        ("/in_force/edge/listen/0", json!("127.0.0.1:8080")),
        ("/in_force/cache/max_object", json!("32MiB")),
        ("/in_force/audit/on_pressure", json!("wait")),
        ("/in_force/site/0/hosts", json!(["photos.example"])),
        ("/in_force/site/0/first_byte_timeout", json!("30s")),
    ] {
        assert_eq!(told.pointer(path), Some(&value), "{path} of {told}");
    }
    let surprises = told["surprises"].as_array().unwrap();
    for about in ["a full disk", "an nginx origin", "cookies", "no block list"] {
        assert!(surprises.iter().any(|surprise| surprise["about"] == about), "{about} in {told}");
    }
}

#[test]
fn the_schema_needs_no_config() {
    let folder = tempfile::tempdir().unwrap();
    let printed = seawall(&["check", "--schema"], folder.path());
    assert_eq!(printed.code, 0, "{}", printed.all());
    let schema: Value = serde_json::from_str(&printed.stdout).unwrap();
    assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
    assert_eq!(schema["properties"]["edge"]["properties"]["drain"]["default"], "30s");
}
