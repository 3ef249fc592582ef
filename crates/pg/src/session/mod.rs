//! One exclusive connection to PostgreSQL.
//!
//! [`Session::run`] is the request path (`exchange.rs`); the rest is for migrations, catalogue loading, LISTEN and COPY
//! (`plain.rs`, `copy.rs`), for requests that stream (`lines.rs` out, `load.rs` in), and for reads that share a
//! connection (`pipeline.rs`). A dropped call loses nothing: the next one first reads what the dropped one still has to
//! get. After an error that is not the statement's own the session is broken and refuses everything.
//! Invariant: one flush at a time; nothing is sent while an answer is outstanding, in a pipeline excepted.

mod check;
mod copy;
mod exchange;
mod lines;
mod load;
mod look;
mod pace;
mod parameters;
mod pipeline;
mod plain;
mod position;
mod progress;
pub(crate) mod statements;
mod turn;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use ferrobase_base::Worker;

pub use load::{Load, LoadError};
pub use parameters::Notification;
pub(crate) use position::Behind;
pub(crate) use progress::{Failure, Progress, WRONG_NONCE};
pub(crate) use turn::Clean;

use self::parameters::Asides;
use self::statements::{Shapes, Statements};
use crate::batch::StatementResult;
use crate::connect::cancel::CancelToken;
use crate::connect::stream::Address;
use crate::connect::{self, Peer};
use crate::error::Error;
use crate::options::{ConnectOptions, Host, TargetSessionAttrs};
use crate::wire::{Channel, Message};

/// Budget for prepared statements of a session that no pool configured.
const DEFAULT_STATEMENT_BUDGET: usize = 4 * 1024 * 1024;

/// Reads of up to 16 kB, a tenth of a millisecond of work each, before others have their turn.
const READS_IN_A_ROW: u32 = 4;

/// What the server still owes us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Doing {
    /// Nothing.
    Nothing,
    /// The answer to a flush of the extended protocol.
    Flush,
    /// What became of the check that was sent with the last flush (`check.rs`); the flush itself is answered.
    Check,
    /// The answer to a simple query.
    Simple,
    /// It waits for our data: only the call that began this can end it.
    CopyIn,
}

/// One exclusive connection.
pub struct Session {
    channel: Channel,
    asides: Asides,
    statements: Statements,
    progress: Progress,
    /// Of what was sent behind the flush under way.
    following: VecDeque<(Doing, Progress)>,
    doing: Doing,
    broken: bool,
    /// Transaction status at the last ReadyForQuery: `I`dle, in a `T`ransaction, in a failed one (`E`).
    status: u8,
    options: Arc<ConnectOptions>,
    peer: Peer,
    key: Option<(i32, Vec<u8>)>,
    version: u32,
    opened: Instant,
    /// Which of its pool's generations it belongs to.
    pub(crate) generation: u64,
    /// How often the primary had become another server when it was opened.
    pub(crate) moves: u64,
    /// Whose runtime watches the socket.
    home: Option<Worker>,
}

impl Session {
    /// Connects and logs in.
    pub async fn connect(options: &ConnectOptions) -> Result<Self, Error> {
        Self::connect_with(Arc::new(options.clone()), DEFAULT_STATEMENT_BUDGET, Arc::default()).await
    }

    pub(crate) async fn connect_with(
        options: Arc<ConnectOptions>,
        statement_budget: usize,
        shapes: Arc<Shapes>,
    ) -> Result<Self, Error> {
        // Boxed: connecting is rare and its future is large.
        let connection = Box::pin(connect::connect(&options)).await?;
        let asides = Asides::new(connection.parameters);
        let version = asides.parameter("server_version").map_or(0, version_number);
        Ok(Self {
            channel: connection.channel,
            statements: Statements::new(statement_budget, shapes),
            progress: Progress::new(options.max_reply_bytes),
            following: VecDeque::new(),
            doing: Doing::Nothing,
            broken: false,
            status: b'I',
            peer: connection.peer,
            key: connection.key,
            version,
            opened: Instant::now(),
            generation: 0,
            moves: 0,
            home: Worker::current(),
            asides,
            options,
        })
    }

    /// What cancels the running statement of this session, from anywhere.
    pub fn cancel_token(&self) -> CancelToken {
        CancelToken { options: self.options.clone(), peer: self.peer.clone(), key: self.key.clone() }
    }

    /// The present value of a setting that the server reports (`server_version`, `TimeZone`, `in_hot_standby`, ...).
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.asides.parameter(name)
    }

    /// The server's version as a number: 150018 for 15.18; 0 when a pooler hides it.
    pub fn server_version(&self) -> u32 {
        self.version
    }

    /// Process id of the server's end; 0 when a pooler hides it.
    pub fn backend_pid(&self) -> i32 {
        self.key.as_ref().map_or(0, |(pid, _)| *pid)
    }

    /// Whether a transaction that somebody began by hand is still open.
    pub fn in_transaction(&self) -> bool {
        self.status != b'I'
    }

    /// Whether the connection is lost or out of step: it can only be dropped.
    pub fn is_broken(&self) -> bool {
        self.broken
    }

    /// Whether the connection is encrypted.
    pub fn is_tls(&self) -> bool {
        self.peer.tls
    }

    /// Says goodbye and closes. Dropping does the same without waiting.
    pub async fn close(mut self) {
        if self.doing == Doing::Nothing && !self.broken {
            self.channel.output.extend_from_slice(crate::wire::write::TERMINATE);
            let _ = self.channel.flush().await;
        }
        self.broken = true;
    }

    /// Options that lead to the very server of this session, whichever of several hosts that is.
    pub(crate) fn options_for_same_server(&self) -> ConnectOptions {
        let host = match (&self.peer.host, &self.peer.address) {
            (Host::Tcp { name, port, .. }, Address::Tcp(address)) => {
                Host::Tcp { name: name.clone(), address: Some(address.ip()), port: *port }
            }
            (host, _) => host.clone(),
        };
        let options = ConnectOptions::clone(&self.options);
        options.with_hosts([host]).with_target_session_attrs(TargetSessionAttrs::Any)
    }

    /// When the connection was made.
    pub(crate) fn opened(&self) -> Instant {
        self.opened
    }

    /// The worker whose runtime watches the socket.
    pub(crate) fn home(&self) -> Option<Worker> {
        self.home
    }

    /// Moves to the present worker, if it is elsewhere: a few system calls. Nothing may be under way. Where that fails, it
    /// works as well, more slowly.
    pub(crate) fn come_here(&mut self) {
        let here = Worker::current();
        if self.home != here && self.channel.watch_here().is_ok() {
            self.home = here;
        }
    }

    /// Whether the server says that it is a standby.
    pub(crate) fn is_on_standby(&self) -> bool {
        self.parameter("in_hot_standby") == Some("on")
    }

    /// Whether nothing is outstanding and no transaction is open.
    pub(crate) fn is_at_rest(&self) -> bool {
        !self.broken && self.doing == Doing::Nothing && self.status == b'I' && self.channel.is_sent()
    }

    /// Whether every answer that is owed to a caller has come.
    pub(crate) fn is_between_flushes(&self) -> bool {
        matches!(self.doing, Doing::Nothing | Doing::Check)
    }

    /// Whether user code ever ran here, so that few statements are kept prepared.
    pub(crate) fn is_checked(&self) -> bool {
        self.statements.is_checked()
    }

    /// Whether a reported setting differs from the session's start.
    pub(crate) fn has_changed_settings(&self) -> bool {
        self.asides.deviates()
    }

    /// The same behind a pooler in transaction mode.
    pub(crate) fn has_changed_kept_settings(&self) -> bool {
        self.asides.deviates_behind_pooler()
    }

    /// Whether the server said nothing at all to the last flush before it shut the connection down.
    pub(crate) fn was_untouched(&self) -> bool {
        self.doing == Doing::Flush && self.progress.is_untouched()
    }

    /// Pooled sessions have nobody who would fetch notifications.
    pub(crate) fn ignore_notifications(&mut self) {
        self.asides.ignore_notifications = true;
    }

    /// Reads, without waiting, what came while the session was idle; `false` when the server ended it.
    pub(crate) fn is_alive(&mut self) -> bool {
        let alive = self.channel.read_available() && self.take_idle_messages().is_ok();
        self.broken |= !alive;
        alive
    }

    fn take_idle_messages(&mut self) -> Result<(), Error> {
        while let Some(message) = self.channel.message()? {
            if !self.asides.take(&message)? {
                return Err(Error::Protocol("a message that nobody asked for"));
            }
        }
        Ok(())
    }

    /// Finishes what a dropped call left unfinished; the session is then between two statements.
    pub(crate) async fn make_ready(&mut self) -> Result<(), Error> {
        if self.broken {
            return Err(Error::Closed);
        }
        while self.doing == Doing::Flush {
            self.progress.discard = true;
            // How the dropped statement ended is nobody's business any more.
            let _ = self.finish_flush().await?;
        }
        match self.doing {
            Doing::Nothing | Doing::Flush => Ok(()),
            Doing::Check => self.finish_check().await,
            Doing::Simple => match self.finish_simple().await {
                Err(error) if self.broken => Err(error),
                _ => Ok(()),
            },
            Doing::CopyIn => {
                self.broken = true;
                Err(Error::Closed)
            }
        }
    }

    /// Sends the flush and reads its answer until ReadyForQuery. The outer error is the connection's.
    async fn finish_flush(&mut self) -> Result<Result<Vec<StatementResult>, Failure>, Error> {
        let read = self.read_flush().await;
        self.broken |= read.is_err();
        read?;
        Ok(self.flush_is_over())
    }

    fn flush_is_over(&mut self) -> Result<Vec<StatementResult>, Failure> {
        let outcome = self.progress.take();
        self.doing = Doing::Nothing;
        if let Some((doing, next)) = self.following.pop_front() {
            self.progress = next;
            self.doing = doing;
        }
        outcome
    }

    async fn read_flush(&mut self) -> Result<(), Error> {
        let mut reads = 0_u32;
        while !self.take_messages()? {
            self.channel.fill().await?;
            reads += 1;
            // An answer that comes as fast as it is read must not keep the thread from everybody else.
            if reads.is_multiple_of(READS_IN_A_ROW) {
                tokio::task::yield_now().await;
            }
        }
        Ok(())
    }

    /// Takes what was received; whether the server is ready again.
    fn take_messages(&mut self) -> Result<bool, Error> {
        self.take_messages_while(|_| true)
    }

    /// The same, as long as the answer so far lets more be taken.
    fn take_messages_while(&mut self, goes_on: impl Fn(&Progress) -> bool) -> Result<bool, Error> {
        loop {
            self.take_rows()?;
            let Some(message) = self.channel.message()? else { return Ok(false) };
            if self.asides.take(&message)? {
                continue;
            }
            if self.progress.take_message(&message, &mut self.statements)? {
                self.status = transaction_status(&message)?;
                return Ok(true);
            }
            if !goes_on(&self.progress) {
                return Ok(false);
            }
        }
    }

    /// Takes all rows that are next and go into the reply. Most messages are such rows.
    fn take_rows(&mut self) -> Result<(), Error> {
        if self.progress.collects_rows() {
            while let Some(row) = self.channel.row() {
                self.progress.collect_row(row)?;
            }
        }
        Ok(())
    }
}

fn transaction_status(ready: &Message<'_>) -> Result<u8, Error> {
    match ready.body.as_slice() {
        [status @ (b'I' | b'T' | b'E')] => Ok(*status),
        _ => Err(Error::Protocol("an unknown transaction status")),
    }
}

/// `15.18 (Debian ...)` is 150018, `16beta1` is 160000.
fn version_number(text: &str) -> u32 {
    let mut numbers = text.split(|c: char| !c.is_ascii_digit()).map(|n| n.parse::<u32>().unwrap_or(0));
    let (major, minor) = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    let is_release = text.trim_start_matches(|c: char| c.is_ascii_digit()).starts_with('.');
    major.saturating_mul(10_000).saturating_add(if is_release { minor } else { 0 })
}

impl Drop for Session {
    fn drop(&mut self) {
        if self.is_at_rest() {
            self.channel.say_goodbye();
        }
    }
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session")
            .field("peer", &self.peer.host)
            .field("pid", &self.backend_pid())
            .field("doing", &self.doing)
            .field("broken", &self.broken)
            .field("prepared", &self.statements.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn versions() {
        let cases = [("15.18 (Debian 15.18-0+deb12u1)", 150_018), ("16beta1", 160_000), ("18devel", 180_000), ("", 0)];
        for (text, number) in cases {
            assert_eq!(super::version_number(text), number, "{text}");
        }
    }
}
