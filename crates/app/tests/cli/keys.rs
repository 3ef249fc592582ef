//! `ferrobase keys`: what it prints is what a server with the same secret accepts.

use ferrobase_testkit::token::SECRET;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde_json::{Value, json};

use crate::dev::project::{Project, Ran, get};
use crate::support::{self, ANN};

/// With a configured secret.
fn keys(project: &Project, arguments: &[&str]) -> Ran {
    let arguments = [&["keys"], arguments].concat();
    Ran::of(project.command(&arguments).env("FERROBASE_AUTH__JWT_SECRET", SECRET))
}

fn claims(token: &str, secret: &[u8]) -> Value {
    let mut rules = Validation::new(Algorithm::HS256);
    rules.validate_aud = false;
    rules.validate_exp = false;
    jsonwebtoken::decode(token, &DecodingKey::from_secret(secret), &rules).unwrap().claims
}

#[test]
fn the_two_keys_are_those_of_the_secret() {
    let project = Project::empty();
    let data = keys(&project, &["--json"]).json();
    let text = keys(&project, &[]).succeeds();
    for (name, line, role) in [("anon_key", "anon key     ", "anon"), ("service_key", "service key  ", "service_role")]
    {
        let key = data[name].as_str().unwrap();
        assert!(text.contains(&format!("{line}{key}\n")), "{text}");
        let claims = claims(key, SECRET.as_bytes());
        assert_eq!((&claims["iss"], &claims["role"]), (&json!("ferrobase"), &json!(role)));
    }
    assert_eq!(keys(&project, &["show"]).succeeds(), text);
    assert_eq!(keys(&project, &["show", "--json"]).json(), data);
}

#[tokio::test]
async fn a_token_is_accepted_by_the_server() {
    let database = support::installed().await;
    database.script("create function me() returns text language sql as 'select auth.uid()::text'").await;
    let app = support::serve(&database).start().await.unwrap();
    let project = Project::empty();
    let token = keys(&project, &["token", "--sub", ANN]).succeeds();
    assert_eq!(get(&app.url("/rest/v1/rpc/me"), token.trim()).await, (200, format!("\"{ANN}\"")));
    let anon = keys(&project, &["--json"]).json()["anon_key"].as_str().unwrap().to_owned();
    assert_eq!(get(&app.url("/rest/v1/rpc/me"), &anon).await, (200, "null".to_owned()));
    let ended = keys(&project, &["token", "--expires-in=-60"]).succeeds();
    assert_eq!(get(&app.url("/rest/v1/rpc/me"), ended.trim()).await.0, 401);
}

#[tokio::test]
async fn a_token_is_for_the_audience_of_the_configuration() {
    let database = support::installed().await;
    database.script("create function me() returns text language sql as 'select auth.uid()::text'").await;
    let audience = ("FERROBASE_AUTH__JWT_AUDIENCE", "my-app");
    let app = support::serve(&database).env(audience.0, audience.1).start().await.unwrap();
    let project = Project::empty();
    let others = keys(&project, &["token", "--sub", ANN]).succeeds();
    assert_eq!(get(&app.url("/rest/v1/rpc/me"), others.trim()).await.0, 401);
    let mut command = project.command(&["keys", "token", "--sub", ANN]);
    let token = Ran::of(command.envs([("FERROBASE_AUTH__JWT_SECRET", SECRET), audience])).succeeds();
    assert_eq!(claims(token.trim(), SECRET.as_bytes())["aud"], "my-app");
    assert_eq!(get(&app.url("/rest/v1/rpc/me"), token.trim()).await, (200, format!("\"{ANN}\"")));
}

#[tokio::test]
async fn keys_and_tokens_count_where_the_role_is_looked_for_elsewhere() {
    let database = support::installed().await;
    let role_claim = ("FERROBASE_AUTH__JWT_ROLE_CLAIM", ".app.role");
    database.script("create function whoami() returns text language sql as 'select current_user::text'").await;
    let app = support::serve(&database).env(role_claim.0, role_claim.1).start().await.unwrap();
    let project = Project::empty();
    let ran = |arguments: &[&str]| {
        Ran::of(project.command(arguments).envs([("FERROBASE_AUTH__JWT_SECRET", SECRET), role_claim]))
    };
    let service = ran(&["keys", "--json"]).json()["service_key"].as_str().unwrap().to_owned();
    let token = ran(&["keys", "token", "--sub", ANN]).succeeds();
    for (token, role) in [(service.as_str(), "service_role"), (token.trim(), "authenticated")] {
        assert_eq!(claims(token, SECRET.as_bytes())["app"]["role"], role);
        assert_eq!(get(&app.url("/rest/v1/rpc/whoami"), token).await, (200, format!("\"{role}\"")));
    }
    // Administration goes by the same.
    assert_eq!(get(&app.url("/auth/v1/admin/users"), &service).await.0, 200);
    let elsewhere = keys(&project, &["token", "--role", "service_role"]).succeeds();
    assert_eq!(get(&app.url("/auth/v1/admin/users"), elsewhere.trim()).await.0, 403);
}

#[test]
fn a_token_of_a_role_that_is_not_allowed_is_made_with_a_word() {
    let project = Project::empty();
    let of = |role: &str| keys(&project, &["token", "--role", role]);
    let told = of("postgres");
    assert!(told.err.contains("--role postgres: is not in auth.allowed_roles"), "{}", told.err);
    assert_eq!(claims(told.succeeds().trim(), SECRET.as_bytes())["role"], "postgres");
    for role in ["anon", "authenticated", "service_role"] {
        assert!(!of(role).err.contains("allowed_roles"), "{role}");
    }
    let mut visitor = project.command(&["keys", "token", "--role", "visitor"]);
    let visitor = visitor.envs([("FERROBASE_AUTH__JWT_SECRET", SECRET), ("FERROBASE_REST__ANON_ROLE", "visitor")]);
    assert!(!Ran::of(visitor).err.contains("allowed_roles"), "the anonymous role is allowed by being configured");
}

#[test]
fn a_token_says_what_was_asked() {
    let project = Project::empty();
    let made = keys(&project, &["token", "--role", "editor", "--sub", "7", "--expires-in", "60", "--json"]).json();
    let claims_of = |token: &str| claims(token.trim(), SECRET.as_bytes());
    let says = claims_of(made["token"].as_str().unwrap());
    assert_eq!((&says["role"], &says["sub"], &says["aud"]), (&json!("editor"), &json!("7"), &json!("authenticated")));
    assert_eq!(says["exp"].as_i64().unwrap() - says["iat"].as_i64().unwrap(), 60);
    let told = keys(&project, &["token", "--sub", "7"]);
    assert!(told.err.contains("--sub 7: is no UUID") && told.code() == Some(0), "{told:?}");
    assert!(!keys(&project, &["token", "--sub", ANN]).err.contains("UUID"));
    let email = r#"{"email": "ann@example.com", "aud": "other"}"#;
    let says = claims_of(&keys(&project, &["token", "--claims", email]).succeeds());
    assert_eq!((&says["email"], &says["aud"]), (&json!("ann@example.com"), &json!("other")));
    keys(&project, &["token", "--claims", "[1]"]).fails(&["--claims is not a JSON object"]);
    keys(&project, &["token", "--claims", "{"]).fails(&["--claims is not JSON"]);
    let far = keys(&project, &["token", "--expires-in", "9223372036854775807"]);
    assert_eq!(far.code(), Some(2), "{far:?}");
}

#[test]
fn a_secret_in_base64_signs_with_its_bytes() {
    let project = Project::empty();
    let with = |arguments: &[&str]| {
        let secret = ("FERROBASE_AUTH__JWT_SECRET", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIj");
        let mut command = project.command(&[&["keys"], arguments].concat());
        Ran::of(command.envs([secret, ("FERROBASE_AUTH__JWT_SECRET_IS_BASE64", "true")])).json()
    };
    let bytes: Vec<u8> = (0..36).collect();
    assert_eq!(claims(with(&["--json"])["anon_key"].as_str().unwrap(), &bytes)["role"], "anon");
    let new = with(&["rotate", "--json"]);
    assert!(new["jwt_secret"].as_str().unwrap().len() >= 43, "256 bits in base64");
}

#[test]
fn without_a_secret_it_says_where_one_comes_from() {
    let project = Project::empty();
    for arguments in [&["keys"][..], &["keys", "token"], &["keys", "rotate"]] {
        project.run(arguments).fails(&["auth.jwt_secret", "FERROBASE_AUTH__JWT_SECRET", "ferrobase dev"]);
    }
    assert!(!project.file(".ferrobase").exists(), "no project is made by looking for one");
    let public = r#"{"keys":[{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;
    Ran::of(project.command(&["keys"]).env("FERROBASE_AUTH__JWKS", public)).fails(&["only public keys"]);
}

#[test]
fn rotating_a_configured_secret_proposes_one_and_changes_nothing() {
    let project = Project::empty();
    let config = format!("auth:\n  jwt_secret: {SECRET}\n");
    project.write("production.yaml", &config);
    let rotated = project.run(&["keys", "rotate", "--json", "--config", "production.yaml"]);
    assert!(rotated.err.contains("put the new secret in its place"), "{}", rotated.err);
    let rotated = rotated.json();
    let secret = rotated["jwt_secret"].as_str().unwrap();
    assert_eq!(claims(rotated["service_key"].as_str().unwrap(), secret.as_bytes())["role"], "service_role");
    assert_eq!(std::fs::read_to_string(project.file("production.yaml")).unwrap(), config);
    assert!(!project.file(".ferrobase").exists());
}
