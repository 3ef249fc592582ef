//! What a client may be, read from what administrators and clients send, and its secret.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use url::Url;
use uuid::Uuid;

use crate::error::{Error, Result};
use crate::store::oauth_clients::Client;

const MOST_URIS: usize = 10;
const GRANTS: [&str; 2] = ["authorization_code", "refresh_token"];

/// What is sent; RFC 7591 where it says the same.
#[derive(Clone, Default, Deserialize)]
pub(super) struct Wanted {
    redirect_uris: Option<Vec<String>>,
    grant_types: Option<Vec<String>>,
    response_types: Option<Vec<String>>,
    client_name: Option<String>,
    client_uri: Option<String>,
    logo_uri: Option<String>,
    client_type: Option<String>,
    token_endpoint_auth_method: Option<String>,
}

impl Wanted {
    /// Whether nothing is to be changed.
    pub(super) fn is_empty(&self) -> bool {
        self.redirect_uris.is_none()
            && self.grant_types.is_none()
            && self.client_name.is_none()
            && self.client_uri.is_none()
            && self.logo_uri.is_none()
            && self.token_endpoint_auth_method.is_none()
    }

    /// A new client.
    pub(super) fn client(self, registration: &str) -> Result<Client> {
        if self.redirect_uris.as_ref().is_none_or(Vec::is_empty) {
            return Err(Error::invalid("redirect_uris must name at least one address"));
        }
        let is_public = match (self.client_type.as_deref(), self.token_endpoint_auth_method.as_deref()) {
            (None, method) => method == Some("none"),
            (Some("public"), None | Some("none")) => true,
            (Some("confidential"), method) if method != Some("none") => false,
            _ => return Err(Error::invalid("client_type and token_endpoint_auth_method do not fit")),
        };
        let client = Client {
            id: Uuid::new_v4(),
            client_secret_hash: None,
            registration_type: registration.to_owned(),
            redirect_uris: String::new(),
            grant_types: GRANTS.join(","),
            client_name: None,
            client_uri: None,
            logo_uri: None,
            client_type: if is_public { "public" } else { "confidential" }.to_owned(),
            token_endpoint_auth_method: if is_public { "none" } else { "client_secret_basic" }.to_owned(),
            created_at: String::new(),
            updated_at: String::new(),
        };
        self.applied_to(client)
    }

    /// A client with what is sent in the place of what it had.
    pub(super) fn applied_to(self, mut client: Client) -> Result<Client> {
        if let Some(uris) = self.redirect_uris {
            if uris.is_empty() || uris.len() > MOST_URIS || !uris.iter().all(|uri| is_redirect_uri(uri)) {
                let message =
                    "redirect_uris must be one to ten absolute addresses without fragment; http is for this machine";
                return Err(Error::invalid(message));
            }
            client.redirect_uris = uris.join(",");
        }
        if let Some(grants) = self.grant_types {
            let is_known = grants.iter().all(|grant| GRANTS.contains(&grant.as_str()));
            if !is_known || !grants.iter().any(|grant| grant == GRANTS[0]) {
                return Err(Error::invalid("grant_types must be authorization_code, and refresh_token perhaps"));
            }
            client.grant_types = grants.join(",");
        }
        if self.response_types.is_some_and(|types| types != ["code"]) {
            return Err(Error::invalid("response_types must be code"));
        }
        if let Some(method) = self.token_endpoint_auth_method {
            let fits = match method.as_str() {
                "none" => client.is_public(),
                "client_secret_basic" | "client_secret_post" => !client.is_public(),
                _ => false,
            };
            if !fits {
                return Err(Error::invalid("token_endpoint_auth_method does not fit the client"));
            }
            client.token_endpoint_auth_method = method;
        }
        for (text, most) in [(&self.client_name, 1024), (&self.client_uri, 2048), (&self.logo_uri, 2048)] {
            if text.as_ref().is_some_and(|text| text.chars().count() > most || text.chars().any(char::is_control)) {
                return Err(Error::invalid("a name or address of the client is too long, or no text"));
            }
        }
        let addresses = [&self.client_uri, &self.logo_uri].into_iter().flatten();
        if addresses.into_iter().any(|uri| !uri.is_empty() && !is_web(uri)) {
            return Err(Error::invalid("client_uri and logo_uri must be https addresses"));
        }
        client.client_name = self.client_name.or(client.client_name);
        client.client_uri = self.client_uri.or(client.client_uri);
        client.logo_uri = self.logo_uri.or(client.logo_uri);
        Ok(client)
    }
}

/// Absolute, without fragment, user or what would divide a list; http only for this machine (RFC 8252).
fn is_redirect_uri(text: &str) -> bool {
    let is_clean =
        text.len() <= 2048 && text.bytes().all(|byte| byte.is_ascii_graphic() && !b",\\\"<>".contains(&byte));
    let Some(url) = Url::parse(text).ok().filter(|_| is_clean) else { return false };
    let is_here = matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"));
    let is_bare =
        url.fragment().is_none() && !text.contains('#') && url.username().is_empty() && url.password().is_none();
    is_bare
        && match url.scheme() {
            "https" => url.has_host(),
            "http" => is_here,
            // Applications on devices have schemes of their own, named after a domain that is theirs (RFC 8252, 7.1).
            scheme => scheme.contains('.'),
        }
}

fn is_web(text: &str) -> bool {
    Url::parse(text).is_ok_and(|url| url.scheme() == "https" || url.scheme() == "http")
}

/// A new secret.
pub(super) fn secret() -> String {
    URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>())
}

/// What is kept of a secret or a code: both are random, so a plain hash does.
pub(super) fn hash(secret: &str) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(secret))
}

/// Whether this is the client's secret.
pub(super) fn is_secret_of(client: &Client, secret: &str) -> bool {
    let expected = client.client_secret_hash.as_deref().unwrap_or_default();
    !expected.is_empty() && bool::from(hash(secret).as_bytes().ct_eq(expected.as_bytes()))
}

/// A client as administrators see it; the secret once.
pub(super) fn shape(client: &Client, secret: Option<&str>) -> Value {
    let list = |text: &str| text.split(',').filter(|item| !item.is_empty()).map(str::to_owned).collect::<Vec<_>>();
    let mut out = json!({
        "client_id": client.id,
        "client_type": client.client_type,
        "redirect_uris": list(&client.redirect_uris),
        "token_endpoint_auth_method": client.token_endpoint_auth_method,
        "grant_types": list(&client.grant_types),
        "response_types": ["code"],
        "client_name": client.client_name.as_deref().unwrap_or_default(),
        "client_uri": client.client_uri.as_deref().unwrap_or_default(),
        "logo_uri": client.logo_uri.as_deref().unwrap_or_default(),
        "registration_type": client.registration_type,
        "created_at": client.created_at,
        "updated_at": client.updated_at,
    });
    if let Some(secret) = secret {
        out["client_secret"] = secret.into();
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sec_people_are_sent_back_to_addresses_that_can_be_told_apart() {
        for good in ["https://a.example/cb", "http://localhost:3000/cb", "http://127.0.0.1/x", "com.example.app:/cb"] {
            assert!(is_redirect_uri(good), "{good}");
        }
        for bad in [
            "",
            "/cb",
            "http://a.example/cb",
            "https://a.example/cb#x",
            "https://a.example/cb#",
            "https://u@a.example/cb",
            "https://a.example/a,https://b.example",
            "javascript:alert(1)",
            "data:text/html,x",
            "myapp:/cb",
            "https://a.example\\@evil.example/",
            "https://a.example/ x",
        ] {
            assert!(!is_redirect_uri(bad), "{bad}");
        }
    }
}
