//! One stand-in with one repository, as most tests need it.

use coord_testkit::github::{GitHub, Permission, Repo};
use coord_testkit::world::{Repo as Project, World};
use serde_json::{Value, json};

use crate::client::Client;

/// `acme/api`, with octo who may write and bob who may as well.
pub(crate) struct Site {
    pub(crate) octo: Client,
    pub(crate) api: Repo,
    pub(crate) github: GitHub,
    pub(crate) project: Project,
    pub(crate) world: World,
}

impl Site {
    pub(crate) fn new() -> Self {
        let world = World::new("/bin/sh");
        let project = world.repo("api");
        let github = GitHub::start();
        let api = github.repo("acme/api", &project.origin);
        api.collaborator("octo", Permission::Write);
        api.collaborator("bob", Permission::Write);
        let octo = Client::new(&github, &github.user("octo").token());
        Self { octo, api, github, project, world }
    }

    /// A client of somebody else.
    pub(crate) fn client(&self, login: &str) -> Client {
        Client::new(&self.github, &self.github.user(login).token())
    }

    /// A branch with one commit on top of main, pushed by somebody; its commit is returned.
    pub(crate) fn branch(&self, name: &str) -> String {
        let file = format!("words/{name}.txt");
        self.project.push_as("Ann", name, &format!("words of {name}"), &[(&file, "plum\n")])
    }

    /// A pull request of octo's from a new branch; its number is returned.
    #[track_caller]
    pub(crate) fn pull(&self, head: &str) -> u64 {
        self.branch(head);
        self.pull_of(head, &json!({}))
    }

    /// The same as a draft.
    #[track_caller]
    pub(crate) fn pull_of_draft(&self, head: &str) -> u64 {
        self.branch(head);
        self.pull_of(head, &json!({ "draft": true }))
    }

    /// A pull request of octo's from a branch that is there, with more fields than it needs.
    #[track_caller]
    pub(crate) fn pull_of(&self, head: &str, more: &Value) -> u64 {
        let mut body = json!({ "title": format!("Words of {head}"), "head": head, "base": "main" });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        self.octo.post("/repos/acme/api/pulls", body).is(201)["number"].as_u64().unwrap()
    }
}
