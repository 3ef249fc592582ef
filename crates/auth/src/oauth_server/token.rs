//! `POST /oauth/token`: a client trades a code, or refreshes what it got for one.

use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::client::{hash, is_secret_of};
use super::userinfo::claims_of;
use super::{check_enabled, oauth};
use crate::caller::{BODY_LIMIT, Flow};
use crate::error::{Error, ErrorCode, Result};
use crate::limit::Limit;
use crate::pkce::{Challenge, Method};
use crate::query::pairs;
use crate::session::{self, ClientGrant, Tokens};
use crate::store::oauth_authorizations::{self, Authorization};
use crate::store::oauth_clients::{self, Client};
use crate::store::{audit, users};
use crate::user::User;

/// How the session says that its user was proved.
const METHOD: &str = "oauth_provider/authorization_code";

pub(super) async fn token(flow: Flow, request: Request<Body>) -> Result<Response> {
    check_enabled(&flow)?;
    flow.count(Limit::Token).await?;
    let (parts, body) = request.into_parts();
    let unreadable = |_| Error::bad_request(ErrorCode::BadJson, "Could not read request body");
    let body = to_bytes(body, BODY_LIMIT as usize).await.map_err(unreadable)?;
    let form = Form::read(&parts.headers, &body)?;
    let client = match authenticate(&flow, &parts.headers, &form).await {
        Ok(client) => client,
        Err(error) => return refused(error),
    };
    let grant = form.get("grant_type");
    if !client.may(grant) {
        return Err(match grant {
            "authorization_code" | "refresh_token" => oauth("unauthorized_client", "The client may not use this grant"),
            _ => oauth("unsupported_grant_type", "grant_type must be authorization_code or refresh_token"),
        });
    }
    if grant == "refresh_token" {
        let tokens = Box::pin(session::refresh_as_client(&flow, form.get("refresh_token"), client.id)).await;
        let tokens = tokens.map_err(|error| match error.status() {
            StatusCode::BAD_REQUEST => oauth("invalid_grant", "The refresh token is not valid"),
            _ => error,
        })?;
        return Ok(answer(&tokens, None, None));
    }
    let (tokens, id_token, scope) = Box::pin(trade(&flow, &client, &form)).await?;
    Ok(answer(&tokens, id_token.as_deref(), Some(&scope)))
}

/// What is sent, as a form or as JSON.
struct Form(Vec<(String, String)>);

impl Form {
    fn read(headers: &HeaderMap, body: &[u8]) -> Result<Self> {
        let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        if !kind.starts_with("application/json") {
            return Ok(Self(pairs(&String::from_utf8_lossy(body))));
        }
        let read: std::result::Result<Map<String, Value>, _> = serde_json::from_slice(body);
        let object = read.map_err(|_| oauth("invalid_request", "The body is no JSON object"))?;
        let text = |(name, value): (String, Value)| Some((name, value.as_str()?.to_owned()));
        Ok(Self(object.into_iter().filter_map(text).collect()))
    }

    fn get(&self, wanted: &str) -> &str {
        self.0.iter().find(|(name, _)| name == wanted).map_or("", |(_, value)| value)
    }
}

/// The client, if it proves itself in the way that it is registered for.
async fn authenticate(flow: &Flow, headers: &HeaderMap, form: &Form) -> Result<Client> {
    let wrong = || oauth("invalid_client", "Client authentication failed");
    let basic = basic(headers);
    let (id, secret, method) = match &basic {
        Some((id, secret)) => (id.as_str(), secret.as_str(), "client_secret_basic"),
        None if form.get("client_secret").is_empty() => (form.get("client_id"), "", "none"),
        None => (form.get("client_id"), form.get("client_secret"), "client_secret_post"),
    };
    let id = Uuid::parse_str(id).map_err(|_| wrong())?;
    let mut tx = flow.begin().await?;
    let client = oauth_clients::find(&mut tx, id).await?.ok_or_else(wrong)?;
    tx.commit().await?;
    let is_right = client.token_endpoint_auth_method == method && (client.is_public() || is_secret_of(&client, secret));
    if is_right { Ok(client) } else { Err(wrong()) }
}

/// RFC 6749, 2.3.1: both parts are encoded as in a form.
fn basic(headers: &HeaderMap) -> Option<(String, String)> {
    let (scheme, text) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let text = String::from_utf8(STANDARD.decode(text.trim()).ok()?).ok()?;
    let (id, secret) = text.split_once(':')?;
    let decoded = |text: &str| percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned();
    Some((decoded(id), decoded(secret)))
}

async fn trade(flow: &Flow, client: &Client, form: &Form) -> Result<(Tokens, Option<String>, String)> {
    let bad = || oauth("invalid_grant", "The code is not valid");
    let mut tx = flow.begin().await?;
    let asked = oauth_authorizations::lock_by_code(&mut tx, &hash(form.get("code"))).await?.ok_or_else(bad)?;
    if asked.client_id != client.id {
        return Err(bad());
    }
    // Whatever comes of it, the code is used.
    oauth_authorizations::delete(&mut tx, asked.id).await?;
    let user = match asked.user_id {
        Some(user) => users::lock(&mut tx, user).await?,
        None => None,
    };
    let user = user.filter(|user| user.row.deleted_at.is_none() && !user.is_banned());
    let challenge = Challenge { method: Method::S256, text: asked.code_challenge.clone().unwrap_or_default() };
    // One that is not named is the only one of the client: it was known when the code was made.
    let is_address = form.get("redirect_uri").is_empty() || form.get("redirect_uri") == asked.redirect_uri;
    let user = user.filter(|_| !asked.has_expired && is_address && challenge.is_met_by(form.get("code_verifier")));
    let Some(user) = user else {
        tx.commit().await?;
        return Err(bad());
    };
    let grant = ClientGrant { client: client.id, scopes: &asked.scope };
    let traits = json!({"client_id": client.id});
    audit::note(&mut tx, "login", &user, flow.client.ip, Some(traits)).await?;
    let tokens = session::open_as_client(flow, &mut tx, &user, METHOD, grant).await?;
    tx.commit().await?;
    let id_token = id_token(flow, client, &asked, &user, &tokens)?;
    Ok((tokens, id_token, asked.scope))
}

/// For clients that asked who it is.
fn id_token(
    flow: &Flow,
    client: &Client,
    asked: &Authorization,
    user: &User,
    tokens: &Tokens,
) -> Result<Option<String>> {
    if !asked.scope.split(' ').any(|scope| scope == "openid") {
        return Ok(None);
    }
    let settings = &flow.settings;
    let issued = tokens.expires_at - settings.jwt_expiry.as_secs() as i64;
    let mut claims = claims_of(user, &asked.scope);
    claims.insert("iss".to_owned(), settings.external_url.as_str().into());
    claims.insert("aud".to_owned(), client.id.to_string().into());
    claims.insert("iat".to_owned(), issued.into());
    claims.insert("auth_time".to_owned(), issued.into());
    claims.insert("exp".to_owned(), tokens.expires_at.into());
    if let Some(nonce) = &asked.nonce {
        claims.insert("nonce".to_owned(), nonce.as_str().into());
    }
    let signer = settings.signer.as_ref().ok_or_else(|| Error::internal("signing a token")("there is no key"))?;
    signer.sign(&Value::Object(claims)).map(Some).map_err(Error::internal("signing a token"))
}

fn answer(tokens: &Tokens, id_token: Option<&str>, scope: Option<&str>) -> Response {
    let mut body = json!({
        "access_token": tokens.access_token,
        "token_type": "bearer",
        "expires_in": tokens.expires_in,
        "refresh_token": tokens.refresh_token,
    });
    for (name, value) in [("id_token", id_token), ("scope", scope)] {
        if let Some(value) = value {
            body[name] = value.into();
        }
    }
    let mut response = crate::caller::Json(body).into_response();
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// RFC 6749, 5.2: a client that does not prove itself gets 401.
fn refused(error: Error) -> Result<Response> {
    let Error::OAuth { error: word, description } = &error else { return Err(error) };
    let body = crate::caller::Json(json!({"error": word, "error_description": description}));
    let challenge = [(header::WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"oauth\""))];
    Ok((StatusCode::UNAUTHORIZED, challenge, body).into_response())
}
