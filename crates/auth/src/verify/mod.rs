//! `/verify`: what came by mail or message is brought back (contract 2.4).
//!
//! A request goes: `request` (what is proved, by which secret) -> `check` (the account is locked, the secret compared and used up,
//! or the try counted) -> `apply` (what follows from the proof) -> a session as JSON, or `landing` (a redirect).
//! Invariant: a secret counts only for what it was made for, and only for the address or number that it was sent to.
//! Invariant: unknown account, wrong, used and late are one answer.

mod apply;
mod check;
mod request;

use axum::Router;
use axum::extract::RawQuery;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::StatusCode;
use serde_json::json;

use crate::caller::{Flow, Json, query_value};
use crate::error::{Error, Result};
use crate::landing;
use crate::limit::Limit;
use crate::mail::PKCE_PREFIX;
use crate::proof::veiled;
use crate::router::Room;
use crate::session::{self, Tokens};
use crate::store::flow_state;
use apply::{Applied, apply};
use check::{Checked, check};
use request::{Ask, Verify};

/// What the first of two confirmations is told.
const FIRST_OF_TWO: &str = "Confirmation link accepted. Please proceed to confirm link sent to the other email";

pub(crate) fn routes() -> Router<Room> {
    Router::new().route("/verify", get(by_link).post(by_post))
}

async fn by_post(flow: Flow, Json(body): Json<Verify>) -> Result<Response> {
    flow.count(Limit::Verify).await?;
    let ask = body.read()?;
    veiled(Box::pin(async {
        match prove(&flow, &ask, false).await? {
            Proved::Session(tokens) => Ok(tokens.into_response()),
            Proved::First => Ok(Json(json!({"msg": FIRST_OF_TWO, "code": "200"})).into_response()),
            Proved::Code(_) => Err(Error::internal("verifying a code")("a code that nobody asked for")),
        }
    }))
    .await
}

async fn by_link(flow: Flow, RawQuery(query): RawQuery) -> Result<Response> {
    let value = |name| query.as_deref().and_then(|query| query_value(query, name)).filter(|value| !value.is_empty());
    let token = value("token").ok_or_else(|| Error::invalid("Verify requires a token or a token hash"))?;
    let kind = value("type").ok_or_else(|| Error::invalid("Verify requires a verification type"))?;
    let is_pkce = token.starts_with(PKCE_PREFIX);
    let place = flow.redirect_to();
    let proved = async {
        flow.count(Limit::Verify).await?;
        prove(&flow, &Ask::link(&kind, token)?, is_pkce).await
    };
    let to = match Box::pin(proved).await {
        Ok(Proved::Session(tokens)) => landing::with_session(&place, &tokens, Some(&kind)),
        Ok(Proved::Code(code)) => landing::with_code(&place, &code),
        Ok(Proved::First) => landing::with_message(&place, FIRST_OF_TWO, is_pkce),
        Err(error) => {
            error.log();
            landing::with_error(&place, &error, is_pkce)
        }
    };
    Ok(landing::go(StatusCode::SEE_OTHER, &to))
}

/// What a proof leads to.
enum Proved {
    Session(Box<Tokens>),
    /// For a client that proves itself.
    Code(String),
    First,
}

async fn prove(flow: &Flow, ask: &Ask, for_code: bool) -> Result<Proved> {
    let mut tx = flow.begin().await?;
    let right = match check(flow, &mut tx, ask).await? {
        Checked::Right(right) => right,
        Checked::Wrong(refusal) => {
            // The try counts, although the answer is an error.
            tx.commit().await?;
            return Err(refusal);
        }
    };
    let state = right.token.as_ref().and_then(|token| token.flow_state_id);
    let proved = match apply(flow, &mut tx, *right).await? {
        Applied::First => Proved::First,
        Applied::Done(user) if for_code => {
            let state = match state {
                Some(id) => flow_state::lock(&mut tx, id).await?,
                None => None,
            };
            let state = state.ok_or_else(request::expired_link)?;
            Proved::Code(flow_state::issue_code(&mut tx, state.id, user.id(), None, None).await?)
        }
        Applied::Done(user) => {
            if let Some(id) = state {
                flow_state::delete(&mut tx, id).await?;
            }
            Proved::Session(Box::new(session::open(flow, &mut tx, &user, "otp").await?))
        }
    };
    tx.commit().await?;
    Ok(proved)
}
