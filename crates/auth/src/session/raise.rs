//! A second factor was proved: the session is worth more, and its client gets new tokens that say so.

use uuid::Uuid;

use super::open::{Tokens, of_session};
use super::refresh_token::RefreshToken;
use crate::caller::Flow;
use crate::error::{Error, ErrorCode, Result};
use crate::store::{Tx, amr, sessions};
use crate::user::Factor;

/// Raises a session by this factor, proved by this method. The user's sessions without a second factor end.
pub async fn raise(flow: &Flow, tx: &mut Tx, session: Uuid, factor: &Factor, method: &str) -> Result<Tokens> {
    let raised = sessions::raise(tx, session, factor.id).await?;
    let (key, counter) = raised.ok_or_else(gone)?;
    amr::note(tx, session, method).await?;
    sessions::delete_below_aal2(tx, factor.user_id).await?;
    of_session(flow, tx, factor.user_id, session, RefreshToken::new(session, counter, &key)).await
}

fn gone() -> Error {
    Error::forbidden(ErrorCode::SessionNotFound, "Session from session_id claim in JWT does not exist")
}
