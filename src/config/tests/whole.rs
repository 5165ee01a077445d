//! That no key is forgotten: what is read, what is shown, and what the schema knows are the same.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use serde_json::{Map, Value, json};

use super::super::keys::{Kind, path};
use super::super::{typed, words};
use super::*;

/// The paths of all keys that are read, those of tables included.
fn read_keys() -> BTreeSet<String> {
    let keys = typed::keys();
    let mut found = BTreeSet::new();
    let mut tables = vec![""];
    while let Some(table) = tables.pop() {
        for (key, known) in keys.of(table) {
            found.insert(path(table, key));
            match known.kind {
                Kind::Table(name) | Kind::Tables(name) | Kind::TextsOrTables(name) => tables.push(name),
                _ => {}
            }
        }
    }
    found
}

/// The same of a document; a list of tables has the keys of all of them.
fn document_keys(value: &Value, at: &str, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(table) => {
            for (key, value) in table {
                let path = path(at, key);
                document_keys(value, &path, found);
                found.insert(path);
            }
        }
        Value::Array(list) => list.iter().for_each(|item| document_keys(item, at, found)),
        _ => {}
    }
}

fn as_json(toml: &str) -> Value {
    serde_json::to_value(toml::from_str::<toml::Table>(toml).unwrap()).unwrap()
}

/// JSON without its nulls, for which TOML has no word.
fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(table) => {
            let kept = table.into_iter().filter(|(_, value)| !value.is_null());
            Value::Object(kept.map(|(key, value)| (key, without_nulls(value))).collect())
        }
        Value::Array(list) => Value::Array(list.into_iter().map(without_nulls).collect()),
        other => other,
    }
}

#[test]
fn every_key_is_in_a_test_and_shown() {
    let (_folder, meant) = every_key();
    let (mut written, mut shown) = (BTreeSet::new(), BTreeSet::new());
    document_keys(&as_json(EVERY_KEY), "", &mut written);
    document_keys(&in_force(&meant), "", &mut shown);
    assert_eq!(written, read_keys(), "EVERY_KEY in these tests holds every key");
    assert_eq!(shown, read_keys(), "in_force.rs shows every key");
}

#[test]
fn the_example_shows_every_key() {
    let example = include_str!("../../../config/seawall.toml");
    for path in read_keys() {
        let key = path.rsplit('.').next().unwrap();
        let shown = [format!("{key} = "), format!("[{path}]")].iter().any(|form| example.contains(form));
        assert!(shown, "{path}");
    }
}

#[test]
fn every_key_has_words() {
    let described: BTreeSet<String> = words::WORDS.iter().map(|(path, _)| (*path).to_owned()).collect();
    assert_eq!(described, read_keys(), "words.rs says of every key what it is for");
    assert!(words::WORDS.iter().all(|(_, words)| words.ends_with('.') && words.len() > 10));
}

/// What is shown to be in force is a config, and means the same.
#[test]
fn what_is_in_force_can_be_written_down() {
    let (_folder, every) = every_key();
    for meant in [every, good(SITE)] {
        let text = toml::to_string(&without_nulls(in_force(&meant))).unwrap();
        let again = good(&text);
        assert_eq!(format!("{again:?}"), format!("{meant:?}"), "{text}");
    }
}

#[test]
fn the_text_shows_every_value() {
    let (_folder, meant) = every_key();
    let page = describe(&meant, &surprises(&meant));
    for (_, value) in in_force(&meant).as_object().unwrap() {
        let tables = value.as_array().cloned().unwrap_or_else(|| vec![value.clone()]);
        for (key, value) in tables.iter().filter_map(Value::as_object).flatten() {
            let line = page.lines().any(|line| {
                let text = value.as_str().map(str::to_owned).unwrap_or_default();
                line.trim_start().starts_with(&format!("{key} ")) && line.contains(&text)
            });
            assert!(line, "{key} = {value} in\n{page}");
        }
    }
}

// The schema, by a validator that knows the words it uses and no others.

/// What is wrong with `value`, by its place.
fn invalid(value: &Value, schema: &Value, at: &str) -> Vec<String> {
    let schema = schema.as_object().unwrap_or_else(|| panic!("no schema at {at}"));
    schema.iter().flat_map(|(word, says)| invalid_by(value, word, says, schema, at)).collect()
}

fn invalid_by(value: &Value, word: &str, says: &Value, schema: &Map<String, Value>, at: &str) -> Vec<String> {
    let unless = |holds: bool| if holds { Vec::new() } else { vec![format!("{at}: {value} is not {word} {says}")] };
    match word {
        "$schema" | "title" | "description" | "default" => Vec::new(),
        "type" => unless(match says.as_str().unwrap() {
            "object" => value.is_object(),
            "array" => value.is_array(),
            "string" => value.is_string(),
            "boolean" => value.is_boolean(),
            "integer" => value.is_i64() || value.is_u64(),
            other => panic!("a type {other}"),
        }),
        "minimum" => unless(value.as_f64().is_none_or(|value| value >= says.as_f64().unwrap())),
        "minLength" => unless(value.as_str().is_none_or(|text| text.len() as u64 >= says.as_u64().unwrap())),
        "pattern" => {
            let pattern = regex::Regex::new(says.as_str().unwrap()).unwrap();
            unless(value.as_str().is_none_or(|text| pattern.is_match(text)))
        }
        "enum" => unless(says.as_array().unwrap().contains(value)),
        "required" => {
            let keys = says.as_array().unwrap().iter().map(|key| key.as_str().unwrap());
            unless(value.as_object().is_none_or(|table| keys.into_iter().all(|key| table.contains_key(key))))
        }
        "anyOf" => unless(says.as_array().unwrap().iter().any(|one| invalid(value, one, at).is_empty())),
        "items" => value.as_array().into_iter().flatten().flat_map(|item| invalid(item, says, at)).collect(),
        "properties" => value
            .as_object()
            .into_iter()
            .flatten()
            .filter_map(|(key, value)| says.get(key).map(|schema| invalid(value, schema, &path(at, key))))
            .flatten()
            .collect(),
        "additionalProperties" => {
            let known = |key: &String| schema["properties"].get(key).is_some();
            unless(value.as_object().is_none_or(|table| table.keys().all(known)))
        }
        other => panic!("the schema says {other}"),
    }
}

#[test]
fn the_schema_takes_what_is_good() {
    let example = include_str!("../../../config/seawall.toml");
    let (_folder, every) = every_key();
    for document in [as_json(example), as_json(SITE), as_json(EVERY_KEY), without_nulls(in_force(&every))] {
        assert_eq!(invalid(&document, &schema(), ""), Vec::<String>::new());
    }
}

#[test]
fn the_schema_refuses_what_is_not() {
    for text in [
        "",
        "[edge]\nlisten = [8080]",
        "[edge]\nlisten = [{ tls = { cert = \"a\", key = \"a\" } }]",
        "[edge]\nlisten = [{ addr = \"127.0.0.1:0\", tls = { cert = \"a\" } }]",
        "[edge]\nhead_timeout = 10",
        "[edge]\nhead_timeout = \"10\"",
        "[edge]\nhead_timeout = \"\"",
        "[edge]\nhead_timeout = \"1s1m\"",
        "[edge]\nmax_fields = \"7\"",
        "[edge]\nmax_fields = -7",
        "[admin]\ninsecure = \"yes\"",
        "[cache]\nmemory = \"256mb\"",
        "[cache]\nmemry = \"1GiB\"",
        "[audit]\nsync = \"always\"",
        "[takedown]\nlists = [3]",
        "[takedown]\nlists = [{ format = \"hosts\" }]",
        "[takedown]\nlists = [{ url = \"https://f.example/l\", every = \"5\" }]",
        "[[hook]]\non = \"purged\"",
        "[site]\nhosts = \"a\"\norigin = \"http://a\"",
    ] {
        let whole = if text.is_empty() || text.starts_with("[site]") { text } else { &format!("{text}\n{SITE}") };
        assert!(read(whole).is_err(), "the config takes\n{whole}");
        assert!(!invalid(&as_json(whole), &schema(), "").is_empty(), "the schema takes\n{whole}");
    }
}

#[test]
fn the_schema_shows_the_defaults() {
    let schema = schema();
    for (path, default) in [
        ("/properties/edge/properties/listen", json!(["127.0.0.1:8080"])),
        ("/properties/edge/properties/head_timeout", json!("10s")),
        ("/properties/cache/properties/max_object", json!("32MiB")),
        ("/properties/state/properties/dir", json!("state")),
        ("/properties/audit/properties/client", json!("truncated")),
        ("/properties/site/items/properties/max_origin_connections", json!(256)),
        ("/properties/site/items/properties/name", Value::Null),
        ("/properties/takedown/properties/operator_url", Value::Null),
    ] {
        let key = schema.pointer(path).unwrap_or_else(|| panic!("no {path}"));
        assert_eq!(key.get("default").unwrap_or(&Value::Null), &default, "{path}");
        assert!(key["description"].as_str().is_some_and(|words| !words.is_empty()), "{path}");
    }
    let head = [&schema["$schema"], &schema["additionalProperties"], &schema["required"]];
    assert_eq!(head, [&json!("https://json-schema.org/draft/2020-12/schema"), &json!(false), &json!(["site"])]);
}

proptest::proptest! {
    /// The patterns know no text that the reading doesn't, but for bounds.
    #[test]
    fn patterns_are_those_of_the_units(text in "[0-9]{0,3}[dhmsKMGTikB]{0,3}[0-9]{0,2}[hms]{0,2}") {
        static SCHEMA: LazyLock<Value> = LazyLock::new(schema);
        let matches = |path: &str| invalid(&json!(text), SCHEMA.pointer(path).unwrap(), "").is_empty();
        proptest::prop_assert_eq!(
            matches("/properties/edge/properties/drain"),
            units::duration(&text).is_ok(),
            "a duration {}", text
        );
        proptest::prop_assert_eq!(matches("/properties/cache/properties/memory"), units::size(&text).is_ok(), "a size {}", text);
    }
}
