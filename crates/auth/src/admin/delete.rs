//! `DELETE /admin/users/{id}`: away with everything, or with everything that tells who it was.

use axum::extract::Path;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{id, lock};
use crate::caller::{Admin, Json};
use crate::error::Result;
use crate::store::{audit, users};

/// The body.
#[derive(Deserialize)]
pub(super) struct Delete {
    should_soft_delete: Option<bool>,
}

pub(super) async fn delete(admin: Admin, Path(path): Path<String>, Json(body): Json<Delete>) -> Result<Json<Value>> {
    let id = id(&path)?;
    let mut tx = admin.flow.begin().await?;
    let user = lock(&mut tx, id).await?;
    audit::note(&mut tx, "user_deleted", &user, admin.flow.client.ip, None).await?;
    if body.should_soft_delete.unwrap_or(false) {
        if user.row.deleted_at.is_none() {
            users::delete_softly(&mut tx, id).await?;
        }
    } else {
        users::delete(&mut tx, id).await?;
    }
    tx.commit().await?;
    Ok(Json(json!({})))
}
