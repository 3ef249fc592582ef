//! From an open socket to a session that is ready: StartupMessage, authentication, parameters, key.
//!
//! Knows SCRAM-SHA-256 (bound to the TLS channel when both sides can), MD5, and clear-text passwords where nobody can
//! read along. The server proves itself in SCRAM, so an early AuthenticationOk is refused once SCRAM has begun.
//! Invariant: a password leaves this process only hashed, or in clear over TLS and Unix sockets.

use postgres_protocol::authentication::md5_hash;
use postgres_protocol::authentication::sasl::{self, SCRAM_SHA_256, SCRAM_SHA_256_PLUS, ScramSha256};

use crate::db_error::DbError;
use crate::error::Error;
use crate::options::{ChannelBinding, ConnectOptions};
use crate::wire::{Channel, message, tag, write};

/// What the server told while logging in.
#[derive(Debug, Default)]
pub(crate) struct Greeting {
    /// ParameterStatus, in order of arrival.
    pub(crate) parameters: Vec<(String, String)>,
    /// Process and secret for CancelRequest; some poolers send none.
    pub(crate) key: Option<(i32, Vec<u8>)>,
}

/// What authentication needs to know about the connection.
pub(crate) struct Circumstances<'a> {
    pub(crate) options: &'a ConnectOptions,
    pub(crate) user: &'a str,
    /// TLS or a Unix socket.
    pub(crate) private: bool,
    /// `tls-server-end-point` of the server's certificate.
    pub(crate) end_point: Option<Vec<u8>>,
    /// Only a server that proves that it knows the password is believed, and told it.
    pub(crate) wants_proof: bool,
}

/// Logs in. The outer result is about the connection, the inner one is the server's refusal.
pub(crate) async fn login(
    channel: &mut Channel,
    circumstances: &Circumstances<'_>,
) -> Result<Result<Greeting, DbError>, Error> {
    send_startup(channel, circumstances)?;
    let mut greeting = Greeting::default();
    let mut authentication = Authentication { circumstances, scram: None, proven: false };
    loop {
        let mut reply = None;
        while let Some(message) = channel.message()? {
            let body = message.body.as_slice();
            match message.tag {
                tag::AUTHENTICATION => {
                    reply = authentication.answer(body)?;
                    if reply.is_some() {
                        break;
                    }
                }
                tag::PARAMETER_STATUS => {
                    let (name, value) = message::parameter_status(body).ok_or(MALFORMED)?;
                    greeting.parameters.push((name.to_owned(), value.to_owned()));
                }
                tag::BACKEND_KEY_DATA => {
                    let (pid, secret) = message::backend_key(body).ok_or(MALFORMED)?;
                    greeting.key = Some((pid, secret.to_owned()));
                }
                tag::ERROR => return Ok(Err(DbError::decode(body).ok_or(MALFORMED)?)),
                tag::READY_FOR_QUERY if authentication.proven => return Ok(Ok(greeting)),
                tag::NOTICE | tag::NEGOTIATE_VERSION => {}
                _ => return Err(Error::Protocol("an unexpected message during login")),
            }
        }
        if let Some(reply) = reply {
            channel.output.extend_from_slice(&reply);
            channel.flush().await?;
        } else {
            channel.fill().await?;
        }
    }
}

const MALFORMED: Error = Error::Protocol("a malformed message during login");

fn send_startup(channel: &mut Channel, circumstances: &Circumstances<'_>) -> Result<(), Error> {
    let options = circumstances.options;
    let mut parameters = vec![
        ("user", circumstances.user),
        ("database", options.database.as_deref().unwrap_or(circumstances.user)),
        ("client_encoding", "UTF8"),
    ];
    if !options.application_name.is_empty() {
        parameters.push(("application_name", &options.application_name));
    }
    parameters.extend(options.startup.iter().map(|(name, value)| (name.as_str(), value.as_str())));
    if !parameters.iter().all(|(name, value)| write::is_sendable(name) && write::is_sendable(value)) {
        return Err(Error::Unsendable("a NUL byte in user, database or a setting"));
    }
    write::startup(&mut channel.output, parameters.into_iter());
    Ok(())
}

struct Authentication<'a> {
    circumstances: &'a Circumstances<'a>,
    scram: Option<ScramSha256>,
    /// AuthenticationOk came, and legitimately.
    proven: bool,
}

impl Authentication<'_> {
    /// Handles an authentication message; gives the message to answer with.
    fn answer(&mut self, body: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        let (code, data) = body.split_first_chunk::<4>().ok_or(MALFORMED)?;
        match u32::from_be_bytes(*code) {
            0 => self.accept().map(|()| None),
            3 => self.clear_text().map(Some),
            5 => self.md5(data).map(Some),
            10 => self.begin_scram(data).map(Some),
            11 => self.continue_scram(data).map(Some),
            12 => self.finish_scram(data).map(|()| None),
            7..=9 => Err(refused("the server asks for GSSAPI or SSPI, which is not built in")),
            _ => Err(refused("the server asks for a way of logging in that is not known")),
        }
    }

    fn accept(&mut self) -> Result<(), Error> {
        if self.scram.is_some() {
            return Err(refused("the server broke SCRAM off before it proved who it is"));
        }
        if self.circumstances.options.channel_binding == ChannelBinding::Require && !self.proven {
            return Err(refused("channel_binding=require, and the server did not bind the login to the TLS channel"));
        }
        if self.circumstances.wants_proof && !self.proven {
            return Err(refused(
                "a server that is not listed let us in without proving that it belongs to the cluster",
            ));
        }
        self.proven = true;
        Ok(())
    }

    fn password(&self) -> Result<&str, Error> {
        let password = self.circumstances.options.password.as_ref();
        password.map(|p| p.expose()).ok_or_else(|| refused("the server asks for a password and none is configured"))
    }

    fn clear_text(&self) -> Result<Vec<u8>, Error> {
        if !self.circumstances.private {
            return Err(refused("the server asks for the password in clear over an unencrypted connection"));
        }
        self.check_may_be_told()?;
        password_message(self.password()?)
    }

    fn md5(&self, salt: &[u8]) -> Result<Vec<u8>, Error> {
        self.check_may_be_told()?;
        let salt = salt.try_into().map_err(|_| MALFORMED)?;
        password_message(&md5_hash(self.circumstances.user.as_bytes(), self.password()?.as_bytes(), salt))
    }

    fn check_may_be_told(&self) -> Result<(), Error> {
        if self.circumstances.options.channel_binding == ChannelBinding::Require {
            return Err(refused("channel_binding=require, and the server does not ask for SCRAM"));
        }
        if self.circumstances.wants_proof {
            return Err(refused(
                "a server that is not listed has to ask for SCRAM, which proves that it belongs to the cluster",
            ));
        }
        Ok(())
    }

    fn begin_scram(&mut self, mechanisms: &[u8]) -> Result<Vec<u8>, Error> {
        let offers = |wanted: &str| mechanisms.split(|b| *b == 0).any(|m| m == wanted.as_bytes());
        let wanted = self.circumstances.options.channel_binding;
        let end_point = self.circumstances.end_point.clone().filter(|_| wanted != ChannelBinding::Disable);
        let (mechanism, binding) = match end_point {
            Some(hash) if offers(SCRAM_SHA_256_PLUS) => {
                (SCRAM_SHA_256_PLUS, sasl::ChannelBinding::tls_server_end_point(hash))
            }
            _ if wanted == ChannelBinding::Require => {
                return Err(refused("channel_binding=require needs TLS and a server that offers SCRAM-SHA-256-PLUS"));
            }
            // "We could, you did not offer": lets the server notice that somebody removed its offer.
            Some(_) => (SCRAM_SHA_256, sasl::ChannelBinding::unrequested()),
            None => (SCRAM_SHA_256, sasl::ChannelBinding::unsupported()),
        };
        if !offers(mechanism) {
            return Err(refused("the server offers no SASL mechanism that is known"));
        }
        let scram = ScramSha256::new(self.password()?.as_bytes(), binding);
        let mut out = Vec::new();
        write::sasl_initial(&mut out, mechanism, scram.message());
        self.scram = Some(scram);
        Ok(out)
    }

    fn continue_scram(&mut self, data: &[u8]) -> Result<Vec<u8>, Error> {
        let scram = self.scram.as_mut().ok_or(MALFORMED)?;
        scram.update(data).map_err(|_| refused("the server's SCRAM challenge is not valid"))?;
        let mut out = Vec::new();
        write::sasl_response(&mut out, scram.message());
        Ok(out)
    }

    fn finish_scram(&mut self, data: &[u8]) -> Result<(), Error> {
        let mut scram = self.scram.take().ok_or(MALFORMED)?;
        scram.finish(data).map_err(|_| refused("the server did not prove that it knows the password"))?;
        // With `require` only the bound mechanism gets this far.
        self.proven = true;
        Ok(())
    }
}

fn password_message(text: &str) -> Result<Vec<u8>, Error> {
    if !write::is_sendable(text) {
        return Err(Error::Unsendable("a NUL byte in the password"));
    }
    let mut out = Vec::new();
    write::password(&mut out, text);
    Ok(out)
}

fn refused(reason: &str) -> Error {
    Error::Authentication(reason.to_owned())
}
