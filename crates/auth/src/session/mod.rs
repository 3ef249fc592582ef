//! Sessions: opened, refreshed, limited, ended; and `/token`, which leads to the flows that open them.

mod claims;
mod limits;
mod logout;
mod open;
mod raise;
mod refresh;
pub mod refresh_token;
mod token;

use axum::Router;
use axum::routing::post;

pub(crate) use open::{ClientGrant, open_as_client};
pub use open::{Tokens, of_session, open};
pub use raise::raise;
pub(crate) use refresh::refresh_as_client;

use crate::router::Room;

pub(crate) fn routes() -> Router<Room> {
    Router::new().route("/token", post(token::token)).route("/logout", post(logout::logout))
}
