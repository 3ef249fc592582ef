//! `auth` is one section for the user and two for the program: token checks belong to `request`, signing in to the
//! room `auth`. This file joins them.

use ferrobase_auth::config::SignInSection;
use ferrobase_auth::keys::{KeyFile, SigningKeys};
use ferrobase_base::config::reference::Reference;
use ferrobase_base::config::{Map, Reader, Report, SecretJson, Section, Shown};
use ferrobase_base::section;
use ferrobase_request::config::TokenSection;
use ferrobase_request::credentials::{ConfiguredKeys, KeyTextError};

use super::{GRAPHQL, REST};

/// Tokens and signing in.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AuthSection {
    /// Which tokens are valid and which role they give.
    pub tokens: TokenSection,
    /// How people get them.
    pub sign_in: SignInSection,
}

impl Section for AuthSection {
    const ABOUT: &'static [&'static str] = &["Tokens and signing in."];

    fn names() -> Vec<&'static str> {
        [TokenSection::names(), SignInSection::names()].concat()
    }

    fn read_fields(&mut self, map: &Map, reader: &mut Reader) {
        self.tokens.read_fields(map, reader);
        self.sign_in.read_fields(map, reader);
    }

    fn show_fields(&self) -> Vec<(String, Shown)> {
        [self.tokens.show_fields(), self.sign_in.show_fields()].concat()
    }

    fn describe_fields(path: &str, reference: &mut Reference) {
        TokenSection::describe_fields(path, reference);
        SignInSection::describe_fields(path, reference);
    }
}

section!(@setting AuthSection);

/// Flows that are not built yet; each deletes its line.
const UNBUILT: &[&str] = &["saml"];

impl AuthSection {
    /// What only shows when keys are compared.
    pub fn check(&self, report: &mut Report<'_>) {
        self.tokens.check(report);
        self.sign_in.check(report);
        if [REST, GRAPHQL].contains(&self.sign_in.path.as_str()) {
            report.refuse("path", "another part of the API lies there");
        }
        if self.makes_tokens() && !self.tokens.jwt_role_claim.can_be_written() {
            let reason = "tokens of sign-in and anon and service keys cannot have their role there (only paths from key to key are \
                          written): they are anonymous";
            report.warn("jwt_role_claim", reason);
        }
    }

    /// Whether anything here signs tokens or keys.
    fn makes_tokens(&self) -> bool {
        self.tokens.jwt_secret.is_some() || self.sign_in.signing_keys.is_some()
    }

    /// Whether any token can be verified.
    pub(crate) fn has_keys(&self) -> bool {
        self.tokens.has_keys() || self.sign_in.signing_keys.is_some()
    }

    /// The keys that sign tokens; a configuration that was checked cannot fail here.
    fn signing_keys(&self) -> SigningKeys {
        let listed = self.sign_in.signing_keys.as_ref().map(SecretJson::expose);
        listed.and_then(|keys| SigningKeys::read(keys).ok()).unwrap_or_default()
    }

    /// The keys that verify tokens: those that sign them, of the file and of the database, and others that the file holds.
    ///
    /// # Errors
    /// A secret or key set that cannot be used; `check` has said so before.
    pub(crate) fn keys(&self, stored: &KeyFile) -> Result<ConfiguredKeys, KeyTextError> {
        Ok(self.tokens.keys()?.signed_with(self.all_signing_keys(stored).verification_keys()))
    }

    /// The keys that sign tokens: the file's, and those of the database beside them.
    pub(crate) fn all_signing_keys(&self, stored: &KeyFile) -> SigningKeys {
        self.signing_keys().beside(stored.keys())
    }

    /// The keys below `auth` that do nothing yet.
    pub(crate) fn unbuilt_names() -> &'static [&'static str] {
        UNBUILT
    }
}
