//! Rate limits over HTTP: exactly the seed's numbers, and fields that clients can act on.

use ferrobase_base::config::{Atom, Cidr};
use serde_json::Value;

use crate::harness::{Server, Setup, anon_key, client, service_key, user_token};

fn limited() -> Setup {
    let mut setup = Setup::default();
    setup.security.rate_limit.enabled = true;
    setup.server.trusted_proxies = vec![Cidr::parse("127.0.0.1").unwrap()];
    setup
}

/// Sends requests until one is refused, and gives how many were not.
async fn allowed(server: &Server, fields: &[(&str, &str)], at_most: usize) -> (usize, Option<reqwest::Response>) {
    let client = client();
    for count in 0..at_most {
        let mut request = client.get(server.url("/hello"));
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        let response = request.send().await.unwrap();
        if response.status() == 429 {
            return (count, Some(response));
        }
    }
    (at_most, None)
}

#[tokio::test]
async fn the_hundred_and_first_anonymous_request_is_refused() {
    let server = limited().start().await;
    let (count, refused) = allowed(&server, &[], 150).await;
    assert_eq!(count, 100);
    let refused = refused.unwrap();
    let wait: u64 = refused.headers()["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1..=61).contains(&wait), "{wait}");
    assert_eq!(refused.headers()["ratelimit-policy"], "\"anonymous\";q=100;w=60");
    assert!(refused.headers()["ratelimit"].to_str().unwrap().starts_with("\"anonymous\";r=0;t="));
    assert_eq!(refused.json::<Value>().await.unwrap()["code"], "FBE429");
    assert_eq!(server.metric("http_requests_rate_limited_total{tier=\"anonymous\"}"), Some(1.0));
    // Another address is another caller; the public key gives no second quota; bad tokens use this one up.
    assert_eq!(allowed(&server, &[("x-forwarded-for", "203.0.113.7")], 5).await.0, 5);
    assert_eq!(allowed(&server, &[("apikey", &anon_key())], 5).await.0, 0);
    assert_eq!(allowed(&server, &[("authorization", "Bearer guess")], 5).await.0, 0);
}

#[tokio::test]
async fn users_and_keys_have_their_own_quotas_wherever_they_call_from() {
    let server = limited().start().await;
    let bearer = format!("Bearer {}", user_token("u-1"));
    let client = client();
    let mut statuses = Vec::new();
    for index in 0..502 {
        let from = if index % 2 == 0 { "203.0.113.7" } else { "203.0.113.8" };
        let request = client.get(server.url("/hello")).header("authorization", &bearer).header("x-forwarded-for", from);
        statuses.push(request.send().await.unwrap().status().as_u16());
    }
    assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 500);
    assert_eq!(statuses[500..], [429, 429]);
    let other = format!("Bearer {}", user_token("u-2"));
    assert_eq!(allowed(&server, &[("authorization", &other)], 3).await.0, 3);
    assert_eq!(allowed(&server, &[("apikey", &service_key())], 1100).await.0, 1000);
}

#[tokio::test]
async fn answers_tell_what_is_left_and_preflights_cost_nothing() {
    let server = limited().start().await;
    for _ in 0..5 {
        let preflight = client()
            .request(reqwest::Method::OPTIONS, server.url("/hello"))
            .header("origin", "https://a.example")
            .header("access-control-request-method", "GET")
            .send()
            .await
            .unwrap();
        assert!(!preflight.headers().contains_key("ratelimit"));
    }
    let first = server.get("/hello").await;
    assert!(first.headers()["ratelimit"].to_str().unwrap().starts_with("\"anonymous\";r=99;t="), "{first:?}");
}

#[tokio::test]
async fn a_reload_with_the_same_quotas_keeps_the_counts() {
    let server = limited().start().await;
    assert_eq!(allowed(&server, &[], 100).await.0, 100);
    server.app.reload(limited().settings());
    assert_eq!(allowed(&server, &[], 5).await.0, 0);
    let mut wider = limited();
    wider.security.rate_limit.anonymous = 200;
    server.app.reload(wider.settings());
    assert_eq!(allowed(&server, &[], 5).await.0, 5);
}
