//! How the connections of this process are shared out between its pools.

use ferrobase_pg::config::DatabaseSection;
use ferrobase_pg::{ConnectOptions, Pool, PoolOptions, Pooler};
use ferrobase_request::Pools;
use ferrobase_request::install::{Login, Logins};

/// One in so many connections is kept for service keys, so that anonymous load never locks the service out.
const SERVICE_SHARE: u32 = 4;
/// Connections for work of our own, beside the configured ones.
const OWNER_CONNECTIONS: usize = 2;

/// The pools of requests, service keys and the owner. Nothing is connected yet.
pub(crate) fn pools(section: &DatabaseSection, owner: &ConnectOptions, logins: &Logins) -> Pools {
    let service = (section.max_connections / SERVICE_SHARE).max(1);
    let request = section.max_connections.saturating_sub(service).max(1);
    // Only requests keep connections ready; the others are opened when somebody needs them.
    let on_demand = DatabaseSection { min_connections: 0, ..section.clone() };
    let pool = |login: &Login, name: &str, bounds: PoolOptions, is_ours: bool| {
        let options = owner.clone().with_login(&login.user, login.password.clone());
        // Behind a pooler in transaction mode, what one connection says is nothing about the next.
        let bare_login = is_ours && bounds.pooler == Pooler::Direct;
        Pool::new(options.with_application_name(name), PoolOptions { bare_login, ..bounds })
    };
    let is_ours = section.authenticator.password.is_none();
    Pools {
        request: pool(&logins.request, "ferrobase", section.pool(request as usize), is_ours),
        service: pool(&logins.service, "ferrobase service", on_demand.pool(service as usize), true),
        owner: Pool::new(owner.clone().with_application_name("ferrobase owner"), on_demand.pool(OWNER_CONNECTIONS)),
    }
}
