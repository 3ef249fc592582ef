//! `GET /admin/users/{id}`.

use axum::extract::Path;
use serde_json::Value;

use super::{id, not_found};
use crate::caller::{Admin, Json};
use crate::error::Result;
use crate::store::users;
use crate::user;

pub(super) async fn show(admin: Admin, Path(path): Path<String>) -> Result<Json<Value>> {
    let id = id(&path)?;
    let mut tx = admin.flow.begin().await?;
    let user = users::find(&mut tx, id).await?.ok_or_else(not_found)?;
    tx.commit().await?;
    Ok(Json(user::user(&user)))
}
