//! Everything that a handler works with: the room, the settings in force, the database and what is known of the caller.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use ferrobase_edge::Caller;
use ferrobase_request::{RequestContext, Target};
use http::request::Parts;
use http::{HeaderMap, StatusCode, header};
use percent_encoding::percent_decode_str;

use crate::OWNER;
use crate::error::{Error, ErrorCode, Result};
use crate::limit::Limit;
use crate::redirect;
use crate::router::Room;
use crate::settings::Settings;
use crate::store::{Database, Tx};

/// Longest `User-Agent` that is remembered with a session.
const LONGEST_AGENT: usize = 1024;

/// One request's way through the room.
#[derive(Clone)]
pub struct Flow {
    /// What the room keeps between requests.
    pub(crate) room: Room,
    /// The settings in force when the request came.
    pub settings: Arc<Settings>,
    /// What the request runs against.
    pub target: Arc<Target>,
    /// What the edge found out.
    pub context: Arc<RequestContext>,
    /// The room's tables.
    pub database: Database,
    /// What is known of the caller.
    pub client: Client,
}

/// What a caller tells about itself.
#[derive(Clone, Debug)]
pub struct Client {
    /// Its address; only trusted proxies may have said so.
    pub ip: Option<IpAddr>,
    /// Its program.
    pub user_agent: String,
    /// Where it wants people to land; not checked yet ([`Flow::redirect_to`]).
    pub redirect_to: Option<String>,
    /// The page that the request comes from.
    pub referer: Option<String>,
    /// What followed `Authorization: Bearer`.
    pub bearer: Option<String>,
    /// For whom its tokens must be (`X-JWT-AUD`).
    pub audience: Option<String>,
}

impl Flow {
    /// Begins a transaction.
    pub async fn begin(&self) -> Result<Tx> {
        self.database.begin().await
    }

    /// Where people land in the end, as far as that is allowed.
    pub fn redirect_to(&self) -> String {
        self.redirect_allowed(self.client.redirect_to.as_deref())
    }

    /// A wanted place, or the next best that is allowed.
    pub fn redirect_allowed(&self, wanted: Option<&str>) -> String {
        let (site, allowed) = (&self.settings.site_url, &self.settings.section.redirect_urls);
        redirect::choose(site, allowed, wanted, self.client.referer.as_deref())
    }

    /// Counts one try of this caller.
    ///
    /// # Errors
    /// 429 when it has none left.
    pub async fn count(&self, limit: Limit) -> Result<()> {
        self.room.limiter().count(limit, self.client.ip, &self.settings.section.rate_limits).await
    }
}

impl FromRequestParts<Room> for Flow {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, room: &Room) -> Result<Self> {
        let caller = parts.extensions.get::<Caller>().cloned();
        let context = caller.ok_or_else(|| Error::internal("finding the caller")("no context"))?.0;
        let target = room.target();
        let pool = target.pools.rooms.get(OWNER.schema).cloned().ok_or_else(not_ready)?;
        let client = Client {
            ip: context.client_ip,
            user_agent: text(&parts.headers, header::USER_AGENT.as_str()).chars().take(LONGEST_AGENT).collect(),
            redirect_to: redirect_to(parts),
            referer: Some(text(&parts.headers, header::REFERER.as_str()).to_owned()).filter(|text| !text.is_empty()),
            bearer: bearer(&parts.headers),
            audience: Some(text(&parts.headers, "x-jwt-aud").to_owned()).filter(|audience| !audience.is_empty()),
        };
        Ok(Self {
            settings: room.settings(),
            database: Database::new(pool, Arc::clone(&context)),
            room: room.clone(),
            target,
            context,
            client,
        })
    }
}

fn not_ready() -> Error {
    let message = "Signing in is not ready yet, please retry after a moment.";
    Error::refused(StatusCode::SERVICE_UNAVAILABLE, ErrorCode::UnexpectedFailure, message)
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

/// The query wins over the field.
fn redirect_to(parts: &Parts) -> Option<String> {
    let in_query = parts.uri.query().and_then(|query| query_value(query, "redirect_to"));
    in_query.or_else(|| Some(text(&parts.headers, "redirect_to").to_owned())).filter(|text| !text.is_empty())
}

/// The first value of a query parameter, decoded.
pub(crate) fn query_value(query: &str, wanted: &str) -> Option<String> {
    query.split('&').find_map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (name == wanted).then(|| percent_decode_str(&value.replace('+', " ")).decode_utf8_lossy().into_owned())
    })
}

fn bearer(headers: &HeaderMap) -> Option<String> {
    let (scheme, token) = text(headers, header::AUTHORIZATION.as_str()).trim().split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then(|| token.to_owned())
}
