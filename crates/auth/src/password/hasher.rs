//! Hashes passwords beside the threads that answer requests, a bounded number at once.
//!
//! A hash is meant to be slow: twenty thousand KiB of memory and some twenty milliseconds of a processor. Callers wait
//! here, in order, while other requests go on; who would wait too long is told to come again. Connections to the database
//! are not held meanwhile.
//! Invariant: an unknown account costs what a known one costs ([`Hasher::verify`] without a hash).

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use argon2::{Algorithm, Argon2, Params, PasswordHasher, Version};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use http::StatusCode;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::hash::Scheme;
use crate::config::PasswordSection;
use crate::error::{Error, ErrorCode, Result};

/// Most callers that wait for each hash that is computed.
const WAITING: usize = 100;

/// Hashing cannot be set up.
#[derive(Clone, Debug, thiserror::Error)]
#[error("password hashing cannot be set up: {0}")]
pub struct HasherError(String);

/// What became of a check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Another password, or no account.
    Wrong,
    /// The password; with a new hash when the stored one is not what new ones are.
    Right(Option<String>),
}

/// Hashes and checks. Cheap to clone; clones share the bound.
#[derive(Clone)]
pub struct Hasher(Arc<Inner>);

struct Inner {
    argon2: Argon2<'static>,
    permits: Arc<Semaphore>,
    parallel: usize,
    waiting: AtomicUsize,
    /// A hash of no password, for accounts that are not there.
    nobody: String,
}

impl Hasher {
    /// A hasher with these parameters.
    ///
    /// # Errors
    /// Parameters that argon2 does not take.
    pub fn new(section: &PasswordSection) -> Result<Self, HasherError> {
        let memory = u32::try_from(section.hash_memory.as_usize() / 1024).unwrap_or(u32::MAX);
        let params = Params::new(memory, section.hash_passes, 1, None);
        let params = params.map_err(|error| HasherError(error.to_string()))?;
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        let nobody = of_nobody(argon2.params());
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        let parallel = match section.hash_parallel {
            0 => (processors / 2).max(1),
            chosen => chosen as usize,
        };
        let (permits, waiting) = (Arc::new(Semaphore::new(parallel)), AtomicUsize::new(0));
        Ok(Self(Arc::new(Inner { argon2, permits, parallel, waiting, nobody })))
    }

    /// A new hash.
    ///
    /// # Errors
    /// Too many callers wait.
    pub async fn hash(&self, password: &str) -> Result<String> {
        let password = password.to_owned();
        self.beside(move |inner| hash(&inner.argon2, &password)).await?.map_err(Error::internal("hashing a password"))
    }

    /// Whether a stored hash is of this password. Without a stored hash it takes as long, and is not.
    ///
    /// # Errors
    /// Too many callers wait.
    pub async fn verify(&self, password: &str, stored: Option<&str>) -> Result<Verdict> {
        let (password, stored) = (password.to_owned(), stored.map(str::to_owned));
        self.beside(move |inner| {
            let known = stored.as_deref().and_then(|hash| Some((Scheme::of(hash).ok()?, hash)));
            let Some((scheme, stored)) = known else {
                let scheme = Scheme::of(&inner.nobody).map(|scheme| scheme.verify(&password, &inner.nobody));
                std::hint::black_box(&scheme);
                return Verdict::Wrong;
            };
            if !scheme.verify(&password, stored) {
                return Verdict::Wrong;
            }
            // A new hash that fails leaves the old one in place.
            let is_current = scheme.is_current(inner.argon2.params());
            Verdict::Right((!is_current).then(|| hash(&inner.argon2, &password).ok()).flatten())
        })
        .await
    }

    async fn beside<T: Send + 'static>(&self, work: impl FnOnce(&Inner) -> T + Send + 'static) -> Result<T> {
        let permit = self.permit().await?;
        let inner = Arc::clone(&self.0);
        // Who leaves lets a hash go on, which keeps its permit until it is done.
        let done = tokio::task::spawn_blocking(move || {
            let done = work(&inner);
            drop(permit);
            done
        });
        let done = done.await;
        done.map_err(Error::internal("hashing a password"))
    }

    async fn permit(&self) -> Result<OwnedSemaphorePermit> {
        let inner = &*self.0;
        let _place = Place::take(&inner.waiting, WAITING * inner.parallel)?;
        Arc::clone(&inner.permits).acquire_owned().await.map_err(Error::internal("waiting for a hash"))
    }
}

/// A place among those who wait; left when dropped.
struct Place<'a>(&'a AtomicUsize);

impl<'a> Place<'a> {
    fn take(waiting: &'a AtomicUsize, most: usize) -> Result<Self> {
        let place = Self(waiting);
        if waiting.fetch_add(1, Ordering::Relaxed) < most {
            return Ok(place);
        }
        Err(Error::Refused {
            status: StatusCode::SERVICE_UNAVAILABLE,
            code: ErrorCode::OverRequestRateLimit,
            message: "Too many people are signing in, please retry after a moment.".into(),
            retry_after: Some(Duration::from_secs(2)),
        })
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A hash that no password has. It is written, not made: making one takes a start 20 MB and as many milliseconds.
fn of_nobody(params: &Params) -> String {
    let (salt, output): ([u8; 16], [u8; 32]) = (rand::random(), rand::random());
    let [salt, output] = [&salt[..], &output[..]].map(|bytes| STANDARD_NO_PAD.encode(bytes));
    let (memory, passes, lanes) = (params.m_cost(), params.t_cost(), params.p_cost());
    format!("$argon2id$v=19$m={memory},t={passes},p={lanes}${salt}${output}")
}

fn hash(argon2: &Argon2<'_>, password: &str) -> Result<String, argon2::password_hash::Error> {
    let salt: [u8; 16] = rand::random();
    Ok(argon2.hash_password_with_salt(password.as_bytes(), &salt)?.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hasher() -> Hasher {
        let section = PasswordSection { hash_passes: 1, hash_parallel: 1, ..PasswordSection::default() };
        Hasher::new(&section).unwrap()
    }

    #[tokio::test]
    async fn a_hash_is_of_its_password_only() {
        let hasher = hasher();
        let stored = hasher.hash("correct horse").await.unwrap();
        assert!(stored.starts_with("$argon2id$v=19$m=19456,t=1,p=1$"), "{stored}");
        assert_eq!(hasher.verify("correct horse", Some(&stored)).await.unwrap(), Verdict::Right(None));
        assert_eq!(hasher.verify("Correct horse", Some(&stored)).await.unwrap(), Verdict::Wrong);
        assert_eq!(hasher.verify("nobody's", None).await.unwrap(), Verdict::Wrong);
        assert_ne!(stored, hasher.hash("correct horse").await.unwrap());
    }

    /// Else looking for somebody who is not there would be quicker.
    #[test]
    fn the_hash_of_nobody_costs_what_a_hash_costs() {
        let hasher = hasher();
        let nobody = &hasher.0.nobody;
        assert!(Scheme::of(nobody).unwrap().is_current(hasher.0.argon2.params()), "{nobody}");
        let parsed = argon2::PasswordHash::new(nobody).unwrap();
        assert_eq!(parsed.hash.unwrap().as_bytes().len(), 32);
        assert_ne!(*nobody, of_nobody(hasher.0.argon2.params()));
    }

    #[tokio::test]
    async fn imported_hashes_are_verified_and_replaced() {
        let hasher = hasher();
        let bcrypt = bcrypt::hash("imported", 4).unwrap();
        let older = "$argon2i$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$wWKIMhR9lyDFvRz9YTZweHKfbftvj+qf+YFY4NeBbtA";
        for (stored, password) in [(bcrypt.as_str(), "imported"), (older, "password")] {
            assert_eq!(hasher.verify("another", Some(stored)).await.unwrap(), Verdict::Wrong);
            let Verdict::Right(Some(new)) = hasher.verify(password, Some(stored)).await.unwrap() else {
                panic!("{stored} is not replaced")
            };
            assert!(new.starts_with("$argon2id$"), "{new}");
        }
    }

    #[test]
    fn a_stored_hash_cannot_ask_for_everything() {
        let of = |params: &str| {
            Scheme::of(&format!("$argon2id$v=19${params}$c29tZXNhbHQxMjM0$wWKIMhR9lyDFvRz9YTZweHKfbftvj+qf+YFY4NeBbtA"))
        };
        assert!(of("m=65536,t=3,p=4").is_ok());
        for params in ["m=4194304,t=1,p=1", "m=65536,t=1000,p=1", "m=65536,t=1,p=255"] {
            assert!(of(params).is_err(), "{params}");
        }
        for hash in
            ["", "plain", "$2a$31$abcdefghijklmnopqrstuuN2Fg5hXQuX5b3e7p0aQbO3o1Yc0Gx1S", "$2a$10$short", "$argon2id$"]
        {
            assert!(Scheme::of(hash).is_err(), "{hash}");
        }
    }

    #[tokio::test]
    async fn callers_beyond_the_bound_are_told_to_come_again() {
        let hasher = hasher();
        let _held = hasher.0.permits.acquire().await.unwrap();
        hasher.0.waiting.store(WAITING, Ordering::Relaxed);
        let refused = hasher.hash("x").await.unwrap_err();
        assert!(matches!(refused, Error::Refused { status: StatusCode::SERVICE_UNAVAILABLE, .. }), "{refused:?}");
        assert_eq!(hasher.0.waiting.load(Ordering::Relaxed), WAITING, "who was refused does not wait");
    }
}
