//! What the device says: for whom it signs, who was there, how often it signed, and in a registration the new key.

use minicbor::Decoder;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::Fault;

const USER_PRESENT: u8 = 1;
const USER_VERIFIED: u8 = 1 << 2;
const BACKUP_ELIGIBLE: u8 = 1 << 3;
const BACKED_UP: u8 = 1 << 4;
const HAS_CREDENTIAL: u8 = 1 << 6;
const HAS_EXTENSIONS: u8 = 1 << 7;
/// Longest id of a credential (the standard's bound).
const LONGEST_ID: usize = 1023;

/// The signed bytes, taken apart.
#[derive(Clone, Debug)]
pub(super) struct AuthenticatorData<'a> {
    party: &'a [u8],
    flags: u8,
    /// How often the device signed; 0 where it does not count.
    pub sign_count: u32,
    /// The new credential.
    pub credential: Option<NewCredential<'a>>,
}

/// A credential that a device has just made.
#[derive(Clone, Debug)]
pub(super) struct NewCredential<'a> {
    /// The model of the device.
    pub aaguid: Uuid,
    /// The credential's id.
    pub id: &'a [u8],
    /// Its public key in COSE.
    pub key: &'a [u8],
}

impl<'a> AuthenticatorData<'a> {
    /// Takes the bytes apart; there may be none left.
    pub fn read(bytes: &'a [u8]) -> Result<Self, Fault> {
        let mut rest = bytes;
        let party = take(&mut rest, 32)?;
        let flags = take(&mut rest, 1)?[0];
        let sign_count = u32::from_be_bytes(take(&mut rest, 4)?.try_into().map_err(|_| unreadable())?);
        let credential = if flags & HAS_CREDENTIAL == 0 { None } else { Some(NewCredential::read(&mut rest)?) };
        if flags & HAS_EXTENSIONS != 0 {
            item(&mut rest)?;
        }
        if !rest.is_empty() {
            return Err(unreadable());
        }
        Ok(Self { party, flags, sign_count, credential })
    }

    /// Checks for whom it is and who was there.
    pub fn check(&self, party: &str, verifies_user: bool) -> Result<(), Fault> {
        if self.party != Sha256::digest(party).as_slice() {
            return Err(Fault::RelyingParty);
        }
        if self.flags & USER_PRESENT == 0 {
            return Err(Fault::NotPresent);
        }
        if verifies_user && !self.user_verified() {
            return Err(Fault::NotVerified);
        }
        Ok(())
    }

    /// Whether the device made sure who touched it.
    pub fn user_verified(&self) -> bool {
        self.flags & USER_VERIFIED != 0
    }

    /// Whether the key may be copied to other devices of its owner.
    pub fn backup_eligible(&self) -> bool {
        self.flags & BACKUP_ELIGIBLE != 0
    }

    /// Whether it has been.
    pub fn backed_up(&self) -> bool {
        self.flags & BACKED_UP != 0
    }
}

impl<'a> NewCredential<'a> {
    fn read(rest: &mut &'a [u8]) -> Result<Self, Fault> {
        let aaguid = Uuid::from_slice(take(rest, 16)?).map_err(|_| unreadable())?;
        let length = take(rest, 2)?;
        let length = usize::from(u16::from_be_bytes([length[0], length[1]]));
        if length == 0 || length > LONGEST_ID {
            return Err(unreadable());
        }
        Ok(Self { aaguid, id: take(rest, length)?, key: item(rest)? })
    }
}

fn take<'a>(rest: &mut &'a [u8], count: usize) -> Result<&'a [u8], Fault> {
    let (taken, left) = rest.split_at_checked(count).ok_or_else(unreadable)?;
    *rest = left;
    Ok(taken)
}

/// One CBOR item, whatever is in it.
fn item<'a>(rest: &mut &'a [u8]) -> Result<&'a [u8], Fault> {
    let mut decoder = Decoder::new(rest);
    decoder.skip().map_err(|_| unreadable())?;
    let length = decoder.position();
    take(rest, length)
}

fn unreadable() -> Fault {
    Fault::Unreadable("authenticatorData")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shorter_and_every_longer_text_is_refused() {
        let mut whole = Sha256::digest("localhost").to_vec();
        whole.push(USER_PRESENT | HAS_CREDENTIAL);
        whole.extend(7_u32.to_be_bytes());
        whole.extend([1; 16]);
        whole.extend([0, 2, 8, 9, 0xa1, 0x01, 0x02]);
        let data = AuthenticatorData::read(&whole).unwrap();
        let credential = data.credential.clone().unwrap();
        assert_eq!((credential.id, credential.key, data.sign_count), (&[8, 9][..], &[0xa1, 1, 2][..], 7));
        assert_eq!(data.check("localhost", false), Ok(()));
        assert_eq!(data.check("localhost", true), Err(Fault::NotVerified));
        assert_eq!(data.check("localhost.evil.example", false), Err(Fault::RelyingParty));
        for length in 0..whole.len() {
            assert!(AuthenticatorData::read(&whole[..length]).is_err(), "{length}");
        }
        assert!(AuthenticatorData::read(&[whole, vec![0]].concat()).is_err());
    }

    #[test]
    fn sec_18_depth_costs_no_stack() {
        let mut deep = vec![0; 37];
        deep[32] = USER_PRESENT | HAS_EXTENSIONS;
        deep.extend(std::iter::repeat_n(0x81, 900_000));
        assert!(AuthenticatorData::read(&deep).is_err());
        deep.push(0);
        assert!(AuthenticatorData::read(&deep).is_ok());
    }
}
