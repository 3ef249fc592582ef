//! Which crate may use which: `base <- pg <- catalog <- query <- request <- edge <- rooms <- app`, and beside it
//! `base <- egress <- app`, `base <- redis <- app`.
//!
//! A crate uses only crates to its left; a room never uses a room. Workshop crates use what they test. Tests of any
//! crate may use the test kit. A new edge is a decision: docs/adr.

use cargo_metadata::{DependencyKind, Metadata};

/// The engine, in order.
const ENGINE: &[&str] = &["base", "pg", "catalog", "query", "request", "edge"];
/// Stand beside the engine: they use `base` only, and others get what they do through a port (adr/0007, adr/0010).
const BESIDE: &[&str] = &["egress", "redis"];
/// Crates that nothing in the product may use.
const WORKSHOP: &[&str] = &["testkit", "contract-runner", "xtask"];
/// What the tests of any crate may use.
const TESTING: &[&str] = &["testkit", "contract-runner"];
/// The crate that composes the rooms.
const ASSEMBLY: &str = "app";
const PREFIX: &str = "ferrobase-";

/// One dependency between two crates of the workspace.
#[derive(Debug)]
pub struct Edge {
    /// Who depends, without the prefix.
    pub from: String,
    /// On whom.
    pub to: String,
    /// Only for its tests.
    pub dev: bool,
}

/// All edges inside the workspace.
pub fn of(metadata: &Metadata) -> Vec<Edge> {
    let mut edges = Vec::new();
    for package in metadata.workspace_packages() {
        let Some(from) = package.name.strip_prefix(PREFIX) else { continue };
        for dependency in &package.dependencies {
            if let Some(to) = dependency.name.strip_prefix(PREFIX) {
                let dev = dependency.kind == DependencyKind::Development;
                edges.push(Edge { from: from.to_owned(), to: to.to_owned(), dev });
            }
        }
    }
    edges
}

/// One sentence for each edge that is not allowed.
pub fn check(edges: &[Edge]) -> Vec<String> {
    edges.iter().filter_map(refuse).collect()
}

fn refuse(Edge { from, to, dev }: &Edge) -> Option<String> {
    if WORKSHOP.contains(&from.as_str()) || (*dev && TESTING.contains(&to.as_str())) {
        return None;
    }
    if WORKSHOP.contains(&to.as_str()) {
        return Some(format!("{from} uses {to}, which is for tests only"));
    }
    if let Some(beside) = BESIDE.iter().find(|beside| from == *beside || to == *beside) {
        // Tests of a room use the real thing where its port would otherwise be played by something made up.
        let allowed = if from == beside { to == "base" } else { from == ASSEMBLY || *dev };
        return (!allowed).then(|| format!("{from} uses {to}: base <- {beside} <- {ASSEMBLY}, and nothing else"));
    }
    let (from_rank, to_rank) = (rank(from), rank(to));
    if to_rank < from_rank {
        return None;
    }
    let rule = if from_rank == to_rank { "a room never uses a room" } else { "edges lead to the left only" };
    Some(format!("{from} uses {to}: {rule} ({} <- rooms <- {ASSEMBLY})", ENGINE.join(" <- ")))
}

/// Position in the order; all rooms share one.
fn rank(name: &str) -> usize {
    match ENGINE.iter().position(|engine| *engine == name) {
        Some(position) => position,
        None if name == ASSEMBLY => ENGINE.len() + 1,
        None => ENGINE.len(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edge(from: &str, to: &str, dev: bool) -> Edge {
        Edge { from: from.into(), to: to.into(), dev }
    }

    #[test]
    fn edges_lead_left() {
        let allowed = [
            edge("pg", "base", false),
            edge("rest", "query", false),
            edge("app", "rest", false),
            edge("pg", "testkit", true),
            edge("testkit", "embedded", false),
            edge("egress", "base", false),
            edge("app", "egress", false),
            edge("auth", "egress", true),
            edge("redis", "base", false),
            edge("app", "redis", false),
            edge("gen", "catalog", false),
            edge("app", "gen", false),
        ];
        assert_eq!(check(&allowed), Vec::<String>::new());
    }

    #[test]
    fn sideways_backwards_and_test_edges_are_refused() {
        let refused = [
            edge("rest", "migrate", false),
            edge("rest", "migrate", true),
            edge("base", "pg", false),
            edge("edge", "rest", false),
            edge("rest", "app", false),
            edge("rest", "gen", false),
            edge("rest", "testkit", false),
            edge("egress", "pg", false),
            edge("rest", "egress", false),
            edge("request", "egress", false),
            edge("edge", "redis", false),
            edge("redis", "egress", false),
            edge("egress", "redis", false),
        ];
        assert_eq!(check(&refused).len(), refused.len());
    }
}
