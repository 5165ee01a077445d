//! The config as a JSON schema (draft 2020-12), for editors.
//!
//! Keys and types are those that [`super::typed`] reads, defaults those that [`super::in_force`] shows
//! for the smallest config, descriptions those of [`super::words`].

use std::path::Path;

use serde_json::{Map, Value, json};

use super::in_force::in_force;
use super::keys::{Key, Keys, Kind, path};
use super::{parse, typed, words};

const SMALLEST: &str = "[[site]]\nhosts = [\"*\"]\norigin = \"http://127.0.0.1:3000\"\n";

/// Keys whose default depends on what else is written.
const DERIVED: [&str; 1] = ["site.name"];

/// A whole number and a unit each, the larger unit first: [`super::units::duration`].
const DURATION: &str = "^([0-9]+d)?([0-9]+h)?([0-9]+m)?([0-9]+s)?([0-9]+ms)?$";

/// [`super::units::size`].
const SIZE: &str = "^[0-9]+(B|KiB|MiB|GiB|TiB|kB|KB|MB|GB|TB)$";

/// [`super::units::rate`] and [`super::units::byte_rate`].
const RATE: &str = "^[0-9]+/[smh]$";
const BYTE_RATE: &str = "^[0-9]+(B|KiB|MiB|GiB|TiB|kB|KB|MB|GB|TB)/s$";

pub fn schema() -> Value {
    let keys = typed::keys();
    let defaults = parse(SMALLEST, Path::new(""), Path::new("")).map_or(Value::Null, |meant| in_force(&meant));
    let mut schema = Map::from_iter([
        ("$schema".to_owned(), json!("https://json-schema.org/draft/2020-12/schema")),
        ("title".to_owned(), json!("The config of Seawall")),
    ]);
    schema.append(&mut table(&keys, "", &defaults));
    Value::Object(schema)
}

/// `defaults` holds those of the table's keys that have one.
fn table(keys: &Keys, name: &'static str, defaults: &Value) -> Map<String, Value> {
    let properties = keys.of(name).map(|(key, known)| {
        let path = path(name, key);
        let default = &defaults[key];
        let mut schema = value(keys, known, default);
        schema.insert("description".to_owned(), json!(words::of(&path)));
        let is_plain = !matches!(known.kind, Kind::Table(_) | Kind::Tables(_)) && !default.is_null();
        if is_plain && !known.required && !DERIVED.contains(&path.as_str()) {
            schema.insert("default".to_owned(), default.clone());
        }
        (key.to_owned(), Value::Object(schema))
    });
    let properties: Map<String, Value> = properties.collect();
    let required: Vec<&str> = keys.of(name).filter(|(_, known)| known.required).map(|(key, _)| key).collect();
    let mut schema = object(json!({
        "type": "object", "properties": properties, "required": required, "additionalProperties": false,
    }));
    if name == "takedown.lists" {
        schema.insert("anyOf".to_owned(), json!([{"required": ["path"]}, {"required": ["url"]}]));
    }
    if name == "hook" {
        schema.insert("anyOf".to_owned(), json!([{"required": ["exec"]}, {"required": ["url", "secret_file"]}]));
    }
    schema
}

fn value(keys: &Keys, key: &Key, defaults: &Value) -> Map<String, Value> {
    match &key.kind {
        Kind::Text => object(json!({"type": "string"})),
        Kind::Flag => object(json!({"type": "boolean"})),
        Kind::Number => object(json!({"type": "integer", "minimum": 0})),
        Kind::Duration => object(json!({"type": "string", "pattern": DURATION, "minLength": 2})),
        Kind::Size => object(json!({"type": "string", "pattern": SIZE})),
        Kind::Rate => object(json!({"type": "string", "pattern": RATE})),
        Kind::ByteRate => object(json!({"type": "string", "pattern": BYTE_RATE})),
        Kind::Choice(words) => object(json!({"enum": words})),
        Kind::Texts => one_or_many(json!({"type": "string"})),
        Kind::Numbers => one_or_many(json!({"type": "integer", "minimum": 0})),
        Kind::Table(name) => table(keys, name, defaults),
        Kind::Tables(name) => object(json!({"type": "array", "items": table(keys, name, &defaults[0])})),
        Kind::TextsOrTables(name) => {
            one_or_many(json!({"anyOf": [{"type": "string"}, table(keys, name, &Value::Null)]}))
        }
    }
}

fn one_or_many(one: Value) -> Map<String, Value> {
    object(json!({"anyOf": [one.clone(), {"type": "array", "items": one}]}))
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        other => Map::from_iter([("const".to_owned(), other)]),
    }
}
