//! `auth.users`: found with identities and factors, made, changed, deleted.

use serde_json::{Map, Value};
use uuid::Uuid;

use super::one_time_tokens::TokenType;
use super::tx::Tx;
use crate::error::Result;
use crate::mail::MailKind;
use crate::params;
use crate::user::{AUTHENTICATED, User};

/// The account with all that belongs to it; the condition is a constant.
macro_rules! users {
    ($rest:literal) => {
        users!("", $rest)
    };
    ($more:literal, $rest:literal) => {
        concat!(
            "select jsonb_build_object(
                'user', to_jsonb(u),
                'identities', coalesce((
                    select jsonb_agg(to_jsonb(i) order by i.created_at, i.id)
                    from auth.identities i where i.user_id = u.id), '[]'),
                'factors', coalesce((
                    select jsonb_agg(to_jsonb(f) - 'secret' - 'web_authn_credential' order by f.created_at, f.id)
                    from auth.mfa_factors f where f.user_id = u.id), '[]')",
            $more,
            ")::text
            from auth.users u ",
            $rest
        )
    };
}

/// For `Database::read`: the account of this id that was not deleted, with the id of its session `$2` if that is open.
pub const WITH_SESSION: &str = users!(
    ", 'session', (select to_jsonb(s) || jsonb_build_object(
            'age', extract(epoch from now() - coalesce(s.created_at, now())),
            'idle', extract(epoch from now() - coalesce(greatest(s.created_at, s.refreshed_at at time zone 'utc'), now())),
            'has_ended', coalesce(s.not_after <= now(), false))
        from auth.sessions s where s.id = $2::uuid and s.user_id = u.id)",
    "where u.id = $1::uuid and u.deleted_at is null"
);

/// For `Database::read`: as [`find_by_email`]. Accounts that came from elsewhere may have capitals; where several differ in
/// them only, the one without has the address.
pub const BY_EMAIL: &str = users!(
    "where lower(u.email collate \"C\") = $1 and not u.is_sso_user and u.deleted_at is null
    order by (u.email = $1) desc, u.created_at limit 1"
);

/// For `Database::read`: as [`find_by_phone`].
pub const BY_PHONE: &str = users!("where u.phone = $1 and not u.is_sso_user and u.deleted_at is null");

/// By id, also one that was deleted softly.
pub async fn find(tx: &mut Tx, id: Uuid) -> Result<Option<User>> {
    tx.one(users!("where u.id = $1::uuid"), params![id]).await
}

/// The same, and nobody else changes it until the transaction ends.
pub async fn lock(tx: &mut Tx, id: Uuid) -> Result<Option<User>> {
    tx.one(users!("where u.id = $1::uuid for update of u"), params![id]).await
}

/// By address, in the spelling of [`crate::user::address::email`]. Accounts of single sign-on are found by their provider
/// only.
pub async fn find_by_email(tx: &mut Tx, email: &str) -> Result<Option<User>> {
    tx.one(BY_EMAIL, params![email]).await
}

/// By number.
pub async fn find_by_phone(tx: &mut Tx, phone: &str) -> Result<Option<User>> {
    tx.one(BY_PHONE, params![phone]).await
}

/// What a new account begins with.
#[derive(Clone, Debug, Default)]
pub struct NewUser {
    /// Chosen by an administrator; else made here.
    pub id: Option<Uuid>,
    /// In its one spelling.
    pub email: Option<String>,
    /// The same.
    pub phone: Option<String>,
    /// A hash.
    pub password: Option<String>,
    /// Audience; else the usual one.
    pub aud: Option<String>,
    /// Role; else the usual one.
    pub role: Option<String>,
    /// What the server says of it.
    pub app_metadata: Map<String, Value>,
    /// What the user says of itself.
    pub user_metadata: Map<String, Value>,
    /// Whether nobody knows who it is.
    pub is_anonymous: bool,
    /// Whether a provider of single sign-on vouches for it.
    pub is_sso_user: bool,
}

/// Makes an account. A duplicate violates `users_email_partial_key` or `users_phone_key`.
pub async fn insert(tx: &mut Tx, new: &NewUser) -> Result<Uuid> {
    let id = new.id.unwrap_or_else(Uuid::new_v4);
    tx.execute(
        include_str!("../../sql/user_insert.sql"),
        params![
            id,
            new.aud.as_deref().unwrap_or(AUTHENTICATED),
            new.role.as_deref().unwrap_or(AUTHENTICATED),
            new.email,
            new.phone,
            new.password.as_deref().unwrap_or_default(),
            new.app_metadata,
            new.user_metadata,
            new.is_anonymous,
            new.is_sso_user,
        ],
    )
    .await?;
    Ok(id)
}

/// Sets the hash of the password.
pub async fn set_password(tx: &mut Tx, id: Uuid, hash: &str) -> Result<()> {
    let sql = "update auth.users set encrypted_password = $2, updated_at = now() where id = $1::uuid";
    tx.execute(sql, params![id, hash]).await.map(drop)
}

/// Sets both kinds of metadata.
pub async fn set_metadata(
    tx: &mut Tx,
    id: Uuid,
    app: Option<&Map<String, Value>>,
    user: Option<&Map<String, Value>>,
) -> Result<()> {
    let sql = "update auth.users set raw_app_meta_data = coalesce($2::jsonb, raw_app_meta_data),
        raw_user_meta_data = coalesce($3::jsonb, raw_user_meta_data), updated_at = now() where id = $1::uuid";
    tx.execute(sql, params![id, app, user]).await.map(drop)
}

/// The address counts as proved; `user_metadata` says so from now on.
pub async fn confirm_email(tx: &mut Tx, id: Uuid) -> Result<()> {
    confirm(tx, id, include_str!("../../sql/user_confirm_email.sql")).await
}

/// The number counts as proved.
pub async fn confirm_phone(tx: &mut Tx, id: Uuid) -> Result<()> {
    let sql = "update auth.users set phone_confirmed_at = coalesce(phone_confirmed_at, now()), updated_at = now()
        where id = $1::uuid";
    confirm(tx, id, sql).await
}

/// Who has an owner waits for none.
async fn confirm(tx: &mut Tx, id: Uuid, sql: &'static str) -> Result<()> {
    for sql in [sql, "delete from auth.waiting_passwords where user_id = $1::uuid"] {
        tx.execute(sql, params![id]).await?;
    }
    Ok(())
}

/// Sets the address, which ends being anonymous.
pub async fn set_email(tx: &mut Tx, id: Uuid, email: &str) -> Result<()> {
    let sql = "update auth.users set email = $2, email_change = '', email_change_confirm_status = 0,
        is_anonymous = false, updated_at = now() where id = $1::uuid";
    tx.execute(sql, params![id, email]).await.map(drop)
}

/// Sets the number, which ends being anonymous.
pub async fn set_phone(tx: &mut Tx, id: Uuid, phone: &str) -> Result<()> {
    let sql = "update auth.users set phone = $2, phone_change = '', is_anonymous = false, updated_at = now()
        where id = $1::uuid";
    tx.execute(sql, params![id, phone]).await.map(drop)
}

/// The account goes on without its address, and without the codes that went there.
pub async fn release_email(tx: &mut Tx, id: Uuid) -> Result<()> {
    for sql in [
        "delete from auth.one_time_tokens where user_id = $1::uuid and token_type in
            ('confirmation_token', 'recovery_token', 'reauthentication_token', 'email_change_token_current')",
        "update auth.users set email = null, email_confirmed_at = null, updated_at = now() where id = $1::uuid",
    ] {
        tx.execute(sql, params![id]).await?;
    }
    Ok(())
}

/// The account goes on without its number.
pub async fn release_phone(tx: &mut Tx, id: Uuid) -> Result<()> {
    let sql = "update auth.users set phone = null, phone_confirmed_at = null, updated_at = now() where id = $1::uuid";
    tx.execute(sql, params![id]).await.map(drop)
}

/// The way by which an account's owner came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// By the address.
    Email,
    /// By the number.
    Phone,
}

/// Identities, second factors, passkeys and changes that wait for a proof go.
pub async fn drop_ways_in(tx: &mut Tx, id: Uuid) -> Result<()> {
    for sql in [
        "delete from auth.identities where user_id = $1::uuid",
        "delete from auth.mfa_factors where user_id = $1::uuid",
        "delete from auth.webauthn_credentials where user_id = $1::uuid",
        "update auth.users set email_change = '', phone_change = '', updated_at = now() where id = $1::uuid",
    ] {
        tx.execute(sql, params![id]).await?;
    }
    Ok(())
}

/// Somebody vouches for it: it is anonymous no more.
pub async fn set_known(tx: &mut Tx, id: Uuid) -> Result<()> {
    let sql = "update auth.users set is_anonymous = false, updated_at = now() where id = $1::uuid";
    tx.execute(sql, params![id]).await.map(drop)
}

/// A new address waits for its confirmation.
pub async fn email_change_begun(tx: &mut Tx, id: Uuid, email: &str) -> Result<()> {
    let sql = "update auth.users set email_change = $2, email_change_confirm_status = 0, updated_at = now()
        where id = $1::uuid";
    tx.execute(sql, params![id, email]).await.map(drop)
}

/// A new number waits for its confirmation.
pub async fn phone_change_begun(tx: &mut Tx, id: Uuid, phone: &str) -> Result<()> {
    let sql = "update auth.users set phone_change = $2, phone_change_sent_at = now(), updated_at = now()
        where id = $1::uuid";
    tx.execute(sql, params![id, phone]).await.map(drop)
}

/// Remembers a mail.
pub async fn sent(tx: &mut Tx, id: Uuid, kind: MailKind) -> Result<()> {
    let sql = match kind {
        MailKind::Confirmation => {
            "update auth.users set confirmation_sent_at = now(), updated_at = now() where id = $1::uuid"
        }
        MailKind::Invite => {
            "update auth.users set invited_at = now(), confirmation_sent_at = now(), updated_at = now() where id = $1::uuid"
        }
        MailKind::Recovery | MailKind::MagicLink => {
            "update auth.users set recovery_sent_at = now(), updated_at = now() where id = $1::uuid"
        }
        MailKind::EmailChange => {
            "update auth.users set email_change_sent_at = now(), updated_at = now() where id = $1::uuid"
        }
        MailKind::Reauthentication => {
            "update auth.users set reauthentication_sent_at = now(), updated_at = now() where id = $1::uuid"
        }
    };
    tx.execute(sql, params![id]).await.map(drop)
}

/// Remembers a text message.
pub async fn message_sent(tx: &mut Tx, id: Uuid, kind: TokenType) -> Result<()> {
    let sql = match kind {
        TokenType::PhoneChange => {
            "update auth.users set phone_change_sent_at = now(), updated_at = now() where id = $1::uuid"
        }
        TokenType::Reauthentication => {
            "update auth.users set reauthentication_sent_at = now(), updated_at = now() where id = $1::uuid"
        }
        _ => "update auth.users set confirmation_sent_at = now(), updated_at = now() where id = $1::uuid",
    };
    tx.execute(sql, params![id]).await.map(drop)
}

/// Who has agreed to a change of address (`email_change_confirm_status`).
pub struct Change;

impl Change {
    /// Nobody yet.
    pub const NOBODY_AGREED: i16 = 0;
    /// The reader of the old address.
    pub const CURRENT_AGREED: i16 = 1;
    /// The reader of the new one.
    pub const NEW_AGREED: i16 = 2;
}

/// One of the two has agreed.
pub async fn email_change_agreed(tx: &mut Tx, id: Uuid, who: i16) -> Result<()> {
    let sql = "update auth.users set email_change_confirm_status = $2::int2, updated_at = now() where id = $1::uuid";
    tx.execute(sql, params![id, i64::from(who)]).await.map(drop)
}

/// A session was opened.
pub async fn signed_in(tx: &mut Tx, id: Uuid) -> Result<()> {
    let sql = "update auth.users set last_sign_in_at = now(), updated_at = now() where id = $1::uuid";
    tx.execute(sql, params![id]).await.map(drop)
}

/// Sets the role that its tokens name.
pub async fn set_role(tx: &mut Tx, id: Uuid, role: &str) -> Result<()> {
    let sql = "update auth.users set role = $2, updated_at = now() where id = $1::uuid";
    tx.execute(sql, params![id, role]).await.map(drop)
}

/// Bans for so many seconds; `None` lifts a ban.
pub async fn ban(tx: &mut Tx, id: Uuid, seconds: Option<f64>) -> Result<()> {
    let sql = "update auth.users set banned_until = now() + make_interval(secs => $2::float8), updated_at = now()
        where id = $1::uuid";
    tx.execute(sql, params![id, seconds]).await.map(drop)
}

/// Deletes the account and everything that refers to it with `on delete cascade`.
pub async fn delete(tx: &mut Tx, id: Uuid) -> Result<()> {
    tx.execute("delete from auth.users where id = $1::uuid", params![id]).await.map(drop)
}

/// Keeps the row for those who refer to it, and nothing that tells who it was.
pub async fn delete_softly(tx: &mut Tx, id: Uuid) -> Result<()> {
    for sql in [
        include_str!("../../sql/user_delete_softly.sql"),
        include_str!("../../sql/identity_delete_softly.sql"),
        "delete from auth.sessions where user_id = $1::uuid",
        "delete from auth.mfa_factors where user_id = $1::uuid",
        "delete from auth.one_time_tokens where user_id = $1::uuid",
    ] {
        tx.execute(sql, params![id]).await?;
    }
    Ok(())
}

/// A page of accounts, newest first, filtered by a part of address, number or name.
pub async fn page(tx: &mut Tx, filter: &str, oldest_first: bool, limit: i64, offset: i64) -> Result<Vec<User>> {
    let params = params![filter, limit, offset];
    if oldest_first {
        tx.all(users!("where ($1 = '' or strpos(concat_ws(' ', u.email, u.phone, u.raw_user_meta_data ->> 'full_name'), $1) > 0)
            order by u.created_at, u.id limit $2::int8 offset $3::int8"), params).await
    } else {
        tx.all(users!("where ($1 = '' or strpos(concat_ws(' ', u.email, u.phone, u.raw_user_meta_data ->> 'full_name'), $1) > 0)
            order by u.created_at desc, u.id limit $2::int8 offset $3::int8"), params).await
    }
}

/// How many accounts the filter finds.
pub async fn count(tx: &mut Tx, filter: &str) -> Result<u64> {
    let sql = "select count(*)::text from auth.users u
        where $1 = '' or strpos(concat_ws(' ', u.email, u.phone, u.raw_user_meta_data ->> 'full_name'), $1) > 0";
    tx.must(sql, params![filter]).await
}
