//! `auth.mfa_amr_claims`: how a session proved who its user is.

use serde::Deserialize;
use uuid::Uuid;

use super::tx::Tx;
use crate::error::Result;
use crate::params;

/// One proof.
#[derive(Clone, Debug, Deserialize)]
pub struct Proof {
    /// The method (`password`, `otp`, `totp`, ...).
    pub method: String,
    /// When, in seconds since the epoch.
    pub timestamp: i64,
}

/// Notes a proof; the same method again is a newer proof.
pub async fn note(tx: &mut Tx, session: Uuid, method: &str) -> Result<()> {
    let sql = "insert into auth.mfa_amr_claims (session_id, created_at, updated_at, authentication_method, id)
        values ($1::uuid, now(), now(), $2, $3::uuid)
        on conflict (session_id, authentication_method) do update set updated_at = now()";
    tx.execute(sql, params![session, method, Uuid::new_v4()]).await.map(drop)
}

/// A session's proofs, newest first.
pub async fn list(tx: &mut Tx, session: Uuid) -> Result<Vec<Proof>> {
    let sql = "select jsonb_build_object('method', authentication_method,
            'timestamp', floor(extract(epoch from updated_at))::int8)::text
        from auth.mfa_amr_claims where session_id = $1::uuid order by updated_at desc, created_at desc";
    tx.all(sql, params![session]).await
}
