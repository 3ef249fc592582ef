//! `/admin`: accounts as administrators see and change them (contract 5).

mod attributes;
mod create;
mod delete;
mod duration;
mod generate_link;
mod invite;
mod list;
mod show;
mod update;

pub(crate) use duration::ban_seconds;

use axum::Router;
use axum::routing::{get, post};
use uuid::Uuid;

use crate::error::{Error, ErrorCode, Result};
use crate::router::Room;
use crate::store::{Tx, users};
use crate::user::User;

pub(crate) fn routes() -> Router<Room> {
    Router::new()
        .route("/admin/users", get(list::list).post(create::create))
        .route("/admin/generate_link", post(generate_link::generate_link))
        .route("/invite", post(invite::invite))
        .route("/admin/users/{id}", get(show::show).put(update::update).delete(delete::delete))
}

/// A path's id.
pub(crate) fn id(text: &str) -> Result<Uuid> {
    let not_an_id = |_| Error::not_found(ErrorCode::ValidationFailed, "user_id must be an UUID");
    Uuid::parse_str(text).map_err(not_an_id)
}

/// The account of a path, locked.
pub(crate) async fn lock(tx: &mut Tx, id: Uuid) -> Result<User> {
    users::lock(tx, id).await?.ok_or_else(not_found)
}

pub(crate) fn not_found() -> Error {
    Error::not_found(ErrorCode::UserNotFound, "User not found")
}
