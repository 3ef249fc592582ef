//! `auth.web3_messages`: texts of wallets that were used.

use super::tx::Tx;
use crate::error::Result;
use crate::params;

/// Notes that a text is used; false when it was before. Some that are of no use any more go.
pub async fn take(tx: &mut Tx, text: &str, seconds: i64) -> Result<bool> {
    let sql = "with expired as (
            delete from auth.web3_messages where hash in (
                select hash from auth.web3_messages where expires_at < now() limit 20 for update skip locked)
        )
        insert into auth.web3_messages (hash, expires_at)
        values (sha256(convert_to($1, 'UTF8')), now() + make_interval(secs => $2::float8))
        on conflict do nothing";
    Ok(tx.execute(sql, params![text, seconds]).await? == 1)
}
