//! SIGHUP: the new configuration, or the old one and the reason.

use super::super::Current;
use super::{loaded, sources};

#[test]
fn a_right_file_is_swapped_in_and_the_changes_are_named() {
    let current = Current::new(loaded(
        "server: {port: 1, request_timeout: 10s}\nauth: {jwt_secret: 0123456789012345678901234567890123}",
        &[],
    ));
    let before = current.get();
    let next =
        sources("server: {port: 2, request_timeout: 20s}\nauth: {jwt_secret: 0123456789012345678901234567890124}", &[]);
    let reloaded = current.reload(&next).unwrap();
    assert_eq!(reloaded.changed, ["auth.jwt_secret", "server.request_timeout"]);
    assert_eq!(reloaded.at_restart, ["server.port"]);
    assert_eq!(current.get().config.server.request_timeout.as_secs(), 20);
    assert_eq!(before.config.server.request_timeout.as_secs(), 10, "who holds the old one keeps it");
}

#[test]
fn what_waits_for_a_restart_is_named_until_it_is_as_at_the_start() {
    let current = Current::new(loaded("server: {port: 1}", &[]));
    for (written, waits) in [(2, &["server.port"] as &[&str]), (2, &["server.port"]), (1, &[]), (1, &[])] {
        let reloaded = current.reload(&sources(&format!("server: {{port: {written}}}"), &[])).unwrap();
        assert_eq!(reloaded.at_restart, waits, "{written}");
        assert_eq!(reloaded.changed, [""; 0], "{written}");
    }
}

#[test]
fn what_becomes_null_or_empty_is_named() {
    let bounds = "rest: {anon_role: null, max_rows: null}\nsecurity: {egress_allow: []}";
    let current = Current::new(loaded("rest: {max_rows: 5}\nsecurity: {egress_allow: [10.0.0.0/8]}", &[]));
    let named = ["rest.anon_role", "rest.max_rows", "security.egress_allow", "security.egress_allow[0]"];
    assert_eq!(current.reload(&sources(bounds, &[])).unwrap().changed, named);
    assert_eq!(current.reload(&sources(bounds, &[])).unwrap().changed, [""; 0]);
    // A key with nothing after it says as little as one that is not there.
    let lifted = current.reload(&sources("rest: {anon_role: }", &[])).unwrap();
    assert_eq!(lifted.changed, ["rest.anon_role", "rest.max_rows", "security.egress_allow"]);
    assert!(lifted.warnings.is_empty());
}

#[test]
fn a_wrong_file_changes_nothing() {
    let current = Current::new(loaded("server: {request_timeout: 10s}", &[]));
    let errors = current.reload(&sources("server: {request_timeout: soon}", &[])).unwrap_err();
    assert!(errors.to_string().contains("server.request_timeout"), "{errors}");
    assert_eq!(current.get().config.server.request_timeout.as_secs(), 10);
}
