//! How often something is sent: to one address, and in an hour to all.

use std::time::Duration;

use crate::caller::Flow;
use crate::error::{Error, ErrorCode, Result};
use crate::store::{Tx, send_limits};

/// Why something is sent to an address; each has its own turns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    Confirmation,
    SignIn,
    EmailChange,
    Reauthentication,
    /// Any text message.
    Message,
}

impl Purpose {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Confirmation => "confirmation",
            Self::SignIn => "sign_in",
            Self::EmailChange => "email_change",
            Self::Reauthentication => "reauthentication",
            Self::Message => "message",
        }
    }

    /// Name of the hour's quota.
    fn channel(self) -> &'static str {
        if self == Self::Message { "sms" } else { "email" }
    }

    fn refusal(self) -> ErrorCode {
        if self == Self::Message { ErrorCode::OverSmsSendRateLimit } else { ErrorCode::OverEmailSendRateLimit }
    }
}

/// Takes the address's next turn, whether an account has it or not.
///
/// # Errors
/// 429 when the last was too short a time ago.
pub(crate) async fn take_turn(flow: &Flow, tx: &mut Tx, purpose: Purpose, address: &str) -> Result<()> {
    let section = &flow.settings.section;
    let least = if purpose == Purpose::Message { section.sms.max_frequency } else { section.email.max_frequency };
    match send_limits::take_turn(tx, address, purpose.as_str(), least.as_secs_f64()).await? {
        None => Ok(()),
        Some(wait) => {
            let message = format!("For security purposes, you can only request this after {wait} seconds.");
            Err(Error::too_many(purpose.refusal(), message, Duration::from_secs_f64(wait)))
        }
    }
}

/// Refuses when the hour's quota is used up, without taking from it: for addresses that nothing is sent to.
pub(crate) async fn check_quota(flow: &Flow, tx: &mut Tx, purpose: Purpose) -> Result<()> {
    let per_hour = f64::from(flow.settings.section.mailer.rate_per_hour);
    if send_limits::has_quota(tx, purpose.channel(), per_hour).await? { Ok(()) } else { Err(used_up(purpose)) }
}

/// Takes one of the hour's quota.
pub(super) async fn take_quota(flow: &Flow, tx: &mut Tx, purpose: Purpose) -> Result<()> {
    let per_hour = f64::from(flow.settings.section.mailer.rate_per_hour);
    if send_limits::take_quota(tx, purpose.channel(), per_hour).await? { Ok(()) } else { Err(used_up(purpose)) }
}

fn used_up(purpose: Purpose) -> Error {
    let message = if purpose == Purpose::Message { "SMS rate limit exceeded" } else { "email rate limit exceeded" };
    Error::too_many(purpose.refusal(), message, Duration::from_secs(60))
}
