//! The room's front: one handler for every path.
//!
//! Paths are taken apart by `request`, not by the router, because a relation may have any name.
//! Invariant: every error leaves in the room's shape, whatever stage it comes from. Read on: `flow`.

use std::sync::Arc;

use arc_swap::ArcSwap;
use axum::extract::Request;
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

/// The room as the edge mounts it.
pub fn room(mount: &str, deps: Deps) -> ferrobase_edge::Room {
    let policy = RoutePolicy {
        error_shape: error::error_shape,
        streams: stream::streams,
        scope: RouteScope { room: "rest", part: Part::Method },
        ..RoutePolicy::default()
    };
    let room = Arc::new(Room { deps, documents: Documents::default().into(), plans: PlanCache::default() });
    ferrobase_edge::Room::of_handler(mount, move |request| Arc::clone(&room).handle(request)).policy(policy)
}

/// What it keeps between requests.
struct Room {
    deps: Deps,
    documents: Arc<Documents>,
    plans: PlanCache,
}

impl Room {
    async fn handle(self: Arc<Self>, request: Request) -> Response {
        let caller = match Caller::of(&request) {
            Ok(caller) => caller,
            Err(response) => return response,
        };
        let settings = self.deps.settings.load_full();
        let target = self.deps.registry.default_target();
        let flow = Flow {
            settings: &settings,
            target: &target,
            caller: &caller,
            documents: &self.documents,
            plans: &self.plans,
        };
        let (parts, body) = request.into_parts();
        match flow.run(&parts, body).await {
            Ok(response) => response,
            Err(error) => error::to_response(&error, settings.verbosity),
        }
    }
}
