//! Signing in through other people's sign-in: npm's `oidc-provider` for what works, an issuer of our own for what must not.

mod attacks;
pub mod browser;
mod custom;
mod id_token;
mod identities;
mod issuer;
mod linking;
mod provider;
pub mod sign_in;

use ferrobase_auth::config::{ExternalProviderSection, SignInSection};
use ferrobase_base::Secret;
use ferrobase_base::config::{Atom, HttpUrl};

use crate::harness::section;
use provider::Provider;

/// Where the room is, as the outside sees it.
pub const EXTERNAL: &str = "http://localhost:8000/auth/v1";
/// Where people land.
pub const SITE: &str = "http://localhost:3000";

/// The configuration with the provider as `keycloak`, whose name is trusted, and as `elsewhere`, whose name is not.
pub fn with_provider(provider: &Provider, change: impl FnOnce(&mut SignInSection)) -> SignInSection {
    section(|section| {
        let external = ExternalProviderSection {
            client_id: vec!["web".to_owned(), "phone".to_owned()],
            secret: Some(Secret::new("the secret: of %the app")),
            url: Some(HttpUrl::parse(&provider.url("")).expect("a URL")),
            ..ExternalProviderSection::default()
        };
        section.external.insert("keycloak".to_owned(), external.clone());
        section.external.insert("elsewhere".to_owned(), external);
        section.enable_manual_linking = true;
        change(section);
    })
}
