//! Defaults, aliases, refusals, and that what is dumped reads as the same settings.

use super::*;

fn of(file: &str) -> Result<Settings, String> {
    let file = file::parse(file, |_| None).map_err(|error| error.to_string())?;
    Settings::new(&Sources { file, ..Sources::default() }, None).map_err(|error| error.to_string())
}

#[test]
fn without_anything_the_defaults_are_upstreams() {
    let settings = of("").unwrap();
    assert_eq!(settings.schemas, ["public"]);
    assert_eq!(settings.anon_role, None);
    assert_eq!((settings.server.host.as_str(), settings.server.port), ("!4", Some(3000)));
    assert_eq!((settings.admin.port, settings.admin.socket_mode), (None, 0o660));
    assert_eq!((settings.pool.size, settings.pool.acquisition_timeout), (10, 10));
    assert_eq!((settings.aggregates, settings.plans, settings.target_names), (false, false, true));
    assert_eq!(settings.max_rows, None);
    assert_eq!(settings.uri.expose(), "postgresql://");
}

#[test]
fn old_names_still_count() {
    let settings =
        of("db-schema = \"a, b\"\nmax-rows = 7\npre-request = \"s.f\"\nrole-claim-key = \"$$.x\"\ndb-pool-timeout = 5")
            .unwrap();
    assert_eq!(settings.schemas, ["a", "b"]);
    assert_eq!(settings.max_rows, Some(7));
    assert_eq!(settings.pre_request, Some(Name { schema: Some("s".into()), name: "f".into() }));
    assert_eq!(settings.jwt.role.source(), "$.x");
    assert_eq!(settings.pool.max_idletime, 5);
}

#[test]
fn an_empty_extra_search_path_is_none_and_the_admin_host_follows_the_servers() {
    let settings = of("db-extra-search-path = \"\"\nserver-host = \"127.0.0.1\"").unwrap();
    assert!(settings.extra_search_path.is_empty());
    assert_eq!(settings.admin.host, "127.0.0.1");
}

#[test]
fn what_is_dumped_reads_as_the_same() {
    let file = r#"
        app.settings.a = "x\"y$$z\\"
        db-uri = "postgresql://u:p$$w@h/d?options=-c%20a%3Db"
        db-schemas = "multi,   tenant,setup"
        db-pre-request = "please_run_fast"
        db-root-spec = "s.openapi"
        db-tx-end = "rollback-allow-override"
        jwt-role-claim-key = ".roles[?(@ ^== \"role1\")]"
        jwt-secret = "reallyreallyreallyreallyverysafe"
        server-unix-socket = "/tmp/a.sock"
        server-unix-socket-mode = "777"
        server-cors-allowed-origins = "http://a.example, http://b.example"
        log-level = "debug"
        openapi-mode = "disabled"
        client-error-verbosity = "minimal"
    "#;
    let dump = of(file).unwrap().dump();
    assert_eq!(of(&dump).unwrap().dump(), dump);
    for line in [
        "app.settings.a = \"x\\\"y$$z\\\\\"",
        "db-schemas = \"multi,tenant,setup\"",
        "jwt-role-claim-key = \".\\\"roles\\\"[?(@ ^== \\\"role1\\\")]\"",
        "server-unix-socket-mode = \"777\"",
        "admin-server-port = \"\"",
        "server-cors-allowed-origins = \"http://a.example,http://b.example\"",
    ] {
        assert!(dump.lines().any(|dumped| dumped == line), "{line} is not in\n{dump}");
    }
    assert!(dump.lines().is_sorted());
}

#[test]
fn impossible_values_are_refused_with_the_key() {
    for (file, expected) in [
        ("admin-server-port = 3000", "admin-server-port cannot be the same as server-port"),
        ("db-schemas = \"public, pg_catalog\"", "db-schemas does not allow schema: 'pg_catalog'"),
        ("db-schemas = \"information_schema\"", "db-schemas does not allow schema: 'information_schema'"),
        ("jwt-aud = \"http://%%localhorst.invalid\"", "jwt-aud should be a string or a valid URI"),
        ("openapi-server-proxy-uri = \"ftp://x\"", "Malformed proxy uri"),
        ("openapi-server-proxy-uri = \"nonsense\"", "Malformed proxy uri"),
        ("server-unix-socket-mode = \"9\"", "not an octal"),
        ("admin-server-unix-socket-mode = \"10\"", "admin-server-unix-socket-mode: needs to be between 600 and 777"),
        ("log-level = \"loud\"", "Invalid log-level"),
        ("openapi-mode = \"some\"", "Invalid openapi-mode"),
        ("db-tx-end = \"maybe\"", "Invalid db-tx-end"),
        ("client-error-verbosity = \"x\"", "Invalid client-error-verbosity"),
        ("jwt-role-claim-key = \"role.other\"", "failed to parse role-claim-key value (role.other)"),
        ("jwt-secret = \"@/nonexistent\"", "jwt-secret: cannot read /nonexistent"),
    ] {
        let refusal = of(file).unwrap_err();
        assert!(refusal.contains(expected), "{file}: {refusal}");
    }
}

#[test]
fn values_can_be_in_files_of_their_own() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("secret");
    std::fs::write(&path, "reallyreallyreallyreallyverysafe\n").unwrap();
    let settings = of(&format!("jwt-secret = \"@{}\"", path.display())).unwrap();
    assert_eq!(settings.jwt.secret.unwrap().expose(), "reallyreallyreallyreallyverysafe");
    // Bytes that are no text count as they are.
    std::fs::write(&path, [0xff; 32]).unwrap();
    let settings = of(&format!("jwt-secret = \"@{}\"", path.display())).unwrap();
    assert_eq!(
        (settings.jwt.secret.unwrap().expose(), settings.jwt.is_base64),
        ("//////////////////////////////////////////8=", true)
    );
}
