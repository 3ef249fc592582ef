//! Takes mails into the table of those that wait, in the transaction that wants them.

use std::sync::Arc;

use arc_swap::ArcSwap;
use tokio::sync::Notify;

use super::{Mail, Mailer, Queueing};
use crate::error::{Error, Result};
use crate::settings::Settings;
use crate::store::Tx;
use crate::store::outbox::{self, NewMail};

/// The way out for mails.
#[derive(Clone, Debug)]
pub struct Outbox {
    settings: Arc<ArcSwap<Settings>>,
    /// Tells the sender of this process that there is something.
    pub(super) woken: Arc<Notify>,
}

impl Outbox {
    /// With the settings in force.
    pub fn new(settings: Arc<ArcSwap<Settings>>) -> Self {
        Self { settings, woken: Arc::default() }
    }
}

impl Mailer for Outbox {
    fn queue<'a>(&'a self, tx: &'a mut Tx, mail: Mail) -> Queueing<'a> {
        Box::pin(async move {
            self.check()?;
            let settings = self.settings.load_full();
            let written = settings.templates.render(&mail, &settings.site_url);
            let is_caught = settings.section.mailer.catch;
            let new = NewMail {
                kind: mail.kind.as_str(),
                recipient: &mail.to,
                subject: &written.subject,
                html: &written.html,
                plain: &written.plain,
                is_caught,
            };
            outbox::insert(tx, &new).await?;
            if is_caught {
                tracing::info!(
                    to = mail.to,
                    kind = mail.kind.as_str(),
                    code = mail.code.digits,
                    link = mail.link,
                    "a mail was caught"
                );
            }
            self.woken.notify_one();
            Ok(())
        })
    }

    fn check(&self) -> Result<()> {
        let settings = self.settings.load();
        let section = &settings.section.mailer;
        if section.catch || section.host.is_some() {
            return Ok(());
        }
        Err(Error::internal("sending a mail")("no mail server is configured (auth.mailer.host)"))
    }
}
