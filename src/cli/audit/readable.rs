//! A line of the evidence as people read it.

use serde_json::{Map, Value};

use super::super::output::bytes;

/// A value as it stands in a cell or a sentence.
pub fn cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// One line for people: when, what came of it, of what, and for whose sake.
pub fn readable(fields: &Map<String, Value>) -> String {
    let text = |name: &str| fields.get(name).map(cell).unwrap_or_default();
    let place = format!("{}.{}", text("run"), text("seq"));
    let start = format!("{place:<8} {}", text("time"));
    if fields.contains_key("event") {
        return format!("{start}  event    {}  {}", text("event"), text("data")).trim_end().to_owned();
    }
    let url =
        if fields.get("url").is_none_or(Value::is_null) { "(a URL that can't be named)".into() } else { text("url") };
    let sent = bytes(fields.get("bytes").and_then(Value::as_u64).unwrap_or(0));
    let whole = if fields.get("complete") == Some(&Value::Bool(true)) { "" } else { " (not all)" };
    let (verdict, cache, status, method) = (text("verdict"), text("cache"), text("status"), text("method"));
    let mut line = format!("{start}  {verdict:<8} {status} {cache:<11} {method} {url}  {sent}{whole}");
    for name in ["notice", "rule"] {
        if fields.contains_key(name) {
            line += &format!("  {name}={}", text(name));
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_answer_is_one_readable_line() {
        let fields = json!({
            "run": 1, "seq": 7, "time": "2026-11-24T10:00:00.000000Z", "verdict": "cut", "status": 200, "cache": "miss",
            "method": "GET", "url": "https://a.example/slow", "bytes": 2048, "complete": false,
            "notice": "N-2", "rule": "https://a.example/slow",
        });
        let wanted = "1.7      2026-11-24T10:00:00.000000Z  cut      200 miss        GET https://a.example/slow  \
                      2.0 KiB (not all)  notice=N-2 rule=https://a.example/slow"
            .replace("N-2 rule", "N-2  rule");
        assert_eq!(readable(fields.as_object().unwrap()), wanted);
        let event = json!({"event": "started", "run": 1, "seq": 1, "time": "T"});
        assert_eq!(readable(event.as_object().unwrap()), "1.1      T  event    started");
    }
}
