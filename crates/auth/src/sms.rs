//! Text messages, as the flows hand them over, and as a provider is asked to deliver them.
//!
//! The room writes the request ([`request`]); whoever has the way to the outside makes the call (`app`) and lets the room
//! read the answer ([`answer`]).

use std::future::Future;
use std::pin::Pin;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::StatusCode;
use serde_json::Value;
use url::form_urlencoded;

use crate::config::{SmsProvider, SmsSection};
use crate::error::{Error, ErrorCode, Result};
use crate::user::address;

const TWILIO: &str = "https://api.twilio.com";

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
    /// Where to.
    pub url: String,
    /// `Authorization`.
    pub authorization: String,
    /// The form.
    pub body: String,
}

/// Writes the request for a message; it goes out as `application/x-www-form-urlencoded`.
///
/// # Errors
/// The configuration lacks a provider, account, secret or sender.
pub fn request(section: &SmsSection, message: &Message) -> Result<Request> {
    let (Some(SmsProvider::Twilio), Some(account), Some(token), Some(from)) =
        (section.provider, &section.account, &section.token, &section.from)
    else {
        return Err(failed("no provider is configured"));
    };
    let base = section.url.as_ref().map_or(TWILIO.to_owned(), ToString::to_string);
    let base = base.trim_end_matches('/');
    let is_whatsapp = message.channel == "whatsapp";
    let of_channel = |number: &str| if is_whatsapp { format!("whatsapp:{number}") } else { number.to_owned() };
    // A sender that is a messaging service has an id and no number.
    let sender = if from.starts_with("MG") { "MessagingServiceSid" } else { "From" };
    let sender_value = if sender == "From" { of_channel(from) } else { from.clone() };
    let body = form_urlencoded::Serializer::new(String::new())
        .append_pair("To", &of_channel(&format!("+{}", message.to)))
        .append_pair(sender, &sender_value)
        .append_pair("Body", &message.text)
        .finish();
    let credentials = STANDARD.encode(format!("{account}:{}", token.expose()));
    let account = form_urlencoded::byte_serialize(account.as_bytes()).collect::<String>();
    let url = format!("{base}/2010-04-01/Accounts/{account}/Messages.json");
    Ok(Request { url, authorization: format!("Basic {credentials}"), body })
}

/// Reads the provider's answer: its id of the message.
///
/// # Errors
/// The provider refused, or says that delivery has failed.
pub fn answer(status: StatusCode, body: &[u8]) -> Result<Option<String>> {
    let answer: Value = serde_json::from_slice(body).unwrap_or_default();
    let state = answer["status"].as_str().unwrap_or_default();
    if !status.is_success() || matches!(state, "failed" | "undelivered") {
        tracing::warn!(%status, code = %answer["code"], "the provider of text messages refused one");
        return Err(failed("the provider refused it"));
    }
    Ok(answer["sid"].as_str().map(str::to_owned))
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

    fn section() -> SmsSection {
        SmsSection {
            provider: Some(SmsProvider::Twilio),
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
        let request_of = |channel| request(&section(), &message(channel)).unwrap();
        let sms = request_of("sms");
        assert_eq!(sms.url, "https://api.twilio.com/2010-04-01/Accounts/AC1/Messages.json");
        assert_eq!(sms.authorization, "Basic QUMxOnNlY3JldA==");
        assert_eq!(sms.body, "To=%2B49151&From=%2B15550&Body=Code+1%262");
        let whatsapp = "To=whatsapp%3A%2B49151&From=whatsapp%3A%2B15550&Body=Code+1%262";
        assert_eq!(request_of("whatsapp").body, whatsapp);
        assert!(request(&SmsSection { token: None, ..section() }, &message("sms")).is_err());
    }

    #[test]
    fn an_answer_has_an_id_or_is_a_failure() {
        assert_eq!(answer(StatusCode::CREATED, br#"{"sid": "SM1"}"#).unwrap().as_deref(), Some("SM1"));
        assert!(answer(StatusCode::CREATED, br#"{"sid": "SM1", "status": "failed"}"#).is_err());
        assert!(answer(StatusCode::UNAUTHORIZED, b"{}").is_err());
    }

    #[test]
    fn numbers_of_tests_are_numbers() {
        assert_eq!(test_code(&section(), "1234567"), Some("123456"));
        assert_eq!(test_code(&section(), "123456"), None);
    }
}
