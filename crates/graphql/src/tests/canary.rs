//! The canary: whatever a request says, its words are never SQL.
//!
//! Documents and variables are made of hostile words in every place that a word can stand. After all quoted names and
//! literals are taken out of the statement, no piece of any word may be left in it; values must not even be in those.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::VIEW;
use crate::tests::total::on_a_small_stack;

/// In every word that is a name of the caller's own: an alias, an operation, a variable, a fragment.
const CANARY: &str = "c4n4ry";
/// In every word that is a value.
const VALUE: &str = "v4lu3";

fn hostile() -> impl Strategy<Value = String> {
    let tails =
        ["", "\"", "'", "\"; drop table x; --", "\\", "\0", "$1", "') or 1=1 --", "/*", "\u{e9}", "::int", "{", "%"];
    (prop::sample::select(tails.to_vec()), prop::sample::select(tails.to_vec()))
        .prop_map(|(before, after)| format!("{before}{VALUE}{after}"))
}

/// A string as the document writes it; or a variable, whose value is hostile too.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![3 => hostile().prop_map(|text| json!(text).to_string()), 1 => Just(format!("${CANARY}"))]
}

fn cursor() -> impl Strategy<Value = String> {
    use base64::Engine as _;
    let encode = |json: Value| json!(base64::engine::general_purpose::STANDARD.encode(json.to_string())).to_string();
    prop_oneof![
        hostile().prop_map(move |text| encode(json!([text]))),
        hostile().prop_map(move |text| encode(json!(["api", "tasks", text]))),
        hostile().prop_map(move |text| encode(json!([text, text, text]))),
        text(),
    ]
}

fn filter() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        (
            prop::sample::select(vec!["eq", "neq", "like", "ilike", "regex", "startsWith", "search", "websearch"]),
            text()
        )
            .prop_map(|(operator, text)| format!("{{title: {{{operator}: {text}}}}}")),
        (text(), text()).prop_map(|(a, b)| format!("{{title: {{in: [{a}, {b}]}}}}")),
        (prop::sample::select(vec!["contains", "containedBy", "overlaps", "eq"]), text())
            .prop_map(|(operator, text)| format!("{{tags: {{{operator}: [{text}]}}}}")),
        (prop::sample::select(vec!["contains", "hasKey", "path"]), text())
            .prop_map(|(operator, text)| format!("{{data: {{{operator}: {text}}}}}")),
        text().prop_map(|text| format!("{{id: {{gt: {text}}}}}")),
        cursor().prop_map(|id| format!("{{nodeId: {{eq: {id}}}}}")),
        Just("{done: {is: NOT_NULL}}".to_owned()),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(|all| format!("{{or: [{}]}}", all.join(", "))),
            inner.clone().prop_map(|one| format!("{{not: {one}}}")),
            inner.prop_map(|one| format!("{{and: [{one}, {{owner: {{tasksCollection: {{some: {one}}}}}}}]}}")),
        ]
    })
}

fn read() -> impl Strategy<Value = String> {
    let below = format!("edges {{ cursor node {{ {CANARY}2: title ...{CANARY}F owner {{ name }} }} }} totalCount");
    prop_oneof![
        (filter(), cursor(), any::<bool>()).prop_map(move |(filter, cursor, after)| {
            let after =
                if after { format!(", after: {cursor}, orderBy: [{{title: DescNullsLast}}]") } else { String::new() };
            format!("{CANARY}1: tasksCollection(filter: {filter}{after}) {{ {below} }}")
        }),
        text().prop_map(|id| format!("tasksByPk(id: {id}) {{ nodeId data tags }}")),
        (text(), text()).prop_map(|(one, other)| format!(
            "tasksCollection(orderBy: [{{data: {{path: [{one}, {other}], direction: DescNullsLast}}}}]) {{ edges {{ cursor }} }}"
        )),
        cursor().prop_map(|id| format!("node(nodeId: {id}) {{ nodeId ... on tasks {{ title }} }}")),
        (text(), filter()).prop_map(|(word, filter)| format!(
            "find_tasks(word: {word}, filter: {filter}) {{ edges {{ node {{ id }} }} }}"
        )),
    ]
}

fn write() -> impl Strategy<Value = String> {
    prop_oneof![
        (text(), text(), text()).prop_map(|(title, data, tag)| format!(
            "insertIntotasksCollection(objects: [{{title: {title}, data: {data}, tags: [{tag}]}}]) {{ {CANARY}3: affectedCount records {{ ...{CANARY}F }} }}"
        )),
        (text(), filter()).prop_map(|(title, filter)| format!(
            "updatetasksCollection(set: {{title: {title}}}, filter: {filter}, atMost: 3) {{ affectedCount records {{ ...{CANARY}F }} }}"
        )),
        filter().prop_map(|filter| format!("deleteFromtasksCollection(filter: {filter}) {{ records {{ ...{CANARY}F }} }}")),
        (text(), text()).prop_map(|(word, data)| format!("change(word: {word}, data: {data})")),
    ]
}

/// The kind of the operation and a field.
fn operation() -> impl Strategy<Value = (&'static str, String)> {
    prop_oneof![read().prop_map(|field| ("query", field)), write().prop_map(|field| ("mutation", field))]
}

/// A document: what it uses it also declares.
fn document(kind: &str, field: &str) -> String {
    let declared =
        if field.contains(&format!("${CANARY}")) { format!("(${CANARY}: String = \"\")") } else { String::new() };
    let fragment = if field.contains(&format!("...{CANARY}F")) {
        format!("fragment {CANARY}F on tasks {{ title }}")
    } else {
        String::new()
    };
    format!("{kind} {CANARY}{declared} {{ {field} }} {fragment}")
}

/// The text without quoted names and literals, and those alone.
fn split(sql: &str) -> (String, String) {
    let (mut text, mut quoted) = (String::new(), String::new());
    let mut chars = sql.chars().peekable();
    while let Some(c) = chars.next() {
        let escapes = c == 'E' && chars.peek() == Some(&'\'');
        let quote = match c {
            'E' if escapes => chars.next(),
            '"' | '\'' => Some(c),
            c => {
                text.push(c);
                None
            }
        };
        let Some(quote) = quote else { continue };
        while let Some(c) = chars.next() {
            if c == '\\' && escapes {
                quoted.extend(chars.next());
            } else if c == quote && chars.next_if_eq(&quote).is_none() {
                break;
            } else {
                quoted.push(c);
            }
        }
    }
    (text, quoted)
}

#[test]
fn no_word_of_a_request_is_ever_sql() {
    on_a_small_stack(|| {
        let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig::with_cases(3000));
        let planned = std::cell::Cell::new(0_u32);
        runner
            .run(&(operation(), hostile()), |((kind, field), word)| {
                let document = document(kind, &field);
                let Ok(explained) = VIEW.explain(&document, None, json!({CANARY: word})) else { return Ok(()) };
                planned.set(planned.get() + 1);
                for one in explained {
                    let sql = &one.statement.sql;
                    let (text, quoted) = split(sql);
                    prop_assert!(!text.contains(CANARY) && !text.contains(VALUE) && !quoted.contains(VALUE), "{}", sql);
                    prop_assert!(!sql.contains('\0') && !text.contains("--") && !text.contains("/*"), "{}", sql);
                    prop_assert!(!text.contains(';') && !text.contains("drop"), "{}", sql);
                    let next = format!("${}", one.statement.params.len() + 1);
                    prop_assert!(!text.contains(&next), "{}", sql);
                }
                Ok(())
            })
            .expect("no word is SQL");
        assert!(planned.get() > 1000, "most documents must get as far as a statement: {}", planned.get());
    });
}
