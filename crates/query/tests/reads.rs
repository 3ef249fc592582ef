//! Reads of one table: columns, paths, conditions, order, windows, groups, forms of the body.

use ferrobase_query::TypeName;
use ferrobase_query::plan::*;
use serde_json::json;

use crate::company::{Company, body, by, compare, eq, first, table};

fn path(column: &str, steps: &[&str], as_text: bool) -> Field {
    let last = steps.len() - 1;
    let to = |step: &str| match step.parse::<i64>() {
        Ok(_) => PathKey::Index(step.to_owned()),
        Err(_) => PathKey::Key(step.to_owned()),
    };
    let path = steps.iter().enumerate().map(|(i, step)| PathStep { as_text: as_text && i == last, to: to(step) });
    Field { path: path.collect(), ..Field::column(column) }
}

fn select(field: Field, name: &str) -> Select {
    Select { value: Value::Field(field), cast: None, aggregate: None, name: Some(name.to_owned()) }
}

#[tokio::test]
async fn columns_star_and_nothing_in_particular() {
    let mut db = Company::open().await;
    let ordered = |columns: &[&str]| Query::list(Read { order: vec![by("id")], ..table("clients", columns) });
    assert_eq!(db.json(&ordered(&["name"])).await, json!([{"name": "Acme"}, {"name": "Blue"}, {"name": "Idle"}]));
    let all = json!([{"id": 1, "name": "Acme"}, {"id": 2, "name": "Blue"}, {"id": 3, "name": "Idle"}]);
    assert_eq!(db.json(&ordered(&["*"])).await, all);
    assert_eq!(db.json(&ordered(&[])).await, all);
}

#[tokio::test]
async fn an_empty_result_is_an_empty_list() {
    let mut db = Company::open().await;
    let outcome = db.run(&Query::list(Read { filters: vec![eq("id", "99")], ..table("clients", &["*"]) })).await;
    assert_eq!((body(&outcome), outcome.page, outcome.total), (json!([]), 0, None));
}

#[tokio::test]
async fn paths_lead_into_documents_and_casts_apply_to_them() {
    let mut db = Company::open().await;
    let size = Select { cast: Some(TypeName::from_caller("int")), ..select(path("data", &["size", "w"], true), "w") };
    let read = Read {
        select: vec![
            select(path("data", &["tags", "0"], true), "first"),
            select(path("data", &["tags", "-1"], false), "last"),
            size,
            select(Field { to_document: true, ..path("name", &["x"], false) }, "none"),
        ],
        filters: vec![eq("id", "1")],
        ..table("projects", &[])
    };
    assert_eq!(db.json(&Query::list(read)).await, json!([{"first": "heavy", "last": "iron", "w": 3, "none": null}]));
}

#[tokio::test]
async fn computed_fields_are_columns() {
    let mut db = Company::open().await;
    let read = Read { filters: vec![eq("shout", "SKY")], ..table("projects", &["id", "shout"]) };
    assert_eq!(db.json(&Query::list(read)).await, json!([{"id": 3, "shout": "SKY"}]));
}

#[tokio::test]
async fn every_operator_is_sql() {
    let mut db = Company::open().await;
    let with = |field: Field, operation: Operation| {
        let condition = Condition::Compare(Comparison { field, negated: false, operation });
        Query::list(Read { filters: vec![condition], order: vec![by("id")], ..table("projects", &["id"]) })
    };
    let binary = |operator, value: &str| Operation::Binary { operator, quantifier: None, value: value.to_owned() };
    let quantified = |operator, quantifier, value: &str| Operation::Binary {
        operator,
        quantifier: Some(quantifier),
        value: value.to_owned(),
    };
    let search = |parser, query: &str| Operation::Search {
        parser,
        configuration: Some("simple".to_owned()),
        query: query.to_owned(),
        vectorise: true,
    };
    let id = || Field::column("id");
    let text = || Field::column("name");
    let tags = || path("data", &["tags"], false);
    for (field, operation, expected) in [
        (id(), binary(Operator::Equal, "2"), "2"),
        (id(), binary(Operator::NotEqual, "2"), "1,3,4"),
        (id(), binary(Operator::Greater, "3"), "4"),
        (id(), binary(Operator::GreaterOrEqual, "3"), "3,4"),
        (id(), binary(Operator::Less, "2"), "1"),
        (id(), binary(Operator::LessOrEqual, "2"), "1,2"),
        (text(), binary(Operator::Like, "A%"), "1"),
        (text(), binary(Operator::ILike, "%O%"), "2,4"),
        (text(), binary(Operator::Match, "^S"), "3"),
        (text(), binary(Operator::IMatch, "^s"), "3"),
        (text(), quantified(Operator::Like, Quantifier::Any, "{A%,B%}"), "1,2"),
        (text(), quantified(Operator::ILike, Quantifier::All, "{%o%,%n}"), "4"),
        (tags(), binary(Operator::Contains, r#"["iron"]"#), "1"),
        (tags(), binary(Operator::ContainedIn, "[]"), "3"),
        (id(), Operation::In(vec!["1".into(), "4".into()]), "1,4"),
        (text(), Operation::In(vec!["Sky\"".into(), "Sky".into(), "a,b".into()]), "3"),
        (id(), Operation::In(vec![]), ""),
        (Field::column("client_id"), Operation::Is(Is::Null), "4"),
        (Field::column("client_id"), Operation::Is(Is::NotNull), "1,2,3"),
        (Field::column("client_id"), Operation::DistinctFrom("1".into()), "3,4"),
        (text(), search(SearchParser::Operators, "anvil | sky"), "1,3"),
        (text(), search(SearchParser::Plain, "bolt"), "2"),
        (text(), search(SearchParser::Phrase, "sky"), "3"),
        (text(), search(SearchParser::Web, "sky or bolt"), "2,3"),
    ] {
        let rows = db.json(&with(field.clone(), operation.clone())).await;
        let ids: Vec<_> = rows.as_array().unwrap().iter().map(|row| row["id"].to_string()).collect();
        assert_eq!(ids.join(","), expected, "{field:?} {operation:?}");
    }
}

#[tokio::test]
async fn booleans_are_asked_with_is() {
    let mut db = Company::open().await;
    for (is, expected) in [(Is::True, "1"), (Is::False, "2,4"), (Is::Unknown, "3")] {
        let field = Field::column("done");
        let condition = Condition::Compare(Comparison { field, negated: false, operation: Operation::Is(is) });
        let read = Read { filters: vec![condition], order: vec![by("id")], ..table("tasks", &["id"]) };
        let rows = db.json(&Query::list(read)).await;
        let ids: Vec<_> = rows.as_array().unwrap().iter().map(|row| row["id"].to_string()).collect();
        assert_eq!(ids.join(","), expected, "{is:?}");
    }
}

#[tokio::test]
async fn conditions_nest_and_negate() {
    let mut db = Company::open().await;
    let not =
        |condition: Condition| Condition::Group { negated: true, operator: LogicOperator::And, items: vec![condition] };
    let either =
        Condition::Group { negated: false, operator: LogicOperator::Or, items: vec![eq("id", "1"), eq("id", "4")] };
    let read =
        |condition| Query::list(Read { filters: vec![condition], order: vec![by("id")], ..table("projects", &["id"]) });
    assert_eq!(db.json(&read(either.clone())).await, json!([{"id": 1}, {"id": 4}]));
    assert_eq!(db.json(&read(not(either))).await, json!([{"id": 2}, {"id": 3}]));
}

#[tokio::test]
async fn order_and_windows() {
    let mut db = Company::open().await;
    let budget =
        |direction, nulls| Order { by: OrderBy::Field(Field::column("budget")), direction: Some(direction), nulls };
    let ids =
        |order: Order, window: Window| Query::list(Read { order: vec![order], window, ..table("projects", &["id"]) });
    let all = Window::default();
    let up = db.json(&ids(budget(Direction::Ascending, Some(Nulls::First)), all)).await;
    assert_eq!(up, json!([{"id": 4}, {"id": 3}, {"id": 2}, {"id": 1}]));
    let down = db.json(&ids(budget(Direction::Descending, Some(Nulls::Last)), all)).await;
    assert_eq!(down, json!([{"id": 1}, {"id": 2}, {"id": 3}, {"id": 4}]));
    // A common size stands in the text, an odd one is a parameter; both are limits.
    for (limit, expected) in [(2, 2), (3, 3), (7, 3), (u64::MAX, 3), (0, 0)] {
        let page = db.run(&ids(by("id"), Window { offset: 1, limit: Some(limit) })).await.page;
        assert_eq!(page, expected, "limit {limit}");
    }
}

#[tokio::test]
async fn aggregates_group_by_everything_else() {
    let mut db = Company::open().await;
    let sum = Select {
        value: Value::Field(Field::column("budget")),
        cast: None,
        aggregate: Some(Aggregate {
            cast: Some(TypeName::from_caller("text")),
            ..Aggregate::of(AggregateFunction::Sum)
        }),
        name: None,
    };
    let count = Select { aggregate: Some(Aggregate::of(AggregateFunction::Count)), ..Select::star() };
    // The output name of the group is a column of the table too: it must not become the group.
    let group = Select { name: Some("name".to_owned()), ..Select::column("client_id") };
    let read = Read { select: vec![count.clone(), sum, group], order: vec![by("client_id")], ..table("projects", &[]) };
    assert_eq!(
        db.json(&Query::list(read)).await,
        json!([
            {"count": 2, "sum": "150.5", "name": 1},
            {"count": 1, "sum": "7", "name": 2},
            {"count": 1, "sum": null, "name": null}
        ])
    );
    let total = Read { select: vec![count], ..table("projects", &[]) };
    assert_eq!(db.json(&Query::list(total)).await, json!([{"count": 4}]));
}

#[tokio::test]
async fn groups_over_a_path_can_be_ordered_by_it() {
    let mut db = Company::open().await;
    let width = path("data", &["size", "w"], true);
    let count = Select { aggregate: Some(Aggregate::of(AggregateFunction::Count)), ..Select::star() };
    let order = Order { by: OrderBy::Field(width.clone()), direction: None, nulls: None };
    let read = Read { select: vec![select(width, "w"), count], order: vec![order], ..table("projects", &[]) };
    assert_eq!(db.json(&Query::list(read)).await, json!([{"w": "3", "count": 1}, {"w": null, "count": 3}]));
}

#[tokio::test]
async fn forms_of_the_body() {
    let mut db = Company::open().await;
    let with = |body: Body, filter: Condition| Query {
        body,
        ..Query::list(Read {
            filters: vec![filter],
            order: vec![by("id")],
            ..table("projects", &["id", "name", "client_id"])
        })
    };
    let all = || compare("id", Operator::GreaterOrEqual, "3");
    let text = |outcome: ferrobase_query::Outcome| String::from_utf8(outcome.body.unwrap().to_vec()).unwrap();

    let object = Body::Json { form: JsonForm::Object, strip_nulls: false };
    assert_eq!(
        db.json(&with(object.clone(), eq("id", "4"))).await,
        json!({"id": 4, "name": "Orphan", "client_id": null})
    );
    let nobody = db.run(&with(object, eq("id", "99"))).await;
    assert_eq!((nobody.page, text(nobody)), (0, "null".to_owned()));
    let stripped = Body::Json { form: JsonForm::List, strip_nulls: true };
    assert_eq!(db.json(&with(stripped, eq("id", "4"))).await, json!([{"id": 4, "name": "Orphan"}]));

    for (form, names) in [(CsvForm::Standard, "id,name,client_id"), (CsvForm::Record, "")] {
        assert_eq!(text(db.run(&with(Body::Csv(form), all())).await), "id,name,client_id\n3,Sky,2\n4,Orphan,");
        assert_eq!(text(db.run(&with(Body::Csv(form), eq("id", "99"))).await), format!("{names}\n"));
    }
    let none = db.run(&with(Body::None, all())).await;
    assert_eq!((none.page, none.body), (2, None));
}

#[tokio::test]
async fn custom_handlers_make_the_body() {
    let mut db = Company::open().await;
    db.script(
        "create function names_step(state text, r clients) returns text immutable language sql
             as $$ select coalesce(state || '+', '') || r.name $$;
         create aggregate names_of(clients) (sfunc = names_step, stype = text);
         create function count_step(state int, r anyelement) returns int immutable language sql
             as $$ select coalesce(state, 0) + 1 $$;
         create aggregate rows_of(anyelement) (sfunc = count_step, stype = int);
         create domain \"image/x\" as bytea;
         create function bytes_step(state bytea, r clients) returns \"image/x\" immutable language sql
             as $$ select state || '\\x00ff'::bytea $$;
         create aggregate bytes_of(clients) (sfunc = bytes_step, stype = \"image/x\", initcond = '');",
    )
    .await;
    let with = |function: &str, row_type: Option<&str>| Query {
        body: Body::Custom { function: crate::company::name(function), row_type: row_type.map(crate::company::name) },
        ..Query::list(Read { order: vec![by("id")], ..table("clients", &["*"]) })
    };
    let named = db.run(&with("names_of", Some("clients"))).await;
    assert_eq!(named.body.as_deref(), Some(&b"Acme+Blue+Idle"[..]));
    let counted = db.run(&with("rows_of", None)).await;
    assert_eq!(counted.body.as_deref(), Some(&b"3"[..]));
    let bytes = db.run(&with("bytes_of", Some("clients"))).await;
    assert_eq!(bytes.body.as_deref(), Some(&b"\x00\xff\x00\xff\x00\xff"[..]));
}

#[tokio::test]
async fn custom_handlers_see_embeds_as_documents() {
    let mut db = Company::open().await;
    db.script(
        "create function texts_step(state text, r anyelement) returns text immutable language sql
             as $$ select coalesce(state, '') || r::text $$;
         create aggregate texts_of(anyelement) (sfunc = texts_step, stype = text);",
    )
    .await;
    let read = Read { embeds: vec![crate::company::projects(&["id"])], window: first(1), ..table("clients", &["id"]) };
    let body = Body::Custom { function: crate::company::name("texts_of"), row_type: None };
    let answer = db.run(&Query { body, ..Query::list(read) }).await;
    // The blank is how `jsonb` becomes text.
    assert_eq!(answer.body.as_deref(), Some(&br#"(1,"[{""id"": 1}, {""id"": 2}]")"#[..]));
}

#[tokio::test]
async fn unknown_columns_are_postgresqls_to_report() {
    let mut db = Company::open().await;
    let error = db.try_run(&Query::list(table("clients", &["nme"]))).await.unwrap_err();
    assert_eq!((error.code.as_str(), &*error.message), ("42703", "column clients.nme does not exist"));
    assert_eq!(error.hint.as_deref(), Some("Perhaps you meant to reference the column \"clients.name\"."));
    let nested =
        Read { embeds: vec![crate::company::projects(&["nme"])], window: first(5), ..table("clients", &["id"]) };
    let error = db.try_run(&Query::list(nested)).await.unwrap_err();
    assert_eq!(&*error.message, "column projects_1.nme does not exist");
}

#[tokio::test]
async fn hostile_names_stay_names() {
    let mut db = Company::open().await;
    let evil = r#"id" from clients; drop table clients; --"#;
    let error = db.try_run(&Query::list(table("clients", &[evil]))).await.unwrap_err();
    assert_eq!(error.code.as_str(), "42703");
    let read = Read {
        select: vec![Select { name: Some(evil.to_owned()), ..Select::column("id") }],
        order: vec![by("id")],
        window: first(1),
        ..table("clients", &[])
    };
    // PostgreSQL cuts names at 63 bytes and says so; the text is only a name all the same.
    assert_eq!(db.json(&Query::list(read)).await, json!([{ evil: 1 }]));
    assert_eq!(db.ask("select count(*) from clients").await, "3");
}
