//! `auth.oauth_client_states`: sign-ins that are at another provider now. The id is that of the flow (`flow_state`), which is
//! the `state` that the provider carries.
//!
//! Invariant: a state is taken once, within [`LIFE`] seconds, and only by the browser that it was made for.

use serde::Deserialize;
use uuid::Uuid;

use super::tx::Tx;
use crate::error::Result;
use crate::params;

/// Seconds that somebody may take at the provider.
pub const LIFE: f64 = 600.0;

/// What the flow keeps to itself meanwhile.
#[derive(Clone, Debug, Deserialize)]
pub struct OauthState {
    /// The provider that the code must come from.
    pub provider_type: String,
    /// Proves to the provider that we asked.
    pub code_verifier: Option<String>,
    /// Proves that the ID token was made for this sign-in.
    pub nonce: Option<String>,
    /// Hash of the browser's cookie.
    pub browser_hash: Option<String>,
    /// Seconds since it began.
    pub age: f64,
}

/// Remembers a flow, and forgets some that nobody came back to.
pub async fn insert(
    tx: &mut Tx,
    id: Uuid,
    provider: &str,
    verifier: &str,
    nonce: &str,
    browser_hash: Option<&str>,
) -> Result<()> {
    let sql = "with forgotten as (
            delete from auth.oauth_client_states where id in (
                select id from auth.oauth_client_states where created_at < now() - interval '1 day'
                limit 20 for update skip locked)
            returning id
        ), flows as (delete from auth.flow_state where id in (select id from forgotten))
        insert into auth.oauth_client_states (id, provider_type, code_verifier, nonce, browser_hash, created_at)
        values ($1::uuid, $2, $3, $4, $5, now())";
    tx.execute(sql, params![id, provider, verifier, nonce, browser_hash]).await.map(drop)
}

/// The state, for this transaction alone.
pub async fn lock(tx: &mut Tx, id: Uuid) -> Result<Option<OauthState>> {
    let sql = "select (to_jsonb(s) || jsonb_build_object('age', extract(epoch from now() - s.created_at)))::text
        from auth.oauth_client_states s where s.id = $1::uuid for update of s";
    tx.one(sql, params![id]).await
}

/// Nobody can come back with it any more.
pub async fn delete(tx: &mut Tx, id: Uuid) -> Result<()> {
    tx.execute("delete from auth.oauth_client_states where id = $1::uuid", params![id]).await.map(drop)
}
