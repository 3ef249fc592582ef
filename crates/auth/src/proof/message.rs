//! One text message with a code: stored in a transaction, sent after it.

use serde_json::Value;

use super::limits::{Purpose, take_quota};
use crate::caller::Flow;
use crate::error::Result;
use crate::hooks::{self, Hooks, SmsToSend};
use crate::mail::Code;
use crate::sms::{self, Message};
use crate::store::one_time_tokens::{self, NewToken, TokenType};
use crate::store::{Tx, send_limits, users};
use crate::user::{self, User};

/// A message whose code is stored.
pub(crate) struct Text {
    /// `None` for numbers of tests, which nothing is sent to.
    message: Option<Message>,
    /// For an application that sends its messages itself.
    code: Code,
    user: Value,
}

/// What a message is to prove.
#[derive(Clone, Copy)]
pub(crate) struct NumberProof<'a> {
    pub(crate) token: TokenType,
    pub(crate) number: &'a str,
    /// `sms` or `whatsapp`.
    pub(crate) channel: &'a str,
}

impl<'a> NumberProof<'a> {
    /// That who is known already reads the messages of a number.
    pub(crate) fn of(token: TokenType, number: &'a str) -> Self {
        Self { token, number, channel: "sms" }
    }
}

/// Makes the code and stores it.
pub(crate) async fn prepare(flow: &Flow, tx: &mut Tx, user: &User, proof: NumberProof<'_>) -> Result<Text> {
    let NumberProof { token, number, channel } = proof;
    let section = &flow.settings.section.sms;
    let test = sms::test_code(section, number);
    if test.is_none() {
        take_quota(flow, tx, Purpose::Message).await?;
    }
    let code = match test {
        Some(digits) => Code::of(number, digits.to_owned()),
        None => Code::make(number, section.otp_length),
    };
    let new = NewToken { user: user.id(), kind: token, code: &code, relates_to: number, flow: None };
    one_time_tokens::put(tx, &new).await?;
    users::message_sent(tx, user.id(), token).await?;
    let text = section.template.replace("{{ .Code }}", &code.digits).replace("{{.Code}}", &code.digits);
    let message = Message { to: number.to_owned(), channel: channel.to_owned(), text };
    Ok(Text { message: test.is_none().then_some(message), code, user: user::user(user) })
}

impl Text {
    /// Sends it, and gives the provider's id of it, if there is one. Call it when the transaction has ended.
    pub(crate) async fn send(self, flow: &Flow) -> Result<Option<String>> {
        let Some(message) = self.message else { return Ok(None) };
        let number = message.to.clone();
        let sent = hand_over(flow, message, &self.code, &self.user).await;
        if sent.is_err() {
            // Nobody got anything: the next try need not wait.
            let mut tx = flow.begin().await?;
            send_limits::give_back_turn(&mut tx, &number, Purpose::Message.as_str()).await?;
            tx.commit().await?;
        }
        sent
    }
}

/// The application sends it, or the provider does.
async fn hand_over(flow: &Flow, message: Message, code: &Code, user: &Value) -> Result<Option<String>> {
    let sms = SmsToSend { phone: &message.to, code: &code.digits, kind: "sms_otp" };
    if hooks::send_sms(Hooks::of(flow), &flow.database, user, &sms).await? {
        return Ok(None);
    }
    flow.room.texter().send(message).await
}
