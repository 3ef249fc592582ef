//! What the app itself knows and Prometheus should: verified tokens, counted callers, lost log lines.
//!
//! Read from the settings in force at each scrape: a reload brings a new token cache, whose counts begin at zero, which
//! scrapers take as a restart of the counter.

use super::App;
use crate::metrics::{Metrics, Sample};

impl App {
    /// Adds the app's own numbers to a registry.
    pub fn register(&self, metrics: &Metrics) {
        let app = self.clone();
        metrics.collect(move || app.samples());
        if let Some(access) = &self.0.access {
            metrics.log(access.sink());
        }
    }

    fn samples(&self) -> Vec<Sample> {
        let settings = self.0.settings.load();
        let tokens = settings.authority.cache.stats();
        let callers = settings.rate_limiter.as_ref().map_or(0, |limiter| limiter.callers());
        vec![
            Sample::counter("jwt_cache_requests_total", "Tokens looked up", tokens.requests as f64),
            Sample::counter("jwt_cache_hits_total", "Tokens that needed no cryptography", tokens.hits as f64),
            Sample::counter("jwt_cache_evictions_total", "Tokens that made room for others", tokens.evictions as f64),
            Sample::gauge("jwt_cache_entries", "Verified tokens that are remembered", tokens.entries as f64),
            Sample::gauge("rate_limit_callers", "Callers that are being counted", callers as f64),
        ]
    }
}
