//! `seawall block` and `seawall unblock`: live edits, and their receipts.

use std::collections::BTreeSet;

use anyhow::anyhow;
use block::edits::Who;
use serde_json::{Map, Value, json};
use terms::{BlockStatus, Timestamp};

use super::client::{Admin, Reply, encoded};
use super::dry_run;
use super::exit::{Exit, Failure};
use super::output::{Format, FormatArg, Output, Paint, bytes, count};
use super::reach::Reach;
use super::tell;

/// Block URLs, hosts or content, now, and print the receipt
///
/// When the receipt is printed, the block is on the disk, in force for every request that begins, has
/// cut what was under way, and the cached copies are gone. A RULE is what a line of a list holds.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  seawall block https://photos.example/a/stolen.jpg --notice N-17 --reason 'DMCA 512(c)'
  seawall block 'https://photos.example/albums/*' '*.pirate.example' --notice N-18
  seawall block https://photos.example/b.jpg --until 2027-01-31 --status 410
  seawall block https://photos.example/c.jpg --notice N-19 --by-content
  seawall block '*.photos.example' --dry-run")]
pub struct Block {
    /// A URL, a prefix (https://host/path/*), a host, *.host, sha256:HEX, ~REGEX, or !RULE for an exception
    #[arg(value_name = "RULE", required = true)]
    rules: Vec<String>,
    /// The notice that asks for it
    #[arg(long, value_name = "ID")]
    notice: Option<String>,
    /// Why, as the blocked client is told
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// An id of yours for the whole edit: asked for twice, it is made once
    #[arg(long, value_name = "ID")]
    id: Option<String>,
    #[command(flatten)]
    by: By,
    /// What is answered: 451, 410, 404 or 403
    #[arg(long, value_name = "CODE", value_parser = status)]
    status: Option<u16>,
    /// In force from then on: a date (00:00 UTC) or RFC 3339
    #[arg(long, value_name = "TIME", value_parser = time)]
    from: Option<String>,
    /// In force until then
    #[arg(long, value_name = "TIME", value_parser = time)]
    until: Option<String>,
    /// `exact`: only under the very query that the rule names
    #[arg(long, value_name = "WORD", value_parser = ["exact"])]
    query: Option<String>,
    /// In these countries alone, by their letters: DE,FR
    #[arg(long, value_name = "CODES")]
    geo: Option<String>,
    /// Who ordered it: a URL, or words
    #[arg(long, value_name = "URL|TEXT")]
    authority: Option<String>,
    /// An .html file in the folder of the edge's config, shown in place of the built-in page
    #[arg(long, value_name = "FILE")]
    page: Option<String>,
    /// How much a blocked client is told, whatever takedown.disclose says
    #[arg(long, value_name = "WORD", value_parser = ["full", "id", "none"])]
    disclose: Option<String>,
    /// Block what the URLs stand for as well, wherever it stands: what is cached of them, every variant, or else what
    /// their origin sends when it is asked now
    #[arg(long)]
    by_content: bool,
    /// Say what would be blocked, cut and spared now, and block nothing
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    reach: Reach,
    #[command(flatten)]
    format: FormatArg,
}

/// Lift live blocks by their id, and print the receipts
///
/// The id of a receipt lifts all its rules, that of a rule lifts the one. What a list file blocks is
/// lifted in the file.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  seawall blocks
  seawall unblock 5f0c1c2e-7d3b-4c62-9f0e-6a8a7a0f4b11 --dry-run
  seawall unblock 5f0c1c2e-7d3b-4c62-9f0e-6a8a7a0f4b11")]
pub struct Unblock {
    /// The id of a receipt, or of a rule
    #[arg(value_name = "ID", required = true)]
    ids: Vec<String>,
    #[command(flatten)]
    by: By,
    /// Say what would be served again, and what still blocks it, and lift nothing
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    reach: Reach,
    #[command(flatten)]
    format: FormatArg,
}

/// Who asks.
#[derive(Debug, clap::Args)]
struct By {
    /// Who asks, as receipt, log and listing tell it; without it SUDO_USER or USER
    #[arg(long, value_name = "NAME")]
    by: Option<String>,
}

impl By {
    fn name(&self) -> Option<String> {
        let of_system = |name: &&str| std::env::var(name).ok().filter(|name| Who::read(name).is_ok());
        self.by.clone().or_else(|| ["SUDO_USER", "USER"].iter().find_map(of_system))
    }
}

fn status(text: &str) -> Result<u16, String> {
    let status = BlockStatus::from_text(text).ok_or("a rule answers 451, 410, 404 or 403")?;
    Ok(status.code().as_u16())
}

fn time(text: &str) -> Result<String, String> {
    match Timestamp::parse(text) {
        Some(_) => Ok(text.to_owned()),
        None => Err("write a date such as 2027-01-31 (00:00 UTC), or RFC 3339 such as 2027-01-31T09:00:00Z".to_owned()),
    }
}

impl Block {
    pub fn run(self) -> Result<Exit, Failure> {
        let admin = self.reach.admin()?;
        let mut rules = self.rules.clone();
        if self.by_content {
            rules.extend(self.contents(&admin)?);
        }
        let mut body = self.body(&rules);
        body["by"] = json!(self.by.name());
        let mut output = Output::stdout();
        if self.dry_run {
            body["dry_run"] = json!(true);
            body["limit"] = json!(dry_run::rows(self.format.format));
            dry_run::print(&mut output, self.format.format, |after| {
                body["after"] = after.cloned().unwrap_or_default();
                admin.ask("POST", "/api/v1/blocks", Some(&body))
            })?;
            output.flush()?;
            return Ok(Exit::Done);
        }
        let reply = admin.ask("POST", "/api/v1/blocks", Some(&body))?;
        let done = if reply.status == 200 { Done::BlockedBefore } else { self.done(&reply.json) };
        print_receipt(&mut output, done, &reply, self.format.format)?;
        output.flush()?;
        Ok(Exit::Done)
    }

    /// What came of a new edit, by the edge's clock.
    fn done(&self, receipt: &Value) -> Done<'_> {
        let at = receipt.get("in_force_at").and_then(Value::as_str).and_then(Timestamp::parse);
        let time = |text: &str| Timestamp::parse(text);
        match (at, &self.from, &self.until) {
            (Some(at), _, Some(until)) if time(until).is_some_and(|until| until <= at) => Done::Past(until),
            (Some(at), Some(from), _) if time(from).is_some_and(|from| from > at) => Done::Ahead(from),
            _ => Done::Blocked,
        }
    }

    /// Rules for the bytes that the URLs stand for, each once.
    fn contents(&self, admin: &Admin) -> Result<BTreeSet<String>, Failure> {
        let mut digests = BTreeSet::new();
        for rule in &self.rules {
            let is_url = !rule.starts_with(['~', '!', '*']) && !rule.ends_with("/*") && rule.contains('/');
            if !is_url {
                return Err(
                    anyhow!("{rule:?} is no URL: only what one URL stands for can be blocked by its content").into()
                );
            }
            let found = admin.ask("GET", &format!("/api/v1/content?url={}", encoded(rule)), None)?;
            let contents = found.json.get("contents").and_then(Value::as_array).into_iter().flatten();
            digests.extend(contents.filter_map(|content| content.get("digest").map(text)));
        }
        Ok(digests)
    }

    fn body(&self, rules: &[String]) -> Value {
        let texts = [
            ("id", &self.id),
            ("notice", &self.notice),
            ("reason", &self.reason),
            ("from", &self.from),
            ("until", &self.until),
            ("query", &self.query),
            ("authority", &self.authority),
            ("page", &self.page),
            ("disclose", &self.disclose),
            ("geo", &self.geo),
        ];
        let mut body = Map::from_iter([("rules".to_owned(), json!(rules))]);
        body.extend(texts.into_iter().filter_map(|(name, text)| Some((name.to_owned(), json!(text.as_ref()?)))));
        body.extend(self.status.map(|status| ("status".to_owned(), json!(status))));
        Value::Object(body)
    }
}

impl Unblock {
    /// Every id is tried, whatever became of the one before.
    pub fn run(self) -> Result<Exit, Failure> {
        let admin = self.reach.admin()?;
        let mut output = Output::stdout();
        let mut worst = Exit::Done;
        let by = self.by.name().map(|name| format!("?by={}", encoded(&name))).unwrap_or_default();
        for id in &self.ids {
            let target = format!("/api/v1/blocks/{}", encoded(id));
            let done = match self.dry_run {
                true => self.try_one(&admin, &target, &mut output),
                false => admin
                    .ask("DELETE", &format!("{target}{by}"), None)
                    .and_then(|reply| Ok(print_receipt(&mut output, Done::Lifted, &reply, self.format.format)?)),
            };
            match done {
                Ok(()) => {}
                Err(failure) if failure.code() == Exit::Failed.code() => {
                    output.flush()?;
                    tell(&format!("seawall: {failure}\n"));
                    worst = Exit::Failed;
                }
                Err(failure) => return Err(failure),
            }
        }
        output.flush()?;
        Ok(worst)
    }
}

impl Unblock {
    fn try_one(&self, admin: &Admin, target: &str, output: &mut Output) -> Result<(), Failure> {
        let format = self.format.format;
        dry_run::print(output, format, |after| {
            let after = after.and_then(Value::as_str).map(|after| format!("&after={}", encoded(after)));
            let query = format!("dry_run=true&limit={}{}", dry_run::rows(format), after.unwrap_or_default());
            admin.ask("DELETE", &format!("{target}?{query}"), None)
        })
    }
}

/// What a receipt is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Done<'t> {
    Blocked,
    /// Its rules hold from this time on.
    Ahead(&'t str),
    /// They held until this time, before they were made.
    Past(&'t str),
    /// The very same edit was made earlier; its receipt is the one of then.
    BlockedBefore,
    Lifted,
}

fn print_receipt(output: &mut Output, done: Done<'_>, reply: &Reply, format: Format) -> anyhow::Result<()> {
    match format {
        Format::Text => {
            let said = match done {
                Done::Blocked => "blocked",
                Done::Ahead(_) => "recorded, and not in force yet",
                Done::Past(_) => "recorded, and never in force",
                Done::BlockedBefore => "blocked before",
                Done::Lifted => "lifted",
            };
            let paint = if matches!(done, Done::Past(_)) { Paint::Bad } else { Paint::Good };
            let said = output.paint(paint, said);
            output.line(said)?;
            output.pairs(&receipt(&reply.json, done))
        }
        Format::Json => output.line(&reply.text),
        Format::Jsonl => output.json(&reply.json, format),
    }
}

/// A receipt as people read it; what it doesn't hold is left out.
fn receipt(receipt: &Value, done: Done<'_>) -> Vec<(&'static str, String)> {
    let found = |name: &str| receipt.get(name).filter(|value| !value.is_null());
    let mut pairs = Vec::new();
    let mut add = |name, value: Option<String>| pairs.extend(value.map(|value| (name, value)));
    add("  receipt", found("id").map(text));
    add("  notice", found("notice").map(text));
    add("  reason", found("reason").map(text));
    add("  by", found("by").map(text));
    for rule in receipt.get("rules").and_then(Value::as_array).into_iter().flatten() {
        let id = rule.get("id").map(text).unwrap_or_default();
        add("  rule", rule.get("rule").map(|rule| format!("{} (id {id})", text(rule))));
    }
    let list = found("list").map(|list| format!(", list version {list}")).unwrap_or_default();
    let at = found("in_force_at").map(|at| format!("{}{list}", text(at)));
    match done {
        Done::Lifted => {
            add("  lifted at", at);
            return pairs;
        }
        Done::Blocked | Done::BlockedBefore => add("  in force", at),
        Done::Ahead(from) => {
            add("  recorded", at);
            add("  in force", Some(format!("from {from} on")));
        }
        Done::Past(until) => {
            add("  recorded", at);
            add("  in force", Some(format!("never: {until} is past")));
        }
    }
    if let Some(purged) = found("purged") {
        let number = |name| purged.get(name).and_then(Value::as_u64).unwrap_or(0);
        add("  purged", Some(format!("{}, {}", count(number("objects"), "cached object"), bytes(number("bytes")))));
    }
    add("  cut", found("cut").and_then(Value::as_u64).map(|cut| format!("{} under way", count(cut, "answer"))));
    add("  last served", receipt.get("last_served").map(last_served));
    pairs
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn last_served(last: &Value) -> String {
    let Some(time) = last.get("time") else { return "not in what the log keeps at hand".to_owned() };
    let part = |name: &str| last.get(name).map(text).unwrap_or_default();
    let sent = bytes(last.get("bytes").and_then(Value::as_u64).unwrap_or(0));
    format!("{}, {} with {}, {sent} (record {}.{})", text(time), part("url"), part("status"), part("run"), part("seq"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        block: Block,
    }

    fn body(line: &str) -> Result<Value, clap::Error> {
        Line::try_parse_from(["seawall"].into_iter().chain(line.split(' ')))
            .map(|line| line.block.body(&line.block.rules))
    }

    #[test]
    fn a_command_line_is_the_body_of_the_request() {
        let full = "https://a/b *.c --notice N-1 --reason R --id I --status 410 --from 2026-01-01 --until 2027-01-31T09:00:00Z --query exact";
        let wanted = json!({
            "rules": ["https://a/b", "*.c"], "notice": "N-1", "reason": "R", "id": "I", "status": 410,
            "from": "2026-01-01", "until": "2027-01-31T09:00:00Z", "query": "exact",
        });
        assert_eq!(body(full).unwrap(), wanted);
        assert_eq!(body("https://a/b").unwrap(), json!({"rules": ["https://a/b"]}));
        for wrong in ["--notice N-1", "a --status 200", "a --until soon", "a --query loose"] {
            assert!(body(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn rules_that_hold_at_another_time_are_not_said_to_be_in_force() {
        let received = json!({"id": "r1", "list": 12, "in_force_at": "2026-11-24T10:00:00.000000Z"});
        for (flags, wanted) in [
            ("", ["in force = 2026-11-24T10:00:00.000000Z, list version 12"].as_slice()),
            (" --from 2026-11-24 --until 2026-11-25", &["in force = 2026-11-24T10:00:00.000000Z, list version 12"]),
            (
                " --until 2026-11-24T10:00:00Z",
                &[
                    "recorded = 2026-11-24T10:00:00.000000Z, list version 12",
                    "in force = never: 2026-11-24T10:00:00Z is past",
                ],
            ),
            (
                " --from 2026-11-25",
                &["recorded = 2026-11-24T10:00:00.000000Z, list version 12", "in force = from 2026-11-25 on"],
            ),
        ] {
            let line = format!("seawall https://a/b{flags}");
            let block = Line::try_parse_from(line.split(' ')).unwrap().block;
            let pairs = receipt(&received, block.done(&received)).into_iter().skip(1);
            let shown: Vec<String> = pairs.map(|(name, value)| format!("{} = {value}", name.trim())).collect();
            assert_eq!(&shown[..wanted.len()], wanted, "{flags}");
        }
    }

    #[test]
    fn a_receipt_is_readable() {
        let received = json!({
            "id": "r1", "notice": "N-17", "by": "desk", "list": 12, "in_force_at": "2026-11-24T10:00:00.000000Z",
            "rules": [{"id": "r1:1", "rule": "https://a/b"}, {"id": "r1:2", "rule": "*.c"}],
            "purged": {"objects": 3, "bytes": 1536}, "cut": 1, "last_served": null,
        });
        let shown = |done| -> Vec<String> {
            let pairs = receipt(&received, done).into_iter();
            pairs.map(|(name, value)| format!("{} = {value}", name.trim())).collect()
        };
        let wanted = [
            "receipt = r1",
            "notice = N-17",
            "by = desk",
            "rule = https://a/b (id r1:1)",
            "rule = *.c (id r1:2)",
            "in force = 2026-11-24T10:00:00.000000Z, list version 12",
            "purged = 3 cached objects, 1.5 KiB",
            "cut = 1 answer under way",
            "last served = not in what the log keeps at hand",
        ];
        assert_eq!(shown(Done::Blocked), wanted);
        assert_eq!(shown(Done::Lifted)[5..], ["lifted at = 2026-11-24T10:00:00.000000Z, list version 12"]);
        assert_eq!(receipt(&json!({}), Done::Blocked), []);
        let last = json!({"time": "T", "url": "https://a/b", "status": 200, "bytes": 5, "run": 1, "seq": 7});
        assert_eq!(last_served(&last), "T, https://a/b with 200, 5 B (record 1.7)");
    }
}
