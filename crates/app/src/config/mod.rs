//! The one configuration: every room's part put together, loaded, printed and reloaded.
//!
//! Flow: [`environment`] and [`file`] get the texts, [`load`](fn@load) merges (command's choices < file < environment <
//! flags), resolves secrets, reads and checks everything, and gives a [`Loaded`] that never changes; [`Current`] swaps
//! it on reload. What rooms consume is `Loaded::config`.
//! Invariant: the environment is read in `environment` and nowhere else in the program.
//! Keys, types and defaults: docs/reference/config.md, generated from these declarations.

mod auth;
pub mod environment;
pub mod file;
mod load;
mod print;
mod readiness;
mod reload;
mod rooms;
mod secrets;
mod services;
#[cfg(test)]
mod tests;

use ferrobase_base::section;
use ferrobase_edge::config::{ObservabilitySection, SecuritySection, ServerSection};
use ferrobase_graphql::config::GraphqlSection;
use ferrobase_pg::config::DatabaseSection;
use ferrobase_redis::config::RedisSection;
use ferrobase_rest::config::RestSection;

/// Where the REST room is; no setting moves it.
pub(crate) const REST: &str = "/rest/v1";
/// Where the GraphQL room is.
pub(crate) const GRAPHQL: &str = "/graphql/v1";

pub use auth::AuthSection;
pub use environment::Environment;
pub use load::{Flag, Loaded, Sources, load};
pub use print::{report, show, show_json};
pub use readiness::refusals;
pub(crate) use readiness::refused;
pub use reload::{Current, Reloaded};
pub use rooms::{
    AdminSection, FunctionsSection, JobsSection, PatternsSection, RealtimeSection, StorageProvider, StorageSection,
};
pub use services::{CacheSection, SecretsProvider, SecretsSection, TenantSection};

section! {
    /// Everything that can be configured.
    pub struct Config {
        /// Listeners, limits, CORS and TLS.
        server: ServerSection = ServerSection::default();
        /// The PostgreSQL server behind everything.
        database: DatabaseSection = DatabaseSection::default();
        /// The REST API.
        rest: RestSection = RestSection::default();
        /// Tokens and signing in.
        auth: AuthSection = AuthSection::default();
        /// The GraphQL API.
        graphql: GraphqlSection = GraphqlSection::default();
        /// Live changes, broadcast and presence.
        realtime: RealtimeSection = RealtimeSection::default();
        /// Files.
        storage: StorageSection = StorageSection::default();
        /// Functions at the edge.
        functions: FunctionsSection = FunctionsSection::default();
        /// Queues and schedules.
        jobs: JobsSection = JobsSection::default();
        /// Data patterns.
        patterns: PatternsSection = PatternsSection::default();
        /// The dashboard.
        admin: AdminSection = AdminSection::default();
        /// Redis or Valkey.
        redis: Option<RedisSection> = None;
        /// The response cache.
        cache: CacheSection = CacheSection::default();
        /// Logs, metrics and traces.
        observability: ObservabilitySection = ObservabilitySection::default();
        /// Rate limits, response fields, keys and views.
        security: SecuritySection = SecuritySection::default();
        /// Where `vault://` and `aws://` values come from.
        secrets: SecretsSection = SecretsSection::default();
        /// Databases or schemas of tenants; without any, there is one target: `database`.
        tenants: Vec<TenantSection> = Vec::new();
    }
}
