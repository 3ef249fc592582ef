//! Other people's sign-in: which providers there are, how each is spoken to, and whom their answers name.
//!
//! `presets` (the table) + configuration -> [`Provider`]; `directory` finds out endpoints and keys of issuers; `exchange`
//! trades a code for tokens; `id_token` verifies; `profile` reads who it is. The flows are in `oauth`.
//! Invariant: what an issuer's token says counts only after `id_token` has verified it with keys of that issuer, which the
//! configuration named. Invariant: nothing a caller sends is ever fetched.

mod apple;
pub(crate) mod custom;
mod directory;
mod exchange;
mod id_token;
mod presets;
mod profile;

use ferrobase_base::Secret;
use serde_json::{Map, Value};

pub(crate) use directory::{Directory, Endpoints};
pub(crate) use exchange::{Code, Grant, exchange};
pub(crate) use id_token::{IdTokenError, check_access_token, check_form};
use presets::Verified;
pub(crate) use presets::{Preset, Protocol};
pub(crate) use profile::Profile;

use crate::config::ExternalProviderSection;
use crate::error::Error;
use crate::settings::Settings;
use presets::{Fields, GENERIC, PRESETS};
use profile::{of_claims, of_document};

/// A provider that people may sign in with.
#[derive(Clone, Debug)]
pub(crate) struct Provider {
    pub(crate) name: String,
    pub(crate) preset: &'static Preset,
    /// Where it is.
    pub(crate) base: String,
    /// Our ids there; the first is used.
    pub(crate) client_ids: Vec<String>,
    pub(crate) secret: Option<Secret>,
    /// Where it sends people back.
    pub(crate) redirect_uri: String,
    pub(crate) scopes: Vec<String>,
    pub(crate) skips_nonce: bool,
    /// Its confirmed addresses count as confirmed.
    pub(crate) is_trusted: bool,
    pub(crate) email_optional: bool,
    /// What only a provider of the database has.
    pub(crate) custom: Option<Box<custom::Custom>>,
}

/// Why a provider cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Missing {
    /// Nobody here knows the name.
    Unknown,
    /// It is known, and people may not sign in with it.
    Disabled,
}

impl Missing {
    /// The answer of `/authorize`.
    fn unsupported(self, name: &str) -> Error {
        let reason = match self {
            Self::Unknown => format!("provider {} could not be found", shown(name)),
            Self::Disabled => "provider is not enabled".to_owned(),
        };
        Error::invalid(format!("Unsupported provider: {reason}"))
    }
}

impl Provider {
    /// The provider of this name in the configuration; `custom::find` knows those of the database, too.
    pub(crate) fn find(settings: &Settings, name: &str) -> std::result::Result<Self, Missing> {
        let preset = preset(name);
        let Some(section) = settings.section.external.get(name) else {
            return Err(preset.map_or(Missing::Unknown, |_| Missing::Disabled));
        };
        if !section.enabled {
            return Err(Missing::Disabled);
        }
        Ok(Self::configured(settings, name, preset.unwrap_or(&GENERIC), section))
    }

    fn configured(settings: &Settings, name: &str, preset: &'static Preset, section: &ExternalProviderSection) -> Self {
        let callback = || format!("{}/callback", settings.external_url);
        Self {
            name: name.to_owned(),
            preset,
            base: section.url.as_ref().map_or(preset.base.to_owned(), ToString::to_string),
            client_ids: section.client_id.clone(),
            secret: section.secret.clone(),
            redirect_uri: section.redirect_uri.as_ref().map_or_else(callback, ToString::to_string),
            scopes: section.scopes.clone(),
            skips_nonce: section.skip_nonce_check,
            is_trusted: section.trust_email.unwrap_or(preset.trusted),
            email_optional: section.email_optional,
            custom: None,
        }
    }

    /// Our id there.
    pub(crate) fn client_id(&self) -> &str {
        self.client_ids.first().map_or("", String::as_str)
    }

    /// An address of the table, for where this provider is.
    pub(crate) fn filled(&self, template: &str) -> String {
        let api = match self.base.as_str() {
            "https://github.com" => "https://api.github.com".to_owned(),
            base => format!("{base}/api/v3"),
        };
        if let Some(custom) = &self.custom {
            return match template {
                "{authorize}" => custom.authorize.clone(),
                "{token}" => custom.token.clone(),
                "{userinfo}" => custom.userinfo.clone(),
                _ => template.replace("{base}", &self.base),
            };
        }
        template.replace("{base}", &self.base).replace("{api}", &api).replace("{client_id}", self.client_id())
    }

    /// Where an issuer publishes what it is.
    pub(crate) fn discovery_url(&self, issuer: &str) -> String {
        let own = self.custom.as_ref().and_then(|custom| custom.discovery_url.clone());
        own.unwrap_or_else(|| format!("{issuer}/.well-known/openid-configuration"))
    }

    /// Whether it is asked with PKCE.
    pub(crate) fn takes_pkce(&self) -> bool {
        self.custom.as_ref().map_or(self.preset.pkce, |custom| custom.pkce)
    }

    /// Who somebody is by the claims of an ID token.
    pub(crate) fn of_claims(&self, claims: &Map<String, Value>, issuer: &str) -> Option<Profile> {
        let Some(custom) = &self.custom else { return of_claims(claims, issuer, self.verified()) };
        let mut profile = of_claims(&custom.mapped(claims), issuer, self.verified())?;
        custom.add_claims(claims, &mut profile.claims);
        Some(profile)
    }

    /// Who somebody is by the provider's own document.
    fn of_document(&self, document: &Value, fields: &Fields) -> Option<Profile> {
        let (Some(custom), Value::Object(said)) = (&self.custom, document) else {
            return of_document(document, fields, &self.base);
        };
        let mut profile = of_document(&Value::Object(custom.mapped(said)), fields, &self.base)?;
        custom.add_claims(said, &mut profile.claims);
        Some(profile)
    }

    /// The issuer of its ID tokens, as the configuration names it; none when it gives out none.
    pub(crate) fn issuer(&self) -> Option<String> {
        match &self.preset.protocol {
            Protocol::Oidc(issuer) => Some(self.filled(issuer.issuer)),
            Protocol::OAuth(_) => self.preset.gives_id_tokens.then(|| self.base.clone()),
        }
    }

    /// What it says about an address in an ID token.
    fn verified(&self) -> Verified {
        match &self.preset.protocol {
            Protocol::Oidc(issuer) => issuer.verified,
            Protocol::OAuth(oauth) => oauth.fields.verified,
        }
    }

    /// Every scope to ask for: the usual ones, the configured ones, and what the client asks for.
    pub(crate) fn all_scopes(&self, asked: &str) -> String {
        let mut scopes: Vec<&str> = self.preset.scopes.to_vec();
        let more = self.scopes.iter().map(String::as_str).chain(asked.split([' ', ',']));
        for scope in more.filter(|scope| is_scope(scope)) {
            if !scopes.contains(&scope) {
                scopes.push(scope);
            }
        }
        scopes.join(" ")
    }
}

fn preset(name: &str) -> Option<&'static Preset> {
    PRESETS.iter().find(|preset| preset.name == name)
}

/// Whether it is known where this provider is.
pub(crate) fn has_a_place(name: &str) -> bool {
    preset(name).is_some_and(|preset| !preset.base.is_empty())
}

/// RFC 6749, 3.3.
pub(crate) fn is_scope(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\')
}

fn shown(name: &str) -> String {
    name.chars().filter(|c| c.is_ascii_alphanumeric() || "_-:.".contains(*c)).take(64).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_names_each_once_and_knows_its_places() {
        let mut names: Vec<_> = PRESETS.iter().map(|preset| preset.name).collect();
        let number = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), number);
        for preset in PRESETS {
            assert!(preset.base.starts_with("https://") || preset.name == "keycloak", "{}", preset.name);
            if let Protocol::OAuth(oauth) = &preset.protocol {
                let pointers = [oauth.fields.subject, oauth.fields.email, oauth.fields.name, oauth.fields.picture];
                assert!(pointers.iter().all(|p| p.is_empty() || p.starts_with('/')), "{}", preset.name);
                assert!(!oauth.fields.subject.is_empty(), "{}", preset.name);
            }
        }
    }
}
