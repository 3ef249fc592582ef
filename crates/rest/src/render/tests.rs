//! Answers from constructed outcomes, shown as they go over the wire.

use ferrobase_query::Outcome;
use http::Method;

use super::*;
use crate::request::{Head, Root, Rules};

fn request(line: &str, fields: &[(&'static str, &str)], schemas: &[&str]) -> RestRequest {
    let (method, target) = line.split_once(' ').expect("METHOD target");
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let mut headers = HeaderMap::new();
    for (name, value) in fields {
        headers.append(*name, value.parse().expect("a field value"));
    }
    let method: Method = method.parse().expect("a method");
    let rules = Rules {
        document: false,
        schemas: schemas.iter().map(ToString::to_string).collect(),
        tx_override: true,
        root: Root::Description,
        reserved: vec![],
        dialect: crate::parse::Dialect::Postgrest,
    };
    let head = Head { method: &method, path, query, headers: &headers };
    RestRequest::read(head, &Bytes::from_static(b"{}"), &rules).expect("a request")
}

fn facts(media: &MediaType) -> Facts<'_> {
    Facts {
        canonical: "",
        media,
        total: None,
        resolution_applied: true,
        is_void: false,
        verbosity: Verbosity::Verbose,
        legacy_paths: &[],
        extensions: true,
        is_row: false,
        pages: None,
    }
}

fn outcome(page: u64, body: &'static str) -> Outcome {
    Outcome { page, body: Some(Bytes::from_static(body.as_bytes())), ..Outcome::default() }
}

/// Status line, fields in order of name, an empty line, the body; without `Vary`, which is always the same.
async fn shown(response: Result<Response, Error>) -> String {
    let response = response.expect("an answer");
    let mut fields: Vec<String> = response
        .headers()
        .iter()
        .filter(|(name, _)| *name != header::VARY)
        .map(|(name, value)| format!("{name}: {}", value.to_str().expect("text")))
        .collect();
    fields.sort();
    let status = response.status().as_u16();
    let body = axum::body::to_bytes(response.into_body(), usize::MAX).await.expect("a body");
    format!("{status}\n{}\n\n{}", fields.join("\n"), String::from_utf8_lossy(&body))
}

#[tokio::test]
async fn reads() {
    let list = request("GET /todos?order=id&id=gt.1", &[], &["public"]);
    assert_eq!(
        shown(render(
            &list,
            &outcome(2, "[{},{}]"),
            Facts { canonical: &list.query.canonical, ..facts(&MediaType::Json) }
        ))
        .await,
        "200\ncontent-location: /todos?id=gt.1&order=id\ncontent-range: 0-1/*\ncontent-type: application/json; \
         charset=utf-8\n\n[{},{}]"
    );
    let part = request("GET /a%20b?limit=2&offset=4", &[("prefer", "count=exact, return=minimal")], &["a", "b"]);
    let counted = Outcome { total: Some(9), ..outcome(2, "[1,2]") };
    assert_eq!(
        shown(render(&part, &counted, Facts { canonical: &part.query.canonical, ..facts(&MediaType::Csv) })).await,
        "206\ncontent-location: /a%20b?limit=2&offset=4\ncontent-profile: a\ncontent-range: 4-5/9\ncontent-type: \
         text/csv; charset=utf-8\npreference-applied: count=exact\nx-total-count: 9\n\n[1,2]"
    );
    let head = request("HEAD /t", &[("prefer", "count=exact")], &["public"]);
    assert_eq!(
        shown(render(&head, &counted, Facts { canonical: &head.query.canonical, ..facts(&MediaType::Json) })).await,
        "206\ncontent-location: /t\ncontent-range: 0-1/9\ncontent-type: application/json; \
         charset=utf-8\npreference-applied: count=exact\nx-total-count: 9\n\n"
    );
}

#[tokio::test]
async fn paths_by_relation_in_spite_of_an_alias_are_warned_of() {
    let list = request("GET /t", &[], &["public"]);
    let paths = [("tasks".to_owned(), "the_tasks".to_owned())];
    let facts = Facts { legacy_paths: &paths, ..facts(&MediaType::Json) };
    let response = render(&list, &outcome(0, "[]"), facts).expect("an answer");
    let warning = response.headers()["warning"].to_str().expect("text");
    assert!(warning.starts_with("299 ") && warning.contains("Update `tasks` to `the_tasks` in"), "{warning}");
}

#[tokio::test]
async fn heads_have_no_length() {
    let head = request("HEAD /t", &[], &["public"]);
    let response = render(&head, &outcome(1, "[]"), facts(&MediaType::Json)).expect("an answer");
    assert_eq!(axum::body::HttpBody::size_hint(response.body()).exact(), None);
}

#[tokio::test]
async fn estimates_take_the_place_of_counts() {
    let list = request("GET /t", &[("prefer", "count=planned")], &["public"]);
    let facts = Facts { total: Some(5000), ..facts(&MediaType::Json) };
    let told = shown(render(&list, &outcome(2, "[]"), facts)).await;
    assert!(told.starts_with("206") && told.contains("content-range: 0-1/5000"), "{told}");
}

#[tokio::test]
async fn a_range_past_the_end_is_an_error() {
    let list = request("GET /t?offset=10", &[("prefer", "count=exact")], &["public"]);
    let told = shown(render(&list, &Outcome { total: Some(3), ..outcome(0, "[]") }, facts(&MediaType::Json))).await;
    assert!(told.starts_with("416\n") && told.contains("content-range: */3"), "{told}");
    assert!(
        told.ends_with(
            "{\"code\":\"PGRST103\",\"details\":\"An offset of 10 was requested, but there are only 3 rows.\",\
             \"hint\":null,\"message\":\"Requested range not satisfiable\"}"
        ),
        "{told}"
    );
}

#[tokio::test]
async fn inserts() {
    let located = || Outcome { location: vec![("id".into(), "eq.7 8".into())], ..outcome(1, "[{}]") };
    let headers_only = request("POST /t", &[("prefer", "return=headers-only")], &["public"]);
    assert_eq!(
        shown(render(&headers_only, &located(), facts(&MediaType::Json))).await,
        "201\ncontent-range: */*\nlocation: /t?id=eq.7%208\npreference-applied: return=headers-only\n\n"
    );
    let full = request(
        "POST /t",
        &[("prefer", "resolution=merge-duplicates,return=representation,count=exact,missing=default")],
        &["public"],
    );
    let merged = Outcome { inserted: Some(0), ..outcome(2, "[{},{}]") };
    assert_eq!(
        shown(render(&full, &merged, facts(&MediaType::Json))).await,
        "200\ncontent-range: */2\ncontent-type: application/json; charset=utf-8\npreference-applied: \
         resolution=merge-duplicates, missing=default, return=representation, count=exact\nx-total-count: 2\n\n[{},{}]"
    );
    let some_new = Outcome { inserted: Some(1), ..outcome(2, "[]") };
    assert!(shown(render(&full, &some_new, facts(&MediaType::Json))).await.starts_with("201"));
    let no_key = Facts { resolution_applied: false, ..facts(&MediaType::Json) };
    let told = shown(render(&full, &outcome(1, "[]"), no_key)).await;
    assert!(!told.contains("resolution="), "{told}");
    let minimal = request("POST /t", &[], &["public"]);
    assert_eq!(
        shown(render(&minimal, &outcome(1, "ignored"), facts(&MediaType::Json))).await,
        "201\ncontent-range: */*\n\n"
    );
}

#[tokio::test]
async fn updates_and_deletes() {
    let minimal = request("PATCH /t?id=eq.1", &[("prefer", "count=exact")], &["public"]);
    assert_eq!(
        shown(render(&minimal, &outcome(3, ""), facts(&MediaType::Json))).await,
        "204\ncontent-range: 0-2/3\npreference-applied: count=exact\nx-total-count: 3\n\n"
    );
    let full = request("DELETE /t?id=eq.1", &[("prefer", "return=representation")], &["public"]);
    assert_eq!(
        shown(render(&full, &outcome(1, "[{}]"), facts(&MediaType::Json))).await,
        "200\ncontent-range: */*\ncontent-type: application/json; charset=utf-8\npreference-applied: \
         return=representation\n\n[{}]"
    );
    let none = request("PATCH /t?id=eq.1", &[], &["public"]);
    assert_eq!(shown(render(&none, &outcome(0, ""), facts(&MediaType::Json))).await, "204\ncontent-range: */*\n\n");
}

#[tokio::test]
async fn puts() {
    for (inserted, prefer, wanted) in
        [(1, "return=representation", "201"), (0, "return=representation", "200"), (1, "return=minimal", "204")]
    {
        let put = request("PUT /t?id=eq.1", &[("prefer", prefer)], &["public"]);
        let told =
            shown(render(&put, &Outcome { inserted: Some(inserted), ..outcome(1, "[{}]") }, facts(&MediaType::Json)))
                .await;
        assert!(told.starts_with(wanted), "{told}");
        assert!(!told.contains("content-range"), "{told}");
    }
}

#[tokio::test]
async fn calls() {
    let call = request("POST /rpc/f", &[], &["public"]);
    assert_eq!(
        shown(render(&call, &outcome(1, "42"), facts(&MediaType::Json))).await,
        "200\ncontent-range: 0-0/*\ncontent-type: application/json; charset=utf-8\n\n42"
    );
    let void = Facts { is_void: true, ..facts(&MediaType::Json) };
    assert_eq!(shown(render(&call, &outcome(1, "null"), void)).await, "204\ncontent-range: 0-0/*\n\n");
}

#[tokio::test]
async fn sql_code_has_the_last_word() {
    let call = request("POST /rpc/f", &[], &["public"]);
    let chosen = Outcome {
        status: Some("402".into()),
        headers: Some(r#"[{"Content-Type":"image/png"},{"X-A":"1"},{"x-a":"2"},{"vary":"Accept"}]"#.into()),
        ..outcome(1, "raw")
    };
    let response = render(&call, &chosen, facts(&MediaType::OctetStream)).expect("an answer");
    assert_eq!(response.headers()["vary"], "Accept");
    assert_eq!(shown(Ok(response)).await, "402\ncontent-range: 0-0/*\ncontent-type: image/png\nx-a: 1\nx-a: 2\n\nraw");
    let nonsense = Outcome { status: Some("x".into()), ..outcome(1, "") };
    assert!(matches!(render(&call, &nonsense, facts(&MediaType::Json)), Err(Error::ResponseStatus)));
    let nonsense = Outcome { headers: Some("x".into()), ..outcome(1, "") };
    assert!(matches!(render(&call, &nonsense, facts(&MediaType::Json)), Err(Error::ResponseHeaders)));
}

#[tokio::test]
async fn what_can_be_done_with_it() {
    let all = Relation {
        insertable: true,
        updatable: true,
        deletable: true,
        primary_key: vec!["id".into()],
        ..Relation::default()
    };
    let allow = |relation: &Relation| relation_info(relation).headers()["allow"].to_str().expect("text").to_owned();
    assert_eq!(allow(&all), "OPTIONS,GET,HEAD,POST,PUT,PATCH,DELETE");
    assert_eq!(allow(&Relation { primary_key: vec![], ..all }), "OPTIONS,GET,HEAD,POST,PATCH,DELETE");
    assert_eq!(allow(&Relation::default()), "OPTIONS,GET,HEAD");
    let function = |volatility| Function { volatility, ..Function::default() };
    assert_eq!(function_info(&function(Volatility::Volatile)).headers()["allow"], "OPTIONS,POST");
    assert_eq!(function_info(&function(Volatility::Stable)).headers()["allow"], "OPTIONS,GET,HEAD,POST");
}

#[tokio::test]
async fn errors_have_their_fields() {
    let error = PublicError::new(ferrobase_base::Kind::Unauthenticated, "42501", "no").hint("h");
    let told = shown(Ok(crate::error::to_response(&error, Verbosity::Verbose))).await;
    assert_eq!(
        told,
        "401\ncontent-type: application/json; charset=utf-8\nproxy-status: PostgREST; error=42501\nwww-authenticate: \
         Bearer\n\n{\"code\":\"42501\",\"details\":null,\"hint\":\"h\",\"message\":\"no\"}"
    );
    let told = shown(Ok(crate::error::to_response(&error, Verbosity::Minimal))).await;
    assert!(told.ends_with("{\"code\":\"42501\",\"message\":\"no\"}"), "{told}");
}
