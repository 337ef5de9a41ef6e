//! From what a request carries to who it comes from.

use axum::http::{HeaderMap, header};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde::Deserialize;

use super::access::{Credential, Who};
use super::world::World;

/// Finds out who asks, or says why nobody believes it.
pub(super) fn identify(headers: &HeaderMap, world: &World) -> Result<Who, &'static str> {
    let Some(token) = token_of(headers) else { return Ok(Who::Nobody) };
    if token.matches('.').count() == 2 {
        return signed_by(&token, world).map(Who::App);
    }
    match world.credentials.get(&token) {
        Some(Credential::Installation { until, .. }) if *until <= world.now => Err("Bad credentials"),
        Some(credential) => Ok(Who::Holder(credential.clone())),
        None => Err("Bad credentials"),
    }
}

/// The token of a request: `Bearer` and `token` carry it as it is, `Basic` as the password.
/// <https://docs.github.com/en/rest/authentication/authenticating-to-the-rest-api>
fn token_of(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, rest) = value.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return Some(rest.trim().to_owned());
    }
    let decoded = STANDARD.decode(rest.trim()).ok()?;
    let pair = String::from_utf8(decoded).ok()?;
    let (user, password) = pair.split_once(':')?;
    // A token is also taken as the user's name, when there is no password.
    Some(if password.is_empty() { user.to_owned() } else { password.to_owned() })
}

#[derive(Debug, Deserialize)]
struct Claims {
    iss: serde_json::Value,
    iat: i64,
    exp: i64,
}

/// Ten minutes are the most that an App may sign for.
/// <https://docs.github.com/en/apps/creating-github-apps/authenticating-with-a-github-app/generating-a-json-web-token-jwt-for-a-github-app>
const LONGEST: i64 = 600;

fn signed_by(token: &str, world: &World) -> Result<u64, &'static str> {
    let undecodable = "A JSON web token could not be decoded";
    let now = world.now.as_second();
    for app in world.apps.values() {
        let key = DecodingKey::from_rsa_der(&app.public_key);
        let mut validation = Validation::new(Algorithm::RS256);
        // The times are compared with the stand-in's own clock, below.
        validation.validate_exp = false;
        validation.required_spec_claims.clear();
        let Ok(decoded) = jsonwebtoken::decode::<Claims>(token, &key, &validation) else { continue };
        let Claims { iss, iat, exp } = decoded.claims;
        let issuer = iss.as_u64().or_else(|| iss.as_str()?.parse().ok());
        return match () {
            () if issuer != Some(app.id) => Err(undecodable),
            () if exp <= now => Err(
                "'Expiration time' claim ('exp') must be a numeric value representing the future time at which the assertion expires",
            ),
            () if exp > now + LONGEST => Err("'Expiration time' claim ('exp') is too far in the future"),
            () if iat > now + 60 => Err(
                "'Issued at' claim ('iat') must be an Integer representing the time that the assertion was issued",
            ),
            () => Ok(app.id),
        };
    }
    Err(undecodable)
}
