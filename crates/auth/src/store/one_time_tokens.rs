//! `auth.one_time_tokens`: what codes and links in mails and messages stand for. A user has at most one of each type.

use uuid::Uuid;

use super::tx::Tx;
use crate::error::Result;
use crate::params;

/// What a token is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenType {
    /// Proving a new account's address or number.
    Confirmation,
    /// Signing in again before a change.
    Reauthentication,
    /// Signing in without a password.
    Recovery,
    /// The new address of a change.
    EmailChangeNew,
    /// The old address of a change.
    EmailChangeCurrent,
    /// The new number of a change.
    PhoneChange,
}

impl TokenType {
    /// As `auth.one_time_token_type` has it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Confirmation => "confirmation_token",
            Self::Reauthentication => "reauthentication_token",
            Self::Recovery => "recovery_token",
            Self::EmailChangeNew => "email_change_token_new",
            Self::EmailChangeCurrent => "email_change_token_current",
            Self::PhoneChange => "phone_change_token",
        }
    }
}

/// Puts a token in the place of an earlier one. `relates_to` is the address or number that it was sent to.
pub async fn put(tx: &mut Tx, user: Uuid, kind: TokenType, hash: &str, relates_to: &str) -> Result<()> {
    let sql = "insert into auth.one_time_tokens (id, user_id, token_type, token_hash, relates_to, created_at, updated_at)
        values ($1::uuid, $2::uuid, $3::auth.one_time_token_type, $4, $5, now() at time zone 'utc', now() at time zone 'utc')
        on conflict (user_id, token_type) do update set id = excluded.id, token_hash = excluded.token_hash,
            relates_to = excluded.relates_to, created_at = excluded.created_at, updated_at = excluded.updated_at";
    tx.execute(sql, params![Uuid::new_v4(), user, kind.as_str(), hash, relates_to]).await.map(drop)
}

/// Takes a token back.
pub async fn delete(tx: &mut Tx, user: Uuid, kind: TokenType) -> Result<()> {
    let sql = "delete from auth.one_time_tokens where user_id = $1::uuid and token_type = $2::auth.one_time_token_type";
    tx.execute(sql, params![user, kind.as_str()]).await.map(drop)
}

/// Takes all of a user's tokens back.
pub async fn delete_all(tx: &mut Tx, user: Uuid) -> Result<()> {
    tx.execute("delete from auth.one_time_tokens where user_id = $1::uuid", params![user]).await.map(drop)
}
