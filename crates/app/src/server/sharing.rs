//! What the nodes of one installation share through Redis: rate limits, and documents that clients name.
//!
//! Started once, with the `redis` section of the start; a reload keeps the connection and gives the new settings the same
//! limits. Without the section, and while Redis cannot be reached, each node counts alone.

use std::sync::Arc;

use anyhow::Result;
use ferrobase_base::ports::{SharedCounts, SharedTexts};
use ferrobase_edge::Settings;
use ferrobase_edge::metrics::{Metrics, Sample};
use ferrobase_edge::rate_limit::Shared;
use ferrobase_redis::config::RedisSection;
use ferrobase_redis::{Client, Numbers};
use ferrobase_request::SealingKey;

/// What the key of callers' names is for.
const PURPOSE: &str = "ferrobase redis names";

/// The connection and what is counted over it. Ends with the server.
pub(super) struct Sharing {
    limits: Shared,
    client: Arc<Client>,
}

impl Sharing {
    /// Begins to connect, and adds the numbers to the registry. Must be called on a runtime. The nodes of an installation have
    /// the secret in common; without one, whoever reads Redis can find callers by trying addresses.
    pub(super) fn start(section: &RedisSection, secret: Option<&[u8]>, metrics: &Metrics) -> Result<Self> {
        let key = SealingKey::derived_from(secret, PURPOSE).into_bytes();
        let client = Arc::new(Client::start(section.options(key)?)?);
        let limits = Shared::new(client.limits(), metrics);
        let known = Arc::downgrade(&client);
        metrics.collect(move || samples(known.upgrade().map_or_else(Numbers::default, |client| client.numbers())));
        Ok(Self { limits, client })
    }

    /// Who counts for all nodes, for rooms with limits of their own.
    pub(super) fn counts(&self) -> Arc<dyn SharedCounts> {
        self.client.limits()
    }

    /// Who remembers documents for all nodes.
    pub(super) fn texts(&self) -> Arc<dyn SharedTexts> {
        self.client.texts()
    }

    /// The settings, counting for all nodes.
    pub(super) fn in_force(&self, settings: Settings) -> Settings {
        settings.sharing_limits(self.limits.clone())
    }
}

fn samples(numbers: Numbers) -> Vec<Sample> {
    let available = f64::from(u8::from(numbers.available));
    vec![
        Sample::gauge("redis_available", "1 while Redis works; while it does not, each node counts alone", available),
        Sample::counter("redis_connects_total", "Connections that were made and seen to work", numbers.connects as f64),
        Sample::counter("redis_connect_failures_total", "Attempts to connect that failed", numbers.failures as f64),
        Sample::counter("redis_losses_total", "Connections that were lost or too slow", numbers.losses as f64),
    ]
}
