//! From a request's head to a room's answer: each stage may end it with a refusal.
//!
//! Invariant: the order of the calls in `answer` is the order of the checks. Bounds come before work, a preflight
//! before credentials, credentials before quotas (they decide whose quota it is), and only then is the room called.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::response::Response;
use ferrobase_base::PublicError;
use ferrobase_request::{Identity, Stage, Via};
use http::header::{CONTENT_LENGTH, EXPECT};
use http::uri::PathAndQuery;
use http::{Request, Uri, Version, request};

use super::exchange::Exchange;
use crate::alias;
use crate::body::{self, BodyRules, BodyWatch, Rest};
use crate::context::{self, AsSent, Caller, Found};
use crate::cors::CorsRules;
use crate::credentials::query_without_key;
use crate::framing;
use crate::limits;
use crate::policy::{Answering, CorsOwner, is_below};
use crate::rate_limit::Caller as Counted;
use crate::refusal;

/// Deadline of requests without a time limit: a day.
const FOR_EVER: Duration = Duration::from_secs(24 * 60 * 60);

impl Exchange {
    /// The room's answer, or why there is none.
    pub(super) async fn answer(&mut self, request: Request<Body>) -> Result<Response, PublicError> {
        let (mut parts, body) = request.into_parts();
        let (body, watch) = body::guard(body, self.body_rules(&parts));
        limits::check_head(&parts, self.settings.url_limit, self.settings.header_limit)?;
        framing::check_host(&parts)?;
        if let Some(local_only) = &self.settings.local_only {
            local_only.check(&parts.headers, &parts.uri)?;
        }

        let (room, path) = self.find_room(&mut parts)?;
        if self.policy.cors == CorsOwner::Edge && CorsRules::is_preflight(&parts.method, &parts.headers) {
            self.is_preflight = true;
            return Ok(self.answer_preflight(&parts));
        }
        let identity = self.identify(&parts).await;
        self.count(identity.as_ref().ok().and_then(Option::as_ref)).await?;
        let identity = identity?;
        if let Some(identity) = &identity {
            identity.check_scope(&self.policy.scope.needed(&parts.method))?;
        }
        self.bound_body(&parts, watch.as_ref())?;
        self.prepare(&mut parts, &path, identity);
        let call = self.app.rooms[room].room.answer(Request::from_parts(parts, body));
        self.wait_for(call, watch.as_ref()).await
    }

    fn body_rules(&self, parts: &request::Parts) -> BodyRules {
        let rest = match parts.version {
            Version::HTTP_2 => Rest::Left,
            _ if parts.headers.contains_key(EXPECT) => Rest::ReadOnceBegun,
            _ => Rest::Read,
        };
        BodyRules { stall: self.settings.body_stall, rest }
    }

    /// The room of a path, and the path inside it.
    fn find_room(&mut self, parts: &mut request::Parts) -> Result<(usize, Arc<str>), PublicError> {
        let uri = parts.uri.clone();
        let resolved = alias::resolve(&self.app.aliases, uri.path());
        let rooms = &self.app.rooms;
        let index = rooms
            .iter()
            .position(|mounted| is_below(&resolved.path, &mounted.room.mount))
            .ok_or_else(refusal::no_such_path)?;
        let mounted = &rooms[index];
        if let Some(schema) = &resolved.schema {
            alias::name_schema(&parts.method, &mut parts.headers, schema);
        }
        let inside = &resolved.path[mounted.room.mount.len()..];
        let inside = if inside.is_empty() { "/" } else { inside };
        self.policy = mounted.room.policy_at(inside);
        self.room = Some(index);
        self.streams = (self.policy.streams)(parts, self.settings.body_limit);
        let patience = if self.streams.any() { self.settings.stream_timeout } else { self.settings.request_timeout };
        self.timeout = self.policy.timeout.resolve(patience);
        Ok((index, inside.into()))
    }

    /// 200 with an empty body, as PostgREST's and Supabase's clients are used to.
    fn answer_preflight(&self, parts: &request::Parts) -> Response {
        let mut response = Response::new(Body::empty());
        *response.headers_mut() = self.settings.cors.preflight(&parts.headers);
        response
    }

    async fn identify(&self, parts: &request::Parts) -> Result<Option<Identity>, PublicError> {
        let began = Instant::now();
        let identity = context::identify(&self.settings.authority, self.policy.auth, &parts.headers, &parts.uri).await;
        self.journal.since(Stage::Jwt, began);
        identity
    }

    /// Counts the request against its caller's quota. Who failed to prove anything counts as anonymous, so that
    /// guessing credentials is limited too.
    async fn count(&mut self, identity: Option<&Identity>) -> Result<(), PublicError> {
        let Some(limiter) = &self.settings.rate_limiter else { return Ok(()) };
        let counted = match identity {
            Some(identity) => self.counted(identity),
            None => Counted::anonymous(self.client_ip),
        };
        self.verdict = limiter.check(&counted, Instant::now()).await;
        match self.verdict {
            Some(verdict) if !verdict.allowed => {
                self.app.metrics.rate_limited(verdict.tier);
                Err(refusal::too_many_requests(verdict.reset))
            }
            _ => Ok(()),
        }
    }

    /// Whose quota it is. The public key is in every browser, so its holders are told apart by address.
    fn counted(&self, identity: &Identity) -> Counted {
        if identity.is_anonymous {
            return Counted::anonymous(self.client_ip);
        }
        let key = identity.api_key.as_ref().filter(|_| identity.via == Via::ApiKey);
        match (identity.user_id(), key) {
            (_, Some(key)) => Counted::api_key(key.id.as_deref().unwrap_or(&key.role)),
            (Some(user), None) => Counted::user(user),
            (None, None) => Counted::nameless_user(self.client_ip),
        }
    }

    /// Refuses a body that says it is coded or too large before any of it is read, and sets the bound for one that does not.
    fn bound_body(&self, parts: &request::Parts, watch: Option<&BodyWatch>) -> Result<(), PublicError> {
        let Some(watch) = watch else { return Ok(()) };
        framing::check_codings(&parts.headers)?;
        let most = if self.streams.incoming { self.settings.stream_body_limit } else { self.settings.body_limit };
        let limit = self.policy.body_limit.resolve(most);
        watch.set_limit(limit);
        if self.streams.incoming {
            watch.set_streams();
        }
        let length = parts.headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
        match (limit, length) {
            (Some(limit), Some(length)) if length > limit => Err(refusal::body_too_large(limit)),
            _ => Ok(()),
        }
    }

    /// Puts the context and what handlers need into the request, and takes the mount out of its path.
    fn prepare(&mut self, parts: &mut request::Parts, path: &Arc<str>, identity: Option<Identity>) {
        parts.extensions.insert(AsSent(parts.uri.clone()));
        parts.uri = inner_uri(&parts.uri, path, self.policy.auth.key_in_query);
        if self.streams.any() {
            parts.extensions.insert(self.streams);
        }
        let Some(identity) = identity else { return };
        let found = Found {
            identity,
            request_id: &self.request_id,
            client_ip: self.client_ip,
            arrived: self.arrived,
            deadline: self.arrived + self.timeout.unwrap_or(FOR_EVER),
            path,
            trace: self.trace_fields.take(),
            journal: self.journal.clone(),
        };
        let context = context::build(found, &parts.method, &parts.headers, &self.settings);
        let caller = Caller(Arc::new(context));
        parts.extensions.insert(caller.clone());
        self.caller = Some(caller);
    }

    /// Waits for the room, at most until the deadline.
    async fn wait_for(&self, call: Answering, watch: Option<&BodyWatch>) -> Result<Response, PublicError> {
        let response = match self.timeout {
            None => call.await,
            Some(limit) => match tokio::time::timeout_at((self.arrived + limit).into(), call).await {
                Ok(response) => response,
                Err(_) => return Err(late(limit, watch)),
            },
        };
        self.correct(response, watch)
    }

    /// A room that met a bad body may have answered with whatever its extractor says; the reason is known here.
    fn correct(&self, response: Response, watch: Option<&BodyWatch>) -> Result<Response, PublicError> {
        let failed = response.status().is_client_error() || response.status().is_server_error();
        match watch.and_then(BodyWatch::fault) {
            Some(fault) if failed => Err(fault.refusal()),
            _ => Ok(response),
        }
    }
}

/// Who was late: the caller with its body, or we.
fn late(limit: Duration, watch: Option<&BodyWatch>) -> PublicError {
    match watch {
        Some(watch) if watch.is_waiting() => {
            watch.abandon();
            refusal::body_too_slow()
        }
        _ => refusal::timed_out(limit),
    }
}

/// The URI as the room sees it: without mount, and without a key in the query where that is allowed.
fn inner_uri(uri: &Uri, path: &str, key_in_query: bool) -> Uri {
    let query = uri.query();
    let cleaned = query.filter(|_| key_in_query).and_then(query_without_key);
    let query = cleaned.as_deref().or(query);
    if path == uri.path() && cleaned.is_none() {
        return uri.clone();
    }
    // Exactly as long as it gets, so that no more is allocated.
    let mut text = String::with_capacity(path.len() + query.map_or(0, |query| 1 + query.len()));
    text.push_str(path);
    if let Some(query) = query {
        text.push('?');
        text.push_str(query);
    }
    // Both parts come from a URI that was parsed before.
    let Ok(path_and_query) = PathAndQuery::try_from(text) else { return uri.clone() };
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(path_and_query);
    Uri::from_parts(parts).unwrap_or_else(|_| uri.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rooms_see_their_own_part_of_the_url() {
        let inner = |uri: &str, path: &str, key| inner_uri(&uri.parse().unwrap(), path, key).to_string();
        assert_eq!(inner("/rest/v1/a?b=c", "/a", false), "/a?b=c");
        assert_eq!(inner("/rest/v1/a?apikey=k&b=c", "/a", true), "/a?b=c");
        assert_eq!(inner("/a?apikey=k", "/a", false), "/a?apikey=k");
        assert_eq!(inner("http://h:1/rest/v1/a?b=%20", "/a", false), "http://h:1/a?b=%20");
    }
}
