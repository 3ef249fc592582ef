//! `POST /token?grant_type=`: one endpoint, a flow for each grant.

use axum::extract::{FromRequest, RawQuery, Request};
use axum::response::{IntoResponse, Response};
use serde::de::DeserializeOwned;

use super::Tokens;
use super::refresh::{RefreshGrant, refresh};
use crate::caller::{Flow, Json, query_value};
use crate::error::{Error, ErrorCode, Result};
use crate::limit::Limit;
use crate::oauth;
use crate::password::{self, PasswordGrant};
use crate::pkce::{self, PkceGrant};
use crate::web3::{self, Web3Grant};

/// Answers with a session.
pub(super) async fn token(flow: Flow, RawQuery(query): RawQuery, request: Request) -> Result<Response> {
    let grant = query.as_deref().and_then(|query| query_value(query, "grant_type")).unwrap_or_default();
    // Wallets have a limit of their own.
    if grant != "web3" {
        flow.count(Limit::Token).await?;
    }
    let tokens = match grant.as_str() {
        "password" => Box::pin(password::grant(&flow, &body::<PasswordGrant>(request).await?)).await?,
        "refresh_token" => Box::pin(refresh(&flow, &body::<RefreshGrant>(request).await?)).await?,
        "pkce" => Box::pin(pkce::grant(&flow, &body::<PkceGrant>(request).await?)).await?,
        // Where wallets are off nobody looks at what they sent.
        "web3" if !web3::is_enabled(&flow) => return Err(web3::disabled()),
        "web3" => Box::pin(web3::grant(&flow, &body::<Web3Grant>(request).await?)).await?,
        "id_token" => Box::pin(oauth::grant(&flow, request)).await?,
        _ => return Err(Error::bad_request(ErrorCode::InvalidCredentials, "unsupported_grant_type")),
    };
    Ok(Tokens::into_response(tokens))
}

async fn body<T: DeserializeOwned>(request: Request) -> Result<T> {
    Ok(Json::from_request(request, &()).await?.0)
}
