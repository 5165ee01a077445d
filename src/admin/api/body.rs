//! What a request says in its body: JSON, and what is wrong with it in words of ours.

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use terms::nearest;

use super::super::problem::Problem;

/// What a field of a body may hold; `null` where it may be absent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    Text,
    /// An array of texts, which may not be absent.
    Texts,
    /// May not be `null`.
    Flag,
    Count,
}

/// The fields that a body may have.
pub(super) struct Fields {
    pub known: &'static [(&'static str, Shape)],
    /// Others are for who reads it to judge.
    pub others: bool,
    /// A body that is right.
    pub example: &'static str,
}

pub(super) fn read<T: DeserializeOwned>(body: &[u8], fields: &Fields) -> Result<T, Problem> {
    serde_json::from_slice(body).map_err(|error| Problem::bad_request(fields.wrong_with(body, &error)))
}

impl Fields {
    fn wrong_with(&self, body: &[u8], error: &serde_json::Error) -> String {
        let example = self.example;
        match serde_json::from_slice::<Value>(body) {
            Ok(Value::Object(said)) => self.wrong_field(&said),
            Ok(other) => format!("the body is {}, and should be an object such as {example}", called(&other)),
            Err(_) if body.is_empty() => format!("there is no body: send JSON such as {example}"),
            Err(_) => {
                let (line, column) = (error.line(), error.column());
                format!("the body is no JSON from line {line}, column {column} on: send an object such as {example}")
            }
        }
    }

    /// An object holds a field once, so what is right here was said more often there.
    fn wrong_field(&self, said: &Map<String, Value>) -> String {
        let shapes = self.known.iter();
        let wrong = shapes.clone().find_map(|(name, shape)| shape.wrong(name, said.get(*name)));
        let unknown =
            || said.keys().filter(|_| !self.others).find(|name| self.known.iter().all(|(known, _)| known != name));
        match (wrong, unknown()) {
            (Some(wrong), _) => format!("{wrong}: the body is an object such as {}", self.example),
            (None, Some(name)) => self.unknown(name),
            (None, None) => "a field is said twice in the body".to_owned(),
        }
    }

    fn unknown(&self, name: &str) -> String {
        let short: String = name.chars().take(40).collect();
        let names: Vec<&str> = self.known.iter().map(|(name, _)| *name).collect();
        let meant = nearest(name, names.iter().copied());
        let meant = meant.map(|known| format!("; did you mean {known}?")).unwrap_or_default();
        format!("{short:?} is no field of this body, which has {}{meant}", names.join(", "))
    }
}

impl Shape {
    fn wrong(self, name: &str, value: Option<&Value>) -> Option<String> {
        let expected = match self {
            Shape::Text => "a text",
            Shape::Texts => "an array of texts",
            Shape::Flag => "true or false",
            Shape::Count => "a whole number, not below zero",
        };
        match (self, value) {
            (Shape::Texts, None) => Some(format!("{name} is missing, {expected}")),
            (Shape::Text | Shape::Count, Some(Value::Null)) | (_, None) => None,
            (Shape::Text, Some(Value::String(_))) | (Shape::Flag, Some(Value::Bool(_))) => None,
            (Shape::Count, Some(number)) if number.as_u64().is_some_and(|count| usize::try_from(count).is_ok()) => None,
            (Shape::Texts, Some(Value::Array(items))) => {
                let (at, item) = items.iter().enumerate().find(|(_, item)| !item.is_string())?;
                Some(format!("{name}[{at}] is {}, and should be a text", called(item)))
            }
            (_, Some(value)) => Some(format!("{name} is {}, and should be {expected}", called(value))),
        }
    }
}

/// A value by its kind: what it holds may be long.
fn called(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(number) if number.is_f64() => "a number with a fraction",
        Value::Number(number) if number.is_i64() && !number.is_u64() => "a number below zero",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}
