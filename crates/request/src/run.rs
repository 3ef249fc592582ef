//! The request transaction: the one function through which every statement that a user causes reaches PostgreSQL.
//!
//! plan -> query -> **execute** -> render. Settings, role, pre-request and statements are one batch and one network
//! flush; the reply exists only after the transaction ended. Nothing is retried here but a read that a replica could not
//! answer, on the primary.
//! Invariant: no batch leaves without a role that the catalog admits and without every setting of `settings`.
//! Read on: `settings` (what is set), `roles` (who may), `sqlstate` (what a failure means).

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use ferrobase_catalog::{Catalog, Proof, QualifiedName, Role};
use ferrobase_pg::{
    Batch, End, Formats, Held, Isolation, Judge, Mode, Pool, Reply, Statement, StatementResult, Terms, Turn,
};

use crate::context::{Identity, RequestContext};
use crate::cost;
use crate::error::Error;
use crate::replicas::Replicas;
use crate::roles::{self, SERVICE_ROLE};
use crate::settings::{SearchPath, quote_into, settings};
use crate::share::Share;
use crate::sqlstate::Audience;
use crate::target::{Profile, Target, TransactionRules};

/// What a room wants done, without who asks.
#[derive(Clone, Debug)]
pub struct Work {
    /// Where unqualified names are looked up: the request's schema, then the extra ones.
    pub search_path: SearchPath,
    /// Statements in order. Only SQL that we generate; the user's code is at most called by it.
    pub statements: Vec<Statement>,
    /// Whether writing must fail.
    pub read_only: bool,
    /// Isolation level of the called function; else the role's own, else the server's.
    pub isolation: Option<Isolation>,
    /// What ends the transaction when nothing failed.
    pub end: End,
    /// `Prefer: timezone`, a name that the catalog knows.
    pub timezone: Option<String>,
    /// `SET` clauses of the called function; those that the configuration hoists are applied.
    pub function_settings: Vec<(String, String)>,
    /// Further transaction-local settings of the room, after all others.
    pub settings: Vec<(Cow<'static, str>, Cow<'static, str>)>,
    /// That no code runs which nobody knows (functions, triggers, policies). Settings that the proven code does not look
    /// at are not set.
    pub proof: Option<Proof>,
}

impl Work {
    /// Reading with one statement.
    pub fn read(search_path: SearchPath, statement: Statement) -> Self {
        Self {
            search_path,
            statements: vec![statement],
            read_only: true,
            isolation: None,
            end: End::Commit,
            timezone: None,
            function_settings: Vec::new(),
            settings: Vec::new(),
            proof: None,
        }
    }

    /// Writing with one statement.
    pub fn write(search_path: SearchPath, statement: Statement) -> Self {
        Self { read_only: false, ..Self::read(search_path, statement) }
    }
}

/// Runs the work as the context's identity. Results are those of the work's statements, in order.
pub async fn run(target: &Target, context: &RequestContext, work: Work) -> Result<Reply, Error> {
    let running = context.journal.run();
    let result = run_unnoted(target, context, work).await;
    match &result {
        Ok(reply) => running.ended(reply.timing.wait),
        Err(error) if error.waited_in_vain() => running.waited(),
        Err(_) => running.ended(Duration::ZERO),
    }
    result
}

async fn run_unnoted(target: &Target, context: &RequestContext, work: Work) -> Result<Reply, Error> {
    let catalog = target.catalog.get().ok_or(Error::NoCatalog)?;
    let role = admit(target, &catalog, &context.identity)?;
    let only_reads = work.read_only;
    let Some(replicas) = &target.pools.replicas else {
        let batch = batch(context, work, role, &target.transaction);
        return Place::primary(target, context).run(batch, only_reads).await;
    };
    // Boxed: most servers have no replicas, and every request's future would carry it.
    if only_reads {
        return Box::pin(read_somewhere(replicas, target, context, (&catalog, role), work)).await;
    }
    replicas.check_writable()?;
    let batch = batch(context, work, role, &target.transaction);
    let commits = !matches!(batch.mode, Mode::Explicit { end: End::Rollback, .. });
    let freshness = context.freshness.as_deref().filter(|_| commits);
    let place = Place { positioned: freshness.is_some(), ..Place::primary(target, context) };
    let reply = Box::pin(place.run(batch, false)).await?;
    if let Some(freshness) = freshness {
        replicas.committed(freshness, reply.position);
    }
    Ok(reply)
}

/// Runs a read on a replica, or on the primary where that is not to be.
async fn read_somewhere(
    replicas: &Replicas,
    target: &Target,
    context: &RequestContext,
    (catalog, role): (&Arc<Catalog>, Option<&Role>),
    work: Work,
) -> Result<Reply, Error> {
    let batch = batch(context, work.clone(), role, &target.transaction);
    if let Some(chosen) = replicas.choose(context, batch.mode).await {
        // The catalog is the primary's: what it proves of code may not hold on the replica yet.
        let copy = match work.proof.as_ref().is_none_or(|proof| chosen.knows(catalog, proof)) {
            true => batch.clone(),
            false => self::batch(context, Work { proof: None, ..work }, role, &target.transaction),
        };
        let copy = chosen.bounded(copy);
        let place = Place {
            pool: chosen.pool(),
            anonymous: target.anonymous.as_ref().map(|_| chosen.anonymous()),
            ..Place::primary(target, context)
        };
        if let Some(answer) = chosen.ask(place.run(copy, true)).await {
            return answer;
        }
    }
    Place::primary(target, context).run(batch, true).await
}

/// Where a batch runs, and for whom.
struct Place<'a> {
    target: &'a Target,
    context: &'a RequestContext,
    pool: &'a Pool,
    /// The share of anonymous requests in the pool.
    anonymous: Option<&'a Share>,
    /// Whether to ask where the log is afterwards.
    positioned: bool,
}

impl<'a> Place<'a> {
    fn primary(target: &'a Target, context: &'a RequestContext) -> Self {
        let pool = target.pools.of_role(context.identity.role());
        Self { target, context, pool, anonymous: target.anonymous.as_ref(), positioned: false }
    }

    async fn run(&self, mut batch: Batch, only_reads: bool) -> Result<Reply, Error> {
        let (target, context) = (self.target, self.context);
        let audience = audience(target, &context.identity);
        let failed =
            |error| if only_reads { Error::of_read(error, audience) } else { Error::database(error, audience) };
        let skip = usize::from(target.transaction.pre_request.is_some());
        let (permit, waited) = match self.anonymous {
            Some(share) if context.identity.is_anonymous => {
                let entered = Instant::now();
                let permit = share.hold(context.deadline).await.map_err(failed)?;
                (Some(permit), entered.elapsed())
            }
            _ => (None, Duration::ZERO),
        };
        let held = permit.as_ref().map(|permit| permit as &dyn Held);
        let terms = Terms { position: self.positioned, held, judge: None };
        let Some(max_cost) = target.transaction.max_cost else {
            let mut reply = self.pool.run_on(batch, terms).await.map_err(failed)?;
            reply.timing.wait += waited;
            reply.results.drain(..skip.min(reply.results.len()));
            return Ok(reply);
        };
        let asked = cost::ask(&mut batch.statements, skip);
        let passes = |results: &[StatementResult]| !results.iter().skip(skip).any(|plan| cost::exceeds(plan, max_cost));
        let judge = asked.map(|leading| Judge { leading, passes: &passes });
        let mut reply = self.pool.run_on(batch, Terms { judge, ..terms }).await.map_err(failed)?;
        reply.timing.wait += waited;
        // What came before the statements: pre-request and plans. A refused batch holds nothing else.
        let before = asked.unwrap_or(skip);
        if asked.is_some() && reply.results.len() <= before {
            return Err(Error::TooCostly);
        }
        reply.results.drain(..before.min(reply.results.len()));
        Ok(reply)
    }
}

/// What a piece of work sends inside a transaction that is open already.
pub(crate) fn turn(context: &RequestContext, work: Work, role: Option<&Role>, rules: &TransactionRules) -> Turn {
    let settings = settings(context, &work, role, rules);
    Turn { settings, statements: with_pre_request(work.statements, rules), continues: false }
}

fn with_pre_request(mut statements: Vec<Statement>, rules: &TransactionRules) -> Vec<Statement> {
    if let Some(function) = &rules.pre_request {
        statements.insert(0, call(function));
    }
    statements
}

/// The role's facts; `None` for a role that the catalog does not know, which only PostgREST's profile lets through.
pub(crate) fn admit<'a>(
    target: &Target,
    catalog: &'a Arc<Catalog>,
    identity: &Identity,
) -> Result<Option<&'a Role>, Error> {
    let name = identity.role();
    if target.transaction.profile == Profile::Postgrest {
        return Ok(catalog.roles.get(name));
    }
    let role = target
        .with_owners(catalog, |owners| roles::admit(name, catalog, owners))
        .map_err(|reason| Error::RoleRefused { role: name.to_owned(), reason, is_anonymous: identity.is_anonymous })?;
    if name == SERVICE_ROLE && !role.bypass_rls {
        return Err(Error::ServiceRoleBound);
    }
    Ok(Some(role))
}

/// Everything that goes over the wire for this request.
pub(crate) fn batch(context: &RequestContext, mut work: Work, role: Option<&Role>, rules: &TransactionRules) -> Batch {
    // A proof that has fallen since the plan was made says nothing, here and on a replica that knows a newer catalog.
    let hides_own = work.search_path.hides_own();
    work.proof = work.proof.filter(|proof| !hides_own && proof.stands.flag().load(Ordering::Acquire));
    let isolation = work.isolation.or_else(|| role.and_then(|role| role.isolation).map(level));
    let mode = match (isolation, work.end) {
        (None, End::Commit) => Mode::Implicit,
        (isolation, end) => {
            Mode::Explicit { isolation: isolation.unwrap_or(Isolation::ReadCommitted), read_only: work.read_only, end }
        }
    };
    let mut scope = String::with_capacity(96);
    scope.push_str(context.identity.role());
    scope.push('\0');
    work.search_path.write(rules.profile, &mut scope);
    let settings = settings(context, &work, role, rules);
    let is_implicit = mode == Mode::Implicit;
    // A proven write forgets its sequences within its own flush; other transactions are checked afterwards.
    let runs_user_code = work.proof.is_none() || rules.pre_request.is_some() || (!work.read_only && !is_implicit);
    Batch {
        settings,
        writes: !work.read_only,
        shareable: work.read_only && is_implicit && !runs_user_code,
        counts_up: !work.read_only && !runs_user_code,
        proof: work.proof.as_ref().map(|proof| Arc::clone(proof.stands.flag())),
        statements: with_pre_request(work.statements, rules),
        mode,
        scope: scope.into(),
        runs_user_code,
        since: context.arrived,
        deadline: context.deadline,
    }
}

fn call(function: &QualifiedName) -> Statement {
    let mut sql = String::from("select ");
    // PostgREST's configuration may leave the schema to the search path.
    if !function.schema.is_empty() {
        quote_into(&mut sql, &function.schema);
        sql.push('.');
    }
    quote_into(&mut sql, &function.name);
    sql.push_str("()");
    Statement { sql: sql.into(), params: Vec::new(), param_types: Vec::new(), formats: Formats::Text }
}

pub(crate) fn level(isolation: ferrobase_catalog::Isolation) -> Isolation {
    match isolation {
        ferrobase_catalog::Isolation::ReadCommitted => Isolation::ReadCommitted,
        ferrobase_catalog::Isolation::RepeatableRead => Isolation::RepeatableRead,
        ferrobase_catalog::Isolation::Serializable => Isolation::Serializable,
    }
}

pub(crate) fn audience(target: &Target, identity: &Identity) -> Audience {
    Audience { is_anonymous: identity.is_anonymous, shows_internals: target.transaction.profile == Profile::Postgrest }
}

#[cfg(test)]
mod tests {
    use ferrobase_catalog::{Proven, SettingsRead, Stands};

    use super::*;

    fn context() -> RequestContext {
        RequestContext {
            identity: Identity::internal("anon"),
            request_id: "".into(),
            method: "GET".into(),
            path: "/".into(),
            headers: "{}".into(),
            cookies: "{}".into(),
            client_ip: None,
            arrived: Instant::now(),
            deadline: Instant::now(),
            trace: None,
            journal: Default::default(),
            freshness: None,
        }
    }

    fn read(stands: &Stands) -> Batch {
        read_along(stands, &["public"])
    }

    fn read_along(stands: &Stands, path: &[&str]) -> Batch {
        let statement =
            Statement { sql: "select 1".into(), params: Vec::new(), param_types: Vec::new(), formats: Formats::Text };
        let proof = Some(Proof { stands: stands.clone(), settings: SettingsRead::default() });
        let work = Work { proof, ..Work::read(path.iter().collect(), statement) };
        batch(&context(), work, None, &TransactionRules::default())
    }

    #[test]
    fn a_proof_that_fell_after_the_plan_is_none() {
        let stands = Proven::default().stands().clone();
        stands.flag().store(true, Ordering::Release);
        let proven = read(&stands);
        assert!(proven.shareable && !proven.runs_user_code);
        stands.flag().store(false, Ordering::Release);
        let fallen = read(&stands);
        assert!(!fallen.shareable && fallen.runs_user_code && fallen.proof.is_none());
        let told = |batch: &Batch| batch.settings.iter().any(|(name, _)| name == "request.path");
        assert!(!told(&proven) && told(&fallen), "unknown code is told everything");
    }

    #[test]
    fn sec_03_no_proof_is_relied_on_where_something_comes_before_postgresqls_own() {
        let stands = Proven::default().stands().clone();
        stands.flag().store(true, Ordering::Release);
        for (path, is_proven) in [
            (&["public", "extensions"][..], true),
            (&["pg_catalog", "public"], true),
            (&["pg_catalog", "public", "pg_catalog"], true),
            (&["public", "pg_catalog"], false),
            (&[], true),
        ] {
            let batch = read_along(&stands, path);
            assert_eq!((batch.shareable, batch.proof.is_some()), (is_proven, is_proven), "{path:?}");
        }
    }
}
