//! `auth.api_keys`: opaque API keys, by the hash of their text.

use ferrobase_base::scope::Scopes;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::tx::Tx;
use crate::error::Result;
use crate::params;

/// A key without its text, which nobody has but its holder.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct StoredKey {
    /// Its public id.
    pub id: Uuid,
    /// What it is for.
    pub name: String,
    /// The database role that it stands for.
    pub role: String,
    /// What it may be used for; nothing here is everything.
    pub scopes: Option<Vec<String>>,
    /// The beginning of its text.
    pub prefix: String,
    /// SHA-256 of its text, hexadecimal.
    #[serde(skip_serializing)]
    pub digest: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last used, to the minute.
    pub last_used_at: Option<Timestamp>,
    /// When it was taken back.
    pub revoked_at: Option<Timestamp>,
}

macro_rules! keys {
    ($rest:literal) => {
        concat!("select (to_jsonb(k) - 'hash' || jsonb_build_object('digest', encode(k.hash, 'hex')))::text ", $rest)
    };
}

/// All, newest first.
pub async fn list(tx: &mut Tx) -> Result<Vec<StoredKey>> {
    tx.all(keys!("from auth.api_keys k order by k.created_at desc, k.id"), Vec::new()).await
}

/// Those that are good.
pub async fn live(tx: &mut Tx) -> Result<Vec<StoredKey>> {
    tx.all(keys!("from auth.api_keys k where k.revoked_at is null"), Vec::new()).await
}

/// Keeps a new one; whether the database has its role. A duplicate name violates `api_keys_name_key`.
pub async fn insert(
    tx: &mut Tx,
    name: &str,
    role: &str,
    scopes: Option<&Scopes>,
    prefix: &str,
    digest: &str,
) -> Result<Option<StoredKey>> {
    let sql = "insert into auth.api_keys as k (name, role, scopes, prefix, hash)
        select $1, r.rolname, string_to_array($3, ' '), $4, decode($5, 'hex') from pg_roles r where r.rolname = $2
        returning (to_jsonb(k) - 'hash' || jsonb_build_object('digest', encode(k.hash, 'hex')))::text";
    tx.one(sql, params![name, role, scopes.map(|scopes| scopes.texts().join(" ")), prefix, digest]).await
}

/// Takes one back, by its id or name; whether there was one.
pub async fn revoke(tx: &mut Tx, name: &str) -> Result<bool> {
    let sql = "update auth.api_keys set revoked_at = now() where revoked_at is null and (name = $1 or id::text = $1)";
    Ok(tx.execute(sql, params![name]).await? > 0)
}

/// Remembers uses; a mark that is younger than a minute is left.
pub async fn used(tx: &mut Tx, ids: &[String]) -> Result<()> {
    let sql = "update auth.api_keys set last_used_at = now()
        where id in (select unnest(string_to_array($1, ','))::uuid)
          and (last_used_at is null or last_used_at < now() - interval '1 minute')";
    tx.execute(sql, params![ids.join(",")]).await.map(drop)
}
