//! One transaction for several pieces of work, each with all settings of its own.
//!
//! The long form of [`run`](crate::run): a list of operations, or statements that need what earlier ones made. Before
//! each piece of work role, claims, search path, timeouts and every other setting are set again and the pre-request
//! function runs again, because code of an earlier one may have changed any of them (`security.md` 12).
//! Invariant: the identity is the one that the transaction was begun with. Invariant: without [`Transaction::end`]
//! nothing is kept. Read on: `ferrobase_pg::Conversation`.

use std::sync::Arc;
use std::time::Instant;

use ferrobase_catalog::Catalog;
use ferrobase_pg::{Conversation, End, Isolation, Reply, Settings, Turn};
use tokio::sync::OwnedSemaphorePermit;

use crate::context::{RequestContext, Told};
use crate::cost;
use crate::error::Error;
use crate::freshness::Freshness;
use crate::journal::Stage;
use crate::run::{Work, admit, audience, level, turn};
use crate::target::Target;

/// How a transaction begins.
#[derive(Clone, Copy, Debug, Default)]
pub struct Opening {
    /// Isolation level; else the role's own, else read committed.
    pub isolation: Option<Isolation>,
    /// No piece of work writes.
    pub read_only: bool,
    /// Deferrable constraints are looked at when the transaction ends.
    pub defer_constraints: bool,
}

/// An open transaction of one caller.
pub struct Transaction<'t> {
    target: &'t Target,
    catalog: Arc<Catalog>,
    context: RequestContext,
    conversation: Conversation,
    /// Who is told where the log is after the commit.
    freshness: Option<Arc<Freshness>>,
    _permit: Option<OwnedSemaphorePermit>,
}

impl<'t> Transaction<'t> {
    /// Begins one for the context's identity. What that takes counts as waiting: it is mostly for a connection.
    pub async fn begin(target: &'t Target, context: &RequestContext, opening: Opening) -> Result<Self, Error> {
        let began = Instant::now();
        let begun = Self::begin_unnoted(target, context, opening).await;
        context.journal.since(Stage::Wait, began);
        begun
    }

    async fn begin_unnoted(target: &'t Target, context: &RequestContext, opening: Opening) -> Result<Self, Error> {
        let catalog = target.catalog.get().ok_or(Error::NoCatalog)?;
        let role = admit(target, &catalog, &context.identity)?;
        let isolation = opening.isolation.or_else(|| role.and_then(|role| role.isolation).map(level));
        if !opening.read_only {
            target.pools.check_writable()?;
        }
        let commits = !opening.read_only && target.pools.replicas.is_some();
        let freshness = context.freshness.clone().filter(|_| commits);
        let failed = |error| Error::database(error, audience(target, &context.identity));
        let permit = match &target.anonymous {
            Some(share) if context.identity.is_anonymous => Some(share.enter(context.deadline).await.map_err(failed)?),
            _ => None,
        };
        let opening = ferrobase_pg::Opening {
            isolation: isolation.unwrap_or(Isolation::ReadCommitted),
            read_only: opening.read_only,
            defer_constraints: opening.defer_constraints,
            deadline: context.deadline,
        };
        let conversation = target.pools.of_role(context.identity.role()).converse(opening).await.map_err(failed)?;
        Ok(Self { target, catalog, context: context.clone(), conversation, freshness, _permit: permit })
    }

    /// What SQL code is told about the request from now on.
    pub fn tell(&mut self, method: &str, path: &str, headers: impl Into<Told>) {
        self.context = self.context.operation(method, path, headers);
    }

    /// Runs a piece of work; its isolation level and end are the transaction's. Results are those of the work's
    /// statements, in order.
    pub async fn run(&mut self, work: Work) -> Result<Reply, Error> {
        let rules = &self.target.transaction;
        let role = admit(self.target, &self.catalog, &self.context.identity)?;
        let skip = usize::from(rules.pre_request.is_some());
        let mut turn = turn(&self.context, work, role, rules);
        if let Some(max_cost) = rules.max_cost
            && let Some(leading) = cost::ask(&mut turn.statements, skip)
        {
            let statements = turn.statements.split_off(leading);
            let asked = self.exchange(&turn).await?;
            if asked.results.iter().skip(skip).any(|plan| cost::exceeds(plan, max_cost)) {
                return Err(Error::TooCostly);
            }
            return self.exchange(&Turn { settings: Settings::default(), statements, continues: true }).await;
        }
        let mut reply = self.exchange(&turn).await?;
        reply.results.drain(..skip.min(reply.results.len()));
        Ok(reply)
    }

    async fn exchange(&mut self, turn: &Turn) -> Result<Reply, Error> {
        let began = Instant::now();
        let reply = self.conversation.exchange(turn).await;
        self.context.journal.since(Stage::Execute, began);
        reply.map_err(|error| self.failed(error))
    }

    /// What it runs against.
    pub fn target(&self) -> &'t Target {
        self.target
    }

    /// From here on everything can be undone. One at a time.
    pub fn savepoint(&mut self) {
        self.conversation.savepoint();
    }

    /// Keeps what happened since the savepoint. A piece of work that only reads needs one: the transaction may write
    /// again after it is released.
    pub fn release_savepoint(&mut self) {
        self.conversation.release_savepoint();
    }

    /// Undoes what happened since the savepoint, a failure included.
    pub fn rollback_to_savepoint(&mut self) {
        self.conversation.rollback_to_savepoint();
    }

    /// Ends it.
    pub async fn end(self, end: End) -> Result<(), Error> {
        let audience = audience(self.target, &self.context.identity);
        let began = Instant::now();
        let ended = match (&self.freshness, &self.target.pools.replicas) {
            (Some(freshness), Some(replicas)) if end == End::Commit => {
                let committed = self.conversation.commit_positioned().await;
                committed.map(|position| replicas.committed(freshness, position))
            }
            _ => self.conversation.end(end).await,
        };
        self.context.journal.since(Stage::Execute, began);
        ended.map_err(|error| Error::database(error, audience))
    }

    /// Undoes everything, after a failure too. Dropping does the same, but may cost the connection.
    pub async fn abort(self) {
        if let Err(error) = self.conversation.abort().await {
            tracing::debug!(%error, "A transaction could not be rolled back; its connection is closed");
        }
    }

    fn failed(&self, error: ferrobase_pg::Error) -> Error {
        Error::database(error, audience(self.target, &self.context.identity))
    }
}

impl std::fmt::Debug for Transaction<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Transaction").field("role", &self.context.identity.role()).finish_non_exhaustive()
    }
}
