//! Whatever the document and the variables: statements or an error of the caller, in bounded stack.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::VIEW;

/// Runs on half of the stack that a worker thread has: what recurses without bound dies here.
pub(super) fn on_a_small_stack(run: impl FnOnce() + Send + 'static) {
    let thread = std::thread::Builder::new().stack_size(1 << 20).spawn(run).expect("a thread");
    thread.join().expect("no panic");
}

const WORDS: &[&str] = &[
    "{",
    "}",
    "(",
    ")",
    "[",
    "]",
    ":",
    "!",
    "=",
    "...",
    "$",
    "@",
    "|",
    "&",
    "query",
    "mutation",
    "subscription",
    "fragment",
    "on",
    "A",
    "B",
    "true",
    "null",
    "1",
    "-1",
    "1e400",
    "99999999999999999999",
    "\"\"",
    "\"x\"",
    "\"\\u0000\"",
    "\"\"\"b\"\"\"",
    "#c\n",
    "tasksCollection",
    "tasksByPk",
    "peopleCollection",
    "node",
    "nodeId",
    "edges",
    "cursor",
    "id",
    "title",
    "owner",
    "boss",
    "tags",
    "data",
    "totalCount",
    "aggregate",
    "count",
    "sum",
    "filter",
    "orderBy",
    "first",
    "last",
    "after",
    "offset",
    "eq",
    "in",
    "and",
    "or",
    "not",
    "some",
    "AscNullsLast",
    "tasks",
    "people",
    "tasksFilter",
    "Int",
    "String",
    "ID",
    "skip",
    "include",
    "if",
    "find_tasks",
    "add_up",
    "word",
    "insertIntotasksCollection",
    "objects",
    "set",
    "atMost",
    "updatetasksCollection",
    "deleteFromtasksCollection",
    "affectedCount",
    "records",
    "__typename",
    "__schema",
    "__type",
    "name",
    "types",
    "extend",
    "type",
    "é",
    "\u{feff}",
    ",",
];

/// Documents that are right, of which pieces are exchanged.
const DOCUMENTS: &[&str] = &[
    "query A($f: tasksFilter, $n: Int = 2) { tasksCollection(filter: $f, first: $n) { edges { cursor node { id } } } }",
    "{ peopleCollection(orderBy: [{id: AscNullsLast}]) { totalCount edges { node { tasksCollection { edges { node { title } } } } } } }",
    "query($id: BigInt!) { tasksByPk(id: $id) { ...A } } fragment A on tasks { title owner { boss { name } } }",
    "mutation { insertIntotasksCollection(objects: [{title: \"x\"}]) { affectedCount records { id } } change(word: \"a\", data: \"{}\") }",
    "{ add_up(a: 1, b: 2) find_tasks(word: \"x\", first: 1) { edges { node { id } } } __schema { types { name } } }",
    "{ peopleCollection { aggregate { count sum { id } max { name } } pageInfo { endCursor } } }",
];

fn soup() -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(WORDS.to_vec()), 0..60).prop_map(|words| words.join(" "))
}

/// A right document with some of its words exchanged, left out or doubled.
fn broken() -> impl Strategy<Value = String> {
    let change = (any::<prop::sample::Index>(), prop::sample::select(WORDS.to_vec()), 0..3_u8);
    (prop::sample::select(DOCUMENTS.to_vec()), prop::collection::vec(change, 0..3)).prop_map(|(document, changes)| {
        let mut words: Vec<&str> = document.split_inclusive([' ', '(', '{', '[', ':']).collect();
        for (place, word, how) in changes {
            let place = place.index(words.len());
            match how {
                0 => words[place] = word,
                1 => words.insert(place, word),
                _ => words[place] = "",
            }
        }
        words.concat()
    })
}

fn variables() -> impl Strategy<Value = Value> {
    let leaf = prop::sample::select(vec![
        json!(null),
        json!(1),
        json!(-0.5),
        json!("x"),
        json!("\u{0}"),
        json!(true),
        json!(1e300),
    ]);
    let value = leaf.prop_recursive(4, 24, 4, |inner| {
        let key =
            prop::sample::select(vec!["id", "title", "eq", "in", "and", "or", "not", "owner", "tags", "contains", "x"]);
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(|list| json!(list)),
            prop::collection::vec((key, inner), 0..4).prop_map(|fields| json!(
                fields.into_iter().map(|(k, v)| (k.to_owned(), v)).collect::<serde_json::Map<_, _>>()
            )),
        ]
    });
    (value.clone(), value.clone(), value).prop_map(|(f, n, id)| json!({"f": f, "n": n, "id": id}))
}

#[test]
fn every_document_is_planned_or_refused() {
    on_a_small_stack(|| {
        let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig::with_cases(3000));
        let planned = std::cell::Cell::new(0_u32);
        runner
            .run(&(prop_oneof![soup(), broken()], variables()), |(document, variables)| {
                let explained = VIEW.explain(&document, None, variables);
                planned.set(planned.get() + u32::from(explained.is_ok()));
                if let Err(error) = explained {
                    prop_assert!(!error.sentences().is_empty());
                }
                let _ = VIEW.check(&document);
                Ok(())
            })
            .expect("an answer or a refusal");
        assert!(planned.get() > 100, "some must get through: {}", planned.get());
    });
}

#[test]
fn what_is_deep_is_refused_before_the_stack_ends() {
    on_a_small_stack(|| {
        for depth in [60, 127, 128, 1000, 50_000] {
            let nest = |open: &str, middle: &str, close: &str| {
                format!("{}{middle}{}", open.repeat(depth), close.repeat(depth))
            };
            for document in [
                format!("{{ peopleByPk(id: 1) {{ {} }} }}", nest("boss { ", "id", " }")),
                format!("{{ peopleByPk(id: 1) {{ {} }} }}", nest("... on people { ", "id", " }")),
                format!("{{ tasksCollection(filter: {}) {{ totalCount }} }}", nest("{not: ", "{}", "}")),
                format!(
                    "{{ tasksCollection(filter: {}) {{ totalCount }} }}",
                    nest("{owner: {tasksCollection: {some: ", "{}", "}}}")
                ),
                format!("{{ tasksCollection(filter: {{and: {}}}) {{ totalCount }} }}", nest("[", "{}", "]")),
                format!("query($a: {}) {{ __typename }}", nest("[", "Int", "]")),
                nest("{ ", "a", " }"),
                "{ ".repeat(depth),
                "[".repeat(depth),
                "{ a(b: ".repeat(depth),
            ] {
                let _ = VIEW.explain(&document, None, Value::Null);
                let _ = VIEW.check(&document);
            }
            let chain: String =
                (0..depth.min(1500)).map(|n| format!("fragment F{n} on Query {{ ...F{} }} ", n + 1)).collect();
            let _ = VIEW.explain(&format!("{{ ...F0 }} {chain}"), None, Value::Null);
            let mut filter = json!({});
            for _ in 0..depth.min(120) {
                filter = json!({ "not": filter });
            }
            let query = "query($f: tasksFilter) { tasksCollection(filter: $f) { totalCount } }";
            let _ = VIEW.explain(query, None, json!({ "f": filter }));
        }
    });
}
