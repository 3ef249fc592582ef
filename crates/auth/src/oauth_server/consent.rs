//! What the application's consent page calls, with the user's token: what is asked for, and the answer.

use axum::extract::Path;
use http::{HeaderMap, header};
use serde::Deserialize;
use serde_json::{Value, json};

use super::authorize::back;
use super::check_enabled;
use super::client::{hash, secret};
use crate::caller::{Flow, Json, SignedIn};
use crate::error::{Error, ErrorCode, Result};
use crate::redirect;
use crate::store::oauth_authorizations::{self, Authorization};
use crate::store::oauth_clients::{self, Client};
use crate::store::{Tx, audit};

/// The answer.
#[derive(Deserialize)]
pub(super) struct Answer {
    action: Option<String>,
}

/// What is asked for; where to go at once, when the user has agreed to it before.
pub(super) async fn show(caller: SignedIn, Path(id): Path<String>, headers: HeaderMap) -> Result<Json<Value>> {
    let flow = &caller.flow;
    let mut tx = flow.begin().await?;
    let (asked, client) = pending(&caller, &mut tx, &id, &headers).await?;
    oauth_authorizations::set_user(&mut tx, asked.id, caller.user.id()).await?;
    let before = oauth_authorizations::consent(&mut tx, caller.user.id(), client.id).await?.unwrap_or_default();
    let is_covered = asked.scope.split(' ').all(|scope| before.split(' ').any(|granted| granted == scope));
    if is_covered {
        let url = approve(flow, &mut tx, &asked).await?;
        tx.commit().await?;
        return Ok(Json(json!({ "redirect_url": url })));
    }
    tx.commit().await?;
    Ok(Json(json!({
        "authorization_id": asked.authorization_id,
        "redirect_uri": asked.redirect_uri,
        "client": client.shown(),
        "user": {"id": caller.user.id(), "email": caller.user.email()},
        "scope": asked.scope,
    })))
}

/// Yes or no.
pub(super) async fn answer(
    caller: SignedIn,
    Path(id): Path<String>,
    headers: HeaderMap,
    Json(body): Json<Answer>,
) -> Result<Json<Value>> {
    let flow = &caller.flow;
    let mut tx = flow.begin().await?;
    let (asked, client) = pending(&caller, &mut tx, &id, &headers).await?;
    // Who answers is who was asked.
    if asked.user_id != Some(caller.user.id()) {
        return Err(unknown());
    }
    let url = match body.action.as_deref() {
        Some("approve") => {
            let before = oauth_authorizations::consent(&mut tx, caller.user.id(), client.id).await?;
            let scopes = union(&before.unwrap_or_default(), &asked.scope);
            oauth_authorizations::grant(&mut tx, caller.user.id(), client.id, &scopes).await?;
            let traits = json!({"client_id": client.id, "scope": asked.scope});
            audit::note(&mut tx, "oauth_consent_granted", &caller.user, flow.client.ip, Some(traits)).await?;
            approve(flow, &mut tx, &asked).await?
        }
        Some("deny") => {
            oauth_authorizations::delete(&mut tx, asked.id).await?;
            let denied = [("error", "access_denied"), ("error_description", "User denied the request")];
            back(flow, &asked.redirect_uri, asked.state.as_deref(), &denied)
        }
        _ => return Err(Error::invalid("action must be approve or deny")),
    };
    tx.commit().await?;
    Ok(Json(json!({ "redirect_url": url })))
}

/// The request, if it waits for this user.
async fn pending(caller: &SignedIn, tx: &mut Tx, id: &str, headers: &HeaderMap) -> Result<(Authorization, Client)> {
    let flow = &caller.flow;
    check_enabled(flow)?;
    let settings = &flow.settings;
    if let Some(origin) = headers.get(header::ORIGIN).and_then(|origin| origin.to_str().ok())
        && !redirect::is_allowed(&settings.site_url, &settings.section.redirect_urls, origin)
    {
        return Err(Error::forbidden(
            ErrorCode::ValidationFailed,
            "Consent is asked for by the application's own page only",
        ));
    }
    let asked = oauth_authorizations::lock(tx, id).await?.ok_or_else(unknown)?;
    let is_others = asked.user_id.is_some_and(|user| user != caller.user.id());
    if asked.status != "pending" || asked.has_expired || is_others {
        return Err(unknown());
    }
    let client = oauth_clients::find(tx, asked.client_id).await?.ok_or_else(unknown)?;
    Ok((asked, client))
}

/// Issues the code.
async fn approve(flow: &Flow, tx: &mut Tx, asked: &Authorization) -> Result<String> {
    let code = secret();
    oauth_authorizations::approve(tx, asked.id, &hash(&code)).await?;
    Ok(back(flow, &asked.redirect_uri, asked.state.as_deref(), &[("code", &code)]))
}

fn union(before: &str, now: &str) -> String {
    let mut scopes: Vec<&str> = Vec::new();
    for scope in before.split(' ').chain(now.split(' ')).filter(|scope| !scope.is_empty()) {
        if !scopes.contains(&scope) {
            scopes.push(scope);
        }
    }
    scopes.join(" ")
}

fn unknown() -> Error {
    Error::not_found(ErrorCode::OauthAuthorizationNotFound, "authorization not found")
}
