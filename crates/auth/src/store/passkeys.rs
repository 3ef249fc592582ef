//! `auth.webauthn_credentials` and `auth.webauthn_challenges`: passkeys, and questions to them.

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;
use uuid::Uuid;

use super::tx::Tx;
use crate::error::Result;
use crate::params;
use crate::webauthn::Credential;

/// A passkey.
#[derive(Clone, Debug, Deserialize)]
pub struct Passkey {
    /// Its id here.
    pub id: Uuid,
    /// Whose.
    pub user_id: Uuid,
    /// Its id on the device, in hexadecimal digits.
    pub credential: String,
    /// The key in COSE, in hexadecimal digits.
    pub key: String,
    /// How often it signed.
    pub sign_count: i64,
    /// Ways to reach the device.
    pub transports: Value,
    /// What its owner calls it.
    pub friendly_name: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last used.
    pub last_used_at: Option<Timestamp>,
}

macro_rules! passkeys {
    ($rest:literal) => {
        concat!(
            "select (to_jsonb(c) - 'credential_id' - 'public_key' || jsonb_build_object(
                'credential', encode(c.credential_id, 'hex'), 'key', encode(c.public_key, 'hex')))::text
            from auth.webauthn_credentials c ",
            $rest
        )
    };
}

/// A user's, oldest first.
pub async fn list(tx: &mut Tx, user: Uuid) -> Result<Vec<Passkey>> {
    tx.all(passkeys!("where c.user_id = $1::uuid order by c.created_at, c.id"), params![user]).await
}

/// By its id on the device, for this transaction alone.
pub async fn lock(tx: &mut Tx, credential: &[u8]) -> Result<Option<Passkey>> {
    let sql = passkeys!("where c.credential_id = decode($1, 'hex') for update of c");
    tx.one(sql, params![hex(credential)]).await
}

/// Keeps a new one. A duplicate violates `webauthn_credentials_credential_id_key`.
pub(crate) async fn insert(tx: &mut Tx, user: Uuid, name: &str, new: &Credential) -> Result<Passkey> {
    let sql = "insert into auth.webauthn_credentials as c (user_id, friendly_name, credential_id, public_key,
            attestation_type, aaguid, sign_count, transports, backup_eligible, backed_up)
        values ($1::uuid, $2, decode($3, 'hex'), decode($4, 'hex'), 'none', $5::uuid, $6::int8, $7::jsonb, $8::bool, $9::bool)
        returning (to_jsonb(c) - 'credential_id' - 'public_key' || jsonb_build_object(
            'credential', encode(c.credential_id, 'hex'), 'key', encode(c.public_key, 'hex')))::text";
    let transports = Value::from(new.transports.clone());
    tx.must(
        sql,
        params![
            user,
            name,
            hex(&new.id),
            hex(&new.key),
            new.aaguid,
            i64::from(new.sign_count),
            transports,
            new.backup_eligible,
            new.backed_up,
        ],
    )
    .await
}

/// It was used.
pub async fn used(tx: &mut Tx, id: Uuid, sign_count: u32, backed_up: bool) -> Result<()> {
    let sql = "update auth.webauthn_credentials set sign_count = $2::int8, backed_up = $3::bool, last_used_at = now(),
        updated_at = now() where id = $1::uuid";
    tx.execute(sql, params![id, i64::from(sign_count), backed_up]).await.map(drop)
}

/// Names one of a user's; `None` when the user has no such passkey.
pub async fn rename(tx: &mut Tx, user: Uuid, id: Uuid, name: &str) -> Result<Option<Passkey>> {
    let sql = "update auth.webauthn_credentials c set friendly_name = $3, updated_at = now()
        where c.id = $2::uuid and c.user_id = $1::uuid
        returning (to_jsonb(c) - 'credential_id' - 'public_key' || jsonb_build_object(
            'credential', encode(c.credential_id, 'hex'), 'key', encode(c.public_key, 'hex')))::text";
    tx.one(sql, params![user, id, name]).await
}

/// Takes one of a user's away; whether there was one.
pub async fn delete(tx: &mut Tx, user: Uuid, id: Uuid) -> Result<bool> {
    let sql = "delete from auth.webauthn_credentials where id = $2::uuid and user_id = $1::uuid";
    Ok(tx.execute(sql, params![user, id]).await? > 0)
}

/// A question that was asked.
#[derive(Clone, Debug, Deserialize)]
pub struct Question {
    /// Whom; a sign-in asks whoever answers.
    pub user_id: Option<Uuid>,
    /// The challenge.
    pub challenge: String,
    /// Whether its time is over.
    pub has_ended: bool,
}

/// Keeps a question (`registration` or `authentication`); those whose time is over are forgotten.
pub async fn ask(tx: &mut Tx, kind: &str, user: Option<Uuid>, challenge: &str, seconds: f64) -> Result<Uuid> {
    let sql = "delete from auth.webauthn_challenges where id in (
            select id from auth.webauthn_challenges where expires_at < now() - interval '1 hour' limit 100
            for update skip locked)";
    tx.execute(sql, Vec::new()).await?;
    let id = Uuid::new_v4();
    let sql = "insert into auth.webauthn_challenges (id, user_id, challenge_type, session_data, created_at, expires_at)
        values ($1::uuid, $2::uuid, $3, jsonb_build_object('challenge', $4::text), now(),
            now() + make_interval(secs => $5::float8))";
    tx.execute(sql, params![id, user, kind, challenge, seconds]).await?;
    Ok(id)
}

/// Takes a question out: it is answered once, rightly or not.
pub async fn take(tx: &mut Tx, kind: &str, id: Uuid) -> Result<Option<Question>> {
    let sql = "delete from auth.webauthn_challenges where id = $1::uuid and challenge_type = $2
        returning jsonb_build_object('user_id', user_id, 'challenge', session_data ->> 'challenge',
            'has_ended', expires_at <= now())::text";
    tx.one(sql, params![id, kind]).await
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The way back; digits come from the database only.
pub fn from_hex(text: &str) -> Vec<u8> {
    let pair = |at| text.get(at..at + 2).and_then(|pair| u8::from_str_radix(pair, 16).ok()).unwrap_or_default();
    (0..text.len() / 2).map(|place| pair(2 * place)).collect()
}
