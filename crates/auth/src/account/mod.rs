//! `/user`: the account as its owner sees and changes it (contract 3).

mod stranger;
mod update;

use axum::Router;
use axum::routing::get;
use serde_json::Value;

pub(crate) use stranger::{drop_stranger, vouch_for_password};
pub(crate) use update::{add_identity, merged, send_email_change};

use crate::caller::{Json, SignedIn};
use crate::router::Room;
use crate::user;

pub(crate) fn routes() -> Router<Room> {
    Router::new().route("/user", get(show).put(update::update))
}

async fn show(caller: SignedIn) -> Json<Value> {
    Json(user::user(&caller.user))
}
