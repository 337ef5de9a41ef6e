//! GitHub Apps. <https://docs.github.com/en/apps/creating-github-apps/authenticating-with-a-github-app>

use std::time::Duration;

use coord_testkit::github::{Access, App, GitHub};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::json;

use crate::client::Client;
use crate::site::Site;

/// What an App signs to be itself for so many seconds.
pub(crate) fn signed(github: &GitHub, app: &App, seconds: i64) -> String {
    let now = github.now().as_second();
    let claims = json!({ "iss": app.id().to_string(), "iat": now - 10, "exp": now + seconds });
    let key = EncodingKey::from_rsa_der(&key_of(app));
    jsonwebtoken::encode(&Header::new(Algorithm::RS256), &claims, &key).unwrap()
}

/// The key inside of the PEM.
fn key_of(app: &App) -> Vec<u8> {
    use base64::Engine as _;
    let lines = app.private_key().lines().filter(|line| !line.starts_with('-'));
    base64::engine::general_purpose::STANDARD.decode(lines.collect::<String>()).unwrap()
}

#[test]
fn an_app_gets_tokens_for_an_hour_and_acts_as_a_bot() {
    let site = Site::new();
    let number = site.api.issue("one").open();
    let app = site.github.app("helper");
    let installation = app.install("acme", Some(&["acme/api"]), &[("issues", Access::Write)]);
    let itself = Client::new(&site.github, &signed(&site.github, &app, 540));
    let path = format!("/app/installations/{installation}/access_tokens");
    let token = itself.post(&path, json!({})).is(201);
    let bot = Client::new(&site.github, token["token"].as_str().unwrap());

    bot.post(&format!("/repos/acme/api/issues/{number}/comments"), json!({ "body": "hello" })).is(201);
    assert_eq!(site.api.comments(number)[0].author, "helper[bot]");
    bot.get("/user").is(403);
    let refused = bot.get("/repos/acme/api/commits/main").refuses(403);
    assert_eq!(refused, "Resource not accessible by integration");

    site.github.advance(Duration::from_secs(3601));
    assert_eq!(bot.get("/repos/acme/api").refuses(401), "Bad credentials");
}

#[test]
fn a_signature_is_good_for_ten_minutes_and_from_the_right_key_only() {
    let site = Site::new();
    let (app, other) = (site.github.app("helper"), site.github.app("other"));
    let get = |token: &str| Client::new(&site.github, token).get("/app");
    get(&signed(&site.github, &app, 600)).is(200);
    let refused = get(&signed(&site.github, &app, 660)).refuses(401);
    assert_eq!(refused, "'Expiration time' claim ('exp') is too far in the future");
    get(&signed(&site.github, &app, -5)).is(401);

    let (head, tail) = (signed(&site.github, &app, 540), signed(&site.github, &other, 540));
    let mixed = format!("{}.{}", head.rsplit_once('.').unwrap().0, tail.rsplit_once('.').unwrap().1);
    assert_eq!(get(&mixed).refuses(401), "A JSON web token could not be decoded");
    site.octo.get("/app").is(401);
}

#[test]
fn a_token_cannot_have_more_than_the_installation() {
    let site = Site::new();
    let app = site.github.app("helper");
    let installation = app.install("acme", None, &[("issues", Access::Read)]);
    let itself = Client::new(&site.github, &signed(&site.github, &app, 540));
    let path = format!("/app/installations/{installation}/access_tokens");
    itself.post(&path, json!({ "permissions": { "issues": "write" } })).is(422);
    itself.post(&path, json!({ "repositories": ["elsewhere"] })).is(422);
    let token = itself.post(&path, json!({ "repositories": ["api"] })).is(201);
    assert_eq!(token["repositories"][0]["full_name"], "acme/api");
    let bot = Client::new(&site.github, token["token"].as_str().unwrap());
    bot.post("/repos/acme/api/issues", json!({ "title": "no" })).is(403);
}
