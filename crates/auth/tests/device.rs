//! A security key in software, with the browser's side of it: somebody else's implementation of the standard.

use async_trait::async_trait;
use passkey::authenticator::{Authenticator, UiHint, UserCheck, UserValidationMethod};
use passkey::client::{Client, DefaultClientData};
use passkey::crypto::rust_crypto::RustCryptoBackend;
use passkey::types::Passkey;
use passkey::types::ctap2::{Aaguid, Ctap2Error};
use serde_json::{Value, json};
use url::Url;

/// The page that asks.
pub const ORIGIN: &str = "https://app.example.com";

/// Whoever holds the device agrees to everything.
struct Holder {
    verifies: bool,
}

#[async_trait]
impl UserValidationMethod for Holder {
    type PasskeyItem = Passkey;

    async fn check_user<'a>(
        &self,
        _hint: UiHint<'a, Passkey>,
        presence: bool,
        verification: bool,
    ) -> Result<UserCheck, Ctap2Error> {
        Ok(UserCheck { presence, verification: verification && self.verifies })
    }

    fn is_presence_enabled(&self) -> bool {
        true
    }

    fn is_verification_enabled(&self) -> Option<bool> {
        self.verifies.then_some(true)
    }
}

type Browser = Client<Option<Passkey>, Holder, RustCryptoBackend, public_suffix::PublicSuffixList, ()>;

/// A browser with one security key.
pub struct Device {
    browser: Browser,
}

impl Device {
    /// One that counts how often it signs and knows its holder.
    pub fn new() -> Self {
        let holder = Holder { verifies: true };
        let mut authenticator = Authenticator::new(Aaguid::new_empty(), None, holder, RustCryptoBackend);
        authenticator.set_make_credentials_with_signature_counter(true);
        Self { browser: Client::new(authenticator) }
    }

    /// `navigator.credentials.create` on a page.
    pub async fn create(&mut self, origin: &str, options: &Value) -> Value {
        let options = serde_json::from_value(json!({"publicKey": options})).expect("options that browsers read");
        let origin = Url::parse(origin).expect("an origin");
        let made = self.browser.register(&origin, options, DefaultClientData).await.expect("a credential");
        serde_json::to_value(made).expect("JSON")
    }

    /// `navigator.credentials.get` on a page.
    pub async fn get(&mut self, origin: &str, options: &Value) -> Value {
        let options = serde_json::from_value(json!({"publicKey": options})).expect("options that browsers read");
        let origin = Url::parse(origin).expect("an origin");
        let signed = self.browser.authenticate(&origin, options, DefaultClientData).await.expect("an assertion");
        serde_json::to_value(signed).expect("JSON")
    }

    /// A copy as a thief makes it: same key, same counter.
    pub fn copy(&self) -> Self {
        let mut copy = Self::new();
        *copy.browser.authenticator_mut().store_mut() = self.browser.authenticator().store().clone();
        copy
    }
}
