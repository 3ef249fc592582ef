//! The second port: is the process alive, is it ready for callers, and what are its numbers.
//!
//! Loopback unless configured otherwise, no authentication, and therefore nothing that shows data or changes anything.
//! `/ready` is what load balancers look at: it fails as soon as draining begins (security 30).

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{HeaderMap, StatusCode};
use serde_json::json;

use crate::lifecycle::Lifecycle;
use crate::metrics::{Exposition, Metrics};

/// What is missing before callers should come; empty when nothing is. Asked at every `/ready`, so it must be cheap.
pub type Readiness = Arc<dyn Fn() -> Vec<&'static str> + Send + Sync>;

/// What the admin port shows.
#[derive(Clone)]
pub struct Admin {
    /// The phase of the server.
    pub lifecycle: Lifecycle,
    /// What is not ready, for example `catalog` or `database`.
    pub readiness: Readiness,
    /// The numbers; `None` when `observability.metrics.enabled` is off.
    pub metrics: Option<Metrics>,
}

/// The admin port's routes. More can be merged in (`/schema_cache`, `/debug/...`).
pub fn router(admin: Admin) -> Router {
    Router::new()
        .route("/live", get(async || json_answer(StatusCode::OK, &json!({"live": true}))))
        .route("/ready", get(ready))
        .route("/metrics", get(metrics))
        .with_state(admin)
}

async fn ready(State(admin): State<Admin>) -> Response {
    let mut missing = (admin.readiness)();
    if admin.lifecycle.is_draining() {
        missing.push("draining");
    }
    let status = if missing.is_empty() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    json_answer(status, &json!({"ready": missing.is_empty(), "waiting_for": missing}))
}

async fn metrics(State(admin): State<Admin>, headers: HeaderMap) -> Response {
    let Some(metrics) = &admin.metrics else { return StatusCode::NOT_FOUND.into_response() };
    let form = Exposition::for_accept(headers.get(ACCEPT).and_then(|value| value.to_str().ok()));
    match metrics.expose(form) {
        Ok(page) => ([(CONTENT_TYPE, form.content_type())], page).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

fn json_answer(status: StatusCode, body: &serde_json::Value) -> Response {
    (status, [(CONTENT_TYPE, "application/json; charset=utf-8")], body.to_string()).into_response()
}
