//! Which server a read runs on: the one place where that is chosen.
//!
//! A read goes to a replica when the configuration or the caller prefers one and one is fresh enough; everything else goes to
//! the primary. A read that a replica cannot answer (it is gone, has no connection free, conflicts with what it
//! replays, or does not know yet what the catalog knows) is asked again on the primary, once: nothing of it was sent to
//! anybody.
//! Invariant: a read with a token never sees less than the token promises.
//! Invariant: whoever waits for a replica holds no connection, and is bounded in time and number.
//! Invariant: a server without connections here, because it came just now or has left, is chosen for nothing.
//! Read on: `ferrobase_pg::servers` (who is fresh), `freshness` (tokens), docs/adr/0012.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use ferrobase_catalog::{Catalog, Proof};
use ferrobase_pg::servers::{Pick, ServerStatus};
use ferrobase_pg::{Batch, Error as PgError, Isolation, Lsn, Mode, Pool, PoolStats, Position, Servers, SqlState};

use crate::context::RequestContext;
use crate::error::Error;
use crate::freshness::{Freshness, FreshnessKey, Mark, ReadFrom};
use crate::role_settings::{milliseconds, shortest};
use crate::roles::SERVICE_ROLE;
use crate::share::Share;

/// "It is not in the state for that": a standby that is asked what only a primary knows.
const NOT_IN_STATE: SqlState = SqlState::new("55000");

/// How reads are shared out.
#[derive(Debug)]
pub struct Rules {
    /// Whether reads go to replicas when their caller does not say.
    pub prefers_replicas: bool,
    /// Longest wait for a replica that does not have what the caller wrote yet.
    pub wait: Duration,
    /// Upper bound of one statement on a replica.
    pub statement_timeout: Option<Duration>,
    /// Seals freshness tokens.
    pub key: FreshnessKey,
}

/// Connections for reads on one server.
#[derive(Debug)]
pub struct Member {
    request: Pool,
    /// None where the login of the server must not become service_role.
    service: Option<Pool>,
    under_way: AtomicUsize,
    anonymous: Share,
    streams: [Share; 2],
}

impl Member {
    /// Of these pools.
    pub fn new(request: Pool, service: Option<Pool>) -> Self {
        let streams = [Share::streams(&request), Share::streams(service.as_ref().unwrap_or(&request))];
        Self { anonymous: Share::anonymous(&request), streams, under_way: AtomicUsize::new(0), request, service }
    }

    fn pool(&self, role: &str) -> Option<&Pool> {
        if role == SERVICE_ROLE { self.service.as_ref() } else { Some(&self.request) }
    }

    /// Takes no more work and closes every connection. The caller bounds the wait.
    pub async fn close(&self) {
        self.request.close().await;
        if let Some(service) = &self.service {
            service.close().await;
        }
    }
}

/// The servers that may answer reads, and how that goes.
#[derive(Debug)]
pub struct Replicas {
    servers: Servers,
    /// By the number of the server.
    members: ArcSwap<BTreeMap<usize, Arc<Member>>>,
    rules: Rules,
    counters: Counters,
    schema: Mutex<Option<Schema>>,
}

/// A catalog and a moment of proofs, and the place up to which a replica must have come for both to hold there.
#[derive(Debug)]
struct Schema {
    /// Not kept alive, only told apart.
    catalog: Weak<Catalog>,
    /// The flag of all proofs of one moment: a renewed proof is of another one than the catalog.
    stands: Weak<AtomicBool>,
    seen: Instant,
    place: Option<Lsn>,
}

#[derive(Debug, Default)]
struct Counters {
    on_replica: AtomicU64,
    on_primary: AtomicU64,
    waits: AtomicU64,
    waits_in_vain: AtomicU64,
    unusable_tokens: AtomicU64,
    fallbacks: AtomicU64,
}

/// How reads went since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReadStats {
    /// Answered by a replica.
    pub on_replica: u64,
    /// Answered by the primary.
    pub on_primary: u64,
    /// Reads that waited for a replica to have what their caller wrote.
    pub waits: u64,
    /// Those that waited in vain.
    pub waits_in_vain: u64,
    /// Tokens that were damaged, foreign, or ahead of the primary.
    pub unusable_tokens: u64,
    /// Reads that a replica could not answer and the primary did.
    pub fallbacks: u64,
}

/// A replica that was chosen; counted as long as it lives.
pub(crate) struct Chosen<'a> {
    replicas: &'a Replicas,
    number: usize,
    member: Arc<Member>,
    role: &'a str,
}

impl Drop for Chosen<'_> {
    fn drop(&mut self) {
        self.member.under_way.fetch_sub(1, Relaxed);
    }
}

impl Chosen<'_> {
    pub(crate) fn pool(&self) -> &Pool {
        // Where there is none for this role the server was not chosen.
        self.member.pool(self.role).unwrap_or(&self.member.request)
    }

    /// The batch as it runs there: no longer than statements may take on a replica.
    pub(crate) fn bounded(&self, mut batch: Batch) -> Batch {
        const NAME: &str = "statement_timeout";
        if let Some(bound) = self.replicas.rules.statement_timeout {
            let own = batch.settings.iter().rfind(|(name, _)| name.eq_ignore_ascii_case(NAME));
            let own = own.and_then(|(_, value)| milliseconds(value)).unwrap_or(0);
            batch.settings.set(NAME, &format!("{}ms", shortest(own, Some(bound))));
        }
        batch
    }

    /// Whether what the catalog says, and this proof, holds there, too.
    pub(crate) fn knows(&self, catalog: &Arc<Catalog>, proof: &Proof) -> bool {
        self.replicas.holds(catalog, proof, self.number)
    }

    pub(crate) fn anonymous(&self) -> &Share {
        &self.member.anonymous
    }

    pub(crate) fn streams(&self) -> &Share {
        &self.member.streams[usize::from(self.role == SERVICE_ROLE)]
    }

    /// The answer of the replica; none when the primary has to be asked.
    pub(crate) async fn ask<T>(&self, work: impl Future<Output = Result<T, Error>>) -> Option<Result<T, Error>> {
        let answer = tokio::select! {
            biased;
            answer = work => answer,
            () = self.replicas.servers.lost(self.number) => {
                self.fell_back("it does not answer any more");
                return None;
            }
        };
        let Err(error) = &answer else {
            self.replicas.counters.on_replica.fetch_add(1, Relaxed);
            return Some(answer);
        };
        match verdict(error) {
            Verdict::Final => {
                self.replicas.counters.on_replica.fetch_add(1, Relaxed);
                Some(answer)
            }
            Verdict::Primary => {
                self.fell_back(error);
                None
            }
            Verdict::Gone => {
                self.replicas.servers.suspect(self.number);
                self.fell_back(error);
                None
            }
        }
    }

    fn fell_back(&self, why: impl std::fmt::Display) {
        self.replicas.counters.fallbacks.fetch_add(1, Relaxed);
        tracing::debug!(%why, "a replica could not answer a read; the primary is asked");
    }
}

impl Replicas {
    /// Of these servers, each with its number and connections.
    pub fn new(servers: Servers, members: impl IntoIterator<Item = (usize, Member)>, rules: Rules) -> Self {
        let members = members.into_iter().map(|(number, member)| (number, Arc::new(member)));
        let members = ArcSwap::from_pointee(members.collect());
        Self { servers, members, rules, counters: Counters::default(), schema: Mutex::default() }
    }

    /// One more server has connections for reads.
    pub fn join(&self, number: usize, member: Member) {
        let member = Arc::new(member);
        self.members.rcu(|members| {
            let mut members = BTreeMap::clone(members);
            members.insert(number, Arc::clone(&member));
            members
        });
    }

    /// A server has none any more; gives them, to be closed.
    pub fn leave(&self, number: usize) -> Option<Arc<Member>> {
        let before = self.members.rcu(|members| {
            let mut members = BTreeMap::clone(members);
            members.remove(&number);
            members
        });
        before.get(&number).cloned()
    }

    /// Whether what the catalog says, and what it proves of code, holds on a replica: it does once everything was replayed
    /// that had been committed when they were first seen.
    fn holds(&self, catalog: &Arc<Catalog>, proof: &Proof, number: usize) -> bool {
        let stands = proof.stands.flag();
        let is_it = |known: &Schema| {
            std::ptr::eq(known.catalog.as_ptr(), Arc::as_ptr(catalog))
                && std::ptr::eq(known.stands.as_ptr(), Arc::as_ptr(stands))
        };
        let mut schema = self.schema.lock().unwrap_or_else(PoisonError::into_inner);
        let known = match &mut *schema {
            Some(known) if is_it(known) => known,
            other => {
                let (catalog, stands) = (Arc::downgrade(catalog), Arc::downgrade(stands));
                other.insert(Schema { catalog, stands, seen: Instant::now(), place: None })
            }
        };
        if known.place.is_none() {
            known.place = self.servers.written_since(known.seen);
        }
        known.place.is_some_and(|place| self.servers.has_reached(number, place))
    }

    /// Who is watched.
    pub fn servers(&self) -> &Servers {
        &self.servers
    }

    /// Why nothing may be written.
    pub(crate) fn check_writable(&self) -> Result<(), Error> {
        match self.servers.trouble() {
            None => Ok(()),
            Some(trouble) => Err(Error::NotOnePrimary { trouble }),
        }
    }

    /// The replica that answers a read; none when the primary does.
    pub(crate) async fn choose<'a>(&'a self, context: &'a RequestContext, mode: Mode) -> Option<Chosen<'a>> {
        let chosen = self.find(context, mode).await;
        if chosen.is_none() {
            self.counters.on_primary.fetch_add(1, Relaxed);
        }
        chosen
    }

    async fn find<'a>(&'a self, context: &'a RequestContext, mode: Mode) -> Option<Chosen<'a>> {
        let freshness = context.freshness.as_deref();
        let prefers = match freshness.and_then(|freshness| freshness.from) {
            Some(from) => from == ReadFrom::Replica,
            None => self.rules.prefers_replicas,
        };
        // Standbys have no serializable transactions.
        if !prefers || matches!(mode, Mode::Explicit { isolation: Isolation::Serializable, .. }) {
            return None;
        }
        let role = context.identity.role();
        let busy = |number: usize| {
            let members = self.members.load();
            let member = members.get(&number)?;
            let is_usable = member.pool(role)?.outage().is_none();
            is_usable.then(|| member.under_way.load(Relaxed))
        };
        let at_least = match freshness.and_then(|freshness| freshness.token.as_deref()) {
            None => None,
            Some(token) => Some(self.place(token)?.lsn),
        };
        let number = match (self.servers.pick(at_least, busy), at_least) {
            (Pick::Replica(number), _) => number,
            (Pick::Later, Some(lsn)) => {
                self.counters.waits.fetch_add(1, Relaxed);
                let until = context.deadline.min(Instant::now() + self.rules.wait);
                let reached = self.servers.wait(lsn, until, busy).await;
                if reached.is_none() {
                    self.counters.waits_in_vain.fetch_add(1, Relaxed);
                }
                reached?
            }
            (Pick::Primary | Pick::Later, _) => return None,
        };
        let member = Arc::clone(self.members.load().get(&number)?);
        member.under_way.fetch_add(1, Relaxed);
        Some(Chosen { replicas: self, number, member, role })
    }

    /// The place that a token names, when it is ours, of this history, and nothing that the primary has not written.
    fn place(&self, token: &str) -> Option<Position> {
        let known = self.servers.position();
        let place = self.rules.key.open(token).filter(|mark| {
            known.is_some_and(|(system, here)| {
                mark.system == system && mark.position.timeline == here.timeline && mark.position.lsn <= here.lsn
            })
        });
        if place.is_none() {
            self.counters.unusable_tokens.fetch_add(1, Relaxed);
        }
        place.map(|mark| mark.position)
    }

    /// A write of the caller was committed before this place: the answer gives out a token of it.
    pub(crate) fn committed(&self, freshness: &Freshness, position: Option<Position>) {
        let (Some(position), Some((system, _))) = (position, self.servers.position()) else { return };
        self.servers.committed(position);
        freshness.give(self.rules.key.seal(Mark { system, position }));
    }

    /// How reads went.
    pub fn stats(&self) -> ReadStats {
        let counters = &self.counters;
        let on_primary = counters.on_primary.load(Relaxed) + counters.fallbacks.load(Relaxed);
        ReadStats {
            on_replica: counters.on_replica.load(Relaxed),
            on_primary,
            waits: counters.waits.load(Relaxed),
            waits_in_vain: counters.waits_in_vain.load(Relaxed),
            unusable_tokens: counters.unusable_tokens.load(Relaxed),
            fallbacks: counters.fallbacks.load(Relaxed),
        }
    }

    /// How the servers stand, and their connections for reads.
    pub fn status(&self) -> Vec<(ServerStatus, PoolStats)> {
        let members = self.members.load();
        let stats = |status: &ServerStatus| members.get(&status.number).map(|member| member.request.stats());
        let status = self.servers.status().into_iter();
        status.filter_map(|status| stats(&status).map(|stats| (status, stats))).collect()
    }

    /// Whether reads whose callers say nothing are answered by a replica now.
    pub fn is_answering(&self) -> bool {
        self.rules.prefers_replicas && matches!(self.servers.pick(None, |_| Some(0)), Pick::Replica(_))
    }

    /// Takes no more work and closes every connection. The caller bounds the wait.
    pub async fn close(&self) {
        let members = self.members.load_full();
        for member in members.values() {
            member.close().await;
        }
    }
}

/// What a failure on a replica means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    /// The primary would fail too.
    Final,
    /// The primary may well succeed.
    Primary,
    /// The same, and nobody else should try here now.
    Gone,
}

fn verdict(error: &Error) -> Verdict {
    let Error::Database { source, .. } = error else { return Verdict::Final };
    match source {
        PgError::Db(db) if db.is_fatal() || db.code.is_server_unavailable() => Verdict::Gone,
        PgError::Db(db) if is_of_standby(db.code) => Verdict::Primary,
        PgError::Db(_)
        | PgError::Deadline
        // Nothing of the server: its caller plans the read again.
        | PgError::Doubt
        | PgError::Unsendable(_)
        | PgError::ReplyTooLarge { .. }
        | PgError::Protocol(_) => Verdict::Final,
        PgError::Saturated { .. } | PgError::AcquireTimeout(_) => Verdict::Primary,
        _ => Verdict::Gone,
    }
}

/// Whether a primary may say something else: conflicts with replay (40001, 40P01), what a standby cannot do (25006, 0A000,
/// 55000), and what it cannot know because the change of the schema did not reach it yet (class 42, 3F000).
fn is_of_standby(code: SqlState) -> bool {
    const OTHERS: [SqlState; 6] = [
        SqlState::SERIALIZATION_FAILURE,
        SqlState::DEADLOCK_DETECTED,
        SqlState::READ_ONLY_SQL_TRANSACTION,
        SqlState::FEATURE_NOT_SUPPORTED,
        SqlState::INVALID_SCHEMA_NAME,
        NOT_IN_STATE,
    ];
    code.class() == "42" || OTHERS.contains(&code)
}
