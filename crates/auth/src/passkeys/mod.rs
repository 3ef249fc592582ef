//! `/passkeys`: signing in with a key of a device instead of a password (contract 3.2).
//!
//! Registration by a signed-in user, sign-in by whoever holds the device and is known to it: the device must have verified its user,
//! since nothing else is asked. Invariant: a question is taken out before its answer is judged, and that is committed.
//! Read on: `webauthn` (the judgement), docs/guide/auth-mfa.md.

mod admin;
mod authenticate;
mod manage;
mod register;

use axum::Router;
use axum::routing::{delete, get, patch, post};
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::caller::Flow;
use crate::error::{Error, ErrorCode, Result};
use crate::router::Room;
use crate::store::passkeys::{Passkey, Question, from_hex, take};
use crate::webauthn::{Fault, Listed};

/// Most passkeys of one user.
const MOST: usize = 10;
/// Life of a question in seconds.
const EXPIRY: i64 = 300;

pub(crate) fn routes() -> Router<Room> {
    Router::new()
        .route("/passkeys", get(manage::list))
        .route("/passkeys/{id}", patch(manage::rename).delete(manage::delete))
        .route("/passkeys/registration/options", post(register::options))
        .route("/passkeys/registration/verify", post(register::verify))
        .route("/passkeys/authentication/options", post(authenticate::options))
        .route("/passkeys/authentication/verify", post(authenticate::verify))
        .route("/admin/users/{id}/passkeys", get(admin::list))
        .route("/admin/users/{id}/passkeys/{passkey}", delete(admin::delete))
}

fn check_enabled(flow: &Flow) -> Result<()> {
    if flow.settings.section.passkeys.enabled {
        return Ok(());
    }
    Err(Error::not_found(ErrorCode::PasskeyDisabled, "Passkeys are disabled"))
}

/// A passkey as its owner and administrators see it; nothing of its key.
fn shape(passkey: &Passkey) -> Value {
    let mut out = Map::new();
    out.insert("id".to_owned(), passkey.id.to_string().into());
    if !passkey.friendly_name.is_empty() {
        out.insert("friendly_name".to_owned(), passkey.friendly_name.as_str().into());
    }
    out.insert("created_at".to_owned(), passkey.created_at.to_string().into());
    if let Some(at) = passkey.last_used_at {
        out.insert("last_used_at".to_owned(), at.to_string().into());
    }
    Value::Object(out)
}

fn listed(passkey: &Passkey) -> Listed {
    let transports = serde_json::from_value(passkey.transports.clone()).unwrap_or_default();
    (from_hex(&passkey.credential), transports)
}

/// The question of an answer, which is nobody's from now on.
async fn question(flow: &Flow, kind: &str, id: Option<Uuid>) -> Result<Question> {
    let unknown = || Error::bad_request(ErrorCode::WebauthnChallengeNotFound, "Challenge not found");
    let mut tx = flow.begin().await?;
    let question = take(&mut tx, kind, id.ok_or_else(unknown)?).await?.ok_or_else(unknown)?;
    tx.commit().await?;
    if question.has_ended {
        return Err(Error::bad_request(ErrorCode::WebauthnChallengeExpired, "Challenge has expired"));
    }
    Ok(question)
}

fn passkey_id(text: &str) -> Result<Uuid> {
    Uuid::parse_str(text).map_err(|_| no_passkey())
}

fn no_passkey() -> Error {
    Error::not_found(ErrorCode::WebauthnCredentialNotFound, "Passkey not found")
}

fn failed(fault: Fault) -> Error {
    Error::bad_request(ErrorCode::WebauthnVerificationFailed, fault.to_string())
}
