//! The room's front: one path.

use std::sync::Arc;

use arc_swap::ArcSwap;
use axum::Router;
use axum::extract::{Request, State};
use axum::response::Response;
use ferrobase_edge::{Caller, RoutePolicy, collect};
use ferrobase_request::Registry;

use crate::error::{error_shape, to_response};
use crate::flow::Flow;
use crate::reflected::Schemas;
use crate::request;
use crate::settings::Settings;

/// What the room needs.
#[derive(Clone)]
pub struct Deps {
    /// Where requests run.
    pub registry: Arc<Registry>,
    /// The configuration; whoever reloads it stores a new value.
    pub settings: Arc<ArcSwap<Settings>>,
}

/// The room as a router; its only path is the room's own.
pub fn router(deps: Deps) -> Router {
    Router::new().fallback(handle).with_state(Room { deps, schemas: Arc::default() })
}

/// The room as the edge mounts it.
pub fn room(mount: &str, deps: Deps) -> ferrobase_edge::Room {
    let policy = RoutePolicy { error_shape, ..RoutePolicy::default() };
    ferrobase_edge::Room::new(mount, router(deps)).policy(policy)
}

/// What it keeps between requests.
#[derive(Clone)]
struct Room {
    deps: Deps,
    schemas: Arc<Schemas>,
}

async fn handle(State(room): State<Room>, caller: Caller, request: Request) -> Response {
    let settings = room.deps.settings.load_full();
    let target = room.deps.registry.default_target();
    let is_modern = request::is_modern(request.headers());
    let (parts, body) = request.into_parts();
    let body = match collect(body).await {
        Ok(body) => body,
        Err(error) => return error_shape(&error),
    };
    let flow = Flow { settings: &settings, target: &target, caller: &caller, schemas: &room.schemas };
    match Box::pin(flow.run(&parts, &body)).await {
        Ok(answer) => crate::error::respond(answer, is_modern),
        Err(error) => to_response(&error, is_modern),
    }
}
