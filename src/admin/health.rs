//! Whether this edge serves, and how much.

use http::{HeaderMap, HeaderValue, StatusCode, header};

use super::problem::Problem;
use super::{Admin, Page, page, text};
use crate::telemetry::Exposition;

/// `ready`, `degraded` (still 200: what it serves is right) or `unready`; then a reason a line.
pub(super) fn ready(admin: &Admin) -> Page {
    if admin.draining.is_draining() {
        return text(StatusCode::SERVICE_UNAVAILABLE, "unready\nthis edge is stopping\n".to_owned());
    }
    let reasons = degradations(admin);
    let first = if reasons.is_empty() { "ready" } else { "degraded" };
    let lines: String = reasons.iter().map(|reason| format!("{}\n", one_line(reason))).collect();
    text(StatusCode::OK, format!("{first}\n{lines}"))
}

fn degradations(admin: &Admin) -> Vec<String> {
    let mut reasons = admin.takedown.list_troubles();
    reasons.extend(admin.certificates.troubles());
    reasons.extend(admin.geo.trouble());
    if admin.log.is_behind() {
        let what = if admin.log.has_room() { "answers are given without record" } else { "new answers wait" };
        reasons.push(format!("the evidence log is behind: {what}"));
    }
    if let Some(why) = admin.telemetry.reload_failed() {
        reasons.push(format!("the last reload was refused: {}", why.lines().next().unwrap_or_default()));
    }
    reasons
}

/// What a file or a list says is shown on one line.
fn one_line(text: &str) -> String {
    text.chars().map(|character| if character.is_control() { ' ' } else { character }).collect()
}

pub(super) fn metrics(admin: &Admin, fields: &HeaderMap) -> Result<Page, Problem> {
    let ranges = fields.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let exposition = Exposition::wanted(&ranges.collect::<Vec<_>>().join(","));
    let text = admin.metrics.page(exposition).map_err(|_| Problem::internal("the metrics can't be written"))?;
    Ok(page(StatusCode::OK, HeaderValue::from_static(exposition.content_type()), text))
}
