//! One mail to the mail server, over SMTP with TLS. The server is the one that the operator named, nobody else's choice.

use std::time::Duration;

use lettre::message::{Mailbox, MultiPart};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Tls, TlsParameters};
use lettre::{Address, AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor};

use super::template::one_line;
use crate::config::{MailerSection, MailerTls};
use crate::store::outbox::Waiting;

/// Longest time for one command of the protocol, and for the whole mail.
const COMMAND: Duration = Duration::from_secs(20);
const WHOLE: Duration = Duration::from_secs(60);

/// Why a mail was not taken.
#[derive(Debug, thiserror::Error)]
pub(super) enum SmtpError {
    /// The configuration has no server or no sender.
    #[error("auth.mailer.host and auth.mailer.from are needed")]
    Unconfigured,
    #[error("an address cannot be written: {0}")]
    Address(#[from] lettre::address::AddressError),
    #[error("the mail cannot be written: {0}")]
    Message(#[from] lettre::error::Error),
    #[error("{}", ferrobase_base::error::causes(.0))]
    Server(#[from] lettre::transport::smtp::Error),
    #[error("the mail server took longer than {} s", WHOLE.as_secs())]
    Slow,
}

impl SmtpError {
    /// Trying again gives the same.
    pub(super) fn is_permanent(&self) -> bool {
        match self {
            Self::Address(_) | Self::Message(_) => true,
            Self::Server(error) => error.is_permanent(),
            Self::Unconfigured | Self::Slow => false,
        }
    }
}

/// Sends one mail.
pub(super) async fn send(section: &MailerSection, mail: &Waiting) -> Result<(), SmtpError> {
    let (transport, message) = (transport(section)?, message(section, mail)?);
    tokio::time::timeout(WHOLE, transport.send(message)).await.map_err(|_| SmtpError::Slow)??;
    Ok(())
}

fn transport(section: &MailerSection) -> Result<AsyncSmtpTransport<Tokio1Executor>, SmtpError> {
    let host = section.host.as_deref().ok_or(SmtpError::Unconfigured)?;
    let tls = match section.tls {
        MailerTls::None => Tls::None,
        MailerTls::Starttls => Tls::Required(TlsParameters::new_rustls(host.to_owned())?),
        MailerTls::Tls => Tls::Wrapper(TlsParameters::new_rustls(host.to_owned())?),
    };
    let mut builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(host)
        .port(section.port)
        .tls(tls)
        .timeout(Some(COMMAND));
    if let (Some(user), Some(password)) = (&section.user, &section.password) {
        builder = builder.credentials(Credentials::new(user.clone(), password.expose().to_owned()));
    }
    Ok(builder.build())
}

fn message(section: &MailerSection, mail: &Waiting) -> Result<Message, SmtpError> {
    let from: Address = section.from.as_deref().ok_or(SmtpError::Unconfigured)?.parse()?;
    let domain = from.domain().to_owned();
    // The same mail sent twice, because nobody heard that the first was taken, has the same id.
    let id = format!("<{}@{domain}>", mail.id);
    let message = Message::builder()
        .from(Mailbox::new(section.sender_name.as_deref().map(one_line), from))
        .to(Mailbox::new(None, mail.recipient.parse()?))
        .subject(one_line(&mail.subject))
        .message_id(Some(id))
        .multipart(MultiPart::alternative_plain_html(mail.plain.clone(), mail.html.clone()))?;
    Ok(message)
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn mail(subject: &str, recipient: &str) -> Waiting {
        Waiting {
            id: Uuid::nil(),
            kind: "invite".to_owned(),
            recipient: recipient.to_owned(),
            subject: subject.to_owned(),
            html: "<p>h\u{e4}</p>".to_owned(),
            plain: "p".to_owned(),
            tries: 1,
            age: 0.0,
        }
    }

    #[test]
    fn sec_nothing_adds_a_field_to_the_head() {
        let section = MailerSection {
            host: Some("localhost".to_owned()),
            from: Some("app@example.com".to_owned()),
            sender_name: Some("App\r\nBcc: evil@example.com".to_owned()),
            ..MailerSection::default()
        };
        let written = message(&section, &mail("a\r\nBcc: evil@example.com\r\n\r\nbody", "ada@example.com")).unwrap();
        let text = String::from_utf8(written.formatted()).unwrap();
        let head = text.split("\r\n\r\n").next().unwrap().to_ascii_lowercase();
        assert!(!head.lines().any(|line| line.starts_with("bcc:")), "{head}");
        assert!(head.contains("message-id: <00000000-0000-0000-0000-000000000000@example.com>"), "{head}");
        for bad in ["ada@example.com\r\nRCPT TO:<evil@example.com>", "a@b.c, d@e.f", "<a@b.c>"] {
            assert!(message(&section, &mail("s", bad)).is_err_and(|error| error.is_permanent()), "{bad}");
        }
    }
}
