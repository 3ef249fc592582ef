//! What operators should know of the catalog: relations that are hidden although they are granted, or exposed against advice,
//! what comments for GraphQL say in vain, names in the configuration that are wrong, and a PostgreSQL that wants an update. Now,
//! and whenever a load of the catalog brings something new; each once.

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
        let mut warned_of = 0;
        loop {
            warned_of = outdated(&registry, warned_of);
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

/// Warns of a server whose statements outlive the policies that they were planned with; `said` is the version that was
/// warned of before. Gives the version that was looked at.
fn outdated(registry: &Registry, said: u32) -> u32 {
    let Some(version) = registry.default_target().catalog.get().map(|catalog| catalog.server_version) else {
        return said;
    };
    if let (true, Some(mended)) = (version != said, mended_in(version)) {
        tracing::warn!(
            code = "outdated_postgresql",
            version,
            "PostgreSQL goes on with the policies of old plans after `grant role`, `revoke role` and `alter role` \
             (CVE-2026-14666): update it to {mended}, and restart Ferrobase after each of them until then"
        );
    }
    version
}

/// What mends CVE-2026-14666 in a server of this `server_version_num`; none where it is mended.
fn mended_in(version: u32) -> Option<&'static str> {
    let (first, name) = match version / 10_000 {
        ..14 => return Some("a version that is still supported"),
        14 => (140_024, "14.24"),
        15 => (150_019, "15.19"),
        16 => (160_015, "16.15"),
        17 => (170_011, "17.11"),
        18 => (180_005, "18.5"),
        _ => return None,
    };
    (version < first).then_some(name)
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

#[cfg(test)]
mod tests {
    use super::mended_in;

    #[test]
    fn servers_without_the_fix_are_known() {
        for (version, mended) in [
            (130_023, Some("a version that is still supported")),
            (140_023, Some("14.24")),
            (140_024, None),
            (150_018, Some("15.19")),
            (150_019, None),
            (160_014, Some("16.15")),
            (170_010, Some("17.11")),
            (170_011, None),
            (180_004, Some("18.5")),
            (180_005, None),
            (190_000, None),
        ] {
            assert_eq!(mended_in(version), mended, "{version}");
        }
    }
}
