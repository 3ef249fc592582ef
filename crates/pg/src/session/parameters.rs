//! What the server says about a session's settings (ParameterStatus), and what else it says unasked.
//!
//! Notices, settings and notifications may arrive between any two messages. A setting that differs from the session's
//! start when a request is over was changed by the request for good, so a pool drops that connection; a change that
//! was undone by the end of its transaction is reported twice and ends where it began.

use std::collections::VecDeque;

use crate::db_error::DbError;
use crate::error::Error;
use crate::wire::{Message, message, tag};

/// Notifications that are kept for a consumer who does not fetch them; then the session is given up, since losing
/// some silently would be worse.
const MAX_NOTIFICATIONS: usize = 10_000;

/// Notices that are kept for who asked for them. A loop that raises millions fills no memory.
const MAX_NOTICES: usize = 1_000;

/// What PgBouncer keeps for each client (its documentation of `track_extra_parameters`), apart from the name that every
/// client gives itself.
const KEPT_BY_POOLERS: [&str; 4] = ["client_encoding", "DateStyle", "TimeZone", "standard_conforming_strings"];

/// A message of NOTIFY.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notification {
    /// Channel.
    pub channel: String,
    /// Payload, empty when none was given.
    pub payload: String,
    /// Process of the sending session.
    pub pid: i32,
}

/// What arrived unasked.
#[derive(Debug, Default)]
pub(crate) struct Asides {
    now: Vec<(String, String)>,
    start: Vec<(String, String)>,
    touched: bool,
    pub(crate) notifications: VecDeque<Notification>,
    /// Pooled sessions drop notifications: nobody would fetch them.
    pub(crate) ignore_notifications: bool,
    /// Kept when somebody asked for them.
    pub(crate) notices: Option<Vec<DbError>>,
}

impl Asides {
    pub(crate) fn new(parameters: Vec<(String, String)>) -> Self {
        Self { start: parameters.clone(), now: parameters, ..Self::default() }
    }

    /// The present value of a reported setting.
    pub(crate) fn parameter(&self, name: &str) -> Option<&str> {
        self.now.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// Whether a setting differs from the session's start. A promoted standby is no leftover of a request.
    pub(crate) fn deviates(&self) -> bool {
        self.touched && self.now.iter().any(|item| item.0 != "in_hot_standby" && !self.start.contains(item))
    }

    /// The same for those that PgBouncer keeps for a client and sets again on whatever server connection the client gets
    /// next. Others are those of the server connection that it happened to have.
    pub(crate) fn deviates_behind_pooler(&self) -> bool {
        self.touched
            && self.now.iter().any(|item| {
                KEPT_BY_POOLERS.iter().any(|kept| item.0.eq_ignore_ascii_case(kept)) && !self.start.contains(item)
            })
    }

    /// Takes the message if it is one that may arrive at any point.
    pub(crate) fn take(&mut self, message: &Message<'_>) -> Result<bool, Error> {
        let body = message.body.as_slice();
        match message.tag {
            tag::NOTICE => self.notice(body),
            tag::PARAMETER_STATUS => {
                let (name, value) = message::parameter_status(body).ok_or(Error::Protocol("a malformed setting"))?;
                self.set(name, value);
            }
            tag::NOTIFICATION => {
                let parts = message::notification(body).ok_or(Error::Protocol("a malformed notification"))?;
                self.keep(parts)?;
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn set(&mut self, name: &str, value: &str) {
        self.touched = true;
        match self.now.iter_mut().find(|(n, _)| n == name) {
            Some((_, now)) => value.clone_into(now),
            None => self.now.push((name.to_owned(), value.to_owned())),
        }
    }

    fn notice(&mut self, body: &[u8]) {
        log_notice(body);
        if let Some(notices) = self.notices.as_mut().filter(|notices| notices.len() < MAX_NOTICES) {
            notices.extend(DbError::decode(body));
        }
    }

    fn keep(&mut self, (pid, channel, payload): (i32, &str, &str)) -> Result<(), Error> {
        if self.ignore_notifications {
            return Ok(());
        }
        if self.notifications.len() >= MAX_NOTIFICATIONS {
            return Err(Error::Protocol("more notifications than anybody fetches"));
        }
        self.notifications.push_back(Notification { channel: channel.to_owned(), payload: payload.to_owned(), pid });
        Ok(())
    }
}

/// Texts of notices come from user code and may hold data: only the code is logged.
fn log_notice(body: &[u8]) {
    if tracing::enabled!(tracing::Level::TRACE) {
        let code = DbError::decode(body).map(|n| n.code.to_string()).unwrap_or_default();
        tracing::trace!(code, "notice from PostgreSQL");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::Body;

    fn status(asides: &mut Asides, name: &str, value: &str) {
        let body = format!("{name}\0{value}\0");
        let message = Message { tag: tag::PARAMETER_STATUS, body: Body::Shared(body.as_bytes()) };
        assert!(asides.take(&message).unwrap());
    }

    #[test]
    fn a_setting_that_came_back_is_no_deviation() {
        let mut asides = Asides::new(vec![("TimeZone".into(), "UTC".into()), ("in_hot_standby".into(), "on".into())]);
        status(&mut asides, "TimeZone", "Asia/Tokyo");
        assert!(asides.deviates());
        status(&mut asides, "TimeZone", "UTC");
        status(&mut asides, "in_hot_standby", "off");
        assert!(!asides.deviates());
        assert_eq!(asides.parameter("timezone"), Some("UTC"));
        status(&mut asides, "search_path", "evil");
        assert!(asides.deviates());
    }

    #[test]
    fn unfetched_notifications_are_bounded() {
        let mut asides = Asides::default();
        let message = || Message { tag: tag::NOTIFICATION, body: Body::Shared(b"\0\0\0\x01c\0p\0") };
        for _ in 0..MAX_NOTIFICATIONS {
            asides.take(&message()).unwrap();
        }
        assert!(asides.take(&message()).is_err());
        asides.ignore_notifications = true;
        assert!(asides.take(&message()).unwrap());
    }
}
