//! Who asks and what is known about the request: made once, at the edge; nothing else decides a role.
//!
//! [`Identity`] is the answer of `credentials`, [`RequestContext`] adds what the transaction will tell PostgreSQL.
//! Invariant: both are values; nobody changes them after the edge made them.

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use ferrobase_base::scope::{Needed, Scopes};
use serde_json::{Map, Value};

use crate::credentials::{AuthError, AuthRules};
use crate::freshness::Freshness;
use crate::journal::Journal;

/// How the role was proved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Via {
    /// Not at all.
    Anonymous,
    /// By a token.
    Token,
    /// By an API key alone.
    ApiKey,
}

/// Who asks.
#[derive(Clone, Debug)]
pub struct Identity {
    /// Verified claims; empty but for the role when there was no token.
    pub claims: Claims,
    /// How it was proved.
    pub via: Via,
    /// The role is the anonymous one, however it was proved: decides between 401 and 403.
    pub is_anonymous: bool,
    /// When the token ends (`exp`, seconds since the epoch): long-lived connections end then too.
    pub expires_at: Option<i64>,
    /// The API key that came along, valid; it does not have to be what gave the role.
    pub api_key: Option<ApiKey>,
}

impl Identity {
    /// An identity that no caller proved: jobs and other work of our own.
    pub fn internal(role: &str) -> Self {
        Self {
            claims: Claims::of_role(Map::new(), role),
            via: Via::ApiKey,
            is_anonymous: false,
            expires_at: None,
            api_key: None,
        }
    }

    /// Somebody without a role, where none is needed: nothing runs in the database as this identity.
    pub(crate) fn nobody() -> Self {
        let claims = Claims::of_role(Map::new(), "");
        Self { claims, via: Via::Anonymous, is_anonymous: true, expires_at: None, api_key: None }
    }

    /// Whether the key that came along, if one did, may be used for this. It limits the request also where something else
    /// gave the role.
    ///
    /// # Errors
    /// It may not.
    pub fn check_scope(&self, needed: &Needed) -> Result<(), AuthError> {
        let scopes = self.api_key.as_ref().and_then(|key| key.scopes.as_ref());
        match scopes {
            Some(scopes) if !scopes.cover(needed) => Err(AuthError::OutOfScope { needed: *needed }),
            _ => Ok(()),
        }
    }

    /// The database role.
    pub fn role(&self) -> &str {
        self.claims.role().unwrap_or_default()
    }

    /// `sub`: the user, when there is one.
    pub fn user_id(&self) -> Option<&str> {
        self.claims.0.user_id.as_deref()
    }

    /// The tenant that the token grants: claim `tenant_id`, at the top or in `app_metadata` (which only the server
    /// writes; `user_metadata` belongs to the user and proves nothing).
    pub fn tenant_id(&self) -> Option<&str> {
        self.claims.0.tenant_id.as_deref()
    }
}

/// A valid API key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiKey {
    /// The role that it stands for.
    pub role: String,
    /// Its public id, when it is an opaque key.
    pub id: Option<String>,
    /// What it may be used for; nothing here is everything.
    pub scopes: Option<Arc<Scopes>>,
}

/// Verified claims with everything that is needed from them at every request, worked out once a token. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Claims(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    map: Map<String, Value>,
    role: Option<String>,
    user_id: Option<String>,
    tenant_id: Option<String>,
    json: Arc<str>,
}

impl Claims {
    /// The claims of a token; its role is where the rules say, else the anonymous one.
    pub(crate) fn from_token(claims: Map<String, Value>, rules: &AuthRules) -> Self {
        let role = match rules.role_claim.find(&claims) {
            Some(Value::String(role)) => Some(role.clone()),
            // What is not text names a role that does not exist; the refusal then shows what the token said.
            Some(other) => Some(other.to_string()),
            None => rules.anon_role.clone(),
        };
        Self::new(claims, role)
    }

    /// Claims with this role, whatever they say themselves.
    pub(crate) fn of_role(claims: Map<String, Value>, role: &str) -> Self {
        Self::new(claims, Some(role.to_owned()))
    }

    fn new(map: Map<String, Value>, role: Option<String>) -> Self {
        let mut sent = map.clone();
        if let Some(role) = &role {
            sent.insert("role".to_owned(), Value::String(role.clone()));
        }
        let metadata_tenant = || map.get("app_metadata").and_then(|metadata| metadata.get("tenant_id"));
        let user_id = map.get("sub").and_then(scalar);
        let tenant_id = map.get("tenant_id").or_else(metadata_tenant).and_then(scalar);
        let json = Value::Object(sent).to_string().into();
        Self(Arc::new(Inner { role, user_id, tenant_id, json, map }))
    }

    /// The role, when the token or the configuration gives one.
    pub fn role(&self) -> Option<&str> {
        self.0.role.as_deref()
    }

    /// The claims as the token has them.
    pub fn map(&self) -> &Map<String, Value> {
        &self.0.map
    }

    /// A claim.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0.map.get(name)
    }

    /// JSON text for `request.jwt.claims`: the claims with `role` set to the role in force.
    pub fn json(&self) -> &Arc<str> {
        &self.0.json
    }
}

/// Text of a claim that identifies something.
fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) if !text.is_empty() => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// One request: who asks, what is told to PostgreSQL about it, and until when it may take.
#[derive(Clone, Debug)]
pub struct RequestContext {
    /// Who asks.
    pub identity: Identity,
    /// Unique id, also in logs and in the answer (`request.id`).
    pub request_id: Arc<str>,
    /// HTTP method, or the verb of another protocol.
    pub method: Cow<'static, str>,
    /// Path as the caller sent it, without the query.
    pub path: Arc<str>,
    /// JSON object of header fields, see [`headers_json`].
    pub headers: Told,
    /// JSON object of cookies; `{}` where they are not forwarded.
    pub cookies: Told,
    /// The caller's address; only trusted proxies may have said so.
    pub client_ip: Option<IpAddr>,
    /// Since when the caller waits.
    pub arrived: Instant,
    /// When the caller stops waiting.
    pub deadline: Instant,
    /// What calls that are made for this request carry, so that they belong to its trace.
    pub trace: Option<Arc<TraceFields>>,
    /// Where its time goes.
    pub journal: Journal,
    /// How fresh its reads must be; none where there are no replicas.
    pub freshness: Option<Arc<Freshness>>,
}

/// A text that SQL may be told, made when it is: most statements have no code that asks. Cheap to clone.
#[derive(Clone)]
pub struct Told(Telling);

#[derive(Clone)]
enum Telling {
    Known(Cow<'static, str>),
    Asked(Arc<dyn Tells>),
}

trait Tells: Send + Sync {
    fn text(&self) -> &str;
}

struct Made<F> {
    text: OnceLock<String>,
    make: F,
}

impl<F: Fn() -> String + Send + Sync> Tells for Made<F> {
    fn text(&self) -> &str {
        self.text.get_or_init(&self.make)
    }
}

impl Told {
    /// A text that this makes, once.
    pub fn when_asked(make: impl Fn() -> String + Send + Sync + 'static) -> Self {
        Self(Telling::Asked(Arc::new(Made { text: OnceLock::new(), make })))
    }

    /// The text.
    pub fn text(&self) -> &str {
        match &self.0 {
            Telling::Known(text) => text,
            Telling::Asked(made) => made.text(),
        }
    }
}

impl<T: Into<Cow<'static, str>>> From<T> for Told {
    fn from(text: T) -> Self {
        Self(Telling::Known(text.into()))
    }
}

impl std::fmt::Debug for Told {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.text())
    }
}

/// W3C Trace Context, as it is handed on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceFields {
    /// `traceparent`.
    pub parent: String,
    /// `tracestate`, as it came.
    pub state: Option<String>,
}

impl RequestContext {
    /// The same request as one of its operations tells it to SQL code: who asks and until when stays as it is.
    #[must_use]
    pub fn operation(&self, method: &str, path: &str, headers: impl Into<Told>) -> Self {
        Self { method: method.to_owned().into(), path: path.into(), headers: headers.into(), ..self.clone() }
    }
}

/// Header fields that are credentials. PostgreSQL writes parameters into its log, so they stay out of
/// `request.headers`.
pub const CREDENTIAL_HEADERS: &[&str] =
    &["authorization", "proxy-authorization", "apikey", "x-api-key", "cookie", "x-supabase-api-key"];

/// The JSON object for `request.headers`: names in lower case, a repeated name keeps its last value.
///
/// `keep_credentials` is for `ferrobase postgrest`, which passes everything as PostgREST does.
pub fn headers_json<'a>(fields: impl IntoIterator<Item = (&'a str, &'a str)>, keep_credentials: bool) -> String {
    let mut object = Map::new();
    for (name, value) in fields {
        let name = name.to_ascii_lowercase();
        if keep_credentials || !CREDENTIAL_HEADERS.contains(&name.as_str()) {
            object.insert(name, Value::String(value.to_owned()));
        }
    }
    Value::Object(object).to_string()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn sec_28_headers_leave_credentials_out() {
        let fields = [
            ("Authorization", "Bearer canary"),
            ("apikey", "canary"),
            ("Cookie", "s=canary"),
            ("X-A", "1"),
            ("x-a", "2"),
        ];
        assert_eq!(headers_json(fields, false), r#"{"x-a":"2"}"#);
        assert!(headers_json(fields, true).contains("canary"));
    }

    #[test]
    fn claims_carry_the_role_in_force() {
        let rules = AuthRules::default();
        let of = |claims: Value| Claims::from_token(claims.as_object().cloned().unwrap(), &rules);
        assert_eq!(&**of(json!({"sub": "u"})).json(), r#"{"sub":"u","role":"anon"}"#);
        assert_eq!(&**of(json!({"role": "authenticated"})).json(), r#"{"role":"authenticated"}"#);
        assert_eq!(of(json!({"role": 7})).role(), Some("7"));
        let tenant = of(json!({"user_metadata": {"tenant_id": "evil"}, "app_metadata": {"tenant_id": 5}}));
        assert_eq!(tenant.0.tenant_id.as_deref(), Some("5"));
        assert_eq!(of(json!({"user_metadata": {"tenant_id": "evil"}})).0.tenant_id, None);
    }
}
