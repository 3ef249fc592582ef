//! What `serve` refuses to start with although the file is right.

use super::super::{refusals, report};
use super::loaded;

const SECRET: &str = "auth: {jwt_secret: 0123456789012345678901234567890123}\n";
const DATABASE: &str = "database: {url: 'postgresql://db/app'}\n";

fn refused(text: &str) -> Vec<String> {
    refusals(&loaded(text, &[]), false).iter().map(ToString::to_string).collect()
}

#[test]
fn a_secret_and_a_database_are_enough() {
    assert_eq!(refused(&format!("{SECRET}{DATABASE}")), [""; 0]);
    let keys = "auth: {jwks: {keys: [{kty: OKP, crv: Ed25519, x: 11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo}]}}\ndatabase: {embedded: {enabled: true}}\n";
    assert_eq!(refused(keys), [""; 0]);
    let published =
        "auth: {jwks_url: 'https://id.example/keys', jwt_audience: a}\ndatabase: {url: 'postgresql://db/app'}\n";
    assert_eq!(refused(published), [""; 0]);
    assert_eq!(refusals(&loaded(SECRET, &[]), true), []);
}

#[test]
fn what_is_missing_is_named_with_its_variable() {
    let messages = refused("");
    assert_eq!(messages.len(), 2, "{messages:?}");
    assert!(messages[0].contains("FERROBASE_AUTH__JWT_SECRET") && messages[1].contains("FERROBASE_DATABASE__URL"));
}

#[test]
fn sec_27_secrets_from_documentation_are_refused() {
    let text = format!("auth: {{jwt_secret: super-secret-jwt-token-with-at-least-32-characters-long}}\n{DATABASE}");
    assert!(refused(&text)[0].contains("documentation shows"));
}

#[test]
fn unbuilt_keys_that_protect_or_route_are_named() {
    for (section, key) in [
        ("secrets: {provider: vault, vault: {address: 'https://v.example'}}", "secrets.provider"),
        ("tenants: [{name: a, schema: b}]", "tenants"),
    ] {
        let messages = refused(&format!("{SECRET}{DATABASE}{section}\n"));
        assert_eq!(messages.len(), 1, "{messages:?}");
        assert!(messages[0].starts_with(key) && messages[0].contains("not built yet"), "{messages:?}");
    }
}

#[test]
fn what_is_built_is_not_refused() {
    let text = format!(
        "{SECRET}{DATABASE}security: {{rate_limit: {{enabled: true}}}}\nserver: {{tls: {{cert: a, key: b}}}}\n"
    );
    assert_eq!(refused(&text), [""; 0]);
    let replicas = "database: {host: a, replicas: [{host: b}], read_preference: replica}\n";
    assert_eq!(refused(&format!("{SECRET}{replicas}")), [""; 0]);
}

#[test]
fn the_report_of_config_check() {
    let text = report(&loaded("rest: {pre_config: public.settings}\n", &[]), &[]);
    assert!(
        text.contains("warning: rest.pre_config (ferrobase.yaml:1): only `ferrobase postgrest` has its like"),
        "{text}"
    );
    let loaded = loaded("realtime: {max_sockets: 3}\n", &[]);
    let text = report(&loaded, &[]);
    assert!(
        text.starts_with(
            "ferrobase.yaml is valid\nwarning: realtime (ferrobase.yaml:1): the realtime API is not built yet"
        ),
        "{text}"
    );
    assert!(text.contains("serve: auth.jwt_secret"), "{text}");
    let text = report(&loaded, &[crate::config::refused(&loaded.tree, "server.tls", "cannot read it")]);
    assert!(text.starts_with("ferrobase.yaml is well-formed, but"), "{text}");
    assert!(text.contains("\nerror: server.tls: cannot read it\n"), "{text}");
}
