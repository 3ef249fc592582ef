//! One transaction as the schema's owner.
//!
//! A room's own pool lends the connection (`Pools::rooms`): its login becomes `supabase_auth_admin` and nothing else. The
//! settings go with the first statement; triggers of the application run as the owner too, and may ask who called through
//! `app.request_id()` and `app.client_ip()`. They see no claims: nobody's token decides what happens here.
//! Invariant: a transaction that is dropped keeps nothing. Invariant: no statement text holds a value.

use std::time::Duration;

use bytes::Bytes;
use ferrobase_pg::{
    Batch, Conversation, End, Error as PgError, Formats, Isolation, Mode, Opening, Pool, Reply, Row, Rows, Settings,
    Statement, Turn,
};
use ferrobase_request::journal::Journal;
use ferrobase_request::{Identity, RequestContext};
use serde::de::DeserializeOwned;

use crate::OWNER;
use crate::error::{Error, Result};

/// Longest wait for a lock that somebody else holds; callers are told to come again.
const LOCK_TIMEOUT: Duration = Duration::from_secs(5);
/// No statement here is long; a trigger of the application may be.
const STATEMENT_TIMEOUT: Duration = Duration::from_secs(8);
/// For work that nobody waits for.
const INTERNAL_TIMEOUT: Duration = Duration::from_secs(15);
const SEARCH_PATH: &str = "auth, pg_temp";

/// The room's way to its tables, for one request.
#[derive(Clone)]
pub struct Database {
    pool: Pool,
    context: std::sync::Arc<RequestContext>,
}

impl Database {
    /// For this request.
    pub fn new(pool: Pool, context: std::sync::Arc<RequestContext>) -> Self {
        Self { pool, context }
    }

    /// For work that nobody asked for.
    pub fn internal(pool: Pool) -> Self {
        let now = std::time::Instant::now();
        let context = RequestContext {
            identity: Identity::internal(OWNER.role),
            request_id: "auth".into(),
            method: "".into(),
            path: "".into(),
            headers: "{}".into(),
            cookies: "{}".into(),
            client_ip: None,
            arrived: now,
            deadline: now + INTERNAL_TIMEOUT,
            trace: None,
            journal: Journal::default(),
            freshness: None,
        };
        Self::new(pool, std::sync::Arc::new(context))
    }

    /// Begins a transaction.
    pub async fn begin(&self) -> Result<Tx> {
        let opening = Opening {
            isolation: Isolation::ReadCommitted,
            read_only: false,
            defer_constraints: false,
            deadline: self.context.deadline,
        };
        let conversation = self.pool.converse(opening).await?;
        Ok(Tx { conversation, settings: settings(&self.context) })
    }

    /// Reads with one statement, in one flush.
    pub async fn read<T: DeserializeOwned>(&self, sql: &'static str, params: Vec<Option<Bytes>>) -> Result<Option<T>> {
        let batch = Batch {
            settings: settings(&self.context),
            statements: vec![statement(sql, params)],
            mode: Mode::Implicit,
            scope: format!("{}\0{SEARCH_PATH}", OWNER.role).into(),
            runs_user_code: false,
            counts_up: false,
            proof: None,
            writes: false,
            shareable: true,
            since: self.context.arrived,
            deadline: self.context.deadline,
        };
        first(&rows_of(self.pool.run(batch).await?))
    }
}

/// An open transaction.
pub struct Tx {
    conversation: Conversation,
    /// Until the first statement takes them along.
    settings: Settings,
}

impl Tx {
    /// Runs a statement and gives its rows.
    pub async fn rows(&mut self, sql: &'static str, params: Vec<Option<Bytes>>) -> Result<Rows> {
        Ok(rows_of(self.exchange(sql, params).await?))
    }

    /// Runs a statement that gives at most one row of one JSON value.
    pub async fn one<T: DeserializeOwned>(
        &mut self,
        sql: &'static str,
        params: Vec<Option<Bytes>>,
    ) -> Result<Option<T>> {
        first(&self.rows(sql, params).await?)
    }

    /// The same, where a row must come.
    pub async fn must<T: DeserializeOwned>(&mut self, sql: &'static str, params: Vec<Option<Bytes>>) -> Result<T> {
        self.one(sql, params).await?.ok_or_else(|| Error::internal("reading back a row")("no row came"))
    }

    /// Runs a statement that gives rows of one JSON value each.
    pub async fn all<T: DeserializeOwned>(&mut self, sql: &'static str, params: Vec<Option<Bytes>>) -> Result<Vec<T>> {
        self.rows(sql, params).await?.iter().map(decode).collect()
    }

    /// Runs a statement and gives the number of rows that it changed.
    pub async fn execute(&mut self, sql: &'static str, params: Vec<Option<Bytes>>) -> Result<u64> {
        let reply = self.exchange(sql, params).await?;
        let tag = reply.results.last().map(|result| result.tag.as_str()).unwrap_or_default();
        Ok(tag.rsplit(' ').next().and_then(|count| count.parse().ok()).unwrap_or_default())
    }

    /// Calls a function of the application with one JSON value, within this time. The names are plain ones.
    ///
    /// The only statement here whose text is not constant: names cannot be parameters.
    pub(crate) async fn call_function(
        &mut self,
        schema: &str,
        function: &str,
        input: &serde_json::Value,
        longest: Duration,
    ) -> Result<serde_json::Value> {
        let limit = "select set_config('statement_timeout', $1, true)";
        self.rows(limit, crate::params![longest.as_millis().to_string()]).await?;
        let sql = format!("select \"{schema}\".\"{function}\"($1)::text");
        let call = Statement {
            sql: sql.into(),
            params: crate::params![input],
            param_types: Vec::new(),
            formats: Formats::Text,
        };
        let turn = Turn { settings: Settings::default(), statements: vec![call], continues: true };
        let rows = rows_of(self.conversation.exchange(&turn).await?);
        self.rows(limit, crate::params![STATEMENT_TIMEOUT.as_millis().to_string()]).await?;
        Ok(first(&rows)?.unwrap_or_default())
    }

    async fn exchange(&mut self, sql: &'static str, params: Vec<Option<Bytes>>) -> Result<Reply> {
        let settings = std::mem::take(&mut self.settings);
        let continues = settings.is_empty();
        let turn = Turn { settings, statements: vec![statement(sql, params)], continues };
        Ok(self.conversation.exchange(&turn).await?)
    }

    /// From here on everything can be undone. One at a time.
    pub async fn savepoint(&mut self) -> Result<()> {
        // Going back would undo settings that were made after it, the role among them.
        if !self.settings.is_empty() {
            self.rows("select 1", Vec::new()).await?;
        }
        self.conversation.savepoint();
        Ok(())
    }

    /// Keeps what happened since the savepoint.
    pub fn release_savepoint(&mut self) {
        self.conversation.release_savepoint();
    }

    /// Undoes what happened since the savepoint, a failure included.
    pub fn rollback_to_savepoint(&mut self) {
        self.conversation.rollback_to_savepoint();
    }

    /// Keeps everything.
    pub async fn commit(self) -> Result<()> {
        Ok(self.conversation.end(End::Commit).await?)
    }

    /// Undoes everything. A drop does the same, but may cost the connection.
    pub async fn rollback(self) {
        if let Err(error) = self.conversation.abort().await {
            tracing::debug!(%error, "a transaction of auth could not be rolled back; its connection is closed");
        }
    }
}

fn statement(sql: &'static str, params: Vec<Option<Bytes>>) -> Statement {
    Statement { sql: sql.into(), params, param_types: Vec::new(), formats: Formats::Text }
}

fn rows_of(mut reply: Reply) -> Rows {
    reply.results.pop().map(|result| result.rows).unwrap_or_default()
}

fn first<T: DeserializeOwned>(rows: &Rows) -> Result<Option<T>> {
    rows.first().map(decode).transpose()
}

fn decode<T: DeserializeOwned>(row: Row<'_>) -> Result<T> {
    serde_json::from_slice(row.value(0).unwrap_or(b"null")).map_err(Error::internal("reading a row of schema auth"))
}

fn settings(context: &RequestContext) -> Settings {
    let mut settings = Settings::with_capacity(10, 256);
    settings.set("role", OWNER.role);
    settings.set("search_path", SEARCH_PATH);
    settings.set("timezone", "UTC");
    settings.set("statement_timeout", &STATEMENT_TIMEOUT.as_millis().to_string());
    settings.set("lock_timeout", &LOCK_TIMEOUT.as_millis().to_string());
    settings.set("request.jwt.claims", "");
    settings.set("request.method", &context.method);
    settings.set("request.path", &context.path);
    settings.set("request.id", &context.request_id);
    settings.set("app.client_ip", &context.client_ip.map(|ip| ip.to_string()).unwrap_or_default());
    settings
}

/// Whether a statement failed because a row of this constraint is there already.
pub fn is_duplicate(error: &Error, constraint: &str) -> bool {
    matches!(error, Error::Database(PgError::Db(db)) if db.code.as_str() == "23505")
        && error.violated() == Some(constraint)
}
