//! `/api/v1/blocks`: rules that are added and lifted while running.

use std::collections::BTreeMap;
use std::sync::Arc;

use block::edits::{AddError, Draft};
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::super::problem::Problem;
use super::super::{Admin, Page, json};
use super::{parameter, read};
use crate::takedown::{Done, TakedownError};

/// Rules on a page where no limit is asked for.
const PAGE: usize = 100;

/// The body of `POST`: rules, an id of the client's, and attributes that hold for all of them.
#[derive(Deserialize)]
struct Wish {
    id: Option<String>,
    rules: Vec<String>,
    #[serde(flatten)]
    attributes: Map<String, Value>,
}

impl Wish {
    fn draft(self) -> Result<Draft, Problem> {
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
        Ok(Draft { id, rules: self.rules, attributes })
    }
}

pub(super) async fn add(admin: &Arc<Admin>, body: &[u8]) -> Result<Page, Problem> {
    let draft = read::<Wish>(body)?.draft()?;
    match admin.off_the_loop(move |admin| admin.takedown.block(draft)).await?.map_err(problem)? {
        Done::Now(receipt) => Ok(json(StatusCode::CREATED, &receipt)),
        Done::Before(receipt) => Ok(json(StatusCode::OK, &receipt)),
    }
}

fn problem(error: TakedownError) -> Problem {
    match error {
        TakedownError::Add(AddError::Draft(error)) => Problem::unprocessable(error.to_string()),
        TakedownError::Add(error @ AddError::Conflict(_)) => Problem::conflict(error.to_string()),
        TakedownError::Add(error @ (AddError::Full | AddError::Patterns(_))) => {
            Problem::unprocessable(error.to_string())
        }
        error => Problem::unavailable(error.to_string()),
    }
}

pub(super) async fn lift(admin: &Arc<Admin>, id: &str) -> Result<Page, Problem> {
    let id = percent_decoded(id);
    let lifted = id.clone();
    match admin.off_the_loop(move |admin| admin.takedown.lift(&lifted)).await?.map_err(problem)? {
        Some(receipt) => Ok(json(StatusCode::OK, &receipt)),
        None => Err(Problem::not_found(format!("no block has the id {id:?}"))),
    }
}

/// A path segment as an id: clients may encode the colon of a rule's.
fn percent_decoded(segment: &str) -> String {
    let pair = format!("id={}", segment.replace('+', "%2B"));
    form_urlencoded::parse(pair.as_bytes()).next().map(|(_, id)| id.into_owned()).unwrap_or_default()
}

pub(super) async fn list(admin: &Arc<Admin>, query: Option<&str>) -> Result<Page, Problem> {
    let limit = match parameter(query, "limit") {
        None => PAGE,
        Some(text) => text.parse().map_err(|_| Problem::bad_request("limit is not a number"))?,
    };
    let after = parameter(query, "after");
    let page = admin.off_the_loop(move |admin| admin.takedown.blocks(after.as_deref(), limit)).await?;
    let page = page.map_err(|error| Problem::bad_request(error.to_string()))?;
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
                "at": block.at,
            })
        })
        .collect();
    Ok(json(StatusCode::OK, &json!({ "blocks": blocks, "next": page.next })))
}
