//! `/admin/custom-providers`: providers of sign-in that administrators add while the server runs (contract 5).
//!
//! A request goes: `wanted` (what was sent, checked) -> for an issuer its document is fetched and checked -> `store`. How
//! people then sign in is `oauth`'s matter; `provider::custom` makes one of these into a provider like any other.
//! Invariant: a client secret is written and never shown. Invariant: everything of a provider is called through the
//! client that guards where calls may go: whoever has a service key does not reach the operator's network with it.

mod wanted;

use axum::Router;
use axum::extract::{Path, RawQuery};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::StatusCode;
use serde_json::{Value, json};

use crate::caller::{Admin, Flow, Json, query_value};
use crate::error::{Error, ErrorCode, Result};
use crate::provider::custom;
use crate::router::Room;
use crate::store::custom_providers::{self, CustomProvider};
use crate::store::{Tx, is_duplicate};
use wanted::Wanted;

/// Most providers of this kind.
const MOST: i64 = 100;

pub(crate) fn routes() -> Router<Room> {
    Router::new()
        .route("/admin/custom-providers", get(list).post(create))
        .route("/admin/custom-providers/{identifier}", get(show).put(update).delete(delete))
}

async fn list(admin: Admin, RawQuery(query): RawQuery) -> Result<Json<Value>> {
    let wanted = query.as_deref().and_then(|query| query_value(query, "type")).filter(|wanted| !wanted.is_empty());
    if wanted.as_deref().is_some_and(|wanted| !wanted::TYPES.contains(&wanted)) {
        return Err(Error::invalid("type must be oauth2 or oidc"));
    }
    let mut tx = admin.flow.begin().await?;
    let providers = custom_providers::list(&mut tx, wanted.as_deref()).await?;
    tx.commit().await?;
    Ok(Json(json!({ "providers": providers })))
}

async fn create(admin: Admin, Json(body): Json<Wanted>) -> Result<Response> {
    let flow = &admin.flow;
    let mut provider = body.provider()?;
    discover(flow, &mut provider).await?;
    let mut tx = flow.begin().await?;
    let made = custom_providers::insert(&mut tx, &provider, MOST).await;
    let made = made.map_err(|error| {
        let taken = is_duplicate(&error, "custom_oauth_providers_identifier_key");
        let conflict = || Error::bad_request(ErrorCode::Conflict, "A provider with this identifier exists already");
        if taken { conflict() } else { error }
    })?;
    if !made {
        let message = format!("There can be {MOST} custom providers");
        return Err(Error::bad_request(ErrorCode::OverCustomProviderQuota, message));
    }
    let shown = shown(&mut tx, &provider.identifier).await?;
    tx.commit().await?;
    Ok((StatusCode::CREATED, Json(shown)).into_response())
}

async fn show(admin: Admin, Path(identifier): Path<String>) -> Result<Json<Value>> {
    let mut tx = admin.flow.begin().await?;
    let shown = shown(&mut tx, &identifier).await?;
    tx.commit().await?;
    Ok(Json(shown))
}

async fn update(admin: Admin, Path(identifier): Path<String>, Json(body): Json<Wanted>) -> Result<Json<Value>> {
    let flow = &admin.flow;
    let before = custom_providers::read(&flow.database, &identifier).await?.ok_or_else(unknown)?;
    let mut next = body.applied_to(before.clone())?;
    if (&before.issuer, &before.discovery_url) != (&next.issuer, &next.discovery_url) {
        // Nobody waits for the provider with a row locked.
        discover(flow, &mut next).await?;
    }
    let mut tx = flow.begin().await?;
    let now = custom_providers::lock(&mut tx, &identifier).await?.ok_or_else(unknown)?;
    let mut after = body.applied_to(now)?;
    if (&after.issuer, &after.discovery_url) != (&next.issuer, &next.discovery_url) {
        let message = "The provider is being changed, please try again";
        return Err(Error::refused(StatusCode::CONFLICT, ErrorCode::Conflict, message));
    }
    after.cached_discovery = next.cached_discovery;
    custom_providers::update(&mut tx, &after).await?;
    let shown = shown(&mut tx, &identifier).await?;
    tx.commit().await?;
    Ok(Json(shown))
}

async fn delete(admin: Admin, Path(identifier): Path<String>) -> Result<StatusCode> {
    let mut tx = admin.flow.begin().await?;
    if !custom_providers::delete(&mut tx, &identifier).await? {
        return Err(unknown());
    }
    tx.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Fetches what an issuer publishes about itself.
async fn discover(flow: &Flow, provider: &mut CustomProvider) -> Result<()> {
    if !provider.is_issuer() {
        return Ok(());
    }
    let there = custom::provider(&flow.settings, provider);
    let found = flow.room.directory().discovered(flow.room.outbound(), &there).await;
    let found = found.map_err(|reason| Error::invalid(format!("The discovery document is of no use: {reason}")))?;
    provider.cached_discovery = Some(found);
    Ok(())
}

async fn shown(tx: &mut Tx, identifier: &str) -> Result<Value> {
    custom_providers::shown(tx, identifier).await?.ok_or_else(unknown)
}

fn unknown() -> Error {
    Error::not_found(ErrorCode::CustomProviderNotFound, "Custom provider not found")
}
