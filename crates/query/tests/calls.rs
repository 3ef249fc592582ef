//! Function calls: arguments of every sort, results of every shape.

use bytes::Bytes;
use ferrobase_query::CatalogSql;
use ferrobase_query::plan::*;
use serde_json::{Value as Json, json};

use crate::company::{Company, body, by, client, compare, eq, first, name};

const SCALAR_ONE: Returned = Returned { scalar: true, set: false };
const SCALARS: Returned = Returned { scalar: true, set: true };
const ROW: Returned = Returned { scalar: false, set: false };
const ROWS: Returned = Returned { scalar: false, set: true };

fn text(argument: &str, type_name: &str, value: &str) -> Argument {
    Argument {
        name: argument.to_owned(),
        type_name: CatalogSql::written_by_catalog(type_name),
        variadic: false,
        value: ArgumentValue::Text(value.to_owned()),
    }
}

fn record(fields: &[(&str, &str)], json: &'static str) -> Arguments {
    let field = |(name, type_name): &(&str, &str)| RecordField {
        name: (*name).to_owned(),
        type_name: CatalogSql::written_by_catalog(type_name),
        cast: None,
        variadic: *name == "words",
    };
    Arguments::Record {
        fields: fields.iter().map(field).collect(),
        json: Bytes::from_static(json.as_bytes()),
        is_object: json.starts_with('{'),
    }
}

fn call(function: &str, arguments: Arguments, returned: Returned) -> Read {
    let call = Call { function: name(function), arguments, returned, columns: Columns::All };
    Read { select: vec![Select::star()], ..Read::from(Source::Function(Box::new(call)), function) }
}

async fn answer(db: &mut Company, function: &str, arguments: Arguments, returned: Returned) -> Json {
    db.json(&Query::list(call(function, arguments, returned))).await
}

#[tokio::test]
async fn arguments_by_name() {
    let mut db = Company::open().await;
    let both = Arguments::Named(vec![text("b", "integer", "2"), text("a", "integer", "1")]);
    assert_eq!(answer(&mut db, "add", both, SCALAR_ONE).await, json!(3));
    let defaulted = Arguments::Named(vec![text("a", "integer", "1")]);
    assert_eq!(answer(&mut db, "add", defaulted, SCALAR_ONE).await, json!(11));
    let fields = [("a", "integer"), ("b", "integer")];
    assert_eq!(answer(&mut db, "add", record(&fields, r#"{"a": 4, "b": 5}"#), SCALAR_ONE).await, json!(9));
    assert_eq!(
        answer(&mut db, "add", record(&fields, r#"[{"a": 4, "b": 5}, {"a": 0, "b": 0}]"#), SCALAR_ONE).await,
        json!(9)
    );
    assert_eq!(answer(&mut db, "add", record(&fields, r#"{"a": 4}"#), SCALAR_ONE).await, Json::Null);
    let variadic = Argument {
        variadic: true,
        value: ArgumentValue::List(vec!["a,\"b".into(), "c".into()]),
        ..text("words", "text[]", "")
    };
    let words = Arguments::Named(vec![text("sep", "text", "-"), variadic]);
    assert_eq!(answer(&mut db, "joined", words, SCALAR_ONE).await, json!("a,\"b-c"));
    let words = record(&[("sep", "text"), ("words", "text[]")], r#"{"sep": "+", "words": ["x", "y"]}"#);
    assert_eq!(answer(&mut db, "joined", words, SCALAR_ONE).await, json!("x+y"));
}

#[tokio::test]
async fn the_whole_body_as_one_argument() {
    let mut db = Company::open().await;
    let unnamed =
        |type_name, body: &'static [u8]| Arguments::Unnamed { type_name, body: Some(Bytes::from_static(body)) };
    let json = unnamed(UnnamedType::Json, br#"{"any": ["thing"]}"#);
    assert_eq!(answer(&mut db, "whole", json, SCALAR_ONE).await, json!({"any": ["thing"]}));
    assert_eq!(answer(&mut db, "size", unnamed(UnnamedType::Bytea, b"\x00\xff'\\"), SCALAR_ONE).await, json!(4));
    let none = Arguments::Unnamed { type_name: UnnamedType::Bytea, body: None };
    assert_eq!(answer(&mut db, "size", none, SCALAR_ONE).await, Json::Null);
}

#[tokio::test]
async fn results_of_every_shape() {
    let mut db = Company::open().await;
    let none = || Arguments::Named(vec![]);
    let upto = || Arguments::Named(vec![text("upto", "integer", "3")]);
    assert_eq!(answer(&mut db, "numbers", upto(), SCALARS).await, json!([1, 2, 3]));
    assert_eq!(answer(&mut db, "first_project", none(), ROW).await["name"], "Anvil");
    assert_eq!(answer(&mut db, "pair", none(), ROW).await, json!({"x": 7, "y": "seven"}));
    let of_acme = Arguments::Named(vec![text("client", "integer", "1")]);
    assert_eq!(answer(&mut db, "projects_of", of_acme, ROWS).await.as_array().unwrap().len(), 2);
    let outcome = db.run(&Query::list(call("nothing", none(), SCALAR_ONE))).await;
    assert_eq!(outcome.page, 1);
    let object = Body::Json { form: JsonForm::Object, strip_nulls: false };
    let single = Query {
        body: object,
        ..Query::list(call("add", Arguments::Named(vec![text("a", "integer", "1")]), SCALAR_ONE))
    };
    assert_eq!(db.json(&single).await, json!(11));
}

#[tokio::test]
async fn results_are_read_like_tables() {
    let mut db = Company::open().await;
    let arguments = || record(&[("client", "integer")], r#"{"client": 1}"#);
    let read = Read {
        name: "projects".to_owned(),
        select: vec![Select::column("id"), Select::column("shout")],
        filters: vec![compare("id", Operator::Less, "9")],
        order: vec![Order { direction: Some(Direction::Descending), ..by("id") }],
        window: first(1),
        embeds: vec![client(&["name"])],
        ..call("projects_of", arguments(), ROWS)
    };
    let expected = json!([{"id": 2, "shout": "BOLT", "client": {"name": "Acme"}}]);
    assert_eq!(db.json(&Query::list(read.clone())).await, expected);
    // Counting reads the result twice, so it stands in a CTE and the columns must be named.
    let mut counted = read;
    if let Source::Function(call) = &mut counted.source {
        call.columns = Columns::Named(["id", "shout", "client_id"].map(str::to_owned).to_vec());
    }
    let count = Count { exact: true, ..Count::default() };
    let outcome = db.run(&Query { count, ..Query::list(counted) }).await;
    assert_eq!((body(&outcome), outcome.total, outcome.page), (expected, Some(2), 1));
}

#[tokio::test]
async fn scalars_can_be_filtered_and_counted() {
    let mut db = Company::open().await;
    let upto = Arguments::Named(vec![text("upto", "integer", "9")]);
    let filters = vec![compare(SCALAR, Operator::Greater, "4")];
    let read = Read { filters, window: first(2), ..call("numbers", upto, SCALARS) };
    let outcome = db.run(&Query { count: Count { exact: true, ..Count::default() }, ..Query::list(read) }).await;
    assert_eq!((body(&outcome), outcome.total, outcome.page), (json!([5, 6]), Some(5), 2));
}

#[tokio::test]
async fn no_arguments_in_a_list_is_no_call() {
    let mut db = Company::open().await;
    let read = call("add", record(&[("a", "integer"), ("b", "integer")], "[]"), SCALAR_ONE);
    assert_eq!(db.json(&Query::list(read)).await, Json::Null);
}

#[tokio::test]
async fn functions_set_status_and_headers() {
    let mut db = Company::open().await;
    let branded = call("brand", record(&[("n", "integer")], r#"{"n": 5}"#), SCALAR_ONE);
    let outcome = db.run(&Query::list(branded)).await;
    assert_eq!(body(&outcome), json!(5));
    assert_eq!(outcome.status.as_deref(), Some("418"));
    assert_eq!(outcome.headers.as_deref(), Some(r#"[{"X-Brand": "5"}]"#));
}

#[tokio::test]
async fn a_function_of_rows_is_inlined() {
    let mut db = Company::open().await;
    let arguments = Arguments::Named(vec![text("client", "integer", "1")]);
    let read =
        Read { filters: vec![eq("id", "1")], name: "projects".to_owned(), ..call("projects_of", arguments, ROWS) };
    let query = Query { explain: Some(Explain::default()), ..Query::list(read) };
    let rows = db.try_rows(ferrobase_query::compile(&query).unwrap().statement).await.unwrap();
    let plan: Vec<&str> = rows.iter().filter_map(|row| row.text(0)).collect();
    assert!(!plan.join("\n").contains("projects_of"), "{plan:?}");
}
