//! `COPY ... FROM STDIN`: streams data into a table.

use std::io;
use std::pin::pin;

use bytes::Bytes;
use futures_util::{Stream, StreamExt};

use super::plain::decode_error;
use super::{Doing, Session, exchange, transaction_status};
use crate::error::Error;
use crate::wire::{message, tag, write};

/// Data is handed to the socket in pieces of about this size.
const PIECE: usize = 64 * 1024;

/// What the server said so far.
enum Answer {
    /// It waits for data.
    Wants,
    /// It is done: rows copied, or the statement's failure.
    Done(Result<u64, Error>),
}

impl Session {
    /// Runs a `COPY ... FROM STDIN` with these chunks as its data; gives the number of rows. An error in the stream of
    /// chunks fails the COPY, so that nothing of it is kept. When the call is dropped half-way the session is lost.
    pub async fn copy_in<S>(&mut self, sql: &str, chunks: S) -> Result<u64, Error>
    where
        S: Stream<Item = io::Result<Bytes>> + Send,
    {
        exchange::check_statement(sql, 0, std::iter::empty())?;
        self.make_ready().await?;
        self.statements.unnamed_is_check = false;
        write::query(&mut self.channel.output, sql);
        self.doing = Doing::CopyIn;
        let outcome = self.copy(pin!(chunks)).await;
        match outcome {
            Ok(rows) => {
                self.doing = Doing::Nothing;
                rows
            }
            Err(error) => {
                self.broken = true;
                Err(error)
            }
        }
    }

    /// The outer error is the connection's, the inner one the statement's or the stream's.
    async fn copy<S>(&mut self, mut chunks: std::pin::Pin<&mut S>) -> Result<Result<u64, Error>, Error>
    where
        S: Stream<Item = io::Result<Bytes>> + Send,
    {
        if let Answer::Done(outcome) = self.copy_answer().await? {
            return Ok(outcome);
        }
        let mut stream_error = None;
        while let Some(chunk) = chunks.next().await {
            match chunk {
                Ok(chunk) => {
                    for piece in chunk.chunks(PIECE) {
                        write::copy_data(&mut self.channel.output, piece);
                        if self.channel.output.len() >= PIECE {
                            self.channel.flush().await?;
                        }
                    }
                }
                Err(error) => {
                    stream_error = Some(error);
                    break;
                }
            }
        }
        match &stream_error {
            None => write::copy_done(&mut self.channel.output),
            Some(_) => write::copy_fail(&mut self.channel.output, "the source of the data failed"),
        }
        match (self.copy_answer().await?, stream_error) {
            (Answer::Done(_), Some(error)) => Ok(Err(Error::Io(error))),
            (Answer::Done(outcome), None) => Ok(outcome),
            (Answer::Wants, _) => Err(Error::Protocol("a COPY that does not end")),
        }
    }

    async fn copy_answer(&mut self) -> Result<Answer, Error> {
        let mut outcome = Ok(0);
        loop {
            while let Some(message) = self.channel.message()? {
                if self.asides.take(&message)? {
                    continue;
                }
                match message.tag {
                    tag::COPY_IN_RESPONSE => return Ok(Answer::Wants),
                    tag::COMMAND_COMPLETE if outcome.is_ok() => {
                        outcome = Ok(message::tag_rows(message::command_tag(message.body.as_slice()).unwrap_or("")));
                    }
                    tag::ERROR => match decode_error(&message)? {
                        Error::Db(error) if error.is_fatal() => return Err(Error::Db(error)),
                        error => outcome = Err(error),
                    },
                    tag::READY_FOR_QUERY => {
                        self.status = transaction_status(&message)?;
                        return Ok(Answer::Done(outcome));
                    }
                    _ => {}
                }
            }
            self.channel.fill().await?;
        }
    }
}
