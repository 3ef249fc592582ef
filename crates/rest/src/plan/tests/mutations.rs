//! POST, PATCH, PUT, DELETE: payloads, conflicts, what comes back.

use super::fixture::{Asked, rules};
use crate::plan::Everything;

fn told(line: &str, prefer: &str, body: &str) -> String {
    let fields = [("prefer", prefer)];
    let fields = if prefer.is_empty() { &[][..] } else { &fields[..] };
    Asked { line, fields, body }.told(&rules(), &Everything)
}

#[test]
fn inserts() {
    let rows = r#"[{"body":"a","author":"b"},{"body":"c","author":null}]"#;
    insta::assert_snapshot!(
        [
            told("POST /notes", "", rows),
            told("POST /notes", "return=headers-only", r#"{"body":"a"}"#),
            told("POST /notes?select=body", "return=representation", r#"{"body":"a"}"#),
            told("POST /notes?columns=body,id", "missing=default", rows),
            told("POST /notes", "missing=default", r#"{"body":"a"}"#),
            told("POST /notes", "", "{}"),
            told("POST /notes", "", "[{},{}]"),
            told("POST /projects?select=*,clients(name),shout", "return=representation", r##"{"colour":"#ff0000"}"##),
            told("POST /projects?select=id,open_tasks(id)", "return=representation", r#"{"name":"x"}"#),
        ]
        .concat()
    );
}

#[test]
fn upserts() {
    let row = r#"{"id":1,"body":"a"}"#;
    insta::assert_snapshot!(
        [
            told("POST /notes", "resolution=merge-duplicates", row),
            told("POST /notes?on_conflict=author", "resolution=ignore-duplicates", row),
            told("POST /assignments", "resolution=merge-duplicates", r#"{"person_id":1,"task_id":2}"#),
            told("PUT /notes?id=eq.1", "return=representation", row),
            told("PUT /notes?id=eq.1&body=eq.a", "", row),
            told("PUT /notes?id=gt.1", "", row),
            told("PUT /notes", "", row),
        ]
        .concat()
    );
}

#[test]
fn updates_and_deletes() {
    insta::assert_snapshot!(
        [
            told("PATCH /notes?id=eq.1&or=(body.is.null,author.eq.x)", "", r#"{"body":"a"}"#),
            told("PATCH /notes?id=eq.1", "return=representation", "{}"),
            told("PATCH /notes?id=gt.0", "handling=strict, max-affected=5", r#"{"body":"a"}"#),
            told("DELETE /notes?id=eq.1", "", ""),
            told("DELETE /projects?id=eq.1&select=id,clients(name)&clients.id=eq.2", "return=representation", ""),
        ]
        .concat()
    );
}

#[test]
fn unknown_columns_are_refused_before_the_database_sees_them() {
    insta::assert_snapshot!(
        [
            told("POST /notes", "", r#"{"body":"a","boddy":"b"}"#),
            told("PATCH /notes?columns=nope", "", r#"{"nope":1}"#),
        ]
        .concat()
    );
}

#[test]
fn one_row_is_guarded_when_it_is_asked_for() {
    let asked = Asked {
        line: "DELETE /notes?id=eq.1",
        fields: &[("accept", "application/vnd.pgrst.object+json"), ("prefer", "return=representation")],
        body: "",
    };
    let planned = asked.plan(&rules(), &Everything).unwrap();
    assert!(planned.query.guard.single && !planned.read_only);
    let read = Asked { line: "GET /notes?id=eq.1", ..asked }.plan(&rules(), &Everything).unwrap();
    assert!(!read.query.guard.single && read.read_only);
}
