//! Proof that a person is there (contract 7): asked for before the ways in that programs like to try.
//!
//! A layer over the room's routes, so that no flow can forget it. The token is in the body (`gotrue_meta_security`), so the body
//! is read here, and put back. Invariant: with the check on, nothing below runs without a yes from the provider; when the
//! provider cannot be asked, nobody gets in. A service key is proof enough.

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use ferrobase_edge::Caller;
use http::{HeaderMap, Method, header};
use serde::Deserialize;

use crate::caller::{BODY_LIMIT, has_admins, is_admin, query_value};
use crate::config::{CaptchaProvider, CaptchaSection};
use crate::error::{Error, ErrorCode, Result};
use crate::outbound::Call;
use crate::router::Room;

/// Where a proof is asked for.
const PATHS: [&str; 7] =
    ["/signup", "/recover", "/resend", "/magiclink", "/otp", "/sso", "/passkeys/authentication/options"];
/// Grants of `/token` that need one.
const GRANTS: [&str; 2] = ["password", "web3"];

/// The part of a body that is read here.
#[derive(Default, Deserialize)]
struct Proof {
    #[serde(default)]
    gotrue_meta_security: Option<Meta>,
}

#[derive(Default, Deserialize)]
struct Meta {
    #[serde(default)]
    captcha_token: Option<String>,
}

/// What the provider says.
#[derive(Deserialize)]
struct Verdict {
    success: bool,
    #[serde(default, rename = "error-codes")]
    errors: Vec<String>,
}

/// Lets a request through when it needs no proof, or has one.
pub(crate) async fn guard(State(room): State<Room>, request: Request, next: Next) -> Result<Response> {
    let settings = room.settings();
    let section = &settings.section.captcha;
    if !section.enabled || !is_asked(&request) || has_service_key(&room, request.headers()) {
        return Ok(next.run(request).await);
    }
    let (parts, body) = request.into_parts();
    let unreadable = |_| Error::bad_request(ErrorCode::BadJson, "Could not read request body");
    let body = to_bytes(body, BODY_LIMIT as usize).await.map_err(unreadable)?;
    let ip = parts.extensions.get::<Caller>().and_then(|caller| caller.0.client_ip);
    check(&room, section, &body, ip.map(|ip| ip.to_string())).await?;
    Ok(next.run(Request::from_parts(parts, Body::from(body))).await)
}

fn is_asked(request: &Request) -> bool {
    let path = request.uri().path();
    let grant = || request.uri().query().and_then(|query| query_value(query, "grant_type")).unwrap_or_default();
    let is_token = path == "/token" && GRANTS.contains(&grant().as_str());
    request.method() == Method::POST && (is_token || PATHS.contains(&path))
}

fn has_service_key(room: &Room, headers: &HeaderMap) -> bool {
    let bearer = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let token = bearer.and_then(|text| text.split_once(' ')).map(|(_, token)| token.trim());
    let target = room.target();
    let authority = &target.authority;
    let is_admins = |token| authority.claims_of(token).is_ok_and(|claims| is_admin(&claims, &authority.rules));
    has_admins(authority) && token.is_some_and(is_admins)
}

async fn check(room: &Room, section: &CaptchaSection, body: &Bytes, ip: Option<String>) -> Result<()> {
    let proof: Proof = serde_json::from_slice(body).unwrap_or_default();
    let token = proof.gotrue_meta_security.and_then(|meta| meta.captcha_token).filter(|token| !token.trim().is_empty());
    let token = token.ok_or_else(|| refused("no captcha_token found"))?;
    let secret = section.secret.as_ref().map(ferrobase_base::Secret::expose).unwrap_or_default();
    let ip = ip.unwrap_or_default();
    let call = Call::form(&address(section), &[("secret", secret), ("response", token.trim()), ("remoteip", &ip)]);
    let reply = room.outbound().call(call).await.map_err(Error::internal("asking the captcha's provider"))?;
    let unreadable = || Error::internal("reading what the captcha's provider says")("no verdict");
    let verdict: Verdict = reply.json().ok_or_else(unreadable)?;
    if verdict.success {
        return Ok(());
    }
    let reasons = verdict.errors.iter().map(|code| plain(code)).collect::<Vec<_>>().join(", ");
    Err(refused(if reasons.is_empty() { "not a valid token" } else { &reasons }))
}

fn address(section: &CaptchaSection) -> String {
    match (&section.url, section.provider) {
        (Some(url), _) => url.to_string(),
        (None, CaptchaProvider::Hcaptcha) => "https://api.hcaptcha.com/siteverify".to_owned(),
        (None, CaptchaProvider::Turnstile) => "https://challenges.cloudflare.com/turnstile/v0/siteverify".to_owned(),
    }
}

/// A provider's word, shown to callers.
fn plain(code: &str) -> String {
    code.chars().filter(|c| c.is_ascii_alphanumeric() || "-_".contains(*c)).take(64).collect()
}

fn refused(reason: &str) -> Error {
    let message = format!("captcha protection: request disallowed ({reason})");
    Error::bad_request(ErrorCode::CaptchaFailed, message)
}
