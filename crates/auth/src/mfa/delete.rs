//! `DELETE /factors/{id}`: a user takes a factor away. One that counts only in a session that proved one.

use axum::extract::Path;
use serde_json::{Value, json};

use super::{factor_id, no_factor};
use crate::caller::{Json, SignedIn};
use crate::error::{Error, ErrorCode, Result};
use crate::store::{audit, factors, users};

pub(super) async fn delete(caller: SignedIn, Path(path): Path<String>) -> Result<Json<Value>> {
    let (flow, id, user) = (&caller.flow, factor_id(&path)?, caller.user.id());
    let mut tx = flow.begin().await?;
    users::lock(&mut tx, user).await?.ok_or_else(no_factor)?;
    let proving = factors::lock(&mut tx, user, id).await?.ok_or_else(no_factor)?;
    if proving.factor.status == "verified" && !caller.has_second_factor() {
        return Err(Error::unprocessable(ErrorCode::InsufficientAal, "AAL2 required to unenroll verified factor"));
    }
    factors::delete(&mut tx, id).await?;
    audit::note(&mut tx, "factor_unenrolled", &caller.user, flow.client.ip, Some(json!({"factor_id": id}))).await?;
    tx.commit().await?;
    Ok(Json(json!({"id": id})))
}
