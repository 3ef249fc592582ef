//! What operations refer to: parameters, fields, errors, answers with rows.

use serde_json::{Map, Value, json};

use super::{Profile, reference};
use crate::openapi::facts::Comment;

/// Keys of the schemas that belong to no relation.
pub(super) const OWN: [&str; 2] = [ERROR, FILTER];
/// What went wrong.
pub(super) const ERROR: &str = "Error";
/// A filter's value.
pub(super) const FILTER: &str = "Filter";

/// Codes of PostgREST and ours that a request of this room can meet; SQLSTATEs come beside them.
const CODES: &[&str] = &[
    "PGRST000", "PGRST001", "PGRST002", "PGRST003", "PGRST100", "PGRST101", "PGRST102", "PGRST103", "PGRST105",
    "PGRST106", "PGRST107", "PGRST108", "PGRST111", "PGRST112", "PGRST114", "PGRST115", "PGRST116", "PGRST117",
    "PGRST118", "PGRST120", "PGRST121", "PGRST122", "PGRST123", "PGRST124", "PGRST125", "PGRST126", "PGRST127",
    "PGRST128", "PGRST200", "PGRST201", "PGRST202", "PGRST203", "PGRST204", "PGRST205", "PGRST301", "PGRST302",
    "PGRST303", "FB101", "FB102", "FB103", "FB104", "FB105", "FB106", "FB107", "FB108", "FB110", "FB111", "FB112",
    "FB113", "FB119", "FB120", "FB121", "FB122", "FB123", "FB124", "FB125", "FB126", "FB127", "FB128", "FB129",
    "FB130", "FB131", "FB132", "FB133", "FB134", "FB135", "FB136", "FB137", "FB140", "FB141", "FB142", "FB143",
    "FB144", "FB145", "FB146", "FB150", "FB151", "FB152", "FB153", "FB154", "FB155", "FB156", "FB205", "FB301",
    "FB302", "FB303", "FB304", "FB305", "FB401",
];

/// Any operator, then a value.
const FILTER_PATTERN: &str = "^(not\\.)?(eq|neq|gt|gte|lt|lte|like|ilike|match|imatch|isdistinct|in|is|cs|cd|ov|sl|sr\
                              |nxr|nxl|adj|fts|plfts|phfts|wfts|has|hasany|hasall|jsonpath|jsonmatch|fuzzy|fuzzyword\
                              |within)(\\([A-Za-z_]+\\))?\\.";

/// Schemas that belong to no relation.
pub(super) fn schemas() -> Map<String, Value> {
    let error = json!({
        "type": "object",
        "description": "What went wrong. `code` is stable, the texts are for people.",
        "required": ["code", "message"],
        "properties": {
            "code": {
                "description": "One of these, or a SQLSTATE of PostgreSQL, or what a function raised",
                "anyOf": [{ "type": "string", "enum": CODES }, { "type": "string" }],
            },
            "message": { "type": ["string", "null"] },
            "details": { "description": "A text, or for some codes a list of objects" },
            "hint": { "type": ["string", "null"] },
        },
    });
    let filter = json!({
        "type": "string",
        "description": "An operator and a value: `eq.1`, `not.in.(a,b)`, `like(any).{a*,b*}`, `is.null`",
        "pattern": FILTER_PATTERN,
        "examples": ["eq.1", "is.null", "in.(1,2)"],
    });
    [(ERROR.to_owned(), error), (FILTER.to_owned(), filter)].into_iter().collect()
}

/// Parameters that belong to no column.
pub(super) fn parameters(profile: Option<Profile<'_>>) -> Map<String, Value> {
    let text = json!({ "type": "string" });
    let logic = json!({ "type": "string", "pattern": "^\\(.*\\)$", "examples": ["(id.gt.1,id.lt.9)"] });
    let rows = json!({ "type": "integer", "minimum": 0, "maximum": u32::MAX });
    let columns = json!({ "type": "string", "examples": ["id,name"] });
    let range = json!({ "type": "string", "pattern": "^[0-9]+-[0-9]*$", "examples": ["0-9"] });
    let mut parameters = Map::new();
    for (key, name, place, description, schema) in [
        ("select", "select", "query", "Columns and related rows: `id,title,author(name)`", text.clone()),
        ("order", "order", "query", "Order of the rows: `title.desc.nullslast,id`", text.clone()),
        ("limit", "limit", "query", "Most rows to return", rows.clone()),
        ("offset", "offset", "query", "Rows to skip", rows),
        ("and", "and", "query", "Filters that must all hold", logic.clone()),
        ("or", "or", "query", "Filters of which one must hold", logic.clone()),
        ("distinct", "distinct", "query", "Rows that differ: in all (`*`) or in these columns", columns.clone()),
        ("group_by", "group_by", "query", "Columns that rows are grouped by", columns.clone()),
        ("having", "having", "query", "Conditions on groups: `(count().gt.5)`", logic),
        ("cursor", "cursor", "query", "Pages by key: `first`, `last`, or what a `Link` field gave", text),
        ("columns", "columns", "query", "The columns that count of the body", columns.clone()),
        ("on_conflict", "on_conflict", "query", "Columns of the unique key that decides whether a row exists", columns),
        ("range", "Range", "header", "First and last row to return", range),
        ("prefer_count", "Prefer", "header", "How rows are counted, and other preferences", preferences(&COUNT)),
        ("prefer_return", "Prefer", "header", "What comes back, and other preferences", preferences(&RETURN)),
        (
            "prefer_insert",
            "Prefer",
            "header",
            "What happens to rows that exist, and what comes back",
            preferences(&INSERT),
        ),
        ("prefer_call", "Prefer", "header", "How rows are counted, and other preferences", preferences(&CALL)),
    ] {
        let parameter = json!({ "name": name, "in": place, "description": description, "schema": schema });
        parameters.insert(key.to_owned(), parameter);
    }
    if let Some(Profile { schema, is_default }) = profile {
        for (key, name) in [("accept_profile", "Accept-Profile"), ("content_profile", "Content-Profile")] {
            let parameter = json!({
                "name": name,
                "in": "header",
                "required": !is_default,
                "description": "The schema of the database that this describes",
                "schema": { "const": schema },
            });
            parameters.insert(key.to_owned(), parameter);
        }
    }
    parameters
}

const COUNT: [&str; 4] = ["count=exact", "count=planned", "count=estimated", "handling=strict"];
const RETURN: [&str; 4] =
    ["return=representation", "return=minimal", "return=headers-only", "handling=strict, max-affected=10"];
const INSERT: [&str; 5] = [
    "return=representation",
    "return=minimal",
    "missing=default",
    "resolution=merge-duplicates",
    "resolution=ignore-duplicates, return=representation",
];
const CALL: [&str; 2] = ["count=exact", "return=minimal"];

/// Preferences can be combined in any way: these are the usual ones.
fn preferences(usual: &[&str]) -> Value {
    json!({ "anyOf": [{ "type": "string", "enum": usual }, { "type": "string" }] })
}

/// Response fields.
pub(super) fn headers() -> Map<String, Value> {
    let field = |description: &str| json!({ "description": description, "schema": { "type": "string" } });
    [
        ("content_range", field("First and last row, and how many there are where they were counted: `0-9/42`")),
        ("location", field("Where the inserted row is, with `Prefer: return=headers-only`")),
        ("preference_applied", field("The preferences that had an effect")),
    ]
    .map(|(key, value)| (key.to_owned(), value))
    .into_iter()
    .collect()
}

/// The fields that answers of relations may have.
pub(super) fn fields() -> Value {
    json!({
        "Content-Range": reference("headers", "content_range"),
        "Location": reference("headers", "location"),
        "Preference-Applied": reference("headers", "preference_applied"),
    })
}

/// Answers that every operation may give.
pub(super) fn responses() -> Map<String, Value> {
    let error = json!({
        "description": "The request is wrong or refused, or the server cannot serve it; nothing was changed",
        "content": { "application/json": { "schema": reference("schemas", ERROR) } },
    });
    [(ERROR.to_owned(), error)].into_iter().collect()
}

/// Adds what a comment says.
pub(super) fn describe(operation: &mut Value, comment: Comment<'_>) {
    if let Some(summary) = comment.summary {
        operation["summary"] = json!(summary);
    }
    if let Some(description) = comment.description {
        operation["description"] = json!(description);
    }
}

/// The path of the description itself.
pub(super) fn own_path() -> Value {
    json!({ "get": {
        "tags": ["Introspection"],
        "operationId": "description",
        "summary": "This description",
        "responses": {
            "200": {
                "description": "OpenAPI 3.1",
                "content": { "application/json": { "schema": { "type": "object" } } },
            },
            "default": reference("responses", ERROR),
        },
    } })
}

#[cfg(test)]
mod tests {
    use super::CODES;

    #[test]
    fn every_code_of_the_room_is_told() {
        let sources = [include_str!("../../error/mod.rs"), include_str!("../../error/lookup.rs")];
        for source in sources {
            for (at, _) in source.match_indices("(\"PGRST") {
                let code = &source[at + 2..at + 10];
                assert!(CODES.contains(&code) || code == "PGRSTX00", "{code}");
            }
        }
        // Ours are in the reference: what is asked, what may be seen, who asks.
        let reference = include_str!("../../../../../docs/reference/errors.md");
        for (at, _) in
            reference.match_indices("\n| FB").filter(|(at, _)| reference[at + 5..].starts_with(['1', '2', '3']))
        {
            let code = &reference[at + 3..at + 8];
            assert!(CODES.contains(&code), "{code}");
        }
    }
}
