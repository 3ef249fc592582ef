//! How the connections of this process are shared out between its pools, and which servers they lead to.
//!
//! One server is simply connected to. Of several each is watched (`cluster`): the three pools of every target lead to the
//! primary, and each server has two more for reads ([`Readers`]), used while it is a replica.
//! `database.max_connections` bounds requests and service keys together; rooms and our own work come on top, because no load
//! of requests may take their connections. The sum is in docs/guide/operating.md, "Limits".

use std::time::Duration;

use ferrobase_pg::config::{DatabaseSection, ListedServer, ReadPreference};
use ferrobase_pg::options::TargetSessionAttrs;
use ferrobase_pg::{ConnectOptions, Pool, PoolOptions, Pooler};
use ferrobase_request::install::{Login, Logins};
use ferrobase_request::replicas::{Member, Rules};
use ferrobase_request::{FreshnessKey, Pools};

use super::cluster::Cluster;

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

/// Makes the connections for reads on one server after the other.
pub(super) struct Readers {
    section: DatabaseSection,
    connect: ConnectOptions,
    logins: Logins,
}

impl Readers {
    pub(super) fn new(section: &DatabaseSection, owner: &ConnectOptions, logins: &Logins) -> Self {
        let connect = owner.clone().with_target_session_attrs(TargetSessionAttrs::Standby);
        Self { section: on_demand(section), connect, logins: logins.clone() }
    }

    /// Nothing is connected yet. A server that was found and not listed has to prove itself first.
    pub(super) fn member(&self, server: &ListedServer, is_listed: bool) -> Member {
        let (request, service) = shares(&self.section);
        let connect = self.connect.clone().with_hosts([server.host.clone()]);
        let connect = if is_listed { connect } else { connect.with_proof() };
        match &server.login {
            None => Member::new(
                self.pool(&connect, &self.logins.request, "ferrobase read", request, is_ours(&self.section)),
                Some(self.pool(&connect, &self.logins.service, "ferrobase service read", service, true)),
            ),
            Some((user, password)) => {
                let own = Login { user: user.clone(), password: password.clone() };
                Member::new(self.pool(&connect, &own, "ferrobase read", request, false), None)
            }
        }
    }

    fn pool(&self, connect: &ConnectOptions, login: &Login, name: &str, number: u32, is_ours: bool) -> Pool {
        let bounds = self.section.pool(number as usize);
        let acquire_timeout = bounds.acquire_timeout.min(REPLICA_PATIENCE);
        let bare_login = is_ours && bounds.pooler == Pooler::Direct;
        let connect = connect.clone().with_login(&login.user, login.password.clone()).with_application_name(name);
        Pool::new(self.section.guarded(connect), PoolOptions { bare_login, acquire_timeout, ..bounds })
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
    let (request, service) = shares(section);
    let on_demand = on_demand(section);
    let pool = |login: &Login, name: &str, bounds: PoolOptions, is_ours: bool| {
        of_login(section, owner, login, name, bounds, is_ours)
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
        cluster.replicas(Readers::new(section, owner, logins), rules)
    });
    Pools {
        replicas,
        rooms: logins.rooms.iter().map(|(schema, login)| (*schema, room(section, owner, login))).collect(),
        request: pool(&logins.request, "ferrobase", section.pool(request as usize), is_ours(section)),
        service: pool(&logins.service, "ferrobase service", on_demand.pool(service as usize), true),
        owner: Pool::new(owner.clone().with_application_name("ferrobase owner"), on_demand.pool(OWNER_CONNECTIONS)),
    }
}

/// The pool of a room that has a login of its own.
pub(super) fn room(section: &DatabaseSection, owner: &ConnectOptions, login: &Login) -> Pool {
    let most = (section.max_connections as usize / ROOM_SHARE).max(FEWEST_OF_ROOM);
    of_login(section, owner, login, "ferrobase room", on_demand(section).pool(most), true)
}

/// The connections of requests, and those of service keys.
fn shares(section: &DatabaseSection) -> (u32, u32) {
    let service = (section.max_connections / SERVICE_SHARE).max(1);
    (section.max_connections.saturating_sub(service).max(1), service)
}

/// Whether nobody else made the login of requests.
fn is_ours(section: &DatabaseSection) -> bool {
    section.authenticator.password.is_none()
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

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    /// docs/guide/operating.md, "Limits": N + N/4 + 4, of which two (listening, the catalog) are no pool's.
    #[tokio::test]
    async fn the_pools_of_a_process_hold_what_the_guide_says() {
        let login = |user: &str| Login { user: user.to_owned(), password: None };
        let rooms = HashMap::from([("auth", login("authenticator_auth"))]);
        let logins = Logins { request: login("authenticator"), service: login("authenticator_service"), rooms };
        let owner = ConnectOptions::parse("postgresql://owner@127.0.0.1/app").unwrap();
        let most = |connections: u32| {
            let section = DatabaseSection { max_connections: connections, ..DatabaseSection::default() };
            let pools = pools(&section, &owner, &logins, None, None);
            let rooms: usize = pools.rooms.values().map(|pool| pool.options().max_connections).sum();
            let [request, service, owner] =
                [&pools.request, &pools.service, &pools.owner].map(|pool| pool.options().max_connections);
            assert_eq!(request + service, (connections as usize).max(2), "requests share the setting");
            request + service + owner + rooms + 2
        };
        assert_eq!(DatabaseSection::default().max_connections, 30);
        for connections in [8, 12, 23, 30, 100] {
            assert_eq!(most(connections), (connections + connections / 4 + 4) as usize);
        }
        assert_eq!((most(30), most(2), most(1)), (41, 8, 8));
        assert!(2 * most(30) <= 97 && 3 * most(23) <= 97);
    }
}
