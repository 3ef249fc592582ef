//! What our statements call without its schema: the functions that somebody could write one of the same name of.
//!
//! Proofs rely on what is said here of first arguments (`shadows` of `catalog`, and `sql/code_shadow_function_list.sql` there). Whoever
//! adds a call finds out here, and gives its first argument a type, or the call its schema (`pg_catalog.`), or the list of
//! that query its name.

use std::collections::BTreeSet;
use std::path::Path;

use ferrobase_query::plan::AggregateFunction;

/// PostgreSQL knows the type of the first argument in each of our calls.
const TYPED: &[&str] = &[
    "array_agg",
    "array_replace",
    "array_to_json",
    "array_to_string",
    "avg",
    "convert_to",
    "encode",
    "json_agg",
    "json_array_elements",
    "json_object_keys",
    "json_strip_nulls",
    "json_to_record",
    "json_to_recordset",
    "jsonb_array_elements",
    "jsonb_path_query_first",
    "jsonb_typeof",
    "left",
    "length",
    "max",
    "min",
    "row_number",
    "row_to_json",
    "sha256",
    "string_agg",
    "substr",
    "substring",
    "sum",
    "to_json",
    "to_jsonb",
    "translate",
    "unnest",
];
/// They take arguments of any type, which binds no function of their name to one.
const ANY: &[&str] =
    &["count", "json_build_array", "json_build_object", "json_object_agg", "jsonb_build_array", "jsonb_build_object"];
/// No functions: grammar, aliases with columns, and a method of JSON paths.
const WORDS: &[&str] = &["coalesce", "elem", "nullif", "o", "type", "u"];

/// String literals of a source file, without what its tests write.
fn literals(source: &str) -> Vec<String> {
    let source = source.split("#[cfg(test)]").next().unwrap_or_default();
    let code: Vec<&str> = source.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
    let code = code.join("\n").replace("'\"'", "").replace("b'\"'", "");
    let mut literals = vec![String::new()];
    let mut is_inside = false;
    let mut chars = code.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => {
                let _ = chars.next();
            }
            '"' => {
                is_inside = !is_inside;
                literals.push(String::new());
            }
            c if is_inside => literals.last_mut().unwrap().push(c),
            _ => {}
        }
    }
    literals
}

fn sources(folder: &Path) -> Vec<String> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => all.extend(sources(&path)),
            false => all.push(std::fs::read_to_string(path).unwrap()),
        }
    }
    all
}

/// Names in front of a parenthesis that nothing qualifies.
fn names(literal: &str) -> impl Iterator<Item = String> {
    let is_name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    literal.match_indices('(').filter_map(move |(at, _)| {
        let before = &literal[..at];
        let rest = before.trim_end_matches(is_name);
        let name = &before[rest.len()..];
        (!name.is_empty() && !rest.ends_with(['.', '"', '$'])).then(|| name.to_owned())
    })
}

/// The names of a list in the query that finds functions to be taken for PostgreSQL's.
fn listed(before: &str) -> BTreeSet<String> {
    let sql = include_str!("../../catalog/sql/code_shadow_function_list.sql");
    let (_, list) = sql.split_once(before).unwrap();
    let (list, _) = list.split_once(')').unwrap();
    list.split('\'').skip(1).step_by(2).map(str::to_owned).collect()
}

#[tokio::test]
async fn names_of_calls_are_known_with_the_type_of_their_first_argument() {
    let literals: Vec<_> =
        sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src")).iter().flat_map(|s| literals(s)).collect();
    let mut found: BTreeSet<String> = literals.iter().flat_map(|literal| names(literal)).collect();
    use AggregateFunction::{Avg, Count, Max, Min, Sum};
    found.extend([Avg, Count, Max, Min, Sum].map(|function| function.name().to_owned()));
    found.retain(|name| !WORDS.contains(&name.as_str()));

    let untyped = listed("p.proname not in (");
    let known: BTreeSet<String> = TYPED.iter().chain(ANY).map(|name| (*name).to_owned()).chain(untyped).collect();
    assert_eq!(found, known);

    // These are never called with a column; what `translate` gets is text that PostgreSQL made.
    let never = listed("case when p.proname in (");
    let called: Vec<&String> = never.intersection(&found).collect();
    assert_eq!(called, ["translate"]);

    // A text that nobody gave a type stands before no other operator.
    let is_operator = |c: char| "+-*/<>=~!@#%^&|?".contains(c);
    let behind = |literal: &String| {
        let texts = literal.match_indices("' ").map(|(at, _)| literal[at + 2..].split(' ').next().unwrap_or_default());
        texts.filter(|word| !word.is_empty() && word.chars().all(is_operator)).map(str::to_owned).collect::<Vec<_>>()
    };
    let operators: BTreeSet<String> = literals.iter().flat_map(behind).collect();
    assert_eq!(operators, BTreeSet::from(["||".to_owned()]));

    let database = ferrobase_testkit::database().await;
    for name in ANY {
        let takes_any = format!(
            "select (count(*) > 0)::text from pg_proc where proname = '{name}' and 2276 = any (proargtypes::oid[])"
        );
        assert_eq!(database.value(&takes_any).await, "true", "{name}");
    }
}
