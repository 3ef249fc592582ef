//! `auth.refresh_tokens`: tokens of sessions that were imported from elsewhere. Ours need no rows.

use serde::Deserialize;
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
}

/// By its text.
pub async fn find(tx: &mut Tx, token: &str) -> Result<Option<Imported>> {
    let sql = "select jsonb_build_object('id', t.id, 'session_id', t.session_id, 'revoked', t.revoked, 'is_newest', not exists (
            select from auth.refresh_tokens n where n.session_id = t.session_id and n.id > t.id))::text
        from auth.refresh_tokens t where t.token = $1";
    tx.one(sql, params![token]).await
}

/// It was used.
pub async fn revoke(tx: &mut Tx, id: i64) -> Result<()> {
    let sql = "update auth.refresh_tokens set revoked = true, updated_at = now() where id = $1::int8";
    tx.execute(sql, params![id]).await.map(drop)
}
