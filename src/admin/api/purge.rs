//! `POST /api/v1/purge`: removes cached copies.

use http::StatusCode;
use serde::Deserialize;
use terms::Url;

use super::super::problem::Problem;
use super::super::{Admin, Page, json};
use super::{off_the_loop, read};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wish {
    url: Option<String>,
}

pub(super) async fn purge(admin: &Admin, body: &[u8]) -> Result<Page, Problem> {
    let wish: Wish = read(body)?;
    let text = wish.url.ok_or_else(|| Problem::bad_request("name what to purge: {\"url\": \"https://…\"}"))?;
    let url = Url::parse(&text).map_err(|error| Problem::unprocessable(format!("the URL can't be named: {error}")))?;
    let takedown = admin.takedown.clone();
    let freed = off_the_loop(move || takedown.purge(&url)).await?;
    Ok(json(StatusCode::OK, &freed))
}
