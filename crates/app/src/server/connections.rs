//! How the connections of this process are shared out between its pools, and which servers they lead to.
//!
//! One server is simply connected to. Of several each is watched ([`Cluster`]): the three pools of every target lead to the
//! primary, and each server has two more for reads, used while it is a replica.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use ferrobase_pg::config::{DatabaseSection, ListedServer, ReadPreference};
use ferrobase_pg::options::TargetSessionAttrs;
use ferrobase_pg::servers::Watched;
use ferrobase_pg::{ConnectOptions, Guide, Pool, PoolOptions, Pooler, Servers};
use ferrobase_request::install::{Login, Logins};
use ferrobase_request::replicas::{Member, Rules};
use ferrobase_request::{FreshnessKey, Pools, Replicas};

use super::patroni;

/// One in so many connections is kept for service keys, so that anonymous load never locks the service out.
const SERVICE_SHARE: u32 = 4;
/// Connections for work of our own, beside the configured ones.
const OWNER_CONNECTIONS: usize = 2;
/// One for so many configured ones, beside them, for each room with a login of its own; opened when it is needed. Other
/// load cannot take them (security 29).
const ROOM_SHARE: usize = 4;
/// A room that has one connection would wait for itself.
const FEWEST_OF_ROOM: usize = 2;
/// A transaction that loses against others is tried five times in all, within a third of a second.
const CONFLICT_RETRIES: u32 = 4;
/// Longest wait for a connection to a replica: the primary is there, too.
const REPLICA_PATIENCE: Duration = Duration::from_millis(500);

/// Several servers of one cluster, watched.
pub(crate) struct Cluster {
    listed: Vec<ListedServer>,
    pub(crate) servers: Servers,
    guide: Guide,
    _patroni: Option<patroni::Watch>,
}

impl Cluster {
    /// Begins to watch, where there are several servers. Must be called on a runtime.
    pub(crate) fn watch(section: &DatabaseSection) -> Result<Option<Self>> {
        let (listed, connect) = (section.servers()?, section.listener()?);
        if listed.len() < 2 {
            return Ok(None);
        }
        let watched = listed.iter().map(|server| Watched {
            host: server.host.clone(),
            // As the owner, also where reads have a login of their own: any server may become the primary.
            connect: connect.clone(),
            is_near: section.is_near(server),
        });
        let guide = Guide::default();
        let servers = Servers::watch(watched.collect(), section.bounds(), guide.clone());
        let hosts = listed.iter().map(|server| server.host.clone()).collect();
        let patroni = patroni::Watch::start(section, &servers, hosts);
        Ok(Some(Self { listed, servers, guide, _patroni: patroni }))
    }

    /// Has connections look for the primary where it is known to be.
    pub(crate) fn guide(&self, connect: ConnectOptions) -> ConnectOptions {
        connect.with_guide(self.guide.clone())
    }
}

/// The pools of requests, service keys and the owner. Nothing is connected yet. `secret` seals freshness tokens where the
/// login has no password.
pub(crate) fn pools(
    section: &DatabaseSection,
    owner: &ConnectOptions,
    logins: &Logins,
    cluster: Option<&Cluster>,
    secret: Option<&[u8]>,
) -> Pools {
    let service = (section.max_connections / SERVICE_SHARE).max(1);
    let request = section.max_connections.saturating_sub(service).max(1);
    let on_demand = on_demand(section);
    let pool = |login: &Login, name: &str, bounds: PoolOptions, is_ours: bool| {
        of_login(section, owner, login, name, bounds, is_ours)
    };
    let is_ours = section.authenticator.password.is_none();
    let member = |server: &ListedServer| {
        let connect = owner.clone().with_hosts([server.host.clone()]);
        let connect = connect.with_target_session_attrs(TargetSessionAttrs::Standby);
        let read = |login: &Login, name: &str, number: u32, is_ours: bool| {
            let bounds = on_demand.pool(number as usize);
            let acquire_timeout = bounds.acquire_timeout.min(REPLICA_PATIENCE);
            let bare_login = is_ours && bounds.pooler == Pooler::Direct;
            let options = connect.clone().with_login(&login.user, login.password.clone()).with_application_name(name);
            let options = section.guarded(options);
            Pool::new(options, PoolOptions { bare_login, acquire_timeout, ..bounds })
        };
        match &server.login {
            None => Member::new(
                read(&logins.request, "ferrobase read", request, is_ours),
                Some(read(&logins.service, "ferrobase service read", service, true)),
            ),
            Some((user, password)) => {
                let own = Login { user: user.clone(), password: password.clone() };
                Member::new(read(&own, "ferrobase read", request, false), None)
            }
        }
    };
    let replicas = cluster.map(|cluster| {
        let password = logins.request.password.as_ref().map(|password| password.expose().as_bytes());
        let rules = Rules {
            prefers_replicas: section.read_preference == ReadPreference::Replica,
            wait: section.freshness_wait,
            statement_timeout: section.replica_statement_timeout,
            // A purpose of its own: the key tells nothing about what it was derived from.
            key: FreshnessKey::derived_from(password.or(secret), "default"),
        };
        Arc::new(Replicas::new(cluster.servers.clone(), cluster.listed.iter().map(member).collect(), rules))
    });
    Pools {
        replicas,
        rooms: logins.rooms.iter().map(|(schema, login)| (*schema, room(section, owner, login))).collect(),
        request: pool(&logins.request, "ferrobase", section.pool(request as usize), is_ours),
        service: pool(&logins.service, "ferrobase service", on_demand.pool(service as usize), true),
        owner: Pool::new(owner.clone().with_application_name("ferrobase owner"), on_demand.pool(OWNER_CONNECTIONS)),
    }
}

/// The pool of a room that has a login of its own.
pub(super) fn room(section: &DatabaseSection, owner: &ConnectOptions, login: &Login) -> Pool {
    let most = (section.max_connections as usize / ROOM_SHARE).max(FEWEST_OF_ROOM);
    of_login(section, owner, login, "ferrobase room", on_demand(section).pool(most), true)
}

/// Only requests keep connections ready; the others are opened when somebody needs them.
fn on_demand(section: &DatabaseSection) -> DatabaseSection {
    DatabaseSection { min_connections: 0, ..section.clone() }
}

fn of_login(
    section: &DatabaseSection,
    owner: &ConnectOptions,
    login: &Login,
    name: &str,
    mut bounds: PoolOptions,
    is_ours: bool,
) -> Pool {
    let options = section.guarded(owner.clone().with_login(&login.user, login.password.clone()));
    // Behind a pooler in transaction mode, what one connection says is nothing about the next.
    bounds.bare_login = is_ours && bounds.pooler == Pooler::Direct;
    bounds.conflict_retries = CONFLICT_RETRIES;
    Pool::new(options.with_application_name(name), bounds)
}
