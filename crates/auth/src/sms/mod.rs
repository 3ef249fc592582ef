//! Text messages, as the flows hand them over, and as a provider is asked to deliver them.
//!
//! The room writes the request ([`request`]); whoever has the way to the outside makes the call (`app`) and lets the room
//! read the answer ([`answer`]). How each provider wants it is in `providers`.

mod providers;

use std::future::Future;
use std::pin::Pin;

use ferrobase_base::Secret;
use http::StatusCode;
use serde_json::Value;
use url::form_urlencoded;

use crate::config::{SmsProvider, SmsSection};
use crate::error::{Error, ErrorCode, Result};
use crate::user::address;
use providers::{Login, preset};

/// One message.
#[derive(Clone, Debug)]
pub struct Message {
    /// The number, digits only.
    pub to: String,
    /// `sms` or `whatsapp`.
    pub channel: String,
    /// The text, with the code in it.
    pub text: String,
}

/// Ends with the provider's id of the message.
pub type Sending<'a> = Pin<Box<dyn Future<Output = Result<Option<String>>> + Send + 'a>>;

/// Sends messages.
pub trait Texter: Send + Sync {
    /// Sends one.
    fn send(&self, message: Message) -> Sending<'_>;
}

/// No provider: whatever needs a message fails.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoTexter;

impl Texter for NoTexter {
    fn send(&self, _message: Message) -> Sending<'_> {
        Box::pin(std::future::ready(Err(failed("no provider is configured"))))
    }
}

/// A request that delivers a message.
#[derive(Clone, Debug)]
pub struct Request {
    /// Whose answer will come.
    pub provider: SmsProvider,
    /// Where to.
    pub url: String,
    /// `Authorization`, where the login is not in the form.
    pub authorization: Option<Secret>,
    /// The form.
    pub body: String,
}

/// Writes the request for a message; it goes out as `application/x-www-form-urlencoded`.
///
/// # Errors
/// The configuration lacks a provider, account, secret or sender; the provider lacks the channel.
pub fn request(section: &SmsSection, message: &Message) -> Result<Request> {
    let (Some(provider), Some(token), Some(from)) = (section.provider, &section.token, &section.from) else {
        return Err(failed("no provider is configured"));
    };
    let preset = preset(provider);
    if message.channel == "whatsapp" && !preset.has_whatsapp {
        return Err(failed("the provider has no WhatsApp"));
    }
    let account = section.account.as_deref().unwrap_or_default();
    let written = (preset.write)(&Login { account, token: token.expose(), from }, message);
    let base = section.url.as_ref().map_or(preset.place.to_owned(), ToString::to_string);
    let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(written.form).finish();
    Ok(Request {
        provider,
        url: format!("{}{}", base.trim_end_matches('/'), written.path),
        authorization: written.authorization.map(Secret::new),
        body,
    })
}

/// Whether the accounts of a provider have a name beside the secret.
pub(crate) fn names_accounts(provider: SmsProvider) -> bool {
    preset(provider).names_accounts
}

/// Reads the provider's answer: its id of the message.
///
/// # Errors
/// The provider refused, or says that delivery has failed.
pub fn answer(provider: SmsProvider, status: StatusCode, body: &[u8]) -> Result<Option<String>> {
    let answer: Value = serde_json::from_slice(body).unwrap_or_default();
    match (preset(provider).read)(&answer) {
        Ok(id) if status.is_success() => Ok(id),
        read => {
            let code = read.err().unwrap_or_else(|| answer["code"].to_string());
            tracing::warn!(%provider, %status, code, "the provider of text messages refused one");
            Err(failed("the provider refused it"))
        }
    }
}

/// What a caller is told when a message could not be sent.
pub fn failed(reason: &str) -> Error {
    let message = format!("Error sending sms OTP: {reason}");
    Error::refused(StatusCode::UNPROCESSABLE_ENTITY, ErrorCode::SmsSendFailed, message)
}

/// The fixed code of a number for tests.
pub(crate) fn test_code<'a>(section: &'a SmsSection, number: &str) -> Option<&'a str> {
    let entries = section.test_otp.iter();
    let is_number = |written: &str| address::phone(written).is_ok_and(|written| written == number);
    entries.into_iter().find(|(written, _)| is_number(written)).map(|(_, code)| code.expose())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn section(provider: SmsProvider) -> SmsSection {
        SmsSection {
            provider: Some(provider),
            account: Some("AC1".to_owned()),
            token: Some("secret".to_owned().into()),
            from: Some("+15550".to_owned()),
            test_otp: [("+1 234 567".to_owned(), "123456".to_owned().into())].into(),
            ..SmsSection::default()
        }
    }

    fn message(channel: &str) -> Message {
        Message { to: "49151".to_owned(), channel: channel.to_owned(), text: "Code 1&2".to_owned() }
    }

    #[test]
    fn a_request_has_receiver_sender_and_text() {
        let twilio = section(SmsProvider::Twilio);
        let request_of = |channel| request(&twilio, &message(channel)).unwrap();
        let sms = request_of("sms");
        assert_eq!(sms.url, "https://api.twilio.com/2010-04-01/Accounts/AC1/Messages.json");
        assert_eq!(sms.authorization, Some(Secret::new("Basic QUMxOnNlY3JldA==")));
        assert_eq!(sms.body, "To=%2B49151&From=%2B15550&Body=Code+1%262");
        let whatsapp = "To=whatsapp%3A%2B49151&From=whatsapp%3A%2B15550&Body=Code+1%262";
        assert_eq!(request_of("whatsapp").body, whatsapp);
        let service = SmsSection { from: Some("MG1".to_owned()), ..twilio.clone() };
        assert!(request(&service, &message("sms")).unwrap().body.contains("MessagingServiceSid=MG1"));
        assert!(request(&SmsSection { token: None, ..twilio }, &message("sms")).is_err());
        for provider in [SmsProvider::Messagebird, SmsProvider::Textlocal, SmsProvider::Vonage] {
            assert!(request(&section(provider), &message("whatsapp")).is_err(), "{provider}");
        }
    }

    #[test]
    fn what_is_not_ascii_is_said_to_be_so() {
        let told = |provider| request(&section(provider), &Message { text: "C\u{f3}d".to_owned(), ..message("sms") });
        assert!(told(SmsProvider::Vonage).unwrap().body.ends_with("text=C%C3%B3d&type=unicode"));
        assert!(told(SmsProvider::Textlocal).unwrap().body.ends_with("message=C%C3%B3d&unicode=true"));
    }

    #[test]
    fn an_answer_has_an_id_or_is_a_failure() {
        use SmsProvider::{Messagebird, Textlocal, Twilio, Vonage};
        for (provider, status, body, id) in [
            (Twilio, 201, r#"{"sid": "1"}"#, Some("1")),
            (Twilio, 201, r#"{"sid": "1", "status": "failed"}"#, None),
            (Twilio, 401, r#"{"code": 20003}"#, None),
            (Messagebird, 201, r#"{"id": "1", "recipients": {"totalDeliveryFailedCount": 0}}"#, Some("1")),
            (Messagebird, 201, r#"{"id": "1", "recipients": {"totalDeliveryFailedCount": 1}}"#, None),
            (Messagebird, 422, r#"{"errors": [{"code": 9}]}"#, None),
            (Textlocal, 200, r#"{"status": "success", "messages": [{"id": "1"}]}"#, Some("1")),
            (Textlocal, 200, r#"{"status": "failure", "errors": [{"code": 3}]}"#, None),
            (Vonage, 200, r#"{"messages": [{"status": "0", "message-id": "1"}]}"#, Some("1")),
            (Vonage, 200, r#"{"messages": [{"status": "4", "error-text": "Bad Credentials"}]}"#, None),
            (Vonage, 200, "<html>", None),
        ] {
            let read = answer(provider, StatusCode::from_u16(status).unwrap(), body.as_bytes());
            assert_eq!(read.ok().flatten().as_deref(), id, "{provider} {body}");
        }
    }

    #[test]
    fn numbers_of_tests_are_numbers() {
        assert_eq!(test_code(&section(SmsProvider::Twilio), "1234567"), Some("123456"));
        assert_eq!(test_code(&section(SmsProvider::Twilio), "123456"), None);
    }
}
