//! Loads a catalog: read the rows, then build from them.
//!
//! The whole of it: **snapshot** (waits for the server) -> **assemble** (pure, off the async workers, because ten
//! thousand tables are a quarter of a second of CPU). A load beside requests does both in portions (`pace`). Invariant: either a complete catalog or an error; nothing in between.

use std::sync::Arc;
use std::time::Instant;

use ferrobase_pg::Session;

use crate::error::LoadError;
use crate::model::Catalog;
use crate::pace::{Pace, Room};
use crate::scope::Scope;
use crate::snapshot::{self, Snapshot};
use crate::{assemble, shapes};

/// Loads what the scope covers in one snapshot of the database. The session is used for nothing else meanwhile; after
/// an error it may be unusable and should be closed. Any login can load: `pg_catalog` is world-readable.
pub async fn load(session: &mut Session, scope: &Scope) -> Result<Catalog, LoadError> {
    load_with(session, scope, Room::NotNeeded).await
}

/// As [`load`], in portions where room is needed.
pub(crate) async fn load_with(session: &mut Session, scope: &Scope, room: Room) -> Result<Catalog, LoadError> {
    // Boxed: it is large, and moved a few times.
    let catalog = build(Box::pin(snapshot::read(session, scope, room)), scope, room).await?;
    Ok(with_shapes(session, catalog, scope).await)
}

/// As [`load`], with a second session of the same server that does part of the reading meanwhile: for a start, where
/// somebody waits. Fails where two sessions cannot see one moment, as behind a load balancer.
pub async fn load_in_two(session: &mut Session, helper: &mut Session, scope: &Scope) -> Result<Catalog, LoadError> {
    let catalog = build(Box::pin(snapshot::read_in_two(session, helper, scope)), scope, Room::NotNeeded).await?;
    Ok(with_shapes(session, catalog, scope).await)
}

/// What its JSON documents look like, where that is asked for.
async fn with_shapes(session: &mut Session, catalog: Catalog, scope: &Scope) -> Catalog {
    // Most loads have none, and their future stays small.
    let shapes = Box::pin(shapes::sample(session, &catalog, scope)).await;
    Catalog { shapes: Arc::new(shapes), ..catalog }
}

/// Reads and assembles within the bound.
async fn build(
    reading: impl Future<Output = Result<Snapshot, LoadError>>,
    scope: &Scope,
    room: Room,
) -> Result<Catalog, LoadError> {
    let bounded = tokio::time::timeout(scope.timeout, build_unbounded(reading, scope, room));
    bounded.await.unwrap_or(Err(LoadError::Timeout(scope.timeout)))
}

async fn build_unbounded(
    reading: impl Future<Output = Result<Snapshot, LoadError>>,
    scope: &Scope,
    room: Room,
) -> Result<Catalog, LoadError> {
    let started = Instant::now();
    let snapshot = reading.await?;
    let read = started.elapsed();
    let owned_scope = scope.clone();
    let building = tokio::task::spawn_blocking(move || {
        let pace = Pace::new(room);
        let catalog = assemble::assemble(&snapshot, &owned_scope, &pace);
        snapshot.discard(&pace);
        catalog
    });
    let catalog = building.await.map_err(LoadError::Build)??;
    tracing::debug!(
        relations = catalog.relations.len(),
        functions = catalog.functions.len(),
        read_ms = millis(read),
        build_ms = millis(started.elapsed() - read),
        "catalog loaded"
    );
    Ok(catalog)
}

fn millis(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
