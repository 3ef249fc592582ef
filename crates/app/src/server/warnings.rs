//! What operators should know of the catalog: relations that are hidden although they are granted, or exposed against advice,
//! what comments for GraphQL say in vain, and names in the configuration that are wrong. Now, and whenever a load of the catalog brings something new; each once.

use std::collections::BTreeSet;
use std::sync::Arc;

use ferrobase_catalog::ReloadState;
use ferrobase_request::Registry;
use tokio::sync::watch;

use crate::config::Loaded;

use super::names;

/// A schema with more relations is judged once, at the start: it keeps a processor busy for most of a second, and a reload
/// is to go unnoticed. `ferrobase graphql check` says the rest.
const MANY_RELATIONS: usize = 2000;

/// Says what is new with every load of the catalog; ends with the reloader. `current` is the configuration in force.
pub(super) fn tell(
    registry: Arc<Registry>,
    mut loading: watch::Receiver<ReloadState>,
    current: impl Fn() -> Arc<Loaded> + Send + Sync + 'static,
) {
    let mut said = exposure(&registry, &BTreeSet::new());
    let current = Arc::new(current);
    tokio::spawn(async move {
        let mut mistaken = None;
        let mut misnamed = names::Said::default();
        loop {
            misnamed = names::tell(&registry, &current().config, &misnamed).await;
            let (registry, current) = (Arc::clone(&registry), Arc::clone(&current));
            // It looks at everything there is, some of it for several roles: too long for a thread that answers requests.
            let told = move || {
                // At the start it was told before anybody was answered.
                let said = if mistaken.is_none() { said } else { exposure(&registry, &said) };
                (said, Some(mistakes(&registry, &current(), mistaken)))
            };
            match tokio::task::spawn_blocking(told).await {
                Ok(told) => (said, mistaken) = told,
                Err(_) => return,
            }
            if loading.changed().await.is_err() {
                return;
            }
        }
    });
}

fn exposure(registry: &Registry, said: &BTreeSet<String>) -> BTreeSet<String> {
    let target = registry.default_target();
    let Some(catalog) = target.catalog.get() else { return BTreeSet::new() };
    let warnings = target.exposure.warnings(&catalog);
    for warning in warnings.iter().filter(|warning| !said.contains(&warning.text)) {
        tracing::warn!(code = warning.code, relation = warning.subject, "{}", warning.text);
    }
    warnings.into_iter().map(|warning| warning.text).collect()
}

/// `said` is what was told before; nothing when nobody has looked yet.
fn mistakes(registry: &Registry, current: &Loaded, said: Option<BTreeSet<String>>) -> BTreeSet<String> {
    let Some(catalog) = registry.default_target().catalog.get() else { return BTreeSet::new() };
    let is_first = said.is_none();
    let said = said.unwrap_or_default();
    if !is_first && catalog.relations.len() > MANY_RELATIONS {
        return said;
    }
    let settings = ferrobase_graphql::Settings::new(&current.config.graphql, Vec::new(), false);
    let mut told = BTreeSet::new();
    for mistake in ferrobase_graphql::mistakes(&catalog, &settings) {
        let text = format!("GraphQL: {}: {}", mistake.object, mistake.text);
        if !said.contains(&text) {
            tracing::warn!(object = mistake.object, "{text}");
        }
        told.insert(text);
    }
    told
}
