//! `/api/v1/`: a file a resource.

mod blocks;
mod content;
mod purge;
mod reload;
mod rules;
mod status;
mod why;

use std::sync::Arc;

use bytes::Bytes;
use http::Method;
use http::request::Parts;
use serde::de::DeserializeOwned;

use super::problem::Problem;
use super::{Admin, Asker, Page};

pub(super) async fn route(admin: &Arc<Admin>, asker: Asker, head: &Parts, body: Bytes) -> Result<Page, Problem> {
    let path = head.uri.path().trim_start_matches("/api/v1/");
    match (path.split_once('/').unwrap_or((path, "")), &head.method) {
        (("status", ""), &Method::GET) => admin.off_the_loop(status::show).await,
        (("blocks", ""), &Method::GET) => blocks::list(admin, head.uri.query()).await,
        (("blocks", ""), &Method::POST) => blocks::add(admin, asker, head.uri.query(), &body).await,
        (("blocks", id), &Method::DELETE) if !id.is_empty() => blocks::lift(admin, asker, id, head.uri.query()).await,
        (("rules", ""), &Method::GET) => rules::list(admin, head.uri.query()).await,
        (("content", ""), &Method::GET) => content::show(admin, head.uri.query()).await,
        (("why", ""), &Method::GET) => why::explain(admin, head.uri.query()).await,
        (("purge", ""), &Method::POST) => purge::purge(admin, &body).await,
        (("reload", ""), &Method::POST) => reload::reload(admin, &body).await,
        (("status" | "why" | "content" | "rules", ""), _) => Err(Problem::method_not_allowed("GET")),
        (("purge" | "reload", ""), _) => Err(Problem::method_not_allowed("POST")),
        (("blocks", ""), _) => Err(Problem::method_not_allowed("GET, POST")),
        (("blocks", _), _) => Err(Problem::method_not_allowed("DELETE")),
        _ => Err(Problem::not_found(
            "the API has status, blocks, rules, content, why, purge and reload; this path is none of them",
        )),
    }
}

/// The value of a query parameter, decoded; an empty one says nothing.
fn parameter(query: Option<&str>, name: &str) -> Option<String> {
    form_urlencoded::parse(query?.as_bytes())
        .find(|(key, _)| key == name)
        .map(|(_, value)| value.into_owned())
        .filter(|value| !value.is_empty())
}

/// Rows on a page where no limit is asked for.
const PAGE: usize = 100;

fn limit(query: Option<&str>) -> Result<usize, Problem> {
    match parameter(query, "limit") {
        None => Ok(PAGE),
        Some(text) => text.parse().map_err(|_| Problem::bad_request("limit is not a number")),
    }
}

fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    serde_json::from_slice(body)
        .map_err(|error| Problem::bad_request(format!("the body is not what this takes: {error}")))
}
