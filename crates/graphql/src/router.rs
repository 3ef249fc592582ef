//! The room's front: one path.

use std::sync::Arc;

use arc_swap::ArcSwap;
use axum::extract::Request;
use axum::response::Response;
use ferrobase_base::ports::SharedTexts;
use ferrobase_base::{Kind, PublicError};
use ferrobase_edge::listener::on_shared_threads;
use ferrobase_edge::{AuthPolicy, Caller, Part, RoutePolicy, RouteScope, collect};
use ferrobase_request::Registry;
use http::Method;

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

/// The room as the edge mounts it.
pub fn room(mount: &str, deps: Deps) -> ferrobase_edge::Room {
    let scope = RouteScope { room: "graphql", part: Part::Whole };
    let policy = RoutePolicy { error_shape, scope, ..RoutePolicy::default() };
    let persisted = Persisted::shared(deps.shared.clone());
    let room = Arc::new(Room { deps, schemas: Schemas::default(), persisted });
    ferrobase_edge::Room::of_handler(mount, move |request| Arc::clone(&room).place(request))
        .policy(policy)
        .route_policy(editor::PATH, RoutePolicy { auth: AuthPolicy::open(), ..policy })
}

/// What it keeps between requests.
struct Room {
    deps: Deps,
    schemas: Schemas,
    persisted: Persisted,
}

impl Room {
    /// Telling a large schema takes a processor some dozen milliseconds: not where other connections wait for it.
    async fn place(self: Arc<Self>, request: Request) -> Response {
        if self.schemas.are_large() {
            on_shared_threads(self.handle(request)).await
        } else {
            self.handle(request).await
        }
    }

    /// One path, and what the editor of browsers is made of.
    async fn handle(self: Arc<Self>, request: Request) -> Response {
        let path = request.uri().path();
        if matches!(path, "" | "/") {
            return self.answer(request).await;
        }
        let file = path.strip_prefix(editor::PATH).filter(|_| matches!(*request.method(), Method::GET | Method::HEAD));
        let settings = self.deps.settings.load();
        let found = file.filter(|_| settings.graphiql).and_then(|file| match file.strip_prefix('/') {
            Some(name) => editor::asset(name),
            None => file.is_empty().then(|| editor::page(settings.editor_key.as_deref())),
        });
        found.unwrap_or_else(|| error_shape(&nothing()))
    }

    async fn answer(&self, request: Request) -> Response {
        let caller = match Caller::of(&request) {
            Ok(caller) => caller,
            Err(response) => return response,
        };
        let settings = self.deps.settings.load_full();
        let target = self.deps.registry.default_target();
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
            schemas: &self.schemas,
            persisted: &self.persisted,
        };
        match flow.run(&parts, &body).await {
            Ok(answer) => crate::error::respond(answer, is_modern),
            Err(error) => to_response(&error, is_modern),
        }
    }
}

fn nothing() -> PublicError {
    PublicError::new(Kind::NotFound, "FBE404", "Nothing is served at this path")
}
