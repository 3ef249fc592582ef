//! How long a session may live: asked at every refresh, by the database's clock.

use std::time::Duration;

use crate::config::SessionsSection;
use crate::error::{Error, ErrorCode, Result};
use crate::store::sessions::Session;
use crate::store::{Tx, sessions};
use crate::user::User;

/// Whether the session may go on.
///
/// # Errors
/// Why not.
pub(super) async fn check(tx: &mut Tx, session: &Session, user: &User, section: &SessionsSection) -> Result<()> {
    let over = |limit: Option<Duration>, seconds: f64| limit.is_some_and(|limit| seconds > limit.as_secs_f64());
    if session.has_ended || over(section.timebox, session.age) {
        return Err(expired("Invalid Refresh Token: Session Expired"));
    }
    if over(section.inactivity_timeout, session.idle) {
        return Err(expired("Invalid Refresh Token: Session Expired (Inactivity)"));
    }
    let lacks_factor = user.has_verified_factor() && session.aal.as_deref().unwrap_or("aal1") == "aal1";
    if lacks_factor && over(section.low_aal_timeout, session.age) {
        return Err(expired("Invalid Refresh Token: Session Expired (Low AAL: User Needs MFA Verification)"));
    }
    if section.single_per_user && sessions::has_newer(tx, session).await? {
        return Err(expired("Invalid Refresh Token: Session Expired (Revoked by Newer Login)"));
    }
    Ok(())
}

fn expired(message: &'static str) -> Error {
    Error::bad_request(ErrorCode::SessionExpired, message)
}
