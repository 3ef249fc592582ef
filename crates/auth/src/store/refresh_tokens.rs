//! `auth.refresh_tokens`: tokens of sessions that were imported from elsewhere. Ours need no rows.

use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use super::tx::Tx;
use crate::error::Result;
use crate::params;

/// An imported token.
#[derive(Clone, Debug, Deserialize)]
pub struct Imported {
    /// Its row.
    pub id: i64,
    /// Its session.
    pub session_id: Option<Uuid>,
    /// Whether it was used or taken back.
    #[serde(default)]
    pub revoked: Option<bool>,
    /// Whether it is the newest of its session.
    pub is_newest: bool,
    /// Seconds since it was last changed: since it was used, when it is revoked.
    pub age: f64,
}

/// By its text, which is in no statement.
pub async fn find(tx: &mut Tx, token: &str) -> Result<Option<Imported>> {
    let hash: String = Sha256::digest(token).iter().map(|byte| format!("{byte:02x}")).collect();
    let sql = "select jsonb_build_object('id', t.id, 'session_id', t.session_id, 'revoked', t.revoked, 'is_newest', not exists (
            select from auth.refresh_tokens n where n.session_id = t.session_id and n.id > t.id),
            'age', extract(epoch from now() - coalesce(t.updated_at, t.created_at, 'epoch')))::text
        from auth.refresh_tokens t where auth.refresh_token_hash(t.token) = $1";
    tx.one(sql, params![hash]).await
}

/// It was used.
pub async fn revoke(tx: &mut Tx, id: i64) -> Result<()> {
    let sql = "update auth.refresh_tokens set revoked = true, updated_at = now() where id = $1::int8";
    tx.execute(sql, params![id]).await.map(drop)
}
