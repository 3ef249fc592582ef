//! Mails, as the flows hand them over: what is sent to whom, not how.
//!
//! A flow makes the code ([`Code`]), stores its hash (`store::one_time_tokens`) and queues the mail in the same transaction, so
//! that no mail goes out for an account that was not kept, and a slow mail server holds nobody up.

mod code;

use std::future::Future;
use std::pin::Pin;

use serde_json::Value;

pub use code::Code;

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

/// One mail.
#[derive(Clone, Debug)]
pub struct Mail {
    /// What it is about.
    pub kind: MailKind,
    /// To whom.
    pub to: String,
    /// The code and its hash.
    pub code: Code,
    /// Where the link leads in the end; checked against the allowed addresses.
    pub redirect_to: Option<String>,
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
}

/// No mail server: whatever needs a mail fails.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoMailer;

impl Mailer for NoMailer {
    fn queue<'a>(&'a self, _tx: &'a mut Tx, mail: Mail) -> Queueing<'a> {
        let missing = format!("a mail ({:?}) is to be sent, and no mail server is configured", mail.kind);
        Box::pin(std::future::ready(Err(Error::internal("sending a mail")(missing))))
    }
}
