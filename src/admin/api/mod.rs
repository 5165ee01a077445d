//! `/api/v1/`: a file a resource.

mod blocks;
mod body;
mod content;
mod purge;
mod query;
mod reload;
mod rules;
mod status;
mod why;

use std::sync::Arc;

use bytes::Bytes;
use http::Method;
use http::request::Parts;

use query::takes;

use super::problem::Problem;
use super::{Admin, Asker, Page};

pub(super) async fn route(admin: &Arc<Admin>, asker: Asker, head: &Parts, body: Bytes) -> Result<Page, Problem> {
    let path = head.uri.path().trim_start_matches("/api/v1/");
    let query = head.uri.query();
    match (path.split_once('/').unwrap_or((path, "")), &head.method) {
        (_, &Method::GET | &Method::DELETE) if !body.is_empty() => {
            Err(Problem::bad_request("this takes no body: what is said in one would not be heard"))
        }
        (("status", ""), &Method::GET) => {
            takes(query, &[])?;
            admin.off_the_loop(status::show).await
        }
        (("blocks", ""), &Method::GET) => blocks::list(admin, query).await,
        (("blocks", ""), &Method::POST) => blocks::add(admin, asker, query, &body).await,
        (("blocks", id), &Method::DELETE) if !id.is_empty() => blocks::lift(admin, asker, id, query).await,
        (("rules", ""), &Method::GET) => rules::list(admin, query).await,
        (("content", ""), &Method::GET) => content::show(admin, query).await,
        (("why", ""), &Method::GET) => why::explain(admin, query).await,
        (("purge", ""), &Method::POST) => purge::purge(admin, query, &body).await,
        (("reload", ""), &Method::POST) => reload::reload(admin, query, &body).await,
        (("status" | "why" | "content" | "rules", ""), _) => Err(Problem::method_not_allowed("GET")),
        (("purge" | "reload", ""), _) => Err(Problem::method_not_allowed("POST")),
        (("blocks", ""), _) => Err(Problem::method_not_allowed("GET, POST")),
        (("blocks", _), _) => Err(Problem::method_not_allowed("DELETE")),
        _ => Err(Problem::not_found(
            "the API has status, blocks, rules, content, why, purge and reload; this path is none of them",
        )),
    }
}

/// Rows on a page where no limit is asked for.
const PAGE: usize = 100;
