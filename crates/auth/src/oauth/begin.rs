//! `GET /authorize`: sends a browser to a provider.

use axum::extract::RawQuery;
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{HeaderMap, StatusCode, header};
use serde_json::json;
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use super::browser::Browser;
use crate::caller::{Flow, Json};
use crate::error::{Error, Result};
use crate::landing::go;
use crate::limit::Limit;
use crate::pkce::Challenge;
use crate::provider::{Endpoints, Provider, custom};
use crate::query::pairs;
use crate::redirect::with_query;
use crate::store::flow_state::{self, NewFlow};
use crate::store::oauth_states;

/// Parameters that are ours, or the protocol's; everything else goes along to the provider.
const OWNED: [&str; 22] = [
    "provider",
    "redirect_to",
    "scopes",
    "skip_http_redirect",
    "invite_token",
    "code_challenge",
    "code_challenge_method",
    "client_id",
    "client_secret",
    "redirect_uri",
    "response_type",
    "response_mode",
    "state",
    "nonce",
    "scope",
    "request",
    "request_uri",
    "registration",
    "id_token_hint",
    "apikey",
    "code",
    HOPPED,
];
/// Marks a browser that was sent to the host of the callback already.
const HOPPED: &str = "hopped";
/// Longest query that is taken.
const LONGEST: usize = 4096;

/// A way to a provider that is about to begin.
pub(super) struct Departure {
    provider: Provider,
    challenge: Option<Challenge>,
    scopes: String,
    /// Goes along to the provider.
    extra: Vec<(String, String)>,
    invite_token: Option<String>,
    redirect_to: String,
}

/// Sends the browser there.
pub(super) async fn authorize(flow: Flow, RawQuery(query): RawQuery, headers: HeaderMap) -> Result<Response> {
    flow.count(Limit::Token).await?;
    let query = query.unwrap_or_default();
    let departure = Departure::read(&flow, &query).await?;
    let wants_json = wants_json(&query);
    if wants_json && departure.challenge.is_none() {
        // Whoever finishes such a flow is bound to nothing else.
        return Err(Error::invalid("skip_http_redirect requires PKCE: code_challenge is missing"));
    }
    let is_bound = !wants_json && departure.returns_here(&flow);
    if is_bound && let Some(to) = other_host(&flow, &query, &headers) {
        return Ok(go(StatusCode::FOUND, &to));
    }
    let browser = is_bound.then(Browser::new);
    let (id, url) = Box::pin(departure.begin(&flow, None, browser.as_ref())).await?;
    if wants_json {
        return Ok(Json(json!({ "url": url })).into_response());
    }
    let mut response = go(StatusCode::FOUND, &url);
    if let Some(cookie) = browser.and_then(|browser| browser.cookie(id, &departure.provider)) {
        response.headers_mut().insert(header::SET_COOKIE, cookie);
    }
    Ok(response)
}

pub(super) fn wants_json(query: &str) -> bool {
    pairs(query).iter().any(|(name, value)| name == "skip_http_redirect" && value == "true")
}

impl Departure {
    pub(super) async fn read(flow: &Flow, query: &str) -> Result<Self> {
        if query.len() > LONGEST {
            return Err(Error::invalid("The query is too long"));
        }
        let pairs = pairs(query);
        let get = |wanted: &str| pairs.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.as_str());
        let provider = custom::open(flow, get("provider").unwrap_or_default()).await?;
        let challenge = Challenge::read(get("code_challenge"), get("code_challenge_method"))?;
        let extra = pairs.iter().filter(|(name, value)| !OWNED.contains(&name.as_str()) && !value.contains('\0'));
        Ok(Self {
            redirect_to: flow.redirect_to(),
            scopes: get("scopes").unwrap_or_default().to_owned(),
            invite_token: get("invite_token").map(str::to_owned).filter(|token| !token.is_empty()),
            extra: extra.cloned().collect(),
            provider,
            challenge,
        })
    }

    /// Whether the provider sends people back to where this request came: only then a cookie is seen again.
    fn returns_here(&self, flow: &Flow) -> bool {
        self.provider.redirect_uri == format!("{}/callback", flow.settings.external_url)
    }

    /// Remembers the flow and gives the address to go to.
    pub(super) async fn begin(
        &self,
        flow: &Flow,
        linking_target: Option<Uuid>,
        browser: Option<&Browser>,
    ) -> Result<(Uuid, String)> {
        let room = &flow.room;
        let endpoints = room.directory().endpoints(room.outbound(), &self.provider).await?;
        let random = || URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>());
        let (verifier, nonce) = (random(), random());
        let mut tx = flow.begin().await?;
        let new = NewFlow {
            user: None,
            provider: &self.provider.name,
            method: "oauth",
            challenge: self.challenge.as_ref(),
            redirect_to: Some(&self.redirect_to),
            invite_token: self.invite_token.as_deref(),
            linking_target,
        };
        let id = flow_state::begin(&mut tx, &new).await?;
        let hash = browser.map(Browser::hash);
        oauth_states::insert(&mut tx, id, &self.provider.name, &verifier, &nonce, hash.as_deref()).await?;
        tx.commit().await?;
        Ok((id, self.url(&endpoints, id, &verifier, &nonce)))
    }

    fn url(&self, endpoints: &Endpoints, state: Uuid, verifier: &str, nonce: &str) -> String {
        let (state, scopes) = (state.to_string(), self.provider.all_scopes(&self.scopes));
        let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(verifier));
        let mut sent = vec![
            ("client_id", self.provider.client_id()),
            ("redirect_uri", &self.provider.redirect_uri),
            ("response_type", "code"),
            ("state", &state),
        ];
        if !scopes.is_empty() {
            sent.push(("scope", &scopes));
        }
        if endpoints.issuer.is_some() {
            sent.push(("nonce", nonce));
        }
        if endpoints.pkce {
            sent.extend([("code_challenge", challenge.as_str()), ("code_challenge_method", "S256")]);
        }
        sent.extend(self.provider.preset.extra);
        let own: &[(String, String)] = self.provider.custom.as_ref().map_or(&[], |custom| &custom.params);
        let more = self.extra.iter().filter(|(name, _)| own.iter().all(|(taken, _)| taken != name));
        sent.extend(own.iter().chain(more).map(|(name, value)| (name.as_str(), value.as_str())));
        with_query(&endpoints.authorize, &sent)
    }
}

/// A cookie that `127.0.0.1` sets does not come back to `localhost`. Where the callback is elsewhere, the browser is sent
/// to this endpoint there first; once, because a proxy may show us another host than the browser sees.
fn other_host(flow: &Flow, query: &str, headers: &HeaderMap) -> Option<String> {
    let here = headers.get(header::HOST)?.to_str().ok()?;
    let external = &flow.settings.external_url;
    let there = external.split_once("://")?.1.split('/').next()?;
    if here.eq_ignore_ascii_case(there) || pairs(query).iter().any(|(name, _)| name == HOPPED) {
        return None;
    }
    Some(format!("{external}/authorize?{query}&{HOPPED}=1"))
}
