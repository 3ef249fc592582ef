//! `POST /signup`: new accounts, by address, number or nobody at all (contract 2.1).

mod anonymous;
mod confirm;
mod create;
mod request;

use axum::Router;
use axum::response::{IntoResponse, Response};
use axum::routing::post;

pub use create::{Made, create_with_identity, identity_data};

use crate::caller::{Flow, Json};
use crate::error::{Error, ErrorCode, Result};
use crate::limit::Limit;
use crate::password;
use crate::proof::veiled;
use crate::router::Room;
use request::{SignUp, Way};

pub(crate) fn routes() -> Router<Room> {
    Router::new().route("/signup", post(signup))
}

async fn signup(flow: Flow, Json(body): Json<SignUp>) -> Result<Response> {
    let section = &flow.settings.section;
    if body.is_anonymous() {
        if !section.enable_anonymous_sign_ins {
            let message = "Anonymous sign-ins are disabled";
            return Err(Error::unprocessable(ErrorCode::AnonymousProviderDisabled, message));
        }
        check_open(&flow)?;
        flow.count(Limit::Anonymous).await?;
        return Ok(Box::pin(anonymous::sign_in(&flow, body.data.unwrap_or_default())).await?.into_response());
    }
    check_open(&flow)?;
    flow.count(Limit::SignIn).await?;
    let request = body.check(section)?;
    password::check_leaked(flow.room.outbound(), &request.password, &section.password).await?;
    let is_veiled = match request.way {
        Way::Email(_) => !section.email.autoconfirm,
        Way::Phone(_) => !section.sms.autoconfirm,
    };
    let signing_up = async {
        match request.way {
            Way::Email(_) => Box::pin(confirm::by_email(&flow, request)).await,
            Way::Phone(_) => Box::pin(confirm::by_phone(&flow, request)).await,
        }
    };
    if is_veiled { veiled(signing_up).await } else { signing_up.await }
}

/// Whether new accounts are made at all.
fn check_open(flow: &Flow) -> Result<()> {
    if flow.settings.section.enable_signup {
        return Ok(());
    }
    Err(Error::unprocessable(ErrorCode::SignupDisabled, "Signups not allowed for this instance"))
}
