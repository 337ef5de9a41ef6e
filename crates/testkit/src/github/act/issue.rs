//! Issues: opening, editing, commenting, labelling, assigning, closing.

use serde_json::{Value, json};

use crate::github::world::{Comment, Gone, Happening, Issue, Label, State, StateReason, World};

/// What an issue begins as.
#[derive(Debug, Clone, Default)]
pub(crate) struct NewIssue {
    pub(crate) title: String,
    pub(crate) body: Option<String>,
    pub(crate) labels: Vec<String>,
    pub(crate) assignees: Vec<String>,
    pub(crate) milestone: Option<u64>,
    pub(crate) app: Option<u64>,
}

impl World {
    /// Opens an issue and returns its number.
    pub(crate) fn open_issue(&mut self, repo: u64, author: &str, new: NewIssue) -> u64 {
        let number = self.repo(repo).next_number();
        let issue = self.bare_issue(number, author, new.title, new.body, new.app);
        self.repo_mut(repo).issues.insert(number, issue);
        if let Some(issue) = self.issue_mut(repo, number) {
            issue.milestone = new.milestone;
        }
        self.tell_issue(repo, number, author, "opened", json!({}));
        for label in new.labels {
            self.label(repo, number, author, &label);
        }
        for login in new.assignees {
            self.assign(repo, number, author, &login);
        }
        number
    }

    /// An issue that is in no repository yet.
    pub(super) fn bare_issue(
        &mut self,
        number: u64,
        author: &str,
        title: String,
        body: Option<String>,
        app: Option<u64>,
    ) -> Issue {
        Issue {
            id: self.fresh_id(),
            number,
            title,
            // An empty body is none.
            body: body.filter(|it| !it.is_empty()),
            author: self.person(author),
            app,
            state: State::Open { again: false },
            labels: Vec::new(),
            assignees: Vec::new(),
            milestone: None,
            created_at: self.now,
            updated_at: self.now,
            comments: Vec::new(),
            timeline: Vec::new(),
            children: Vec::new(),
            blocked_by: Vec::new(),
            pull: None,
        }
    }

    /// Writes down that something happened to an issue.
    pub(super) fn happened(
        &mut self,
        repo: u64,
        number: u64,
        actor: &str,
        event: &'static str,
        subject: Option<&str>,
    ) {
        let (id, at) = (self.fresh_id(), self.now);
        let (actor, subject) = (self.person(actor), subject.map(String::from));
        if let Some(issue) = self.issue_mut(repo, number) {
            issue.timeline.push(Happening { id, event, actor, subject, at });
        }
    }

    /// Comments and returns the comment's id.
    pub(crate) fn comment(
        &mut self,
        repo: u64,
        number: u64,
        author: &str,
        body: &str,
        app: Option<u64>,
    ) -> u64 {
        let (id, author, now) = (self.fresh_id(), self.person(author), self.now);
        let comment =
            Comment { id, author: author.clone(), app, body: body.into(), created_at: now, updated_at: now };
        if let Some(issue) = self.issue_mut(repo, number) {
            issue.comments.push(comment);
        }
        self.tell_comment(repo, number, id, &author, "created");
        id
    }

    /// Changes what a comment says; false when there is no such comment.
    pub(crate) fn edit_comment(&mut self, repo: u64, id: u64, actor: &str, body: &str) -> bool {
        let now = self.now;
        let mut issues = self.repo_mut(repo).issues.values_mut();
        let found = issues.find_map(|issue| {
            let comment = issue.comments.iter_mut().find(|it| it.id == id)?;
            comment.body = body.into();
            comment.updated_at = now;
            issue.updated_at = now;
            Some(issue.number)
        });
        let Some(number) = found else { return false };
        self.tell_comment(repo, number, id, actor, "edited");
        true
    }

    /// Changes title and body, those that are given.
    pub(crate) fn edit_issue(
        &mut self,
        repo: u64,
        number: u64,
        actor: &str,
        title: Option<&str>,
        body: Option<&str>,
    ) {
        let Some(issue) = self.issue_mut(repo, number) else { return };
        let before = issue.title.clone();
        if let Some(title) = title {
            issue.title = title.into();
        }
        if let Some(body) = body {
            issue.body = Some(body.to_owned()).filter(|it| !it.is_empty());
        }
        if title.is_some_and(|title| title != before) {
            self.happened(repo, number, actor, "renamed", None);
        }
        self.tell_issue(repo, number, actor, "edited", json!({ "changes": {} }));
    }

    /// Closes it, if it is open; `commit` is what did it.
    pub(crate) fn close_issue(
        &mut self,
        repo: u64,
        number: u64,
        actor: &str,
        reason: StateReason,
        commit: Option<&str>,
    ) {
        let (by, at) = (self.person(actor), self.now);
        let Some(issue) = self.issue_mut(repo, number) else { return };
        if !issue.is_open() {
            return;
        }
        issue.state = State::Closed { at, by, reason };
        self.happened(repo, number, actor, "closed", commit);
        self.tell_issue(repo, number, actor, "closed", json!({}));
    }

    /// Opens it again, if it is closed.
    pub(crate) fn reopen_issue(&mut self, repo: u64, number: u64, actor: &str) {
        let Some(issue) = self.issue_mut(repo, number) else { return };
        if issue.is_open() {
            return;
        }
        issue.state = State::Open { again: true };
        self.happened(repo, number, actor, "reopened", None);
        self.tell_issue(repo, number, actor, "reopened", json!({}));
    }

    /// The label of this name, made when the repository has none yet; case does not matter.
    pub(crate) fn ensure_label(&mut self, repo: u64, name: &str) -> String {
        let found = self.repo(repo).labels.iter().find(|it| it.name.eq_ignore_ascii_case(name));
        if let Some(label) = found {
            return label.name.clone();
        }
        let id = self.fresh_id();
        let label = Label { id, name: name.into(), color: "ededed".into(), description: None };
        self.repo_mut(repo).labels.push(label);
        name.into()
    }

    /// Puts a label on, unless it is there.
    pub(crate) fn label(&mut self, repo: u64, number: u64, actor: &str, name: &str) {
        let name = self.ensure_label(repo, name);
        let Some(issue) = self.issue_mut(repo, number) else { return };
        if issue.labels.contains(&name) {
            return;
        }
        issue.labels.push(name.clone());
        self.happened(repo, number, actor, "labeled", Some(&name));
        let details = json!({ "label": self.label_details(repo, &name) });
        self.tell_issue(repo, number, actor, "labeled", details);
    }

    /// Takes a label off; false when it is not there.
    pub(crate) fn unlabel(&mut self, repo: u64, number: u64, actor: &str, name: &str) -> bool {
        let Some(issue) = self.issue_mut(repo, number) else { return false };
        let Some(at) = issue.labels.iter().position(|it| it.eq_ignore_ascii_case(name)) else { return false };
        let name = issue.labels.remove(at);
        self.happened(repo, number, actor, "unlabeled", Some(&name));
        let details = json!({ "label": self.label_details(repo, &name) });
        self.tell_issue(repo, number, actor, "unlabeled", details);
        true
    }

    fn label_details(&self, repo: u64, name: &str) -> Value {
        let label = self.repo(repo).labels.iter().find(|it| it.name == name);
        label.map_or(Value::Null, |label| self.show_label(repo, label))
    }

    /// Assigns somebody, unless it is done. Who cannot be assigned is left out without a word:
    /// <https://docs.github.com/en/rest/issues/assignees#add-assignees-to-an-issue>
    pub(crate) fn assign(&mut self, repo: u64, number: u64, actor: &str, login: &str) {
        if self.repo(repo).permission(login) < Some(crate::github::world::Permission::Triage) {
            return;
        }
        let login = self.person(login);
        let Some(issue) = self.issue_mut(repo, number) else { return };
        if issue.assignees.contains(&login) {
            return;
        }
        issue.assignees.push(login.clone());
        self.happened(repo, number, actor, "assigned", Some(&login));
        let details = json!({ "assignee": self.show_user(&login) });
        self.tell_issue(repo, number, actor, "assigned", details);
    }

    /// Moves an issue to another repository, where it gets a new number.
    /// <https://docs.github.com/en/issues/tracking-your-work-with-issues/using-issues/transferring-an-issue-to-another-repository>
    pub(crate) fn transfer_issue(&mut self, repo: u64, number: u64, to: u64) -> u64 {
        let mut issue = self.repo_mut(repo).issues.remove(&number).expect("an issue that is transferred");
        let there = self.repo(to).next_number();
        issue.number = there;
        for label in &issue.labels {
            self.ensure_label(to, label);
        }
        self.repo_mut(to).issues.insert(there, issue);
        self.repo_mut(repo).gone.insert(number, Gone::Transferred { repo: to, number: there });
        there
    }

    /// Deletes an issue for good.
    pub(crate) fn delete_issue(&mut self, repo: u64, number: u64) {
        self.repo_mut(repo).issues.remove(&number);
        self.repo_mut(repo).gone.insert(number, Gone::Deleted);
    }
}
