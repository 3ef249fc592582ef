//! Calls to the application while people sign in (contract 7): a function of the database, or an address.
//!
//! A flow names its hook; `input` says what is asked and `output` what came back. A function runs in the flow's transaction
//! as the schema's owner (`function`), an address is called through the guarded client with a signature (`http`).
//! Invariant: a hook that is enabled and fails, fails the flow, except the one that only hears; no hook, no difference.
//! Invariant: what a hook answers is checked before it is used; an answer never grants what the contract does not say.
//! Read on: `events` (each hook), docs/guide/auth-mfa.md.

mod events;
mod function;
mod http;
mod target;

use jiff::Timestamp;
use serde_json::{Map, Value, json};
use uuid::Uuid;

pub use events::{SmsToSend, send_email, send_sms};
pub(crate) use events::{
    after_user_created, before_user_created, customize_access_token, judge_factor, judge_password,
};
pub(crate) use http::key as secret_key;
pub(crate) use target::{HookTarget, NoHook};

use crate::caller::Flow;
use crate::config::{HookSection, HooksSection};
use crate::error::{Error, ErrorCode, Result};
use crate::outbound::Outbound;
use crate::store::Tx;

/// A moment at which the application is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hook {
    /// May change the claims of a token.
    CustomizeAccessToken,
    /// Sends a mail.
    SendEmail,
    /// Sends a text message.
    SendSms,
    /// Judges an attempt with a password.
    PasswordVerification,
    /// Judges an attempt with a second factor.
    MfaVerification,
    /// May refuse a new account.
    BeforeUserCreated,
    /// Hears of a new account.
    AfterUserCreated,
}

impl Hook {
    /// As its input names it.
    fn name(self) -> &'static str {
        match self {
            Self::CustomizeAccessToken => "customize-access-token",
            Self::SendEmail => "send-email",
            Self::SendSms => "send-sms",
            Self::PasswordVerification => "password-verification-attempt",
            Self::MfaVerification => "mfa-verification-attempt",
            Self::BeforeUserCreated => "before-user-created",
            Self::AfterUserCreated => "after-user-created",
        }
    }

    fn section(self, section: &HooksSection) -> &HookSection {
        match self {
            Self::CustomizeAccessToken => &section.customize_access_token,
            Self::SendEmail => &section.send_email,
            Self::SendSms => &section.send_sms,
            Self::PasswordVerification => &section.password_verification,
            Self::MfaVerification => &section.mfa_verification,
            Self::BeforeUserCreated => &section.before_user_created,
            Self::AfterUserCreated => &section.after_user_created,
        }
    }
}

/// What a call needs: which hooks there are, the way out, and who caused it.
#[derive(Clone, Copy)]
pub struct Hooks<'a> {
    /// The configuration.
    pub section: &'a HooksSection,
    /// The way to addresses.
    pub outbound: &'a dyn Outbound,
    /// The address of whoever caused it.
    pub ip: Option<std::net::IpAddr>,
}

impl<'a> Hooks<'a> {
    /// Of a request.
    pub(crate) fn of(flow: &'a Flow) -> Self {
        Self { section: &flow.settings.section.hooks, outbound: flow.room.outbound(), ip: flow.client.ip }
    }

    /// Whether somebody is asked at this moment.
    pub fn has(&self, hook: Hook) -> bool {
        hook.section(self.section).enabled
    }

    /// Asks; `None` when nobody is to be asked.
    async fn call(&self, tx: &mut Tx, hook: Hook, input: Value) -> Result<Option<Map<String, Value>>> {
        let section = hook.section(self.section);
        if !section.enabled {
            return Ok(None);
        }
        let target = section.uri.as_deref().map(HookTarget::parse).transpose();
        let target = target.map_err(Error::internal("reading a hook's address"))?;
        let mut input = input;
        input["metadata"] = json!({
            "uuid": Uuid::new_v4(),
            "time": Timestamp::now().to_string(),
            "name": hook.name(),
            "ip_address": self.ip.map(|ip| ip.to_string()).unwrap_or_default(),
        });
        let output = match target {
            Some(HookTarget::Function { schema, function }) => function::call(tx, schema, function, &input).await?,
            Some(HookTarget::Address(url)) => http::call(self.outbound, url, &section.secrets, &input).await?,
            None => return Ok(None),
        };
        checked(output).map(Some)
    }
}

/// An answer is an object; `error` in it is for the caller.
fn checked(output: Value) -> Result<Map<String, Value>> {
    let Value::Object(output) = output else {
        let message = "The hook did not answer with a JSON object";
        return Err(Error::refused(::http::StatusCode::INTERNAL_SERVER_ERROR, ErrorCode::UnexpectedFailure, message));
    };
    let Some(error) = output.get("error").filter(|error| !error.is_null()) else { return Ok(output) };
    let status = error["http_code"].as_u64().and_then(|code| u16::try_from(code).ok());
    let status = status.and_then(|code| ::http::StatusCode::from_u16(code).ok()).filter(|code| code.as_u16() >= 400);
    let status = status.unwrap_or(::http::StatusCode::INTERNAL_SERVER_ERROR);
    let code = if status.is_server_error() { ErrorCode::UnexpectedFailure } else { ErrorCode::Unknown };
    let message = error["message"].as_str().filter(|text| !text.is_empty()).unwrap_or("The hook refused");
    Err(Error::refused(status, code, message.to_owned()))
}
