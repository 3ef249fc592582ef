//! `auth.oauth_clients`: applications of others that sign people in here. Lists are kept as Supabase keeps them, with commas.

use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::tx::Tx;
use crate::error::Result;
use crate::params;

/// A client.
#[derive(Clone, Debug, Deserialize)]
#[allow(missing_docs)]
pub struct Client {
    pub id: Uuid,
    pub client_secret_hash: Option<String>,
    pub registration_type: String,
    pub redirect_uris: String,
    pub grant_types: String,
    pub client_name: Option<String>,
    pub client_uri: Option<String>,
    pub logo_uri: Option<String>,
    pub client_type: String,
    pub token_endpoint_auth_method: String,
    pub created_at: String,
    pub updated_at: String,
}

impl Client {
    /// Where it may send people back.
    pub fn redirect_uris(&self) -> impl Iterator<Item = &str> {
        self.redirect_uris.split(',').filter(|uri| !uri.is_empty())
    }

    /// Whether it keeps no secret.
    pub fn is_public(&self) -> bool {
        self.client_type == "public"
    }

    /// Whether it may use this grant.
    pub fn may(&self, grant: &str) -> bool {
        self.grant_types.split(',').any(|listed| listed == grant)
    }

    /// As people see it who are asked for their consent.
    pub fn shown(&self) -> Value {
        json!({"id": self.id, "name": self.client_name.as_deref().unwrap_or_default(),
            "uri": self.client_uri.as_deref().unwrap_or_default(),
            "logo_uri": self.logo_uri.as_deref().unwrap_or_default()})
    }
}

const BY_ID: &str = "select to_jsonb(c)::text from auth.oauth_clients c where c.id = $1::uuid and c.deleted_at is null";

/// By id, unless it was deleted.
pub async fn find(tx: &mut Tx, id: Uuid) -> Result<Option<Client>> {
    tx.one(BY_ID, params![id]).await
}

/// All, newest first.
pub async fn page(tx: &mut Tx, limit: i64, offset: i64) -> Result<Vec<Client>> {
    let sql = "select to_jsonb(c)::text from auth.oauth_clients c where c.deleted_at is null
        order by c.created_at desc, c.id limit $1::int8 offset $2::int8";
    tx.all(sql, params![limit, offset]).await
}

/// How many there are.
pub async fn count(tx: &mut Tx) -> Result<u64> {
    tx.must("select count(*)::text from auth.oauth_clients where deleted_at is null", params![]).await
}

/// Inserts or replaces.
pub async fn put(tx: &mut Tx, client: &Client) -> Result<()> {
    let sql = "insert into auth.oauth_clients (id, client_secret_hash, registration_type, redirect_uris, grant_types,
            client_name, client_uri, logo_uri, client_type, token_endpoint_auth_method, created_at, updated_at)
        values ($1::uuid, $2, $3::auth.oauth_registration_type, $4, $5, $6, $7, $8, $9::auth.oauth_client_type, $10,
            now(), now())
        on conflict (id) do update set client_secret_hash = excluded.client_secret_hash,
            redirect_uris = excluded.redirect_uris, grant_types = excluded.grant_types,
            client_name = excluded.client_name, client_uri = excluded.client_uri, logo_uri = excluded.logo_uri,
            client_type = excluded.client_type,
            token_endpoint_auth_method = excluded.token_endpoint_auth_method, updated_at = now()";
    let params = params![
        client.id,
        client.client_secret_hash,
        client.registration_type,
        client.redirect_uris,
        client.grant_types,
        client.client_name,
        client.client_uri,
        client.logo_uri,
        client.client_type,
        client.token_endpoint_auth_method,
    ];
    tx.execute(sql, params).await.map(drop)
}

/// Ends a client, with every session that it has.
pub async fn delete(tx: &mut Tx, id: Uuid) -> Result<()> {
    for sql in [
        "delete from auth.sessions where oauth_client_id = $1::uuid",
        "delete from auth.oauth_authorizations where client_id = $1::uuid",
        "delete from auth.oauth_consents where client_id = $1::uuid",
        "update auth.oauth_clients set deleted_at = now(), client_secret_hash = null where id = $1::uuid",
    ] {
        tx.execute(sql, params![id]).await?;
    }
    Ok(())
}
