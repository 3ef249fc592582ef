//! Inserts, updates, deletes: payloads, defaults, conflicts, what comes back and with whose rights.

use bytes::Bytes;
use ferrobase_query::plan::*;
use ferrobase_query::{CatalogSql, Missing, Outcome};
use serde_json::json;

use crate::company::{Company, body, client, eq, name, table};

fn input(column: &str, type_name: &str, default: Option<&str>) -> InputColumn {
    InputColumn {
        name: column.to_owned(),
        type_name: CatalogSql::written_by_catalog(type_name),
        convert: None,
        default: default.map(CatalogSql::written_by_catalog),
    }
}

fn payload(json: &'static str) -> Payload {
    Payload::Json { json: Bytes::from_static(json.as_bytes()), is_object: json.starts_with('{') }
}

fn named(columns: &[&str]) -> Columns {
    Columns::Named(columns.iter().map(|column| (*column).to_owned()).collect())
}

fn insert(into: &str, columns: Vec<InputColumn>, json: &'static str) -> Insert {
    Insert {
        table: name(into),
        columns,
        payload: payload(json),
        missing_is_default: false,
        conflict: None,
        matching: vec![],
        returning: named(&[]),
        location: vec![],
    }
}

fn notes() -> Vec<InputColumn> {
    vec![
        input("author", "text", None),
        input("body", "text", Some("'empty'::text")),
        input("id", "integer", Some("nextval('notes_id_seq'::regclass)")),
    ]
}

/// Nothing but the number of rows.
fn silent(mutation: Mutation) -> Query {
    let relation = match &mutation {
        Mutation::Insert(Insert { table, .. })
        | Mutation::Update(Update { table, .. })
        | Mutation::UpdateEach(UpdateEach { table, .. })
        | Mutation::Delete(Delete { table, .. })
        | Mutation::Pick(Pick { table, .. }) => table.name.clone(),
    };
    let read = Read::from(Source::Derived, relation);
    Query { mutation: Some(mutation), body: Body::None, ..Query::list(read) }
}

/// With the rows.
fn showing(mutation: Mutation, read: Read) -> Query {
    Query { mutation: Some(mutation), ..Query::list(Read { source: Source::Derived, ..read }) }
}

#[tokio::test]
async fn one_row_many_rows_no_rows() {
    let mut db = Company::open().await;
    let columns = || vec![input("id", "integer", None), input("name", "text", None)];
    for (json, rows) in [
        (r#"{"id": 10, "name": "one"}"#, 1),
        (r#"[{"id": 11, "name": "two"}, {"name": "three", "id": 12, "other": true}]"#, 2),
        ("[]", 0),
    ] {
        let outcome = db.run(&silent(Mutation::Insert(insert("clients", columns(), json)))).await;
        assert_eq!((outcome.page, outcome.body, outcome.inserted), (rows, None, None), "{json}");
    }
    assert_eq!(db.ask("select name from clients where id > 9 order by id").await, "one,two,three");
    let error = db.try_run(&silent(Mutation::Insert(insert("clients", columns(), r#"{"id": 1, "name": "x"}"#)))).await;
    assert_eq!(error.unwrap_err().code.as_str(), "23505");
}

#[tokio::test]
async fn rows_without_any_column_are_all_defaults() {
    let mut db = Company::open().await;
    for (json, rows) in [("{}", 1), ("[{}, {}]", 2), ("[]", 0)] {
        let outcome = db.run(&silent(Mutation::Insert(insert("notes", vec![], json)))).await;
        assert_eq!(outcome.page, rows, "{json}");
    }
    assert_eq!(db.ask("select distinct body from notes").await, "empty");
}

#[tokio::test]
async fn missing_keys_are_null_or_default() {
    let mut db = Company::open().await;
    let with = |missing_is_default, json| {
        let returning = named(&["id", "body", "author"]);
        let insert = Insert { missing_is_default, returning, ..insert("notes", notes(), json) };
        showing(Mutation::Insert(insert), table("notes", &["body", "author"]))
    };
    let list = r#"[{"id": 11, "author": "a"}, {"id": 12, "body": null}, {"author": "c", "id": 13, "body": "said"}]"#;
    assert_eq!(
        db.json(&with(true, list)).await,
        json!([{"body": "empty", "author": "a"}, {"body": null, "author": null}, {"body": "said", "author": "c"}])
    );
    assert_eq!(db.json(&with(true, r#"{"author": "d"}"#)).await, json!([{"body": "empty", "author": "d"}]));
    assert_eq!(db.json(&with(false, r#"{"id": 9, "author": "e"}"#)).await, json!([{"body": null, "author": "e"}]));
}

#[tokio::test]
async fn what_was_written_can_be_shown_with_its_relatives() {
    let mut db = Company::open().await;
    let columns = vec![input("client_id", "integer", None), input("id", "integer", None), input("name", "text", None)];
    let insert = Insert {
        returning: named(&["name", "shout", "client_id"]),
        ..insert(
            "projects",
            columns,
            r#"[{"id": 10, "name": "New", "client_id": 2}, {"id": 11, "name": "Lone", "client_id": null}]"#,
        )
    };
    let read = Read { embeds: vec![client(&["name"])], ..table("projects", &["name", "shout"]) };
    assert_eq!(
        db.json(&showing(Mutation::Insert(insert), read)).await,
        json!([{"name": "New", "shout": "NEW", "client": {"name": "Blue"}}, {"name": "Lone", "shout": "LONE", "client": null}])
    );
}

#[tokio::test]
async fn the_address_of_a_single_new_row() {
    let mut db = Company::open().await;
    let logs = || vec![input("id", "integer", None), input("line", "text", None), input("part", "integer", None)];
    let with = |json| {
        let key = vec!["id".to_owned(), "part".to_owned()];
        let insert = Insert { returning: Columns::Named(key.clone()), location: key, ..insert("logs", logs(), json) };
        silent(Mutation::Insert(insert))
    };
    let outcome = db.run(&with(r#"{"id": 5, "part": 1}"#)).await;
    assert_eq!(outcome.location, [("id".into(), "eq.5".into()), ("part".into(), "eq.1".into())]);
    let outcome = db.run(&with(r#"[{"id": 6, "part": 1}, {"id": 7, "part": 1}]"#)).await;
    assert_eq!(outcome.location, []);
    assert_eq!(db.run(&with("[]")).await.location, []);
}

async fn upsert(db: &mut Company, into: &str, resolution: Resolution, key: &[&str], json: &'static str) -> Outcome {
    let columns = if into == "logs" {
        vec![input("id", "integer", None), input("line", "text", None), input("part", "integer", None)]
    } else {
        notes()
    };
    let conflict = Conflict::of(resolution, key.iter().map(|column| (*column).to_owned()).collect());
    let insert = Insert { conflict: Some(conflict), ..insert(into, columns, json) };
    db.run(&silent(Mutation::Insert(insert))).await
}

#[tokio::test]
async fn an_upsert_knows_how_many_rows_are_new() {
    let mut db = Company::open().await;
    let two = r#"[{"id": 1, "body": "a", "author": "x"}, {"id": 2, "body": "b", "author": "x"}]"#;
    let three = r#"[{"id": 1, "body": "A", "author": "y"}, {"id": 2, "body": "B", "author": "y"}, {"id": 3, "body": "c", "author": "y"}]"#;
    let counts = |outcome: &Outcome| (outcome.page, outcome.inserted);
    assert_eq!(counts(&upsert(&mut db, "notes", Resolution::Merge, &["id"], two).await), (2, Some(2)));
    assert_eq!(counts(&upsert(&mut db, "notes", Resolution::Merge, &["id"], three).await), (3, Some(1)));
    assert_eq!(counts(&upsert(&mut db, "notes", Resolution::Merge, &["id"], three).await), (3, Some(0)));
    assert_eq!(db.ask("select body from notes order by id").await, "A,B,c");
    // Where xmax cannot be returned: a view and a partitioned table.
    assert_eq!(counts(&upsert(&mut db, "note_view", Resolution::Merge, &["id"], two).await), (2, Some(0)));
    let line = r#"{"id": 1, "part": 1, "line": "first"}"#;
    assert_eq!(counts(&upsert(&mut db, "logs", Resolution::Merge, &["id", "part"], line).await), (1, Some(1)));
    assert_eq!(counts(&upsert(&mut db, "logs", Resolution::Merge, &["id", "part"], line).await), (1, Some(0)));
}

#[tokio::test]
async fn duplicates_can_be_left_alone() {
    let mut db = Company::open().await;
    let first = r#"[{"id": 1, "body": "a", "author": "x"}]"#;
    let second = r#"[{"id": 1, "body": "changed", "author": "x"}, {"id": 2, "body": "b", "author": "x"}]"#;
    upsert(&mut db, "notes", Resolution::Ignore, &["id"], first).await;
    let outcome = upsert(&mut db, "notes", Resolution::Ignore, &["id"], second).await;
    assert_eq!((outcome.page, outcome.inserted), (1, Some(1)));
    assert_eq!(db.ask("select body from notes order by id").await, "a,b");
}

#[tokio::test]
async fn put_writes_only_the_row_that_it_names() {
    let mut db = Company::open().await;
    let put = |json, id: &str| {
        let conflict = Conflict::of(Resolution::Merge, vec!["id".to_owned()]);
        let insert =
            Insert { conflict: Some(conflict), matching: vec![eq("id", id)], ..insert("notes", notes(), json) };
        Query { guard: Guard { matching: true, ..Guard::default() }, ..silent(Mutation::Insert(insert)) }
    };
    let json = r#"{"id": 4, "body": "put", "author": "p"}"#;
    assert_eq!(db.run(&put(json, "4")).await.inserted, Some(1));
    assert_eq!(db.run(&put(json, "4")).await.inserted, Some(0));
    let error = db.try_run(&put(json, "5")).await.unwrap_err();
    assert!(error.message.contains("PGRST115"), "{error:?}");
    assert_eq!(db.ask("select count(*) from notes").await, "1");
}

#[tokio::test]
async fn updates_take_the_payloads_columns() {
    let mut db = Company::open().await;
    let update = |columns, json, filters| {
        Mutation::Update(Update {
            table: name("projects"),
            columns,
            inside: vec![],
            merge: vec![],
            payload: payload(json),
            missing_is_default: false,
            filters,
            returning: named(&["id", "name", "budget"]),
        })
    };
    let read = || table("projects", &["id", "name", "budget"]);
    let budget = || vec![input("budget", "numeric", None)];
    let changed = showing(update(budget(), r#"{"budget": 1.50}"#, vec![eq("id", "3")]), read());
    assert_eq!(db.json(&changed).await, json!([{"id": 3, "name": "Sky", "budget": 1.50}]));
    let nothing = showing(update(vec![], "{}", vec![]), read());
    let outcome = db.run(&nothing).await;
    assert_eq!((outcome.page, body(&outcome)), (0, json!([])));
    let from_list = showing(update(budget(), r#"[{"budget": 2}]"#, vec![eq("client_id", "1")]), read());
    assert_eq!(db.run(&from_list).await.page, 2);
    assert_eq!(db.ask("select budget from projects order by id").await, "2,2,1.50,NULL");
}

#[tokio::test]
async fn deletes_show_what_is_gone() {
    let mut db = Company::open().await;
    let delete = Delete { table: name("people"), filters: vec![eq("id", "4")], returning: Columns::All };
    let gone = db.json(&showing(Mutation::Delete(delete), table("people", &["*"]))).await;
    assert_eq!(gone, json!([{"id": 4, "name": "Dee", "boss_id": 2}]));
}

#[tokio::test]
async fn domains_read_payloads_by_their_functions() {
    let mut db = Company::open().await;
    db.script(
        "create domain shade as int;
         create function shade_from(json) returns shade immutable language sql as
             $$ select ('x' || lpad(ltrim($1 #>> '{}', '#'), 8, '0'))::bit(32)::int $$;
         create table paints (id int primary key, shade shade)",
    )
    .await;
    let shade = InputColumn {
        convert: Some(Convert::Call(CatalogSql::written_by_catalog("public.shade_from"))),
        ..input("shade", "json", None)
    };
    let columns = vec![input("id", "integer", None), shade];
    db.run(&silent(Mutation::Insert(insert("paints", columns, r##"[{"id": 1, "shade": "#0000ff"}]"##)))).await;
    assert_eq!(db.ask("select shade from paints").await, "255");
}

#[tokio::test]
async fn only_readable_columns_need_be_read() {
    let mut db = Company::open().await;
    db.script("set role query_scribe").await;
    let columns = || vec![input("hint", "text", None), input("id", "integer", None), input("secret", "text", None)];
    let json = r#"{"id": 1, "hint": "h", "secret": "s"}"#;
    assert_eq!(db.run(&silent(Mutation::Insert(insert("secrets", columns(), json)))).await.page, 1);
    let returning = Insert {
        returning: named(&["id"]),
        ..insert("secrets", columns(), r#"{"id": 2, "hint": "h", "secret": "s"}"#)
    };
    let shown = db.json(&showing(Mutation::Insert(returning), table("secrets", &["id"]))).await;
    assert_eq!(shown, json!([{"id": 2}]));
    let all =
        Insert { returning: Columns::All, ..insert("secrets", columns(), r#"{"id": 3, "hint": "h", "secret": "s"}"#) };
    let error = db.try_run(&showing(Mutation::Insert(all), table("secrets", &["id"]))).await.unwrap_err();
    assert_eq!(error.code.as_str(), "42501");
}

#[tokio::test]
async fn a_table_may_be_called_like_our_own_names() {
    let mut db = Company::open().await;
    db.script("create table fb_body (id int primary key, fb_source text); create table fb_source (id int)").await;
    let columns = || vec![input("fb_source", "text", None), input("id", "integer", None)];
    let conflict = Some(Conflict::of(Resolution::Merge, vec!["id".to_owned()]));
    let insert =
        Insert { conflict, returning: Columns::All, ..insert("fb_body", columns(), r#"{"id": 1, "fb_source": "x"}"#) };
    let shown = db.json(&showing(Mutation::Insert(insert), table("fb_body", &["*"]))).await;
    assert_eq!(shown, json!([{"id": 1, "fb_source": "x"}]));
    let update = Update {
        table: name("fb_body"),
        columns: columns(),
        inside: vec![],
        merge: vec![],
        payload: payload(r#"{"id": 2, "fb_source": "y"}"#),
        missing_is_default: false,
        filters: vec![eq("id", "1")],
        returning: Columns::All,
    };
    let shown = db.json(&showing(Mutation::Update(update), table("fb_body", &["*"]))).await;
    assert_eq!(shown, json!([{"id": 2, "fb_source": "y"}]));
}

#[tokio::test]
async fn each_row_gets_values_of_its_own() {
    let mut db = Company::open().await;
    let update = |json, filters, all_must_exist| {
        Mutation::UpdateEach(UpdateEach {
            table: name("projects"),
            key: vec![input("id", "integer", None)],
            columns: vec![input("budget", "numeric", None), input("name", "text", Some("'unnamed'::text"))],
            json: Bytes::from_static(str::as_bytes(json)),
            missing_is_default: true,
            filters,
            all_must_exist,
            returning: vec!["id".to_owned(), "name".to_owned(), "budget".to_owned()],
        })
    };
    let read = || table("projects", &["id", "name", "budget"]);
    let json_rows =
        r#"[{"id": 3, "budget": 1}, {"id": 77, "name": "x", "budget": 2}, {"id": 1, "name": "y", "budget": 3}]"#;
    let outcome = db.run(&showing(update(json_rows, vec![], false), read())).await;
    let shown = json!([{"id": 3, "name": "unnamed", "budget": 1}, {"id": 1, "name": "y", "budget": 3}]);
    assert_eq!((outcome.page, body(&outcome)), (2, shown), "in the payload's order");
    assert_eq!(outcome.missing, Some(Missing { rows: 1, places: vec![1] }));
    let filtered = db.run(&silent(update(json_rows, vec![eq("name", "y")], false))).await;
    assert_eq!(filtered.missing, Some(Missing { rows: 2, places: vec![0, 1] }));
    for (json, strict, code) in [
        (r#"[{"id": 1, "budget": 9}, {"id": 2, "budget": 9}, {"id": "1", "budget": 8}]"#, false, "FB112:2:0,2"),
        (r#"[{"id": 1, "budget": 9}, {"id": null, "budget": 9}]"#, true, "FB113:1:1"),
    ] {
        let error = db.try_run(&silent(update(json, vec![], strict))).await.unwrap_err();
        assert!(error.message.contains(code), "{error:?}");
    }
    assert_eq!(db.ask("select budget from projects order by id").await, "3,50.5,1,NULL");
}
