//! `GET /api/v1/content?url=`: the digests of what a URL stands for.

use std::sync::Arc;

use http::StatusCode;
use terms::Url;

use super::super::problem::Problem;
use super::super::{Admin, Page, json};
use super::query::{parameter, takes};
use crate::gateway::Unknown;

pub(super) async fn show(admin: &Arc<Admin>, query: Option<&str>) -> Result<Page, Problem> {
    takes(query, &["url"])?;
    let text =
        parameter(query, "url").ok_or_else(|| Problem::bad_request("name a URL: /api/v1/content?url=https://…"))?;
    let url = Url::parse(&text).map_err(|error| Problem::unprocessable(format!("the URL can't be named: {error}")))?;
    let found = admin.gateway.contents(&url).await.map_err(|unknown| match unknown {
        Unknown::NoSite(_) | Unknown::Status(_) | Unknown::Empty => Problem::not_found(format!("{text}: {unknown}")),
        Unknown::Refused(_) | Unknown::TooSlow => Problem::unavailable(format!("{text}: {unknown}")),
    })?;
    Ok(json(StatusCode::OK, &found))
}
