//! `auth.oauth_authorizations` and `auth.oauth_consents`: what clients ask for, and what people have agreed to.
//!
//! Invariant: a code is kept as its hash, and traded once.

use serde::Deserialize;
use serde_json::Value;
use uuid::Uuid;

use super::tx::Tx;
use crate::error::Result;
use crate::params;

/// What a client asks for.
#[derive(Clone, Debug, Deserialize)]
#[allow(missing_docs)]
pub struct Authorization {
    pub id: Uuid,
    pub authorization_id: String,
    pub client_id: Uuid,
    pub user_id: Option<Uuid>,
    pub redirect_uri: String,
    pub scope: String,
    pub state: Option<String>,
    pub code_challenge: Option<String>,
    pub nonce: Option<String>,
    pub status: String,
    /// Whether it is too late for it.
    pub has_expired: bool,
}

/// What a client asks for, new.
#[derive(Clone, Debug)]
#[allow(missing_docs)]
pub struct NewAuthorization<'a> {
    pub authorization_id: &'a str,
    pub client: Uuid,
    pub redirect_uri: &'a str,
    pub scope: &'a str,
    pub state: Option<&'a str>,
    pub resource: Option<&'a str>,
    pub code_challenge: &'a str,
    pub nonce: Option<&'a str>,
}

macro_rules! authorization {
    ($rest:literal) => {
        concat!(
            "select (to_jsonb(a) || jsonb_build_object('has_expired', a.expires_at <= now()))::text
            from auth.oauth_authorizations a ",
            $rest
        )
    };
}

/// Remembers a request, and forgets some that nobody answered.
pub async fn insert(tx: &mut Tx, new: &NewAuthorization<'_>) -> Result<()> {
    let sql = "with forgotten as (
            delete from auth.oauth_authorizations where id in (
                select id from auth.oauth_authorizations where expires_at < now() - interval '1 day'
                limit 20 for update skip locked)
        )
        insert into auth.oauth_authorizations (id, authorization_id, client_id, redirect_uri, scope, state, resource,
            code_challenge, code_challenge_method, nonce)
        values (gen_random_uuid(), $1, $2::uuid, $3, $4, $5, $6, $7, 's256', $8)";
    let NewAuthorization { authorization_id, client, redirect_uri, scope, state, resource, code_challenge, nonce } =
        new;
    let params = params![authorization_id, client, redirect_uri, scope, state, resource, code_challenge, nonce];
    tx.execute(sql, params).await.map(drop)
}

/// By its public name, for this transaction alone.
pub async fn lock(tx: &mut Tx, authorization_id: &str) -> Result<Option<Authorization>> {
    tx.one(authorization!("where a.authorization_id = $1 for update of a"), params![authorization_id]).await
}

/// By the hash of its code, for this transaction alone.
pub async fn lock_by_code(tx: &mut Tx, hash: &str) -> Result<Option<Authorization>> {
    tx.one(authorization!("where a.authorization_code = $1 and a.status = 'approved' for update of a"), params![hash])
        .await
}

/// It is this user who is asked.
pub async fn set_user(tx: &mut Tx, id: Uuid, user: Uuid) -> Result<()> {
    let sql = "update auth.oauth_authorizations set user_id = $2::uuid where id = $1::uuid";
    tx.execute(sql, params![id, user]).await.map(drop)
}

/// The user agrees; the code lives for five minutes.
pub async fn approve(tx: &mut Tx, id: Uuid, hash: &str) -> Result<()> {
    let sql = "update auth.oauth_authorizations set status = 'approved', authorization_code = $2, approved_at = now(),
        expires_at = now() + interval '5 minutes' where id = $1::uuid";
    tx.execute(sql, params![id, hash]).await.map(drop)
}

/// It is over.
pub async fn delete(tx: &mut Tx, id: Uuid) -> Result<()> {
    tx.execute("delete from auth.oauth_authorizations where id = $1::uuid", params![id]).await.map(drop)
}

/// The scopes that a user has granted to a client, with spaces between; none when there is no consent.
pub async fn consent(tx: &mut Tx, user: Uuid, client: Uuid) -> Result<Option<String>> {
    let sql = "select to_jsonb(scopes)::text from auth.oauth_consents
        where user_id = $1::uuid and client_id = $2::uuid and revoked_at is null";
    tx.one(sql, params![user, client]).await
}

/// A user agrees to these scopes.
pub async fn grant(tx: &mut Tx, user: Uuid, client: Uuid, scopes: &str) -> Result<()> {
    let sql = "insert into auth.oauth_consents (id, user_id, client_id, scopes, granted_at)
        values (gen_random_uuid(), $1::uuid, $2::uuid, $3, now())
        on conflict (user_id, client_id) do update
            set scopes = excluded.scopes, granted_at = now(), revoked_at = null";
    tx.execute(sql, params![user, client, scopes]).await.map(drop)
}

/// A user agrees no more: the client's sessions end. False when there was no consent.
pub async fn revoke(tx: &mut Tx, user: Uuid, client: Uuid) -> Result<bool> {
    for sql in [
        "delete from auth.sessions where user_id = $1::uuid and oauth_client_id = $2::uuid",
        "delete from auth.oauth_authorizations where user_id = $1::uuid and client_id = $2::uuid",
    ] {
        tx.execute(sql, params![user, client]).await?;
    }
    let sql = "update auth.oauth_consents set revoked_at = now()
        where user_id = $1::uuid and client_id = $2::uuid and revoked_at is null";
    Ok(tx.execute(sql, params![user, client]).await? == 1)
}

/// What a user has agreed to, newest first.
pub async fn granted(tx: &mut Tx, user: Uuid) -> Result<Vec<Value>> {
    let sql = "select jsonb_build_object(
            'client', jsonb_build_object('id', c.id, 'name', coalesce(c.client_name, ''),
                'uri', coalesce(c.client_uri, ''), 'logo_uri', coalesce(c.logo_uri, '')),
            'scopes', to_jsonb(string_to_array(o.scopes, ' ')), 'granted_at', o.granted_at)::text
        from auth.oauth_consents o join auth.oauth_clients c on c.id = o.client_id
        where o.user_id = $1::uuid and o.revoked_at is null and c.deleted_at is null order by o.granted_at desc";
    tx.all(sql, params![user]).await
}
