//! `GET /api/v1/why?url=&country=`: what holds for a URL now, and which rule decides.

use std::sync::Arc;

use http::StatusCode;
use terms::Url;

use super::super::problem::Problem;
use super::super::{Admin, Page, json};
use super::query::{parameter, takes};
use crate::why::{Whom, Why};

pub(super) async fn explain(admin: &Arc<Admin>, query: Option<&str>) -> Result<Page, Problem> {
    takes(query, &["url", "country"])?;
    let text = parameter(query, "url").ok_or_else(|| Problem::bad_request("name a URL: /api/v1/why?url=https://…"))?;
    let url = Url::parse(&text).map_err(|error| Problem::unprocessable(format!("the URL can't be named: {error}")))?;
    let whom = match parameter(query, "country") {
        None => Whom::default(),
        Some(code) => Whom::read(&code).ok_or_else(|| {
            Problem::bad_request(
                "country is the two letters of ISO 3166-1, such as DE, or unknown; leave it out for elsewhere",
            )
        })?,
    };
    let work = move |admin: &Admin| why(admin, &text, &Arc::new(url), whom);
    Ok(json(StatusCode::OK, &admin.off_the_loop(work).await?))
}

fn why(admin: &Admin, text: &str, url: &Arc<Url>, whom: Whom) -> Why {
    let sites = admin.gateway.sites();
    let site = sites.of_host(url.host()).map(|site| &*site.name);
    let residence = whom.residence(&admin.geo.settings());
    let explain = |url: &Url| admin.takedown.explain(url, residence);
    Why::of((text, url), &sites.name_of(url), residence, site, explain)
        .with_content(admin.takedown.content(url, residence, &sites))
}
