//! `/user/oauth/grants`: what a user has agreed to, and taking it back.

use axum::extract::RawQuery;
use http::StatusCode;
use serde_json::Value;
use uuid::Uuid;

use super::check_enabled;
use crate::caller::{Json, SignedIn, query_value};
use crate::error::{Error, ErrorCode, Result};
use crate::store::{audit, oauth_authorizations};

pub(super) async fn list(caller: SignedIn) -> Result<Json<Vec<Value>>> {
    check_enabled(&caller.flow)?;
    let mut tx = caller.flow.begin().await?;
    let granted = oauth_authorizations::granted(&mut tx, caller.user.id()).await?;
    tx.commit().await?;
    Ok(Json(granted))
}

pub(super) async fn revoke(caller: SignedIn, RawQuery(query): RawQuery) -> Result<StatusCode> {
    check_enabled(&caller.flow)?;
    let id = query_value(query.as_deref().unwrap_or_default(), "client_id").unwrap_or_default();
    let client = Uuid::parse_str(&id).map_err(|_| Error::invalid("client_id must be an UUID"))?;
    let mut tx = caller.flow.begin().await?;
    if !oauth_authorizations::revoke(&mut tx, caller.user.id(), client).await? {
        return Err(Error::not_found(ErrorCode::OauthConsentNotFound, "No active grant found for this client"));
    }
    let traits = serde_json::json!({"client_id": client});
    audit::note(&mut tx, "oauth_consent_revoked", &caller.user, caller.flow.client.ip, Some(traits)).await?;
    tx.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}
