//! The edge's configuration, ready to use: one immutable value that a reload swaps as a whole.
//!
//! Made from the `server` and `security` sections, or for `ferrobase postgrest` from that server's few settings.
//! Invariant: a request works with the value that it found when it arrived; a reload never changes it half way.

use std::sync::Arc;
use std::time::Duration;

use ferrobase_base::config::Cidr;
use ferrobase_request::Authority;
use http::HeaderName;

use crate::compression::Compression;
use crate::config::{RateLimitSection, SecuritySection, ServerSection};
use crate::cors::{CorsError, CorsRules};
use crate::freshness::FreshnessRules;
use crate::local_only::LocalOnly;
use crate::rate_limit::{Quotas, RateLimiter, Shared};
use crate::response_headers::ResponseHeaders;
use crate::timing::StageNames;
use crate::trace::Tracer;

/// Longest wait for the next bytes of a request's body.
const BODY_STALL: Duration = Duration::from_secs(30);

/// Everything that the edge was told.
#[derive(Clone)]
pub struct Settings {
    /// Who decides about identities.
    pub authority: Arc<Authority>,
    /// Cross-origin rules.
    pub cors: CorsRules,
    /// Fields of every answer.
    pub headers: ResponseHeaders,
    /// Compression, when it is on.
    pub compression: Option<Compression>,
    /// Largest request body in bytes.
    pub body_limit: Option<u64>,
    /// Largest body of a request that streams, in bytes.
    pub stream_body_limit: Option<u64>,
    /// Longest time of an exchange that streams.
    pub stream_timeout: Option<Duration>,
    /// Longest wait for the next bytes of a body.
    pub body_stall: Duration,
    /// Longest time of one request.
    pub request_timeout: Option<Duration>,
    /// Longest path and query in bytes.
    pub url_limit: usize,
    /// Largest block of request fields in bytes.
    pub header_limit: usize,
    /// Proxies whose word about the client's address counts.
    pub trusted_proxies: Vec<Cidr>,
    /// Whether only this machine's own pages may call: `dev` on loopback sets it.
    pub local_only: Option<LocalOnly>,
    /// How often callers may ask, when that is limited.
    pub rate_limiter: Option<Arc<RateLimiter>>,
    /// Whether `Server-Timing` is written.
    pub server_timing: bool,
    /// How its stages are called.
    pub stage_names: StageNames,
    /// Who decides which requests are traced, where some are.
    pub tracer: Option<Arc<Tracer>>,
    /// Transactions that take at least this are logged.
    pub slow_query: Option<Duration>,
    /// A request field that is repeated in the answer (PostgREST's `server-trace-header`).
    pub trace_header: Option<HeaderName>,
    /// How callers read what they wrote, where there are replicas.
    pub freshness: Option<FreshnessRules>,
    /// Whether SQL sees credentials in `request.headers` and cookies in `request.cookies`, as with PostgREST.
    pub forwards_credentials: bool,
}

impl Settings {
    /// The settings of `serve` and `dev`.
    pub fn from_sections(
        server: &ServerSection,
        security: &SecuritySection,
        authority: Arc<Authority>,
    ) -> Result<Self, CorsError> {
        Ok(Self {
            authority,
            cors: CorsRules::from_section(&server.cors)?,
            headers: ResponseHeaders::from_section(&security.headers),
            compression: server.enable_compression.then(|| Compression::new(server.compression_level)),
            body_limit: Some(server.body_limit.0),
            stream_body_limit: Some(server.stream_body_limit.0),
            stream_timeout: Some(server.stream_timeout),
            body_stall: BODY_STALL,
            request_timeout: Some(server.request_timeout),
            url_limit: server.url_limit.as_usize(),
            header_limit: server.header_limit.as_usize(),
            trusted_proxies: server.trusted_proxies.clone(),
            local_only: None,
            rate_limiter: limiter(&security.rate_limit),
            server_timing: false,
            stage_names: StageNames::Own,
            tracer: None,
            slow_query: None,
            trace_header: None,
            freshness: None,
            forwards_credentials: false,
        })
    }

    /// The settings of `ferrobase postgrest`: that server's habits, and bounds only against abuse of HTTP itself.
    pub fn postgrest(allowed_origins: &[String], authority: Arc<Authority>) -> Result<Self, CorsError> {
        Ok(Self {
            authority,
            cors: CorsRules::postgrest(allowed_origins)?,
            headers: ResponseHeaders::none(),
            compression: None,
            body_limit: None,
            stream_body_limit: None,
            stream_timeout: None,
            body_stall: BODY_STALL,
            request_timeout: None,
            url_limit: 60 * 1024,
            header_limit: 64 * 1024,
            trusted_proxies: Vec::new(),
            local_only: None,
            rate_limiter: None,
            server_timing: false,
            stage_names: StageNames::Postgrest,
            tracer: None,
            slow_query: None,
            trace_header: None,
            freshness: None,
            forwards_credentials: true,
        })
    }

    /// Counts requests for several nodes together, where they are limited.
    #[must_use]
    pub fn sharing_limits(mut self, shared: Shared) -> Self {
        if let Some(alone) = &self.rate_limiter {
            self.rate_limiter = Some(Arc::new(RateLimiter::new(alone.quotas()).sharing(shared)));
        }
        self
    }

    /// Keeps what must survive a reload: the counts of a limiter whose quotas did not change.
    #[must_use]
    pub fn after(mut self, previous: &Self) -> Self {
        if let (Some(old), Some(new)) = (&previous.rate_limiter, &self.rate_limiter)
            && old.quotas() == new.quotas()
        {
            self.rate_limiter = Some(Arc::clone(old));
        }
        self
    }
}

fn limiter(section: &RateLimitSection) -> Option<Arc<RateLimiter>> {
    section.enabled.then(|| {
        Arc::new(RateLimiter::new(Quotas {
            anonymous: Some(section.anonymous),
            authenticated: Some(section.authenticated),
            api_key: Some(section.api_key),
        }))
    })
}
