//! `/passkeys`: a user's own keys.

use axum::extract::Path;
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{check_enabled, no_passkey, passkey_id, shape};
use crate::caller::{Json, SignedIn};
use crate::error::{Error, ErrorCode, Result};
use crate::store::{audit, passkeys};

/// Longest name.
const LONGEST_NAME: usize = 120;

/// The body of `rename`.
#[derive(Deserialize)]
pub(super) struct Rename {
    friendly_name: Option<String>,
}

pub(super) async fn list(caller: SignedIn) -> Result<Json<Value>> {
    check_enabled(&caller.flow)?;
    let mut tx = caller.flow.begin().await?;
    let passkeys = passkeys::list(&mut tx, caller.user.id()).await?;
    tx.commit().await?;
    Ok(Json(passkeys.iter().map(shape).collect()))
}

pub(super) async fn rename(
    caller: SignedIn,
    Path(path): Path<String>,
    Json(body): Json<Rename>,
) -> Result<Json<Value>> {
    check_enabled(&caller.flow)?;
    let id = passkey_id(&path)?;
    let name = body.friendly_name.as_deref().unwrap_or_default().trim();
    if name.is_empty() || name.chars().count() > LONGEST_NAME {
        return Err(Error::invalid(format!("friendly_name must have 1 to {LONGEST_NAME} characters")));
    }
    let mut tx = caller.flow.begin().await?;
    let renamed = passkeys::rename(&mut tx, caller.user.id(), id, name).await?.ok_or_else(no_passkey)?;
    tx.commit().await?;
    Ok(Json(shape(&renamed)))
}

pub(super) async fn delete(caller: SignedIn, Path(path): Path<String>) -> Result<StatusCode> {
    let flow = &caller.flow;
    check_enabled(flow)?;
    let id = passkey_id(&path)?;
    if caller.lacks_second_factor() {
        return Err(Error::forbidden(ErrorCode::InsufficientAal, "AAL2 required to delete a passkey"));
    }
    let mut tx = flow.begin().await?;
    if !passkeys::delete(&mut tx, caller.user.id(), id).await? {
        return Err(no_passkey());
    }
    audit::note(&mut tx, "passkey_deleted", &caller.user, flow.client.ip, Some(json!({"passkey_id": id}))).await?;
    tx.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}
