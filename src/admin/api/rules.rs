//! `GET /api/v1/rules`: the rules of list files, page by page.

use std::sync::Arc;

use block::Wanted;
use http::StatusCode;
use serde_json::{Value, json};
use terms::{Url, url};

use super::super::problem::Problem;
use super::super::{Admin, Page, json};
use super::query::{limit, parameter, takes};
use crate::why::Named;

pub(super) async fn list(admin: &Arc<Admin>, query: Option<&str>) -> Result<Page, Problem> {
    for live in ["since", "by"] {
        if parameter(query, live).is_some() {
            return Err(Problem::bad_request(format!("{live} is known of live blocks alone: /api/v1/blocks")));
        }
    }
    takes(query, &["query", "notice", "host", "url", "source", "after", "limit"])?;
    let (wanted, about) = (wanted(query)?, about(query)?);
    let (after, limit, source) =
        (parameter(query, "after"), limit(query, block::edits::MAX_PAGE)?, parameter(query, "source"));
    let work = move |admin: &Admin| {
        admin.takedown.lines(after.as_deref(), limit, (&wanted, source.as_deref(), about.as_ref()))
    };
    let page = admin.off_the_loop(work).await?.map_err(|error| Problem::bad_request(error.to_string()))?;
    let rules: Vec<Value> = page.rules.iter().map(|line| json!(Named::of_line(line))).collect();
    Ok(json(StatusCode::OK, &json!({ "rules": rules, "next": page.next })))
}

/// What is looked for, of live rules and others.
pub(super) fn wanted(query: Option<&str>) -> Result<Wanted, Problem> {
    let host = parameter(query, "host").map(|text| url::host(text.trim_start_matches("*.")).map(Into::into));
    let host = host.transpose().map_err(|error| Problem::unprocessable(format!("the host can't be named: {error}")))?;
    Ok(Wanted { text: parameter(query, "query"), notice: parameter(query, "notice"), host, ids: None })
}

/// The URL whose rules are looked for.
pub(super) fn about(query: Option<&str>) -> Result<Option<Url>, Problem> {
    let url = parameter(query, "url").map(|text| Url::parse(&text)).transpose();
    url.map_err(|error| Problem::unprocessable(format!("the URL can't be named: {error}")))
}
