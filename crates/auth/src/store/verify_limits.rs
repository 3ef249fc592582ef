//! `auth.verify_limits`: wrong codes of an account, from wherever they come (security 19).
//!
//! Every code dies after a few wrong tries; this bounds what can be tried with one code after another.

use uuid::Uuid;

use super::tx::Tx;
use crate::error::Result;
use crate::params;

/// Wrong codes of one account in an hour.
pub const WRONG_PER_HOUR: i64 = 20;

/// Whether codes of this account are not looked at any more, for a while.
pub async fn is_exhausted(tx: &mut Tx, user: Uuid) -> Result<bool> {
    let sql = "select exists (select from auth.verify_limits
        where user_id = $1::uuid and began_at > now() - interval '1 hour' and wrong >= $2::int8)::text";
    tx.must(sql, params![user, WRONG_PER_HOUR]).await
}

/// Counts a wrong code.
pub async fn note_wrong(tx: &mut Tx, user: Uuid) -> Result<()> {
    let sql = "insert into auth.verify_limits as l (user_id, began_at, wrong) values ($1::uuid, now(), 1)
        on conflict (user_id) do update set
            wrong = case when l.began_at > now() - interval '1 hour' then l.wrong + 1 else 1 end,
            began_at = case when l.began_at > now() - interval '1 hour' then l.began_at else now() end";
    tx.execute(sql, params![user]).await.map(drop)
}
