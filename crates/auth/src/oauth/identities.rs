//! `/user/identities`: a user adds a way into the account, or takes one away (contract 3).
//!
//! The address goes with the way that told it, unless another way tells it, too: else whoever has that way would be led back
//! in by the address. One that another way proves takes its place.

use axum::extract::{Path, RawQuery};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::arrive::again;
use super::begin::{Departure, wants_json};
use crate::caller::{Flow, Json, SignedIn};
use crate::error::{Error, ErrorCode, Result};
use crate::landing::go;
use crate::limit::Limit;
use crate::provider::custom;
use crate::store::{Tx, audit, identities, is_duplicate, users};
use crate::user::{Identity, User};

/// Where to go for linking a provider. The flow is bound to the account by the caller's token.
pub(super) async fn authorize(caller: SignedIn, RawQuery(query): RawQuery) -> Result<Response> {
    let flow = &caller.flow;
    check_allowed(&caller)?;
    flow.count(Limit::SignIn).await?;
    let query = query.unwrap_or_default();
    let departure = Departure::read(flow, &query).await?;
    let (_, url) = Box::pin(departure.begin(flow, Some(caller.user.id()), None)).await?;
    if wants_json(&query) {
        return Ok(Json(json!({ "url": url })).into_response());
    }
    Ok(go(StatusCode::FOUND, &url))
}

/// Takes a way away, unless it is the last one.
pub(super) async fn unlink(caller: SignedIn, Path(id): Path<String>) -> Result<Json<Value>> {
    let flow = &caller.flow;
    check_allowed(&caller)?;
    flow.count(Limit::SignIn).await?;
    let not_uuid = |_| Error::not_found(ErrorCode::ValidationFailed, "identity_id must be an UUID");
    let id = Uuid::parse_str(&id).map_err(not_uuid)?;
    let trusted = trusted(flow, &caller.user.identities).await?;
    let mut tx = flow.begin().await?;
    let gone = || Error::forbidden(ErrorCode::UserNotFound, "User from sub claim in JWT does not exist");
    let user = users::lock(&mut tx, caller.user.id()).await?.ok_or_else(gone)?;
    let identity = user
        .identities
        .iter()
        .find(|identity| identity.id == id)
        .ok_or_else(|| Error::unprocessable(ErrorCode::IdentityNotFound, "Identity doesn't exist"))?;
    if user.identities.len() <= 1 {
        let message = "User must have at least 1 identity after unlinking";
        return Err(Error::unprocessable(ErrorCode::SingleIdentityNotDeletable, message));
    }
    identities::delete(&mut tx, id).await?;
    if identity.provider == "email" && user.identities.iter().all(|left| left.provider != "phone") {
        // A password belongs to an address or a number, whichever way tells the address now.
        users::set_password(&mut tx, user.id(), "").await?;
    }
    match identity.provider.as_str() {
        "phone" => users::release_phone(&mut tx, user.id()).await?,
        _ if identity.email.is_some() && identity.email == user.row.email => {
            let left: Vec<_> = user.identities.iter().filter(|left| left.id != id).collect();
            replace_email(&mut tx, &user, &left, &trusted).await?;
        }
        _ => {}
    }
    let app = without(user.row.raw_app_meta_data.as_ref(), &user.identities, id);
    users::set_metadata(&mut tx, user.id(), Some(&app), None).await?;
    let traits = json!({"provider": identity.provider, "identity_id": id});
    audit::note(&mut tx, "identity_unlinked", &user, flow.client.ip, Some(traits)).await?;
    tx.commit().await?;
    Ok(Json(json!({})))
}

/// The providers of these identities whose confirmed addresses count.
async fn trusted(flow: &Flow, identities: &[Identity]) -> Result<Vec<String>> {
    let mut trusted = vec!["email".to_owned()];
    for identity in identities {
        if custom::find(flow, &identity.provider).await?.is_ok_and(|provider| provider.is_trusted) {
            trusted.push(identity.provider.clone());
        }
    }
    Ok(trusted)
}

/// The way that told the account's address is gone; these are left.
async fn replace_email(tx: &mut Tx, user: &User, left: &[&Identity], trusted: &[String]) -> Result<()> {
    if left.iter().any(|identity| identity.email.as_deref() == Some(user.email())) {
        return Ok(());
    }
    users::release_email(tx, user.id()).await?;
    let is_proved = |identity: &&&Identity| {
        trusted.contains(&identity.provider) && identity.identity_data.get("email_verified") == Some(&true.into())
    };
    for email in left.iter().filter(is_proved).filter_map(|identity| identity.email.as_deref()) {
        if users::find_by_email(tx, email).await?.is_none() {
            let set = users::set_email(tx, user.id(), email).await;
            set.map_err(|error| if is_duplicate(&error, "users_email_partial_key") { again() } else { error })?;
            return users::confirm_email(tx, user.id()).await;
        }
    }
    Ok(())
}

/// `app_metadata` with the providers that are left.
fn without(before: Option<&Map<String, Value>>, all: &[Identity], gone: Uuid) -> Map<String, Value> {
    let mut app = before.cloned().unwrap_or_default();
    let mut left: Vec<&str> = Vec::new();
    for identity in all.iter().filter(|identity| identity.id != gone) {
        if !left.contains(&identity.provider.as_str()) {
            left.push(&identity.provider);
        }
    }
    if !app.get("provider").and_then(Value::as_str).is_some_and(|first| left.contains(&first)) {
        app.insert("provider".to_owned(), left.first().copied().into());
    }
    app.insert("providers".to_owned(), json!(left));
    app
}

/// A way in is worth as much as a password: who has to prove a second factor for that has to prove it here.
pub(super) fn check_allowed(caller: &SignedIn) -> Result<()> {
    if !caller.flow.settings.section.enable_manual_linking {
        return Err(Error::not_found(ErrorCode::ManualLinkingDisabled, "Manual linking is disabled"));
    }
    if caller.lacks_second_factor() {
        let message = "AAL2 session is required to link or unlink identities when MFA is enabled.";
        return Err(Error::forbidden(ErrorCode::InsufficientAal, message));
    }
    Ok(())
}
