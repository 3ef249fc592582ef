//! Trades the code that a provider gave for its tokens, and the tokens for who somebody is.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};

use super::presets::{OAuth, UserDocument};
use super::profile::Listed;
use super::{Directory, Endpoints, Profile, Protocol, Provider, apple};
use crate::outbound::{Call, Outbound};
use crate::query::{encoded, pairs};

/// What a provider gave.
#[derive(Debug)]
pub(crate) struct Grant {
    pub(crate) profile: Profile,
    pub(crate) access_token: String,
    pub(crate) refresh_token: Option<String>,
}

/// What the flow knows.
pub(crate) struct Code<'a> {
    pub(crate) code: &'a str,
    pub(crate) verifier: &'a str,
    pub(crate) nonce: &'a str,
}

/// Why nobody came out of it. For people: the provider's own words are logged, not shown.
pub(crate) type Failure = &'static str;

/// Trades a code. A code of one provider is never shown to another: the flow remembers which it was made for.
pub(crate) async fn exchange(
    directory: &Directory,
    outbound: &dyn Outbound,
    provider: &Provider,
    endpoints: &Endpoints,
    code: &Code<'_>,
) -> Result<Grant, Failure> {
    let answer = token(outbound, provider, endpoints, code).await?;
    let text = |name: &str| answer.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    let access_token = text("access_token").ok_or("Unable to exchange external code")?;
    let profile = match &provider.preset.protocol {
        Protocol::Oidc(_) => {
            let id_token = text("id_token").ok_or("The provider gave no ID token")?;
            by_id_token(directory, outbound, provider, endpoints, id_token, access_token, code.nonce).await?
        }
        Protocol::OAuth(oauth) => by_document(outbound, provider, oauth, access_token, &answer).await?,
    };
    Ok(Grant {
        profile,
        access_token: access_token.to_owned(),
        refresh_token: text("refresh_token").map(str::to_owned),
    })
}

/// Credentials go where the provider wants them. Of one that an administrator described nobody has said where: what the
/// standard has every server take comes first.
async fn token(
    outbound: &dyn Outbound,
    provider: &Provider,
    endpoints: &Endpoints,
    code: &Code<'_>,
) -> Result<Value, Failure> {
    let secret = secret(provider);
    let in_head = endpoints.basic && secret.is_some();
    let is_known = provider.custom.is_none() || endpoints.issuer.is_some();
    match ask_for_token(outbound, provider, endpoints, code, secret.as_deref(), in_head).await {
        Err(Refused::ByProvider) if !is_known && in_head => {
            ask_for_token(outbound, provider, endpoints, code, secret.as_deref(), false).await
        }
        answer => answer,
    }
    .map_err(|refused| match refused {
        Refused::ByProvider => "Unable to exchange external code",
        Refused::Unreachable(reason) => reason,
    })
}

/// Why there are no tokens.
enum Refused {
    ByProvider,
    Unreachable(Failure),
}

async fn ask_for_token(
    outbound: &dyn Outbound,
    provider: &Provider,
    endpoints: &Endpoints,
    code: &Code<'_>,
    secret: Option<&str>,
    in_head: bool,
) -> Result<Value, Refused> {
    let mut form = vec![
        ("grant_type", "authorization_code"),
        ("code", code.code),
        ("redirect_uri", provider.redirect_uri.as_str()),
    ];
    if endpoints.pkce {
        form.push(("code_verifier", code.verifier));
    }
    if !in_head {
        form.push(("client_id", provider.client_id()));
        form.extend(secret.map(|secret| ("client_secret", secret)));
    }
    let mut call = Call::form(&endpoints.token, &form);
    if let Some(secret) = secret.filter(|_| in_head) {
        // RFC 6749, 2.3.1: both are encoded as in a form first.
        let credentials = format!("{}:{}", encoded(provider.client_id()), encoded(secret));
        call = call.with("authorization", &format!("Basic {}", STANDARD.encode(credentials)));
    }
    let reply = outbound.call(call).await.map_err(|error| Refused::Unreachable(failed(provider, &error)))?;
    // A few answer with a form although they were asked for JSON.
    let in_form = || {
        let body = std::str::from_utf8(&reply.body).ok().filter(|_| reply.status.is_success())?;
        Some(Value::Object(pairs(body).into_iter().map(|(name, value)| (name, value.into())).collect()))
    };
    let answer = reply.json().or_else(in_form).unwrap_or_default();
    if answer.get("error").is_some() || !reply.status.is_success() {
        let word = answer.get("error").and_then(Value::as_str).unwrap_or_default();
        tracing::warn!(provider = provider.name, status = reply.status.as_u16(), word, "a provider refuses a code");
        return Err(Refused::ByProvider);
    }
    Ok(answer)
}

fn secret(provider: &Provider) -> Option<String> {
    let secret = provider.secret.as_ref()?.expose();
    if provider.preset.name == "apple" {
        let now = jiff::Timestamp::now().as_second();
        if let Some(made) = apple::client_secret(secret, provider.client_id(), &provider.base, now) {
            return Some(made);
        }
    }
    Some(secret.to_owned())
}

async fn by_id_token(
    directory: &Directory,
    outbound: &dyn Outbound,
    provider: &Provider,
    endpoints: &Endpoints,
    id_token: &str,
    access_token: &str,
    nonce: &str,
) -> Result<Profile, Failure> {
    let ours = [provider.client_id().to_owned()];
    let verified = directory.verified(outbound, provider, id_token, &ours).await;
    let (issuer, claims) = verified.map_err(|_| "The provider's keys cannot be had")?;
    let mut claims = claims.map_err(|error| {
        tracing::warn!(provider = provider.name, %error, "a provider's ID token is of no use");
        "The provider's ID token is not valid"
    })?;
    if claims.get("nonce").and_then(Value::as_str) != Some(nonce) && !provider.skips_nonce {
        return Err("The provider's ID token is for another sign-in");
    }
    if super::check_access_token(id_token, &claims, access_token).is_err() {
        return Err("The provider's ID token is for another access token");
    }
    if let Some(url) = endpoints.userinfo.as_deref().filter(|_| !claims.contains_key("email")) {
        add_userinfo(outbound, provider, url, access_token, &mut claims).await?;
    }
    provider.of_claims(&claims, &issuer).ok_or("The provider does not say who you are")
}

/// What the ID token does not say, if it is about the same person (OpenID Connect Core, 5.3.2).
async fn add_userinfo(
    outbound: &dyn Outbound,
    provider: &Provider,
    url: &str,
    access_token: &str,
    claims: &mut Map<String, Value>,
) -> Result<(), Failure> {
    let Value::Object(more) = ask(outbound, provider, url, access_token, &[]).await? else { return Ok(()) };
    if more.get("sub") != claims.get("sub") {
        return Err("The provider speaks of somebody else");
    }
    for (name, value) in more {
        claims.entry(name).or_insert(value);
    }
    Ok(())
}

async fn by_document(
    outbound: &dyn Outbound,
    provider: &Provider,
    oauth: &OAuth,
    access_token: &str,
    answer: &Value,
) -> Result<Profile, Failure> {
    let nobody = "The provider does not say who you are";
    match &oauth.user {
        UserDocument::InAnswer(pointer) => {
            let document = answer.pointer(pointer).ok_or(nobody)?;
            provider.of_document(document, &oauth.fields).ok_or(nobody)
        }
        UserDocument::Get(url, fields) => {
            let document = ask(outbound, provider, url, access_token, fields).await?;
            provider.of_document(&document, &oauth.fields).ok_or(nobody)
        }
        UserDocument::GetWithEmails { user, emails, list, primary, verified } => {
            let document = ask(outbound, provider, user, access_token, &[]).await?;
            let mut profile = provider.of_document(&document, &oauth.fields).ok_or(nobody)?;
            let document = ask(outbound, provider, emails, access_token, &[]).await?;
            let is = |item: &Value, name: &str| item.get(name).and_then(Value::as_bool).unwrap_or(false);
            let listed = document.pointer(list).and_then(Value::as_array).into_iter().flatten().filter_map(|item| {
                let email = item.get("email")?.as_str()?.to_owned();
                Some(Listed { email, primary: is(item, primary), verified: is(item, verified) })
            });
            profile.choose_email(&listed.collect::<Vec<_>>());
            Ok(profile)
        }
    }
}

/// Asks for a document with the user's token.
async fn ask(
    outbound: &dyn Outbound,
    provider: &Provider,
    url: &str,
    access_token: &str,
    fields: &[(&'static str, &'static str)],
) -> Result<Value, Failure> {
    let mut call = Call::get(&provider.filled(url)).with("authorization", &format!("Bearer {access_token}"));
    for (name, value) in fields {
        call = call.with(name, &provider.filled(value));
    }
    let reply = outbound.call(call).await.map_err(|error| failed(provider, &error))?;
    reply.json().ok_or_else(|| {
        tracing::warn!(provider = provider.name, status = reply.status.as_u16(), "a provider does not say who it is");
        "The provider does not say who you are"
    })
}

fn failed(provider: &Provider, error: &crate::outbound::CallError) -> Failure {
    let error = error as &dyn std::error::Error;
    tracing::warn!(provider = provider.name, error, "a provider cannot be reached");
    "The provider cannot be reached"
}
