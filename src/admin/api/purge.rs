//! `POST /api/v1/purge`: removes cached copies.

use std::sync::Arc;

use http::StatusCode;
use serde::Deserialize;
use terms::Url;

use super::super::problem::Problem;
use super::super::{Admin, Page, json};
use super::read;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wish {
    url: Option<String>,
}

pub(super) async fn purge(admin: &Arc<Admin>, body: &[u8]) -> Result<Page, Problem> {
    let wish: Wish = read(body)?;
    let text = wish.url.ok_or_else(|| Problem::bad_request("name what to purge: {\"url\": \"https://…\"}"))?;
    let url = Url::parse(&text).map_err(|error| Problem::unprocessable(format!("the URL can't be named: {error}")))?;
    let freed = admin.off_the_loop(move |admin| admin.takedown.purge(&url)).await?;
    Ok(json(StatusCode::OK, &freed))
}
