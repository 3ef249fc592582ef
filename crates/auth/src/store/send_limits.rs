//! `auth.send_turns` and `auth.send_quotas`: how often something may be sent to one address, and how much to all.
//!
//! Both are asked before it matters whether an account has the address, so that neither tells. All by the database's clock.

use super::tx::Tx;
use crate::error::Result;
use crate::params;

/// Takes an address's next turn for a purpose.
///
/// `Some` is the seconds until there is one, when the last was less than `least` seconds ago.
pub async fn take_turn(tx: &mut Tx, address: &str, purpose: &str, least: f64) -> Result<Option<f64>> {
    let sql = "with taken as (
            insert into auth.send_turns as t (recipient, purpose, sent_at)
            values (encode(sha256(convert_to($1, 'UTF8')), 'hex'), $2, now())
            on conflict (recipient, purpose) do update set sent_at = now()
            where t.sent_at <= now() - make_interval(secs => $3::float8)
            returning true
        )
        select ceil(greatest(extract(epoch from t.sent_at - now()) + $3::float8, 1))::int::text
        from auth.send_turns t
        where t.recipient = encode(sha256(convert_to($1, 'UTF8')), 'hex') and t.purpose = $2
          and not exists (select from taken)";
    tx.one(sql, params![address, purpose, least]).await
}

/// Gives a turn back: nothing was sent after all.
pub async fn give_back_turn(tx: &mut Tx, address: &str, purpose: &str) -> Result<()> {
    let sql = "delete from auth.send_turns
        where recipient = encode(sha256(convert_to($1, 'UTF8')), 'hex') and purpose = $2";
    tx.execute(sql, params![address, purpose]).await.map(drop)
}

/// Whether the hour's quota of a channel has one left.
pub async fn has_quota(tx: &mut Tx, channel: &str, per_hour: f64) -> Result<bool> {
    let sql = "select (coalesce((
            select least($2::float8, available + greatest(extract(epoch from clock_timestamp() - seen_at), 0) * $2::float8 / 3600)
            from auth.send_quotas where channel = $1
        ), $2::float8) >= 1)::text";
    tx.must(sql, params![channel, per_hour]).await
}

/// Takes one of the hour's quota of a channel, if there is one.
pub async fn take_quota(tx: &mut Tx, channel: &str, per_hour: f64) -> Result<bool> {
    let sql = "insert into auth.send_quotas as q (channel, available, seen_at)
        select $1, $2::float8 - 1, clock_timestamp() where $2::float8 >= 1
        on conflict (channel) do update set
            available = least($2::float8, q.available
                + greatest(extract(epoch from clock_timestamp() - q.seen_at), 0) * $2::float8 / 3600) - 1,
            seen_at = clock_timestamp()
        where least($2::float8, q.available
                + greatest(extract(epoch from clock_timestamp() - q.seen_at), 0) * $2::float8 / 3600) >= 1";
    Ok(tx.execute(sql, params![channel, per_hour]).await? > 0)
}
