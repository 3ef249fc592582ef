//! Signing keys that the database keeps, so that every node has them without a file and without a restart.
//!
//! A key is worked out from a seed that PostgreSQL made (`request::install::secrets`), so that no statement, and no log of
//! statements, ever holds a private key. Which keys there are and which of them signs is a list beside the seeds.
//! Only the owner of the database reads either: code that runs as this room's role (hooks, triggers) signs nothing.

use std::collections::HashMap;

use ferrobase_base::Secret;
use ferrobase_pg::{Error as PgError, Session};
use ferrobase_request::install::secrets;
use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use sha2::Sha256;

use super::make::{KeyFile, key_of};

/// How the names of what is kept begin.
pub const PREFIX: &str = "room.auth.signing_key";
const LIST: &str = "room.auth.signing_keys";
const PURPOSE: &[u8] = b"ferrobase signing key ES256";

/// A line of the list.
#[derive(Deserialize, Serialize)]
struct Listed {
    kid: String,
    signs: bool,
}

/// What is to be done with the keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// A first key, which signs.
    Generate,
    /// One more, which verifies only.
    Standby,
    /// This key signs from now on, else the newest that does not.
    Rotate(Option<String>),
    /// This key goes. One that signs stays, unless it is the last.
    Remove(String),
}

/// Why nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum ChangeError {
    /// A first key is asked for, and there are some.
    #[error("the database has signing keys: `standby` and `rotate` change them")]
    NotEmpty,
    /// There is none at all.
    #[error("the database has no signing keys: `generate` makes the first")]
    Empty,
    /// No other key could sign.
    #[error("there is no key that could sign instead: `standby` makes one")]
    NoOther,
    /// Not there, or it signs.
    #[error("no key {0} that does not sign is in the database")]
    NotRemovable(String),
    /// The database failed.
    #[error("{0}")]
    Database(#[from] PgError),
}

/// The keys among the secrets of the installation. What does not belong together is left out and told of.
pub fn read(secrets: &HashMap<String, Secret>) -> KeyFile {
    let listed = secrets.get(LIST).map(|list| serde_json::from_str::<Vec<Listed>>(list.expose()));
    let listed = match listed.transpose() {
        Ok(listed) => listed.unwrap_or_default(),
        Err(error) => {
            tracing::error!(%error, "the list of signing keys in the database cannot be read; none of them counts");
            return KeyFile::default();
        }
    };
    let key = |line: &Listed| {
        let seed = secrets.get(&name(&line.kid));
        if seed.is_none() {
            tracing::error!(kid = line.kid, "a signing key of the database has no seed; it does not count");
        }
        Some(key_of(&derived(seed?), &line.kid, line.signs))
    };
    let file = KeyFile::of(listed.iter().filter_map(key).collect());
    if file.list().iter().filter(|key| key.signs).count() > 1 {
        tracing::error!("several signing keys of the database want to sign; none of them counts");
        return KeyFile::default();
    }
    file
}

/// The keys of a database, as its owner.
///
/// # Errors
/// Those of the database.
pub async fn load(session: &mut Session) -> Result<KeyFile, PgError> {
    Ok(read(&secrets::list(session, PREFIX).await?))
}

/// Changes the keys of a database, as its owner, and gives what there is then.
///
/// # Errors
/// There is nothing that could be changed so; those of the database. Nothing is changed then.
pub async fn change(session: &mut Session, change: &Change) -> Result<KeyFile, ChangeError> {
    session.script("begin").await?;
    let changed = change_in(session, change).await;
    session.script(if changed.is_ok() { "commit" } else { "rollback" }).await?;
    changed
}

async fn change_in(session: &mut Session, change: &Change) -> Result<KeyFile, ChangeError> {
    secrets::lock(session).await?;
    let mut file = load(session).await?;
    match change {
        Change::Generate if !file.is_empty() => return Err(ChangeError::NotEmpty),
        Change::Standby | Change::Rotate(_) if file.is_empty() => return Err(ChangeError::Empty),
        Change::Generate | Change::Standby => {
            let kid = uuid::Uuid::now_v7().to_string();
            secrets::generate(session, &name(&kid)).await?;
            let made = secrets::list(session, &name(&kid)).await?;
            let seed = made.get(&name(&kid)).ok_or(ChangeError::Empty)?;
            file.add(key_of(&derived(seed), &kid, *change == Change::Generate));
        }
        Change::Rotate(wanted) => {
            file.rotate(wanted.as_deref()).ok_or(ChangeError::NoOther)?;
        }
        Change::Remove(kid) => {
            // The last one may go: what signed before signs again.
            let is_last = file.list().iter().all(|key| key.kid == *kid) && !file.is_empty();
            if is_last {
                file = KeyFile::default();
            } else if !file.remove(kid) {
                return Err(ChangeError::NotRemovable(kid.clone()));
            }
            secrets::delete(session, &name(kid)).await?;
        }
    }
    let list: Vec<_> = file.list().into_iter().map(|key| Listed { kid: key.kid, signs: key.signs }).collect();
    secrets::put(session, LIST, &serde_json::to_string(&list).unwrap_or_default()).await?;
    Ok(file)
}

fn name(kid: &str) -> String {
    format!("{PREFIX}.{kid}")
}

/// The private key of a seed.
fn derived(seed: &Secret) -> p256::SecretKey {
    let mut counter = 0_u64;
    loop {
        // Every length of key is fine for an HMAC.
        let mut mac = Hmac::<Sha256>::new_from_slice(seed.expose().as_bytes()).unwrap_or_else(|_| unreachable!());
        mac.update(PURPOSE);
        mac.update(&counter.to_be_bytes());
        // Not every 256 bits are a key, but nearly all are.
        if let Ok(secret) = p256::SecretKey::from_slice(&mac.finalize().into_bytes()) {
            return secret;
        }
        counter += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::SigningKeys;

    fn secrets(list: &str, kids: &[&str]) -> HashMap<String, Secret> {
        let seeds = kids.iter().map(|kid| (name(kid), Secret::new(format!("seed of {kid}"))));
        seeds.chain([(LIST.to_owned(), Secret::new(list))]).collect()
    }

    #[test]
    fn a_seed_is_always_the_same_key_and_others_are_others() {
        let list = r#"[{"kid": "a", "signs": true}, {"kid": "b", "signs": false}]"#;
        let file = read(&secrets(list, &["a", "b"]));
        assert_eq!(file, read(&secrets(list, &["a", "b"])));
        let keys = file.json();
        assert_ne!(keys["keys"][0]["d"], keys["keys"][1]["d"]);
        assert!(SigningKeys::read(&keys).is_ok(), "as a file would have it");
    }

    #[test]
    fn what_does_not_belong_together_signs_nothing() {
        let two = r#"[{"kid": "a", "signs": true}, {"kid": "b", "signs": true}]"#;
        assert!(read(&secrets(two, &["a", "b"])).is_empty());
        assert!(read(&secrets("{", &["a"])).is_empty());
        assert_eq!(read(&secrets(two, &["b"])).list().len(), 1, "a seed is missing");
        assert!(read(&HashMap::new()).is_empty());
    }
}
