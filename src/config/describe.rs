//! What is in force, as `seawall check` prints it: what surprises people comes first.

use std::fmt::Write;

use serde_json::Value;

use super::in_force::shown;
use super::meant::Meant;
use super::surprises::Surprise;

/// Readable text, each line ended; no control characters but LF.
pub fn describe(meant: &Meant, surprises: &[Surprise]) -> String {
    let mut page = Page::default();
    page.heading("what may surprise you");
    for surprise in surprises {
        page.line(surprise.about, &surprise.what);
    }
    for table in shown(meant) {
        page.heading(&table.title);
        for row in table.rows {
            let value = show(&row.value);
            match (value.is_empty(), row.remark) {
                (_, "") => page.line(row.key, &value),
                (true, remark) => page.line(row.key, remark),
                (false, remark) => page.line(row.key, &format!("{value} ({remark})")),
            }
        }
    }
    page.text
}

/// A value in one line, without quotes; nothing where it is null.
fn show(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(list) if list.is_empty() => "none".to_owned(),
        Value::Array(list) => list.iter().map(show).collect::<Vec<_>>().join(", "),
        Value::Object(table) => {
            let keys = table.iter().filter(|(_, value)| !value.is_null());
            let keys = keys.map(|(key, value)| format!("{key} = {}", show(value)));
            format!("{{ {} }}", keys.collect::<Vec<_>>().join(", "))
        }
        Value::Bool(_) | Value::Number(_) => value.to_string(),
    }
}

#[derive(Default)]
struct Page {
    text: String,
}

impl Page {
    fn heading(&mut self, title: &str) {
        let blank = if self.text.is_empty() { "" } else { "\n" };
        let _ = writeln!(self.text, "{blank}{}", printable(title));
    }

    fn line(&mut self, key: &str, value: &str) {
        let _ = writeln!(self.text, "  {key:<24}{}", printable(value));
    }
}

fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c }).collect()
}
