//! The room's configuration as its flows use it: one immutable value, swapped on reload.

use std::time::Duration;

use serde_json::Value;

use crate::config::SignInSection;
use crate::keys::{Signer, SigningKeys};
use crate::mail::Templates;

/// What the flows need to know.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Keys of the file.
    pub section: SignInSection,
    /// Where this room is, as the outside sees it: the issuer of tokens, and the beginning of links.
    pub external_url: String,
    /// The application: where people land.
    pub site_url: String,
    /// Life of an access token.
    pub jwt_expiry: Duration,
    /// For whom access tokens are, when tokens are only good for one audience (`auth.jwt_audience`); else the account says.
    pub audience: Option<String>,
    /// What signs access tokens; without it nobody can sign in.
    pub signer: Option<Signer>,
    /// `/.well-known/jwks.json`.
    pub jwks: Value,
    /// How mails are written.
    pub templates: Templates,
}

impl Settings {
    /// The settings of a section. `external_url` has the room's path.
    pub fn new(section: &SignInSection, jwt_expiry: Duration, external_url: String, secret: Option<&[u8]>) -> Self {
        let listed = section.signing_keys.as_ref().and_then(|keys| SigningKeys::read(keys.expose()).ok());
        Self::signed_with(section, jwt_expiry, external_url, secret, &listed.unwrap_or_default())
    }

    /// The same with these keys: those of the file and of the database together.
    pub fn signed_with(
        section: &SignInSection,
        jwt_expiry: Duration,
        external_url: String,
        secret: Option<&[u8]>,
        keys: &SigningKeys,
    ) -> Self {
        let site_url = section.site_url.as_ref().map_or("http://localhost:3000".to_owned(), ToString::to_string);
        Self {
            site_url,
            external_url,
            jwt_expiry,
            audience: None,
            signer: Signer::new(keys, secret),
            jwks: keys.public_set(),
            // The check of the configuration has said what is wrong with them.
            templates: Templates::load(&section.mailer).unwrap_or_default(),
            section: section.clone(),
        }
    }
}
