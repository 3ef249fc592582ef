//! The room's front: one path.

use std::sync::Arc;

use arc_swap::ArcSwap;
use axum::Router;
use axum::extract::{Path, Request, State};
use axum::response::Response;
use axum::routing::get;
use ferrobase_base::ports::SharedTexts;
use ferrobase_base::{Kind, PublicError};
use ferrobase_edge::{AuthPolicy, Caller, Part, RoutePolicy, RouteScope, collect};
use ferrobase_request::Registry;

use crate::documents::Persisted;
use crate::editor;
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
    /// Who remembers documents for several nodes, where they share something.
    pub shared: Option<Arc<dyn SharedTexts>>,
}

/// The room as a router: one path, and what the editor of browsers is made of.
pub fn router(deps: Deps) -> Router {
    let persisted = Arc::new(Persisted::shared(deps.shared.clone()));
    let room = Room { deps, schemas: Arc::default(), persisted };
    Router::new()
        .route(editor::PATH, get(editor_page))
        .route(&format!("{}/{{file}}", editor::PATH), get(asset))
        .fallback(handle)
        .with_state(room)
}

/// The room as the edge mounts it.
pub fn room(mount: &str, deps: Deps) -> ferrobase_edge::Room {
    let scope = RouteScope { room: "graphql", part: Part::Whole };
    let policy = RoutePolicy { error_shape, scope, ..RoutePolicy::default() };
    ferrobase_edge::Room::new(mount, router(deps))
        .policy(policy)
        .route_policy(editor::PATH, RoutePolicy { auth: AuthPolicy::open(), ..policy })
}

/// What it keeps between requests.
#[derive(Clone)]
struct Room {
    deps: Deps,
    schemas: Arc<Schemas>,
    persisted: Arc<Persisted>,
}

async fn handle(State(room): State<Room>, caller: Caller, request: Request) -> Response {
    if !matches!(request.uri().path(), "" | "/") {
        return error_shape(&nothing());
    }
    let settings = room.deps.settings.load_full();
    let target = room.deps.registry.default_target();
    if settings.graphiql && editor::is_asked_for(request.method(), request.uri(), request.headers()) {
        return editor::page(settings.editor_key.as_deref());
    }
    let is_modern = request::is_modern(request.headers());
    let (parts, body) = request.into_parts();
    let body = match collect(body).await {
        Ok(body) => body,
        Err(error) => return error_shape(&error),
    };
    let flow = Flow {
        settings: &settings,
        target: &target,
        caller: &caller,
        schemas: &room.schemas,
        persisted: &room.persisted,
    };
    match Box::pin(flow.run(&parts, &body)).await {
        Ok(answer) => crate::error::respond(answer, is_modern),
        Err(error) => to_response(&error, is_modern),
    }
}

async fn editor_page(State(room): State<Room>) -> Response {
    let settings = room.deps.settings.load();
    if settings.graphiql { editor::page(settings.editor_key.as_deref()) } else { error_shape(&nothing()) }
}

fn nothing() -> PublicError {
    PublicError::new(Kind::NotFound, "FBE404", "Nothing is served at this path")
}

async fn asset(State(room): State<Room>, Path(file): Path<String>) -> Response {
    let settings = room.deps.settings.load();
    let found = settings.graphiql.then(|| editor::asset(&file)).flatten();
    found.unwrap_or_else(|| error_shape(&nothing()))
}
