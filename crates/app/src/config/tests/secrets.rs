//! Secrets: where they may stand, and that nothing prints them.

use std::io::Write as _;

use super::super::{load, report, show, show_json};
use super::{loaded, refused, sources};

const CANARY: &str = "canary-0123456789-0123456789-0123456789";

#[test]
fn sec_28_no_printed_form_shows_a_secret() {
    let text = format!(
        "database:\n  url: postgresql://owner:{CANARY}@db/app\n  listen_url: postgresql://owner@db/app?password={CANARY}\n  authenticator: {{password: {CANARY}}}\n  \
         replicas: [{{host: r, user: u, password: {CANARY}}}]\n\
         auth:\n  jwt_secret: {CANARY}\n  jwks: {{keys: [{{kty: oct, k: {CANARY}A}}]}}\n  mailer: {{password: {CANARY}}}\n  \
         hooks: {{send_email: {{secrets: [{CANARY}]}}}}\n  external: {{google: {{client_id: [a], secret: {CANARY}}}}}\n  sms: {{test_otp: {{'1': {CANARY}}}}}\n\
         redis: {{password: {CANARY}}}\nsecrets: {{vault: {{token: {CANARY}}}}}\nstorage: {{s3_access_key_id: a, s3_secret_access_key: {CANARY}}}\n"
    );
    let loaded = loaded(&text, &[("UNRELATED", CANARY)]);
    let printed = [
        show(&loaded, false),
        show(&loaded, true),
        show_json(&loaded).to_string(),
        report(&loaded, &[]),
        format!("{loaded:?}"),
        format!("{:?}", sources("", &[("A", CANARY)]).environment),
    ];
    for text in printed {
        assert!(!text.contains("canary"), "{text}");
    }
    assert!(show(&loaded, false).contains("url: \"postgresql://owner:***@db/app\""));
    assert_eq!(loaded.config.auth.tokens.jwt_secret.unwrap().expose(), CANARY);
}

#[test]
fn sec_28_no_message_shows_a_secret() {
    let variables = [("SECRET", CANARY), ("FERROBASE_REDIS__PASSWORD", CANARY), ("FERROBASE_DATABASE__URL", CANARY)];
    let text = "server: {port: \"${SECRET}\", host: [\"${SECRET}\"]}\nauth: {jwt_secret: {a: b}, jwt_secrt: \"${SECRET}\", jwks: \"${SECRET}\"}\n\
                storage: {cdn_url: \"${SECRET}\"}\n";
    let messages = refused(text, &variables);
    assert_eq!(messages.len(), 7, "{messages:?}");
    assert!(!messages.concat().contains("canary"), "{messages:?}");
    for broken in [
        format!("auth: {{jwt_secret: \"{CANARY}"),
        format!("auth:\n  jwt_secret: {CANARY}: {CANARY}"),
        format!("auth: {{jwt_secret: {CANARY}\n- {CANARY}"),
    ] {
        let messages = refused(&broken, &[]);
        assert!(!messages.concat().contains("canary"), "{messages:?}");
    }
}

/// A login in a URL: none is taken, so that none is shown by `config show`; the message says so, without it.
#[test]
fn sec_28_a_login_in_a_url_is_refused_without_being_shown() {
    let login = format!("https://u:{CANARY}@h.example");
    let keys = [
        format!("observability: {{tracing: {{endpoint: \"{login}\"}}}}"),
        format!("server: {{public_url: \"{login}\"}}"),
        format!("auth: {{jwks_url: \"{login}\"}}"),
        format!("auth: {{external: {{keycloak: {{url: \"{login}\"}}}}}}"),
        format!("auth: {{sms: {{url: \"{login}\"}}}}"),
        format!("auth: {{hooks: {{send_sms: {{uri: \"{login}/x\"}}}}}}"),
        format!("auth: {{hooks: {{send_sms: {{enabled: true, uri: \"{login}/x\"}}}}}}"),
        format!("server: {{cors: {{allowed_origins: [\"{login}\"]}}}}"),
        format!("security: {{egress_allow: [\"{login}\"]}}"),
        format!("redis: {{host: \"{login}\"}}"),
        format!("redis: \"redis://u:{CANARY}@h\""),
    ];
    for (index, text) in keys.iter().enumerate() {
        let messages = refused(text, &[]).concat();
        assert!(!messages.contains("canary"), "{text}: {messages}");
        assert!(index > 6 || messages.contains("a login in"), "{text}: {messages}");
    }
}

#[test]
fn files_hold_secrets() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    writeln!(file, "{CANARY}").unwrap();
    let reference = format!("file://{}", file.path().display());
    let config =
        loaded(&format!("auth: {{jwt_secret: \"{reference}\"}}"), &[("FERROBASE_DATABASE__PASSWORD", &reference)])
            .config;
    assert_eq!(config.auth.tokens.jwt_secret.unwrap().expose(), CANARY, "without the newline at its end");
    assert_eq!(config.database.password.unwrap().expose(), CANARY);
    let messages = refused(&format!("server: {{port: \"{reference}\"}}"), &[]);
    assert!(messages[0].contains("file:///") && !messages[0].contains("canary"), "{messages:?}");
}

#[test]
fn a_secret_that_cannot_be_read_names_key_and_reference() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().display();
    assert_eq!(
        refused(&format!("auth: {{jwt_secret: 'file://{path}/missing'}}"), &[]),
        [format!("auth.jwt_secret (ferrobase.yaml:1): the secret file://{path}/missing cannot be read: no such file")]
    );
    assert!(refused(&format!("auth: {{jwt_secret: 'file://{path}'}}"), &[])[0].contains("folder"));
}

#[test]
fn references_need_their_provider() {
    let messages = refused("database: {password: 'vault://secret/app/db'}\nauth: {jwt_secret: 'aws://app/jwt'}", &[]);
    assert_eq!(
        messages,
        [
            "database.password (ferrobase.yaml:1): the secret vault://secret/app/db cannot be read: it needs `secrets.provider: vault`, which is `none`",
            "auth.jwt_secret (ferrobase.yaml:2): the secret aws://app/jwt cannot be read: it needs `secrets.provider: aws_secrets_manager`, which is `none`",
        ]
    );
    let circular = "secrets: {provider: vault, vault: {address: 'https://v.example', token: 'vault://a/b'}}";
    assert!(refused(circular, &[])[0].contains("its own") || refused(circular, &[])[0].contains("own settings"));
    // Any key may be a reference; its type is judged once the provider has answered.
    loaded("secrets: {provider: vault, vault: {address: 'https://v.example'}}\nserver: {port: 'vault://a/b'}", &[]);
}

#[test]
fn a_missing_variable_is_one_message() {
    let messages = refused("redis: {password: \"${REDIS_PASSWORD}\", port: \"${REDIS_PORT}\"}", &[]);
    assert_eq!(messages.len(), 2, "{messages:?}");
    assert!(messages[0].contains("redis.password") || messages[1].contains("redis.password"), "{messages:?}");
    assert!(load(&sources("redis: {password: \"${REDIS_PASSWORD:-}\"}", &[])).is_ok());
}
