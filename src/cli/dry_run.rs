//! What a block or a lift would do, as people and programs are told.

use serde_json::{Value, json};

use super::client::Reply;
use super::exit::Failure;
use super::output::{Format, Output, Paint, bytes, count};

/// URLs that are asked for at once: some to read, or as many as one look at the cache gives.
pub fn rows(format: Format) -> usize {
    match format {
        Format::Text | Format::Json => 100,
        Format::Jsonl => 10_000,
    }
}

/// Prints what `ask` tells; it asks for the URLs behind the one that is named. As `jsonl`, all of them, a line each.
pub fn print(
    output: &mut Output,
    format: Format,
    mut ask: impl FnMut(Option<&Value>) -> Result<Reply, Failure>,
) -> Result<(), Failure> {
    let mut reply = ask(None)?;
    match format {
        Format::Text => text(output, &reply.json)?,
        Format::Json => output.line(&reply.text)?,
        Format::Jsonl => loop {
            for row in array(&reply.json, "urls") {
                output.json(row, format)?;
            }
            match reply.json.get("next").filter(|next| !next.is_null()).cloned() {
                Some(next) if !output.is_reader_gone() => reply = ask(Some(&next))?,
                _ => break,
            }
        },
    }
    Ok(())
}

fn text(output: &mut Output, told: &Value) -> anyhow::Result<()> {
    let done = output.paint(Paint::Bold, "a dry run: nothing is changed");
    output.line(done)?;
    output.pairs(&pairs(told))?;
    section(output, "\nhow the rules are read", array(told, "rules"), &RULE, rule)?;
    more(output, told, "rules_left_out", "rule")?;
    section(output, "\nsites", array(told, "sites"), &SITE, site)?;
    section(output, "\nURLs", array(told, "urls"), &URL, url)?;
    more(output, told, "left_out", "URL")
}

fn section(
    output: &mut Output,
    title: &str,
    rows: &[Value],
    heading: &[&str],
    row: fn(&Value) -> Vec<String>,
) -> anyhow::Result<()> {
    if rows.is_empty() {
        return Ok(());
    }
    output.line(title)?;
    output.table(heading, &rows.iter().map(row).collect::<Vec<_>>())
}

fn more(output: &mut Output, told: &Value, name: &str, what: &str) -> anyhow::Result<()> {
    match (number(told, name), what) {
        (0, _) => Ok(()),
        (left, "URL") => output.line(format!("and {left} more: --output jsonl tells all")),
        (left, _) => output.line(format!("and {left} more")),
    }
}

fn pairs(told: &Value) -> Vec<(&'static str, String)> {
    let rules = array(told, "rules").len() as u64 + number(told, "rules_left_out");
    let mut pairs = vec![("  edit", word(told, "id"))];
    let mut add = |name, text: String| pairs.push((name, text));
    if let Some(country) = told.get("country").and_then(Value::as_str) {
        add("  for", format!("clients in {country}"));
    }
    if told.get("repeated") == Some(&json!(true)) {
        add("  repeated", "it is in force already".to_owned());
    }
    let idle: Vec<String> =
        [("covered", "covered by another rule as well"), ("excepted", "without effect: an exception frees all of it")]
            .into_iter()
            .filter(|(name, _)| number(told, name) > 0)
            .map(|(name, why)| format!("{} {why}", number(told, name)))
            .collect();
    add(
        "  rules",
        format!("{rules}{}", if idle.is_empty() { String::new() } else { format!(" ({})", idle.join("; ")) }),
    );
    let since = told.get("recent_since").and_then(Value::as_str).map_or(String::new(), |at| format!(" since {at}"));
    for (name, label) in [("blocked", "  would block"), ("freed", "  would free"), ("spared", "  spares")] {
        let totals = told.get(name).unwrap_or(&Value::Null);
        if name == "blocked" || number(totals, "urls") > 0 {
            let stored =
                format!("{}, {}", count(number(totals, "objects"), "cached object"), bytes(number(totals, "bytes")));
            let urls = count(number(totals, "urls"), "URL");
            add(label, format!("{urls}: {stored}; {} served{since}", count(number(totals, "answers"), "answer")));
        }
    }
    if number(told, "undecoded") > 0 {
        let more = count(number(told, "undecoded"), "cached object");
        add("  not known", format!("of {more} in gzip, br or zstd: they are decoded once the rule is there"));
    }
    add("  would cut", would_cut(told.get("would_cut").unwrap_or(&Value::Null)));
    let others = array(told, "sites").iter().filter(|site| site.get("named") != Some(&json!(true)));
    let others: Vec<String> = others.map(|site| word(site, "site")).collect();
    if !others.is_empty() {
        add("  other sites", others.join(", "));
    }
    pairs
}

fn would_cut(cut: &Value) -> String {
    let answers = count(number(cut, "answers"), "answer");
    match number(cut, "fetches") {
        0 => answers,
        1 => format!("{answers} and 1 fetch"),
        more => format!("{answers} and {more} fetches"),
    }
}

const RULE: [&str; 5] = ["rule", "reads", "sites", "also at", "beside it"];

fn rule(rule: &Value) -> Vec<String> {
    let list = |name| array(rule, name).iter().map(plain).collect::<Vec<_>>().join(", ");
    let sites = match rule.get("any_site") {
        Some(Value::Bool(true)) => "any".to_owned(),
        _ if array(rule, "sites").is_empty() => "no site answers for it".to_owned(),
        _ => list("sites"),
    };
    let cited = |name: &str, said: &str| {
        let cited = rule.get(name).filter(|cited| !cited.is_null())?;
        let place = match cited.get("file").and_then(Value::as_str) {
            Some(file) => format!("{file}:{}", number(cited, "line")),
            None => format!("live block {}", word(cited, "id")),
        };
        Some(format!("{said} by {} ({place})", word(cited, "rule")))
    };
    let is_exception = rule.pointer("/covered_by/exception") == Some(&json!(true));
    let covered = if is_exception { "freed as well" } else { "blocked as well" };
    let idle = cited("excepted_by", "without effect: freed").or_else(|| cited("covered_by", covered));
    vec![word(rule, "rule"), word(rule, "reads"), sites, dash(list("same_content")), dash(idle.unwrap_or_default())]
}

const SITE: [&str; 6] = ["site", "named", "URLs", "objects", "answers", "hosts"];

fn site(site: &Value) -> Vec<String> {
    let hosts = array(site, "hosts").iter().map(plain).collect::<Vec<_>>().join(", ");
    let more = if site.get("more_hosts") == Some(&json!(true)) { ", …" } else { "" };
    let named = if site.get("named") == Some(&json!(true)) { "yes" } else { "no" };
    let numbers = ["urls", "objects", "answers"].map(|name| number(site, name).to_string());
    let [urls, objects, answers] = numbers;
    vec![word(site, "site"), named.to_owned(), urls, objects, answers, format!("{hosts}{more}")]
}

const URL: [&str; 6] = ["url", "would be", "objects", "answers", "last served", "by"];

fn url(row: &Value) -> Vec<String> {
    let by = match (word(row, "rule"), word(row, "from")) {
        (rule, _) if rule == "-" => rule,
        (rule, from) => format!("{rule} ({from})"),
    };
    let numbers = ["objects", "answers"].map(|name| number(row, name).to_string());
    let [objects, answers] = numbers;
    vec![word(row, "url"), word(row, "effect"), objects, answers, word(row, "last_served"), by]
}

fn array<'v>(value: &'v Value, name: &str) -> &'v [Value] {
    value.get(name).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn number(value: &Value, name: &str) -> u64 {
    value.get(name).and_then(Value::as_u64).unwrap_or(0)
}

fn word(value: &Value, name: &str) -> String {
    value.get(name).map_or_else(|| "-".to_owned(), plain)
}

fn plain(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn dash(text: String) -> String {
    if text.is_empty() { "-".to_owned() } else { text }
}
