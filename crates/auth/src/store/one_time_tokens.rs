//! `auth.one_time_tokens`: what codes and links in mails and messages stand for. A user has at most one of each type.
//!
//! A row has two secrets: the link (`token_hash`, which nobody guesses) and the code (`code_hash`, which is dead after
//! [`TRIES`] wrong ones). The row stays then: nobody takes a link away by guessing.
//! Invariant: a code is compared only while its account is locked, so that guesses made at once count one by one.

use serde::Deserialize;
use uuid::Uuid;

use super::tx::Tx;
use crate::error::Result;
use crate::mail::Code;
use crate::params;

/// Wrong codes that a code survives, and one more.
pub const TRIES: i64 = 5;

/// What a token is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum TokenType {
    /// Proving a new account's address or number.
    #[serde(rename = "confirmation_token")]
    Confirmation,
    /// Signing in again before a change.
    #[serde(rename = "reauthentication_token")]
    Reauthentication,
    /// Signing in without a password.
    #[serde(rename = "recovery_token")]
    Recovery,
    /// The new address of a change.
    #[serde(rename = "email_change_token_new")]
    EmailChangeNew,
    /// The old address of a change.
    #[serde(rename = "email_change_token_current")]
    EmailChangeCurrent,
    /// The new number of a change.
    #[serde(rename = "phone_change_token")]
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

/// What a new token begins with.
#[derive(Clone, Copy, Debug)]
pub struct NewToken<'a> {
    /// Whose.
    pub user: Uuid,
    /// For what.
    pub kind: TokenType,
    /// Its secrets.
    pub code: &'a Code,
    /// The address or number that it is sent to.
    pub relates_to: &'a str,
    /// The flow that the link leads back to.
    pub flow: Option<Uuid>,
}

/// A token.
#[derive(Clone, Debug, Deserialize)]
#[allow(missing_docs)]
pub struct Token {
    pub id: Uuid,
    pub user_id: Uuid,
    pub token_type: TokenType,
    pub relates_to: String,
    pub code_hash: Option<String>,
    pub flow_state_id: Option<Uuid>,
    /// Seconds since it was made.
    pub age: f64,
}

macro_rules! token {
    ($rest:literal) => {
        concat!(
            "select (to_jsonb(t) || jsonb_build_object('age',
                extract(epoch from (now() at time zone 'utc') - t.created_at)))::text
            from auth.one_time_tokens t ",
            $rest
        )
    };
}

/// Puts a token in the place of an earlier one.
pub async fn put(tx: &mut Tx, new: &NewToken<'_>) -> Result<()> {
    let sql =
        "insert into auth.one_time_tokens (id, user_id, token_type, token_hash, code_hash, relates_to, flow_state_id,
            created_at, updated_at)
        values ($1::uuid, $2::uuid, $3::auth.one_time_token_type, $4, $5, $6, $7::uuid,
            now() at time zone 'utc', now() at time zone 'utc')
        on conflict (user_id, token_type) do update set id = excluded.id, token_hash = excluded.token_hash,
            code_hash = excluded.code_hash, relates_to = excluded.relates_to, flow_state_id = excluded.flow_state_id,
            tries = 0, created_at = excluded.created_at, updated_at = excluded.updated_at";
    let NewToken { user, kind, code, relates_to, flow } = new;
    let params = params![Uuid::new_v4(), user, kind.as_str(), code.link, code.hash, relates_to, flow];
    tx.execute(sql, params).await.map(drop)
}

/// By what stands in a link. What cannot be one is not even looked for, and in no statement.
pub async fn find_by_link(tx: &mut Tx, link: &str, kinds: &[TokenType]) -> Result<Option<Token>> {
    if !Code::is_link(link) {
        return Ok(None);
    }
    let sql = token!("where t.token_hash = $1 and t.token_type = any($2::auth.one_time_token_type[]) limit 1");
    tx.one(sql, params![link, list(kinds)]).await
}

/// The same row again, for this transaction alone; `None` when it was used or replaced meanwhile.
pub async fn lock(tx: &mut Tx, id: Uuid) -> Result<Option<Token>> {
    tx.one(token!("where t.id = $1::uuid for update of t"), params![id]).await
}

/// Whose tokens of these types were sent to an address or number, and have a living code. Several accounts may be about to change to it.
pub async fn owners(tx: &mut Tx, address: &str, kinds: &[TokenType]) -> Result<Vec<Uuid>> {
    let sql = "select to_jsonb(user_id)::text from auth.one_time_tokens
        where relates_to = $1 and token_type = any($2::auth.one_time_token_type[]) and tries < $3::int8
        group by user_id order by max(created_at) desc, user_id limit 5";
    tx.all(sql, params![address, list(kinds), TRIES]).await
}

/// An account's tokens of these types that were sent to an address or number and have a living code, for this transaction
/// alone.
pub async fn lock_of(tx: &mut Tx, user: Uuid, address: &str, kinds: &[TokenType]) -> Result<Vec<Token>> {
    let sql = token!(
        "where t.user_id = $1::uuid and t.relates_to = $2 and t.token_type = any($3::auth.one_time_token_type[])
        and t.tries < $4::int8 for update of t"
    );
    tx.all(sql, params![user, address, list(kinds), TRIES]).await
}

/// A wrong code was tried for these tokens; the code of whichever has had too many is dead.
pub async fn note_wrong(tx: &mut Tx, user: Uuid, address: &str, kinds: &[TokenType]) -> Result<()> {
    let sql = "update auth.one_time_tokens set tries = tries + 1
        where user_id = $1::uuid and relates_to = $2 and token_type = any($3::auth.one_time_token_type[])
            and tries < $4::int8";
    tx.execute(sql, params![user, address, list(kinds), TRIES]).await.map(drop)
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

/// As an array of PostgreSQL.
fn list(kinds: &[TokenType]) -> String {
    let names: Vec<_> = kinds.iter().map(|kind| kind.as_str()).collect();
    format!("{{{}}}", names.join(","))
}
