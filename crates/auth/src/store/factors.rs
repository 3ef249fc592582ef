//! `auth.mfa_factors`: second factors. A user's factors come with the user (`users`).

use uuid::Uuid;

use super::tx::Tx;
use crate::error::Result;
use crate::params;

/// Takes a factor away.
pub async fn delete(tx: &mut Tx, id: Uuid) -> Result<()> {
    tx.execute("delete from auth.mfa_factors where id = $1::uuid", params![id]).await.map(drop)
}
