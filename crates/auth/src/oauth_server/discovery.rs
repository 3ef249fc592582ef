//! What clients need to know of this server (OpenID Connect Discovery; RFC 8414).

use serde_json::{Value, json};

use super::{SCOPES, check_enabled, signs_for_others};
use crate::caller::{Flow, Json};
use crate::error::Result;

pub(super) async fn document(flow: Flow) -> Result<Json<Value>> {
    check_enabled(&flow)?;
    let settings = &flow.settings;
    let issuer = &settings.external_url;
    let has_id_tokens = signs_for_others(&flow);
    let scopes: Vec<_> = SCOPES.into_iter().filter(|scope| has_id_tokens || *scope != "openid").collect();
    let signer = settings.signer.iter().filter(|_| has_id_tokens);
    let mut document = json!({
        "issuer": issuer,
        "authorization_endpoint": format!("{issuer}/oauth/authorize"),
        "token_endpoint": format!("{issuer}/oauth/token"),
        "userinfo_endpoint": format!("{issuer}/oauth/userinfo"),
        "jwks_uri": format!("{issuer}/.well-known/jwks.json"),
        "scopes_supported": scopes,
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": ["authorization_code", "refresh_token"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": signer.map(|signer| signer.algorithm()).collect::<Vec<_>>(),
        "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post", "none"],
        "code_challenge_methods_supported": ["S256"],
        "authorization_response_iss_parameter_supported": true,
        "claims_supported": ["sub", "iss", "aud", "exp", "iat", "auth_time", "nonce", "email", "email_verified",
            "phone_number", "phone_number_verified", "name", "picture", "preferred_username", "updated_at"],
    });
    if settings.section.oauth_server.allow_dynamic_registration {
        document["registration_endpoint"] = format!("{issuer}/oauth/clients/register").into();
    }
    Ok(Json(document))
}
