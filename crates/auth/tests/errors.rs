//! Both shapes of errors (contract 0.3).

use serde_json::json;

use crate::harness::auth;

#[tokio::test]
async fn clients_of_today_and_of_before_read_their_own_shape() {
    let auth = auth().await;
    let body = json!({"email": "a@b.c", "password": "wrong"}).to_string();
    let line = "POST /token?grant_type=password";
    let now = auth.send(line, &[("x-supabase-api-version", "2024-01-01")], body.clone()).await;
    assert_eq!(now.json(), json!({"code": "invalid_credentials", "message": "Invalid login credentials"}));
    assert_eq!(now.field("x-supabase-api-version"), "2024-01-01");
    assert_eq!(now.field("x-sb-error-code"), "invalid_credentials");
    for fields in [vec![], vec![("x-supabase-api-version", "2023-12-31")]] {
        let before = auth.send(line, &fields, body.clone()).await;
        let expected = json!({"code": 400, "error_code": "invalid_credentials", "msg": "Invalid login credentials"});
        assert_eq!(before.json(), expected);
        assert_eq!(before.field("x-supabase-api-version"), "");
    }
}

#[tokio::test]
async fn bodies_that_cannot_be_read() {
    let auth = auth().await;
    let version = ("x-supabase-api-version", "2024-01-01");
    for body in ["{", "[]", "\"text\"", "{\"email\": 7}", "{\"password\": \"canary"] {
        let answer = auth.send("POST /signup", &[version], body).await;
        assert_eq!(answer.error().1, "bad_json", "{body}: {answer:?}");
        assert!(!answer.body.contains("canary"));
    }
    let large = format!("{{\"email\": \"{}\"}}", "a".repeat(1024 * 1024));
    let answer = auth.send("POST /signup", &[version], large).await;
    assert_eq!((answer.status.as_u16(), answer.field("x-sb-error-code")), (413, "request_entity_too_large"));
    let nowhere = auth.send("GET /nowhere", &[version], "").await;
    assert_eq!(nowhere.status, 404);
    assert_eq!(auth.send("PATCH /signup", &[version], "").await.status, 405);
}

#[tokio::test]
async fn null_is_absent_and_unknown_fields_are_ignored() {
    let auth = auth().await;
    let body = json!({"email": "a@b.c", "phone": null, "password": "password", "data": null, "channel": null,
        "code_challenge": null, "gotrue_meta_security": {"captcha_token": "x"}, "more": [1]});
    auth.post("/signup", body).await.ok();
}
