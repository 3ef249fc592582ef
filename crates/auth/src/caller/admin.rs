//! A caller with a service key: as Bearer token, or as an opaque key in `apikey`.
//!
//! A JWT in `apikey` alone is no proof here (contract 0.1): browsers send their key there, too.

use axum::extract::FromRequestParts;
use ferrobase_request::{AuthRules, Authority, Claims};
use http::request::Parts;

use super::Flow;
use super::signed_in::claims;
use crate::error::{Error, ErrorCode, Result};
use crate::router::Room;

/// Roles of administrators.
pub(crate) const ADMINISTRATORS: [&str; 2] = ["service_role", "supabase_admin"];

/// An administrator.
#[derive(Clone)]
pub struct Admin {
    /// The request.
    pub flow: Flow,
}

impl FromRequestParts<Room> for Admin {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, room: &Room) -> Result<Self> {
        let flow = Flow::from_request_parts(parts, room).await?;
        let authority = &flow.target.authority;
        let may = has_opaque_key(&flow) || is_admin(&claims(&flow)?, &authority.rules);
        if !may || !has_admins(authority) {
            return Err(Error::forbidden(ErrorCode::NotAdmin, "User not allowed"));
        }
        Ok(Self { flow })
    }
}

/// By the role that the token names where `auth.jwt_role_claim` looks, as everywhere else. A token that names none has the
/// anonymous role elsewhere and is no administrator's, whatever that role is.
pub(crate) fn is_admin(claims: &Claims, rules: &AuthRules) -> bool {
    let role = rules.role_claim.find(claims.map()).and_then(serde_json::Value::as_str);
    role.is_some_and(|role| ADMINISTRATORS.contains(&role))
}

/// Whether service keys count at all: `auth.allowed_roles` may leave `service_role` out. `supabase_admin` is another name for
/// the same here, as the clients' contract has it, and no role of tokens elsewhere.
pub(crate) fn has_admins(authority: &Authority) -> bool {
    authority.rules.allowed_roles.allow(ADMINISTRATORS[0])
}

/// The edge has verified `apikey` and a Bearer that is one.
fn has_opaque_key(flow: &Flow) -> bool {
    let key = flow.context.identity.api_key.as_ref().filter(|key| key.id.is_some());
    let bearer = flow.client.bearer.as_deref();
    key.is_some_and(|key| key.role == ADMINISTRATORS[0]) && bearer.is_none_or(|bearer| bearer.starts_with("sb_"))
}
