//! Refreshing a session (contract 4).
//!
//! One transaction for each attempt, which has the session's row for itself. Who finds it taken waits a moment without a
//! connection and tries again. A token that was used before its successor was used is answered with the current one: the
//! client lost the answer, or two of its tabs asked at once. Anything that was replaced longer ago ends the session: two
//! parties have it.
//! Invariant: what an attempt does to a session that was stolen is committed, although the answer is an error.

use std::time::{Duration, Instant};

use rand::RngExt as _;
use serde::Deserialize;
use uuid::Uuid;

use super::limits;
use super::open::{Tokens, of_session_by};
use super::refresh_token::RefreshToken;
use crate::caller::Flow;
use crate::error::{Error, ErrorCode, Result};
use crate::store::refresh_tokens::Imported;
use crate::store::sessions::Session;
use crate::store::{Tx, audit, refresh_tokens, sessions, users};
use crate::user::User;

/// Longest wait for others who refresh the same session.
const PATIENCE: Duration = Duration::from_secs(5);
/// What led to these tokens, for hooks.
const METHOD: &str = "token_refresh";
/// Imported tokens are short.
const LONGEST_IMPORTED: usize = 64;

/// Body of `grant_type=refresh_token`.
#[derive(Deserialize)]
pub(super) struct RefreshGrant {
    refresh_token: Option<String>,
}

/// What came.
enum Presented {
    Ours(RefreshToken),
    Imported(String),
}

/// What the token is, as seen from the session that it belongs to.
enum Place {
    /// The one that is good now.
    Current,
    /// The one before it.
    Parent,
    /// Used before that: so many seconds ago, unless that is too long ago to be known.
    Older(Option<f64>),
}

/// What an attempt came to.
enum Outcome {
    Done(Box<Tokens>),
    /// The session is being refreshed by somebody else.
    Taken,
    /// The token was used long ago.
    Reused,
}

/// Gives the next tokens of a session.
pub(super) async fn refresh(flow: &Flow, body: &RefreshGrant) -> Result<Tokens> {
    of_client(flow, body.refresh_token.as_deref().unwrap_or_default(), None).await
}

/// The same for a session that belongs to a client of the OAuth server: only it may refresh it, and nothing else.
pub(crate) async fn refresh_as_client(flow: &Flow, text: &str, client: Uuid) -> Result<Tokens> {
    of_client(flow, text, Some(client)).await
}

async fn of_client(flow: &Flow, text: &str, client: Option<Uuid>) -> Result<Tokens> {
    if text.is_empty() {
        return Err(Error::OAuth { error: "invalid_request", description: "refresh_token required".into() });
    }
    let presented = Presented::read(text).ok_or_else(not_found)?;
    let began = Instant::now();
    while began.elapsed() < PATIENCE {
        match Box::pin(attempt(flow, &presented, client)).await? {
            Outcome::Done(tokens) => return Ok(*tokens),
            Outcome::Reused => {
                let message = "Invalid Refresh Token: Already Used";
                return Err(Error::bad_request(ErrorCode::RefreshTokenAlreadyUsed, message));
            }
            Outcome::Taken => {
                let pause = rand::rng().random_range(10..=30);
                tokio::time::sleep(Duration::from_millis(pause)).await;
            }
        }
    }
    let message = "Too many concurrent token refresh requests on the same session or refresh token";
    Err(Error::refused(http::StatusCode::CONFLICT, ErrorCode::Conflict, message))
}

impl Presented {
    fn read(text: &str) -> Option<Self> {
        if let Some(token) = RefreshToken::parse(text) {
            return Some(Self::Ours(token));
        }
        let plausible = (8..=LONGEST_IMPORTED).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
        plausible.then(|| Self::Imported(text.to_owned()))
    }
}

async fn attempt(flow: &Flow, presented: &Presented, client: Option<Uuid>) -> Result<Outcome> {
    let mut tx = flow.begin().await?;
    match attempt_in(flow, &mut tx, presented, client).await {
        Ok(outcome) => {
            tx.commit().await?;
            Ok(outcome)
        }
        Err(error) => {
            tx.rollback().await;
            Err(error)
        }
    }
}

async fn attempt_in(flow: &Flow, tx: &mut Tx, presented: &Presented, client: Option<Uuid>) -> Result<Outcome> {
    let (id, imported) = match presented {
        Presented::Ours(token) => (token.session, None),
        Presented::Imported(text) => {
            let row = refresh_tokens::find(tx, text).await?.ok_or_else(not_found)?;
            (row.session_id.ok_or_else(not_found)?, Some(row))
        }
    };
    let Some(session) = sessions::try_lock(tx, id).await? else {
        // Taken by another transaction, or not there at all.
        return sessions::find(tx, id).await?.map(|_| Outcome::Taken).ok_or_else(not_found);
    };
    if session.oauth_client_id != client {
        return Err(not_found());
    }
    let place = place(presented, imported.as_ref(), &session).ok_or_else(not_found)?;
    let user = users::find(tx, session.user_id).await?.ok_or_else(not_found)?;
    if user.is_banned() || user.row.deleted_at.is_some() {
        return Err(Error::bad_request(ErrorCode::UserBanned, "Invalid Refresh Token: User Banned"));
    }
    let section = &flow.settings.section;
    limits::check(tx, &session, &user, &section.sessions).await?;
    match place {
        Place::Current => rotate(flow, tx, &session, &user, imported.as_ref()).await,
        Place::Parent => again(flow, tx, &session).await,
        // A chain of quick refreshes, of which a slow tab held an early token. The time counts from when that one was replaced.
        Place::Older(Some(ago)) if ago <= section.refresh_token_reuse_interval.as_secs_f64() => {
            again(flow, tx, &session).await
        }
        Place::Older(_) => {
            if section.refresh_token_rotation {
                sessions::delete(tx, session.id).await?;
                audit::note(tx, "token_revoked", &user, flow.client.ip, None).await?;
            }
            Ok(Outcome::Reused)
        }
    }
}

/// Where the token stands; `None` when the session never had it.
fn place(presented: &Presented, imported: Option<&Imported>, session: &Session) -> Option<Place> {
    let counter = session.refresh_token_counter.unwrap_or_default();
    match (presented, imported, &session.refresh_token_hmac_key) {
        (Presented::Ours(token), _, Some(key)) if token.is_made_with(key) => {
            Some(match counter.checked_sub(token.counter)? {
                0 => Place::Current,
                1 => Place::Parent,
                behind @ 2.. => {
                    // Its replacement came one before.
                    let place = usize::try_from(behind - 1).ok();
                    Place::Older(place.and_then(|place| session.rotations.get(place).copied()))
                }
                _ => return None,
            })
        }
        // The newest imported token came just before the first of ours.
        (Presented::Imported(_), Some(row), Some(_)) => {
            Some(if row.is_newest && counter == 0 { Place::Parent } else { Place::Older(Some(row.age)) })
        }
        (Presented::Imported(_), Some(row), None) => {
            Some(if row.revoked.unwrap_or(false) { Place::Older(Some(row.age)) } else { Place::Current })
        }
        _ => None,
    }
}

async fn rotate(
    flow: &Flow,
    tx: &mut Tx,
    session: &Session,
    user: &User,
    imported: Option<&Imported>,
) -> Result<Outcome> {
    let (key, counter) = match (&session.refresh_token_hmac_key, imported) {
        (Some(key), _) => (key.clone(), session.refresh_token_counter.unwrap_or_default() + 1),
        (None, imported) => {
            let key = sessions::set_key(tx, session.id).await?;
            if let Some(row) = imported {
                refresh_tokens::revoke(tx, row.id).await?;
            }
            (key, 0)
        }
    };
    sessions::rotated(tx, session.id, counter, &flow.client.user_agent, flow.client.ip).await?;
    audit::note(tx, "token_refreshed", user, flow.client.ip, None).await?;
    let token = RefreshToken::new(session.id, counter, &key);
    of_session_by(flow, tx, session.user_id, session.id, token, Some(METHOD)).await.map(Box::new).map(Outcome::Done)
}

/// The current refresh token once more, with a new access token.
async fn again(flow: &Flow, tx: &mut Tx, session: &Session) -> Result<Outcome> {
    let key = session.refresh_token_hmac_key.as_deref().ok_or_else(not_found)?;
    let token = RefreshToken::new(session.id, session.refresh_token_counter.unwrap_or_default(), key);
    of_session_by(flow, tx, session.user_id, session.id, token, Some(METHOD)).await.map(Box::new).map(Outcome::Done)
}

fn not_found() -> Error {
    Error::bad_request(ErrorCode::RefreshTokenNotFound, "Invalid Refresh Token: Refresh Token Not Found")
}
