//! Stored hashes: argon2id for new ones; argon2 of any kind and bcrypt for accounts that came from elsewhere.
//!
//! Invariant: a stored hash never decides to use more than bounded memory and time: hashes are imported from files.

use argon2::password_hash::phc::PasswordHash;
use argon2::{Algorithm, Argon2, Params, PasswordVerifier, Version};

/// Most memory of an imported hash, in KiB.
const MOST_MEMORY: u32 = 1024 * 1024;
const MOST_PASSES: u32 = 20;
const MOST_LANES: u32 = 16;
/// bcrypt doubles with each step; 14 is about a second.
const HIGHEST_COST: u32 = 15;

/// A hash that cannot be checked here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the password hash is of no known kind, or asks for too much memory or time")]
pub struct UnusableHash;

/// What made a stored hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// argon2 with these parameters.
    Argon2 {
        /// Which kind.
        algorithm: Algorithm,
        /// Memory in KiB.
        memory: u32,
        /// Passes.
        passes: u32,
        /// Lanes.
        lanes: u32,
    },
    /// bcrypt.
    Bcrypt,
}

impl Scheme {
    /// Recognises a hash.
    ///
    /// # Errors
    /// A text that is none, or one that asks for too much.
    pub fn of(hash: &str) -> Result<Self, UnusableHash> {
        if hash.starts_with("$argon2") {
            return argon2_scheme(hash);
        }
        let cost = ["$2a$", "$2b$", "$2y$", "$2x$"].iter().find_map(|prefix| hash.strip_prefix(prefix));
        let cost: u32 = cost.and_then(|rest| rest.get(..2)?.parse().ok()).ok_or(UnusableHash)?;
        let fits = hash.len() == 60 && hash.is_ascii() && (4..=HIGHEST_COST).contains(&cost);
        fits.then_some(Self::Bcrypt).ok_or(UnusableHash)
    }

    /// Whether this hash is of this password.
    pub(super) fn verify(self, password: &str, hash: &str) -> bool {
        match self {
            Self::Argon2 { .. } => PasswordHash::new(hash)
                .is_ok_and(|parsed| Argon2::default().verify_password(password.as_bytes(), &parsed).is_ok()),
            Self::Bcrypt => bcrypt::verify(password, hash).unwrap_or(false),
        }
    }

    /// Whether these parameters made it.
    pub(super) fn is_current(self, params: &Params) -> bool {
        let current = Self::Argon2 {
            algorithm: Algorithm::Argon2id,
            memory: params.m_cost(),
            passes: params.t_cost(),
            lanes: params.p_cost(),
        };
        self == current
    }
}

fn argon2_scheme(hash: &str) -> Result<Scheme, UnusableHash> {
    let parsed = PasswordHash::new(hash).map_err(|_| UnusableHash)?;
    let algorithm = Algorithm::try_from(parsed.algorithm.as_str()).map_err(|_| UnusableHash)?;
    let version = parsed.version.map_or(Ok(Version::V0x10), Version::try_from);
    let params = Params::try_from(&parsed).map_err(|_| UnusableHash)?;
    let (memory, passes, lanes) = (params.m_cost(), params.t_cost(), params.p_cost());
    let bounded = memory <= MOST_MEMORY && passes <= MOST_PASSES && lanes <= MOST_LANES;
    (bounded && version.is_ok() && parsed.hash.is_some())
        .then_some(Scheme::Argon2 { algorithm, memory, passes, lanes })
        .ok_or(UnusableHash)
}
