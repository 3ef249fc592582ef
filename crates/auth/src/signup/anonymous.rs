//! Signing in as nobody: an account without a way back into it, until it gets one.

use serde_json::{Map, Value};

use crate::caller::Flow;
use crate::error::{Error, Result};
use crate::hooks;
use crate::session::{self, Tokens};
use crate::store::users::NewUser;
use crate::store::{audit, users};

/// Makes an anonymous account and opens its session.
pub(super) async fn sign_in(flow: &Flow, data: Map<String, Value>) -> Result<Tokens> {
    let mut tx = flow.begin().await?;
    let new = NewUser { user_metadata: data, is_anonymous: true, ..NewUser::default() };
    hooks::before_user_created(flow, &mut tx, &new, None).await?;
    let id = users::insert(&mut tx, &new).await?;
    let user = users::find(&mut tx, id).await?;
    let user = user.ok_or_else(|| Error::internal("making an account")("it is not there"))?;
    hooks::after_user_created(flow, &mut tx, &user).await?;
    audit::note(&mut tx, "user_signedup", &user, flow.client.ip, None).await?;
    let tokens = session::open(flow, &mut tx, &user, "anonymous").await?;
    tx.commit().await?;
    Ok(tokens)
}
