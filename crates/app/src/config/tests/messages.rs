//! What a user reads when something is wrong, at every level of the file.

use super::{refused, warnings};

#[test]
fn unknown_keys_name_the_nearest_one_at_every_level() {
    let text = "sever: {port: 1}\nserver:\n  prot: 1\n  cors:\n    alowed_origins: [a]\n  rate_limit: {enabled: true}\n\
                tenants:\n  - {nmae: x}\ndatabase:\n  regions:\n    north:\n      replica: []\nport: 80\n";
    assert_eq!(
        refused(text, &[]),
        [
            "sever (ferrobase.yaml:1): unknown key; did you mean `server`?",
            "port (ferrobase.yaml:13): unknown key; did you mean `server.port`?",
            "server.prot (ferrobase.yaml:3): unknown key; did you mean `port`?",
            "server.rate_limit (ferrobase.yaml:6): unknown key; did you mean `security.rate_limit`?",
            "server.cors.alowed_origins (ferrobase.yaml:5): unknown key; did you mean `allowed_origins`?",
            "database.regions.north.replica (ferrobase.yaml:12): unknown key; did you mean `replicas`?",
            "tenants[0].nmae (ferrobase.yaml:8): unknown key; did you mean `name`?",
        ]
    );
}

#[test]
fn wrong_values_in_every_section_are_reported_together() {
    let text = "server: {port: 70000, compression_level: 0}\ndatabase: {ssl_mode: maybe, host: 'a b'}\nrest: {max_rows: many}\n\
                auth: {jwt_expiry: 1s}\nsecurity: {headers: {x_frame_options: \"a\\nb\"}}\ncache: {max_size: big}\n";
    assert_eq!(
        refused(text, &[]),
        [
            "server.port (ferrobase.yaml:1): `70000` is not a whole number, 0 to 65535",
            "server.compression_level (ferrobase.yaml:1): `0` is not a whole number, 1 to 9",
            "database.host[0] (ferrobase.yaml:2): `a b` is not a host name, an address or a socket folder",
            "database.ssl_mode (ferrobase.yaml:2): `maybe` is not `disable`, `allow`, `prefer`, `require`, `verify-ca` or `verify-full`",
            "rest.max_rows (ferrobase.yaml:3): `many` is not a whole number, 0 or more",
            "auth.jwt_expiry (ferrobase.yaml:4): `1s` is not a duration (`500ms`, `30s`, `5m`, `1h30m`, `7d`, or seconds), 30s to 7d",
            "cache.max_size (ferrobase.yaml:6): `big` is not a size (`64MiB`, `1000MB`, or bytes)",
            "security.headers.x_frame_options (ferrobase.yaml:5): `a b` is not text of visible ASCII",
        ]
    );
}

#[test]
fn times_that_postgresql_would_refuse_or_take_for_none_are_refused() {
    let times = "database: {statement_timeout: 100d, lock_timeout: 0.5ms, connect_timeout: 0}\n";
    let duration = "is not a duration (`500ms`, `30s`, `5m`, `1h30m`, `7d`, or seconds)";
    assert_eq!(
        refused(times, &[]),
        [
            format!("database.connect_timeout (ferrobase.yaml:1): `0` {duration}, 10ms to 10m"),
            format!("database.statement_timeout (ferrobase.yaml:1): `100d` {duration}, 0s to 24d"),
            format!("database.lock_timeout (ferrobase.yaml:1): `0.5ms` {duration}, 0s to 24d"),
        ]
    );
    let none = super::loaded("database: {statement_timeout: 0, lock_timeout: null, connect_timeout: ''}", &[]);
    let database = &none.config.database;
    assert_eq!((database.lock_timeout, database.connect_timeout), (None, None));
    assert_eq!(database.statement_timeout, Some(std::time::Duration::ZERO));
}

#[test]
fn sec_27_any_origin_with_credentials_is_refused() {
    let text = "server:\n  cors:\n    allow_credentials: true\n";
    let messages = refused(text, &[]);
    assert!(
        messages[0].starts_with("server.cors.allow_credentials (ferrobase.yaml:3): `*` in allowed_origins"),
        "{messages:?}"
    );
    refused("server: {cors: {allow_credentials: true, allowed_origins: [https://a.example, '*']}}", &[]);
    super::loaded("server: {cors: {allow_credentials: true, allowed_origins: [https://a.example]}}", &[]);
}

#[test]
fn keys_that_contradict_each_other() {
    for (text, key) in [
        ("server: {port: 9090}", "server.admin_port"),
        ("server: {tls: {cert: a.pem}}", "server.tls"),
        ("server: {cors: {allowed_methods: [get]}}", "server.cors.allowed_methods"),
        ("database: {min_connections: 40}", "database.min_connections"),
        ("database: {ssl_cert: a}", "database.ssl_cert"),
        ("database: {url: 'postgresql://a/b', host: c}", "database.host"),
        ("database: {primary: {host: a}, host: c}", "database.host"),
        ("database: {region: north}", "database.region"),
        ("database: {embedded: {enabled: true}, url: 'postgresql://a/b'}", "database.url"),
        ("rest: {schemas: []}", "rest.schemas"),
        ("rest: {schemas: [ferrobase]}", "rest.schemas"),
        ("rest: {page_limit_default: 2000}", "rest.page_limit_default"),
        ("rest: {root_spec: private.root}", "rest.root_spec"),
        ("auth: {jwt_secret: short}", "auth.jwt_secret"),
        ("auth: {jwt_secret_is_base64: true}", "auth.jwt_secret_is_base64"),
        ("auth: {allowed_roles: []}", "auth.allowed_roles"),
        ("rest: {pre_request: foo.bar.baz}", "rest.pre_request"),
        ("auth: {path: auth}", "auth.path"),
        ("auth: {path: /}", "auth.path"),
        ("auth: {path: /auth/v1/}", "auth.path"),
        ("auth: {path: /auth/../v1}", "auth.path"),
        ("auth: {path: '/a b?c'}", "auth.path"),
        ("auth: {path: /rest/v1}", "auth.path"),
        ("auth: {path: /graphql/v1}", "auth.path"),
        ("auth: {external: {google: {}}}", "auth.external.google.client_id"),
        ("observability: {tracing: {enabled: true}}", "observability.tracing.endpoint"),
        ("observability: {tracing: {authorization: \"a\\nb\"}}", "observability.tracing.authorization"),
        ("storage: {provider: s3}", "storage.s3_bucket"),
        ("redis: {mode: cluster}", "redis.nodes"),
        ("redis: {nodes: ['a:1']}", "redis.nodes"),
        ("redis: {mode: cluster, nodes: ['a:1'], db: 3}", "redis.db"),
        ("redis: {mode: sentinel, nodes: ['a:1'], sentinel_primary: ''}", "redis.sentinel_primary"),
        ("redis: {mode: sentinel, nodes: ['redis://a:1']}", "redis.nodes[0]"),
        ("redis: {user: a}", "redis.user"),
        ("redis: {sentinel_user: a}", "redis.sentinel_user"),
        ("redis: {tls_root_cert: a}", "redis.tls_root_cert"),
        ("redis: {tls: true, tls_cert: a}", "redis.tls_cert"),
        ("redis: {prefix: '{a}'}", "redis.prefix"),
        ("redis: {timeout: 1m}", "redis.timeout"),
        ("secrets: {provider: vault}", "secrets.vault.address"),
        ("tenants: [{database: {name: a}}]", "tenants[0].name"),
        ("tenants: [{name: a, schema: a}, {name: a, schema: b}]", "tenants[1].name"),
        ("tenants: [{name: a}]", "tenants[0]"),
    ] {
        let messages = refused(text, &[]);
        assert_eq!(messages.len(), 1, "{text}: {messages:?}");
        assert!(messages[0].starts_with(key), "{text}: {messages:?}");
    }
}

#[test]
fn odd_but_harmless_settings_warn() {
    for (text, key) in [
        ("server: {admin_host: 0.0.0.0}", "server.admin_host"),
        ("server: {trusted_proxies: [0.0.0.0/0]}", "server.trusted_proxies"),
        ("rest: {allow_unprotected: ['*']}", "rest.allow_unprotected"),
        ("security: {definer_views_allow: ['*']}", "security.definer_views_allow"),
        ("database: {pooler: transaction}", "database.pooler"),
        ("cache: {ttl: 5s}", "cache"),
        ("auth: {saml: {private_key: a}}", "auth.saml"),
    ] {
        let warnings = warnings(text);
        assert_eq!(warnings.len(), 1, "{text}: {warnings:?}");
        assert!(warnings[0].starts_with(key), "{text}: {warnings:?}");
    }
    assert_eq!(warnings("server: {port: 1}"), [""; 0]);
    assert_eq!(warnings("redis: {host: a}"), [""; 0]);
}

#[test]
fn a_broken_file_names_its_line() {
    let messages = refused("server:\n  port: 1\n   host: a\n", &[]);
    assert!(messages[0].starts_with("ferrobase.yaml:"), "{messages:?}");
    let messages = refused("server: {port: 1}\nserver: {port: 2}\n", &[]);
    assert_eq!(messages, ["server (ferrobase.yaml:2): the key is written twice, first at ferrobase.yaml:1"]);
    let messages = refused("- a\n", &[]);
    assert_eq!(messages, ["ferrobase.yaml:1: the file must hold keys: `server:`, `database:`, ..."]);
}

#[test]
fn a_misread_section_is_not_compared() {
    let messages = refused("server: {cors: {allow_credentials: true, allowed_origins: [nonsense]}}", &[]);
    assert_eq!(messages.len(), 1, "{messages:?}");
}

#[test]
fn a_broken_url_says_why_without_a_piece_of_it() {
    for text in [
        "database: {url: 'postgresql://o:canary%zz@db/app'}",
        "database: {listen_url: 'postgresql://o:can/canary@db/app'}",
    ] {
        let messages = refused(text, &[]);
        assert!(messages[0].contains("url (ferrobase.yaml:1): "), "{messages:?}");
        assert!(!messages.concat().contains("canary"), "{messages:?}");
    }
    assert!(refused("auth: {jwt_role_claim: '$['}", &[])[0].contains("path into the claims"));
    assert!(refused("auth: {jwks: {keys: 3}}", &[])[0].starts_with("auth.jwks"));
    let of_users = refused("auth: {jwt_role_claim: .user_metadata.role}", &[]);
    assert!(of_users[0].starts_with("auth.jwt_role_claim") && of_users[0].contains("users write"), "{of_users:?}");
    let unusable = refused("auth: {jwks: {keys: []}}", &[]);
    assert_eq!(unusable, ["auth.jwks (ferrobase.yaml:1): none of the keys of the set can verify a token"]);
    let unusable = refused("auth: {jwt_secret: '{\"kty\":\"oct\"}'}", &[]).concat();
    assert!(unusable.starts_with("auth.jwt_secret") && unusable.contains("none can verify a token"), "{unusable}");
}
