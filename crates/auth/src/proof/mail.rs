//! One mail with a code and a link: made, stored and queued in one transaction.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

use super::limits::{Purpose, take_quota};
use crate::caller::Flow;
use crate::error::Result;
use crate::hooks::{self, Hook, Hooks};
use crate::mail::{Code, Mail, MailKind};
use crate::pkce::Challenge;
use crate::settings::Settings;
use crate::store::flow_state::{self, NewFlow};
use crate::store::one_time_tokens::{self, NewToken, TokenType};
use crate::store::{Tx, users};
use crate::user::{self, User};

/// What a mail is to prove.
#[derive(Clone, Copy)]
pub(crate) struct Proof<'a> {
    pub(crate) kind: MailKind,
    pub(crate) token: TokenType,
    pub(crate) to: &'a str,
    /// The new address of a change.
    pub(crate) new_email: Option<&'a str>,
    /// What the client will prove when somebody follows the link.
    pub(crate) challenge: Option<&'a Challenge>,
}

impl<'a> Proof<'a> {
    /// That a new account's address is its owner's.
    pub(crate) fn of_address(to: &'a str, challenge: Option<&'a Challenge>) -> Self {
        let (kind, token) = (MailKind::Confirmation, TokenType::Confirmation);
        Self { kind, token, to, new_email: None, challenge }
    }

    /// That whoever signs in without the password reads the mails of an address.
    pub(crate) fn of_sign_in(kind: MailKind, to: &'a str, challenge: Option<&'a Challenge>) -> Self {
        Self { kind, token: TokenType::Recovery, to, new_email: None, challenge }
    }
}

/// Makes the code, stores it and queues the mail.
pub(crate) async fn send(flow: &Flow, tx: &mut Tx, user: &User, proof: Proof<'_>) -> Result<()> {
    take_quota(flow, tx, purpose(proof.kind)).await?;
    let redirect_to = flow.redirect_to();
    let mut code = Code::make(proof.to, flow.settings.section.email.otp_length);
    let mut state = None;
    if let Some(challenge) = proof.challenge {
        code = code.for_pkce();
        let new = NewFlow {
            user: Some(user.id()),
            provider: "email",
            method: proof.kind.method(),
            challenge: Some(challenge),
            redirect_to: Some(&redirect_to),
            ..NewFlow::default()
        };
        state = Some(flow_state::begin(tx, &new).await?);
    }
    let token = NewToken { user: user.id(), kind: proof.token, code: &code, relates_to: proof.to, flow: state };
    one_time_tokens::put(tx, &token).await?;
    users::sent(tx, user.id(), proof.kind).await?;
    let link = link(&flow.settings, &code.link, proof.kind.verification_type(), &redirect_to);
    let mail = Mail {
        kind: proof.kind,
        to: proof.to.to_owned(),
        code,
        link,
        redirect_to,
        new_email: proof.new_email.map(str::to_owned),
        user: user::user(user),
    };
    if hooks::send_email(Hooks::of(flow), tx, &mail.user, &email_data(flow, user, proof.token, &mail)).await? {
        return Ok(());
    }
    flow.room.mailer().queue(tx, mail).await
}

/// Whether mails can go out at all, by the application or by us.
///
/// # Errors
/// No mail server is configured.
pub(crate) fn check_mailer(flow: &Flow) -> Result<()> {
    if Hooks::of(flow).has(Hook::SendEmail) { Ok(()) } else { flow.room.mailer().check() }
}

/// What the application is told of a mail (contract 7). A change of address that both must agree to is two mails, and a call
/// for each; clients read the secrets of the one to the old address in `token` and `token_hash_new`, of the one to the new
/// address in `token_new` and `token_hash`.
fn email_data(flow: &Flow, user: &User, token: TokenType, mail: &Mail) -> Value {
    let (digits, link) = (mail.code.digits.as_str(), mail.code.link.as_str());
    let is_double = flow.settings.section.email.double_confirm_changes && !user.email().is_empty();
    let (token, token_hash, token_new, token_hash_new) = match token {
        TokenType::EmailChangeCurrent => (digits, "", "", link),
        TokenType::EmailChangeNew if is_double => ("", link, digits, ""),
        _ => (digits, link, "", ""),
    };
    json!({
        "token": token,
        "token_hash": token_hash,
        "token_new": token_new,
        "token_hash_new": token_hash_new,
        "redirect_to": mail.redirect_to,
        "email_action_type": mail.kind.verification_type(),
        "site_url": flow.settings.external_url,
        "old_email": if mail.new_email.is_some() { user.email() } else { "" },
        "old_phone": "",
        "provider": "",
        "factor_type": "",
    })
}

fn purpose(kind: MailKind) -> Purpose {
    match kind {
        MailKind::Confirmation | MailKind::Invite => Purpose::Confirmation,
        MailKind::Recovery | MailKind::MagicLink => Purpose::SignIn,
        MailKind::EmailChange => Purpose::EmailChange,
        MailKind::Reauthentication => Purpose::Reauthentication,
    }
}

/// The address of a link; `token` comes first.
pub(crate) fn link(settings: &Settings, token: &str, verification_type: &str, redirect_to: &str) -> String {
    let redirect_to = utf8_percent_encode(redirect_to, NON_ALPHANUMERIC);
    format!("{}/verify?token={token}&type={verification_type}&redirect_to={redirect_to}", settings.external_url)
}
