//! This installation as OAuth server (contract 6), from a client's side and from its users'.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ferrobase_base::config::SecretJson;
use serde_json::{Value, json};

use crate::harness::{Answer, Auth, auth, section, text, with};
use crate::oauth::browser::param;
use crate::oauth::sign_in::{CHALLENGE, VERIFIER};

const BACK: &str = "https://client.example/back";

async fn room() -> Auth {
    let keys = json!([{"kty": "EC", "crv": "P-256", "kid": "now", "key_ops": ["sign"],
        "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
        "d": "jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI"}]);
    with(section(|section| {
        section.oauth_server.enabled = true;
        section.oauth_server.allow_dynamic_registration = true;
        section.signing_keys = Some(SecretJson::from(keys));
    }))
    .await
}

async fn client(auth: &Auth, more: Value) -> Value {
    let mut body = json!({"client_name": "A client", "redirect_uris": [BACK]});
    body.as_object_mut().expect("an object").extend(more.as_object().cloned().unwrap_or_default());
    let made = auth.admin("POST /admin/oauth/clients", body).await;
    assert_eq!(made.status, 201, "{made:?}");
    made.json()
}

fn query(client: &Value) -> String {
    format!(
        "client_id={}&redirect_uri={BACK}&response_type=code&scope=openid+email&state=of-the-client&nonce=n1&code_challenge={CHALLENGE}&code_challenge_method=S256",
        text(client, "client_id")
    )
}

/// The name of a new request.
async fn asked(auth: &Auth, client: &Value) -> String {
    let answer = auth.send(&format!("GET /oauth/authorize?{}", query(client)), &[], "").await;
    assert_eq!(answer.status, 302, "{answer:?}");
    let page = answer.field("location");
    assert!(page.starts_with("http://localhost:3000/oauth/consent?authorization_id="), "{page}");
    param(page, '?', "authorization_id").expect("a name")
}

async fn consent(auth: &Auth, token: &str, client: &Value) -> String {
    let id = asked(auth, client).await;
    let path = format!("/oauth/authorizations/{id}");
    auth.call(&format!("GET {path}"), Some(token), Value::Null).await.ok();
    let answer = auth.call(&format!("POST {path}/consent"), Some(token), json!({"action": "approve"})).await.ok();
    let back = text(&answer, "redirect_url").to_owned();
    assert_eq!(param(&back, '?', "state").as_deref(), Some("of-the-client"));
    param(&back, '?', "code").expect("a code")
}

async fn trade(auth: &Auth, client: &Value, code: &str, verifier: &str) -> Answer {
    let basic = STANDARD.encode(format!("{}:{}", text(client, "client_id"), text(client, "client_secret")));
    let fields =
        [("authorization", format!("Basic {basic}")), ("content-type", "application/x-www-form-urlencoded".to_owned())];
    let fields: Vec<_> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let form = format!("grant_type=authorization_code&code={code}&redirect_uri={BACK}&code_verifier={verifier}");
    auth.send("POST /oauth/token", &fields, form).await
}

fn claims(token: &str) -> Value {
    let payload = token.split('.').nth(1).expect("a payload");
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).expect("base64url")).expect("claims")
}

#[tokio::test]
async fn a_client_gets_what_its_user_agrees_to() {
    let auth = room().await;
    let client = client(&auth, json!({})).await;
    let session = auth.sign_up("ada@example.com").await;
    let token = text(&session, "access_token");
    let id = asked(&auth, &client).await;
    let details = auth.call(&format!("GET /oauth/authorizations/{id}"), Some(token), Value::Null).await.ok();
    assert_eq!((&details["client"]["name"], &details["scope"]), (&json!("A client"), &json!("openid email")));
    assert_eq!((&details["redirect_uri"], &details["user"]["email"]), (&json!(BACK), &json!("ada@example.com")));
    let code = consent(&auth, token, &client).await;
    let tokens = trade(&auth, &client, &code, VERIFIER).await.ok();
    assert_eq!((text(&tokens, "token_type"), text(&tokens, "scope")), ("bearer", "openid email"));
    let access = claims(text(&tokens, "access_token"));
    assert_eq!((&access["client_id"], &access["scope"]), (&client["client_id"], &json!("openid email")));
    assert_eq!(access["amr"][0]["method"], "oauth_provider/authorization_code");
    let id_token = claims(text(&tokens, "id_token"));
    assert_eq!((&id_token["aud"], &id_token["nonce"]), (&client["client_id"], &json!("n1")));
    assert_eq!((&id_token["iss"], &id_token["sub"]), (&json!("http://localhost:8000/auth/v1"), &session["user"]["id"]));
    let info = auth.call("GET /oauth/userinfo", Some(text(&tokens, "access_token")), Value::Null).await.ok();
    assert_eq!(info, json!({"sub": session["user"]["id"], "email": "ada@example.com", "email_verified": true}));
    // Agreed once is agreed: the page is not needed again.
    let id = asked(&auth, &client).await;
    let again = auth.call(&format!("GET /oauth/authorizations/{id}"), Some(token), Value::Null).await.ok();
    assert!(param(text(&again, "redirect_url"), '?', "code").is_some(), "{again}");
    // Taken back, and the client's session is over.
    let granted = auth.call("GET /user/oauth/grants", Some(token), Value::Null).await.ok();
    assert_eq!(
        (&granted[0]["client"]["id"], &granted[0]["scopes"]),
        (&client["client_id"], &json!(["openid", "email"]))
    );
    let line = format!("DELETE /user/oauth/grants?client_id={}", text(&client, "client_id"));
    assert_eq!(auth.call(&line, Some(token), Value::Null).await.status, 204);
    assert_eq!(auth.call(&line, Some(token), Value::Null).await.error().1, "oauth_consent_not_found");
    let over = auth.call("GET /oauth/userinfo", Some(text(&tokens, "access_token")), Value::Null).await.error();
    assert_eq!(over.1, "session_not_found");
}

#[tokio::test]
async fn a_session_of_a_client_is_refreshed_by_it_only() {
    let auth = room().await;
    let (one, other) = (client(&auth, json!({})).await, client(&auth, json!({})).await);
    let session = auth.sign_up("ada@example.com").await;
    let code = consent(&auth, text(&session, "access_token"), &one).await;
    let tokens = trade(&auth, &one, &code, VERIFIER).await.ok();
    let refresh = |client: &Value, token: &str| {
        let body = json!({"grant_type": "refresh_token", "refresh_token": token});
        let basic = STANDARD.encode(format!("{}:{}", text(client, "client_id"), text(client, "client_secret")));
        let auth = &auth;
        async move {
            let authorization = format!("Basic {basic}");
            let fields = [("authorization", authorization.as_str()), ("content-type", "application/json")];
            auth.send("POST /oauth/token", &fields, body.to_string()).await
        }
    };
    let token = text(&tokens, "refresh_token");
    assert_eq!(refresh(&other, token).await.json()["error"], "invalid_grant");
    assert_eq!(auth.refresh(token).await.error().1, "refresh_token_not_found", "not without the client");
    assert_eq!(refresh(&one, text(&session, "refresh_token")).await.json()["error"], "invalid_grant");
    let next = refresh(&one, token).await.ok();
    assert_eq!(claims(text(&next, "access_token"))["client_id"], one["client_id"]);
}

#[tokio::test]
async fn sec_codes_are_for_one_client_one_verifier_and_one_use() {
    let auth = room().await;
    let (one, other) = (client(&auth, json!({})).await, client(&auth, json!({})).await);
    let session = auth.sign_up("ada@example.com").await;
    let token = text(&session, "access_token");
    let code = consent(&auth, token, &one).await;
    assert_eq!(trade(&auth, &other, &code, VERIFIER).await.json()["error"], "invalid_grant");
    let mut wrong = one.clone();
    wrong["client_secret"] = json!("wrong");
    let refused = trade(&auth, &wrong, &code, VERIFIER).await;
    assert_eq!((refused.status.as_u16(), refused.json()["error"].as_str()), (401, Some("invalid_client")));
    trade(&auth, &one, &code, VERIFIER).await.ok();
    assert_eq!(trade(&auth, &one, &code, VERIFIER).await.json()["error"], "invalid_grant", "used");
    let code = consent_again(&auth, token, &one).await;
    assert_eq!(trade(&auth, &one, &code, CHALLENGE).await.json()["error"], "invalid_grant", "another verifier");
    assert_eq!(trade(&auth, &one, &code, VERIFIER).await.json()["error"], "invalid_grant", "and nothing more");
    let code = consent_again(&auth, token, &one).await;
    auth.db.script("update auth.oauth_authorizations set created_at = now() - interval '1 h', expires_at = now() - interval '1 s'").await;
    assert_eq!(trade(&auth, &one, &code, VERIFIER).await.json()["error"], "invalid_grant", "late");
    assert_eq!(
        auth.value("select count(*)::text from auth.oauth_authorizations where authorization_code = 'x'").await,
        "0"
    );
}

async fn consent_again(auth: &Auth, token: &str, client: &Value) -> String {
    let id = asked(auth, client).await;
    let again = auth.call(&format!("GET /oauth/authorizations/{id}"), Some(token), Value::Null).await.ok();
    param(text(&again, "redirect_url"), '?', "code").expect("a code")
}

#[tokio::test]
async fn sec_nobody_is_sent_where_the_client_is_not() {
    let auth = room().await;
    let client = client(&auth, json!({})).await;
    let good = query(&client);
    for (from, to) in [
        (BACK, "https://evil.example/back"),
        (BACK, "https://client.example/back/../evil"),
        (BACK, "https://client.example/back?x=1"),
        (BACK, "https://client.example/"),
        (text(&client, "client_id"), "0190b6f0-0000-7000-8000-000000000001"),
        (text(&client, "client_id"), "x"),
    ] {
        let refused = auth.send(&format!("GET /oauth/authorize?{}", good.replace(from, to)), &[], "").await;
        assert_eq!(refused.status, 400, "{to}");
        assert_eq!(refused.field("location"), "");
    }
    for (from, to, error) in [
        ("response_type=code", "response_type=token", "unsupported_response_type"),
        (CHALLENGE, "", "invalid_request"),
        ("S256", "plain", "invalid_request"),
        ("openid+email", "openid+admin", "invalid_scope"),
        ("state=", "nonce=n2&state=", "invalid_request"),
    ] {
        let refused = auth.send(&format!("GET /oauth/authorize?{}", good.replace(from, to)), &[], "").await;
        let back = refused.field("location");
        assert!(back.starts_with(BACK) && param(back, '?', "error").as_deref() == Some(error), "{to}: {refused:?}");
        assert_eq!(param(back, '?', "iss").as_deref(), Some("http://localhost:8000/auth/v1"));
    }
}

#[tokio::test]
async fn sec_consent_is_the_askeds_own() {
    let auth = room().await;
    let client = client(&auth, json!({})).await;
    let (ada, bea) = (auth.sign_up("ada@example.com").await, auth.sign_up("bea@example.com").await);
    let path = format!("/oauth/authorizations/{}", asked(&auth, &client).await);
    let (ada, bea) = (Some(text(&ada, "access_token")), Some(text(&bea, "access_token")));
    let line = format!("POST {path}/consent");
    assert_eq!(auth.call(&line, None, json!({"action": "approve"})).await.status, 401);
    assert_eq!(auth.call(&line, ada, json!({"action": "approve"})).await.status, 404, "unseen");
    auth.call(&format!("GET {path}"), ada, Value::Null).await.ok();
    assert_eq!(auth.call(&format!("GET {path}"), bea, Value::Null).await.error().1, "oauth_authorization_not_found");
    assert_eq!(auth.call(&line, bea, json!({"action": "approve"})).await.status, 404);
    let bearer = format!("Bearer {}", ada.expect("a token"));
    let fields = [("authorization", bearer.as_str()), ("origin", "https://evil.example")];
    assert_eq!(auth.send(&line, &fields, "{\"action\":\"approve\"}").await.status, 403, "another site's page");
    assert_eq!(auth.call(&line, ada, json!({"action": "maybe"})).await.status, 400);
    let denied = auth.call(&line, ada, json!({"action": "deny"})).await.ok();
    assert_eq!(param(text(&denied, "redirect_url"), '?', "error").as_deref(), Some("access_denied"));
    assert_eq!(auth.call(&line, ada, json!({"action": "approve"})).await.status, 404, "over");
    assert_eq!(auth.value("select count(*)::text from auth.oauth_consents").await, "0");
}

#[tokio::test]
async fn sec_a_clients_token_changes_no_account_and_gives_no_consent() {
    let auth = room().await;
    let client = client(&auth, json!({})).await;
    let session = auth.sign_up("ada@example.com").await;
    let code = consent(&auth, text(&session, "access_token"), &client).await;
    let tokens = trade(&auth, &client, &code, VERIFIER).await.ok();
    let token = Some(text(&tokens, "access_token"));
    let id = asked(&auth, &client).await;
    for line in [
        "PUT /user".to_owned(),
        "POST /logout".to_owned(),
        "GET /user/oauth/grants".to_owned(),
        format!("DELETE /user/identities/{}", text(&session["user"]["identities"][0], "identity_id")),
        format!("GET /oauth/authorizations/{id}"),
        format!("POST /oauth/authorizations/{id}/consent"),
    ] {
        let refused = auth.call(&line, token, json!({"password": "another", "action": "approve"})).await;
        assert_eq!(refused.status, 403, "{line}: {refused:?}");
    }
    auth.call("GET /user", token, Value::Null).await.ok();
    auth.sign_in("ada@example.com", "password").await.ok();
}

#[tokio::test]
async fn clients_are_made_changed_and_ended() {
    let auth = room().await;
    let made = client(&auth, json!({"client_uri": "https://client.example"})).await;
    assert_eq!((text(&made, "client_type"), text(&made, "registration_type")), ("confidential", "manual"));
    assert_eq!(made["grant_types"], json!(["authorization_code", "refresh_token"]));
    assert_eq!(
        (text(&made, "token_endpoint_auth_method"), &made["response_types"]),
        ("client_secret_basic", &json!(["code"]))
    );
    let path = format!("/admin/oauth/clients/{}", text(&made, "client_id"));
    let shown = auth.admin(&format!("GET {path}"), Value::Null).await.ok();
    assert_eq!((shown.get("client_secret"), &shown["client_name"]), (None, &json!("A client")));
    let changed = auth.admin(&format!("PUT {path}"), json!({"client_name": "Another"})).await.ok();
    assert_eq!((&changed["client_name"], &changed["redirect_uris"]), (&json!("Another"), &json!([BACK])));
    assert_eq!(auth.admin(&format!("PUT {path}"), json!({})).await.status, 400);
    let anew = auth.admin(&format!("POST {path}/regenerate_secret"), Value::Null).await.ok();
    assert_ne!(anew["client_secret"], made["client_secret"]);
    let listed = auth.admin("GET /admin/oauth/clients", Value::Null).await;
    assert_eq!((listed.ok()["clients"].as_array().map(Vec::len), listed.field("x-total-count")), (Some(1), "1"));
    assert_eq!(auth.admin(&format!("DELETE {path}"), Value::Null).await.status, 204);
    assert_eq!(auth.admin(&format!("GET {path}"), Value::Null).await.error().1, "oauth_client_not_found");
    let public = client(&auth, json!({"client_type": "public"})).await;
    assert_eq!((public.get("client_secret"), text(&public, "token_endpoint_auth_method")), (None, "none"));
    let line = format!("POST /admin/oauth/clients/{}/regenerate_secret", text(&public, "client_id"));
    assert_eq!(auth.admin(&line, Value::Null).await.status, 400);
    for bad in [json!({"redirect_uris": []}), json!({}), json!({"redirect_uris": ["http://client.example"]})] {
        let refused = auth.admin("POST /admin/oauth/clients", bad).await.error();
        assert!(refused.0 == 400 && refused.2.contains("redirect_uris"), "{refused:?}");
    }
    // Registered by itself, with no key at all.
    let registered = auth.send("POST /oauth/clients/register", &[], json!({"redirect_uris": [BACK]}).to_string()).await;
    assert_eq!((registered.status.as_u16(), text(&registered.json(), "registration_type")), (201, "dynamic"));
}

#[tokio::test]
async fn where_it_is_off_nothing_is_there() {
    let off = auth().await;
    for line in ["GET /admin/oauth/clients", "GET /.well-known/openid-configuration", "POST /oauth/token"] {
        let refused = off.admin(line, Value::Null).await.error();
        assert_eq!((refused.0, refused.1.as_str()), (404, "feature_disabled"), "{line}");
    }
    let on = room().await;
    let document = on.send("GET /.well-known/openid-configuration", &[], "").await.ok();
    assert_eq!(document["issuer"], "http://localhost:8000/auth/v1");
    assert_eq!(document["id_token_signing_alg_values_supported"], json!(["ES256"]));
    assert_eq!(document["code_challenge_methods_supported"], json!(["S256"]));
    assert_eq!(document["scopes_supported"], json!(["openid", "email", "profile", "phone"]));
    // What would be refused is not offered.
    let without_keys = with(section(|section| section.oauth_server.enabled = true)).await;
    let document = without_keys.send("GET /.well-known/openid-configuration", &[], "").await.ok();
    assert_eq!(document["scopes_supported"], json!(["email", "profile", "phone"]));
    assert_eq!(document["id_token_signing_alg_values_supported"], json!([]));
}
