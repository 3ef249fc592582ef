//! `/health`, `/settings` and rate limits (contract 2, 7).

use serde_json::{Value, json};

use crate::harness::{auth, section, with};

#[tokio::test]
async fn health_and_settings() {
    let auth = auth().await;
    assert_eq!(auth.call("GET /health", None, Value::Null).await.ok()["name"], "GoTrue");
    let settings = auth.call("GET /settings", None, Value::Null).await.ok();
    assert_eq!(settings["external"]["email"], true);
    assert_eq!((&settings["external"]["google"], &settings["external"]["phone"]), (&json!(false), &json!(false)));
    assert_eq!(settings["external"]["anonymous_users"], true);
    assert_eq!((&settings["disable_signup"], &settings["mailer_autoconfirm"]), (&json!(false), &json!(true)));
}

#[tokio::test]
async fn an_address_that_tries_too_often_waits() {
    let auth = with(section(|section| section.rate_limits.token = 3)).await;
    for _ in 0..3 {
        assert_eq!(auth.sign_in("a@b.c", "wrong").await.status, 400);
    }
    let limited = auth.sign_in("a@b.c", "wrong").await;
    let expected = (429, "over_request_rate_limit".to_owned(), "Request rate limit reached".to_owned());
    assert_eq!(limited.error(), expected);
    assert!(!limited.field("retry-after").is_empty());
    // Another limiter is untouched.
    auth.sign_up("ada@example.com").await;
}

#[tokio::test]
async fn browsers_may_read_what_clients_need() {
    let auth = auth().await;
    let origin = [("origin", "https://app.example.com")];
    let answer = auth.send("GET /settings", &origin, "").await;
    let exposed = answer.field("access-control-expose-headers").to_lowercase();
    for name in ["x-total-count", "link", "x-supabase-api-version"] {
        assert!(exposed.contains(name), "{name} in {exposed}");
    }
    let asked = "authorization, apikey, x-client-info, x-supabase-api-version";
    let preflight = [
        ("origin", "https://app.example.com"),
        ("access-control-request-method", "PUT"),
        ("access-control-request-headers", asked),
    ];
    let answer = auth.send("OPTIONS /user", &preflight, "").await;
    let allowed = answer.field("access-control-allow-headers").to_lowercase();
    assert!(asked.split(", ").all(|name| allowed.contains(name)), "{allowed}");
    for method in ["GET", "POST", "PUT", "PATCH", "DELETE"] {
        assert!(answer.field("access-control-allow-methods").contains(method), "{answer:?}");
    }
}
