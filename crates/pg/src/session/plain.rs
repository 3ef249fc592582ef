//! Plain use of a session: scripts, single queries, notifications. For migrations, catalogue loading and listeners.

use std::time::Duration;

use super::parameters::Notification;
use super::{Doing, Session, exchange, transaction_status};
use crate::batch::StatementResult;
use crate::db_error::DbError;
use crate::error::Error;
use crate::wire::{Message, message, tag, write};

impl Session {
    /// Runs SQL of many statements by the simple protocol, as one transaction unless it says otherwise; stops at the
    /// first error. Rows are thrown away.
    pub async fn script(&mut self, sql: &str) -> Result<(), Error> {
        exchange::check_statement(sql, 0, std::iter::empty())?;
        self.make_ready().await?;
        // A simple query drops the unnamed statement.
        self.statements.unnamed_is_check = false;
        write::query(&mut self.channel.output, sql);
        self.doing = Doing::Simple;
        self.finish_simple().await
    }

    /// Runs one statement with text parameters; rows in text format.
    pub async fn query(&mut self, sql: &str, params: &[Option<&str>]) -> Result<StatementResult, Error> {
        exchange::check_statement(sql, params.len(), params.iter().flatten().map(|p| p.len()))?;
        self.make_ready().await?;
        self.begin_flush();
        self.encode_unnamed(sql, params);
        self.end_flush(Doing::Flush);
        match self.finish_flush().await? {
            Ok(results) => Ok(results.into_iter().next().unwrap_or_default()),
            Err(failure) => Err(Error::Db(failure.error)),
        }
    }

    /// Runs one statement with text parameters; gives the number of rows that it says it touched.
    pub async fn execute(&mut self, sql: &str, params: &[Option<&str>]) -> Result<u64, Error> {
        self.query(sql, params).await.map(|result| message::tag_rows(&result.tag))
    }

    /// Keeps what the server remarks (WARNING, NOTICE, ...) from now on, the first thousand.
    pub fn keep_notices(&mut self) {
        self.asides.notices = Some(Vec::new());
    }

    /// What it remarked since; no more is kept.
    pub fn take_notices(&mut self) -> Vec<DbError> {
        self.asides.notices.take().unwrap_or_default()
    }

    /// Waits for the next notification. Dropping the future loses none.
    pub async fn notification(&mut self) -> Result<Notification, Error> {
        self.make_ready().await?;
        loop {
            if let Err(error) = self.take_unasked() {
                self.broken = true;
                return Err(error);
            }
            if let Some(notification) = self.asides.notifications.pop_front() {
                return Ok(notification);
            }
            if let Err(error) = self.channel.fill().await {
                self.broken = true;
                return Err(error.into());
            }
        }
    }

    /// Waits for the next notification for a while; `None` when none came.
    pub async fn notification_within(&mut self, wait: Duration) -> Result<Option<Notification>, Error> {
        match tokio::time::timeout(wait, self.notification()).await {
            Ok(notification) => notification.map(Some),
            Err(_) => Ok(None),
        }
    }

    fn take_unasked(&mut self) -> Result<(), Error> {
        while let Some(message) = self.channel.message()? {
            if self.asides.take(&message)? {
                continue;
            }
            return Err(match message.tag {
                tag::ERROR => decode_error(&message)?,
                _ => Error::Protocol("a message that nobody asked for"),
            });
        }
        Ok(())
    }

    /// Sends a simple query and reads until ReadyForQuery.
    pub(super) async fn finish_simple(&mut self) -> Result<(), Error> {
        match self.read_simple().await {
            Ok(outcome) => {
                self.doing = Doing::Nothing;
                outcome
            }
            Err(error) => {
                self.broken = true;
                Err(error)
            }
        }
    }

    /// The outer error is the connection's, the inner one the statement's.
    async fn read_simple(&mut self) -> Result<Result<(), Error>, Error> {
        let mut outcome = Ok(());
        loop {
            while let Some(message) = self.channel.message()? {
                if self.asides.take(&message)? {
                    continue;
                }
                match message.tag {
                    tag::ERROR => match decode_error(&message)? {
                        Error::Db(error) if error.is_fatal() => return Err(Error::Db(error)),
                        error if outcome.is_ok() => outcome = Err(error),
                        _ => {}
                    },
                    tag::READY_FOR_QUERY => {
                        self.status = transaction_status(&message)?;
                        return Ok(outcome);
                    }
                    // A script that copies from the client gets nothing: COPY data has its own call.
                    tag::COPY_IN_RESPONSE => {
                        write::copy_fail(&mut self.channel.output, "a script has no data to copy");
                        break;
                    }
                    tag::ROW_DESCRIPTION
                    | tag::DATA_ROW
                    | tag::COMMAND_COMPLETE
                    | tag::EMPTY_QUERY
                    | tag::COPY_OUT_RESPONSE
                    | tag::COPY_DATA
                    | tag::COPY_DONE => {}
                    _ => return Err(Error::Protocol("a message that does not belong here")),
                }
            }
            self.channel.fill().await?;
        }
    }
}

/// An ErrorResponse as an error.
pub(super) fn decode_error(message: &Message<'_>) -> Result<Error, Error> {
    let error = DbError::decode(message.body.as_slice()).ok_or(Error::Protocol("a malformed error"))?;
    Ok(Error::Db(Box::new(error)))
}
