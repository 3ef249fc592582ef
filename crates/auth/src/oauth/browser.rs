//! Binds a sign-in to the browser that began it, by a cookie that only the way back is shown.
//!
//! Without it somebody could begin a sign-in, sign in at the provider as himself, and have another person's browser finish:
//! that person would be signed in as somebody else without knowing (RFC 6749, 10.12).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{HeaderMap, HeaderValue, header};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use uuid::Uuid;

use crate::provider::Provider;
use crate::store::oauth_states::LIFE;

/// A browser's secret for one flow.
pub(super) struct Browser {
    secret: String,
}

impl Browser {
    pub(super) fn new() -> Self {
        Self { secret: URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>()) }
    }

    /// What the flow remembers of it.
    pub(super) fn hash(&self) -> String {
        hash(&self.secret)
    }

    /// The field that gives the secret to the browser.
    pub(super) fn cookie(&self, flow: Uuid, provider: &Provider) -> Option<HeaderValue> {
        // A form that another site posts brings only cookies that are declared for that.
        let (is_secure, site) = match provider.preset.form_post {
            true => (true, "None"),
            false => (provider.redirect_uri.starts_with("https://"), "Lax"),
        };
        let secure = if is_secure { "; Secure" } else { "" };
        let (name, path) = (name(flow), path(&provider.redirect_uri));
        let text = format!("{name}={}; Path={path}; Max-Age={LIFE}; HttpOnly; SameSite={site}{secure}", self.secret);
        HeaderValue::from_str(&text).ok()
    }
}

/// Whether these fields come from the browser of a flow.
pub(super) fn is_of(headers: &HeaderMap, flow: Uuid, expected: &str) -> bool {
    let name = name(flow);
    let cookies = headers.get_all(header::COOKIE).into_iter().filter_map(|value| value.to_str().ok());
    cookies
        .flat_map(|text| text.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .any(|(found, secret)| found == name && bool::from(hash(secret).as_bytes().ct_eq(expected.as_bytes())))
}

/// Several flows may be under way in one browser.
fn name(flow: Uuid) -> String {
    format!("ferrobase-flow-{}", flow.simple())
}

fn hash(secret: &str) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(secret))
}

fn path(url: &str) -> &str {
    let rest = url.split_once("://").map_or("", |(_, rest)| rest);
    let path = rest.find('/').map_or("/", |slash| &rest[slash..]);
    path.split(['?', '#', ';']).next().unwrap_or("/")
}
