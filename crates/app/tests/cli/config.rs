//! `ferrobase config check|show`: verdicts by exit code, problems by key and place, secrets never.

use serde_json::json;

use crate::dev::project::{Project, Ran};

const SECRET: &str = "a secret that must never be shown to anybody at all";

#[test]
fn a_configuration_that_serve_takes_is_valid() {
    let project = Project::empty();
    let config =
        format!("database:\n  url: postgresql://owner:hunter2@db.example.com/app\nauth:\n  jwt_secret: {SECRET}\n");
    project.write("ferrobase.yaml", &config);
    assert_eq!(project.run(&["config", "check"]).succeeds(), "ferrobase.yaml is valid\n");
    let verdict = project.run(&["config", "check", "--json"]).json();
    let expected = json!({ "valid": true, "file": "ferrobase.yaml", "warnings": [], "serve_refuses": [] });
    assert_eq!(verdict, expected);
}

#[test]
fn what_keeps_serve_from_starting_is_listed_and_fails() {
    let project = Project::new();
    let ran = project.run(&["config", "check"]);
    assert_eq!(ran.code(), Some(1));
    assert!(ran.out.starts_with("ferrobase.yaml is valid\n"), "{ran:?}");
    for text in ["serve: auth.jwt_secret", "FERROBASE_AUTH__JWT_SECRET", "database.url"] {
        assert!(ran.out.contains(text), "{ran:?}");
    }
    let ran = project.run(&["config", "check", "--json"]);
    assert_eq!(ran.code(), Some(1));
    let verdict: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
    let keys: Vec<&str> =
        verdict["serve_refuses"].as_array().unwrap().iter().map(|p| p["key"].as_str().unwrap()).collect();
    assert_eq!(keys, ["auth.jwt_secret", "database.url"]);
}

#[test]
fn what_every_start_reads_is_looked_at_by_the_check_as_by_the_start() {
    let project = Project::empty();
    let (database, key) = ("postgresql://owner@127.0.0.1:1/app", format!("auth: {{jwt_secret: {SECRET}}}\n"));
    project.write("garbage.pem", "-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n");
    project.write("empty.pem", "nothing\n");
    project.write("list.json", "[1]");
    let at = |rest: &str| format!("{key}database: {{url: {database}}}\n{rest}");
    let tls = |mode: &str| format!("{key}database: {{url: {database}, ssl_mode: verify-full, {mode}}}\n");
    let table = [
        ("graphql.trusted_documents", at("graphql: {trusted_documents: nope.json}"), "cannot read nope.json"),
        ("graphql.trusted_documents", at("graphql: {trusted_documents: list.json}"), "list.json"),
        ("server.tls", at("server: {tls: {cert: nope.pem, key: nope.key}}"), "cannot read nope.pem"),
        ("server.tls", at("server: {tls: {cert: garbage.pem, key: garbage.pem}}"), "cannot read garbage.pem"),
        ("server.tls", at("server: {tls: {cert: empty.pem, key: empty.pem}}"), "empty.pem holds no certificate"),
        ("observability.log", at("observability: {log: {file: nope/x.log}}"), "nope/x.log"),
        ("observability.log", at("observability: {log: {file: list.json/x.log}}"), "list.json/x.log"),
        ("redis", at("redis: {tls: true, tls_root_cert: nope.pem}"), "nope.pem"),
        ("redis", at("redis: {tls: true, tls_root_cert: garbage.pem}"), "ertificate"),
        ("redis", at("redis: {tls: true, tls_cert: nope.pem, tls_key: nope.key}"), "nope.pem"),
        ("database", tls("ssl_root_cert: nope.pem"), "nope.pem"),
        ("database", tls("ssl_root_cert: empty.pem"), "empty.pem"),
        ("database", tls("ssl_cert: nope.pem, ssl_key: nope.key"), "nope.pem"),
    ];
    for (key, config, said) in table {
        project.write("ferrobase.yaml", &config);
        let ran = project.run(&["config", "check"]);
        assert_eq!(ran.code(), Some(1), "{config}{ran:?}");
        assert!(ran.out.starts_with("ferrobase.yaml is well-formed, but"), "{config}{ran:?}");
        let line = ran.out.lines().find(|line| line.starts_with(&format!("error: {key}"))).unwrap_or_default();
        assert!(line.contains("ferrobase.yaml:") && line.contains(said), "{config}{ran:?}");
        let verdict: serde_json::Value =
            serde_json::from_str(&project.run(&["config", "check", "--json"]).out).unwrap();
        assert_eq!((&verdict["valid"], &verdict["problems"][0]["key"]), (&json!(false), &json!(key)), "{verdict}");
        // The start refuses it in the same words.
        project.run(&["serve"]).fails(&[line.trim_start_matches("error: ")]);
    }
    project.write("ferrobase.yaml", &at("observability: {log: {file: x.log}}"));
    project.run(&["config", "check"]).succeeds();
    assert!(!project.file("x.log").exists(), "looking makes nothing");
}

#[test]
fn problems_name_key_place_and_the_nearest_key() {
    let project = Project::empty();
    project.write("bad.yaml", "sever:\n  port: 1\nserver:\n  prot: 8000\n  request_timeout: soon\n");
    let said = project.run(&["config", "check", "--config", "bad.yaml"]).fails(&[
        "the configuration has 3 problems",
        "sever (bad.yaml:1): unknown key; did you mean `server`?",
        "server.prot (bad.yaml:4): unknown key; did you mean `port`?",
        "server.request_timeout (bad.yaml:5)",
    ]);
    assert!(!said.contains("because"), "everything once: {said}");
    let ran = project.run(&["config", "check", "--json", "--config", "bad.yaml"]);
    assert_eq!(ran.code(), Some(1));
    let verdict: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(verdict["valid"], false);
    assert_eq!(
        verdict["problems"][1],
        json!({ "key": "server.prot", "place": "bad.yaml:4", "message": "unknown key; did you mean `port`?" })
    );
    Ran::of(project.command(&["config", "check"]).env("FERROBASE_SERVER__PROT", "1"))
        .fails(&["FERROBASE_SERVER__PROT", "port"]);
    project.write("mails.yaml", "auth: { mailer: { subjects: { confirmation: '{{ .Nothing }}' } } }\n");
    let said = project.run(&["config", "check", "--config", "mails.yaml"]).fails(&["auth.mailer.subjects", "Nothing"]);
    assert!(!said.contains("templates"), "{said}");
    project.run(&["config", "check", "--config", "nowhere.yaml"]).fails(&["nowhere.yaml", "no such file", "--config"]);
}

#[test]
fn show_merges_and_masks() {
    let project = Project::empty();
    project.write("ferrobase.yaml", &format!("server:\n  port: 7000\nauth:\n  jwt_secret: {SECRET}\n"));
    let with = |arguments: &[&str]| {
        let mut command = project.command(&[&["config", "show"], arguments].concat());
        Ran::of(
            command.env("FERROBASE_DATABASE__URL", "postgresql://u:hunter2@h/db").env("FERROBASE_REST__MAX_ROWS", "7"),
        )
    };
    let shown = [with(&[]).succeeds(), with(&["--origin"]).succeeds(), with(&["--json"]).succeeds()];
    for text in &shown {
        assert!(!text.contains("hunter2") && !text.contains(SECRET), "{text}");
    }
    for line in ["  port: 7000\n", "  max_rows: 7\n", "  url: \"postgresql://u:***@h/db\"\n"] {
        assert!(shown[0].contains(line), "{line} in {}", shown[0]);
    }
    for (key, origin) in [
        ("port: 7000", "ferrobase.yaml:2"),
        ("max_rows: 7", "FERROBASE_REST__MAX_ROWS"),
        ("admin_port: 9090", "default"),
    ] {
        assert!(shown[1].contains(&format!("  {key}  # {origin}\n")), "{key} in {}", shown[1]);
    }
    let data: serde_json::Value = serde_json::from_str(&shown[2]).unwrap();
    assert_eq!((&data["server"]["port"], &data["rest"]["max_rows"]), (&json!(7000), &json!(7)));
    let flag = with(&["--database-url", "postgresql://flag@h/db", "--origin"]).succeeds();
    assert!(flag.contains("url: \"postgresql://flag@h/db\"  # --database-url\n"), "{flag}");
    // What was written can be read again, where it holds no secret.
    let plain = project.run(&["config", "show", "--config", "/dev/null"]).succeeds();
    project.write("again.yaml", &plain);
    assert_eq!(project.run(&["config", "show", "--config", "again.yaml"]).succeeds(), plain);
}
