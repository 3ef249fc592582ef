//! The configuration in force, and how it is replaced: validate, then swap, or keep the old one and say why.

use std::collections::BTreeMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use ferrobase_base::config::{ConfigErrors, Entry, Node, Problem, Value};

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
    /// As the process was started with it: what is only read then is still this.
    started: Node,
}

/// What a reload did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reloaded {
    /// Keys whose written value changed and is now in force.
    pub changed: Vec<String>,
    /// Keys that are only read at start, and are not written as they were then.
    pub at_restart: Vec<String>,
    /// What is odd about the new configuration.
    pub warnings: Vec<Problem>,
}

impl Current {
    /// Puts the first configuration in force.
    pub fn new(loaded: Loaded) -> Self {
        Self { started: loaded.tree.clone(), loaded: ArcSwap::from_pointee(loaded) }
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
        let mut changed = changes(&self.get().tree, &next.tree);
        changed.retain(|key| !waits(key));
        let mut at_restart = changes(&self.started, &next.tree);
        at_restart.retain(|key| waits(key));
        let reloaded = Reloaded { changed, at_restart, warnings: next.warnings.clone() };
        self.loaded.store(Arc::new(next));
        reloaded
    }
}

fn waits(key: &str) -> bool {
    AT_START.iter().any(|start| key == *start || start.ends_with('.') && key.starts_with(start))
}

/// Paths of what is not written the same in both trees.
fn changes(old: &Node, new: &Node) -> Vec<String> {
    let (mut was, mut is) = (BTreeMap::new(), BTreeMap::new());
    collect(old, String::new(), &mut was);
    collect(new, String::new(), &mut is);
    let mut keys: Vec<String> =
        was.keys().chain(is.keys()).filter(|key| was.get(*key) != is.get(*key)).cloned().collect();
    keys.sort();
    keys.dedup();
    keys
}

/// What can be written in a place that has nothing below it.
#[derive(PartialEq, Eq)]
enum Leaf<'t> {
    Text(&'t str),
    Null,
    EmptyList,
}

fn collect<'t>(node: &'t Node, path: String, leaves: &mut BTreeMap<String, Leaf<'t>>) {
    match &node.value {
        // The default stays, as where nothing is written.
        Value::Empty => {}
        Value::Null => drop(leaves.insert(path, Leaf::Null)),
        Value::Scalar(scalar) => drop(leaves.insert(path, Leaf::Text(&scalar.text))),
        Value::List(items) if items.is_empty() => drop(leaves.insert(path, Leaf::EmptyList)),
        Value::List(items) => {
            items.iter().enumerate().for_each(|(index, item)| collect(item, format!("{path}[{index}]"), leaves));
        }
        Value::Map(map) => {
            for Entry { key, node, .. } in map.entries() {
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                collect(node, path, leaves);
            }
        }
    }
}
