//! Passwords: how they are hashed and checked, which are good enough, and signing in with one.

mod grant;
mod hash;
mod hasher;
mod leaked;
mod rules;

pub use grant::{PasswordGrant, grant};
pub use hash::Scheme;
pub use hasher::{Hasher, HasherError, Verdict};
pub use leaked::check_leaked;
pub use rules::check;

/// Longest password in bytes, as everywhere in this API: bcrypt reads no more.
pub const LONGEST: usize = 72;
