//! What `serve` refuses to start with although the file is right.

use super::super::{refusals, report};
use super::loaded;

const SECRET: &str = "auth: {jwt_secret: 0123456789012345678901234567890123}\n";
/// A public key, as issuers show theirs.
const PUBLIC: &str = "{kty: OKP, crv: Ed25519, x: 11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo}";
const DATABASE: &str = "database: {url: 'postgresql://db/app'}\n";

fn refused(text: &str) -> Vec<String> {
    refusals(&loaded(text, &[]), false).iter().map(ToString::to_string).collect()
}

#[test]
fn a_secret_and_a_database_are_enough() {
    assert_eq!(refused(&format!("{SECRET}{DATABASE}")), [""; 0]);
    let keys = format!("auth: {{jwks: {{keys: [{PUBLIC}]}}}}\ndatabase: {{embedded: {{enabled: true}}}}\n");
    assert_eq!(refused(&keys), [""; 0]);
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
fn sec_27_shared_secrets_in_a_key_set_are_judged_as_the_secret_is() {
    let demo = "eW91ci1zdXBlci1zZWNyZXQtand0LXRva2VuLXdpdGgtYXQtbGVhc3QtMzItY2hhcmFjdGVycy1sb25n";
    for (key, why) in [("YQ", "fewer than 32 bytes"), (demo, "documentation shows")] {
        let set = format!("{{keys: [{PUBLIC}, {{kty: oct, k: {key}, kid: b}}]}}");
        let messages = refused(&format!("auth: {{jwks: {set}}}\n{DATABASE}"));
        assert_eq!(messages.len(), 1, "{messages:?}");
        assert!(messages[0].starts_with("auth.jwks (ferrobase.yaml:1): key 2 (kid \"b\"): "), "{messages:?}");
        assert!(messages[0].contains(why) && !messages[0].contains(key), "{messages:?}");
        let own = refused(&format!("auth: {{jwt_secret: '{{\"kty\":\"oct\",\"k\":\"{key}\"}}'}}\n{DATABASE}"));
        assert!(own[0].starts_with("auth.jwt_secret") && own[0].contains(why), "{own:?}");
    }
}

#[test]
fn key_sets_that_verify_nothing_are_named_before_the_first_token() {
    let weak = "{kty: RSA, n: AQAB, e: AQAB, kid: weak}";
    let with = |set: &str| format!("auth: {{jwt_secret: 0123456789012345678901234567890123, jwks: {set}}}\n{DATABASE}");
    for set in ["{keys: []}", "{kty: oct, k: ''}", weak] {
        let messages = super::refused(&with(set), &[]);
        assert!(messages[0].starts_with("auth.jwks (") && messages[0].contains("none of the keys"), "{messages:?}");
    }
    // Beside others it harms nobody, and is still said.
    let beside = loaded(&with(&format!("{{keys: [{weak}, {PUBLIC}]}}")), &[]);
    assert!(refusals(&beside, false).is_empty());
    let warnings: Vec<String> = beside.warnings.iter().map(ToString::to_string).collect();
    assert!(warnings.len() == 1 && warnings[0].contains("key 1 (kid \"weak\") can verify nothing"), "{warnings:?}");
}

#[test]
fn a_path_that_our_own_tokens_cannot_have_their_role_at_is_told() {
    let issuer =
        "auth: {jwks_url: 'https://id.example/keys', jwt_audience: a, jwt_role_claim: '.roles[0]'}\n".to_owned();
    let with =
        |path: &str| format!("auth: {{jwt_secret: 0123456789012345678901234567890123, jwt_role_claim: '{path}'}}\n");
    for (text, told) in [(with(".app.role"), false), (with(".roles[0]"), true), (issuer, false)] {
        let warnings: Vec<String> = loaded(&text, &[]).warnings.iter().map(ToString::to_string).collect();
        let of_path: Vec<_> = warnings.iter().filter(|warning| warning.starts_with("auth.jwt_role_claim")).collect();
        assert_eq!(!of_path.is_empty(), told, "{text} {warnings:?}");
    }
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
