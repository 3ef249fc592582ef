//! `grant_type=pkce`: a session for the code of a flow and the proof that its client brings it (contract 2.2).

use serde::Deserialize;
use serde_json::json;

use crate::caller::Flow;
use crate::error::{Error, ErrorCode, Result};
use crate::session::{self, Tokens};
use crate::store::{audit, flow_state, users};

/// The body.
#[derive(Deserialize)]
pub struct PkceGrant {
    auth_code: Option<String>,
    code_verifier: Option<String>,
}

/// Opens the session of a flow. The flow ends with it, so that its code works once.
pub async fn grant(flow: &Flow, body: &PkceGrant) -> Result<Tokens> {
    let (code, verifier) =
        (body.auth_code.as_deref().unwrap_or_default(), body.code_verifier.as_deref().unwrap_or_default());
    if code.is_empty() || verifier.is_empty() {
        return Err(Error::invalid("invalid request: both auth code and code verifier should be non-empty"));
    }
    let mut tx = flow.begin().await?;
    let state = flow_state::lock_by_code(&mut tx, code).await?.ok_or_else(unknown)?;
    if state.has_expired() {
        return Err(Error::unprocessable(ErrorCode::FlowStateExpired, "invalid flow state, flow state has expired"));
    }
    if !state.challenge().is_some_and(|challenge| challenge.is_met_by(verifier)) {
        let message = "code challenge does not match previously saved code verifier";
        return Err(Error::bad_request(ErrorCode::BadCodeVerifier, message));
    }
    let user = match state.user_id {
        Some(user) => users::lock(&mut tx, user).await?,
        None => None,
    };
    let user = user.filter(|user| user.row.deleted_at.is_none()).ok_or_else(unknown)?;
    if user.is_banned() {
        return Err(Error::bad_request(ErrorCode::UserBanned, "User is banned"));
    }
    flow_state::delete(&mut tx, state.id).await?;
    audit::note(&mut tx, "login", &user, flow.client.ip, Some(json!({"provider": state.provider_type}))).await?;
    let mut tokens = session::open(flow, &mut tx, &user, &state.authentication_method).await?;
    tx.commit().await?;
    tokens.provider_token = state.provider_access_token;
    tokens.provider_refresh_token = state.provider_refresh_token;
    Ok(tokens)
}

fn unknown() -> Error {
    Error::not_found(ErrorCode::FlowStateNotFound, "invalid flow state, no valid flow state found")
}
