//! Text messages, as the flows hand them over.

use std::future::Future;
use std::pin::Pin;

use http::StatusCode;

use crate::error::{Error, ErrorCode, Result};

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
        let message = "Error sending sms OTP: no provider is configured";
        let refused = Error::refused(StatusCode::UNPROCESSABLE_ENTITY, ErrorCode::SmsSendFailed, message);
        Box::pin(std::future::ready(Err(refused)))
    }
}
