//! `PUT /admin/users/{id}`: changes take effect at once, without anybody's confirmation.

use axum::extract::Path;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::{id, lock, not_found};
use crate::account::{add_identity, merged};
use crate::caller::{Admin, Flow, Json};
use crate::error::{Error, ErrorCode, Result};
use crate::password::{self, Scheme};
use crate::store::{Tx, audit, is_duplicate, one_time_tokens, sessions, users};
use crate::user::{self, User, address};

/// The body.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Update {
    email: Option<String>,
    phone: Option<String>,
    password: Option<String>,
    password_hash: Option<String>,
    email_confirm: Option<bool>,
    phone_confirm: Option<bool>,
    user_metadata: Option<Map<String, Value>>,
    app_metadata: Option<Map<String, Value>>,
    role: Option<String>,
    ban_duration: Option<String>,
}

pub(super) async fn update(admin: Admin, Path(path): Path<String>, Json(body): Json<Update>) -> Result<Json<Value>> {
    let (flow, id) = (&admin.flow, id(&path)?);
    let hash = new_hash(flow, &body).await?;
    let mut tx = flow.begin().await?;
    let user = lock(&mut tx, id).await?;
    Box::pin(write(&mut tx, &user, &body, hash)).await?;
    audit::note(&mut tx, "user_modified", &user, flow.client.ip, None).await?;
    let user = users::find(&mut tx, id).await?.ok_or_else(not_found)?;
    tx.commit().await?;
    Ok(Json(user::user(&user)))
}

async fn new_hash(flow: &Flow, body: &Update) -> Result<Option<String>> {
    match (&body.password, &body.password_hash) {
        (Some(password), None) if !password.is_empty() => {
            password::check(password, &flow.settings.section.password)?;
            password::check_leaked(flow.room.outbound(), password, &flow.settings.section.password).await?;
            flow.room.hasher().hash(password).await.map(Some)
        }
        (None, Some(hash)) => {
            Scheme::of(hash).map_err(|error| Error::invalid(error.to_string()))?;
            Ok(Some(hash.clone()))
        }
        (Some(_), Some(_)) => Err(Error::invalid("Only a password or a password hash should be provided")),
        _ => Ok(None),
    }
}

async fn write(tx: &mut Tx, user: &User, body: &Update, hash: Option<String>) -> Result<()> {
    let given = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
    let id = user.id();
    if let Some(role) = given(&body.role) {
        users::set_role(tx, id, &role).await?;
    }
    if let Some(hash) = hash {
        users::set_password(tx, id, &hash).await?;
        // Whoever knew the old password is out.
        sessions::delete_all(tx, id).await?;
    }
    let app = body.app_metadata.as_ref().map(|data| merged(user.row.raw_app_meta_data.as_ref(), data));
    let own = body.user_metadata.as_ref().map(|data| merged(user.row.raw_user_meta_data.as_ref(), data));
    if app.is_some() || own.is_some() {
        users::set_metadata(tx, id, app.as_ref(), own.as_ref()).await?;
    }
    let email = given(&body.email).map(|email| address::email(&email)).transpose()?;
    let phone = given(&body.phone).map(|phone| address::phone(&phone)).transpose()?;
    set_addresses(tx, user, email.as_deref(), phone.as_deref()).await?;
    // Nothing is confirmed where there is no address, as when an account is made.
    if body.email_confirm.unwrap_or(false) && (email.is_some() || !user.email().is_empty()) {
        users::confirm_email(tx, id).await?;
    }
    if body.phone_confirm.unwrap_or(false) && (phone.is_some() || !user.phone().is_empty()) {
        users::confirm_phone(tx, id).await?;
    }
    if let Some(duration) = given(&body.ban_duration) {
        users::ban(tx, id, ban_seconds(&duration)?).await?;
    }
    Ok(())
}

/// What was sent to the old ones, and for changes that were under way, is of no use any more.
async fn set_addresses(tx: &mut Tx, user: &User, email: Option<&str>, phone: Option<&str>) -> Result<()> {
    let id = user.id();
    if let Some(email) = email {
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

/// A duration as Go writes it (`1h30m`, `100ms`), in seconds; `none` is no ban.
pub(crate) fn ban_seconds(text: &str) -> Result<Option<f64>> {
    if text == "none" || text.is_empty() {
        return Ok(None);
    }
    let wrong = || Error::invalid("Invalid format for ban duration: use a duration such as `1h30m`, or `none`");
    let mut seconds = 0.0;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !(c.is_ascii_digit() || c == '.')).ok_or_else(wrong)?;
        let number: f64 = rest[..digits].parse().map_err(|_| wrong())?;
        rest = &rest[digits..];
        let unit = rest.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(rest.len());
        seconds += number
            * match &rest[..unit] {
                "h" => 3600.0,
                "m" => 60.0,
                "s" => 1.0,
                "ms" => 1e-3,
                "us" | "\u{b5}s" => 1e-6,
                "ns" => 1e-9,
                _ => return Err(wrong()),
            };
        rest = &rest[unit..];
    }
    // Three hundred years, as far as Go counts.
    (seconds < 9.3e9).then_some(Some(seconds)).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bans_last_as_go_writes_durations() {
        for (text, seconds) in [("1h30m", 5400.0), ("100ms", 0.1), ("1.5s", 1.5), ("876600h", 3_155_760_000.0)] {
            assert_eq!(ban_seconds(text).unwrap(), Some(seconds), "{text}");
        }
        assert_eq!(ban_seconds("none").unwrap(), None);
        for text in ["1", "h", "1d", "-1h", "1h x", "99999999h"] {
            assert!(ban_seconds(text).is_err(), "{text}");
        }
    }
}
