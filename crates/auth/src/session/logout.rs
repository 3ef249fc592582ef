//! `POST /logout?scope=`: ends sessions, and with them their refresh tokens and the use of their access tokens here.

use axum::extract::RawQuery;
use http::StatusCode;

use crate::caller::{SignedIn, query_value};
use crate::error::{Error, Result};
use crate::store::{audit, sessions};

/// Ends this session, all of the user's, or all others.
pub(super) async fn logout(caller: SignedIn, RawQuery(query): RawQuery) -> Result<StatusCode> {
    let scope = query.as_deref().and_then(|query| query_value(query, "scope")).unwrap_or_default();
    let own = caller.session.as_ref().map(|session| session.id);
    let user = caller.user.id();
    let mut tx = caller.flow.begin().await?;
    match (scope.as_str(), own) {
        ("" | "global", _) => sessions::delete_all(&mut tx, user).await?,
        ("local", Some(own)) => sessions::delete(&mut tx, own).await?,
        // A token without a session ends none.
        ("local", None) => {}
        ("others", own) => sessions::delete_others(&mut tx, user, own).await?,
        _ => return Err(Error::invalid("Unsupported logout scope \"".to_owned() + &shown(&scope) + "\"")),
    }
    audit::note(&mut tx, "logout", &caller.user, caller.flow.client.ip, None).await?;
    tx.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}

fn shown(text: &str) -> String {
    text.chars().filter(|c| c.is_ascii_alphanumeric()).take(32).collect()
}
