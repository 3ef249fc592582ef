//! `/admin/users/{id}/passkeys`.

use axum::extract::Path;
use http::StatusCode;
use serde_json::{Value, json};

use super::{check_enabled, no_passkey, passkey_id, shape};
use crate::admin::{id, lock};
use crate::caller::{Admin, Json};
use crate::error::Result;
use crate::store::{audit, passkeys};

pub(super) async fn list(admin: Admin, Path(path): Path<String>) -> Result<Json<Value>> {
    check_enabled(&admin.flow)?;
    let mut tx = admin.flow.begin().await?;
    let user = lock(&mut tx, id(&path)?).await?;
    let passkeys = passkeys::list(&mut tx, user.id()).await?;
    tx.commit().await?;
    Ok(Json(passkeys.iter().map(shape).collect()))
}

pub(super) async fn delete(admin: Admin, Path((path, passkey)): Path<(String, String)>) -> Result<StatusCode> {
    check_enabled(&admin.flow)?;
    let (user, passkey) = (id(&path)?, passkey_id(&passkey)?);
    let mut tx = admin.flow.begin().await?;
    let account = lock(&mut tx, user).await?;
    if !passkeys::delete(&mut tx, user, passkey).await? {
        return Err(no_passkey());
    }
    let traits = json!({"passkey_id": passkey});
    audit::note(&mut tx, "passkey_deleted", &account, admin.flow.client.ip, Some(traits)).await?;
    tx.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}
