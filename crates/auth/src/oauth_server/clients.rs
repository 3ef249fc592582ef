//! Clients: made, changed and ended by administrators, or registered by themselves where that is allowed.

use axum::extract::{Path, RawQuery};
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode};
use serde_json::{Value, json};
use uuid::Uuid;

use super::check_enabled;
use super::client::{Wanted, hash, secret, shape};
use crate::caller::{Admin, Flow, Json, query_value};
use crate::error::{Error, ErrorCode, Result};
use crate::limit::Limit;
use crate::store::Tx;
use crate::store::oauth_clients::{self, Client};

pub(super) async fn list(admin: Admin, RawQuery(query): RawQuery) -> Result<Response> {
    check_enabled(&admin.flow)?;
    let query = query.unwrap_or_default();
    let number = |name: &str, usual: i64| match query_value(&query, name).as_deref() {
        None | Some("") => Ok(usual),
        Some(text) => text
            .parse()
            .ok()
            .filter(|number| (1..=100_000).contains(number))
            .ok_or_else(|| Error::invalid("page and per_page must be numbers from 1")),
    };
    let (page, per_page) = (number("page", 1)?, number("per_page", 50)?.min(1000));
    let mut tx = admin.flow.begin().await?;
    let clients = oauth_clients::page(&mut tx, per_page, (page - 1) * per_page).await?;
    let count = oauth_clients::count(&mut tx).await?;
    tx.commit().await?;
    let clients: Vec<_> = clients.iter().map(|client| shape(client, None)).collect();
    let mut response = Json(json!({ "clients": clients })).into_response();
    response.headers_mut().insert("x-total-count", HeaderValue::from(count));
    Ok(response)
}

pub(super) async fn create(admin: Admin, Json(body): Json<Wanted>) -> Result<Response> {
    check_enabled(&admin.flow)?;
    made(&admin.flow, body.client("manual")?).await
}

/// RFC 7591. Whoever registers is nobody yet: it must be a person who agrees to it later.
pub(super) async fn register(flow: Flow, Json(body): Json<Wanted>) -> Result<Response> {
    check_enabled(&flow)?;
    if !flow.settings.section.oauth_server.allow_dynamic_registration {
        let message = "Dynamic client registration is not enabled";
        return Err(Error::forbidden(ErrorCode::OauthDynamicClientRegistrationDisabled, message));
    }
    flow.count(Limit::SignIn).await?;
    made(&flow, body.client("dynamic")?).await
}

async fn made(flow: &Flow, mut client: Client) -> Result<Response> {
    let secret = (!client.is_public()).then(secret);
    client.client_secret_hash = secret.as_deref().map(hash);
    let mut tx = flow.begin().await?;
    oauth_clients::put(&mut tx, &client).await?;
    let client = find(&mut tx, client.id).await?;
    tx.commit().await?;
    Ok((StatusCode::CREATED, Json(shape(&client, secret.as_deref()))).into_response())
}

pub(super) async fn show(admin: Admin, Path(id): Path<String>) -> Result<Json<Value>> {
    check_enabled(&admin.flow)?;
    let mut tx = admin.flow.begin().await?;
    let client = find(&mut tx, read(&id)?).await?;
    tx.commit().await?;
    Ok(Json(shape(&client, None)))
}

pub(super) async fn update(admin: Admin, Path(id): Path<String>, Json(body): Json<Wanted>) -> Result<Json<Value>> {
    check_enabled(&admin.flow)?;
    if body.is_empty() {
        return Err(Error::invalid("No fields provided for update"));
    }
    let mut tx = admin.flow.begin().await?;
    let client = body.applied_to(find(&mut tx, read(&id)?).await?)?;
    oauth_clients::put(&mut tx, &client).await?;
    let client = find(&mut tx, client.id).await?;
    tx.commit().await?;
    Ok(Json(shape(&client, None)))
}

pub(super) async fn delete(admin: Admin, Path(id): Path<String>) -> Result<StatusCode> {
    check_enabled(&admin.flow)?;
    let mut tx = admin.flow.begin().await?;
    let client = find(&mut tx, read(&id)?).await?;
    oauth_clients::delete(&mut tx, client.id).await?;
    tx.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn regenerate(admin: Admin, Path(id): Path<String>) -> Result<Json<Value>> {
    check_enabled(&admin.flow)?;
    let mut tx = admin.flow.begin().await?;
    let mut client = find(&mut tx, read(&id)?).await?;
    if client.is_public() {
        return Err(Error::invalid("Cannot regenerate secret for public client"));
    }
    let secret = secret();
    client.client_secret_hash = Some(hash(&secret));
    oauth_clients::put(&mut tx, &client).await?;
    let client = find(&mut tx, client.id).await?;
    tx.commit().await?;
    Ok(Json(shape(&client, Some(&secret))))
}

fn read(id: &str) -> Result<Uuid> {
    Uuid::parse_str(id).map_err(|_| unknown())
}

async fn find(tx: &mut Tx, id: Uuid) -> Result<Client> {
    oauth_clients::find(tx, id).await?.ok_or_else(unknown)
}

fn unknown() -> Error {
    Error::not_found(ErrorCode::OauthClientNotFound, "OAuth client not found")
}
