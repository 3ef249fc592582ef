//! The answer to "sign this": proof that a known device is there again.

use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::authenticator::AuthenticatorData;
use super::cose::PublicKey;
use super::{Ceremony, Fault, from_base64url};

/// `AuthenticationResponseJSON`, as far as it is read.
#[derive(Debug, Deserialize)]
pub(crate) struct Assertion {
    id: String,
    response: Response,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Response {
    #[serde(rename = "clientDataJSON")]
    client_data: String,
    authenticator_data: String,
    signature: String,
    #[serde(default)]
    user_handle: Option<String>,
}

/// What is known of a credential.
#[derive(Clone, Debug)]
pub(crate) struct Known {
    /// Its id.
    pub id: Vec<u8>,
    /// The key in COSE.
    pub key: Vec<u8>,
    /// How often it had signed.
    pub sign_count: u32,
    /// Whose it is: the text of the account's id, as the device keeps it.
    pub user: String,
}

/// What there is to remember of an answer that is right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    /// How often the device signed.
    pub sign_count: u32,
    /// Whether the key has been copied to other devices of its owner.
    pub backed_up: bool,
}

impl Assertion {
    /// The credential that it claims to be of.
    pub fn credential_id(&self) -> Result<Vec<u8>, Fault> {
        from_base64url(&self.id, "id")
    }

    /// Checks the answer to this question, from this credential.
    pub fn check(&self, ceremony: &Ceremony<'_>, known: &Known) -> Result<Seen, Fault> {
        let client_data = from_base64url(&self.response.client_data, "clientDataJSON")?;
        let bytes = from_base64url(&self.response.authenticator_data, "authenticatorData")?;
        let data = AuthenticatorData::read(&bytes)?;
        ceremony.check("webauthn.get", &client_data, &data)?;
        if self.credential_id()? != known.id || !self.is_of(&known.user)? {
            return Err(Fault::Credential);
        }
        let signed = [bytes.as_slice(), Sha256::digest(&client_data).as_slice()].concat();
        let signature = from_base64url(&self.response.signature, "signature")?;
        PublicKey::read(&known.key)?.verify(&signed, &signature)?;
        // Devices that count begin above zero and only go up; a copy of one is behind or ahead.
        let counts = data.sign_count != 0 || known.sign_count != 0;
        if counts && data.sign_count <= known.sign_count {
            return Err(Fault::Counter);
        }
        Ok(Seen { sign_count: data.sign_count, backed_up: data.backed_up() })
    }

    /// A device that keeps whose the key is must agree.
    fn is_of(&self, user: &str) -> Result<bool, Fault> {
        match self.response.user_handle.as_deref() {
            None | Some("") => Ok(true),
            Some(handle) => Ok(from_base64url(handle, "userHandle")? == user.as_bytes()),
        }
    }
}
