//! `/admin/users/{id}/factors`: second factors as administrators see and change them.

use axum::extract::Path;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{factor_id, no_factor};
use crate::admin::{id, lock};
use crate::caller::{Admin, Json};
use crate::error::{Error, ErrorCode, Result};
use crate::store::{audit, factors, is_duplicate, users};
use crate::user::{self, address};

/// The body.
#[derive(Deserialize)]
pub(super) struct Update {
    friendly_name: Option<String>,
    phone: Option<String>,
}

pub(super) async fn list(admin: Admin, Path(path): Path<String>) -> Result<Json<Value>> {
    let mut tx = admin.flow.begin().await?;
    let user = users::find(&mut tx, id(&path)?).await?.ok_or_else(crate::admin::not_found)?;
    tx.commit().await?;
    Ok(Json(user.factors.iter().map(user::factor).collect()))
}

pub(super) async fn update(
    admin: Admin,
    Path((path, factor)): Path<(String, String)>,
    Json(body): Json<Update>,
) -> Result<Json<Value>> {
    let (user, factor) = (id(&path)?, factor_id(&factor)?);
    let given = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
    let phone = given(&body.phone).map(|phone| address::phone(&phone)).transpose()?;
    let mut tx = admin.flow.begin().await?;
    let account = lock(&mut tx, user).await?;
    let before = factors::lock(&mut tx, user, factor).await?.ok_or_else(no_factor)?;
    // A number belongs to telephones only.
    let phone = phone.filter(|_| before.factor.factor_type == "phone");
    let name = given(&body.friendly_name);
    factors::update(&mut tx, factor, name.as_deref(), phone.as_deref()).await.map_err(conflict)?;
    let traits = json!({"factor_id": factor});
    audit::note(&mut tx, "factor_updated", &account, admin.flow.client.ip, Some(traits)).await?;
    let after = factors::lock(&mut tx, user, factor).await?.ok_or_else(no_factor)?;
    tx.commit().await?;
    Ok(Json(user::factor(&after.factor)))
}

pub(super) async fn delete(admin: Admin, Path((path, factor)): Path<(String, String)>) -> Result<Json<Value>> {
    let (user, factor) = (id(&path)?, factor_id(&factor)?);
    let mut tx = admin.flow.begin().await?;
    let account = lock(&mut tx, user).await?;
    let before = factors::lock(&mut tx, user, factor).await?.ok_or_else(no_factor)?;
    factors::delete(&mut tx, factor).await?;
    let traits = json!({"factor_id": factor});
    audit::note(&mut tx, "factor_deleted", &account, admin.flow.client.ip, Some(traits)).await?;
    tx.commit().await?;
    Ok(Json(user::factor(&before.factor)))
}

fn conflict(error: Error) -> Error {
    let taken = ["mfa_factors_user_friendly_name_unique", "unique_phone_factor_per_user"];
    if taken.iter().any(|constraint| is_duplicate(&error, constraint)) {
        let message = "Another factor of this user has that name or number";
        return Error::unprocessable(ErrorCode::MfaFactorNameConflict, message);
    }
    error
}
