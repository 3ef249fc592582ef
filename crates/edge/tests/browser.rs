//! What browsers see: the CORS matrix and the fields of every answer.

use ferrobase_base::config::{HeaderText, HttpToken, Origin};
use ferrobase_edge::{CorsOwner, LocalOnly, Room, RoutePolicy};
use http::HeaderMap;

use crate::harness::{Server, Setup, client, start, user_token};

async fn preflight(server: &Server, path: &str, origin: &str) -> (u16, HeaderMap) {
    let response = client()
        .request(reqwest::Method::OPTIONS, format!("http://{}{path}", server.address))
        .header("origin", origin)
        .header("access-control-request-method", "PATCH")
        .header("access-control-request-headers", "authorization, x-client-info")
        // A preflight has no credentials; a bad one must not matter either.
        .header("authorization", "Bearer junk")
        .send()
        .await
        .unwrap();
    (response.status().as_u16(), response.headers().clone())
}

async fn call(server: &Server, path: &str, origin: Option<&str>) -> HeaderMap {
    let mut request = client().get(format!("http://{}{path}", server.address));
    if let Some(origin) = origin {
        request = request.header("origin", origin);
    }
    request.send().await.unwrap().headers().clone()
}

fn seed() -> Setup {
    let mut setup = Setup::default();
    let cors = &mut setup.server.cors;
    cors.allowed_origins =
        vec![Origin::from_static("https://yourdomain.com"), Origin::from_static("https://app.yourdomain.com")];
    cors.allowed_methods = ["GET", "POST", "PUT", "PATCH", "DELETE"].map(HttpToken::from_static).to_vec();
    cors.allowed_headers = ["Authorization", "Content-Type"].map(HttpToken::from_static).to_vec();
    cors.expose_headers = vec![HttpToken::from_static("X-Total-Count")];
    cors.max_age = std::time::Duration::from_secs(3600);
    setup
}

#[tokio::test]
async fn any_origin_may_call_by_default() {
    let server = start().await;
    let (status, fields) = preflight(&server, "/rest/v1/hello", "https://any.example").await;
    assert_eq!(status, 200);
    assert_eq!(fields["access-control-allow-origin"], "*");
    assert!(fields["access-control-allow-methods"].to_str().unwrap().contains("PATCH"));
    assert!(fields["access-control-allow-headers"].to_str().unwrap().contains("x-client-info"));
    assert!(!fields.contains_key("access-control-allow-credentials"));
    assert_eq!(fields["content-length"], "0");

    let fields = call(&server, "/rest/v1/hello", Some("https://any.example")).await;
    assert_eq!(fields["access-control-allow-origin"], "*");
    let exposed = fields["access-control-expose-headers"].to_str().unwrap();
    for name in ["Content-Range", "Content-Location", "Preference-Applied", "X-Total-Count", "Location"] {
        assert!(exposed.contains(name), "{name} in {exposed}");
    }
    let fields = call(&server, "/rest/v1/hello", None).await;
    assert!(!fields.contains_key("access-control-allow-origin"));
}

#[tokio::test]
async fn the_seeds_rules_hold_origin_by_origin() {
    let server = seed().start().await;
    for origin in ["https://yourdomain.com", "https://app.yourdomain.com"] {
        let (_, fields) = preflight(&server, "/rest/v1/hello", origin).await;
        assert_eq!(fields["access-control-allow-origin"], origin);
        assert_eq!(fields["access-control-allow-methods"], "GET, POST, PUT, PATCH, DELETE");
        assert_eq!(fields["access-control-allow-headers"], "Authorization, Content-Type");
        assert_eq!(fields["access-control-max-age"], "3600");
        let fields = call(&server, "/rest/v1/hello", Some(origin)).await;
        assert_eq!(fields["access-control-allow-origin"], origin);
        assert_eq!(fields["access-control-expose-headers"], "X-Total-Count");
        assert!(fields["vary"].to_str().unwrap().contains("Origin"));
    }
    for origin in ["https://evil.example", "https://yourdomain.com.evil.example", "http://yourdomain.com", "null"] {
        let (status, fields) = preflight(&server, "/rest/v1/hello", origin).await;
        assert_eq!(status, 200);
        let fields: Vec<_> =
            fields.keys().chain(call(&server, "/rest/v1/own", Some(origin)).await.keys()).cloned().collect();
        assert!(!fields.iter().any(|name| name.as_str().starts_with("access-control-")), "{origin}: {fields:?}");
    }
}

#[tokio::test]
async fn refusals_carry_cors_fields_or_scripts_could_not_read_them() {
    let server = start().await;
    for path in ["/nowhere", "/rest/v1/panic"] {
        let fields = call(&server, path, Some("https://any.example")).await;
        assert_eq!(fields["access-control-allow-origin"], "*", "{path}");
    }
}

#[tokio::test]
async fn a_room_may_own_its_cors_fields() {
    let policy = RoutePolicy { cors: CorsOwner::Room, ..RoutePolicy::default() };
    let functions = Room::new("/functions/v1", crate::room::router()).policy(policy);
    let server = Setup { rooms: vec![functions], ..seed() }.start().await;
    let response = client()
        .request(reqwest::Method::OPTIONS, format!("http://{}/functions/v1/own", server.address))
        .header("origin", "https://evil.example")
        .header("access-control-request-method", "POST")
        .send()
        .await
        .unwrap();
    assert_eq!(response.headers()["access-control-allow-origin"], "https://own.example");
    assert_eq!(response.text().await.unwrap(), "own");
}

#[tokio::test]
async fn sec_27_dev_answers_this_machines_pages_only_and_cookies_prove_nothing() {
    let setup = Setup { adjust: |settings| settings.local_only = Some(LocalOnly::default()), ..Setup::default() };
    let server = setup.start().await;
    let ask = async |host: &str, origin: &str| {
        let request = client().get(format!("http://{}/rest/v1/hello", server.address));
        let response = request.header("host", host).header("origin", origin).send().await.unwrap();
        (response.status().as_u16(), response.headers().contains_key("access-control-allow-origin"))
    };
    assert_eq!(ask("localhost:8000", "http://localhost:5173").await, (200, true));
    assert_eq!(ask("rebound.evil.example", "http://rebound.evil.example").await.0, 403);
    assert_eq!(ask("localhost:8000", "https://evil.example").await.0, 403);

    let cookie = format!("sb-access-token={0}; access_token={0}", user_token("u"));
    let who = client().get(server.url("/who")).header("cookie", cookie).send().await.unwrap();
    assert_eq!(who.json::<serde_json::Value>().await.unwrap()["role"], "anon");
}

#[tokio::test]
async fn configured_fields_are_on_every_answer_exactly() {
    let csp = "default-src 'self'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; \
               img-src 'self' data: https:;";
    let mut setup = Setup::default();
    setup.security.headers.content_security_policy = Some(HeaderText::from_static(csp));
    let server = setup.start().await;
    for path in ["/rest/v1/hello", "/nowhere", "/rest/v1/panic"] {
        let fields = call(&server, path, None).await;
        assert_eq!(fields["content-security-policy"], csp, "{path}");
        assert_eq!(fields["x-frame-options"], "DENY");
        assert_eq!(fields["x-content-type-options"], "nosniff");
        assert_eq!(fields["cache-control"], "private, no-store");
        assert_eq!(fields["vary"], "Authorization, apikey");
    }
    assert_eq!(call(&server, "/rest/v1/own", None).await["cache-control"], "public, max-age=5");
}
