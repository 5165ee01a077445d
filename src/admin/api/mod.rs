//! `/api/v1/`: a file a resource.

mod blocks;
mod content;
mod purge;
mod reload;
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
        (("content", ""), &Method::GET) => content::show(admin, head.uri.query()).await,
        (("why", ""), &Method::GET) => why::explain(admin, head.uri.query()).await,
        (("purge", ""), &Method::POST) => purge::purge(admin, &body).await,
        (("reload", ""), &Method::POST) => reload::reload(admin, &body).await,
        (("status" | "why" | "content", ""), _) => Err(Problem::method_not_allowed("GET")),
        (("purge" | "reload", ""), _) => Err(Problem::method_not_allowed("POST")),
        (("blocks", ""), _) => Err(Problem::method_not_allowed("GET, POST")),
        (("blocks", _), _) => Err(Problem::method_not_allowed("DELETE")),
        _ => Err(Problem::not_found(
            "the API has status, blocks, content, why, purge and reload; this path is none of them",
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

fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    serde_json::from_slice(body)
        .map_err(|error| Problem::bad_request(format!("the body is not what this takes: {error}")))
}
