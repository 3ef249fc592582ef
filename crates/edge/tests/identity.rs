//! Who calls: tokens, keys, addresses, and refusals with every field that clients read.

use ferrobase_base::config::{Atom, Cidr};
use ferrobase_edge::{AuthPolicy, Room, RoutePolicy};
use ferrobase_request::AuthRules;
use serde_json::{Value, json};

use crate::harness::{Setup, anon_key, client, now, service_key, start, token, user_token};

#[tokio::test]
async fn tokens_and_keys_decide_the_role() {
    let server = start().await;
    let ask = async |fields: &[(&str, &str)]| -> (u16, Value) {
        let mut request = client().get(server.url("/who"));
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        let response = request.send().await.unwrap();
        (response.status().as_u16(), response.json().await.unwrap())
    };
    let user = format!("Bearer {}", user_token("u-1"));
    let (status, who) = ask(&[("authorization", &user), ("apikey", &anon_key())]).await;
    assert_eq!((status, &who["role"], &who["user"]), (200, &json!("authenticated"), &json!("u-1")));
    assert_eq!(ask(&[("apikey", &service_key())]).await.1["role"], "service_role");
    assert_eq!(ask(&[("apikey", &anon_key())]).await.1["role"], "anon");
    assert_eq!(ask(&[("authorization", "Basic YTpi")]).await.1["role"], "anon");
    assert_eq!(ask(&[("authorization", "Bearer ")]).await.0, 401);
    assert_eq!(ask(&[("apikey", "wrong")]).await.0, 401);
    assert_eq!(ask(&[("authorization", &user), ("apikey", "wrong")]).await.0, 401);
    let expired = format!("Bearer {}", token(&json!({"role": "authenticated", "exp": now() - 600})));
    assert_eq!(ask(&[("authorization", &expired)]).await.0, 401);
}

#[tokio::test]
async fn a_refusal_has_postgrests_shape_and_every_field() {
    let server = start().await;
    let response = client()
        .get(server.url("/who"))
        .header("authorization", "Bearer nonsense")
        .header("origin", "https://app.example")
        .send()
        .await
        .unwrap();
    assert_eq!(response.status(), 401);
    assert_eq!(response.headers()["content-type"], "application/json; charset=utf-8");
    let challenge = response.headers()["www-authenticate"].to_str().unwrap();
    assert!(challenge.starts_with("Bearer error=\"invalid_token\", error_description="), "{challenge}");
    assert_eq!(response.headers()["access-control-allow-origin"], "*");
    assert!(response.headers().contains_key("x-request-id"));
    assert_eq!(response.headers()["x-content-type-options"], "nosniff");
    let body: Value = response.json().await.unwrap();
    assert_eq!(body["code"], "PGRST301");
    assert!(body.as_object().unwrap().contains_key("hint"));
}

#[tokio::test]
async fn a_key_in_the_query_counts_where_the_route_says_so_and_is_taken_out() {
    let policy =
        RoutePolicy { auth: AuthPolicy { key_in_query: true, ..AuthPolicy::default() }, ..RoutePolicy::default() };
    let sockets = Room::new("/realtime/v1", crate::room::router()).policy(policy);
    let server = Setup { rooms: vec![sockets], ..Setup::default() }.start().await;
    let get = async |mount: &str, path: &str| -> Value {
        let url = format!("http://{}{mount}{path}?apikey={}&vsn=1", server.address, service_key());
        client().get(url).send().await.unwrap().json().await.unwrap()
    };
    assert_eq!(get("/realtime/v1", "/who").await["role"], "service_role");
    assert_eq!(get("/realtime/v1", "/uri").await["seen"], "/uri?vsn=1");
    assert_eq!(get("/rest/v1", "/who").await["role"], "anon");
}

#[tokio::test]
async fn open_routes_ask_nobody_and_required_keys_are_required() {
    let open = Room::new("/callback", crate::room::router())
        .policy(RoutePolicy { auth: AuthPolicy::open(), ..RoutePolicy::default() });
    let rules = AuthRules { require_api_key: true, ..AuthRules::default() };
    let server = Setup { rooms: vec![open], rules, ..Setup::default() }.start().await;
    let url = format!("http://{}/callback/who", server.address);
    let response = client().get(url).header("authorization", "Bearer junk").send().await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(response.json::<Value>().await.unwrap()["role"], "anon");
    assert_eq!(server.get("/who").await.status(), 401);
    let keyed = client().get(server.url("/who")).header("apikey", anon_key()).send().await.unwrap();
    assert_eq!(keyed.status(), 200);
}

#[tokio::test]
async fn sec_19_addresses_are_believed_from_trusted_proxies_only() {
    let ip = async |setup: Setup| -> Value {
        let server = setup.start().await;
        let request = client().get(server.url("/who")).header("x-forwarded-for", "6.6.6.6, 203.0.113.9");
        request.send().await.unwrap().json::<Value>().await.unwrap()["ip"].take()
    };
    assert_eq!(ip(Setup::default()).await, "127.0.0.1");
    let mut behind_proxy = Setup::default();
    behind_proxy.server.trusted_proxies = vec![Cidr::parse("127.0.0.0/8").unwrap()];
    assert_eq!(ip(behind_proxy).await, "203.0.113.9");
}

#[tokio::test]
async fn sec_28_sql_sees_no_credentials() {
    let server = start().await;
    let who: Value = client()
        .get(server.url("/who"))
        .header("authorization", format!("Bearer {}", user_token("u")))
        .header("apikey", anon_key())
        .header("cookie", "session=canary")
        .header("x-custom", "kept")
        .header("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    let headers = who["headers"].as_str().unwrap();
    assert!(headers.contains("kept"));
    for secret in ["authorization", "apikey", "cookie", "canary", &anon_key()] {
        assert!(!headers.contains(secret), "{secret} in {headers}");
    }
    assert_eq!(who["cookies"], "{}");
    assert_eq!(who["trace"], "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
}
