//! The room's front: its routes, and the policies under which the edge runs them.
//!
//! One place knows every route: each flow's `routes()` is merged here. Read on: `caller` (what handlers are given).

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use ferrobase_base::ports::SharedCounts;
use ferrobase_edge::{AuthPolicy, Bound, Part, RoutePolicy, RouteScope};
use ferrobase_request::{Gate, Registry, Target};
use http::header::ALLOW;
use http::{HeaderValue, Method};

use crate::caller::BODY_LIMIT;
use crate::error::{Error, ErrorCode, Result, edge_shape, shape};
use crate::limit::Limiter;
use crate::mail::Mailer;
use crate::outbound::Outbound;
use crate::password::Hasher;
use crate::provider::Directory;
use crate::settings::Settings;
use crate::sms::Texter;
use crate::{
    account, admin, captcha, custom_providers, mfa, oauth, oauth_server, passkeys, proof, service, session, signup,
    verify,
};

/// Longest time for a request (contract 0.3).
const TIMEOUT: Duration = Duration::from_secs(10);
/// Where browsers land without a key (contract 0.1), and what clients of the OAuth server call, who have none.
const OPEN: [&str; 9] = [
    "/verify",
    "/callback",
    "/authorize",
    "/.well-known",
    "/sso/saml",
    "/oauth/authorize",
    "/oauth/token",
    "/oauth/userinfo",
    "/oauth/clients/register",
];

/// Where HEAD is answered: nothing happens there.
const LOOKED_AT: [&str; 3] = ["/health", "/settings", "/.well-known"];

/// What administrators call.
const ADMIN: [&str; 2] = ["/admin", "/invite"];
/// What works where nothing signs tokens: what anybody may know, and what needs a service key.
const WITHOUT_A_SIGNER: [&str; 5] = ["/health", "/settings", "/.well-known", "/admin", "/invite"];

/// What the room needs.
#[derive(Clone)]
pub struct Deps {
    /// Where requests run.
    pub registry: Arc<Registry>,
    /// The configuration; whoever reloads it stores a new value.
    pub settings: Arc<ArcSwap<Settings>>,
    /// Hashes passwords.
    pub hasher: Hasher,
    /// Takes mails.
    pub mailer: Arc<dyn Mailer>,
    /// Takes text messages.
    pub texter: Arc<dyn Texter>,
    /// Calls providers of sign-in.
    pub outbound: Arc<dyn Outbound>,
    /// Counts tries for all nodes; without it each node counts its own.
    pub counts: Option<Arc<dyn SharedCounts>>,
}

/// What the room keeps between requests. Cheap to clone.
#[derive(Clone)]
pub struct Room(Arc<Inner>);

struct Inner {
    deps: Deps,
    limiter: Limiter,
    directory: Directory,
}

impl Room {
    pub(crate) fn settings(&self) -> Arc<Settings> {
        self.0.deps.settings.load_full()
    }

    pub(crate) fn target(&self) -> Arc<Target> {
        self.0.deps.registry.default_target()
    }

    pub(crate) fn limiter(&self) -> &Limiter {
        &self.0.limiter
    }

    pub(crate) fn hasher(&self) -> &Hasher {
        &self.0.deps.hasher
    }

    pub(crate) fn mailer(&self) -> &dyn Mailer {
        &*self.0.deps.mailer
    }

    pub(crate) fn texter(&self) -> &dyn Texter {
        &*self.0.deps.texter
    }

    pub(crate) fn outbound(&self) -> &dyn Outbound {
        &*self.0.deps.outbound
    }

    pub(crate) fn directory(&self) -> &Directory {
        &self.0.directory
    }
}

/// The room as a router; paths begin below the room's own.
pub fn router(deps: Deps) -> Router {
    let limiter = Limiter::new(deps.counts.clone());
    let room = Room(Arc::new(Inner { deps, limiter, directory: Directory::default() }));
    let routes = Router::new()
        .merge(service::routes())
        .merge(signup::routes())
        .merge(session::routes())
        .merge(account::routes())
        .merge(oauth::routes())
        .merge(oauth_server::routes())
        .merge(proof::routes())
        .merge(verify::routes())
        .merge(admin::routes())
        .merge(custom_providers::routes())
        .merge(mfa::routes())
        .merge(passkeys::routes())
        .fallback(async || Error::not_found(ErrorCode::Unknown, "Nothing is served at this path"))
        .method_not_allowed_fallback(async || {
            Error::refused(http::StatusCode::METHOD_NOT_ALLOWED, ErrorCode::Unknown, "Method not allowed")
        })
        .layer(axum::middleware::from_fn_with_state(room.clone(), captcha::guard))
        .layer(axum::middleware::from_fn_with_state(room.clone(), need_a_signer))
        .layer(axum::middleware::from_fn(shape))
        .with_state(room);
    // Around the routes: their own layers come after the choice by method.
    Router::new().fallback_service(routes).layer(axum::middleware::from_fn(refuse_heads))
}

/// Refuses to sign anybody in before anything is done or sent, where no token could be signed in the end.
async fn need_a_signer(State(room): State<Room>, request: Request, next: Next) -> Result<Response> {
    let path = request.uri().path();
    if room.settings().signer.is_some() || WITHOUT_A_SIGNER.iter().any(|open| path.starts_with(open)) {
        return Ok(next.run(request).await);
    }
    let message = "Signing in is not set up on this server: it has no key that signs tokens";
    Err(Error::unprocessable(ErrorCode::FeatureDisabled, message))
}

/// Much that is asked for by GET here does something: a link is used up, a code goes out. HEAD must not do it: programs look
/// at the links of a mail with it before anybody follows them.
async fn refuse_heads(mut request: Request, next: Next) -> Response {
    let path = request.uri().path();
    if LOOKED_AT.iter().any(|safe| path.starts_with(safe)) {
        return next.run(request).await;
    }
    if request.method() == Method::HEAD {
        // No route takes this one; each says what it takes.
        *request.method_mut() = Method::TRACE;
    }
    let mut response = next.run(request).await;
    let allowed = response.headers().get(ALLOW).and_then(|allowed| allowed.to_str().ok());
    let allowed = allowed.map(|allowed| allowed.replace("GET,HEAD", "GET"));
    if let Some(allowed) = allowed.and_then(|allowed| HeaderValue::from_str(&allowed).ok()) {
        response.headers_mut().insert(ALLOW, allowed);
    }
    response
}

/// The room as the edge mounts it.
pub fn room(mount: &str, deps: Deps) -> ferrobase_edge::Room {
    let gate = Gate { key_gives_role: false, key_required: true, role_required: false };
    let policy = RoutePolicy {
        body_limit: Bound::Own(BODY_LIMIT),
        timeout: Bound::Own(TIMEOUT),
        auth: AuthPolicy { tokens_are_the_rooms: true, gate, ..AuthPolicy::default() },
        scope: RouteScope { room: "auth", part: Part::Named("user") },
        error_shape: edge_shape,
        ..RoutePolicy::default()
    };
    let open = RoutePolicy { auth: AuthPolicy { gate: Gate { key_required: false, ..gate }, ..policy.auth }, ..policy };
    let admin = RoutePolicy { scope: RouteScope { room: "auth", part: Part::Named("admin") }, ..policy };
    let room = ferrobase_edge::Room::new(mount, router(deps)).policy(policy);
    let room = ADMIN.iter().fold(room, |room, path| room.route_policy(path, admin));
    OPEN.iter().fold(room, |room, path| room.route_policy(path, open))
}
