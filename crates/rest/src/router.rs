//! The room's front: one handler for every path.
//!
//! Paths are taken apart by `request`, not by the router, because a relation may have any name.
//! Invariant: every error leaves in the room's shape, whatever stage it comes from. Read on: `flow`.

use std::sync::Arc;

use arc_swap::ArcSwap;
use axum::Router;
use axum::extract::{Request, State};
use axum::response::Response;
use ferrobase_edge::{Caller, Part, RoutePolicy, RouteScope};
use ferrobase_request::Registry;

use crate::error;
use crate::flow::Flow;
use crate::openapi::Documents;
use crate::plan_cache::PlanCache;
use crate::settings::Settings;
use crate::stream;

/// What the room needs.
#[derive(Clone)]
pub struct Deps {
    /// Where requests run.
    pub registry: Arc<Registry>,
    /// The configuration; whoever reloads it stores a new value.
    pub settings: Arc<ArcSwap<Settings>>,
}

/// The room as a router; paths begin below the room's own.
pub fn router(deps: Deps) -> Router {
    Router::new().fallback(handle).with_state(Room { deps, documents: Arc::default(), plans: Arc::default() })
}

/// The room as the edge mounts it.
pub fn room(mount: &str, deps: Deps) -> ferrobase_edge::Room {
    let policy = RoutePolicy {
        error_shape: error::error_shape,
        streams: stream::streams,
        scope: RouteScope { room: "rest", part: Part::Method },
        ..RoutePolicy::default()
    };
    ferrobase_edge::Room::new(mount, router(deps)).policy(policy)
}

/// What it keeps between requests.
#[derive(Clone)]
struct Room {
    deps: Deps,
    documents: Arc<Documents>,
    plans: Arc<PlanCache>,
}

async fn handle(State(room): State<Room>, caller: Caller, request: Request) -> Response {
    let settings = room.deps.settings.load_full();
    let target = room.deps.registry.default_target();
    let flow =
        Flow { settings: &settings, target: &target, caller: &caller, documents: &room.documents, plans: &room.plans };
    match Box::pin(flow.run(request)).await {
        Ok(response) => response,
        Err(error) => error::to_response(&error, settings.verbosity),
    }
}
