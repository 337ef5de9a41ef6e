//! Comparing what is asked and answered with what is described.

use serde_json::Value;

use super::{Contract, Found};

/// Statuses that every operation can have, whether its description lists them or not, and why.
const EVERYWHERE: [(u16, &str); 9] = [
    (301, "a repository was renamed or an issue transferred"),
    (304, "conditional requests work on everything that is read"),
    (307, "the same, for what is written"),
    (400, "the body is no JSON"),
    (401, "the token is not believed"),
    (403, "a right is missing, or a rate limit reached"),
    (404, "what may not be seen is not there"),
    (422, "what is asked makes no sense, which a third of the operations forget to say"),
    (429, "a rate limit was reached"),
];

/// Where the description itself is wrong: the answer, the place in it, and what is wrong there.
const MISTAKES: [(&str, &str, &str); 1] = [(
    "apps/list-installations 200",
    "/account: ",
    "an account is described as a user and an enterprise at once",
)];

impl Contract {
    /// What is wrong with a request.
    pub(crate) fn check_request(
        &self,
        found: &Found<'_>,
        query: &[(String, String)],
        body: Option<&Value>,
    ) -> Vec<String> {
        let operation = self.operation(found);
        let id = &found.route.operation;
        let mut problems = self.check_query(found, query);
        match (self.resolve(&operation["requestBody"]), body) {
            (None, None) => {}
            (None, Some(_)) => problems.push(format!("{id} takes no body")),
            (Some(described), None) => {
                if described["required"] == true {
                    problems.push(format!("{id} needs a body"));
                }
            }
            (Some(described), Some(body)) => {
                let schema = &described["content"]["application/json"]["schema"];
                problems.extend(self.schemas().check(&format!("{id} request"), schema, body));
            }
        }
        problems
    }

    fn check_query(&self, found: &Found<'_>, query: &[(String, String)]) -> Vec<String> {
        let operation = self.operation(found);
        let id = &found.route.operation;
        let described: Vec<_> = operation["parameters"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|it| self.resolve(it))
            .filter(|it| it["in"] == "query")
            .collect();
        let mut problems = Vec::new();
        for (name, value) in query {
            match described.iter().find(|it| it["name"] == name.as_str()) {
                None => problems.push(format!("{id} has no query parameter `{name}`")),
                Some(parameter) => {
                    let schema = &parameter["schema"];
                    let place = format!("{id} query {name}");
                    problems.extend(self.schemas().check(&place, schema, &typed(value, schema)));
                }
            }
        }
        problems
    }

    /// What is wrong with an answer.
    pub(crate) fn check_answer(&self, found: &Found<'_>, status: u16, body: &Value) -> Vec<String> {
        let operation = self.operation(found);
        let id = &found.route.operation;
        let described = self.resolve(&operation["responses"][status.to_string()]);
        let Some(described) = described else {
            let known = EVERYWHERE.iter().any(|(everywhere, _)| *everywhere == status);
            return if known { Vec::new() } else { vec![format!("{id} is not answered with {status}")] };
        };
        match described["content"].get("application/json") {
            Some(content) => {
                let mut problems = self.schemas().check(&format!("{id} {status}"), &content["schema"], body);
                problems.retain(|problem| {
                    !MISTAKES
                        .iter()
                        .any(|(answer, at, _)| problem.starts_with(answer) && problem.contains(at))
                });
                problems
            }
            None => Vec::new(),
        }
    }

    fn operation(&self, found: &Found<'_>) -> &Value {
        &self.document["paths"][&found.route.template][&found.route.method.to_lowercase()]
    }

    /// Follows a reference to a response or parameter; `None` when there is nothing.
    fn resolve<'a>(&'a self, value: &'a Value) -> Option<&'a Value> {
        match value["$ref"].as_str() {
            Some(target) => self.document.pointer(target.trim_start_matches('#')),
            None => Some(value).filter(|it| it.is_object()),
        }
    }
}

/// A value of a query is text; where a number or a truth value is described, it is one.
fn typed(value: &str, schema: &Value) -> Value {
    match schema["type"].as_str() {
        Some("integer") => value.parse::<i64>().map_or_else(|_| value.into(), Value::from),
        Some("boolean") => value.parse::<bool>().map_or_else(|_| value.into(), Value::from),
        Some("array") => value.split(',').map(Value::from).collect(),
        Some(_) | None => value.into(),
    }
}
