//! Accounts, Apps and their installations.

use serde_json::{Value, json};

use super::{extend, node_id, time};
use crate::github::world::{Account, App, Installation, Kind, World};

impl World {
    /// `simple-user`. Who is not there any more is shown as the ghost, as GitHub does.
    pub(crate) fn show_user(&self, login: &str) -> Value {
        let Some(account) = self.find_account(login) else {
            return self.show_account("ghost", 10_137, Kind::User);
        };
        self.show_account(&account.login, account.id, account.kind)
    }

    fn show_account(&self, login: &str, id: u64, kind: Kind) -> Value {
        // A bot's name has brackets, which no URL may have.
        let in_url = login.replace('[', "%5B").replace(']', "%5D");
        let api = format!("{}/users/{in_url}", self.base);
        json!({
            "login": login, "id": id, "node_id": node_id("U", id),
            "avatar_url": format!("{}/avatars/{id}", self.base), "gravatar_id": "",
            "url": api, "html_url": format!("{}/{in_url}", self.base),
            "followers_url": format!("{api}/followers"), "following_url": format!("{api}/following{{/other_user}}"),
            "gists_url": format!("{api}/gists{{/gist_id}}"),
            "starred_url": format!("{api}/starred{{/owner}}{{/repo}}"),
            "subscriptions_url": format!("{api}/subscriptions"),
            "organizations_url": format!("{api}/orgs"), "repos_url": format!("{api}/repos"),
            "events_url": format!("{api}/events{{/privacy}}"),
            "received_events_url": format!("{api}/received_events"),
            "type": kind.name(), "user_view_type": "public", "site_admin": false,
        })
    }

    /// `public-user`, of the account that asks.
    pub(crate) fn show_self(&self, account: &Account) -> Value {
        let mut shown = self.show_account(&account.login, account.id, account.kind);
        let at = time(account.created_at);
        extend(
            &mut shown,
            json!({
                "name": account.login, "company": null, "blog": "", "location": null, "email": null,
                "hireable": null, "bio": null, "public_repos": 0, "public_gists": 0, "followers": 0,
                "following": 0, "created_at": at, "updated_at": at,
            }),
        );
        shown
    }

    /// `integration`.
    pub(crate) fn show_app(&self, app: &App) -> Value {
        json!({
            "id": app.id, "slug": app.slug, "node_id": node_id("A", app.id), "owner": self.show_user(&app.owner),
            "name": app.slug, "description": null, "external_url": self.base,
            "html_url": format!("{}/apps/{}", self.base, app.slug),
            "created_at": time(app.created_at), "updated_at": time(app.created_at),
            "permissions": { "metadata": "read" }, "events": [],
            "installations_count": app.installations.len(),
        })
    }

    /// The App with an id, as it is shown beside what it made; `null` when there is none.
    pub(crate) fn show_app_by_id(&self, app: Option<u64>) -> Value {
        app.and_then(|id| self.apps.get(&id)).map_or(Value::Null, |app| {
            let mut shown = self.show_app(app);
            if let Some(fields) = shown.as_object_mut() {
                fields.remove("installations_count");
            }
            shown
        })
    }

    /// `installation`.
    pub(crate) fn show_installation(&self, app: &App, installation: &Installation) -> Value {
        let target = self.find_account(&installation.account);
        let selection = if installation.repositories.is_some() { "selected" } else { "all" };
        let at = time(installation.created_at);
        json!({
            "id": installation.id, "account": self.show_user(&installation.account),
            "repository_selection": selection,
            "access_tokens_url": format!("{}/app/installations/{}/access_tokens", self.base, installation.id),
            "repositories_url": format!("{}/installation/repositories", self.base),
            "html_url": format!("{}/settings/installations/{}", self.base, installation.id),
            "app_id": app.id, "app_slug": app.slug,
            "target_id": target.map_or(0, |it| it.id),
            "target_type": target.map_or(Kind::User, |it| it.kind).name(),
            "permissions": installation.permissions, "events": [],
            "created_at": at, "updated_at": at, "single_file_name": null,
            "suspended_by": null, "suspended_at": null,
        })
    }
}
