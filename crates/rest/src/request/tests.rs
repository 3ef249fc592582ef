//! Requests as their callers write them, and what is read from them.

use super::*;

fn rules() -> Rules {
    Rules {
        schemas: vec!["public".into()],
        tx_override: true,
        root: Root::Description,
        document: true,
        reserved: vec!["apikey".into()],
        dialect: crate::parse::Dialect::Postgrest,
    }
}

fn ask(line: &str, fields: &[(&'static str, &str)], body: &str) -> Result<RestRequest, Error> {
    let (method, target) = line.split_once(' ').expect("METHOD target");
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let mut headers = HeaderMap::new();
    for (name, value) in fields {
        headers.append(*name, value.parse().expect("a field value"));
    }
    let method: Method = method.parse().expect("a method");
    let head = Head { method: &method, path, query, headers: &headers };
    RestRequest::read(head, &Bytes::copy_from_slice(body.as_bytes()), &rules())
}

fn code(line: &str, fields: &[(&'static str, &str)], body: &str) -> String {
    match ask(line, fields, body) {
        Ok(request) => panic!("{line} was understood: {request:?}"),
        Err(error) => ferrobase_base::PublicError::from(error).code.into_owned(),
    }
}

#[test]
fn methods_and_paths_make_actions() {
    let relation = || "a table".to_owned();
    let function = || "f".to_owned();
    for (line, wanted) in [
        ("GET /a%20table", Action::Read { relation: relation(), head: false }),
        ("HEAD /a%20table", Action::Read { relation: relation(), head: true }),
        ("DELETE /a%20table", Action::Delete { relation: relation() }),
        ("OPTIONS /a%20table", Action::RelationInfo { relation: relation() }),
        ("GET /rpc", Action::Read { relation: "rpc".into(), head: false }),
        ("GET /rpc/f", Action::Call { function: function(), method: CallMethod::Get }),
        ("HEAD /rpc/f", Action::Call { function: function(), method: CallMethod::Head }),
        ("POST /rpc/f", Action::Call { function: function(), method: CallMethod::Post }),
        ("OPTIONS /rpc/f", Action::FunctionInfo { function: function() }),
        ("GET /", Action::Describe { head: false, format: Format::Swagger }),
        ("GET /openapi.json", Action::Describe { head: false, format: Format::V31 }),
        ("HEAD /openapi.json", Action::Describe { head: true, format: Format::V31 }),
        ("OPTIONS /openapi.json", Action::RootInfo),
        ("GET /openapi%2Ejson", Action::Read { relation: "openapi.json".to_owned(), head: false }),
        ("DELETE /openapi.json", Action::Delete { relation: "openapi.json".to_owned() }),
        ("OPTIONS /", Action::RootInfo),
        ("GET /%2Fodd%22%27", Action::Read { relation: "/odd\"'".into(), head: false }),
    ] {
        assert_eq!(ask(line, &[], "").expect(line).action, wanted, "{line}");
    }
    assert_eq!(ask("PATCH /t", &[], "{}").expect("patch").action, Action::Update { relation: "t".into() });
    assert_eq!(ask("PUT /t", &[], "{}").expect("put").action, Action::Put { relation: "t".into() });
    assert_eq!(ask("POST /t", &[], "{}").expect("post").action, Action::Insert { relation: "t".into() });
}

#[test]
fn mistakes_have_their_codes() {
    for (line, fields, body, wanted) in [
        ("GET /a/b", &[][..], "", "PGRST125"),
        ("GET /rpc/f/x", &[], "", "PGRST125"),
        ("GET /t/", &[], "", "PGRST125"),
        ("GET /%FF", &[], "", "PGRST125"),
        ("TRACE /t", &[], "", "PGRST117"),
        ("POST /", &[], "", "PGRST117"),
        ("DELETE /rpc/f", &[], "", "PGRST101"),
        ("GET /t", &[("accept-profile", "secret")], "", "PGRST106"),
        ("GET /t?a=b", &[], "", "PGRST100"),
        ("GET /t?a=%FF", &[], "", "PGRST100"),
        ("GET /t?limit=-1", &[], "", "PGRST103"),
        ("GET /t", &[("range", "5-2")], "", "PGRST103"),
        ("PUT /t?limit=1", &[], "{}", "PGRST114"),
        ("POST /t", &[], "{\"a\":", "PGRST102"),
        ("POST /t", &[("content-type", "text/plain")], "x", "PGRST102"),
        // The path is wrong before the schema is, the schema before the query.
        ("GET /a/b?a=b", &[("accept-profile", "secret")], "", "PGRST125"),
        ("GET /t?a=b", &[("accept-profile", "secret")], "", "PGRST106"),
    ] {
        assert_eq!(code(line, fields, body), wanted, "{line}");
    }
}

#[test]
fn ranges_meet() {
    let window = |line: &str, range: &str| ask(line, &[("range", range)], "").expect(line).window;
    assert_eq!(window("GET /t", "2-4"), Window { offset: 2, limit: Some(3) });
    assert_eq!(window("GET /t?limit=2", "0-9"), Window { offset: 0, limit: Some(2) });
    assert_eq!(window("GET /t?limit=0", "0-9"), Window { offset: 0, limit: Some(0) });
    assert_eq!(window("HEAD /t", "2-4"), Window::default());
    assert_eq!(window("DELETE /t", "5-2"), Window::default());
    let request = ask("GET /t?limit=3&a.limit=5&offset=1", &[], "").expect("a request");
    assert_eq!(request.window, Window { offset: 1, limit: Some(3) });
    assert_eq!(request.query.windows, [(vec!["a".to_owned()], Window { offset: 0, limit: Some(5) })]);
}

#[test]
fn bodies_count_where_they_are_used() {
    assert_eq!(ask("DELETE /t", &[], "nonsense").expect("delete").payload, None);
    assert_eq!(ask("GET /rpc/f?a=1", &[], "nonsense").expect("get").payload, None);
    let columns = |line: &str, body: &str| ask(line, &[], body).expect(line).columns.into_iter().collect::<Vec<_>>();
    assert_eq!(columns("POST /t", "{\"b\":1,\"a\":2}"), ["a", "b"]);
    assert_eq!(columns("POST /t?columns=b,\"a%20c\"", "[{}]"), ["a c", "b"]);
    // PUT replaces a whole row.
    assert_eq!(columns("PUT /t?columns=a", "{\"b\":1}"), ["b"]);
}

#[test]
fn arguments_and_filters_of_a_call() {
    let request = ask("GET /rpc/f?id=5&name=eq.x&note=not.important&apikey=k&select=a", &[], "").expect("a call");
    let arguments = [("id".to_owned(), "5".to_owned()), ("note".to_owned(), "not.important".to_owned())];
    assert_eq!(request.query.arguments, arguments);
    assert_eq!(request.query.filters.len(), 1);
}

#[test]
fn defaults() {
    let request = ask("GET /t", &[], "").expect("a request");
    assert_eq!(request.accept, [MediaType::Any]);
    assert_eq!(request.content_type, MediaType::Json);
    assert_eq!((request.schema.as_str(), request.negotiated), ("public", false));
}
