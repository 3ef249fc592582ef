//! The server's front: every request passes here, in named stages, before and after a room.
//!
//! head bounds -> room -> preflight -> identity -> rate limit -> body bounds -> context -> **room** -> compression ->
//! fields -> log and metrics. One service with stages instead of a tower of middleware: the order is in one place
//! (`answer`), and each stage knows the policy of the route.
//! Invariant: whatever happens to a request, panic included, its caller gets an answer in the route's error shape and
//! the log gets one line. Read on: `answer` (before the room), `exchange` (after it), `report` (what is
//! remembered of it).

mod answer;
mod exchange;
mod numbers;
mod report;

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use arc_swap::ArcSwap;
use axum::Router;
use axum::body::Body;
use axum::response::Response;
use ferrobase_request::journal::Statements;
use futures_util::FutureExt as _;
use http::Request;
use tower::Service;

use crate::alias::Alias;
use crate::log::AccessLog;
use crate::metrics::{HttpMetrics, RouteCounts, UNROUTED};
use crate::policy::Room;
use crate::settings::Settings;

/// Rooms and settings, to become an [`App`].
pub struct AppBuilder {
    rooms: Vec<Room>,
    aliases: Vec<Alias>,
    settings: Settings,
    access: Option<AccessLog>,
    metrics: Arc<HttpMetrics>,
    statements: Option<Arc<Statements>>,
}

/// The assembled server front. Cheap to clone; every clone shares settings, limits and metrics.
#[derive(Clone)]
pub struct App(Arc<Inner>);

struct Inner {
    /// Longest mount first.
    rooms: Vec<MountedRoom>,
    aliases: Vec<Alias>,
    settings: ArcSwap<Settings>,
    access: Option<AccessLog>,
    metrics: Arc<HttpMetrics>,
    /// Where statements are added up.
    statements: Option<Arc<Statements>>,
    /// Requests that no room took.
    unrouted: RouteCounts,
}

struct MountedRoom {
    room: Room,
    counts: RouteCounts,
}

impl AppBuilder {
    /// Mounts a room.
    #[must_use]
    pub fn room(mut self, room: Room) -> Self {
        self.rooms.push(room);
        self
    }

    /// Adds other spellings of paths.
    #[must_use]
    pub fn aliases(mut self, aliases: Vec<Alias>) -> Self {
        self.aliases.extend(aliases);
        self
    }

    /// Writes a line per request.
    #[must_use]
    pub fn access_log(mut self, access: AccessLog) -> Self {
        self.access = Some(access);
        self
    }

    /// Adds up what requests do by statement.
    #[must_use]
    pub fn statements(mut self, statements: Arc<Statements>) -> Self {
        self.statements = Some(statements);
        self
    }

    /// The server front.
    pub fn build(self) -> App {
        let mut rooms: Vec<MountedRoom> = self
            .rooms
            .into_iter()
            .map(|room| {
                let label = if room.mount.is_empty() { "/" } else { room.mount.as_str() };
                let counts = RouteCounts::new(label);
                self.metrics.prepare(&counts);
                MountedRoom { room, counts }
            })
            .collect();
        rooms.sort_by_key(|mounted| std::cmp::Reverse(mounted.room.mount.len()));
        App(Arc::new(Inner {
            rooms,
            aliases: self.aliases,
            settings: ArcSwap::from_pointee(self.settings),
            access: self.access,
            metrics: self.metrics,
            statements: self.statements,
            unrouted: RouteCounts::new(UNROUTED),
        }))
    }
}

impl App {
    /// Starts assembling.
    pub fn builder(settings: Settings, metrics: Arc<HttpMetrics>) -> AppBuilder {
        AppBuilder { rooms: Vec::new(), aliases: Vec::new(), settings, access: None, metrics, statements: None }
    }

    /// Swaps the settings. Requests that are under way end with those they began with.
    pub fn reload(&self, settings: Settings) {
        let settings = settings.after(&self.0.settings.load());
        self.0.settings.store(Arc::new(settings));
    }

    /// Answers one request. The listener adds who connected ([`crate::listener::Peer`]) to its extensions.
    pub async fn handle(&self, request: Request<Body>) -> Response {
        exchange::serve(Arc::clone(&self.0), request).await
    }

    /// The same as an axum router, for tests and for embedding.
    pub fn into_router(self) -> Router {
        Router::new().fallback_service(self)
    }
}

impl Service<Request<Body>> for App {
    type Response = Response;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        Box::pin(exchange::serve(Arc::clone(&self.0), request).map(Ok))
    }
}
