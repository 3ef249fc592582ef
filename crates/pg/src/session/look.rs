//! Looking at one moment of the database: several statements a flush, several flushes a transaction, which only reads.
//!
//! For whoever has to ask a dozen things quickly and what he asks next depends on the answers: a round trip for each
//! would be most of the time where processors are busy. Statements are prepared as those of requests are
//! (`statements.rs`), so a session that looked before answers without planning.
//! Invariant: no code of users runs in such a session, so that its prepared statements are what they were.

use std::sync::Arc;

use super::statements::Control;
use super::{Doing, Session, exchange};
use crate::batch::{Isolation, Settings, Statement, StatementResult};
use crate::error::Error;

impl Session {
    /// Runs statements in one flush, of the moment of the first look since [`Session::look_away`], with these settings, which
    /// are the transaction's. After an error there is nothing more to look at.
    pub async fn look(&mut self, settings: &Settings, statements: &[Statement]) -> Result<Vec<StatementResult>, Error> {
        exchange::check_sendable(settings, statements)?;
        self.make_ready().await?;
        self.begin_flush();
        if !self.in_transaction() {
            self.encode_control(Control::Begin(Isolation::RepeatableRead, true));
        }
        self.encode_settings(settings);
        let scope: Arc<str> = Arc::from("");
        for statement in statements {
            self.encode_statement(statement, &scope);
        }
        self.end_flush(Doing::Flush);
        self.finish_flush().await?.map_err(|failure| Error::Db(failure.error))
    }

    /// Ends looking, also after an error.
    pub async fn look_away(&mut self) -> Result<(), Error> {
        self.make_ready().await?;
        self.begin_flush();
        self.encode_control(Control::Rollback);
        self.end_flush(Doing::Flush);
        self.finish_flush().await?.map(drop).map_err(|failure| Error::Db(failure.error))
    }
}
