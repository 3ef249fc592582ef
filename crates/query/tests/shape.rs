//! The text of statements, frozen: what is bound, what is quoted, what a small read costs.

use ferrobase_query::compile;
use ferrobase_query::plan::*;

use crate::company::{by, client, compare, eq, first, projects, table, workers};

/// The text with its values.
fn text(query: &Query) -> String {
    let statement = compile(query).unwrap().statement;
    let values: Vec<_> = statement
        .params
        .iter()
        .map(|value| value.as_deref().map_or("NULL".into(), |value| String::from_utf8_lossy(value).into_owned()))
        .collect();
    // One clause a line, so that a difference shows where it is.
    let lines = [" FROM ", " LEFT JOIN ", " WHERE ", " ORDER BY ", " GROUP BY ", " LIMIT "]
        .iter()
        .fold(statement.sql.to_string(), |sql, clause| sql.replace(clause, &format!("\n{}", &clause[1..])));
    format!("{lines}\n-- {}", values.join(" | "))
}

#[test]
fn a_page() {
    let read = Read { order: vec![by("id")], window: first(20), ..table("projects", &["*"]) };
    insta::assert_snapshot!(text(&Query::list(read)));
}

#[test]
fn by_key() {
    let read = Read { filters: vec![eq("id", "7")], window: first(1000), ..table("projects", &["id", "name"]) };
    insta::assert_snapshot!(text(&Query::list(read)));
}

#[test]
fn a_page_with_embeds() {
    let mut below = projects(&["id"]);
    below.inner = true;
    below.read.embeds = vec![client(&["name"])];
    let read = Read { embeds: vec![below], order: vec![by("name")], window: first(20), ..table("clients", &["name"]) };
    insta::assert_snapshot!(text(&Query::list(read)));
}

#[test]
fn everything_with_embeds() {
    let read = Read { embeds: vec![workers(&["name"])], ..table("tasks", &["id"]) };
    insta::assert_snapshot!(text(&Query::list(read)));
}

#[test]
fn a_counted_page() {
    let filters = vec![compare("name", Operator::ILike, "%a%")];
    let read = Read { filters, window: Window { offset: 40, limit: Some(19) }, ..table("projects", &["id"]) };
    insta::assert_snapshot!(text(&Query { count: Count { exact: true, ..Count::default() }, ..Query::list(read) }));
}

#[test]
fn shapes_repeat_whatever_the_values_are() {
    let with = |value: &str, offset| {
        let condition = Condition::Compare(Comparison {
            field: Field::column("id"),
            negated: true,
            operation: Operation::In(value.split(' ').map(str::to_owned).collect()),
        });
        let read =
            Read { filters: vec![condition], window: Window { offset, limit: Some(33) }, ..table("projects", &["id"]) };
        compile(&Query::list(read)).unwrap().statement.sql
    };
    assert_eq!(with("1", 1), with("1 2 3 'x'; --", 7));
}
