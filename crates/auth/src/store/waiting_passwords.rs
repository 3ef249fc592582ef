//! `auth.waiting_passwords`: whose the password of an account is that waits for its owner.
//!
//! Anybody can sign up with anybody's address. What is known of the password stays with the account until it is proved
//! ([`super::users::confirm_email`] and its neighbour end it), whatever becomes of its codes.
//! Invariant: once a password is in doubt only an administrator's word ends that; a password that an administrator chose is
//! never in doubt.

use uuid::Uuid;

use super::tx::Tx;
use crate::error::Result;
use crate::params;

/// Somebody comes without the password, or with another one: nobody knows whose it is. Accounts that are proved have an owner.
pub async fn doubt(tx: &mut Tx, user: Uuid) -> Result<()> {
    let sql = "insert into auth.waiting_passwords (user_id, is_vouched)
        select id, false from auth.users where id = $1::uuid and confirmed_at is null
        on conflict (user_id) do nothing";
    tx.execute(sql, params![user]).await.map(drop)
}

/// An administrator chose it.
pub async fn vouch(tx: &mut Tx, user: Uuid) -> Result<()> {
    let sql = "insert into auth.waiting_passwords (user_id, is_vouched)
        select id, true from auth.users where id = $1::uuid and confirmed_at is null
        on conflict (user_id) do update set is_vouched = true";
    tx.execute(sql, params![user]).await.map(drop)
}

/// Whether it goes when the account is proved.
pub async fn is_doubted(tx: &mut Tx, user: Uuid) -> Result<bool> {
    let sql = "select exists (select from auth.waiting_passwords where user_id = $1::uuid and not is_vouched)::text";
    tx.must(sql, params![user]).await
}
