//! `auth.mfa_challenges` and `auth.mfa_failures`: questions that a second factor answers, and wrong answers.

use std::net::IpAddr;

use serde::Deserialize;
use serde_json::Value;
use uuid::Uuid;

use super::tx::Tx;
use crate::error::Result;
use crate::params;

/// Wrong answers count for so long, in seconds.
const MEMORY: f64 = 3600.0;

/// A question.
#[derive(Clone, Debug, Deserialize)]
pub struct Challenge {
    /// Its id.
    pub id: Uuid,
    /// Hash of the code that was sent.
    pub otp_code: Option<String>,
    /// What a security key was asked for.
    pub web_authn_session_data: Option<Value>,
    /// Seconds since it was asked.
    pub age: f64,
    /// Whether it was answered.
    pub is_used: bool,
    /// Whether the caller's address is the one that asked for it.
    pub same_address: bool,
}

/// What a new question begins with.
#[derive(Clone, Debug)]
pub struct NewChallenge<'a> {
    /// Its id.
    pub id: Uuid,
    /// Of which factor.
    pub factor: Uuid,
    /// Who asks for it.
    pub ip: Option<IpAddr>,
    /// Hash of the code that is sent.
    pub code: Option<&'a str>,
    /// What a security key is asked for.
    pub session_data: Option<&'a Value>,
}

/// Keeps a question; those of the factor that are a day old are forgotten.
pub async fn insert(tx: &mut Tx, new: &NewChallenge<'_>) -> Result<()> {
    let sql = "delete from auth.mfa_challenges where factor_id = $1::uuid and created_at < now() - interval '1 day'";
    tx.execute(sql, params![new.factor]).await?;
    let sql =
        "insert into auth.mfa_challenges (id, factor_id, created_at, ip_address, otp_code, web_authn_session_data)
        values ($1::uuid, $2::uuid, now(), coalesce($3::inet, '0.0.0.0'), $4, $5::jsonb)";
    let NewChallenge { id, factor, ip, code, session_data } = new;
    tx.execute(sql, params![id, factor, ip, code, session_data]).await.map(drop)
}

/// A question to this factor, for this transaction alone.
pub async fn lock(tx: &mut Tx, factor: Uuid, id: Uuid, ip: Option<IpAddr>) -> Result<Option<Challenge>> {
    let sql = "select (to_jsonb(c) || jsonb_build_object(
            'age', extract(epoch from now() - c.created_at),
            'is_used', c.verified_at is not null,
            'same_address', c.ip_address = coalesce($3::inet, '0.0.0.0')))::text
        from auth.mfa_challenges c where c.id = $2::uuid and c.factor_id = $1::uuid for update of c";
    tx.one(sql, params![factor, id, ip]).await
}

/// It was answered.
pub async fn verified(tx: &mut Tx, id: Uuid) -> Result<()> {
    tx.execute("update auth.mfa_challenges set verified_at = now() where id = $1::uuid", params![id]).await.map(drop)
}

/// Wrong answers that count.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct Failures {
    /// To this question.
    pub challenge: u32,
    /// Of this user, whatever the question.
    pub user: u32,
}

/// Counts wrong answers of the last hour.
pub async fn failures(tx: &mut Tx, user: Uuid, challenge: Uuid) -> Result<Failures> {
    let sql = "select jsonb_build_object('user', count(*), 'challenge', count(*) filter (where challenge_id = $2::uuid))::text
        from auth.mfa_failures where user_id = $1::uuid and failed_at > now() - make_interval(secs => $3::float8)";
    tx.must(sql, params![user, challenge, MEMORY]).await
}

/// Notes a wrong answer, and forgets old ones.
pub async fn failed(tx: &mut Tx, user: Uuid, challenge: Uuid) -> Result<()> {
    let sql = "delete from auth.mfa_failures
        where user_id = $1::uuid and failed_at <= now() - make_interval(secs => $2::float8)";
    tx.execute(sql, params![user, MEMORY]).await?;
    let sql = "insert into auth.mfa_failures (user_id, challenge_id) values ($1::uuid, $2::uuid)";
    tx.execute(sql, params![user, challenge]).await.map(drop)
}

/// A right answer: the user is no guesser.
pub async fn forgive(tx: &mut Tx, user: Uuid) -> Result<()> {
    tx.execute("delete from auth.mfa_failures where user_id = $1::uuid", params![user]).await.map(drop)
}
