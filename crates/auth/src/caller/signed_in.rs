//! A caller with a user's token (contract 0.4): the signature is ours, the user and the session are still there.

use axum::extract::FromRequestParts;
use ferrobase_request::{AuthRules, Claims};
use http::request::Parts;
use uuid::Uuid;

use super::Flow;
use crate::error::{Error, ErrorCode, Result};
use crate::params;
use crate::router::Room;
use crate::store::sessions::Session;
use crate::store::users;
use crate::user::User;

/// A user who is signed in.
#[derive(Clone)]
pub struct SignedIn {
    /// The request.
    pub flow: Flow,
    /// The user.
    pub user: User,
    /// The session that the token belongs to; tokens that were made elsewhere have none.
    pub session: Option<Session>,
    /// What the token says.
    pub claims: Claims,
}

impl SignedIn {
    /// Whether a second factor was proved, and is still one: a token outlives the factor that it tells of.
    pub fn has_second_factor(&self) -> bool {
        let of_session = self.session.as_ref().is_none_or(|session| session.aal.as_deref() == Some("aal2"));
        of_session && self.claims.get("aal").and_then(serde_json::Value::as_str) == Some("aal2")
    }

    /// Whether the user has a second factor that this caller has not proved.
    pub fn lacks_second_factor(&self) -> bool {
        self.user.has_verified_factor() && !self.has_second_factor()
    }
}

impl FromRequestParts<Room> for SignedIn {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, room: &Room) -> Result<Self> {
        let flow = Flow::from_request_parts(parts, room).await?;
        let claims = claims(&flow)?;
        check_audience(&claims, flow.client.audience.as_deref())?;
        check_role(&claims, &flow.target.authority.rules)?;
        let id = subject(&claims)?;
        let session_id = session_id(&claims)?;
        let mut user: User = flow
            .database
            .read(users::WITH_SESSION, params![id, session_id])
            .await?
            .ok_or_else(|| forbidden(ErrorCode::UserNotFound, "User from sub claim in JWT does not exist"))?;
        let session = user.session.take();
        if session_id.is_some() && session.is_none() {
            let message = "Session from session_id claim in JWT does not exist";
            return Err(forbidden(ErrorCode::SessionNotFound, message));
        }
        let is_clients = session.as_ref().is_some_and(|session| session.oauth_client_id.is_some());
        if is_clients && !is_for_clients(parts) {
            let message = "Tokens of OAuth clients cannot change the account";
            return Err(forbidden(ErrorCode::NoAuthorization, message));
        }
        if user.is_banned() {
            return Err(forbidden(ErrorCode::UserBanned, "User is banned"));
        }
        Ok(Self { flow, user, session, claims })
    }
}

/// What an application of somebody else may do with the user's consent: know who it is, and end its session.
fn is_for_clients(parts: &Parts) -> bool {
    let path = parts.uri.path();
    match parts.method {
        http::Method::GET => path.ends_with("/oauth/userinfo") || path.ends_with("/user"),
        http::Method::POST => {
            path.ends_with("/logout") && parts.uri.query().is_some_and(|query| query == "scope=local")
        }
        _ => false,
    }
}

/// The claims of the Bearer token, if one of our keys signed it and it is valid now.
pub(super) fn claims(flow: &Flow) -> Result<Claims> {
    let missing = || Error::unauthorized(ErrorCode::NoAuthorization, "This endpoint requires a valid Bearer token");
    let token = flow.client.bearer.as_deref().ok_or_else(missing)?;
    flow.target.authority.claims_of(token).map_err(|reason| {
        forbidden(ErrorCode::BadJwt, format!("invalid JWT: unable to parse or verify signature, {reason}"))
    })
}

/// A caller that names an audience gets nothing with a token for another.
fn check_audience(claims: &Claims, wanted: Option<&str>) -> Result<()> {
    let audience = claims.get("aud").and_then(serde_json::Value::as_str).unwrap_or_default();
    if wanted.is_none_or(|wanted| wanted == audience) {
        return Ok(());
    }
    let message = "Token audience doesn't match request audience";
    Err(Error::bad_request(ErrorCode::UnexpectedAudience, message))
}

/// A role that opens nothing elsewhere opens nothing here.
fn check_role(claims: &Claims, rules: &AuthRules) -> Result<()> {
    let is_allowed = |role: &str| rules.allowed_roles.allow(role) || rules.anon_role.as_deref() == Some(role);
    if claims.role().is_none_or(is_allowed) {
        return Ok(());
    }
    Err(forbidden(ErrorCode::BadJwt, "invalid JWT: its role may not be used here"))
}

fn subject(claims: &Claims) -> Result<Uuid> {
    let sub = claims.get("sub").and_then(serde_json::Value::as_str).filter(|sub| !sub.is_empty());
    let sub = sub.ok_or_else(|| forbidden(ErrorCode::BadJwt, "invalid claim: missing sub claim"))?;
    Uuid::parse_str(sub).map_err(|_| Error::bad_request(ErrorCode::BadJwt, "invalid claim: sub claim must be a UUID"))
}

fn session_id(claims: &Claims) -> Result<Option<Uuid>> {
    match claims.get("session_id") {
        None | Some(serde_json::Value::Null) => Ok(None),
        Some(id) => {
            let id = id.as_str().and_then(|id| Uuid::parse_str(id).ok());
            id.map(Some).ok_or_else(|| forbidden(ErrorCode::BadJwt, "invalid claim: session_id claim must be a UUID"))
        }
    }
}

fn forbidden(code: ErrorCode, message: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    Error::forbidden(code, message)
}
