//! The answer to "make a key": a new credential of a device.

use minicbor::Decoder;
use serde::Deserialize;
use uuid::Uuid;

use super::authenticator::AuthenticatorData;
use super::cose::PublicKey;
use super::{Ceremony, Fault, from_base64url};

/// Most ways to reach a device that are remembered.
const MOST_TRANSPORTS: usize = 8;

/// `RegistrationResponseJSON`, as far as it is read.
#[derive(Debug, Deserialize)]
pub(crate) struct Registration {
    id: String,
    response: Response,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Response {
    #[serde(rename = "clientDataJSON")]
    client_data: String,
    attestation_object: String,
    #[serde(default)]
    transports: Option<Vec<String>>,
}

/// A credential of which the public half is known now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Credential {
    /// Its id.
    pub id: Vec<u8>,
    /// The key in COSE.
    pub key: Vec<u8>,
    /// The model of the device.
    pub aaguid: Uuid,
    /// How often it signed.
    pub sign_count: u32,
    /// Ways to reach the device (`usb`, `internal`, ...).
    pub transports: Vec<String>,
    /// Whether the device made sure who touched it.
    pub user_verified: bool,
    /// Whether the key may be copied to other devices of its owner.
    pub backup_eligible: bool,
    /// Whether it has been.
    pub backed_up: bool,
}

impl Registration {
    /// The credential, if the answer is one to this question.
    pub fn check(&self, ceremony: &Ceremony<'_>) -> Result<Credential, Fault> {
        let client_data = from_base64url(&self.response.client_data, "clientDataJSON")?;
        let object = from_base64url(&self.response.attestation_object, "attestationObject")?;
        let data = AuthenticatorData::read(authenticator_data(&object)?)?;
        ceremony.check("webauthn.create", &client_data, &data)?;
        let new = data.credential.as_ref().ok_or(Fault::Unreadable("attestationObject"))?;
        if from_base64url(&self.id, "id")? != new.id {
            return Err(Fault::Credential);
        }
        PublicKey::read(new.key)?;
        Ok(Credential {
            id: new.id.to_vec(),
            key: new.key.to_vec(),
            aaguid: new.aaguid,
            sign_count: data.sign_count,
            transports: self.transports(),
            user_verified: data.user_verified(),
            backup_eligible: data.backup_eligible(),
            backed_up: data.backed_up(),
        })
    }

    /// They are hints for the browser: plain words only.
    fn transports(&self) -> Vec<String> {
        let is_word = |text: &&String| text.len() <= 32 && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        let listed = self.response.transports.as_deref().unwrap_or_default();
        listed.iter().filter(is_word).take(MOST_TRANSPORTS).cloned().collect()
    }
}

/// The part of an attestation that matters here.
fn authenticator_data(object: &[u8]) -> Result<&[u8], Fault> {
    let read = || -> Result<Option<&[u8]>, minicbor::decode::Error> {
        let mut decoder = Decoder::new(object);
        let mut found = None;
        for _ in 0..decoder.map()?.unwrap_or_default() {
            match decoder.str()? {
                "authData" => found = Some(decoder.bytes()?),
                _ => decoder.skip()?,
            }
        }
        Ok(found)
    };
    read().ok().flatten().ok_or(Fault::Unreadable("attestationObject"))
}
