//! `GET /oauth/authorize`: a client asks; the browser goes to the consent page.

use axum::extract::RawQuery;
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::StatusCode;
use uuid::Uuid;

use super::{SCOPES, check_enabled, signs_for_others};
use crate::caller::Flow;
use crate::error::{Error, ErrorCode, Result};
use crate::landing::go;
use crate::limit::Limit;
use crate::query::pairs;
use crate::redirect::with_query;
use crate::store::oauth_authorizations::{self, NewAuthorization};
use crate::store::oauth_clients::{self, Client};

/// Longest query.
const LONGEST: usize = 8192;

/// Until client and address are known to belong together, nobody is sent anywhere.
pub(super) async fn authorize(flow: Flow, RawQuery(query): RawQuery) -> Result<Response> {
    check_enabled(&flow)?;
    flow.count(Limit::Token).await?;
    let query = query.filter(|query| query.len() <= LONGEST).unwrap_or_default();
    let asked = Asked(pairs(&query));
    let id = Uuid::parse_str(asked.get("client_id")).map_err(|_| unknown())?;
    let mut tx = flow.begin().await?;
    let client = oauth_clients::find(&mut tx, id).await?.ok_or_else(unknown)?;
    let redirect_uri = asked.redirect_uri(&client)?.to_owned();
    let checked = asked.check(&flow);
    let (scope, challenge) = match checked {
        Ok(checked) => checked,
        Err((error, description)) => {
            tx.rollback().await;
            let back = back(
                &flow,
                &redirect_uri,
                asked.given("state"),
                &[("error", error), ("error_description", description)],
            );
            return Ok(go(StatusCode::FOUND, &back));
        }
    };
    let name = URL_SAFE_NO_PAD.encode(rand::random::<[u8; 24]>());
    let new = NewAuthorization {
        authorization_id: &name,
        client: client.id,
        redirect_uri: &redirect_uri,
        scope: &scope,
        state: asked.given("state"),
        resource: asked.given("resource"),
        code_challenge: challenge,
        nonce: asked.given("nonce"),
    };
    oauth_authorizations::insert(&mut tx, &new).await?;
    tx.commit().await?;
    let section = &flow.settings.section.oauth_server;
    let page = format!("{}{}", flow.settings.site_url.trim_end_matches('/'), section.authorization_path);
    Ok(go(StatusCode::FOUND, &with_query(&page, &[("authorization_id", &name)])))
}

/// The client's address with an answer. It says whose answer it is (RFC 9207).
pub(super) fn back(flow: &Flow, redirect_uri: &str, state: Option<&str>, answer: &[(&str, &str)]) -> String {
    let mut pairs = answer.to_vec();
    pairs.extend(state.map(|state| ("state", state)));
    pairs.push(("iss", &flow.settings.external_url));
    with_query(redirect_uri, &pairs)
}

/// Parameters of the request.
struct Asked(Vec<(String, String)>);

impl Asked {
    fn get(&self, wanted: &str) -> &str {
        self.0.iter().find(|(name, _)| name == wanted).map_or("", |(_, value)| value)
    }

    fn given(&self, wanted: &str) -> Option<&str> {
        Some(self.get(wanted)).filter(|value| !value.is_empty())
    }

    /// Exactly one of the client's; the only one when none is named.
    fn redirect_uri<'a>(&'a self, client: &'a Client) -> Result<&'a str> {
        let bad = || Error::invalid("redirect_uri is not one of the client's");
        match self.given("redirect_uri") {
            Some(uri) => client.redirect_uris().find(|listed| *listed == uri).ok_or_else(bad),
            None => {
                let mut listed = client.redirect_uris();
                listed.next().filter(|_| listed.next().is_none()).ok_or_else(bad)
            }
        }
    }

    /// The scopes and the challenge, or OAuth's word for what is wrong.
    fn check(&self, flow: &Flow) -> std::result::Result<(String, &str), (&'static str, &'static str)> {
        let repeated =
            self.0.iter().enumerate().any(|(at, (name, _))| self.0[..at].iter().any(|(other, _)| other == name));
        if repeated {
            return Err(("invalid_request", "a parameter is repeated"));
        }
        if self.get("response_type") != "code" {
            return Err(("unsupported_response_type", "response_type must be code"));
        }
        let challenge = self.get("code_challenge");
        let is_proof = (43..=128).contains(&challenge.len())
            && challenge.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
        if !is_proof || !self.get("code_challenge_method").eq_ignore_ascii_case("s256") {
            return Err(("invalid_request", "code_challenge with the method S256 is required"));
        }
        let scope = self.given("scope").unwrap_or("email");
        if scope.len() > 1024 || scope.split(' ').any(|scope| !SCOPES.contains(&scope)) {
            return Err(("invalid_scope", "scopes are openid, email, profile and phone"));
        }
        if scope.split(' ').any(|scope| scope == "openid") && !signs_for_others(flow) {
            return Err(("invalid_scope", "openid needs auth.signing_keys: others could not verify an ID token"));
        }
        let is_long = |name: &str, most: usize| self.get(name).chars().count() > most;
        if is_long("state", 4096) || is_long("nonce", 255) || is_long("resource", 2048) {
            return Err(("invalid_request", "state, nonce or resource is too long"));
        }
        Ok((scope.to_owned(), challenge))
    }
}

fn unknown() -> Error {
    Error::bad_request(ErrorCode::OauthClientNotFound, "client_id is not known")
}
