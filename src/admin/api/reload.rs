//! `POST /api/v1/reload`: reads config and lists again, as HUP does.

use http::StatusCode;
use serde::Deserialize;
use serde_json::json;
use tokio::sync::oneshot;

use super::super::problem::Problem;
use super::super::{Admin, Page, Reload, json};
use super::body::{Fields, Shape, read};
use super::query::takes;

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Wish {
    /// Take lists that lost more than half of their rules.
    accept_shrink: bool,
}

const FIELDS: Fields =
    Fields { known: &[("accept_shrink", Shape::Flag)], others: false, example: "{\"accept_shrink\": true}" };

pub(super) async fn reload(admin: &Admin, query: Option<&str>, body: &[u8]) -> Result<Page, Problem> {
    takes(query, &[])?;
    let wish: Wish = if body.is_empty() { Wish::default() } else { read(body, &FIELDS)? };
    let (reply, outcome) = oneshot::channel();
    let reload = Reload { accept_shrink: wish.accept_shrink, reply };
    admin.reloads.try_send(reload).map_err(|_| Problem::unavailable("a reload is under way: ask again"))?;
    match outcome.await {
        Ok(Ok(changed)) => Ok(json(StatusCode::OK, &json!({ "changed": changed }))),
        Ok(Err(why)) => Err(Problem::conflict(why)),
        Err(_) => Err(Problem::unavailable("this edge is stopping")),
    }
}
