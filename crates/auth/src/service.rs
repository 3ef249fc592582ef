//! What anybody may know of the service: health, which ways in are open, public keys.

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::header::CACHE_CONTROL;
use serde_json::{Map, Value, json};

use crate::caller::Json;
use crate::router::Room;

/// Providers that clients look for in the settings; others appear when they are configured.
const PROVIDERS: [&str; 24] = [
    "apple",
    "azure",
    "bitbucket",
    "discord",
    "facebook",
    "figma",
    "fly",
    "github",
    "gitlab",
    "google",
    "kakao",
    "keycloak",
    "linkedin",
    "linkedin_oidc",
    "notion",
    "slack",
    "slack_oidc",
    "snapchat",
    "spotify",
    "twitch",
    "twitter",
    "workos",
    "x",
    "zoom",
];

pub(crate) fn routes() -> Router<Room> {
    Router::new()
        .route("/health", get(health))
        .route("/settings", get(settings))
        .route("/.well-known/jwks.json", get(jwks))
}

async fn health() -> Json<Value> {
    Json(json!({
        "version": env!("CARGO_PKG_VERSION"),
        "name": "GoTrue",
        "description": "Ferrobase auth, which speaks the protocol of GoTrue",
    }))
}

async fn settings(State(room): State<Room>) -> Json<Value> {
    let settings = room.settings();
    let section = &settings.section;
    let mut external = Map::new();
    for name in PROVIDERS {
        external.insert(name.to_owned(), false.into());
    }
    for (name, provider) in &section.external {
        external.insert(name.clone(), provider.enabled.into());
    }
    external.insert("email".to_owned(), section.email.enabled.into());
    external.insert("phone".to_owned(), section.sms.enabled.into());
    external.insert("anonymous_users".to_owned(), section.enable_anonymous_sign_ins.into());
    Json(json!({
        "external": external,
        "disable_signup": !section.enable_signup,
        "mailer_autoconfirm": section.email.autoconfirm,
        "phone_autoconfirm": section.sms.autoconfirm,
        "sms_provider": section.sms.provider.map(|provider| provider.to_string()).unwrap_or_default(),
        "saml_enabled": false,
        "saml_private_key_next_configured": false,
        "passkeys_enabled": section.passkeys.enabled,
    }))
}

async fn jwks(State(room): State<Room>) -> Response {
    ([(CACHE_CONTROL, "public, max-age=600")], Json(room.settings().jwks.clone())).into_response()
}
