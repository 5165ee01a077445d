//! `GET /api/v1/why?url=`: what holds for a URL now, and which rule decides.

use http::StatusCode;
use terms::Url;

use super::super::problem::Problem;
use super::super::{Admin, Page, json};
use super::parameter;
use crate::why::Why;

pub(super) fn explain(admin: &Admin, query: Option<&str>) -> Result<Page, Problem> {
    let text = parameter(query, "url").ok_or_else(|| Problem::bad_request("name a URL: /api/v1/why?url=https://…"))?;
    let url = Url::parse(&text).map_err(|error| Problem::unprocessable(format!("the URL can't be named: {error}")))?;
    let sites = admin.gateway.sites();
    let site = sites.of_host(url.host()).map(|site| &*site.name);
    Ok(json(StatusCode::OK, &Why::of(&text, &url, site, &admin.takedown.explain(&url))))
}
