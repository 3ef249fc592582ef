//! Which source wins, and what each looks like.

use super::super::{load, show};
use super::{flag, loaded, refused, sources};

#[test]
fn flags_beat_the_environment_which_beats_the_file_which_beats_the_command() {
    let mut all = sources("server: {port: 3000}", &[("FERROBASE_SERVER__PORT", "4000")]);
    all.command = ("dev", vec![("server.port", "2000".to_owned()), ("server.host", "127.0.0.1".to_owned())]);
    all.flags = vec![flag("server.port", "--port", "5000")];
    let text = |sources: &super::Sources| show(&load(sources).unwrap(), true);
    assert!(text(&all).contains("  port: 5000  # --port\n"));
    assert!(text(&all).contains("  host: \"127.0.0.1\"  # dev\n"));
    all.flags.clear();
    assert!(text(&all).contains("  port: 4000  # FERROBASE_SERVER__PORT\n"));
    all.environment = super::Environment::default();
    assert!(text(&all).contains("  port: 3000  # ferrobase.yaml:1\n"));
    all.file = None;
    assert!(text(&all).contains("  port: 2000  # dev\n"));
    all.command.1.clear();
    assert!(text(&all).contains("  port: 8000  # default\n"));
}

#[test]
fn lists_and_groups_from_variables() {
    let config = loaded(
        "server: {cors: {allowed_origins: [https://file.example]}}",
        &[
            ("FERROBASE_SERVER__CORS__ALLOWED_ORIGINS", "https://a.example, https://b.example"),
            ("FERROBASE_SERVER__TRUSTED_PROXIES", "10.0.0.0/8,::1"),
            ("FERROBASE_REST__SCHEMAS", "api,public"),
            ("FERROBASE_DATABASE__REPLICAS", "[{host: r1, port: 5433}]"),
            ("FERROBASE_TENANTS", "[{name: a, schema: tenant_a}]"),
            ("FERROBASE_AUTH__EXTERNAL__GITHUB__CLIENT_ID", "id"),
        ],
    )
    .config;
    assert_eq!(config.server.cors.allowed_origins.len(), 2);
    assert_eq!(config.server.trusted_proxies.len(), 2);
    assert_eq!(config.rest.schemas[0].as_str(), "api");
    assert_eq!(config.database.replicas[0].port, 5433);
    assert_eq!(config.tenants[0].name, "a");
    assert_eq!(config.auth.sign_in.external["github"].client_id, ["id"]);
}

#[test]
fn a_mistaken_variable_is_refused_by_name() {
    assert_eq!(
        refused(
            "",
            &[("FERROBASE_SERVER__PROT", "1"), ("FERROBASE_DATABASE_URL", "x"), ("FERROBASE_SERVER__PORT", "x")]
        ),
        [
            "FERROBASE_DATABASE_URL: unknown key; did you mean `FERROBASE_DATABASE__URL`?",
            "server.prot (FERROBASE_SERVER__PROT): unknown key; did you mean `port`?",
            "server.port (FERROBASE_SERVER__PORT): `x` is not a whole number, 0 to 65535",
        ]
    );
    let loaded = loaded("", &[("FERROBASE_CONFIG", "x"), ("FERROBASE_TEST_PG", "x"), ("FERROBASE_NONSENSE", "x")]);
    assert_eq!(loaded.warnings.len(), 1);
}

#[test]
fn a_url_from_a_variable_replaces_the_host_of_a_file() {
    let config = loaded("database: {host: a}", &[("FERROBASE_DATABASE__URL", "postgresql://b/c")]).config;
    assert_eq!(config.database.url.unwrap().expose(), "postgresql://b/c");
    refused("database: {url: 'postgresql://b/c'}", &[("FERROBASE_DATABASE__HOST", "a")]);
}

#[test]
fn null_and_an_empty_variable_lift_a_bound() {
    assert_eq!(loaded("rest: {max_rows: null}", &[]).config.rest.max_rows, None);
    assert_eq!(loaded("", &[("FERROBASE_REST__MAX_ROWS", "")]).config.rest.max_rows, None);
    assert_eq!(loaded("rest: {max_rows: }", &[]).config.rest.max_rows, Some(1000));
}

#[test]
fn no_file_at_all_is_a_configuration() {
    let mut none = sources("", &[]);
    none.file = None;
    assert_eq!(load(&none).unwrap().config, super::super::Config::default());
}

#[test]
fn what_is_shown_loads_again() {
    let text = "server: {host: '::1', cors: {allowed_origins: [https://a.example]}}\nauth: {external: {google: {client_id: [a, b]}}}\n\
                tenants: [{name: 'yes', schema: s}]\nredis: {nodes: [a:1], mode: sentinel}\n";
    let first = loaded(text, &[]);
    let again = loaded(&show(&first, true), &[]);
    assert_eq!(again.config, first.config);
}
