//! This installation as the place where other applications sign people in: OAuth 2.1 and OpenID Connect (contract 6).
//!
//! `authorize` takes what a client asks for and sends the browser to the application's consent page; `consent` is what that
//! page calls; `token` trades the code; `clients` are made by administrators or register themselves.
//! Invariant: nothing is sent to an address that is not exactly one of the client's. Invariant: PKCE (S256) is not optional.

mod authorize;
mod client;
mod clients;
mod consent;
mod discovery;
mod grants;
mod token;
mod userinfo;

use axum::Router;
use axum::routing::{get, post};

use crate::caller::Flow;
use crate::error::{Error, ErrorCode, Result};
use crate::router::Room;

/// What clients may ask for.
const SCOPES: [&str; 4] = ["openid", "email", "profile", "phone"];

pub(crate) fn routes() -> Router<Room> {
    Router::new()
        .route("/oauth/authorize", get(authorize::authorize))
        .route("/oauth/authorizations/{id}", get(consent::show))
        .route("/oauth/authorizations/{id}/consent", post(consent::answer))
        .route("/oauth/token", post(token::token))
        .route("/oauth/userinfo", get(userinfo::userinfo))
        .route("/oauth/clients/register", post(clients::register))
        .route("/user/oauth/grants", get(grants::list).delete(grants::revoke))
        .route("/admin/oauth/clients", get(clients::list).post(clients::create))
        .route("/admin/oauth/clients/{id}", get(clients::show).put(clients::update).delete(clients::delete))
        .route("/admin/oauth/clients/{id}/regenerate_secret", post(clients::regenerate))
        .route("/.well-known/openid-configuration", get(discovery::document))
        .route("/.well-known/oauth-authorization-server", get(discovery::document))
}

/// Whether others can verify ID tokens; without that `openid` is no scope.
fn signs_for_others(flow: &Flow) -> bool {
    flow.settings.signer.as_ref().is_some_and(crate::keys::Signer::is_asymmetric)
}

fn check_enabled(flow: &Flow) -> Result<()> {
    if flow.settings.section.oauth_server.enabled {
        return Ok(());
    }
    Err(Error::not_found(ErrorCode::FeatureDisabled, "OAuth server is disabled"))
}

fn oauth(error: &'static str, description: &'static str) -> Error {
    Error::OAuth { error, description: description.into() }
}
