//! `/api/v1/blocks`: rules that are added and lifted while running.

use std::collections::BTreeMap;
use std::sync::Arc;

use block::edits::{AddError, BadWho, Draft, WantedEdits, Who};
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use terms::Timestamp;

use super::super::problem::Problem;
use super::super::{Admin, Asker, Page, json};
use super::body::{Fields, Shape, read};
use super::query::{limit, limit_of, parameter, takes};
use super::{PAGE, rules};
use crate::takedown::{Done, MOST_ROWS, Rows, TakedownError};

/// The body of `POST`: rules, an id of the client's, who asks, and attributes that hold for all of them.
#[derive(Deserialize)]
struct Wish {
    id: Option<String>,
    by: Option<String>,
    rules: Vec<String>,
    #[serde(default)]
    dry_run: bool,
    /// Of a dry run: which URLs are told.
    after: Option<String>,
    limit: Option<usize>,
    #[serde(flatten)]
    attributes: Map<String, Value>,
}

const FIELDS: Fields = Fields {
    known: &[
        ("id", Shape::Text),
        ("by", Shape::Text),
        ("rules", Shape::Texts),
        ("dry_run", Shape::Flag),
        ("after", Shape::Text),
        ("limit", Shape::Count),
    ],
    others: true,
    example: "{\"rules\": [\"https://…\"], \"notice\": \"N-17\"}",
};

impl Wish {
    fn draft(self, asker: Asker) -> Result<Draft, Problem> {
        let id = self.id.unwrap_or_else(|| uuid::Uuid::new_v4().to_string());
        let mut attributes = BTreeMap::new();
        for (name, value) in self.attributes {
            let text = match value {
                Value::Null => continue,
                Value::String(text) => text,
                Value::Number(number) => number.to_string(),
                _ => return Err(Problem::unprocessable(format!("{name:?} is no text: attributes are texts"))),
            };
            attributes.insert(name, text);
        }
        let by = who(self.by.as_deref(), asker)?;
        Ok(Draft { id, rules: self.rules, attributes, by: Some(by) })
    }
}

/// Whoever doesn't say is known by the address.
fn who(said: Option<&str>, Asker(address): Asker) -> Result<Who, Problem> {
    let said = said.map(Who::read).transpose();
    Ok(said.map_err(|bad: BadWho| Problem::unprocessable(bad.to_string()))?.unwrap_or_else(|| Who::at(address)))
}

pub(super) async fn add(admin: &Arc<Admin>, asker: Asker, query: Option<&str>, body: &[u8]) -> Result<Page, Problem> {
    takes(query, &["dry_run"])?;
    let mut wish = read::<Wish>(body, &FIELDS)?;
    let (after, limit) = (wish.after.take(), wish.limit.take());
    let is_dry = wish.dry_run || is_dry(query)?;
    if !is_dry && (after.is_some() || limit.is_some()) {
        return Err(rows_of_no_dry_run("\"dry_run\": true"));
    }
    let draft = wish.draft(asker)?;
    if is_dry {
        let rows = rows(after.as_deref(), limit_of(limit.unwrap_or(PAGE), MOST_ROWS)?)?;
        let work = move |admin: &Admin| admin.takedown.try_block(&draft, &admin.gateway.sites(), &rows);
        return Ok(json(StatusCode::OK, &admin.trial(work).await?.map_err(problem)?));
    }
    match admin.off_the_loop(move |admin| admin.takedown.block(draft)).await?.map_err(problem)? {
        Done::Now(receipt) => Ok(json(StatusCode::CREATED, &receipt)),
        Done::Before(receipt) => Ok(json(StatusCode::OK, &receipt)),
    }
}

fn rows(after: Option<&str>, limit: usize) -> Result<Rows, Problem> {
    Rows::new(after, limit).ok_or_else(|| Problem::bad_request("after is the \"next\" of the page before"))
}

/// Who asks for a page of what would be means a dry run.
fn rows_of_no_dry_run(add: &str) -> Problem {
    Problem::bad_request(format!("after and limit are about what a dry run tells: add {add}"))
}

fn problem(error: TakedownError) -> Problem {
    match error {
        TakedownError::Add(AddError::Draft(error)) => Problem::unprocessable(error.to_string()),
        TakedownError::Add(error @ AddError::Conflict(_)) => Problem::conflict(error.to_string()),
        TakedownError::Add(error @ (AddError::Full | AddError::Patterns(_) | AddError::Geo)) => {
            Problem::unprocessable(error.to_string())
        }
        error => Problem::unavailable(error.to_string()),
    }
}

pub(super) async fn lift(admin: &Arc<Admin>, asker: Asker, id: &str, query: Option<&str>) -> Result<Page, Problem> {
    takes(query, &["dry_run", "by", "after", "limit"])?;
    let id = percent_decoded(id);
    let lifted = id.clone();
    let by = who(parameter(query, "by").as_deref(), asker)?;
    let unknown = || Problem::not_found(format!("no block has the id {id:?}"));
    if is_dry(query)? {
        let rows = rows(parameter(query, "after").as_deref(), limit(query, MOST_ROWS)?)?;
        let work = move |admin: &Admin| admin.takedown.try_lift(&lifted, &admin.gateway.sites(), &rows);
        return Ok(json(StatusCode::OK, &admin.trial(work).await?.ok_or_else(unknown)?));
    }
    if parameter(query, "after").is_some() || parameter(query, "limit").is_some() {
        return Err(rows_of_no_dry_run("dry_run=true"));
    }
    match admin.off_the_loop(move |admin| admin.takedown.lift(&lifted, Some(by))).await?.map_err(problem)? {
        Some(receipt) => Ok(json(StatusCode::OK, &receipt)),
        None => Err(unknown()),
    }
}

/// Whether a dry run is asked for: `dry_run`, or `dry_run=true`. What is neither that nor `false` is refused.
fn is_dry(query: Option<&str>) -> Result<bool, Problem> {
    let pairs = form_urlencoded::parse(query.unwrap_or_default().as_bytes());
    match pairs.filter(|(name, _)| name == "dry_run").map(|(_, value)| value).next().as_deref() {
        None | Some("false") => Ok(false),
        Some("" | "true") => Ok(true),
        Some(_) => Err(Problem::bad_request("dry_run is true, or is not there")),
    }
}

/// A path segment as an id: clients may encode the colon of a rule's.
fn percent_decoded(segment: &str) -> String {
    let pair = format!("id={}", segment.replace('+', "%2B"));
    form_urlencoded::parse(pair.as_bytes()).next().map(|(_, id)| id.into_owned()).unwrap_or_default()
}

pub(super) async fn list(admin: &Arc<Admin>, query: Option<&str>) -> Result<Page, Problem> {
    takes(query, &["query", "notice", "host", "url", "since", "by", "after", "limit"])?;
    let limit = limit(query, block::edits::MAX_PAGE)?;
    let after = parameter(query, "after");
    let (rules, about) = (rules::wanted(query)?, rules::about(query)?);
    let since = match parameter(query, "since") {
        None => None,
        Some(text) => Some(
            Timestamp::parse(&text)
                .ok_or_else(|| Problem::bad_request("since is a date such as 2027-01-31 (00:00 UTC), or RFC 3339"))?,
        ),
    };
    let wanted = WantedEdits { rules, by: parameter(query, "by"), since };
    let work = move |admin: &Admin| admin.takedown.blocks(after.as_deref(), limit, wanted, about.as_ref());
    let page = admin.off_the_loop(work).await?;
    let page = page.map_err(|error| Problem::bad_request(error.to_string()))?;
    let now = admin.takedown.now();
    let blocks: Vec<Value> = page
        .blocks
        .iter()
        .map(|block| {
            json!({
                "id": &*block.id,
                "rule": &*block.rule,
                "receipt": block.receipt,
                "notice": block.notice.as_deref(),
                "reason": block.reason.as_deref(),
                "geo": block.geo.as_ref().map(ToString::to_string),
                "from": block.from,
                "until": block.until,
                "standing": block.standing(now).as_str(),
                "at": block.at,
                "by": block.by,
            })
        })
        .collect();
    Ok(json(StatusCode::OK, &json!({ "blocks": blocks, "next": page.next })))
}
