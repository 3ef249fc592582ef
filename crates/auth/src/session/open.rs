//! Opens a session, and makes the answer that clients keep (contract 1.3).
//!
//! Every flow that proves who somebody is ends in [`open`]; flows that prove more about an open session end in
//! [`of_session`]. Both make the tokens inside the transaction and give them out for the answer after its commit.

use axum::response::{IntoResponse, Response};
use http::HeaderValue;
use jiff::Timestamp;
use serde_json::{Value, json};
use uuid::Uuid;

use super::claims::claims;
use super::refresh_token::RefreshToken;
use crate::caller::{Flow, Json};
use crate::error::{Error, Result};
use crate::hooks;
use crate::store::sessions::NewSession;
use crate::store::{Tx, amr, sessions, users};
use crate::user::{self, User};

/// What a client gets when somebody has signed in.
#[derive(Debug)]
pub struct Tokens {
    /// For every request.
    pub access_token: String,
    /// For the next access token.
    pub refresh_token: String,
    /// Life of the access token in seconds.
    pub expires_in: u64,
    /// Its end, in seconds since the epoch.
    pub expires_at: i64,
    /// The session.
    pub session_id: Uuid,
    /// Who.
    pub user_id: Uuid,
    /// The account, as its owner sees it.
    pub user: Value,
    /// The password works and would not be taken today.
    pub weak_password: Option<Error>,
    /// The access token of the provider through which the user came.
    pub provider_token: Option<String>,
    /// Its refresh token.
    pub provider_refresh_token: Option<String>,
}

/// Opens a session for a user who has proved by this method who it is.
pub async fn open(flow: &Flow, tx: &mut Tx, user: &User, method: &str) -> Result<Tokens> {
    let (id, refresh_token) = begin(flow, tx, user, method).await?;
    users::signed_in(tx, user.id()).await?;
    of_session(flow, tx, user.id(), id, refresh_token).await
}

/// What a client of the OAuth server was granted.
pub(crate) struct ClientGrant<'a> {
    pub(crate) client: Uuid,
    /// With spaces between.
    pub(crate) scopes: &'a str,
}

/// Opens a session that belongs to a client of the OAuth server.
pub(crate) async fn open_as_client(
    flow: &Flow,
    tx: &mut Tx,
    user: &User,
    method: &str,
    grant: ClientGrant<'_>,
) -> Result<Tokens> {
    let (id, refresh_token) = begin(flow, tx, user, method).await?;
    sessions::set_client(tx, id, grant.client, grant.scopes).await?;
    of_session(flow, tx, user.id(), id, refresh_token).await
}

/// A new session of this user that was proved by this method, and its first refresh token.
async fn begin(flow: &Flow, tx: &mut Tx, user: &User, method: &str) -> Result<(Uuid, RefreshToken)> {
    let id = Uuid::new_v4();
    let client = &flow.client;
    let new =
        NewSession { id, user: user.id(), aal: "aal1", factor: None, user_agent: &client.user_agent, ip: client.ip };
    let key = sessions::insert(tx, &new).await?;
    amr::note(tx, id, method).await?;
    Ok((id, RefreshToken::new(id, 0, &key)))
}

/// The answer for an open session, with this refresh token.
pub async fn of_session(
    flow: &Flow,
    tx: &mut Tx,
    user: Uuid,
    session: Uuid,
    refresh_token: RefreshToken,
) -> Result<Tokens> {
    of_session_by(flow, tx, user, session, refresh_token, None).await
}

/// The same, where what led to it (`method`) is not the session's newest proof.
pub(super) async fn of_session_by(
    flow: &Flow,
    tx: &mut Tx,
    user: Uuid,
    session: Uuid,
    refresh_token: RefreshToken,
    method: Option<&str>,
) -> Result<Tokens> {
    let gone = || Error::internal("reading an account")("it is gone");
    let user = users::find(tx, user).await?.ok_or_else(gone)?;
    let proofs = amr::list(tx, session).await?;
    let settings = &flow.settings;
    let signer = settings.signer.as_ref().ok_or_else(|| Error::internal("signing a token")("there is no key"))?;
    let now = Timestamp::now();
    let mut claims = claims(settings, &user, session, &proofs, now);
    if settings.section.oauth_server.enabled
        && let Some(granted) = sessions::client_of(tx, session).await?
    {
        claims["client_id"] = granted["client_id"].clone();
        claims["scope"] = granted["scope"].clone();
    }
    let newest = proofs.first().map(|proof| proof.method.as_str());
    let method = method.or(newest).unwrap_or_default();
    let mut claims = hooks::customize_access_token(flow, tx, user.id(), claims, method).await?;
    if let Some(claims) = claims.as_object_mut() {
        flow.target.authority.rules.role_claim.place(claims);
    }
    let access_token = signer.sign(&claims).map_err(Error::internal("signing a token"))?;
    Ok(Tokens {
        access_token,
        refresh_token: refresh_token.text(),
        expires_in: settings.jwt_expiry.as_secs(),
        expires_at: now.as_second() + settings.jwt_expiry.as_secs() as i64,
        session_id: session,
        user_id: user.id(),
        user: user::user(&user),
        weak_password: None,
        provider_token: None,
        provider_refresh_token: None,
    })
}

impl IntoResponse for Tokens {
    fn into_response(self) -> Response {
        let mut body = json!({
            "access_token": self.access_token,
            "token_type": "bearer",
            "expires_in": self.expires_in,
            "expires_at": self.expires_at,
            "refresh_token": self.refresh_token,
            "user": self.user,
        });
        if let Some(Error::WeakPassword { message, reasons }) = &self.weak_password {
            let reasons: Vec<_> = reasons.iter().map(|reason| reason.as_str()).collect();
            body["weak_password"] = json!({"message": message, "reasons": reasons});
        }
        for (name, token) in
            [("provider_token", self.provider_token), ("provider_refresh_token", self.provider_refresh_token)]
        {
            if let Some(token) = token {
                body[name] = token.into();
            }
        }
        let mut response = Json(body).into_response();
        let headers = response.headers_mut();
        headers.insert("cache-control", HeaderValue::from_static("no-store"));
        for (name, id) in [("sb-auth-user-id", self.user_id), ("sb-auth-session-id", self.session_id)] {
            if let Ok(value) = HeaderValue::try_from(id.to_string()) {
                headers.insert(name, value);
            }
        }
        response
    }
}
