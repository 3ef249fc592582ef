//! What a room asks of the edge: where it is mounted and under which bounds its routes run.
//!
//! A room hands over an axum router, or one function, and a [`RoutePolicy`]; prefixes inside it may have their own (an upload next to
//! small JSON calls). The edge looks the policy up before the room is called, so that size, time, CORS and
//! authentication are decided by data and not by the order of middleware.
//! Invariant: policies are plain values; nothing here runs a request.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::response::Response;
use ferrobase_base::scope::Needed;
use ferrobase_request::Gate;
use http::request::Parts;
use http::{Method, Request};
use tower::ServiceExt;

use crate::error::{self, ErrorShape};

/// A bound that a route may take from the server's configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bound<T> {
    /// As configured for the server.
    Server,
    /// The route's own.
    Own(T),
    /// None. For routes that stream for as long as their callers like, and watch themselves.
    Unbounded,
}

impl<T> Bound<T> {
    /// The bound in force, given the server's.
    pub fn resolve(self, server: Option<T>) -> Option<T> {
        match self {
            Self::Server => server,
            Self::Own(own) => Some(own),
            Self::Unbounded => None,
        }
    }
}

/// Who writes the CORS fields of a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CorsOwner {
    /// The edge, by `server.cors`; it also answers preflights.
    Edge,
    /// The room: preflights reach it and its fields stay as they are.
    Room,
}

/// How a route learns who calls.
#[derive(Clone, Copy, Debug)]
pub struct AuthPolicy {
    /// Looks at credentials. When off, callers are the anonymous role whatever they send (callbacks, public keys).
    pub verify: bool,
    /// The room judges Bearer tokens itself; the edge looks at API keys only. For a room whose protocol has its own
    /// answers to tokens that are not valid.
    pub tokens_are_the_rooms: bool,
    /// What API keys mean here.
    pub gate: Gate,
    /// Also takes the key from the query parameter `apikey`, which the room then does not see.
    pub key_in_query: bool,
}

impl Default for AuthPolicy {
    fn default() -> Self {
        Self { verify: true, tokens_are_the_rooms: false, gate: Gate::default(), key_in_query: false }
    }
}

impl AuthPolicy {
    /// Nobody is asked who they are.
    pub fn open() -> Self {
        Self { verify: false, ..Self::default() }
    }
}

/// What an API key with scopes needs for a route (`base::scope`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RouteScope {
    /// The room's name; without one no key with scopes will do.
    pub room: &'static str,
    /// Its part.
    pub part: Part,
}

/// Which part of a room a route is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Part {
    /// The room has no parts.
    #[default]
    Whole,
    /// `read` or `write`, by the method.
    Method,
    /// This one.
    Named(&'static str),
}

impl RouteScope {
    /// For a request with this method.
    pub(crate) fn needed(self, method: &Method) -> Needed {
        let part = match self.part {
            Part::Whole => None,
            Part::Method => Some(if method.is_safe() { "read" } else { "write" }),
            Part::Named(name) => Some(name),
        };
        Needed { room: self.room, part }
    }
}

/// Which bodies of an exchange pass through without being held.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Streams {
    /// The request's: it may be as large as `server.stream_body_limit` says.
    pub incoming: bool,
    /// The answer's.
    pub outgoing: bool,
}

impl Streams {
    /// Whether the exchange may take as long as `server.stream_timeout` says.
    pub(crate) fn any(self) -> bool {
        self.incoming || self.outgoing
    }
}

/// Bounds and habits of one route. `Default` is what a JSON API wants.
#[derive(Clone, Copy, Debug)]
pub struct RoutePolicy {
    /// Largest request body in bytes.
    pub body_limit: Bound<u64>,
    /// From the request's head to the last byte of a streamed answer.
    pub timeout: Bound<Duration>,
    /// Which requests of the route stream, by their heads and the largest body of an ordinary one. A room finds the
    /// decision in the request's extensions and must stream what it said it would.
    pub streams: fn(&Parts, Option<u64>) -> Streams,
    /// Whether answers may be compressed.
    pub compress: bool,
    /// Who writes CORS fields.
    pub cors: CorsOwner,
    /// How callers are known.
    pub auth: AuthPolicy,
    /// What limited API keys need.
    pub scope: RouteScope,
    /// How the edge's own refusals look here.
    pub error_shape: ErrorShape,
}

impl Default for RoutePolicy {
    fn default() -> Self {
        Self {
            body_limit: Bound::Server,
            timeout: Bound::Server,
            streams: |_, _| Streams::default(),
            compress: true,
            cors: CorsOwner::Edge,
            auth: AuthPolicy::default(),
            scope: RouteScope::default(),
            error_shape: error::response,
        }
    }
}

/// What becomes of a request.
pub(crate) type Answering = Pin<Box<dyn Future<Output = Response> + Send>>;

/// What answers inside a room.
enum Inside {
    Router(Router),
    /// One function for every path, which a router would only stand in front of.
    Handler(Box<dyn Fn(Request<Body>) -> Answering + Send + Sync>),
}

/// A room as the edge mounts it. It sees paths without the mount.
pub struct Room {
    pub(crate) mount: String,
    inside: Inside,
    pub(crate) policy: RoutePolicy,
    pub(crate) routes: Vec<(String, RoutePolicy)>,
}

impl Room {
    /// A room at `mount`: `/rest/v1`, or `/` for the only room of a server.
    pub fn new(mount: &str, router: Router) -> Self {
        Self::of(mount, Inside::Router(router))
    }

    /// A room that takes paths apart itself.
    pub fn of_handler<F>(mount: &str, handler: impl Fn(Request<Body>) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Response> + Send + 'static,
    {
        Self::of(mount, Inside::Handler(Box::new(move |request| Box::pin(handler(request)))))
    }

    fn of(mount: &str, inside: Inside) -> Self {
        let mount = mount.trim_end_matches('/').to_owned();
        Self { mount, inside, policy: RoutePolicy::default(), routes: Vec::new() }
    }

    /// Answers a request.
    pub(crate) fn answer(&self, request: Request<Body>) -> Answering {
        match &self.inside {
            Inside::Handler(handler) => handler(request),
            Inside::Router(router) => {
                let call = router.clone().oneshot(request);
                Box::pin(async move {
                    let Ok(response) = call.await;
                    response
                })
            }
        }
    }

    /// The policy of all its routes.
    #[must_use]
    pub fn policy(mut self, policy: RoutePolicy) -> Self {
        self.policy = policy;
        self
    }

    /// Another policy for everything at or below a path inside the room (`/object`); the longest prefix counts.
    #[must_use]
    pub fn route_policy(mut self, prefix: &str, policy: RoutePolicy) -> Self {
        self.routes.push((prefix.trim_end_matches('/').to_owned(), policy));
        self.routes.sort_by_key(|(prefix, _)| std::cmp::Reverse(prefix.len()));
        self
    }

    /// The policy for a path inside the room.
    pub(crate) fn policy_at(&self, path: &str) -> RoutePolicy {
        let own = self.routes.iter().find(|(prefix, _)| is_below(path, prefix));
        own.map_or(self.policy, |(_, policy)| *policy)
    }
}

/// Whether `path` is `prefix` or lies below it, by whole segments.
pub(crate) fn is_below(path: &str, prefix: &str) -> bool {
    path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_resolve_against_the_server() {
        assert_eq!(Bound::Server.resolve(Some(7)), Some(7));
        assert_eq!(Bound::Own(3).resolve(Some(7)), Some(3));
        assert_eq!(Bound::<u64>::Unbounded.resolve(Some(7)), None);
    }

    #[test]
    fn the_longest_prefix_of_whole_segments_counts() {
        let upload = RoutePolicy { body_limit: Bound::Unbounded, ..RoutePolicy::default() };
        let info = RoutePolicy { body_limit: Bound::Own(1), ..RoutePolicy::default() };
        let room =
            Room::new("/storage/v1/", Router::new()).route_policy("/object", upload).route_policy("/object/info", info);
        assert_eq!(room.mount, "/storage/v1");
        assert_eq!(room.policy_at("/object/a/b").body_limit, Bound::Unbounded);
        assert_eq!(room.policy_at("/object/info/a").body_limit, Bound::Own(1));
        assert_eq!(room.policy_at("/objects").body_limit, Bound::Server);
        assert_eq!(room.policy_at("/object").body_limit, Bound::Unbounded);
    }
}
