//! Changes inside of `jsonb` columns, as items of SET.

use crate::plan::{MergeInto, Patch, PathKey, SetInside};
use crate::sql::{Sql, array_literal};

/// `"column"['a'][0] = value`. PostgreSQL makes what is missing on the way, also the column's own value.
pub(super) fn set_inside(set: &SetInside, body: &str) -> Sql {
    let mut out = Sql::new();
    out.ident(&set.column);
    for step in &set.path {
        match step {
            PathKey::Key(key) => out.push("[").text(key).push("::text]"),
            PathKey::Index(index) => out.push("[").text(index).push("::int]"),
        };
    }
    out.push(" = ").column(body, &set.input.name);
    out
}

/// `"column" = ` its value with the document merged into it.
pub(super) fn merge_into(merge: &MergeInto, target: &str) -> Sql {
    let mut value = Sql::new();
    value.column(target, &merge.column);
    let mut out = Sql::new();
    out.ident(&merge.column).push(" = ").append(merged(&value, &merge.patch));
    out
}

/// The value is written once, so that the text grows with the patch and not with its depth.
fn merged(value: &Sql, patch: &Patch) -> Sql {
    let mut out = Sql::of("coalesce(jsonb_path_query_first(");
    out.append(value.clone()).push(", 'strict $ ? (@.type() == \"object\")'), '{}')");
    if !patch.remove.is_empty() {
        out.push(" - ").text(&array_literal(patch.remove.iter().map(String::as_str))).push("::text[]");
    }
    if let Some(set) = &patch.set {
        out.push(" || ").text(set).push("::jsonb");
    }
    for (key, inner) in &patch.inside {
        let mut below = Sql::of("(");
        below.append(value.clone()).push(" -> ").text(key).push("::text)");
        out.push(" || jsonb_build_object(").text(key).push("::text, ").append(merged(&below, inner)).push(")");
    }
    out
}
