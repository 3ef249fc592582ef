//! What every start reads besides the configuration itself: the files that it names, and what is made of values.
//!
//! `ferrobase config check` and `ferrobase serve` ask here with the same code that is used afterwards, so that what is called
//! valid starts. Contacts nobody and leaves nothing behind: ports, databases and other servers are another matter.

use std::error::Error;

use ferrobase_base::config::Problem;
use ferrobase_base::error::causes;
use ferrobase_edge::CorsRules;
use ferrobase_edge::listener::Tls;
use ferrobase_edge::log::{self, LogSettings};
use ferrobase_graphql::Trusted;
use ferrobase_pg::config::DatabaseSection;

use crate::config::{Config, Loaded, refused};

/// What the configuration names and no start could use.
pub(crate) fn unusable(loaded: &Loaded) -> Vec<Problem> {
    let config = &loaded.config;
    let server = &config.server;
    let mut rehearsal = Rehearsal { loaded, found: Vec::new() };
    rehearsal.try_out("observability.log", log::check(&LogSettings::from(&config.observability.log)));
    rehearsal.try_out("server.tls", server.tls.files().map_or(Ok(()), |(cert, key)| Tls::load(cert, key).map(drop)));
    rehearsal.try_out("server.cors", CorsRules::from_section(&server.cors).map(drop));
    let trusted = config.graphql.trusted_documents.as_deref();
    rehearsal.try_out("graphql.trusted_documents", trusted.map_or(Ok(()), |file| Trusted::read(file).map(drop)));
    rehearsal.try_out("auth.password", ferrobase_auth::Hasher::new(&config.auth.sign_in.password).map(drop));
    rehearsal.try_out("redis", redis(config));
    rehearsal.try_out("database", database(&config.database));
    rehearsal.found
}

struct Rehearsal<'a> {
    loaded: &'a Loaded,
    found: Vec<Problem>,
}

impl Rehearsal<'_> {
    fn try_out<E: Error + 'static>(&mut self, key: &str, outcome: Result<(), E>) {
        if let Err(error) = outcome {
            self.found.push(refused(&self.loaded.tree, key, &causes(&error)));
        }
    }
}

/// Callers' names are keyed by a secret, about which nothing can be wrong.
fn redis(config: &Config) -> Result<(), ferrobase_redis::Error> {
    let Some(section) = &config.redis else { return Ok(()) };
    ferrobase_redis::Client::check(section.options(Default::default())?)
}

/// The certificates of connections; what is wrong with an address the section itself has said.
fn database(section: &DatabaseSection) -> Result<(), ferrobase_pg::Error> {
    if !section.is_located() {
        return Ok(());
    }
    for options in [section.owner(), section.listener()].into_iter().flatten() {
        options.check_certificates()?;
    }
    Ok(())
}
