//! `POST /api/v1/purge`: removes cached copies, or makes them stale; or says what it would.

use std::sync::Arc;

use http::StatusCode;
use serde::Deserialize;
use serde_json::json;

use super::super::problem::Problem;
use super::super::{Admin, Page, json};
use super::body::{Fields, Shape, read};
use super::query::takes;
use crate::purge::{BadTarget, Target, Wish};

/// The body: one target, and how it is purged.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    url: Option<String>,
    prefix: Option<String>,
    pattern: Option<String>,
    tag: Option<String>,
    site: Option<String>,
    #[serde(default)]
    all: bool,
    #[serde(default)]
    soft: bool,
    #[serde(default)]
    dry_run: bool,
}

const FIELDS: Fields = Fields {
    known: &[
        ("url", Shape::Text),
        ("prefix", Shape::Text),
        ("pattern", Shape::Text),
        ("tag", Shape::Text),
        ("site", Shape::Text),
        ("all", Shape::Flag),
        ("soft", Shape::Flag),
        ("dry_run", Shape::Flag),
    ],
    others: false,
    example: "{\"url\": \"https://…\"}",
};

impl Asked {
    fn wish(self, admin: &Admin) -> Result<Wish, Problem> {
        let (all, soft) = (self.all, self.soft);
        let mut targets = [
            self.url.map(|text| url(admin, &text)),
            self.prefix.map(|text| named(Target::prefix(&text))),
            self.pattern.map(|text| named(Target::pattern(&text))),
            self.tag.map(|text| named(Target::tag(&text))),
            self.site.map(|name| site(admin, &name)),
            all.then_some(Ok(Target::All)),
        ]
        .into_iter()
        .flatten();
        match (targets.next(), targets.next()) {
            (Some(target), None) => Ok(Wish { target: target?, soft }),
            _ => Err(Problem::bad_request(
                "name what to purge by one of url, prefix, pattern, tag, site and all: {\"url\": \"https://…\"}",
            )),
        }
    }
}

fn named(target: Result<Target, BadTarget>) -> Result<Target, Problem> {
    target.map_err(|error| Problem::unprocessable(error.to_string()))
}

/// By the name under which its site stores it.
fn url(admin: &Admin, text: &str) -> Result<Target, Problem> {
    match named(Target::url(text))? {
        Target::Url(url) => Ok(Target::Url(admin.gateway.sites().name_of(&url))),
        other => Ok(other),
    }
}

fn site(admin: &Admin, name: &str) -> Result<Target, Problem> {
    let sites = admin.gateway.sites();
    let site = sites.all().iter().find(|site| *site.name == *name).cloned();
    let site = site.ok_or_else(|| Problem::not_found(format!("no site has the name {name:?}")))?;
    Ok(Target::Site(site, sites))
}

pub(super) async fn purge(admin: &Arc<Admin>, query: Option<&str>, body: &[u8]) -> Result<Page, Problem> {
    takes(query, &[])?;
    let asked = read::<Asked>(body, &FIELDS)?;
    let is_dry = asked.dry_run;
    let wish = asked.wish(admin)?;
    let work = move |admin: &Admin| match is_dry {
        true => admin.purger.count(&wish.target),
        false => admin.purger.purge(&wish, None),
    };
    let freed = admin.off_the_loop(work).await?;
    let mut told = json!(freed);
    if is_dry {
        told["dry_run"] = true.into();
    }
    Ok(json(StatusCode::OK, &told))
}
