//! Proving an address or a number: codes and links that go out by mail and text message (contract 2.3, 2.5, 3).
//!
//! A request goes: limits of the caller -> the address's turn (`limits`) -> the account, if there is one -> a new token and the
//! mail in one transaction (`mail`), or the token in a transaction and the message after it (`message`). What comes back is
//! checked by `verify`.
//! Invariant: whoever asks cannot tell from answer, limits or time whether an account has the address ([`veiled`]).
//! Invariant: no text message is sent while a connection is held.

mod limits;
mod mail;
mod message;
mod otp;
mod reauthenticate;
mod recover;
mod resend;
mod veil;

use axum::Router;
use axum::routing::{get, post};

pub(crate) use limits::{Purpose, check_quota, take_turn};
pub(crate) use mail::{Proof, check_mailer, link, send};
pub(crate) use message::{NumberProof, Text, prepare};
pub(crate) use reauthenticate::use_nonce;
pub(crate) use veil::veiled;

use crate::router::Room;

pub(crate) fn routes() -> Router<Room> {
    Router::new()
        .route("/otp", post(otp::otp))
        .route("/magiclink", post(otp::magic_link))
        .route("/recover", post(recover::recover))
        .route("/resend", post(resend::resend))
        .route("/reauthenticate", get(reauthenticate::reauthenticate))
}
