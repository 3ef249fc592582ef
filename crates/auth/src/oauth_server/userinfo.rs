//! `GET /oauth/userinfo`: what a client may know of the user, by the scopes of its session.

use serde_json::{Map, Value};

use super::check_enabled;
use crate::caller::{Json, SignedIn};
use crate::error::{Error, Result};
use crate::user::User;

pub(super) async fn userinfo(caller: SignedIn) -> Result<Json<Value>> {
    check_enabled(&caller.flow)?;
    let client = caller.session.as_ref().filter(|session| session.oauth_client_id.is_some());
    // The user's own applications see all that a client could.
    let scopes = match client {
        Some(session) => session.scopes.clone().ok_or_else(|| Error::internal("reading a session")("no scopes"))?,
        None => super::SCOPES.join(" "),
    };
    Ok(Json(Value::Object(claims_of(&caller.user, &scopes))))
}

/// The claims of these scopes (OpenID Connect Core, 5.4).
pub(super) fn claims_of(user: &User, scopes: &str) -> Map<String, Value> {
    let has = |wanted: &str| scopes.split(' ').any(|scope| scope == wanted);
    let mut out = Map::from_iter([("sub".to_owned(), Value::from(user.id().to_string()))]);
    if has("email") && !user.email().is_empty() {
        out.insert("email".to_owned(), user.email().into());
        out.insert("email_verified".to_owned(), user.row.email_confirmed_at.is_some().into());
    }
    if has("phone") && !user.phone().is_empty() {
        out.insert("phone_number".to_owned(), format!("+{}", user.phone()).into());
        out.insert("phone_number_verified".to_owned(), user.row.phone_confirmed_at.is_some().into());
    }
    if has("profile") {
        let metadata = user.row.raw_user_meta_data.as_ref();
        for name in ["name", "picture", "preferred_username", "given_name", "family_name", "locale"] {
            if let Some(text) = metadata.and_then(|data| data.get(name)).filter(|value| value.is_string()) {
                out.insert(name.to_owned(), text.clone());
            }
        }
        if let Some(at) = user.row.updated_at {
            out.insert("updated_at".to_owned(), at.as_second().into());
        }
    }
    out
}
