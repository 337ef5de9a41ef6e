//! One request, with everything that is needed to perform it.

use jiff::Timestamp;
use serde_json::Value;

use super::{Answer, Refusal};
use crate::github::access::{self, Access, Denied, Who};
use crate::github::contract::Parameters;
use crate::github::limit::Rate;
use crate::github::world::{Gone, Issue, Pull, Repository, World};

/// A request whose operation is known.
#[derive(Debug)]
pub(crate) struct Turn<'a> {
    pub(crate) world: &'a mut World,
    pub(crate) who: &'a Who,
    /// The account that acts.
    pub(crate) login: String,
    pub(crate) rate: Rate,
    pub(crate) parameters: Parameters,
    /// The path as the operation has it, behind which the query stood.
    pub(crate) path: String,
    pub(crate) query: Vec<(String, String)>,
    pub(crate) body: Value,
    /// Whether it only looks.
    pub(crate) reads: bool,
    /// The repository that it is about, once access to it was checked; nothing uses it in other operations.
    repo: u64,
}

impl<'a> Turn<'a> {
    pub(crate) fn new(world: &'a mut World, who: &'a Who, rate: Rate) -> Self {
        let login = who.login(world);
        Self {
            world,
            who,
            login,
            rate,
            parameters: Parameters::new(),
            path: String::new(),
            query: Vec::new(),
            body: Value::Null,
            reads: true,
            repo: 0,
        }
    }

    /// Finds the repository of the path and checks that it may be used so.
    pub(super) fn check_access(&mut self, operation: &str) -> Result<(), Refusal> {
        let (Some(owner), Some(name)) = (self.parameters.get("owner"), self.parameters.get("repo")) else {
            return Ok(());
        };
        let full_name = format!("{owner}/{name}");
        let id = self.world.find(&full_name).ok_or(Refusal::NotFound)?;
        if operation == "apps/get-repo-installation" {
            self.repo = id;
            return Ok(());
        }
        let need = access::need(operation);
        self.who.may(self.world, id, need).map_err(|denied| match denied {
            Denied::NotFound => Refusal::NotFound,
            Denied::Forbidden(words) => Refusal::Forbidden(words.into()),
        })?;
        let found = self.world.repo(id);
        if !found.full_name().eq_ignore_ascii_case(&full_name) {
            let rest = self.path.splitn(5, '/').nth(4).unwrap_or_default();
            return Err(self.elsewhere(id, rest));
        }
        // <https://docs.github.com/en/repositories/archiving-a-github-repository/archiving-repositories>
        if found.archived && need.access == Access::Write {
            return Err(Refusal::Forbidden("Repository was archived so is read-only.".into()));
        }
        self.repo = id;
        self.world.look_at_refs(id, "ghost");
        Ok(())
    }

    /// Sends to a URL by a repository's id, which stays good; with the query that was asked with.
    fn elsewhere(&self, repo: u64, rest: &str) -> Refusal {
        let slash = if rest.is_empty() { "" } else { "/" };
        let query = encode(&self.query);
        let mark = if query.is_empty() { "" } else { "?" };
        let location = format!("{}/repositories/{repo}{slash}{rest}{mark}{query}", self.world.base);
        Refusal::Moved { location, reads: self.reads }
    }

    pub(crate) fn repo(&self) -> u64 {
        self.repo
    }

    pub(crate) fn repository(&self) -> &Repository {
        self.world.repo(self.repo)
    }

    pub(crate) fn parameter(&self, name: &str) -> &str {
        self.parameters.get(name).map_or("", String::as_str)
    }

    /// A number in the path; what is none is not found.
    pub(crate) fn number(&self, name: &str) -> Result<u64, Refusal> {
        self.parameter(name).parse().map_err(|_| Refusal::NotFound)
    }

    /// The issue of the path, or where it went.
    /// <https://docs.github.com/en/rest/issues/issues#get-an-issue>
    pub(crate) fn issue(&self) -> Result<&Issue, Refusal> {
        let number = self.number("issue_number")?;
        let found = self.repository();
        if let Some(issue) = found.issues.get(&number) {
            if !found.has_issues && issue.pull.is_none() {
                return Err(Refusal::Gone("Issues are disabled for this repo"));
            }
            return Ok(issue);
        }
        match found.gone.get(&number) {
            None => Err(Refusal::NotFound),
            Some(Gone::Deleted) => Err(Refusal::Gone("This issue was deleted")),
            Some(Gone::Transferred { repo, number }) => {
                let tail = self.path.splitn(7, '/').nth(6).map_or(String::new(), |it| format!("/{it}"));
                let see = self.who.role(self.world, *repo).is_some();
                let moved = self.elsewhere(*repo, &format!("issues/{number}{tail}"));
                Err(if see { moved } else { Refusal::NotFound })
            }
        }
    }

    /// The pull request of the path.
    pub(crate) fn pull(&self) -> Result<(&Issue, &Pull), Refusal> {
        let number = self.number("pull_number")?;
        let issue = self.repository().issues.get(&number).ok_or(Refusal::NotFound)?;
        let pull = issue.pull.as_ref().ok_or(Refusal::NotFound)?;
        Ok((issue, pull))
    }

    /// Whether whoever asks may do what only people with this role, or the author, may.
    pub(crate) fn is_at_least(&self, role: crate::github::world::Permission) -> bool {
        self.who.role(self.world, self.repo) >= Some(role)
    }

    pub(crate) fn asked(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// A moment in the query.
    pub(crate) fn since(&self) -> Option<Timestamp> {
        self.asked("since").and_then(|it| it.parse().ok())
    }

    pub(crate) fn text(&self, key: &str) -> Option<&str> {
        self.body[key].as_str()
    }

    /// Title and body have a greatest length.
    pub(super) fn check_lengths(&self, resource: &str) -> Result<(), Refusal> {
        for (field, most) in [("title", 256), ("body", 65_536)] {
            if self.text(field).is_some_and(|it| it.chars().count() > most) {
                let words = format!("{field} is too long (maximum is {most} characters)");
                return Err(Refusal::custom(resource, &words));
            }
        }
        Ok(())
    }

    /// A list of names, each a text or a document that has one.
    pub(crate) fn names(&self, key: &str) -> Option<Vec<String>> {
        let list = self.body[key].as_array()?;
        let name = |it: &Value| {
            let text = it.as_str().or_else(|| it["name"].as_str()).or_else(|| it["login"].as_str())?;
            Some(text.to_owned())
        };
        Some(list.iter().filter_map(name).collect())
    }

    /// One page of a list, with the links to the others.
    /// <https://docs.github.com/en/rest/using-the-rest-api/using-pagination-in-the-rest-api>
    pub(crate) fn page<T>(&self, items: Vec<T>) -> Page<T> {
        let number = |name, or: usize| self.asked(name).and_then(|it| it.parse().ok()).unwrap_or(or);
        let size = number("per_page", 30).clamp(1, 100);
        let page = number("page", 1).max(1);
        let total = items.len();
        let last = total.div_ceil(size).max(1);
        let items = items.into_iter().skip((page - 1) * size).take(size).collect();
        let mut links = Vec::new();
        let mut link = |rel: &str, to: usize| {
            let rest = self.path.splitn(5, '/').nth(4).filter(|_| self.repo > 0);
            let path = match rest {
                Some(rest) => format!("/repositories/{}/{rest}", self.repo),
                None => self.path.clone(),
            };
            let others = self.query.iter().filter(|(key, _)| key != "page").cloned();
            let query: Vec<_> = others.chain([("page".to_owned(), to.to_string())]).collect();
            links.push(format!("<{}{path}?{}>; rel=\"{rel}\"", self.world.base, encode(&query)));
        };
        if page > 1 {
            link("prev", (page - 1).min(last));
        }
        if page < last {
            link("next", page + 1);
            link("last", last);
        }
        if page > 1 {
            link("first", 1);
        }
        Page { items, total, links: links.join(", ") }
    }

    /// A page of documents as an answer.
    pub(crate) fn list(&self, items: Vec<Value>) -> Answer {
        let page = self.page(items);
        page.answer(|items| items.into())
    }
}

/// Some of the items of a list.
#[derive(Debug)]
pub(crate) struct Page<T> {
    pub(crate) items: Vec<T>,
    pub(crate) total: usize,
    links: String,
}

impl<T> Page<T> {
    /// The answer, whose document is made of the items.
    pub(crate) fn answer(self, document: impl FnOnce(Vec<T>) -> Value) -> Answer {
        let answer = Answer::ok(document(self.items));
        if self.links.is_empty() { answer } else { answer.header("link", self.links) }
    }
}

/// A query, percent-encoded.
pub(crate) fn encode(query: &[(String, String)]) -> String {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~".contains(byte);
    let escape = |text: &str| {
        text.bytes().fold(String::new(), |mut escaped, byte| {
            if plain(&byte) {
                escaped.push(char::from(byte));
            } else {
                escaped.extend(format!("%{byte:02X}").chars());
            }
            escaped
        })
    };
    let pairs: Vec<_> =
        query.iter().map(|(key, value)| format!("{}={}", escape(key), escape(value))).collect();
    pairs.join("&")
}
