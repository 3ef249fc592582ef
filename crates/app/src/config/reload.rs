//! The configuration in force, and how it is replaced: validate, then swap, or keep the old one and say why.

use std::collections::BTreeMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use ferrobase_base::config::{ConfigErrors, Node, Problem};

use super::{Loaded, Sources, load};

/// Keys (or what they begin with) that are only read at start.
const AT_START: [&str; 13] = [
    "server.host",
    "server.port",
    "server.admin_host",
    "server.admin_port",
    "server.tls.",
    "database.",
    "rest.channel",
    "rest.channel_enabled",
    "redis.",
    "observability.log.format",
    "observability.log.file",
    "observability.metrics.enabled",
    "secrets.",
];

/// The configuration in force. Readers take an `Arc` and keep it for one piece of work.
#[derive(Debug)]
pub struct Current {
    loaded: ArcSwap<Loaded>,
}

/// What a reload did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reloaded {
    /// Keys whose written value changed and is now in force.
    pub changed: Vec<String>,
    /// Keys whose written value changed and that wait for a restart.
    pub at_restart: Vec<String>,
    /// What is odd about the new configuration.
    pub warnings: Vec<Problem>,
}

impl Current {
    /// Puts the first configuration in force.
    pub fn new(loaded: Loaded) -> Self {
        Self { loaded: ArcSwap::from_pointee(loaded) }
    }

    /// The configuration in force.
    pub fn get(&self) -> Arc<Loaded> {
        self.loaded.load_full()
    }

    /// Loads again and swaps.
    ///
    /// # Errors
    /// Everything wrong with the new one; the old one stays in force.
    pub fn reload(&self, sources: &Sources) -> Result<Reloaded, ConfigErrors> {
        Ok(self.replace(load(sources)?))
    }

    /// Swaps in a configuration that was loaded and judged already.
    pub fn replace(&self, next: Loaded) -> Reloaded {
        let (at_restart, changed) = changes(&self.get().tree, &next.tree).into_iter().partition(|key| waits(key));
        let reloaded = Reloaded { changed, at_restart, warnings: next.warnings.clone() };
        self.loaded.store(Arc::new(next));
        reloaded
    }
}

fn waits(key: &str) -> bool {
    AT_START.iter().any(|start| key == *start || start.ends_with('.') && key.starts_with(start))
}

/// Paths of the scalars that are not the same in both trees.
fn changes(old: &Node, new: &Node) -> Vec<String> {
    let (old, new) = (scalars(old), scalars(new));
    let mut keys: Vec<String> =
        old.keys().chain(new.keys()).filter(|key| old.get(*key) != new.get(*key)).cloned().collect();
    keys.sort();
    keys.dedup();
    keys
}

fn scalars(tree: &Node) -> BTreeMap<String, String> {
    let mut scalars = BTreeMap::new();
    tree.clone().for_each_scalar(&mut |key, _, scalar| {
        scalars.insert(key.to_owned(), scalar.text.clone());
    });
    scalars
}
