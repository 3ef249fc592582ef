//! The body of a failure in either of the two shapes, chosen by the request's `X-Supabase-Api-Version`.
//!
//! A handler's error becomes a response that carries it; [`shape`], the room's outermost layer, knows the request and writes
//! the body. What the edge refuses before the room is called has no request to look at: it gets the older shape, which
//! every client reads.

use std::borrow::Cow;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::Request;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use ferrobase_base::{Kind, PublicError, error::causes};
use ferrobase_edge::Caller;
use ferrobase_edge::error as edge;
use ferrobase_pg::Error as PgError;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use serde_json::{Map, Value, json};

use super::{Error, ErrorCode};

/// The version from which codes are in `code`.
const VERSION: &str = "2024-01-01";
const VERSION_FIELD: &str = "x-supabase-api-version";
const CODE_FIELD: &str = "x-sb-error-code";
/// What a caller is told about a failure of ours.
const UNEXPECTED: &str = "Unexpected failure, please check server logs for more information";

#[derive(Clone)]
struct Failure(Arc<Error>);

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let mut response = self.status().into_response();
        response.extensions_mut().insert(Failure(Arc::new(self)));
        response
    }
}

/// Writes the bodies of failures.
pub(crate) async fn shape(request: Request, next: Next) -> Response {
    let is_new = is_new(request.headers());
    let id = request.extensions().get::<Caller>().map(|caller| caller.0.request_id.to_string());
    let mut response = next.run(request).await;
    let Some(Failure(error)) = response.extensions_mut().remove::<Failure>() else { return response };
    log(&error);
    let allowed = response.headers_mut().remove(header::ALLOW);
    let mut response = render(&error, is_new, id.as_deref());
    if let Some(allowed) = allowed {
        response.headers_mut().insert(header::ALLOW, allowed);
    }
    response
}

/// Versions are dates, which compare as text.
fn is_new(headers: &HeaderMap) -> bool {
    headers.get(VERSION_FIELD).and_then(|value| value.to_str().ok()).is_some_and(|version| version >= VERSION)
}

pub(super) fn log(error: &Error) {
    if error.status().is_server_error() {
        tracing::error!(error = causes(error), "a request to auth failed");
    }
}

fn render(error: &Error, is_new: bool, request_id: Option<&str>) -> Response {
    let (status, code) = (error.status(), error.code());
    if let Error::OAuth { error, description } = error {
        return respond(status, code, &json!({"error": error, "error_description": description}), is_new);
    }
    let message = message(error);
    let mut body = Map::new();
    if is_new {
        body.insert("code".to_owned(), code.as_ref().into());
        body.insert("message".to_owned(), message.into());
    } else {
        body.insert("code".to_owned(), status.as_u16().into());
        body.insert("error_code".to_owned(), code.as_ref().into());
        body.insert("msg".to_owned(), message.into());
        if let Some(id) = request_id.filter(|_| status.is_server_error()) {
            body.insert("error_id".to_owned(), id.into());
        }
    }
    if let Error::WeakPassword { reasons, .. } = error {
        let reasons: Vec<_> = reasons.iter().map(|reason| reason.as_str()).collect();
        body.insert("weak_password".to_owned(), json!({ "reasons": reasons }));
    }
    if let Error::Application(said) = error {
        body.extend(said.details.clone().map(|details| ("detail".to_owned(), details)));
        body.extend(said.hint.clone().map(|hint| ("hint".to_owned(), hint.into())));
    }
    let mut response = respond(status, code, &Value::Object(body), is_new);
    if let Error::Application(said) = error {
        edge::decorate(&mut response, said);
    }
    if let Some(seconds) = retry_after(error) {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

/// Seconds after which asking again makes sense.
fn retry_after(error: &Error) -> Option<u64> {
    match error {
        Error::Refused { retry_after: Some(wait), .. } => Some(wait.as_secs().max(1)),
        error => (error.status() == StatusCode::SERVICE_UNAVAILABLE).then_some(1),
    }
}

/// The sentence that a caller gets.
pub(super) fn message(error: &Error) -> String {
    let status = error.status();
    match error {
        Error::Database(_) | Error::Internal { .. } if status == StatusCode::INTERNAL_SERVER_ERROR => {
            UNEXPECTED.to_owned()
        }
        Error::Database(_) => of_database(status).to_owned(),
        other => other.to_string(),
    }
}

fn respond(status: StatusCode, code: Cow<'static, str>, body: &Value, is_new: bool) -> Response {
    let mut response = Response::new(Body::from(body.to_string()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.extend(HeaderValue::from_str(&code).ok().map(|code| (HeaderName::from_static(CODE_FIELD), code)));
    if is_new {
        headers.insert(VERSION_FIELD, HeaderValue::from_static(VERSION));
    }
    response.extensions_mut().insert(edge::ErrorCode(code));
    response
}

/// How the edge's own refusals look here.
pub(crate) fn edge_shape(error: &PublicError) -> Response {
    let code = match error.kind {
        Kind::Unauthenticated => ErrorCode::NoAuthorization,
        Kind::BodyTooLarge => ErrorCode::RequestEntityTooLarge,
        Kind::Timeout | Kind::RequestTimeout => ErrorCode::RequestTimeout,
        Kind::TooManyRequests => ErrorCode::OverRequestRateLimit,
        Kind::Invalid => ErrorCode::ValidationFailed,
        Kind::Forbidden => ErrorCode::NotAdmin,
        Kind::Internal => ErrorCode::UnexpectedFailure,
        _ => ErrorCode::Unknown,
    };
    let status = edge::status(error.kind);
    let body = json!({"code": status.as_u16(), "error_code": code.as_str(), "msg": error.message});
    let mut response = respond(status, code.as_str().into(), &body, false);
    edge::decorate(&mut response, error);
    response
}

/// Whose fault a failed statement is. Values that PostgreSQL cannot hold are the caller's.
pub(super) fn status_of_database(error: &PgError) -> StatusCode {
    match error {
        PgError::Db(db) => match db.code.as_str() {
            // A character that text cannot have, JSON that says there is one, text that is too long, text that is no value of
            // its column's type.
            "22021" | "22P05" | "22001" | "22P02" => StatusCode::BAD_REQUEST,
            "57014" => StatusCode::GATEWAY_TIMEOUT,
            "53300" | "57P01" | "57P02" | "57P03" | "55P03" | "40P01" => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        },
        PgError::Deadline => StatusCode::GATEWAY_TIMEOUT,
        _ => StatusCode::SERVICE_UNAVAILABLE,
    }
}

fn of_database(status: StatusCode) -> &'static str {
    match status {
        StatusCode::GATEWAY_TIMEOUT => "Processing this request timed out, please retry after a moment.",
        StatusCode::SERVICE_UNAVAILABLE => "The database cannot be reached, please retry after a moment.",
        _ => "The request has a value that cannot be stored",
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use ferrobase_pg::{DbError, Severity, SqlState};

    use super::*;

    fn failed(code: &str) -> Error {
        Error::Database(PgError::Db(Box::new(DbError {
            severity: Severity::Error,
            code: SqlState::new(code),
            message: String::new(),
            detail: None,
            hint: None,
            position: None,
            where_: None,
            schema: None,
            table: None,
            column: None,
            data_type: None,
            constraint: None,
            routine: None,
        })))
    }

    #[test]
    fn what_passes_by_itself_says_when_to_come_again() {
        for (code, status, wait) in
            [("40P01", 503, Some(1)), ("55P03", 503, Some(1)), ("22001", 400, None), ("XX000", 500, None)]
        {
            let error = failed(code);
            assert_eq!((error.status().as_u16(), retry_after(&error)), (status, wait), "{code}");
        }
        let limited = Error::too_many(ErrorCode::OverRequestRateLimit, "Slow down", Duration::from_secs(7));
        assert_eq!(retry_after(&limited), Some(7));
    }
}
