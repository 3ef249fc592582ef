//! Who asks: from the credentials that a caller sent to an [`Identity`](crate::Identity).
//!
//! First thing that happens to a request, and the only place that decides a role. Plain and synchronous: knows no
//! HTTP and no connection, so that sockets, jobs and functions use it too.
//! Invariant: an invalid credential is an error, never a fallback to a weaker identity. Invariant: a token is verified
//! with our keys only; nothing in its header can bring a key or choose an algorithm that the key does not have.
//! Read on: `authenticate` (the order of credentials), `signature` (keys and algorithms), `claims` (times, audience),
//! `role_path` (where the role is in a token), `cache` (verified tokens), `configured` (keys from the configuration),
//! `fitness` (whether they are fit), `published` and `fetched` (keys from elsewhere).

mod authenticate;
mod authority;
mod cache;
mod claims;
mod configured;
mod error;
mod fetched;
mod fitness;
mod published;
pub mod role_path;
mod rules;
mod signature;
mod signing_keys;

pub use authenticate::{Credentials, Gate, authenticate, authenticate_at};
pub use authority::Authority;
pub use cache::{CacheStats, TokenCache};
pub use claims::ClaimsError;
pub use configured::{ConfiguredKeys, KeyTextError, SecretError, check_secret};
pub use error::AuthError;
pub use fetched::{FetchedKeys, Watcher};
pub use published::{Published, PublishedError};
pub use role_path::{RolePath, RolePathError};
pub use rules::{AllowedRoles, AuthRules};
pub use signature::TokenError;
