//! What a request runs against: pools, catalog, keys and rules of one tenant, found in a [`Registry`].
//!
//! Nothing else in the process holds a pool or a catalog. A target is immutable: a configuration reload builds a new
//! one, which shares pools and catalog with the old, and puts it into the registry in its place.
//! Invariant: cache keys of every room begin with [`Target::id`].

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use arc_swap::{ArcSwap, ArcSwapOption};
use ferrobase_catalog::{Catalog, CatalogHandle, Proven, QualifiedName};
use ferrobase_pg::Pool;
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::credentials::Authority;
use crate::error::Error;
use crate::exposure::Exposure;
use crate::replicas::Replicas;
use crate::role_settings::RoleLimits;
use crate::roles::{self, Owners, Refusal, SERVICE_ROLE};
use crate::share::{Share, ShareStats};

/// Whose habits a target has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Profile {
    /// `serve` and `dev`: our security rules hold.
    #[default]
    Ferrobase,
    /// `ferrobase postgrest`: what PostgREST does, including what it leaves to the database.
    Postgrest,
}

/// Connections by login. Cheap to clone.
#[derive(Clone)]
pub struct Pools {
    /// Login `authenticator`: becomes anon and authenticated, never service_role.
    pub request: Pool,
    /// Login `authenticator_service`: becomes service_role only.
    pub service: Pool,
    /// The owner: migrations, introspection, leases. No statement that a caller causes runs here.
    pub owner: Pool,
    /// Logins of rooms with a schema of their own, by the schema; each becomes the schema's owner and nothing else. A
    /// room has connections of its own, so that other load never keeps people from signing in (security 29).
    pub rooms: HashMap<&'static str, Pool>,
    /// Other servers of the cluster, where reads may run; all pools above lead to the primary.
    pub replicas: Option<Arc<Replicas>>,
}

impl Pools {
    /// One login for everything, as PostgREST has it (`ferrobase postgrest`).
    pub fn single(pool: &Pool) -> Self {
        Self {
            request: pool.clone(),
            service: pool.clone(),
            owner: pool.clone(),
            rooms: HashMap::new(),
            replicas: None,
        }
    }

    /// Whether it is certain which server is written to.
    pub(crate) fn check_writable(&self) -> Result<(), Error> {
        self.replicas.as_ref().map_or(Ok(()), |replicas| replicas.check_writable())
    }

    /// The pool whose login may become this role.
    pub fn of_role(&self, role: &str) -> &Pool {
        if role == SERVICE_ROLE { &self.service } else { &self.request }
    }
}

/// How transactions of a target are made.
#[derive(Clone, Debug, Default)]
pub struct TransactionRules {
    /// Whose habits.
    pub profile: Profile,
    /// Function without arguments that runs before every request's statement (`rest.pre_request`).
    pub pre_request: Option<QualifiedName>,
    /// Settings of a called function that are applied before it starts (`rest.hoisted_tx_settings`).
    pub hoisted_settings: Vec<String>,
    /// What a role's own settings may reach; its statement timeout is the server's (`database.statement_timeout`).
    pub role_limits: RoleLimits,
    /// Most planner cost of one statement (`rest.max_cost`); without it the planner is not asked.
    pub max_cost: Option<f64>,
    /// `app.settings.*` of PostgREST's configuration, with full names.
    pub app_settings: Vec<(String, String)>,
}

/// Everything that a target is made of.
pub struct TargetParts {
    /// The tenant's name.
    pub name: String,
    /// Connections.
    pub pools: Pools,
    /// The schema cache.
    pub catalog: CatalogHandle,
    /// Who decides about identities.
    pub authority: Arc<Authority>,
    /// How transactions are made.
    pub transaction: TransactionRules,
    /// What API roles may see.
    pub exposure: Exposure,
    /// Rises with every reload of the configuration.
    pub epoch: u64,
}

/// One tenant's database with everything needed to serve it.
pub struct Target {
    /// Beginning of every cache key: name and configuration epoch.
    pub id: Arc<str>,
    /// The tenant's name.
    pub name: String,
    /// Connections.
    pub pools: Pools,
    /// The schema cache.
    pub catalog: CatalogHandle,
    /// Who decides about identities.
    pub authority: Arc<Authority>,
    /// How transactions are made.
    pub transaction: TransactionRules,
    /// What API roles may see.
    pub exposure: Exposure,
    /// Rises with every reload of the configuration.
    pub epoch: u64,
    owners: ArcSwapOption<(Arc<Catalog>, Owners)>,
    /// How many anonymous requests may run at once; none where one login serves everybody.
    pub(crate) anonymous: Option<Share>,
    /// Looks at the policies, for hints: one at a time.
    pub(crate) looks: Semaphore,
    /// Requests that do not wait for what is being proven.
    unknown: Semaphore,
    /// Those that did not from the start: of which renewal, and how many came.
    first: Mutex<(Option<Instant>, usize)>,
    /// How many streams may hold connections of the request pool and of the service pool.
    streams: [Share; 2],
}

/// Requests that go on without proofs: the first after the word of a change, and while it takes long to renew these so many at a time.
const UNKNOWN: usize = 4;
/// How long after the word of a change all others wait for the renewal, which leaves it the processors: it takes some milliseconds of one.
const PATIENCE: Duration = Duration::from_millis(50);

/// What is known of the code that a request may run, to be kept until it is answered.
pub struct Known<'t> {
    /// What is proven.
    pub proven: Option<Arc<Proven>>,
    /// One of the few that do not wait for it.
    _turn: Option<SemaphorePermit<'t>>,
}

impl Target {
    /// Puts the parts together.
    pub fn new(parts: TargetParts) -> Self {
        let is_ours = parts.transaction.profile == Profile::Ferrobase;
        Self {
            anonymous: is_ours.then(|| Share::anonymous(&parts.pools.request)),
            streams: [Share::streams(&parts.pools.request), Share::streams(&parts.pools.service)],
            id: format!("{}#{}", parts.name, parts.epoch).into(),
            name: parts.name,
            pools: parts.pools,
            catalog: parts.catalog,
            authority: parts.authority,
            transaction: parts.transaction,
            exposure: parts.exposure,
            epoch: parts.epoch,
            owners: ArcSwapOption::empty(),
            looks: Semaphore::new(1),
            unknown: Semaphore::new(UNKNOWN),
            first: Mutex::default(),
        }
    }

    /// What is proven of the objects that this catalog tells of. While that is being renewed the first few go on without, and the
    /// others wait for it: what nobody knows anything about takes a connection for itself, and opening many at once makes everybody
    /// wait longer. When it takes long a few at a time go on.
    pub async fn proven(&self, catalog: &Catalog) -> Known<'_> {
        let proven = self.catalog.proven_of(catalog);
        if proven.is_some() || !self.catalog.is_being_renewed() {
            return Known { proven, _turn: None };
        }
        // Boxed: every request's future would carry it.
        Box::pin(async {
            if self.is_of_the_first() {
                return Known { proven: None, _turn: None };
            }
            let proven = self.catalog.proven_soon(catalog, PATIENCE).await;
            if proven.is_some() || !self.catalog.is_being_renewed() {
                return Known { proven, _turn: None };
            }
            tokio::select! {
                biased;
                turn = self.unknown.acquire() => Known { proven: None, _turn: turn.ok() },
                proven = self.catalog.proven_soon(catalog, CatalogHandle::WAIT) => Known { proven, _turn: None },
            }
        })
        .await
    }

    /// Whether this is one of the first requests since the renewal that is under way was due.
    fn is_of_the_first(&self) -> bool {
        let Some(due) = self.catalog.due() else { return false };
        let mut first = self.first.lock().unwrap_or_else(PoisonError::into_inner);
        if first.0 != Some(due) {
            *first = (Some(due), 0);
        }
        first.1 += 1;
        first.1 <= UNKNOWN
    }

    /// The owners of exposed relations, worked out once for each catalog.
    pub(crate) fn with_owners<T>(&self, catalog: &Arc<Catalog>, look: impl FnOnce(&Owners) -> T) -> T {
        if let Some(known) = &*self.owners.load()
            && Arc::ptr_eq(&known.0, catalog)
        {
            return look(&known.1);
        }
        let owners = Arc::new((Arc::clone(catalog), Owners::of(catalog, &self.exposure.schemas)));
        self.owners.store(Some(Arc::clone(&owners)));
        look(&owners.1)
    }

    /// Why no request may run as this role; nothing where it may.
    pub fn refuses(&self, catalog: &Arc<Catalog>, role: &str) -> Option<Refusal> {
        self.with_owners(catalog, |owners| roles::admit(role, catalog, owners).err())
    }

    /// How anonymous requests fare that wait for their share of the connections.
    pub fn anonymous_share(&self) -> ShareStats {
        self.anonymous.as_ref().map(Share::stats).unwrap_or_default()
    }

    /// The share of streams in the pool of this role.
    pub(crate) fn streams_of(&self, role: &str) -> &Share {
        &self.streams[usize::from(role == SERVICE_ROLE)]
    }

    /// The longest that any statement may take, when the configuration says so.
    pub fn statement_timeout(&self) -> Option<Duration> {
        self.transaction.role_limits.statement_timeout
    }
}

/// The targets of this process. Today there is one; readers never wait.
pub struct Registry {
    targets: ArcSwap<Targets>,
}

struct Targets {
    default: Arc<Target>,
    by_name: HashMap<String, Arc<Target>>,
}

impl Registry {
    /// A registry of this one target.
    pub fn of(target: Target) -> Self {
        Self { targets: ArcSwap::from_pointee(Targets::of(target)) }
    }

    /// The target of requests that name no tenant.
    pub fn default_target(&self) -> Arc<Target> {
        Arc::clone(&self.targets.load().default)
    }

    /// A tenant's target. The caller checks that the token grants this tenant.
    pub fn find(&self, name: &str) -> Option<Arc<Target>> {
        self.targets.load().by_name.get(name).cloned()
    }

    /// Puts a new target in the place of the old one; requests under way finish on the old one.
    pub fn replace(&self, target: Target) {
        self.targets.store(Arc::new(Targets::of(target)));
    }
}

impl Targets {
    fn of(target: Target) -> Self {
        let default = Arc::new(target);
        Self { by_name: HashMap::from([(default.name.clone(), Arc::clone(&default))]), default }
    }
}
