//! `grant_type=id_token`: a session for an ID token that a device got from a provider by itself (contract 2.2).
//!
//! Invariant: the issuer is one of the configuration's; what the body says of it only chooses among them (security 6).

use axum::extract::{FromRequest, FromRequestParts, Request};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use super::identities::check_allowed;
use super::{Arrival, Arrived, arrive};
use crate::caller::{Flow, Json, SignedIn};
use crate::error::{Error, ErrorCode, Result};
use crate::provider::{IdTokenError, Missing, Provider, check_access_token, check_form, custom};
use crate::session::{self, Tokens};
use crate::store::audit;

/// The body.
#[derive(Deserialize)]
struct IdTokenGrant {
    provider: Option<String>,
    id_token: Option<String>,
    access_token: Option<String>,
    nonce: Option<String>,
    client_id: Option<String>,
    issuer: Option<String>,
    link_identity: Option<bool>,
}

/// Opens a session for whom the token names.
pub(crate) async fn grant(flow: &Flow, request: Request) -> Result<Tokens> {
    let (mut parts, body) = request.into_parts();
    let caller = SignedIn::from_request_parts(&mut parts, &flow.room).await;
    let body: IdTokenGrant = Json::from_request(Request::from_parts(parts, body), &()).await?.0;
    let linking_target = if body.link_identity.unwrap_or(false) {
        let caller = caller?;
        check_allowed(&caller)?;
        Some(caller.user.id())
    } else {
        None
    };
    let token = given(&body.id_token).ok_or_else(|| invalid("id_token required"))?;
    let provider = provider(flow, &body).await?;
    let (issuer, claims) = verified(flow, &provider, &body, token).await?;
    if !provider.skips_nonce {
        check_nonce(&claims, given(&body.nonce))?;
    }
    if let Some(access_token) = given(&body.access_token) {
        check_access_token(token, &claims, access_token).map_err(|error| bad(&error))?;
    }
    let profile = provider.of_claims(&claims, &issuer).ok_or_else(|| bad(&IdTokenError::Subject))?;
    let mut tx = flow.begin().await?;
    let arrival = Arrival {
        provider: &provider.name,
        is_trusted: provider.is_trusted,
        email_optional: provider.email_optional,
        profile: &profile,
        linking_target,
        landing: flow.client.redirect_to.as_deref(),
    };
    let user = match arrive(flow, &mut tx, &arrival).await? {
        Arrived::At(user) => *user,
        Arrived::Unproved(error) => {
            tx.commit().await?;
            return Err(error);
        }
    };
    let traits = json!({"provider": provider.name});
    audit::note(&mut tx, "login", &user, flow.client.ip, Some(traits)).await?;
    let tokens = session::open(flow, &mut tx, &user, "oauth").await?;
    tx.commit().await?;
    Ok(tokens)
}

/// The provider that the body names, or the one whose issuer it names.
async fn provider(flow: &Flow, body: &IdTokenGrant) -> Result<Provider> {
    let settings = &flow.settings;
    let provider = match (given(&body.provider), given(&body.issuer)) {
        (Some(name), _) => custom::find(flow, name).await?.map_err(|missing| match missing {
            Missing::Unknown => Error::invalid("Custom OIDC provider is not configured"),
            Missing::Disabled => {
                Error::bad_request(ErrorCode::ProviderDisabled, "Provider is not enabled for sign in with ID token")
            }
        })?,
        (None, Some(issuer)) => {
            let all = settings.section.external.keys().filter_map(|name| Provider::find(settings, name).ok());
            let mut fitting = all.filter(|provider| is_issuer(provider, issuer));
            let unknown = || Error::invalid("Custom OIDC provider is not configured");
            match fitting.next() {
                Some(provider) => provider,
                None => custom::find_by_issuer(flow, issuer).await?.ok_or_else(unknown)?,
            }
        }
        (None, None) => return Err(invalid("provider or client_id and issuer required")),
    };
    if provider.issuer().is_none() {
        return Err(Error::invalid("The provider gives out no ID tokens"));
    }
    if given(&body.issuer).is_some_and(|issuer| !is_issuer(&provider, issuer)) {
        return Err(invalid("The issuer is not that of the provider"));
    }
    if given(&body.client_id).is_some_and(|id| !provider.client_ids.iter().any(|ours| ours == id)) {
        return Err(bad(&IdTokenError::Audience));
    }
    Ok(provider)
}

/// Exactly what is configured. Addresses are kept without a slash at their end.
fn is_issuer(provider: &Provider, issuer: &str) -> bool {
    let configured = provider.issuer();
    let configured = configured.as_deref();
    configured == Some(issuer) || (configured.is_some() && configured == issuer.strip_suffix('/'))
}

async fn verified(
    flow: &Flow,
    provider: &Provider,
    body: &IdTokenGrant,
    token: &str,
) -> Result<(String, Map<String, Value>)> {
    let audiences = match given(&body.client_id) {
        Some(id) => vec![id.to_owned()],
        None => provider.client_ids.clone(),
    };
    check_form(token).map_err(|error| bad(&error))?;
    let (directory, outbound) = (flow.room.directory(), flow.room.outbound());
    let (issuer, claims) = directory.verified(outbound, provider, token, &audiences).await?;
    Ok((issuer, claims.map_err(|error| bad(&error))?))
}

/// The token has the hash of the nonce, hexadecimal; either both have one or none.
fn check_nonce(claims: &Map<String, Value>, nonce: Option<&str>) -> Result<()> {
    let in_token = claims.get("nonce").and_then(Value::as_str).filter(|nonce| !nonce.is_empty());
    match (in_token, nonce) {
        (None, None) => Ok(()),
        (Some(hash), Some(nonce)) => {
            let ours: String = Sha256::digest(nonce).iter().map(|byte| format!("{byte:02x}")).collect();
            if bool::from(ours.as_bytes().ct_eq(hash.as_bytes())) {
                return Ok(());
            }
            Err(Error::OAuth { error: "invalid_nonce", description: "Nonces mismatch".into() })
        }
        _ => Err(invalid("Passed nonce and nonce in id_token should either both exist or not.")),
    }
}

fn bad(error: &IdTokenError) -> Error {
    let description = match error {
        IdTokenError::Audience | IdTokenError::Subject => error.to_string(),
        _ => format!("Bad ID token: {error}"),
    };
    Error::OAuth { error: "invalid_request", description: description.into() }
}

fn invalid(description: &'static str) -> Error {
    Error::OAuth { error: "invalid_request", description: description.into() }
}

fn given(text: &Option<String>) -> Option<&str> {
    text.as_deref().filter(|text| !text.is_empty())
}
