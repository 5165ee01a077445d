//! Errors of the API, as RFC 9457 wants them.

use http::{HeaderValue, StatusCode, header};

use super::{Page, page};

/// What is wrong with a request to the API.
#[derive(Debug)]
pub(super) struct Problem {
    status: StatusCode,
    detail: String,
    allow: Option<&'static str>,
}

impl Problem {
    fn new(status: StatusCode, detail: impl Into<String>) -> Problem {
        Problem { status, detail: detail.into(), allow: None }
    }

    pub(super) fn bad_request(detail: impl Into<String>) -> Problem {
        Problem::new(StatusCode::BAD_REQUEST, detail)
    }

    pub(super) fn unauthorized(detail: &str) -> Problem {
        Problem::new(StatusCode::UNAUTHORIZED, detail)
    }

    pub(super) fn not_found(detail: impl Into<String>) -> Problem {
        Problem::new(StatusCode::NOT_FOUND, detail)
    }

    pub(super) fn method_not_allowed(allow: &'static str) -> Problem {
        let detail = format!("this path takes {allow}");
        Problem { status: StatusCode::METHOD_NOT_ALLOWED, detail, allow: Some(allow) }
    }

    pub(super) fn misdirected(detail: &str) -> Problem {
        Problem::new(StatusCode::MISDIRECTED_REQUEST, detail)
    }

    pub(super) fn conflict(detail: impl Into<String>) -> Problem {
        Problem::new(StatusCode::CONFLICT, detail)
    }

    pub(super) fn unprocessable(detail: impl Into<String>) -> Problem {
        Problem::new(StatusCode::UNPROCESSABLE_ENTITY, detail)
    }

    pub(super) fn internal(detail: impl Into<String>) -> Problem {
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR, detail)
    }

    pub(super) fn unavailable(detail: impl Into<String>) -> Problem {
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail)
    }

    pub(super) fn page(&self) -> Page {
        let problem = serde_json::json!({
            "type": "about:blank",
            "title": self.status.canonical_reason().unwrap_or("Error"),
            "status": self.status.as_u16(),
            "detail": self.detail,
        });
        let mut page = page(self.status, HeaderValue::from_static("application/problem+json"), format!("{problem}\n"));
        if self.status == StatusCode::UNAUTHORIZED {
            page.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Some(allow) = self.allow {
            page.headers_mut().insert(header::ALLOW, HeaderValue::from_static(allow));
        }
        page
    }
}
