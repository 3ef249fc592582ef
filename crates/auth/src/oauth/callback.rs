//! `/callback`: a browser comes back from a provider. It always lands at an allowed address, with a session, with a code
//! for one, or with what went wrong.
//!
//! Two transactions: the first takes the state away, so that nothing can be tried twice, whatever the provider says; the
//! second finds the account. In between the provider is asked, and no connection is held.

use axum::body::{Body, to_bytes};
use axum::extract::{RawQuery, Request};
use axum::response::Response;
use http::{HeaderMap, StatusCode};
use serde_json::Value;
use uuid::Uuid;

use super::browser;
use super::{Arrival, Arrived, arrive};
use crate::caller::{BODY_LIMIT, Flow};
use crate::error::{Error, ErrorCode, Result};
use crate::landing;
use crate::limit::Limit;
use crate::provider::{Code, Grant, Provider, custom, exchange};
use crate::query::pairs;
use crate::session;
use crate::store::audit;
use crate::store::flow_state::{self, FlowState};
use crate::store::oauth_states::{self, LIFE, OauthState};

/// Longest code or error of a provider.
const LONGEST: usize = 8192;

/// What the provider says through the browser.
#[derive(Default)]
struct Returned {
    state: String,
    code: String,
    error: String,
    description: String,
    issuer: Option<String>,
    /// Apple tells the name once, and only here.
    user: Option<Value>,
}

/// As most providers do it.
pub(super) async fn by_query(flow: Flow, RawQuery(query): RawQuery, headers: HeaderMap) -> Response {
    finish(flow, Returned::read(&query.unwrap_or_default()), &headers).await
}

/// As Apple does it.
pub(super) async fn by_form(flow: Flow, request: Request<Body>) -> Result<Response> {
    let (parts, body) = request.into_parts();
    let unreadable = |_| Error::bad_request(ErrorCode::BadOauthCallback, "Could not read request body");
    let body = to_bytes(body, BODY_LIMIT as usize).await.map_err(unreadable)?;
    Ok(finish(flow, Returned::read(&String::from_utf8_lossy(&body)), &parts.headers).await)
}

async fn finish(flow: Flow, returned: Returned, headers: &HeaderMap) -> Response {
    let mut landing = flow.settings.site_url.clone();
    let to = match Box::pin(come_back(&flow, &returned, headers, &mut landing)).await {
        Ok(to) => to,
        Err(error) => {
            error.log();
            landing::with_error(&landing, &error, true)
        }
    };
    landing::go(StatusCode::FOUND, &to)
}

impl Returned {
    fn read(text: &str) -> Self {
        let mut out = Self::default();
        for (name, value) in pairs(text).into_iter().filter(|(_, value)| value.len() <= LONGEST) {
            match name.as_str() {
                "state" => out.state = value,
                "code" => out.code = value,
                "error" => out.error = value,
                "error_description" => out.description = value,
                "iss" => out.issuer = Some(value),
                "user" => out.user = serde_json::from_str(&value).ok(),
                _ => {}
            }
        }
        out
    }

    /// The code, if the provider gave one.
    fn code(&self) -> Result<&str> {
        if !self.error.is_empty() {
            let shown: String = self.description.chars().filter(|c| !c.is_control()).take(200).collect();
            let message = if shown.is_empty() { "The provider refuses".to_owned() } else { shown };
            return Err(match self.error.as_str() {
                "access_denied" => Error::forbidden(ErrorCode::BadOauthCallback, message),
                _ => Error::bad_request(ErrorCode::BadOauthCallback, message),
            });
        }
        if self.code.is_empty() {
            return Err(Error::bad_request(
                ErrorCode::BadOauthCallback,
                "OAuth callback with missing authorization code",
            ));
        }
        Ok(&self.code)
    }

    /// The name that came with the form, as `name` and `full_name`.
    fn name(&self) -> Option<String> {
        let name = self.user.as_ref()?.get("name")?;
        let part = |key: &str| name.get(key).and_then(Value::as_str).unwrap_or_default();
        let full = format!("{} {}", part("firstName"), part("lastName")).trim().to_owned();
        (!full.is_empty() && full.len() <= 255).then_some(full)
    }
}

/// The address to land at. `landing` becomes the flow's as soon as that is known.
async fn come_back(flow: &Flow, returned: &Returned, headers: &HeaderMap, landing: &mut String) -> Result<String> {
    flow.count(Limit::Token).await?;
    let (state, own) = take(flow, returned, headers, landing).await?;
    let code = returned.code()?;
    let provider = custom::open(flow, &own.provider_type).await?;
    let grant = Box::pin(trade(flow, returned, &own, &provider, code)).await?;
    land(flow, &state, &provider, grant, landing).await
}

/// Takes the state away and gives what the flow remembers.
async fn take(
    flow: &Flow,
    returned: &Returned,
    headers: &HeaderMap,
    landing: &mut String,
) -> Result<(FlowState, OauthState)> {
    if returned.state.is_empty() {
        return Err(Error::bad_request(ErrorCode::BadOauthCallback, "OAuth state parameter missing"));
    }
    let unknown = || Error::bad_request(ErrorCode::BadOauthState, "OAuth state not found or expired");
    let id = Uuid::parse_str(&returned.state).map_err(|_| unknown())?;
    let mut tx = flow.begin().await?;
    let own = oauth_states::lock(&mut tx, id).await?.ok_or_else(unknown)?;
    let state = flow_state::lock(&mut tx, id).await?.ok_or_else(unknown)?;
    if own.browser_hash.as_deref().is_some_and(|hash| !browser::is_of(headers, id, hash)) {
        // The flow goes on for the browser that it belongs to.
        let message = "OAuth state belongs to another browser";
        return Err(Error::bad_request(ErrorCode::BadOauthState, message));
    }
    oauth_states::delete(&mut tx, id).await?;
    if state.challenge().is_none() {
        flow_state::delete(&mut tx, id).await?;
    }
    tx.commit().await?;
    if let Some(to) = &state.referrer {
        landing.clone_from(to);
    }
    if own.age > LIFE {
        return Err(unknown());
    }
    Ok((state, own))
}

/// Asks the provider who it is.
async fn trade(flow: &Flow, returned: &Returned, own: &OauthState, provider: &Provider, code: &str) -> Result<Grant> {
    let (directory, outbound) = (flow.room.directory(), flow.room.outbound());
    let endpoints = directory.endpoints(outbound, provider).await?;
    // A code that another server gave must not be shown to this one (RFC 9207).
    let is_named = match &returned.issuer {
        Some(issuer) => endpoints.issuer.as_ref().is_none_or(|expected| issuer == expected),
        None => !endpoints.names_itself,
    };
    if !is_named {
        return Err(Error::bad_request(ErrorCode::BadOauthCallback, "The answer is from another provider"));
    }
    let (verifier, nonce) = own.code_verifier.as_deref().zip(own.nonce.as_deref()).unwrap_or_default();
    let code = Code { code, verifier, nonce };
    let mut grant = exchange(directory, outbound, provider, &endpoints, &code)
        .await
        .map_err(|reason| Error::bad_request(ErrorCode::BadOauthCallback, reason))?;
    if let Some(name) = returned.name().filter(|_| !grant.profile.claims.contains_key("name")) {
        grant.profile.claims.insert("name".to_owned(), name.as_str().into());
        grant.profile.claims.insert("full_name".to_owned(), name.into());
    }
    Ok(grant)
}

/// Finds the account and opens its session, or issues the code for it.
async fn land(flow: &Flow, state: &FlowState, provider: &Provider, grant: Grant, landing: &str) -> Result<String> {
    let mut tx = flow.begin().await?;
    let arrival = Arrival {
        provider: &provider.name,
        is_trusted: provider.is_trusted,
        email_optional: provider.email_optional,
        profile: &grant.profile,
        linking_target: state.linking_target_id,
        landing: Some(landing),
    };
    let user = match arrive(flow, &mut tx, &arrival).await? {
        Arrived::At(user) => *user,
        Arrived::Unproved(error) => {
            tx.commit().await?;
            return Err(error);
        }
    };
    let (access, refresh) = (grant.access_token, grant.refresh_token);
    if state.challenge().is_some() {
        let code = flow_state::issue_code(&mut tx, state.id, user.id(), Some(&access), refresh.as_deref()).await?;
        tx.commit().await?;
        return Ok(landing::with_code(landing, &code));
    }
    let traits = serde_json::json!({"provider": provider.name});
    audit::note(&mut tx, "login", &user, flow.client.ip, Some(traits)).await?;
    let mut tokens = session::open(flow, &mut tx, &user, "oauth").await?;
    tx.commit().await?;
    tokens.provider_token = Some(access);
    tokens.provider_refresh_token = refresh;
    Ok(landing::with_session(landing, &tokens, None))
}
