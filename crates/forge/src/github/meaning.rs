//! What an answer of GitHub's means, going by its status, its headers and its words.

use std::collections::BTreeSet;

use http::{StatusCode, header};
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;

use crate::github::budget::{Heard, Quota, Sign};
use crate::github::error::{GitHubError, LimitKind, quoted};
use crate::github::exchange::{Failure, Reply};

/// What came of a request that did not fail.
#[derive(Debug)]
pub(crate) enum Meaning {
    /// It was done, or here it is.
    Done(Reply),
    /// Nothing has changed.
    Unchanged(Reply),
    /// It lies there, and the same request is to be made there, whatever its method:
    /// <https://docs.github.com/rest/using-the-rest-api/best-practices-for-using-the-rest-api#follow-redirects>.
    Elsewhere(String),
}

/// Names the outcome of the request `at`, and says what it teaches. `now` is when it came.
///
/// A write that was sent and got no proper answer may have been done, whatever came instead.
pub(crate) fn understand(
    at: &str,
    write: bool,
    outcome: Result<Reply, Failure>,
    now: Timestamp,
) -> (Result<Meaning, GitHubError>, Heard) {
    let at = at.to_owned();
    let failure = match outcome.and_then(whole) {
        Ok(reply) => {
            let write = write && reply.sent;
            let at = if reply.sent { at } else { format!("{at} (a token for the installation)") };
            let heard = reply.heard(write, now);
            return (reply.meaning(at, write, now), heard);
        }
        Err(failure) => failure,
    };
    let reason = failure.to_string();
    // An answer that is too long is one, after all.
    let well = matches!(failure, Failure::TooLong);
    let sign = if well { Sign::Well } else { Sign::Failing(reason.clone()) };
    let error = match failure {
        Failure::NeverLeft(_) => GitHubError::Unreachable { at, reason },
        Failure::Lost(_) | Failure::CutShort | Failure::TooLong | Failure::Nonsense(_) if write => {
            GitHubError::Unanswered { at, reason }
        }
        Failure::Lost(_) => GitHubError::Unreachable { at, reason },
        Failure::CutShort => GitHubError::Truncated { at },
        Failure::TooLong | Failure::Nonsense(_) => GitHubError::Malformed { at, reason },
    };
    (Err(error), Heard { write, quota: None, scopes: None, sign })
}

/// Whether an answer that says that all is well is JSON to its end.
fn whole(reply: Reply) -> Result<Reply, Failure> {
    if !reply.status.is_success() || reply.status == StatusCode::NO_CONTENT {
        return Ok(reply);
    }
    match serde_json::from_slice::<IgnoredAny>(&reply.body) {
        Ok(IgnoredAny) => Ok(reply),
        Err(error) if error.is_eof() => Err(Failure::CutShort),
        Err(error) => Err(Failure::Nonsense(quoted(&error.to_string()))),
    }
}

/// What GitHub says when it does not do something:
/// <https://docs.github.com/rest/using-the-rest-api/troubleshooting-the-rest-api>.
#[derive(Debug, Default, Deserialize)]
struct Problem {
    #[serde(default)]
    message: String,
    /// A text, or a list of texts and of objects that say which field of what is wrong how.
    #[serde(default)]
    errors: Value,
}

impl Problem {
    fn read(body: &[u8]) -> Self {
        serde_json::from_slice(body).unwrap_or_default()
    }

    /// Message and details as one line.
    fn text(&self) -> String {
        let details: Vec<_> = match &self.errors {
            Value::Array(errors) => errors.iter().filter_map(detail).collect(),
            Value::String(error) => vec![error.clone()],
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => Vec::new(),
        };
        let texts = [self.message.clone()].into_iter().chain(details).filter(|it| !it.is_empty());
        quoted(&texts.collect::<Vec<_>>().join("; "))
    }
}

fn detail(error: &Value) -> Option<String> {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    text(error).or_else(|| text(&error["message"])).or_else(|| {
        let words = [&error["field"], &error["code"]];
        Some(words.into_iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" "))
    })
}

impl Reply {
    fn meaning(self, at: String, write: bool, now: Timestamp) -> Result<Meaning, GitHubError> {
        if self.status == StatusCode::NOT_MODIFIED {
            return Ok(Meaning::Unchanged(self));
        }
        if self.status.is_success() {
            return Ok(Meaning::Done(self));
        }
        if self.status.is_redirection() {
            let to = self.header(header::LOCATION.as_str()).unwrap_or("nowhere");
            return Ok(Meaning::Elsewhere(to.to_owned()));
        }
        if let Sign::Limited(kind, wait) = self.sign(now) {
            let until = now + wait.unwrap_or_default();
            return Err(GitHubError::Limited { kind, until });
        }
        let problem = Problem::read(&self.body);
        let message = problem.text();
        Err(match self.status.as_u16() {
            401 => GitHubError::Unauthorised { at, message },
            403 if problem.message.contains("archived") => GitHubError::Archived { at },
            403 => GitHubError::Forbidden { at, message, needs: self.needs() },
            404 => GitHubError::NotFound { at, message },
            405 => GitHubError::NotAllowed { at, message },
            409 => GitHubError::Conflict { at, message },
            410 => GitHubError::Gone { at, message },
            422 => GitHubError::Invalid { at, message },
            status @ 500.. if write => GitHubError::Unanswered { at, reason: format!("status {status}") },
            status @ 500.. => GitHubError::Server { at, status },
            status => GitHubError::Refused { at, status, message },
        })
    }

    fn heard(&self, write: bool, now: Timestamp) -> Heard {
        Heard { write, quota: self.quota(now), scopes: self.scopes(), sign: self.sign(now) }
    }

    /// How GitHub is, going by this answer:
    /// <https://docs.github.com/rest/using-the-rest-api/rate-limits-for-the-rest-api#exceeding-the-rate-limit>.
    pub(crate) fn sign(&self, now: Timestamp) -> Sign {
        if self.status.is_server_error() {
            return Sign::Failing(format!("status {}", self.status.as_u16()));
        }
        if !matches!(self.status.as_u16(), 403 | 429) {
            return Sign::Well;
        }
        let retry_after = self.number("retry-after").map(seconds);
        let secondary =
            Problem::read(&self.body).message.to_ascii_lowercase().contains("secondary rate limit");
        if self.number("x-ratelimit-remaining") == Some(0) && !secondary {
            let reset = self.quota(now).map(|it| it.resets_at.duration_since(now));
            return Sign::Limited(LimitKind::Primary, retry_after.max(reset));
        }
        if secondary || retry_after.is_some() || self.status == StatusCode::TOO_MANY_REQUESTS {
            return Sign::Limited(LimitKind::Secondary, retry_after);
        }
        Sign::Well
    }

    /// What is left of the limit, by our clock: GitHub's own may be another.
    pub(crate) fn quota(&self, now: Timestamp) -> Option<Quota> {
        if self.header("x-ratelimit-resource").is_some_and(|it| it != "core") {
            return None;
        }
        let reset = i64::try_from(self.number("x-ratelimit-reset")?).ok()?;
        let reset = Timestamp::from_second(reset).ok()?;
        let theirs = self.header(header::DATE.as_str()).and_then(|it| jiff::fmt::rfc2822::parse(it).ok());
        let ahead = reset.duration_since(theirs.map_or(now, |it| it.timestamp()));
        Some(Quota {
            limit: self.number("x-ratelimit-limit")?,
            remaining: self.number("x-ratelimit-remaining")?,
            resets_at: now + ahead.clamp(SignedDuration::ZERO, SignedDuration::from_secs(60 * 60)),
        })
    }

    /// The scopes of the credential, if it is of the kind that has some.
    pub(crate) fn scopes(&self) -> Option<BTreeSet<String>> {
        let scopes = self.header("x-oauth-scopes")?.split(',').map(str::trim);
        Some(scopes.filter(|it| !it.is_empty()).map(str::to_owned).collect())
    }

    /// The address of the next page:
    /// <https://docs.github.com/rest/using-the-rest-api/using-pagination-in-the-rest-api#using-link-headers>.
    pub(crate) fn next(&self) -> Option<&str> {
        self.header(header::LINK.as_str())?.split(',').find_map(|link| {
            let (url, parameters) = link.trim().strip_prefix('<')?.split_once('>')?;
            parameters.split(';').any(|it| it.trim() == "rel=\"next\"").then_some(url)
        })
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    fn number(&self, name: &str) -> Option<u64> {
        self.header(name)?.trim().parse().ok()
    }

    fn needs(&self) -> Option<String> {
        ["x-accepted-github-permissions", "x-accepted-oauth-scopes"]
            .into_iter()
            .filter_map(|name| self.header(name))
            .find(|it| !it.trim().is_empty())
            .map(quoted)
    }
}

/// A wait that GitHub names; nobody is ever made to wait for more than an hour at once.
fn seconds(n: u64) -> SignedDuration {
    SignedDuration::from_secs(i64::try_from(n.min(3600)).expect("an hour fits"))
}

#[cfg(test)]
mod tests;
