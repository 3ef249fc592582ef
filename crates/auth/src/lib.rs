//! Signing in: accounts, sessions and their tokens, as `supabase.auth.*` speaks to them (`/auth/v1`).
//!
//! A room. A request goes: `caller` (who asks, what was sent) -> a flow's folder (`signup`, `password`, `session`, `user`,
//! `admin`, ...: the rules of the contract) -> `store` (SQL in one transaction as the schema's owner) -> `session::issue` and
//! `keys` (tokens) -> JSON (`user::shape`). Each flow contributes its routes to `router`.
//! Invariants: nothing here runs in the database as the caller; a handler answers only after its transaction ended;
//! `app_metadata` is written by administrators and by the server, never by users; codes, tokens and passwords are compared
//! in constant time and never logged.
//! Read on: docs/guide/auth.md, docs/adr/0014 (database access, passwords, keys, refresh tokens), `error` (codes).

mod account;
mod admin;
pub mod api_keys;
pub mod caller;
mod captcha;
pub mod config;
mod custom_providers;
pub mod error;
pub mod hooks;
pub mod keys;
mod landing;
pub mod limit;
pub mod mail;
mod mfa;
mod oauth;
mod oauth_server;
pub mod operate;
pub mod outbound;
mod passkeys;
mod password;
pub mod pkce;
mod proof;
mod provider;
mod query;
pub mod redirect;
mod router;
mod service;
pub mod session;
mod settings;
mod signup;
pub mod sms;
pub mod store;
pub mod user;
mod verify;
mod web3;
mod webauthn;

pub use error::{Error, ErrorCode, Result};
pub use password::{Hasher, HasherError};
pub use router::{Deps, room, router};
pub use settings::Settings;

use ferrobase_request::install::{Migration, RoomMigrations, RoomOwner};

/// Whose schema `auth` is, and how this room logs in.
pub const OWNER: RoomOwner = RoomOwner { schema: "auth", role: "supabase_auth_admin", login: "authenticator_auth" };

/// Migrations of schema `auth`.
pub const MIGRATIONS: RoomMigrations = RoomMigrations {
    room: "auth",
    owner: Some(OWNER),
    migrations: &[
        Migration { version: 1, name: "types", sql: include_str!("../migrations/0001_types.sql") },
        Migration { version: 2, name: "users", sql: include_str!("../migrations/0002_users.sql") },
        Migration { version: 3, name: "sessions", sql: include_str!("../migrations/0003_sessions.sql") },
        Migration { version: 4, name: "providers", sql: include_str!("../migrations/0004_providers.sql") },
        Migration { version: 5, name: "privacy", sql: include_str!("../migrations/0005_privacy.sql") },
        Migration { version: 6, name: "proofs", sql: include_str!("../migrations/0006_proofs.sql") },
        Migration { version: 7, name: "outbox", sql: include_str!("../migrations/0007_outbox.sql") },
        Migration {
            version: 10,
            name: "oauth_client_states",
            sql: include_str!("../migrations/0010_oauth_client_states.sql"),
        },
        Migration { version: 11, name: "web3_messages", sql: include_str!("../migrations/0011_web3_messages.sql") },
        Migration { version: 13, name: "second_factors", sql: include_str!("../migrations/0013_second_factors.sql") },
        Migration { version: 14, name: "api_keys", sql: include_str!("../migrations/0014_api_keys.sql") },
        Migration {
            version: 15,
            name: "names_as_elsewhere",
            sql: include_str!("../migrations/0015_names_as_elsewhere.sql"),
        },
        Migration {
            version: 16,
            name: "scopes_of_api_keys",
            sql: include_str!("../migrations/0016_scopes_of_api_keys.sql"),
        },
        Migration {
            version: 17,
            name: "custom_providers",
            sql: include_str!("../migrations/0017_custom_providers.sql"),
        },
        Migration { version: 18, name: "rotation_times", sql: include_str!("../migrations/0018_rotation_times.sql") },
        Migration { version: 19, name: "codes_die_alone", sql: include_str!("../migrations/0019_codes_die_alone.sql") },
        Migration {
            version: 20,
            name: "addresses_with_capitals",
            sql: include_str!("../migrations/0020_addresses_with_capitals.sql"),
        },
        Migration {
            version: 21,
            name: "waiting_passwords",
            sql: include_str!("../migrations/0021_waiting_passwords.sql"),
        },
    ],
};
