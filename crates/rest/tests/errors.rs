//! What callers are told when something is wrong.

use serde_json::json;

use crate::harness::api;

const TABLES: &str = "
create table public.projects (id int primary key, name text, age int check (age > 0));
create table public.private_notes (id int primary key);
revoke all on public.private_notes from anon, authenticated;
insert into public.projects values (1, 'one', 1);
";

#[tokio::test]
async fn names_that_are_not_there() {
    let api = api(TABLES).await;
    let table = api.send("GET /project", &[], "").await;
    assert_eq!(table.status, 404);
    assert_eq!(
        table.json(),
        json!({
            "code": "PGRST205",
            "details": null,
            "hint": "Perhaps you meant the table 'public.projects'",
            "message": "Could not find the table 'public.project' in the schema cache"
        })
    );
    for (line, body, status, code) in [
        ("GET /projects?select=nope", "", 400, "42703"),
        ("GET /projects?nope=eq.1", "", 400, "42703"),
        ("POST /projects", r#"{"nope":1}"#, 400, "PGRST204"),
        ("POST /rpc/nope", "{}", 404, "PGRST202"),
        ("GET /a/b", "", 404, "PGRST125"),
        ("GET /projects?id=eq.x", "", 400, "22P02"),
        ("GET /projects?select=id::nope", "", 400, "42704"),
        ("GET /projects?id=x.1", "", 400, "PGRST100"),
        ("POST /projects", r#"{"id":1}"#, 409, "23505"),
        ("POST /projects", r#"{"id":2,"age":-1}"#, 400, "23514"),
        ("POST /projects", "", 400, "PGRST102"),
        ("POST /projects", "{\"id\":", 400, "PGRST102"),
        ("DELETE /rpc/f", "", 405, "PGRST101"),
    ] {
        let answer = api.send(line, &[], body).await;
        assert_eq!((answer.status.as_u16(), answer.code().as_str()), (status, code), "{line}: {answer:?}");
        assert_eq!(answer.field("proxy-status"), format!("PostgREST; error={code}"), "{line}");
        assert_eq!(answer.field("content-type"), "application/json; charset=utf-8");
    }
}

#[tokio::test]
async fn the_wording_of_grammar_errors() {
    let api = api(TABLES).await;
    assert_eq!(
        api.send("GET /projects?order=id.asc.nullslasttt", &[], "").await.body,
        r#"{"code":"PGRST100","details":"unexpected 't' expecting \",\" or end of input","hint":null,"message":"\"failed to parse order (id.asc.nullslasttt)\" (line 1, column 17)"}"#
    );
}

#[tokio::test]
async fn privileges_that_are_missing() {
    let api = api(TABLES).await;
    let anonymous = api.send("GET /private_notes", &[], "").await;
    assert_eq!((anonymous.status.as_u16(), anonymous.code().as_str()), (401, "42501"));
    assert_eq!(anonymous.field("www-authenticate"), "Bearer");
    let bearer = format!("Bearer {}", ferrobase_testkit::token::of_user("u1"));
    let user = api.send("GET /private_notes", &[("authorization", &bearer)], "").await;
    assert_eq!((user.status.as_u16(), user.code().as_str()), (403, "42501"));
}

#[tokio::test]
async fn strict_handling_and_profiles() {
    let api = api(TABLES).await;
    let strict = api.send("GET /projects", &[("prefer", "handling=strict, wat")], "").await;
    assert_eq!((strict.status.as_u16(), strict.code().as_str()), (400, "PGRST122"));
    let profile = api.send("GET /projects", &[("accept-profile", "secret")], "").await;
    assert_eq!((profile.status.as_u16(), profile.code().as_str()), (406, "PGRST106"));
    let zone = api.send("GET /projects", &[("prefer", "timezone=No/Where")], "").await;
    assert_eq!((zone.status.as_u16(), zone.code().as_str()), (400, "22023"));
}

#[tokio::test]
async fn values_are_only_values() {
    let api = api(TABLES).await;
    for query in [
        "name=eq.'%3B%20drop%20table%20projects%3B--",
        "name=in.(%22')%3B%20drop%20table%20projects%3B--%22)",
        "or=(name.eq.%22'))%3B%20drop%20table%20projects%3B--%22)",
        "select=id,%22x%22%22%3B%20drop%20table%20projects%3B--%22",
        "order=%22id%22%22%3B%20drop%20table%20projects%3B--%22",
        "select=id::text);drop table projects;--",
        "name=fts(english%27).x",
        "limit=1%3B%20drop%20table%20projects",
    ] {
        let line = format!("GET /projects?{}", query.replace(' ', "%20"));
        let answer = api.send(&line, &[], "").await;
        assert!(answer.status.as_u16() < 500, "{query}: {answer:?}");
    }
    assert_eq!(api.value("select count(*) from projects").await, "1");
}

/// A function that signs people in says so by `raise invalid_password`, as PostgREST's guide has it.
#[tokio::test]
async fn what_a_function_raises_is_told_in_its_words() {
    let api = crate::harness::api(
        "create function public.login(code text) returns text language plpgsql as $$
        begin raise exception using errcode = code, message = 'invalid user or password', hint = 'Try again.'; end $$",
    )
    .await;
    for (code, status) in [("28P01", 403), ("28000", 403), ("08001", 503), ("57000", 500), ("XX000", 500)] {
        let answer = api.send("POST /rpc/login", &[], format!(r#"{{"code":"{code}"}}"#)).await;
        let told = answer.json();
        assert_eq!((answer.status.as_u16(), answer.code().as_str()), (status, code), "{answer:?}");
        assert_eq!(
            (told["message"].as_str(), told["hint"].as_str()),
            (Some("invalid user or password"), Some("Try again."))
        );
    }
}
