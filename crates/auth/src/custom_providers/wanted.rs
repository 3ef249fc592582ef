//! What an administrator sends about a custom provider, and whether it can be one.

use ferrobase_base::Secret;
use serde::Deserialize;
use serde_json::{Map, Value};
use url::{Host, Url};

use crate::error::{Error, Result};
use crate::provider::{custom::PREFIX, is_scope};
use crate::store::custom_providers::CustomProvider;

pub(super) const TYPES: [&str; 2] = ["oauth2", "oidc"];
/// Longest identifier.
const LONGEST_IDENTIFIER: usize = 50;
const LONGEST_NAME: usize = 100;
const LONGEST_TEXT: usize = 512;
const LONGEST_URL: usize = 2048;
/// Longest list, and most entries of an object.
const MOST: usize = 50;
/// Parameters of the way there that are the protocol's.
const RESERVED: [&str; 10] = [
    "client_id",
    "client_secret",
    "redirect_uri",
    "response_type",
    "state",
    "scope",
    "code_challenge",
    "code_challenge_method",
    "code_verifier",
    "nonce",
];

/// The body: everything for a new provider, some of it for a change.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Wanted {
    provider_type: Option<String>,
    identifier: Option<String>,
    name: Option<String>,
    client_id: Option<String>,
    client_secret: Option<Secret>,
    acceptable_client_ids: Option<Vec<String>>,
    scopes: Option<Vec<String>>,
    custom_claims_allowlist: Option<Vec<String>>,
    pkce_enabled: Option<bool>,
    attribute_mapping: Option<Map<String, Value>>,
    authorization_params: Option<Map<String, Value>>,
    enabled: Option<bool>,
    email_optional: Option<bool>,
    trust_email: Option<bool>,
    issuer: Option<String>,
    discovery_url: Option<String>,
    skip_nonce_check: Option<bool>,
    authorization_url: Option<String>,
    token_url: Option<String>,
    userinfo_url: Option<String>,
    jwks_uri: Option<String>,
}

/// Takes over what was sent.
fn set<T: Clone>(place: &mut T, wanted: &Option<T>) {
    if let Some(wanted) = wanted {
        place.clone_from(wanted);
    }
}

/// The same where an empty text takes it away.
fn set_url(place: &mut Option<String>, wanted: &Option<String>) {
    if let Some(wanted) = wanted {
        *place = Some(wanted.trim().to_owned()).filter(|url| !url.is_empty());
    }
}

impl Wanted {
    /// A new provider.
    ///
    /// # Errors
    /// What is missing or wrong.
    pub(super) fn provider(&self) -> Result<CustomProvider> {
        let new = CustomProvider {
            provider_type: self.provider_type.clone().unwrap_or_default(),
            identifier: self.identifier.clone().unwrap_or_default(),
            pkce_enabled: true,
            enabled: true,
            ..CustomProvider::default()
        };
        self.applied_to(new)
    }

    /// A provider with this change.
    ///
    /// # Errors
    /// What is missing or wrong, and a change of what stays.
    pub(super) fn applied_to(&self, mut provider: CustomProvider) -> Result<CustomProvider> {
        let stays = |wanted: &Option<String>, is: &str| wanted.as_deref().is_none_or(|wanted| wanted == is);
        if !stays(&self.provider_type, &provider.provider_type) || !stays(&self.identifier, &provider.identifier) {
            return Err(Error::invalid("provider_type and identifier cannot be changed"));
        }
        set(&mut provider.name, &self.name);
        set(&mut provider.client_id, &self.client_id);
        set(&mut provider.client_secret, &self.client_secret);
        set(&mut provider.acceptable_client_ids, &self.acceptable_client_ids);
        set(&mut provider.scopes, &self.scopes);
        set(&mut provider.custom_claims_allowlist, &self.custom_claims_allowlist);
        set(&mut provider.pkce_enabled, &self.pkce_enabled);
        set(&mut provider.attribute_mapping, &self.attribute_mapping);
        set(&mut provider.authorization_params, &self.authorization_params);
        set(&mut provider.enabled, &self.enabled);
        set(&mut provider.email_optional, &self.email_optional);
        set(&mut provider.trust_email, &self.trust_email);
        set(&mut provider.skip_nonce_check, &self.skip_nonce_check);
        set_url(&mut provider.issuer, &self.issuer);
        set_url(&mut provider.discovery_url, &self.discovery_url);
        set_url(&mut provider.authorization_url, &self.authorization_url);
        set_url(&mut provider.token_url, &self.token_url);
        set_url(&mut provider.userinfo_url, &self.userinfo_url);
        set_url(&mut provider.jwks_uri, &self.jwks_uri);
        check(&provider)?;
        Ok(provider)
    }
}

fn check(provider: &CustomProvider) -> Result<()> {
    if !TYPES.contains(&provider.provider_type.as_str()) {
        return Err(Error::invalid("provider_type must be oauth2 or oidc"));
    }
    if !is_identifier(&provider.identifier) {
        return Err(Error::invalid(
            "identifier must be custom: and up to 43 lower-case letters, digits, hyphens and colons, no hyphen or colon first or last",
        ));
    }
    check_texts(provider)?;
    check_addresses(provider)?;
    let is_text = |value: &Value| value.as_str().is_some_and(|text| text.len() <= LONGEST_URL && !text.contains('\0'));
    if let Some((name, _)) = provider
        .authorization_params
        .iter()
        .find(|(name, value)| RESERVED.contains(&name.as_str()) || name.is_empty() || !is_text(value))
    {
        return Err(Error::invalid(format!("authorization_params.{name} is reserved or no text")));
    }
    Ok(())
}

fn is_identifier(text: &str) -> bool {
    let Some(own) = text.strip_prefix(PREFIX) else { return false };
    let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let ends = own.bytes().next().into_iter().chain(own.bytes().last());
    text.len() <= LONGEST_IDENTIFIER
        && !own.is_empty()
        && ends.into_iter().all(is_plain)
        && own.bytes().all(|byte| is_plain(byte) || byte == b'-' || byte == b':')
}

fn check_texts(provider: &CustomProvider) -> Result<()> {
    for (field, text, longest) in [
        ("name", provider.name.as_str(), LONGEST_NAME),
        ("client_id", provider.client_id.as_str(), LONGEST_TEXT),
        ("client_secret", provider.client_secret.expose(), LONGEST_URL * 2),
    ] {
        if text.is_empty() || text.chars().count() > longest || text.contains('\0') {
            return Err(Error::invalid(format!("{field} must have 1 to {longest} characters")));
        }
    }
    let lists = [
        ("acceptable_client_ids", &provider.acceptable_client_ids),
        ("scopes", &provider.scopes),
        ("custom_claims_allowlist", &provider.custom_claims_allowlist),
    ];
    for (field, list) in lists {
        if list.len() > MOST || list.iter().any(|text| text.is_empty() || text.len() > LONGEST_TEXT) {
            return Err(Error::invalid(format!("{field} must have at most {MOST} texts")));
        }
    }
    if provider.scopes.iter().any(|scope| !is_scope(scope)) {
        return Err(Error::invalid("A scope is printable ASCII without spaces and quotes"));
    }
    for (field, object) in
        [("attribute_mapping", &provider.attribute_mapping), ("authorization_params", &provider.authorization_params)]
    {
        if object.len() > MOST {
            return Err(Error::invalid(format!("{field} must have at most {MOST} entries")));
        }
    }
    Ok(())
}

fn check_addresses(provider: &CustomProvider) -> Result<()> {
    let addresses = [
        ("issuer", &provider.issuer, provider.is_issuer()),
        ("discovery_url", &provider.discovery_url, false),
        ("authorization_url", &provider.authorization_url, !provider.is_issuer()),
        ("token_url", &provider.token_url, !provider.is_issuer()),
        ("userinfo_url", &provider.userinfo_url, !provider.is_issuer()),
        ("jwks_uri", &provider.jwks_uri, false),
    ];
    for (field, url, is_required) in addresses {
        match url {
            None if is_required => {
                return Err(Error::invalid(format!("{field} is required for {}", provider.provider_type)));
            }
            Some(url) if !is_address(url) => {
                return Err(Error::invalid(format!("{field} must be an https URL")));
            }
            _ => {}
        }
    }
    Ok(())
}

/// Over https, or on this machine, which only an operator's word makes reachable.
fn is_address(text: &str) -> bool {
    let Ok(url) = Url::parse(text) else { return false };
    let is_here = match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    };
    let is_plain = url.username().is_empty() && url.password().is_none() && url.fragment().is_none();
    text.len() <= LONGEST_URL && is_plain && (url.scheme() == "https" || (url.scheme() == "http" && is_here))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_and_addresses_are_what_they_should_be() {
        for right in ["custom:a", "custom:my-idp", "custom:a:b-9"] {
            assert!(is_identifier(right), "{right}");
        }
        let long = format!("custom:{}", "a".repeat(44));
        for wrong in ["", "custom:", "my-idp", "google", "custom:A", "custom:-a", "custom:a-", "custom:a b", &long] {
            assert!(!is_identifier(wrong), "{wrong}");
        }
        for right in
            ["https://id.example.com", "https://id.example.com/a?b=c", "http://127.0.0.1:9/", "http://localhost"]
        {
            assert!(is_address(right), "{right}");
        }
        for wrong in
            ["", "id.example.com", "http://id.example.com", "ftp://id.example.com", "https://a:b@id.example.com"]
        {
            assert!(!is_address(wrong), "{wrong}");
        }
    }
}
