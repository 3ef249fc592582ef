//! For whom keys are made, and what one question demands.

use serde_json::{Value, json};

use super::Fault;
use super::authenticator::AuthenticatorData;
use super::client_data;
use crate::settings::Settings;

/// The domain for which keys are made, and the pages that may use them. Only the configuration says so, never a caller.
#[derive(Clone, Debug)]
pub(crate) struct RelyingParty {
    /// The domain.
    pub(super) id: String,
    name: String,
    origins: Vec<String>,
}

/// One question: for whom, with which challenge, and what the device has to make sure.
#[derive(Clone, Debug)]
pub(crate) struct Ceremony<'a> {
    /// For whom.
    pub party: &'a RelyingParty,
    /// The challenge as it was sent.
    pub challenge: &'a str,
    /// The device must know who touches it (by a finger, a number, ...).
    pub verifies_user: bool,
}

impl RelyingParty {
    /// As configured; else the application's own host.
    pub fn of(settings: &Settings) -> Self {
        let section = &settings.section.passkeys;
        let site = settings.site_url.as_str();
        let id = section.rp_id.clone().unwrap_or_else(|| host(site).to_owned());
        let origins = match section.origins.as_slice() {
            [] => vec![origin(site)],
            listed => listed.iter().map(|url| origin(&url.to_string())).collect(),
        };
        Self { name: section.rp_name.clone().unwrap_or_else(|| id.clone()), id, origins }
    }

    /// As browsers want it.
    pub(super) fn json(&self) -> Value {
        json!({"id": self.id, "name": self.name})
    }
}

impl Ceremony<'_> {
    /// Checks everything but the key.
    pub(super) fn check(&self, kind: &str, client_data: &[u8], data: &AuthenticatorData<'_>) -> Result<(), Fault> {
        client_data::check(client_data, kind, self.challenge, &self.party.origins)?;
        data.check(&self.party.id, self.verifies_user)
    }
}

/// Scheme, host and port: what a page's origin is.
fn origin(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap_or(("https", url));
    let authority = rest.split(['/', '?', '#']).next().unwrap_or(rest);
    format!("{scheme}://{authority}").to_ascii_lowercase()
}

/// The host alone.
pub(crate) fn host(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next().unwrap_or(rest);
    authority
        .rsplit_once(':')
        .filter(|(_, port)| port.bytes().all(|b| b.is_ascii_digit()))
        .map_or(authority, |(h, _)| h)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_have_no_path_and_hosts_no_port() {
        assert_eq!(origin("https://App.example.com:8443/in?x"), "https://app.example.com:8443");
        assert_eq!(host("http://localhost:3000/"), "localhost");
        assert_eq!(host("https://app.example.com"), "app.example.com");
    }
}
