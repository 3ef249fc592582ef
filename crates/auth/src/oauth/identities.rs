//! `/user/identities`: a user adds a way into the account, or takes one away (contract 3).

use axum::extract::{Path, RawQuery};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::begin::{Departure, wants_json};
use crate::caller::{Flow, Json, SignedIn};
use crate::error::{Error, ErrorCode, Result};
use crate::landing::go;
use crate::limit::Limit;
use crate::store::{audit, identities, users};

/// Where to go for linking a provider. The flow is bound to the account by the caller's token.
pub(super) async fn authorize(caller: SignedIn, RawQuery(query): RawQuery) -> Result<Response> {
    let flow = &caller.flow;
    check_allowed(flow)?;
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
    check_allowed(flow)?;
    flow.count(Limit::SignIn).await?;
    let not_uuid = |_| Error::not_found(ErrorCode::ValidationFailed, "identity_id must be an UUID");
    let id = Uuid::parse_str(&id).map_err(not_uuid)?;
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
    match identity.provider.as_str() {
        "email" => users::release_email(&mut tx, user.id()).await?,
        "phone" => users::release_phone(&mut tx, user.id()).await?,
        _ => {}
    }
    let app = without(user.row.raw_app_meta_data.as_ref(), &user.identities, id);
    users::set_metadata(&mut tx, user.id(), Some(&app), None).await?;
    let traits = json!({"provider": identity.provider, "identity_id": id});
    audit::note(&mut tx, "identity_unlinked", &user, flow.client.ip, Some(traits)).await?;
    tx.commit().await?;
    Ok(Json(json!({})))
}

/// `app_metadata` with the providers that are left.
fn without(before: Option<&Map<String, Value>>, all: &[crate::user::Identity], gone: Uuid) -> Map<String, Value> {
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

pub(super) fn check_allowed(flow: &Flow) -> Result<()> {
    if flow.settings.section.enable_manual_linking {
        return Ok(());
    }
    Err(Error::not_found(ErrorCode::ManualLinkingDisabled, "Manual linking is disabled"))
}
