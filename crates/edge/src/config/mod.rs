//! `server`, `security` and `observability`: how the outside is met.
//!
//! Read on: `server` (listeners, limits, CORS, TLS), `security` (rate limits, response fields, keys), `observability`
//! (logs, metrics, traces).

mod observability;
mod security;
mod server;

pub use observability::{LogFormat, LogLevel, LogSection, MetricsSection, ObservabilitySection, TracingSection};
pub use security::{DefinerViews, HeadersSection, RateLimitSection, SecuritySection};
pub use server::{CorsSection, ServerSection, TlsSection};
