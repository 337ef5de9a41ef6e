//! GitHub's published description of its API, as far as it is vendored: which operations there are, and what
//! their requests and answers look like.
//!
//! Schemas are compiled when they are needed first, all from one registry, so that a test pays for what it uses.

mod check;
mod route;
mod schema;

use std::collections::BTreeMap;
use std::io::Read as _;
use std::sync::OnceLock;

use flate2::read::GzDecoder;
use serde_json::Value;

use schema::Schemas;

pub(super) use route::{Found, Route, decode};

/// The description, made by `openapi/README.md`.
const DESCRIPTION: &[u8] = include_bytes!("../../../openapi/github.json.gz");

/// The description in a form that requests can be looked up in.
#[derive(Debug)]
pub(super) struct Contract {
    routes: Vec<Route>,
    document: Value,
    schemas: OnceLock<Schemas>,
}

impl Contract {
    /// Reads the description.
    ///
    /// # Panics
    /// When it was vendored wrongly.
    pub(super) fn load() -> Self {
        let mut text = Vec::new();
        GzDecoder::new(DESCRIPTION).read_to_end(&mut text).expect("the description is packed");
        let document: Value = serde_json::from_slice(&text).expect("the description is JSON");
        let paths = document["paths"].as_object().expect("a description has paths");
        let routes = paths.iter().flat_map(|(path, item)| {
            let methods = item.as_object().into_iter().flatten();
            methods.filter_map(move |(method, operation)| {
                let id = operation["operationId"].as_str()?;
                Some(Route::new(id, method, path))
            })
        });
        Self { routes: routes.collect(), document, schemas: OnceLock::new() }
    }

    /// The ids of all operations.
    pub(super) fn operations(&self) -> impl Iterator<Item = &str> {
        self.routes.iter().map(|route| route.operation.as_str())
    }

    /// The operation that a request is for.
    pub(super) fn find(&self, method: &str, path: &str) -> Option<Found<'_>> {
        let parts: Vec<_> = path.split('/').skip(1).collect();
        let found = self.routes.iter().filter_map(|route| route.matches(method, &parts));
        found.max_by_key(|it| it.route.literals())
    }

    fn schemas(&self) -> &Schemas {
        self.schemas.get_or_init(|| Schemas::new(&self.document["components"]))
    }

    /// Whether anything at all is at a path.
    pub(super) fn knows(&self, path: &str) -> bool {
        ["GET", "POST", "PUT", "PATCH", "DELETE"].iter().any(|method| self.find(method, path).is_some())
    }
}

pub(super) type Parameters = BTreeMap<String, String>;
