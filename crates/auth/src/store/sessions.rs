//! `auth.sessions`: signed-in devices.

use std::net::IpAddr;

use serde::Deserialize;
use uuid::Uuid;

use super::tx::Tx;
use crate::error::Result;
use crate::params;

/// A session, with what the database's clock says about it.
#[derive(Clone, Debug, Deserialize)]
#[allow(missing_docs)]
pub struct Session {
    pub id: Uuid,
    pub user_id: Uuid,
    pub aal: Option<String>,
    pub factor_id: Option<Uuid>,
    pub tag: Option<String>,
    pub refresh_token_hmac_key: Option<String>,
    pub refresh_token_counter: Option<i64>,
    pub oauth_client_id: Option<Uuid>,
    pub scopes: Option<String>,
    /// Seconds since it was opened.
    pub age: f64,
    /// Seconds since it was opened or refreshed.
    pub idle: f64,
    /// Whether `not_after` has passed.
    pub has_ended: bool,
    /// Seconds since its last refresh tokens were given out, the newest first.
    #[serde(default)]
    pub rotations: Vec<f64>,
}

macro_rules! session {
    ($rest:literal) => {
        concat!(
            "select (to_jsonb(s) || jsonb_build_object(
                'age', extract(epoch from now() - coalesce(s.created_at, now())),
                'idle', extract(epoch from now() - coalesce(greatest(s.created_at, s.refreshed_at at time zone 'utc'), now())),
                'has_ended', coalesce(s.not_after <= now(), false),
                'rotations', coalesce((
                    select jsonb_agg(extract(epoch from now() - r.at) order by r.place desc)
                    from unnest(s.refresh_token_rotations) with ordinality r (at, place)), '[]')
            ))::text
            from auth.sessions s ",
            $rest
        )
    };
}

const BY_ID: &str = session!("where s.id = $1::uuid");

/// By id.
pub async fn find(tx: &mut Tx, id: Uuid) -> Result<Option<Session>> {
    tx.one(BY_ID, params![id]).await
}

/// By id, for this transaction alone. `None` also when another transaction has it.
pub async fn try_lock(tx: &mut Tx, id: Uuid) -> Result<Option<Session>> {
    tx.one(session!("where s.id = $1::uuid for update of s skip locked"), params![id]).await
}

/// What a new session begins with.
#[derive(Clone, Debug)]
pub struct NewSession<'a> {
    /// Its id.
    pub id: Uuid,
    /// Whose.
    pub user: Uuid,
    /// How well the user is known (`aal1`, `aal2`).
    pub aal: &'a str,
    /// The second factor that was used.
    pub factor: Option<Uuid>,
    /// The client program.
    pub user_agent: &'a str,
    /// Where it comes from.
    pub ip: Option<IpAddr>,
}

/// 244 random bits. Made in the server, so that no statement, and no log of statements, holds a session's key.
macro_rules! new_key {
    () => {
        "replace(gen_random_uuid()::text || gen_random_uuid()::text, '-', '')"
    };
}

/// Opens a session and gives the key of its refresh tokens.
pub async fn insert(tx: &mut Tx, new: &NewSession<'_>) -> Result<String> {
    let sql = concat!(
        "insert into auth.sessions
            (id, user_id, aal, factor_id, refresh_token_hmac_key, refresh_token_counter, user_agent, ip, created_at, updated_at)
        values ($1::uuid, $2::uuid, $3::auth.aal_level, $4::uuid, ",
        new_key!(),
        ", 0, nullif($5, ''), $6::inet, now(), now())
        returning to_jsonb(refresh_token_hmac_key)::text"
    );
    let NewSession { id, user, aal, factor, user_agent, ip } = new;
    tx.must(sql, params![id, user, aal, factor, user_agent, ip]).await
}

/// It belongs to a client of the OAuth server, for these scopes.
pub async fn set_client(tx: &mut Tx, id: Uuid, client: Uuid, scopes: &str) -> Result<()> {
    let sql = "update auth.sessions set oauth_client_id = $2::uuid, scopes = $3 where id = $1::uuid";
    tx.execute(sql, params![id, client, scopes]).await.map(drop)
}

/// `client_id` and `scope` of a session that belongs to a client.
pub async fn client_of(tx: &mut Tx, id: Uuid) -> Result<Option<serde_json::Value>> {
    let sql = "select jsonb_build_object('client_id', oauth_client_id, 'scope', scopes)::text
        from auth.sessions where id = $1::uuid and oauth_client_id is not null";
    tx.one(sql, params![id]).await
}

/// The next refresh token is out. The times of sixteen are kept.
pub async fn rotated(tx: &mut Tx, id: Uuid, counter: i64, user_agent: &str, ip: Option<IpAddr>) -> Result<()> {
    let sql = "update auth.sessions set refresh_token_counter = $2::int8, refreshed_at = now() at time zone 'utc',
        refresh_token_rotations = (refresh_token_rotations || now())[greatest(coalesce(cardinality(refresh_token_rotations), 0) - 14, 1):],
        updated_at = now(), user_agent = nullif($3, ''), ip = $4::inet where id = $1::uuid";
    tx.execute(sql, params![id, counter, user_agent, ip]).await.map(drop)
}

/// A second factor was proved in this session: it is worth more, and its next refresh token is out. Gives key and counter.
pub async fn raise(tx: &mut Tx, id: Uuid, factor: Uuid) -> Result<Option<(String, i64)>> {
    let sql = concat!(
        "update auth.sessions set aal = 'aal2', factor_id = $2::uuid, updated_at = now(),
            refreshed_at = now() at time zone 'utc',
            refresh_token_rotations = (refresh_token_rotations || now())[greatest(coalesce(cardinality(refresh_token_rotations), 0) - 14, 1):],
            refresh_token_counter = case when refresh_token_hmac_key is null then 0 else refresh_token_counter + 1 end,
            refresh_token_hmac_key = coalesce(refresh_token_hmac_key, ",
        new_key!(),
        ")
        where id = $1::uuid returning jsonb_build_array(refresh_token_hmac_key, refresh_token_counter)::text"
    );
    tx.one(sql, params![id, factor]).await
}

/// Ends those of a user's in which no second factor was proved.
pub async fn delete_below_aal2(tx: &mut Tx, user: Uuid) -> Result<()> {
    let sql = "delete from auth.sessions where user_id = $1::uuid and coalesce(aal, 'aal1') = 'aal1'";
    tx.execute(sql, params![user]).await.map(drop)
}

/// Gives an imported session a key for refresh tokens of ours.
pub async fn set_key(tx: &mut Tx, id: Uuid) -> Result<String> {
    let sql = concat!(
        "update auth.sessions set refresh_token_counter = 0, refresh_token_hmac_key = ",
        new_key!(),
        " where id = $1::uuid returning to_jsonb(refresh_token_hmac_key)::text"
    );
    tx.must(sql, params![id]).await
}

/// Ends one.
pub async fn delete(tx: &mut Tx, id: Uuid) -> Result<()> {
    tx.execute("delete from auth.sessions where id = $1::uuid", params![id]).await.map(drop)
}

/// Ends all of a user's.
pub async fn delete_all(tx: &mut Tx, user: Uuid) -> Result<()> {
    tx.execute("delete from auth.sessions where user_id = $1::uuid", params![user]).await.map(drop)
}

/// Ends all of a user's but one; without one, all.
pub async fn delete_others(tx: &mut Tx, user: Uuid, kept: Option<Uuid>) -> Result<()> {
    let sql = "delete from auth.sessions where user_id = $1::uuid and id is distinct from $2::uuid";
    tx.execute(sql, params![user, kept]).await.map(drop)
}

/// Whether the user has opened a session of this tag after this one.
pub async fn has_newer(tx: &mut Tx, session: &Session) -> Result<bool> {
    let sql = "select exists (
            select from auth.sessions n join auth.sessions s on s.id = $1::uuid
            where n.user_id = s.user_id and n.id <> s.id and n.tag is not distinct from s.tag
              and (n.created_at, n.id) > (s.created_at, s.id)
        )::text";
    tx.must(sql, params![session.id]).await
}
