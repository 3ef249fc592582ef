//! `auth.flow_state`: sign-ins that leave this server and come back, through another provider or through a mail.
//!
//! A flow begins with what the client promised to prove ([`Challenge`], if any), may wait for a provider or a click, and ends
//! with a code that the client trades for a session (`pkce`). A flow that came back without a challenge needs no code.
//! Invariant: a code is issued once, lives for [`CODE_LIFE`] seconds by the database's clock, and goes with the flow.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use super::tx::Tx;
use crate::error::Result;
use crate::params;
use crate::pkce::{Challenge, Method};

/// Seconds that a code, or the way to a provider and back, may take.
pub const CODE_LIFE: f64 = 300.0;

/// What a flow begins with.
#[derive(Clone, Copy, Debug, Default)]
pub struct NewFlow<'a> {
    /// Whose it is, where that is known already.
    pub user: Option<Uuid>,
    /// The provider (`email`, `google`, ...).
    pub provider: &'a str,
    /// How the session will say that its user was proved (contract 1.5).
    pub method: &'a str,
    /// What the client will prove.
    pub challenge: Option<&'a Challenge>,
    /// Where the browser goes in the end; checked.
    pub redirect_to: Option<&'a str>,
    /// The invitation that is accepted by it.
    pub invite_token: Option<&'a str>,
    /// The account that gets another way in.
    pub linking_target: Option<Uuid>,
}

/// A flow.
#[derive(Clone, Debug, Deserialize)]
#[allow(missing_docs)]
pub struct FlowState {
    pub id: Uuid,
    pub user_id: Option<Uuid>,
    pub code_challenge: Option<String>,
    pub code_challenge_method: Option<Method>,
    pub provider_type: String,
    pub provider_access_token: Option<String>,
    pub provider_refresh_token: Option<String>,
    pub authentication_method: String,
    pub invite_token: Option<String>,
    pub referrer: Option<String>,
    pub linking_target_id: Option<Uuid>,
    /// Seconds since its code was issued, else since it began.
    pub age: f64,
}

impl FlowState {
    /// Whether it took too long.
    pub fn has_expired(&self) -> bool {
        self.age > CODE_LIFE
    }

    /// What the client promised to prove.
    pub fn challenge(&self) -> Option<Challenge> {
        Some(Challenge { method: self.code_challenge_method?, text: self.code_challenge.clone()? })
    }
}

macro_rules! flow {
    ($rest:literal) => {
        concat!(
            "select (to_jsonb(f) || jsonb_build_object('age',
                extract(epoch from now() - coalesce(f.auth_code_issued_at, f.created_at))))::text
            from auth.flow_state f ",
            $rest
        )
    };
}

/// Begins a flow.
pub async fn begin(tx: &mut Tx, new: &NewFlow<'_>) -> Result<Uuid> {
    let id = Uuid::new_v4();
    let sql = "insert into auth.flow_state (id, user_id, provider_type, authentication_method, code_challenge_method,
            code_challenge, referrer, invite_token, linking_target_id, created_at, updated_at)
        values ($1::uuid, $2::uuid, $3, $4, $5::auth.code_challenge_method, $6, $7, $8, $9::uuid, now(), now())";
    let method = new.challenge.map(|challenge| challenge.method.as_str());
    let text = new.challenge.map(|challenge| challenge.text.as_str());
    let NewFlow { user, provider, method: proof, redirect_to, invite_token, linking_target, .. } = new;
    let params = params![id, user, provider, proof, method, text, redirect_to, invite_token, linking_target];
    tx.execute(sql, params).await?;
    Ok(id)
}

/// By id, for this transaction alone.
pub async fn lock(tx: &mut Tx, id: Uuid) -> Result<Option<FlowState>> {
    tx.one(flow!("where f.id = $1::uuid for update of f"), params![id]).await
}

/// By its code, for this transaction alone.
pub async fn lock_by_code(tx: &mut Tx, code: &str) -> Result<Option<FlowState>> {
    tx.one(flow!("where f.auth_code = $1 for update of f"), params![hash(code)]).await
}

/// Issues the code of a flow that came back for this user, and keeps the provider's tokens for the client.
pub async fn issue_code(
    tx: &mut Tx,
    id: Uuid,
    user: Uuid,
    access_token: Option<&str>,
    refresh_token: Option<&str>,
) -> Result<String> {
    let code = URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>());
    let sql = "update auth.flow_state set auth_code = $2, user_id = $3::uuid, provider_access_token = $4,
        provider_refresh_token = $5, auth_code_issued_at = now(), updated_at = now() where id = $1::uuid";
    tx.execute(sql, params![id, hash(&code), user, access_token, refresh_token]).await?;
    Ok(code)
}

/// What is stored for a code: no statement, and no log of statements, has the code itself.
fn hash(code: &str) -> String {
    Sha256::digest(code).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Ends a flow.
pub async fn delete(tx: &mut Tx, id: Uuid) -> Result<()> {
    tx.execute("delete from auth.flow_state where id = $1::uuid", params![id]).await.map(drop)
}
