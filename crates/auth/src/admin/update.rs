//! `PUT /admin/users/{id}`: changes take effect at once, without anybody's confirmation.

use axum::extract::Path;
use serde_json::Value;

use super::attributes::{Attributes, Checked, Strength};
use super::{id, lock, not_found};
use crate::account::{add_identity, merged, vouch_for_password};
use crate::caller::{Admin, Json};
use crate::error::{Error, ErrorCode, Result};
use crate::store::{Tx, audit, is_duplicate, one_time_tokens, users};
use crate::user::{self, User};

pub(super) async fn update(
    admin: Admin,
    Path(path): Path<String>,
    Json(body): Json<Attributes>,
) -> Result<Json<Value>> {
    let (flow, id) = (&admin.flow, id(&path)?);
    let checked = body.check(flow)?;
    let hash = body.hash(flow, Strength::AsPeopleChoose).await?;
    let mut tx = flow.begin().await?;
    let mut user = lock(&mut tx, id).await?;
    if let Some(hash) = hash {
        vouch_for_password(&mut tx, &user, &hash).await?;
        user = lock(&mut tx, id).await?;
    }
    Box::pin(write(&mut tx, &user, &body, &checked)).await?;
    audit::note(&mut tx, "user_modified", &user, flow.client.ip, None).await?;
    let user = users::find(&mut tx, id).await?.ok_or_else(not_found)?;
    tx.commit().await?;
    Ok(Json(user::user(&user)))
}

async fn write(tx: &mut Tx, user: &User, body: &Attributes, checked: &Checked) -> Result<()> {
    let id = user.id();
    if let Some(role) = &checked.role {
        users::set_role(tx, id, role).await?;
    }
    let app = body.app_metadata.as_ref().map(|data| merged(user.row.raw_app_meta_data.as_ref(), data));
    let own = body.user_metadata.as_ref().map(|data| merged(user.row.raw_user_meta_data.as_ref(), data));
    if app.is_some() || own.is_some() {
        users::set_metadata(tx, id, app.as_ref(), own.as_ref()).await?;
    }
    let (email, phone) = (checked.email.as_deref(), checked.phone.as_deref());
    set_addresses(tx, user, email, phone).await?;
    // Nothing is confirmed where there is no address, as when an account is made.
    if checked.confirms_email && (email.is_some() || !user.email().is_empty()) {
        users::confirm_email(tx, id).await?;
    }
    if checked.confirms_phone && (phone.is_some() || !user.phone().is_empty()) {
        users::confirm_phone(tx, id).await?;
    }
    if let Some(ban) = checked.ban {
        users::ban(tx, id, ban).await?;
    }
    Ok(())
}

/// What was sent to the old ones, and for changes that were under way, is of no use any more.
async fn set_addresses(tx: &mut Tx, user: &User, email: Option<&str>, phone: Option<&str>) -> Result<()> {
    let id = user.id();
    if let Some(email) = email {
        if users::find_by_email(tx, email).await?.is_some_and(|holder| holder.id() != id) {
            return Err(email_exists());
        }
        let set = users::set_email(tx, id, email).await;
        set.map_err(|error| exists(error, "users_email_partial_key"))?;
        add_identity(tx, user, "email", Some(email), None).await?;
    }
    if let Some(phone) = phone {
        let set = users::set_phone(tx, id, phone).await;
        set.map_err(|error| exists(error, "users_phone_key"))?;
        add_identity(tx, user, "phone", None, Some(phone)).await?;
    }
    if email.is_some() || phone.is_some() {
        one_time_tokens::delete_all(tx, id).await?;
    }
    Ok(())
}

/// Which of address and number is somebody else's.
pub(super) async fn taken(tx: &mut Tx, email: Option<&str>) -> Result<Error> {
    let by_email = match email {
        Some(email) => users::find_by_email(tx, email).await?.is_some(),
        None => false,
    };
    Ok(if by_email { email_exists() } else { phone_exists() })
}

fn exists(error: Error, constraint: &str) -> Error {
    match is_duplicate(&error, constraint) {
        false => error,
        true if constraint == "users_phone_key" => phone_exists(),
        true => email_exists(),
    }
}

pub(super) fn email_exists() -> Error {
    Error::unprocessable(ErrorCode::EmailExists, "A user with this email address has already been registered")
}

fn phone_exists() -> Error {
    Error::unprocessable(ErrorCode::PhoneExists, "A user with this phone number has already been registered")
}
