//! `auth.mfa_factors`: second factors. A user's factors come with the user (`users`); what proves them is read here only.

use serde::Deserialize;
use serde_json::Value;
use uuid::Uuid;

use super::tx::Tx;
use crate::error::Result;
use crate::params;
use crate::user::Factor;

/// A factor with what proves it.
#[derive(Clone, Debug, Deserialize)]
pub struct Proving {
    /// The factor.
    #[serde(flatten)]
    pub factor: Factor,
    /// Of an application: base32.
    pub secret: Option<String>,
    /// Of a security key.
    pub web_authn_credential: Option<Value>,
    /// Seconds since it was made.
    pub age: f64,
    /// Seconds since a challenge was made for it.
    pub challenged: Option<f64>,
}

/// One of a user's, for this transaction alone.
pub async fn lock(tx: &mut Tx, user: Uuid, id: Uuid) -> Result<Option<Proving>> {
    let sql = "select (to_jsonb(f) || jsonb_build_object(
            'age', extract(epoch from now() - f.created_at),
            'challenged', extract(epoch from now() - f.last_challenged_at)))::text
        from auth.mfa_factors f where f.id = $2::uuid and f.user_id = $1::uuid for update of f";
    tx.one(sql, params![user, id]).await
}

/// What a new factor begins with.
#[derive(Clone, Debug)]
pub struct NewFactor<'a> {
    /// Its id.
    pub id: Uuid,
    /// Whose.
    pub user: Uuid,
    /// `totp`, `phone` or `webauthn`.
    pub kind: &'a str,
    /// What its owner calls it.
    pub name: &'a str,
    /// Of an application.
    pub secret: Option<&'a str>,
    /// Of a telephone.
    pub phone: Option<&'a str>,
}

/// Makes a factor that is not verified.
pub async fn insert(tx: &mut Tx, new: &NewFactor<'_>) -> Result<()> {
    let sql = "insert into auth.mfa_factors
            (id, user_id, friendly_name, factor_type, status, created_at, updated_at, secret, phone)
        values ($1::uuid, $2::uuid, $3, $4::auth.factor_type, 'unverified', now(), now(), $5, $6)";
    let NewFactor { id, user, kind, name, secret, phone } = new;
    tx.execute(sql, params![id, user, name, kind, secret, phone]).await.map(drop)
}

/// Changes what an administrator may change; `None` leaves it.
pub async fn update(tx: &mut Tx, id: Uuid, name: Option<&str>, phone: Option<&str>) -> Result<()> {
    let sql = "update auth.mfa_factors set friendly_name = coalesce($2, friendly_name), phone = coalesce($3, phone),
        updated_at = now() where id = $1::uuid";
    tx.execute(sql, params![id, name, phone]).await.map(drop)
}

/// A challenge was made for it.
pub async fn challenged(tx: &mut Tx, id: Uuid) -> Result<()> {
    // The moment itself: two factors of one transaction cannot share one (`mfa_factors_last_challenged_at_key`).
    let sql = "update auth.mfa_factors set last_challenged_at = clock_timestamp() where id = $1::uuid";
    tx.execute(sql, params![id]).await.map(drop)
}

/// It was proved: counts from now on, and the user's other enrolments of its kind are over.
pub async fn verified(tx: &mut Tx, factor: &Factor) -> Result<()> {
    let sql = "update auth.mfa_factors set status = 'verified', updated_at = now()
        where id = $1::uuid and status <> 'verified'";
    tx.execute(sql, params![factor.id]).await?;
    let sql = "delete from auth.mfa_factors
        where user_id = $1::uuid and factor_type = $2::auth.factor_type and status = 'unverified'";
    tx.execute(sql, params![factor.user_id, factor.factor_type]).await.map(drop)
}

/// Keeps what a security key will be known by.
pub async fn set_credential(tx: &mut Tx, id: Uuid, credential: &Value, aaguid: Option<Uuid>) -> Result<()> {
    let sql = "update auth.mfa_factors set web_authn_credential = $2::jsonb,
        web_authn_aaguid = coalesce($3::uuid, web_authn_aaguid), updated_at = now() where id = $1::uuid";
    tx.execute(sql, params![id, credential, aaguid]).await.map(drop)
}

/// Notes the time step of a code; whether it comes after all that were noted.
pub async fn use_step(tx: &mut Tx, id: Uuid, step: i64) -> Result<bool> {
    let sql = "insert into auth.mfa_used_codes (factor_id, step) values ($1::uuid, $2::int8)
        on conflict (factor_id) do update set step = excluded.step where mfa_used_codes.step < excluded.step";
    Ok(tx.execute(sql, params![id, step]).await? > 0)
}

/// Takes a factor away. Sessions that were proved with it are as little worth as before, and say so.
pub async fn delete(tx: &mut Tx, id: Uuid) -> Result<()> {
    let sql = "delete from auth.mfa_amr_claims a using auth.sessions s
        where s.id = a.session_id and s.factor_id = $1::uuid
          and a.authentication_method in ('totp', 'mfa/phone', 'mfa/webauthn')";
    tx.execute(sql, params![id]).await?;
    let sql = "update auth.sessions set aal = 'aal1', factor_id = null, updated_at = now() where factor_id = $1::uuid";
    tx.execute(sql, params![id]).await?;
    tx.execute("delete from auth.mfa_factors where id = $1::uuid", params![id]).await.map(drop)
}

/// Ends enrolments that were not verified in time.
pub async fn delete_expired(tx: &mut Tx, user: Uuid, seconds: f64) -> Result<()> {
    let sql = "delete from auth.mfa_factors where user_id = $1::uuid and status = 'unverified'
        and created_at < now() - make_interval(secs => $2::float8)";
    tx.execute(sql, params![user, seconds]).await.map(drop)
}
