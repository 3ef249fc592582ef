//! `auth.outbox`: mails that wait to be sent.
//!
//! A mail comes in with the transaction that wants it. Whoever sends claims it first by moving its next try ahead; others pass
//! by. One that was sent is deleted, because it holds a code; one that fails is tried again later and later.

use serde::Deserialize;
use uuid::Uuid;

use super::tx::Tx;
use crate::error::Result;
use crate::params;

/// Seconds for which a claimed mail is nobody else's: longer than sending may take.
const CLAIM: f64 = 120.0;

/// A mail.
#[derive(Clone, Debug, Deserialize)]
#[allow(missing_docs)]
pub struct Waiting {
    pub id: Uuid,
    pub kind: String,
    pub recipient: String,
    pub subject: String,
    pub html: String,
    pub plain: String,
    pub tries: i64,
    /// Seconds since it was put there.
    pub age: f64,
}

/// What a mail says.
#[derive(Clone, Debug)]
pub struct NewMail<'a> {
    /// What it is about.
    pub kind: &'a str,
    /// To whom.
    pub recipient: &'a str,
    /// One line.
    pub subject: &'a str,
    /// The HTML part.
    pub html: &'a str,
    /// The text part.
    pub plain: &'a str,
    /// Kept for a developer to read instead of being sent.
    pub is_caught: bool,
}

/// Puts a mail there.
pub async fn insert(tx: &mut Tx, mail: &NewMail<'_>) -> Result<()> {
    let sql = "insert into auth.outbox (id, kind, recipient, subject, html, plain, state)
        values ($1::uuid, $2, $3, $4, $5, $6, case when $7::bool then 'caught' else 'waiting' end)";
    let NewMail { kind, recipient, subject, html, plain, is_caught } = mail;
    tx.execute(sql, params![Uuid::new_v4(), kind, recipient, subject, html, plain, is_caught]).await.map(drop)
}

/// Claims the mails that are due, oldest first, at most so many.
pub async fn claim(tx: &mut Tx, most: i64) -> Result<Vec<Waiting>> {
    let sql = "update auth.outbox o set tries = tries + 1, next_try_at = now() + make_interval(secs => $2::float8)
        where o.id in (
            select id from auth.outbox where state = 'waiting' and next_try_at <= now()
            order by next_try_at limit $1::int8 for update skip locked)
        returning (to_jsonb(o) || jsonb_build_object('age', extract(epoch from now() - o.created_at)))::text";
    tx.all(sql, params![most, CLAIM]).await
}

/// The mail server has it.
pub async fn delete(tx: &mut Tx, id: Uuid) -> Result<()> {
    tx.execute("delete from auth.outbox where id = $1::uuid", params![id]).await.map(drop)
}

/// It failed and is tried again in so many seconds.
pub async fn postpone(tx: &mut Tx, id: Uuid, seconds: f64, error: &str) -> Result<()> {
    let sql = "update auth.outbox set next_try_at = now() + make_interval(secs => $2::float8), last_error = $3
        where id = $1::uuid";
    tx.execute(sql, params![id, seconds, error]).await.map(drop)
}

/// It failed for good; what it said is forgotten.
pub async fn give_up(tx: &mut Tx, id: Uuid, error: &str) -> Result<()> {
    let sql = "update auth.outbox set state = 'given_up', last_error = $2, html = '', plain = '' where id = $1::uuid";
    tx.execute(sql, params![id, error]).await.map(drop)
}

/// Deletes what nobody needs any more, of this table and its neighbours.
pub async fn tidy(tx: &mut Tx) -> Result<()> {
    for sql in [
        "delete from auth.outbox where state <> 'waiting' and created_at < now() - interval '7 days'",
        "delete from auth.send_turns where sent_at < now() - interval '1 day'",
        "delete from auth.verify_limits where began_at < now() - interval '1 hour'",
        // The longest life that can be configured is a day.
        "delete from auth.one_time_tokens where created_at < (now() at time zone 'utc') - interval '25 hours'",
        "delete from auth.flow_state where coalesce(auth_code_issued_at, created_at) < now() - interval '26 hours'",
    ] {
        tx.execute(sql, Vec::new()).await?;
    }
    Ok(())
}
