//! Function calls: overloads, arguments, results.

use super::fixture::{Asked, gets, rules};
use crate::plan::Everything;

fn post(line: &str, media: &str, body: &str) -> String {
    Asked { line, fields: &[("content-type", media)], body }.told(&rules(), &Everything)
}

#[test]
fn by_get() {
    insta::assert_snapshot!(gets(&[
        "/rpc/add?a=1&b=2",
        "/rpc/add?a=1&b=2&c=3&a=4",
        "/rpc/joined?sep=-&words=a&words=b",
        "/rpc/projects_of?client=1&select=id,clients(name)&name=eq.x&order=id&limit=2",
        "/rpc/main_project?select=id,shout",
        "/rpc/noted?id=1",
        "/rpc/add?a=1",
        "/rpc/overloaded?x=1",
        "/rpc/nosuch",
        "/rpc/projectsof?client=1",
    ]));
}

#[test]
fn by_post() {
    let json = "application/json";
    insta::assert_snapshot!(
        [
            post("POST /rpc/add", json, r#"{"a":1,"b":2}"#),
            post("POST /rpc/add?columns=a,b", json, r#"[{"a":1,"b":2,"z":3}]"#),
            post("POST /rpc/joined", "application/x-www-form-urlencoded", "sep=-&words=a&words=b"),
            post("POST /rpc/store", json, r#"{"any":"thing"}"#),
            post("POST /rpc/upload", "application/octet-stream", "ab"),
            post("POST /rpc/upload", "text/plain", "ab"),
            post("POST /rpc/add", json, r#"{"a":1,"bb":2}"#),
        ]
        .concat()
    );
}

#[test]
fn counted_calls_are_made_once() {
    let asked = Asked {
        line: "GET /rpc/projects_of?client=1&select=id&name=eq.x&limit=2",
        fields: &[("prefer", "count=exact")],
        body: "",
    };
    insta::assert_snapshot!(asked.told(&rules(), &Everything));
}

#[test]
fn only_volatile_functions_called_by_post_may_write() {
    let read_only = |asked: Asked<'_>| asked.plan(&rules(), &Everything).unwrap().read_only;
    let post = |line, body| Asked { line, body, ..Asked::default() };
    assert!(!read_only(post("POST /rpc/store", "{}")));
    assert!(read_only(post("POST /rpc/add", r#"{"a":1,"b":2}"#)));
    assert!(read_only(post("GET /rpc/main_project", "")));
}

#[test]
fn a_limit_on_changed_rows_needs_a_set() {
    let strict = [("prefer", "handling=strict, max-affected=2")];
    let asked = |line| Asked { line, fields: &strict, body: "" }.plan(&rules(), &Everything);
    assert_eq!(asked("GET /rpc/main_project").unwrap_err().code, "PGRST128");
    assert_eq!(asked("GET /rpc/projects_of?client=1").unwrap().query.guard.at_most, Some(2));
}
