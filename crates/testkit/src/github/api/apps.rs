//! Apps and their installations. <https://docs.github.com/en/rest/apps/apps>

use std::collections::BTreeSet;

use jiff::ToSpan as _;
use serde_json::json;

use super::{Answer, Refusal, Turn};
use crate::github::access::{Access, Credential, Grants, Who};
use crate::github::show::time;
use crate::github::world::App;

/// Who signed the request; nobody else may ask for these.
fn app<'a>(turn: &'a Turn<'_>) -> Result<&'a App, Refusal> {
    match turn.who {
        Who::App(id) => turn.world.apps.get(id).ok_or(Refusal::NotFound),
        Who::Nobody | Who::Holder(_) => Err(Refusal::BadCredentials("A JSON web token could not be decoded")),
    }
}

pub(super) fn get(turn: &mut Turn<'_>) -> Result<Answer, Refusal> {
    Ok(Answer::ok(turn.world.show_app(app(turn)?)))
}

pub(super) fn installations(turn: &mut Turn<'_>) -> Result<Answer, Refusal> {
    let app = app(turn)?;
    let shown = app.installations.iter().map(|it| turn.world.show_installation(app, it)).collect();
    Ok(turn.list(shown))
}

pub(super) fn of_repo(turn: &mut Turn<'_>) -> Result<Answer, Refusal> {
    let app = app(turn)?;
    let (id, owner) = (turn.repo(), &turn.repository().owner);
    let covers = |repos: &Option<BTreeSet<u64>>| repos.as_ref().is_none_or(|it| it.contains(&id));
    let mut all = app.installations.iter();
    let found = all.find(|it| it.account.eq_ignore_ascii_case(owner) && covers(&it.repositories));
    found.map(|it| Answer::ok(turn.world.show_installation(app, it))).ok_or(Refusal::NotFound)
}

/// A token lasts an hour, and may be for less than the installation may.
/// <https://docs.github.com/en/rest/apps/apps#create-an-installation-access-token-for-an-app>
pub(super) fn create_token(turn: &mut Turn<'_>) -> Result<Answer, Refusal> {
    let app = app(turn)?;
    let id = turn.number("installation_id")?;
    let installation = app.installations.iter().find(|it| it.id == id).ok_or(Refusal::NotFound)?;
    let mut grants: Grants = installation
        .permissions
        .iter()
        .filter_map(|(name, access)| Some((name.clone(), Access::parse(access)?)))
        .collect();
    if let Some(wanted) = turn.body["permissions"].as_object() {
        let mut fewer = Grants::new();
        for (name, access) in wanted {
            let access = access.as_str().and_then(Access::parse);
            if access.is_none() || grants.get(name) < access.as_ref() {
                let words = "The permissions requested are not granted to this installation.";
                return Err(Refusal::Unprocessable(words.into()));
            }
            fewer.extend(access.map(|access| (name.clone(), access)));
        }
        grants = fewer;
    }
    let of_account = turn.world.repositories.values();
    let of_account = of_account.filter(|it| it.owner.eq_ignore_ascii_case(&installation.account));
    let covered = |id: &u64| installation.repositories.as_ref().is_none_or(|it| it.contains(id));
    let mut repos: BTreeSet<u64> = of_account.map(|it| it.id).filter(covered).collect();
    let names = turn.names("repositories");
    let ids = turn.body["repository_ids"]
        .as_array()
        .map(|ids| ids.iter().filter_map(serde_json::Value::as_u64).collect::<BTreeSet<_>>());
    let narrowed = names.is_some() || ids.is_some();
    if narrowed {
        let wanted = names.iter().flatten().map(|name| {
            repos.iter().copied().find(|id| turn.world.repo(*id).name.eq_ignore_ascii_case(name))
        });
        let wanted: Option<BTreeSet<u64>> = wanted.chain(ids.into_iter().flatten().map(Some)).collect();
        let wanted = wanted.filter(|it| it.is_subset(&repos));
        repos = wanted.ok_or_else(|| {
            Refusal::Unprocessable("There is at least one repository that does not exist or is not accessible to the parent installation.".into())
        })?;
    }
    let permissions: serde_json::Map<_, _> =
        grants.iter().map(|(name, access)| (name.clone(), access.name().into())).collect();
    let until = turn.world.now + 1.hour();
    let shown: Vec<_> = repos.iter().map(|id| turn.world.show_repository(*id, None)).collect();
    let selection = if narrowed || installation.repositories.is_some() { "selected" } else { "all" };
    let credential =
        Credential::Installation { app: app.id, installation: id, grants, repos: Some(repos), until };
    let token = turn.world.give_token("ghs_", credential);
    let mut body = json!({
        "token": token, "expires_at": time(until), "permissions": permissions,
        "repository_selection": selection,
    });
    if narrowed {
        body["repositories"] = shown.into();
    }
    Ok(Answer::created(body))
}

pub(super) fn repositories(turn: &mut Turn<'_>) -> Result<Answer, Refusal> {
    let Who::Holder(Credential::Installation { repos, .. }) = turn.who else {
        let words = "You must authenticate with an installation access token in order to list repositories for an installation.";
        return Err(Refusal::Forbidden(words.into()));
    };
    let repos: Vec<u64> = repos.iter().flatten().copied().collect();
    let page = turn.page(repos);
    let total = page.total;
    Ok(page.answer(|page| {
        let shown: Vec<_> = page
            .into_iter()
            .map(|id| turn.world.show_repository(id, turn.who.role(turn.world, id)))
            .collect();
        json!({ "total_count": total, "repositories": shown, "repository_selection": "selected" })
    }))
}
