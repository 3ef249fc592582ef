//! After code that we do not know ran in a session: is it as we left it?
//!
//! A function, trigger or policy can leave prepared statements under our names, temporary objects that shadow tables,
//! settings, open cursors, LISTENs, advisory locks, sequence state (requirements/security.md 3 and 4). One flush with a
//! Sync of its own, sent together with the request where that can be, so that it costs no trip and runs when the answer is
//! on its way: first a query that fails when something is left that no reset undoes
//! (`sql/session_check.sql`), so that everything after it is skipped, then the resets. Any error condemns the session.
//!
//! The order matters: the resets run by prepared names, which user code may have replaced, but they run only when the
//! query found no statement made by SQL; and that query is the *unnamed* statement, which SQL can neither replace nor
//! drop. Keeping it parsed there is what makes the check cheap. Measured on PostgreSQL 15, server CPU: a bare round trip
//! is 10 µs, the query adds 6, the resets 7, parsing the query anew each time would add 10, and each further prepared
//! statement adds 1, hence `Statements::keep_few`; a typical request is 75 µs. `DISCARD ALL` costs 8 µs, but the next
//! request would parse and plan everything again, on its answer's path.
//!
//! Not covered, since PostgreSQL has no reset for it: connections of dblink, `setseed`, and state that languages keep
//! per role (`%_SHARED` of plperl).

use super::progress::{Parse, Progress, Sink, Step};
use super::statements::Control;
use super::{Doing, Session};
use crate::error::Error;
use crate::wire::write;

const CHECK: &str = include_str!("../../sql/session_check.sql");

impl Session {
    /// Checks and resets, or waits for the end of a check that is under way. An error, also a statement's, means that the
    /// session must not be used again.
    pub(crate) async fn check_and_reset(&mut self) -> Result<(), Error> {
        if self.doing != Doing::Check {
            self.statements.keep_few();
        }
        self.check_once().await
    }

    /// The same for a session in which unknown code does not run otherwise: it keeps its statements.
    pub(crate) async fn check_once(&mut self) -> Result<(), Error> {
        if self.doing != Doing::Check {
            self.make_ready().await?;
            if self.status != b'I' {
                self.script("rollback").await?;
            }
            self.statements.distrust_names = false;
            if self.has_changed_settings() {
                return Err(Error::Protocol("a request changed a setting of its session"));
            }
            self.encode_check_flush();
            self.doing = Doing::Check;
        }
        self.finish_check().await
    }

    /// Appends the check to a flush that was just encoded, so that it runs right behind it, without a trip of its own.
    pub(super) fn append_check(&mut self) {
        let flush = std::mem::replace(&mut self.progress, Progress::new(self.options.max_reply_bytes));
        self.statements.keep_few();
        self.encode_check_flush();
        let check = std::mem::replace(&mut self.progress, flush);
        self.following.push_back((Doing::Check, check));
    }

    /// What became of the check that is under way, as far as that is known without waiting: whether the session is as it
    /// was.
    pub(crate) fn poll_check(&mut self) -> Option<bool> {
        if self.doing != Doing::Check {
            return None;
        }
        let taken = self
            .take_messages()
            .and_then(|over| if over || !self.channel.read_available() { Ok(over) } else { self.take_messages() });
        match taken {
            Ok(false) => None,
            Ok(true) => Some(self.check_is_over().is_ok()),
            Err(_) => {
                self.broken = true;
                Some(false)
            }
        }
    }

    pub(super) async fn finish_check(&mut self) -> Result<(), Error> {
        let read = self.read_flush().await;
        self.broken |= read.is_err();
        read?;
        self.check_is_over()
    }

    fn check_is_over(&mut self) -> Result<(), Error> {
        let found = match self.flush_is_over() {
            Ok(_) if self.has_changed_settings() => Err(Error::Protocol("a setting of the session is not as it was")),
            Ok(_) => Ok(()),
            Err(failure) => Err(Error::Db(failure.error)),
        };
        // Nobody may have it, whoever asks.
        self.broken |= found.is_err();
        found
    }

    fn encode_check_flush(&mut self) {
        self.begin_flush();
        self.encode_check();
        for control in
            [Control::ResetRole, Control::ResetAll, Control::CloseAll, Control::Unlisten, Control::DiscardSequences]
        {
            self.encode_control(control);
        }
        self.end_flush(Doing::Flush);
    }

    fn encode_check(&mut self) {
        let out = &mut self.channel.output;
        let parsed = std::mem::replace(&mut self.statements.unnamed_is_check, true);
        if !parsed {
            write::parse(out, "", CHECK, &[]);
        }
        write::bind(out, "", 0, std::iter::empty());
        write::execute(out);
        let parse = if parsed { Parse::Nothing } else { Parse::Unnamed };
        let step = Step { parse, describe: false, sink: Sink::Control, key: None, by_name: false, columns: None };
        self.progress.steps.push(step);
    }
}
