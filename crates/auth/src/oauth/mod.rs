//! Signing in through other people's sign-in (contract 2.2, 2.6, 3): a way there, the way back, and whose account it is.
//!
//! `begin` sends a browser to a provider; `callback` takes it back, trades the code (`provider`) and asks `arrive` for
//! the account; `id_token` does the same for a token that a device got by itself; `identities` adds and takes away ways into
//! an account.
//! Invariant: whoever comes back is the browser that left, or proves it by PKCE.

mod arrive;
mod begin;
mod browser;
mod callback;
mod id_token;
mod identities;

use axum::Router;
use axum::routing::{delete, get, post};

pub(crate) use arrive::{Arrival, Arrived, arrive};
pub(crate) use id_token::grant;

use crate::error::{Error, ErrorCode};
use crate::router::Room;

pub(crate) fn routes() -> Router<Room> {
    Router::new()
        .route("/authorize", get(begin::authorize))
        .route("/callback", get(callback::by_query).post(callback::by_form))
        .route("/user/identities/authorize", get(identities::authorize))
        .route("/user/identities/{id}", delete(identities::unlink))
        .route("/sso", post(no_saml))
        .route("/sso/saml/metadata", get(no_saml))
        .route("/sso/saml/acs", post(no_saml))
}

/// SAML is not built: XML signatures without a sound library are worse than none.
async fn no_saml() -> Error {
    Error::not_found(ErrorCode::SamlProviderDisabled, "SAML 2.0 is disabled")
}
