//! `auth.audit_log_entries`: who did what, in the transaction that did it.

use std::net::IpAddr;

use serde_json::{Value, json};
use uuid::Uuid;

use super::tx::Tx;
use crate::error::Result;
use crate::params;
use crate::user::User;

/// Notes what an account did, or what was done to it.
pub async fn note(tx: &mut Tx, action: &str, actor: &User, ip: Option<IpAddr>, traits: Option<Value>) -> Result<()> {
    let payload = json!({
        "action": action,
        "actor_id": actor.id(),
        "actor_username": if actor.email().is_empty() { actor.phone() } else { actor.email() },
        "log_type": log_type(action),
        "traits": traits,
    });
    let sql = "insert into auth.audit_log_entries (instance_id, id, payload, created_at, ip_address)
        values ('00000000-0000-0000-0000-000000000000', $1::uuid, $2::json, now(), $3)";
    let ip = ip.map(|ip| ip.to_string()).unwrap_or_default();
    tx.execute(sql, params![Uuid::new_v4(), payload, ip]).await.map(drop)
}

fn log_type(action: &str) -> &'static str {
    match action {
        "login" | "logout" => "account",
        "token_refreshed" | "token_revoked" => "token",
        "user_signedup" | "user_invited" | "user_deleted" | "user_repeated_signup" => "team",
        _ => "user",
    }
}
