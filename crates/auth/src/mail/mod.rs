//! Mails: what is sent to whom, how it is written, and how it gets out.
//!
//! A flow makes the code ([`Code`]), stores its hash (`store::one_time_tokens`) and queues the mail in the same transaction, so
//! that no mail goes out for an account that was not kept, and a slow mail server holds nobody up: [`Outbox`] writes the mail
//! ([`Templates`]) into a table, and [`Sender`] takes it from there to the mail server (`smtp`).
//! Invariant: what people wrote about themselves never becomes a field of a mail's head or markup of its body.

mod code;
mod outbox;
mod sender;
mod smtp;
mod template;

use std::future::Future;
use std::pin::Pin;

use serde_json::Value;

pub use code::{Code, PKCE_PREFIX};
pub use outbox::Outbox;
pub use sender::Sender;
pub use template::{Rendered, TemplateError, Templates, example};

use crate::error::{Error, Result};
use crate::store::Tx;

/// What a mail is about; also the name of its template.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MailKind {
    /// Prove the address of a new account.
    Confirmation,
    /// Somebody was invited.
    Invite,
    /// Sign in without the password.
    Recovery,
    /// Sign in by link.
    MagicLink,
    /// Say yes to a new address.
    EmailChange,
    /// A code before a change of the account.
    Reauthentication,
}

impl MailKind {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Confirmation, Self::Invite, Self::Recovery, Self::MagicLink, Self::EmailChange, Self::Reauthentication];

    /// As the configuration calls it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Confirmation => "confirmation",
            Self::Invite => "invite",
            Self::Recovery => "recovery",
            Self::MagicLink => "magic_link",
            Self::EmailChange => "email_change",
            Self::Reauthentication => "reauthentication",
        }
    }

    /// `type` of the link.
    pub fn verification_type(self) -> &'static str {
        match self {
            Self::Confirmation => "signup",
            Self::Invite => "invite",
            Self::Recovery => "recovery",
            Self::MagicLink => "magiclink",
            Self::EmailChange => "email_change",
            Self::Reauthentication => "reauthentication",
        }
    }

    /// How a session that comes of the link says that its user was proved (contract 1.5).
    pub fn method(self) -> &'static str {
        if self == Self::Confirmation { "email/signup" } else { self.verification_type() }
    }
}

/// One mail.
#[derive(Clone, Debug)]
pub struct Mail {
    /// What it is about.
    pub kind: MailKind,
    /// To whom.
    pub to: String,
    /// The code.
    pub code: Code,
    /// The address of the link.
    pub link: String,
    /// Where the link leads in the end; it was checked.
    pub redirect_to: String,
    /// The new address of a change.
    pub new_email: Option<String>,
    /// The account, as its owner sees it.
    pub user: Value,
}

/// Ends when the mail is queued.
pub type Queueing<'a> = Pin<Box<dyn Future<Output = Result<()>> + Send + 'a>>;

/// Takes mails.
pub trait Mailer: Send + Sync {
    /// Takes a mail in a transaction: it goes out when that is committed.
    fn queue<'a>(&'a self, tx: &'a mut Tx, mail: Mail) -> Queueing<'a>;

    /// Whether mails can be taken at all; asked before it is known whether there is an account to write to.
    ///
    /// # Errors
    /// No mail server is configured.
    fn check(&self) -> Result<()> {
        Ok(())
    }
}

/// No mail server: whatever needs a mail fails.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoMailer;

impl Mailer for NoMailer {
    fn queue<'a>(&'a self, _tx: &'a mut Tx, _mail: Mail) -> Queueing<'a> {
        Box::pin(std::future::ready(self.check()))
    }

    fn check(&self) -> Result<()> {
        Err(Error::internal("sending a mail")("no mail server is configured (auth.mailer.host)"))
    }
}
