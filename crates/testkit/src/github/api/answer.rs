//! Answers, good and bad, as the API words them.

use serde_json::{Value, json};

/// What is sent back: a document, or nothing but a status.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// `Null` is no body.
    pub(crate) body: Value,
    pub(crate) headers: Vec<(&'static str, String)>,
}

impl Answer {
    pub(crate) fn ok(body: Value) -> Self {
        Self::with(200, body)
    }

    pub(crate) fn created(body: Value) -> Self {
        Self::with(201, body)
    }

    pub(crate) fn with(status: u16, body: Value) -> Self {
        Self { status, body, headers: Vec::new() }
    }

    pub(crate) fn header(mut self, name: &'static str, value: String) -> Self {
        self.headers.push((name, value));
        self
    }
}

/// Why an operation was not performed.
/// <https://docs.github.com/en/rest/using-the-rest-api/troubleshooting-the-rest-api>
#[derive(Debug, Clone)]
pub(crate) enum Refusal {
    NotFound,
    /// With words of its own, as some operations have for what is not there.
    Missing(&'static str),
    BadCredentials(&'static str),
    Forbidden(String),
    /// It is elsewhere now. What is read is redirected for good, what is written for now, which keeps the method:
    /// <https://docs.github.com/en/rest/using-the-rest-api/best-practices-for-using-the-rest-api#follow-redirects>,
    /// <https://github.com/google/go-github/issues/184>.
    Moved {
        location: String,
        reads: bool,
    },
    Gone(&'static str),
    /// 405 and 409, whose words are the point.
    Status(u16, String),
    /// 422. Each error is a document.
    Invalid(Vec<Value>),
    /// 422 with a sentence instead of documents.
    Unprocessable(String),
    NotImplemented,
}

impl Refusal {
    /// One field that is wrong. <https://docs.github.com/en/rest/using-the-rest-api/troubleshooting-the-rest-api#validation-failed>
    pub(crate) fn field(resource: &str, field: &str, code: &str) -> Self {
        Self::Invalid(vec![json!({ "resource": resource, "field": field, "code": code })])
    }

    /// Something that no single field is to blame for.
    pub(crate) fn custom(resource: &str, message: &str) -> Self {
        Self::Invalid(vec![json!({ "resource": resource, "code": "custom", "message": message })])
    }

    pub(crate) fn answer(self) -> Answer {
        let (status, message) = match self {
            Self::NotFound => (404, "Not Found".into()),
            Self::Missing(message) => (404, message.into()),
            Self::BadCredentials(message) => (401, message.into()),
            Self::Forbidden(message) => (403, message),
            Self::Gone(message) => (410, message.into()),
            Self::Status(status, message) => (status, message),
            Self::Unprocessable(message) => (422, message),
            Self::NotImplemented => (501, "the stand-in cannot do this".into()),
            Self::Moved { location, reads } => {
                let status = if reads { 301 } else { 307 };
                let mut body = error_body(status, "Moved Permanently");
                body["url"] = location.as_str().into();
                return Answer::with(status, body).header("location", location);
            }
            Self::Invalid(errors) => {
                let mut body = error_body(422, "Validation Failed");
                body["errors"] = errors.into();
                return Answer::with(422, body);
            }
        };
        Answer::with(status, error_body(status, &message))
    }
}

pub(crate) fn error_body(status: u16, message: &str) -> Value {
    json!({
        "message": message, "documentation_url": "https://docs.github.com/rest", "status": status.to_string(),
    })
}
