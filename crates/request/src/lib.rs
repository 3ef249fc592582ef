//! The one door: who asks, in which transaction, with which settings.
//!
//! `credentials` turns what a caller sent into an [`Identity`]; the edge makes a [`RequestContext`] around it; rooms
//! hand their statements to [`run`] (to [`lines`] and [`load`] when they stream), which adds role and settings and sends
//! everything in one flush. `install` makes
//! what this needs in the database: roles, logins, schemas, helpers.
//! Invariant: no statement that a caller caused reaches PostgreSQL except through these, or [`Transaction::run`] where one
//! transaction takes several pieces of work. Invariant: nothing outside
//! `credentials` decides a role. Invariant: this crate knows no HTTP.
//! Read on: `credentials`, `context`, `target` (pools, catalog and keys of a tenant), `run`, `replicas` (on which server),
//! `transaction`, `exposure`, `install`, `policies` (why a row was refused), `journal` (where the time of a request goes),
//! `beside` (what computes for long), `answers` (what identifies one, for the cache to come).

pub mod answers;
mod beside;
pub mod config;
pub mod context;
mod cost;
pub mod credentials;
mod error;
pub mod exposure;
pub mod freshness;
pub mod install;
pub mod journal;
pub mod keys;
pub mod policies;
mod raised;
pub mod replicas;
pub mod role_settings;
pub mod roles;
mod run;
mod seal;
mod settings;
mod share;
pub mod sqlstate;
mod stream;
pub mod target;
mod transaction;

pub use beside::{beside, is_long};
pub use context::{ApiKey, Claims, Identity, RequestContext, Told, TraceFields, Via, headers_json};
pub use credentials::{AuthError, AuthRules, Authority, Credentials, Gate, authenticate, authenticate_at};
pub use error::Error;
pub use exposure::{Exposure, Visibility};
pub use freshness::{Freshness, FreshnessKey, ReadFrom};
pub use journal::{Journal, Stage};
pub use replicas::Replicas;
pub use run::{Work, run};
pub use seal::SealingKey;
pub use settings::SearchPath;
pub use share::ShareStats;
pub use stream::{Lines, LoadError, STAGE, STAGE_PROGRESS, lines, load};
pub use target::{Pools, Profile, Registry, Target, TargetParts, TransactionRules};
pub use transaction::{Opening, Transaction};
