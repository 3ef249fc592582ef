//! HTTP: everything between a socket and a room.
//!
//! bytes -> [`listener`] -> [`app::App`] (bounds, CORS, identity, quotas, context) -> room -> fields, log, metrics.
//! Rooms see axum requests with a [`context::Caller`] in them and answer with axum responses; what fails becomes a
//! `base::PublicError`, and [`error`] owns the one table from its kind to a status. The listener also makes legal what
//! people type into URLs (`data->>name`): rooms see the percent encoding.
//! Invariant: no SQL and no database connection here; nothing about a single room's protocol.
//! Invariant: a request costs bounded memory and time whatever it contains, and a panic costs one request.
//! Read on: `policy` (what a room declares), `app` (the stages), `lifecycle` (how the server ends), `config` (keys).

mod alias;
mod body;
mod client_ip;
mod compression;
mod context;
mod cors;
mod credentials;
mod framing;
mod freshness;
mod limits;
pub mod local_only;
mod refusal;
mod request_id;
mod response_headers;
mod settings;
mod vary;

pub mod admin;
pub mod app;
pub mod config;
pub mod error;
pub mod lifecycle;
pub mod listener;
pub mod log;
pub mod metrics;
pub mod policy;
pub mod rate_limit;
pub mod timing;
pub mod trace;

pub use alias::Alias;
pub use app::{App, AppBuilder};
pub use body::{BodyFault, chunks, collect};
pub use client_ip::client_ip;
pub use compression::Compression;
pub use context::{AsSent, Caller};
pub use cors::{CorsError, CorsRules};
pub use freshness::{FRESHNESS, FRESHNESS_COOKIE, FreshnessRules, READ_FROM};
pub use lifecycle::{Grace, Lifecycle, Phase};
pub use local_only::LocalOnly;
pub use policy::{AuthPolicy, Bound, CorsOwner, Part, Room, RoutePolicy, RouteScope, Streams};
pub use request_id::{REQUEST_ID, RequestId};
pub use response_headers::ResponseHeaders;
pub use settings::Settings;
pub use timing::StageNames;
