//! `seawall status`: what the API tells of the running edge, laid out for people whatever it holds.

use std::time::Duration;

use serde_json::{Map, Value};

use crate::config::units::show_duration;

use super::exit::{Exit, Failure};
use super::output::{Format, FormatArg, Output, Paint, bytes, printable};
use super::reach::Reach;

/// Look at the running one: version, lists, cache, evidence, origins
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  seawall status
  seawall status --output json")]
pub struct Status {
    #[command(flatten)]
    reach: Reach,
    #[command(flatten)]
    format: FormatArg,
}

/// What is looked for first stands first; the rest follows in the order of the alphabet.
const FIRST: [&str; 8] = ["ready", "state", "version", "node", "run", "uptime", "uptime_seconds", "list"];
const FIRST_IN_ROWS: [&str; 7] = ["source", "name", "file", "path", "site", "origin", "health"];

impl Status {
    pub fn run(self) -> Result<Exit, Failure> {
        let reply = self.reach.admin()?.look("/api/v1/status")?;
        let mut output = Output::stdout();
        match self.format.format {
            Format::Text => print(&mut output, &reply.json)?,
            Format::Json => output.line(&reply.text)?,
            Format::Jsonl => output.json(&reply.json, Format::Jsonl)?,
        }
        output.flush()?;
        Ok(Exit::Done)
    }
}

/// What stands alone as pairs, then a section for each thing that has parts.
fn print(output: &mut Output, status: &Value) -> anyhow::Result<()> {
    let Some(status) = status.as_object() else { return output.json(status, Format::Json) };
    output.pairs(&pairs(status))?;
    for (name, value) in in_order(status, &FIRST) {
        section(output, name, value)?;
    }
    Ok(())
}

fn section(output: &mut Output, name: &str, value: &Value) -> anyhow::Result<()> {
    let title = output.paint(Paint::Bold, &printable(&readable(name)));
    match value {
        Value::Object(parts) => {
            output.line(format!("\n{title}"))?;
            output.pairs(
                &pairs(parts).into_iter().map(|(name, value)| (format!("  {name}"), value)).collect::<Vec<_>>(),
            )?;
            for (inner, value) in in_order(parts, &FIRST) {
                section(output, &format!("{name} {inner}"), value)?;
            }
            Ok(())
        }
        Value::Array(rows) if rows.iter().any(Value::is_object) => {
            output.line(format!("\n{title}"))?;
            let heading = columns(rows);
            let cell = |row: &Value, name: &str| row.get(name).map_or_else(String::new, |value| shown(name, value));
            let rows: Vec<Vec<String>> =
                rows.iter().map(|row| heading.iter().map(|name| cell(row, name)).collect()).collect();
            let heading: Vec<String> = heading.into_iter().map(readable).collect();
            output.table(&heading.iter().map(String::as_str).collect::<Vec<_>>(), &rows)
        }
        _ => Ok(()),
    }
}

/// The scalars of an object, readable.
fn pairs(object: &Map<String, Value>) -> Vec<(String, String)> {
    let flat = in_order(object, &FIRST).into_iter().filter(|(_, value)| is_flat(value));
    flat.map(|(name, value)| (readable(name), shown(name, value))).collect()
}

fn is_flat(value: &Value) -> bool {
    match value {
        Value::Object(_) => false,
        Value::Array(items) => !items.iter().any(Value::is_object),
        _ => true,
    }
}

fn columns(rows: &[Value]) -> Vec<&str> {
    let mut names: Vec<&str> = Vec::new();
    for row in rows.iter().filter_map(Value::as_object) {
        for (name, _) in in_order(row, &FIRST_IN_ROWS) {
            if !names.contains(&name) {
                names.push(name);
            }
        }
    }
    names
}

fn in_order<'m>(object: &'m Map<String, Value>, first: &[&str]) -> Vec<(&'m str, &'m Value)> {
    let rank = |name: &str| first.iter().position(|known| *known == name).unwrap_or(first.len());
    let mut all: Vec<(&str, &Value)> = object.iter().map(|(name, value)| (name.as_str(), value)).collect();
    all.sort_by_key(|(name, _)| rank(name));
    all
}

/// A name in words. The unit goes with the value.
fn readable(name: &str) -> String {
    name.strip_suffix("_seconds").unwrap_or(name).replace('_', " ")
}

/// A value as people read it; the name says the unit.
fn shown(name: &str, value: &Value) -> String {
    let is_bytes = name == "bytes" || name.ends_with("_bytes");
    let is_seconds = name == "uptime" || name == "age" || name.ends_with("_seconds");
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.clone(),
        Value::Number(number) if is_bytes => number.as_u64().map_or_else(|| number.to_string(), bytes),
        Value::Number(number) if is_seconds => match number.as_f64().map(Duration::try_from_secs_f64) {
            Some(Ok(span)) => show_duration(Duration::from_secs(span.as_secs())),
            _ => number.to_string(),
        },
        Value::Array(items) => items.iter().map(|item| shown(name, item)).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn values_have_units_by_their_names() {
        let all = [
            ("bytes", json!(1536)),
            ("uptime_seconds", json!(3723.4)),
            ("error", json!(null)),
            ("x", json!(["a", 1])),
            ("age_seconds", json!(-1)),
        ];
        let shown = all.map(|(name, value)| shown(name, &value));
        assert_eq!(shown, ["1.5 KiB", "1h2m3s", "-", "a, 1", "-1"]);
    }

    #[test]
    fn what_is_looked_for_first_stands_first() {
        let status = json!({"audit": {"queue": 0}, "node": "n", "uptime_seconds": 1, "version": "0.1.0", "list": 3});
        let names: Vec<String> = pairs(status.as_object().unwrap()).into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["version", "node", "uptime", "list"]);
        assert_eq!(columns(&[json!({"rules": 1, "source": "s"}), json!({"error": "e"})]), ["source", "rules", "error"]);
    }
}
