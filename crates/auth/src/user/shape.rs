//! JSON of accounts, identities and factors, as the contract spells it (1.1, 1.2, 1.4).

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::{Factor, Identity, User};

/// The user as its owner and administrators see it.
pub fn user(user: &User) -> Value {
    let row = &user.row;
    let mut out = Map::new();
    out.insert("id".to_owned(), row.id.to_string().into());
    out.insert("aud".to_owned(), row.aud.as_deref().unwrap_or_default().into());
    out.insert("role".to_owned(), row.role.as_deref().unwrap_or_default().into());
    out.insert("email".to_owned(), user.email().into());
    time(&mut out, "email_confirmed_at", row.email_confirmed_at);
    time(&mut out, "invited_at", row.invited_at);
    out.insert("phone".to_owned(), user.phone().into());
    time(&mut out, "phone_confirmed_at", row.phone_confirmed_at);
    time(&mut out, "confirmation_sent_at", row.confirmation_sent_at);
    time(&mut out, "confirmed_at", row.confirmed_at);
    time(&mut out, "recovery_sent_at", row.recovery_sent_at);
    text(&mut out, "new_email", row.email_change.as_deref());
    time(&mut out, "email_change_sent_at", row.email_change_sent_at);
    text(&mut out, "new_phone", row.phone_change.as_deref());
    time(&mut out, "phone_change_sent_at", row.phone_change_sent_at);
    time(&mut out, "reauthentication_sent_at", row.reauthentication_sent_at);
    time(&mut out, "last_sign_in_at", row.last_sign_in_at);
    out.insert("app_metadata".to_owned(), object(row.raw_app_meta_data.as_ref()));
    out.insert("user_metadata".to_owned(), object(row.raw_user_meta_data.as_ref()));
    if !user.factors.is_empty() {
        out.insert("factors".to_owned(), user.factors.iter().map(factor).collect());
    }
    out.insert("identities".to_owned(), user.identities.iter().map(identity).collect());
    time(&mut out, "created_at", row.created_at);
    time(&mut out, "updated_at", row.updated_at);
    time(&mut out, "banned_until", row.banned_until);
    time(&mut out, "deleted_at", row.deleted_at);
    out.insert("is_anonymous".to_owned(), row.is_anonymous.into());
    Value::Object(out)
}

/// A way into an account.
pub fn identity(identity: &Identity) -> Value {
    let mut out = Map::new();
    out.insert("identity_id".to_owned(), identity.id.to_string().into());
    out.insert("id".to_owned(), identity.provider_id.as_str().into());
    out.insert("user_id".to_owned(), identity.user_id.to_string().into());
    out.insert("identity_data".to_owned(), Value::Object(identity.identity_data.clone()));
    out.insert("provider".to_owned(), identity.provider.as_str().into());
    time(&mut out, "last_sign_in_at", identity.last_sign_in_at);
    time(&mut out, "created_at", identity.created_at);
    time(&mut out, "updated_at", identity.updated_at);
    text(&mut out, "email", identity.email.as_deref());
    Value::Object(out)
}

/// A second factor; its secret is not even read.
pub fn factor(factor: &Factor) -> Value {
    let mut out = Map::new();
    out.insert("id".to_owned(), factor.id.to_string().into());
    out.insert("created_at".to_owned(), factor.created_at.to_string().into());
    out.insert("updated_at".to_owned(), factor.updated_at.to_string().into());
    out.insert("status".to_owned(), factor.status.as_str().into());
    text(&mut out, "friendly_name", factor.friendly_name.as_deref());
    out.insert("factor_type".to_owned(), factor.factor_type.as_str().into());
    text(&mut out, "phone", factor.phone.as_deref());
    time(&mut out, "last_challenged_at", factor.last_challenged_at);
    text(&mut out, "web_authn_aaguid", factor.web_authn_aaguid.map(|id| id.to_string()).as_deref());
    if let Some(data) = factor.last_webauthn_challenge_data.as_ref().filter(|data| !data.is_null()) {
        out.insert("last_webauthn_challenge_data".to_owned(), data.clone());
    }
    Value::Object(out)
}

fn object(map: Option<&Map<String, Value>>) -> Value {
    map.map_or_else(|| json!({}), |map| Value::Object(map.clone()))
}

fn time(out: &mut Map<String, Value>, name: &str, at: Option<Timestamp>) {
    if let Some(at) = at {
        out.insert(name.to_owned(), at.to_string().into());
    }
}

fn text(out: &mut Map<String, Value>, name: &str, text: Option<&str>) {
    if let Some(text) = text.filter(|text| !text.is_empty()) {
        out.insert(name.to_owned(), text.into());
    }
}
