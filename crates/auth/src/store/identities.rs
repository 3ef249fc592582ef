//! `auth.identities`: ways into accounts.

use serde_json::{Map, Value};
use uuid::Uuid;

use super::tx::Tx;
use crate::error::Result;
use crate::params;
use crate::user::Identity;

/// Adds a way into an account. A duplicate violates `identities_provider_id_provider_unique`.
pub async fn insert(tx: &mut Tx, user: Uuid, provider: &str, subject: &str, data: &Map<String, Value>) -> Result<()> {
    let sql = "insert into auth.identities
        (provider_id, user_id, identity_data, provider, last_sign_in_at, created_at, updated_at)
        values ($1, $2::uuid, $3::jsonb, $4, now(), now(), now())";
    tx.execute(sql, params![subject, user, data, provider]).await.map(drop)
}

/// The account's way through this provider.
pub async fn find(tx: &mut Tx, user: Uuid, provider: &str) -> Result<Option<Identity>> {
    let sql = "select to_jsonb(i)::text from auth.identities i where user_id = $1::uuid and provider = $2
        order by created_at limit 1";
    tx.one(sql, params![user, provider]).await
}

/// Who comes from this provider under this name.
pub async fn find_by_subject(tx: &mut Tx, provider: &str, subject: &str) -> Result<Option<Identity>> {
    let sql = "select to_jsonb(i)::text from auth.identities i where provider = $1 and provider_id = $2";
    tx.one(sql, params![provider, subject]).await
}

/// Merges keys into what the provider says; null deletes one.
pub async fn merge(tx: &mut Tx, id: Uuid, data: &Map<String, Value>) -> Result<()> {
    let sql = "update auth.identities set identity_data = jsonb_strip_nulls(identity_data || $2::jsonb),
        updated_at = now() where id = $1::uuid";
    tx.execute(sql, params![id, data]).await.map(drop)
}

/// Somebody came in by this way; what the provider says now is merged, null deletes a key.
pub async fn used(tx: &mut Tx, id: Uuid, data: &Map<String, Value>) -> Result<()> {
    let sql = "update auth.identities set identity_data = jsonb_strip_nulls(identity_data || $2::jsonb),
        last_sign_in_at = now(), updated_at = now() where id = $1::uuid";
    tx.execute(sql, params![id, data]).await.map(drop)
}

/// Takes the account's ways through this provider away.
pub async fn delete_all(tx: &mut Tx, user: Uuid, provider: &str) -> Result<()> {
    let sql = "delete from auth.identities where user_id = $1::uuid and provider = $2";
    tx.execute(sql, params![user, provider]).await.map(drop)
}

/// Takes a way away.
pub async fn delete(tx: &mut Tx, id: Uuid) -> Result<()> {
    tx.execute("delete from auth.identities where id = $1::uuid", params![id]).await.map(drop)
}
