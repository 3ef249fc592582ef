//! What tests stand on: one private PostgreSQL for all test processes, a database per test, tokens, faults.
//!
//! Real things only: the server is the machine's PostgreSQL, the application is the built binary, faults are cut TCP
//! connections. Works under `cargo nextest` (a process per test) and under plain `cargo test`.
//! Never used by a crate outside its tests. Read on: `cluster`, `private`, `database`, `app`, `answer`, `mail`, `node`,
//! `patroni`, `pooler`, `proxy`, `redis`, `token`.

pub mod answer;
pub mod app;
pub mod cluster;
pub mod database;
pub mod mail;
pub mod node;
pub mod patroni;
pub mod pooler;
pub mod private;
pub mod proxy;
pub mod redis;
pub mod token;

pub use answer::Answer;
pub use app::App;
pub use database::{TestDatabase, database, database_from};
pub use mail::{MailServer, StarttlsServer};
pub use node::node;
pub use patroni::Patroni;
pub use pooler::PgBouncer;
pub use private::PrivateCluster;
pub use redis::RedisServer;

/// The superuser URL of the run's private server, without a test's database: see [`cluster`].
pub fn postgres_url() -> String {
    cluster::shared().url().to_owned()
}
