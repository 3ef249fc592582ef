//! Opaque API keys (`sb_publishable_...`, `sb_secret_...`): made, looked up without a database, remembered as used.
//!
//! The edge asks for every request, so the live keys are in memory ([`KeyRing`]) and read again every few seconds by whoever runs
//! [`KeyRing::refresh`]: a key that was taken back works for so long. A key is 256 random bits and stored as its SHA-256: there
//! is nothing to guess and nothing to slow down. What a key may do is its database role, and where it may do so its scopes
//! (`base::scope`), which the edge compares. Invariant: the text of a key exists where it was printed, once, and nowhere else.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ferrobase_base::Secret;
use ferrobase_base::ports::{ApiKeyGrant, ApiKeys};
use ferrobase_base::scope::Scopes;
use ferrobase_pg::Pool;
use sha2::{Digest, Sha256};

use crate::error::{Error, Result};
use crate::store::api_keys::{self, StoredKey};
use crate::store::{Database, is_duplicate};

/// Letters of a key that are shown in lists, after its kind.
const SHOWN: usize = 5;
/// Most characters of a name; the table has the same bound.
const LONGEST_NAME: usize = 120;

/// What a key is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyKind {
    /// Stands in applications that everybody can read.
    Publishable,
    /// Stays on servers.
    Secret,
}

impl KeyKind {
    /// How its keys begin.
    pub fn prefix(self) -> &'static str {
        match self {
            Self::Publishable => "sb_publishable_",
            Self::Secret => "sb_secret_",
        }
    }

    /// The role of a key for which none is chosen.
    pub fn role(self) -> &'static str {
        match self {
            Self::Publishable => "anon",
            Self::Secret => "service_role",
        }
    }
}

/// Makes a key. Its text is in the answer and nowhere else.
///
/// # Errors
/// A name that another key has, a role that the database does not have.
pub async fn create(
    pool: &Pool,
    kind: KeyKind,
    name: &str,
    role: &str,
    scopes: Option<&Scopes>,
) -> Result<(Secret, StoredKey)> {
    if name.is_empty() || name.chars().count() > LONGEST_NAME || name.contains(char::is_control) {
        return Err(Error::invalid(format!("a key needs a name of one line, of at most {LONGEST_NAME} characters")));
    }
    let text = format!("{}{}", kind.prefix(), URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>()));
    let shown = &text[..kind.prefix().len() + SHOWN];
    let mut tx = Database::internal(pool.clone()).begin().await?;
    let stored = api_keys::insert(&mut tx, name, role, scopes, shown, &hex(&digest(&text))).await;
    let stored = stored.map_err(|error| {
        let taken = is_duplicate(&error, "api_keys_name_key");
        if taken { Error::invalid(format!("there is a key named {name} already")) } else { error }
    })?;
    let stored = stored.ok_or_else(|| Error::invalid(format!("the database has no role {role}")))?;
    tx.commit().await?;
    Ok((Secret::new(text), stored))
}

/// All keys, newest first.
///
/// # Errors
/// Those of the database.
pub async fn list(pool: &Pool) -> Result<Vec<StoredKey>> {
    let mut tx = Database::internal(pool.clone()).begin().await?;
    let keys = api_keys::list(&mut tx).await?;
    tx.commit().await?;
    Ok(keys)
}

/// Takes a key back, by its id or name; whether there was one.
///
/// # Errors
/// Those of the database.
pub async fn revoke(pool: &Pool, name: &str) -> Result<bool> {
    let mut tx = Database::internal(pool.clone()).begin().await?;
    let revoked = api_keys::revoke(&mut tx, name).await?;
    tx.commit().await?;
    Ok(revoked)
}

/// The live keys of one database.
#[derive(Default)]
pub struct KeyRing {
    keys: ArcSwap<HashMap<[u8; 32], ApiKeyGrant>>,
    /// Ids of keys that were used since they were last written down.
    used: Mutex<HashSet<String>>,
}

impl ApiKeys for KeyRing {
    fn find(&self, sha256: &[u8; 32]) -> Option<ApiKeyGrant> {
        let grant = self.keys.load().get(sha256).cloned()?;
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        if !used.contains(&grant.id) {
            used.insert(grant.id.clone());
        }
        Some(grant)
    }
}

impl KeyRing {
    /// Reads the live keys again, and writes down which were used.
    ///
    /// # Errors
    /// Those of the database; the keys known before stay in force.
    pub async fn refresh(&self, pool: &Pool) -> Result<()> {
        let used: Vec<String> = self.used.lock().unwrap_or_else(PoisonError::into_inner).drain().collect();
        let mut tx = Database::internal(pool.clone()).begin().await?;
        if !used.is_empty() {
            api_keys::used(&mut tx, &used).await?;
        }
        let live = api_keys::live(&mut tx).await?;
        tx.commit().await?;
        let grant = |key: StoredKey| {
            let hash = crate::store::passkeys::from_hex(&key.digest).try_into().ok()?;
            let scopes = key.scopes.map(|texts| Arc::new(Scopes::stored(texts)));
            Some((hash, ApiKeyGrant { role: key.role, id: key.id.to_string(), scopes }))
        };
        self.keys.store(Arc::new(live.into_iter().filter_map(grant).collect()));
        Ok(())
    }
}

fn digest(text: &str) -> [u8; 32] {
    Sha256::digest(text.as_bytes()).into()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
