//! A tiny client, so that what is tested is the stand-in and not somebody's library.

use std::borrow::Borrow;

use coord_testkit::github::GitHub;
use reqwest::header::HeaderMap;
use reqwest::redirect::Policy;
use reqwest::{Method, Response};
use serde_json::Value;
use tokio::runtime::Runtime;

/// What came back.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
}

impl Reply {
    #[track_caller]
    pub(crate) fn is(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.body);
        self.body
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The message of an error.
    #[track_caller]
    pub(crate) fn refuses(self, status: u16) -> String {
        let body = self.is(status);
        let message = body["errors"][0]["message"].as_str().or_else(|| body["message"].as_str());
        message.unwrap_or_else(|| panic!("{body} has no message")).to_owned()
    }
}

/// A client with one token.
#[derive(Debug)]
pub(crate) struct Client {
    runtime: Runtime,
    http: reqwest::Client,
    url: String,
    token: String,
}

impl Client {
    pub(crate) fn new(github: &GitHub, token: &str) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let http = reqwest::Client::builder().redirect(Policy::none()).user_agent("tests").build().unwrap();
        Self { runtime, http, url: github.url().into(), token: token.into() }
    }

    /// Sends a request; the error is what the connection said.
    pub(crate) fn try_send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &Value,
    ) -> Result<Reply, reqwest::Error> {
        let method: Method = method.parse().unwrap();
        let url = if path.starts_with("http") { path.to_owned() } else { format!("{}{path}", self.url) };
        let mut request = self.http.request(method, url);
        if !self.token.is_empty() {
            request = request.bearer_auth(&self.token);
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if !body.is_null() {
            request = request.json(body);
        }
        self.runtime.block_on(async {
            let response: Response = request.send().await?;
            let (status, headers) = (response.status().as_u16(), response.headers().clone());
            let text = response.text().await?;
            let body = serde_json::from_str(&text).unwrap_or(Value::String(text));
            Ok(Reply { status, headers, body })
        })
    }

    #[track_caller]
    pub(crate) fn send(&self, method: &str, path: &str, body: &Value) -> Reply {
        self.try_send(method, path, &[], body).unwrap()
    }

    #[track_caller]
    pub(crate) fn get(&self, path: &str) -> Reply {
        self.send("GET", path, &Value::Null)
    }

    #[track_caller]
    pub(crate) fn post(&self, path: &str, body: impl Borrow<Value>) -> Reply {
        self.send("POST", path, body.borrow())
    }

    #[track_caller]
    pub(crate) fn patch(&self, path: &str, body: impl Borrow<Value>) -> Reply {
        self.send("PATCH", path, body.borrow())
    }

    #[track_caller]
    pub(crate) fn put(&self, path: &str, body: impl Borrow<Value>) -> Reply {
        self.send("PUT", path, body.borrow())
    }

    #[track_caller]
    pub(crate) fn delete(&self, path: &str, body: impl Borrow<Value>) -> Reply {
        self.send("DELETE", path, body.borrow())
    }
}
