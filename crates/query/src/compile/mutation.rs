//! INSERT, UPDATE and DELETE, and the rows that a JSON payload gives.

use std::borrow::Cow;

use bytes::Bytes;

use super::condition::{Plain, Written, condition};
use super::read::write_where;
use super::{CompileError, Compiler, SOURCE, cte, document};
use crate::plan::{
    Columns, Condition, Conflict, Convert, Delete, InputColumn, Insert, Mutation, Payload, Resolution, Update,
};
use crate::sql::{self, Sql};

/// Counts the rows that an upsert changed instead of inserting. There is no other way that also works on views and
/// partitioned tables, where `xmax` cannot be returned, and without SELECT on the whole table. Whoever runs several
/// upserts in one transaction clears it before each.
pub const CHANGED_SETTING: &str = "ferrobase.changed";

/// Alias of the payload's rows.
const BODY: &str = "fb_body";
/// Alias of the payload's rows as JSON, where what a row does not name becomes a default.
const DOCUMENTS: &str = "fb_documents";
/// Alias of the table that a streamed payload waits in.
const STAGED: &str = "fb_staged";

impl Compiler {
    /// The CTEs of a mutation; the last one holds what it returns.
    pub(super) fn mutation(&mut self, mutation: &Mutation) -> Result<Vec<Sql>, CompileError> {
        let one = match mutation {
            Mutation::Insert(insert) => self.insert(insert)?,
            Mutation::Update(update) => self.update(update)?,
            Mutation::UpdateEach(update) => return self.update_each(update),
            Mutation::Delete(delete) => self.delete(delete)?,
            Mutation::Pick(pick) => self.pick(pick),
        };
        Ok(vec![cte(SOURCE, one)])
    }

    fn insert(&mut self, insert: &Insert) -> Result<Sql, CompileError> {
        // The payload's rows need a name that no clause can take for the table's.
        let target = self.aliases.fresh(&insert.table.name);
        let body = self.aliases.fresh(BODY);
        let mut out = Sql::of("INSERT INTO ");
        out.qualified(&insert.table).push(" AS ").ident(&target);
        if !insert.columns.is_empty() {
            out.push("(").append(names(&insert.columns)).push(")");
        }
        out.push(" SELECT ").append(values(&insert.columns, &body, insert.missing_is_default)).push(" FROM ");
        out.append(payload_rows(&insert.columns, &insert.payload, insert.missing_is_default, &body));
        write_where(&mut out, payload_filters(&insert.matching, &body)?);
        if let Some(conflict) = insert.conflict.as_ref().filter(|conflict| !conflict.columns.is_empty()) {
            let filters = self.filters(&conflict.filters, &target)?;
            out.append(on_conflict(conflict, &insert.columns, filters));
        }
        out.append(returning(&insert.returning, &target));
        Ok(out)
    }

    fn update(&mut self, update: &Update) -> Result<Sql, CompileError> {
        let target = self.aliases.fresh(&update.table.name);
        let mut out = Sql::new();
        if update.columns.is_empty() && update.inside.is_empty() && update.merge.is_empty() {
            // `UPDATE ... SET` nothing is no SQL; the empty result has the columns that the read expects.
            out.push("SELECT ").append(returned(&update.returning, &target)).push(" FROM ");
            out.qualified(&update.table).push(" AS ").ident(&target).push(" WHERE false");
            return Ok(out);
        }
        let body = self.aliases.fresh(BODY);
        out.push("UPDATE ").qualified(&update.table).push(" AS ").ident(&target).push(" SET ");
        let whole = update.columns.iter().map(|column| {
            let mut set = Sql::new();
            set.ident(&column.name).push(" = ").append(completed(column, &body, update.missing_is_default));
            set
        });
        let inside = update.inside.iter().map(|set| document::set_inside(set, &body));
        let merged = update.merge.iter().map(|merge| document::merge_into(merge, &target));
        out.join(whole.chain(inside).chain(merged), ", ");
        let given = match update.inside.as_slice() {
            [] => Cow::Borrowed(&update.columns),
            inside => Cow::Owned(update.columns.iter().chain(inside.iter().map(|set| &set.input)).cloned().collect()),
        };
        out.push(" FROM ");
        out.append(payload_rows(&given, &update.payload, update.missing_is_default, &body));
        write_where(&mut out, self.filters(&update.filters, &target)?);
        out.append(returning(&update.returning, &target));
        Ok(out)
    }

    fn delete(&mut self, delete: &Delete) -> Result<Sql, CompileError> {
        let target = self.aliases.fresh(&delete.table.name);
        let mut out = Sql::of("DELETE FROM ");
        out.qualified(&delete.table).push(" AS ").ident(&target);
        write_where(&mut out, self.filters(&delete.filters, &target)?);
        out.append(returning(&delete.returning, &target));
        Ok(out)
    }
}

impl Compiler {
    /// Conditions on the rows that are written.
    pub(super) fn filters(&mut self, conditions: &[Condition], alias: &str) -> Result<Vec<Sql>, CompileError> {
        conditions.iter().map(|filter| condition(&mut Written { compiler: self, alias }, filter)).collect()
    }
}

/// Whether the payload has a row that an insert would take.
pub(super) fn gives_row(insert: &Insert) -> Result<Sql, CompileError> {
    let mut out = Sql::of("EXISTS (SELECT 1 FROM ");
    out.append(payload_rows(&insert.columns, &insert.payload, insert.missing_is_default, BODY));
    write_where(&mut out, payload_filters(&insert.matching, BODY)?);
    out.push(")");
    Ok(out)
}

/// Key columns and filters of the only inserted row as a JSON list of pairs, for the Location field.
pub(super) fn location(columns: &[String]) -> Sql {
    let mut pairs = Sql::new();
    pairs.join(
        columns.iter().map(|column| {
            let mut pair = Sql::of("json_build_array(");
            pair.name_literal(column).push(", coalesce('eq.' || (to_json(").column(SOURCE, column);
            pair.push(") #>> '{}'), 'is.null'))");
            pair
        }),
        ", ",
    );
    let mut out = Sql::of("CASE WHEN count(*) = 1 THEN (SELECT json_build_array(");
    out.append(pairs).push(") FROM ").ident(SOURCE).push(" LIMIT 1) END");
    out
}

/// How many of the affected rows are new.
pub(super) fn inserted() -> Sql {
    Sql::of("count(*) - coalesce(nullif(current_setting('ferrobase.changed', true), '')::bigint, 0)")
}

/// Conditions on the rows of the payload.
fn payload_filters(conditions: &[Condition], alias: &str) -> Result<Vec<Sql>, CompileError> {
    conditions.iter().map(|filter| condition(&mut Plain(alias), filter)).collect()
}

pub(super) fn names(columns: &[InputColumn]) -> Sql {
    let mut out = Sql::new();
    out.join(
        columns.iter().map(|column| {
            let mut name = Sql::new();
            name.ident(&column.name);
            name
        }),
        ", ",
    );
    out
}

fn values(columns: &[InputColumn], body: &str, missing_is_default: bool) -> Sql {
    let mut out = Sql::new();
    out.join(columns.iter().map(|column| completed(column, body, missing_is_default)), ", ");
    out
}

/// What a row gives, or the default of its column where it does not name it. The default is never JSON on its way.
pub(super) fn completed(column: &InputColumn, body: &str, missing_is_default: bool) -> Sql {
    let given = value(column, body);
    let Some(default) = column.default.as_ref().filter(|_| missing_is_default) else { return given };
    let mut out = Sql::of("CASE WHEN (");
    out.column(DOCUMENTS, "doc").push(" -> ").name_literal(&column.name).push(") IS NOT NULL THEN ");
    out.append(given).push(" ELSE (").catalog(default).push(")");
    if column.convert.is_none() {
        out.push("::").catalog(&column.type_name);
    }
    out.push(" END");
    out
}

/// What a row gives.
pub(super) fn value(column: &InputColumn, body: &str) -> Sql {
    let mut out = Sql::new();
    match &column.convert {
        Some(Convert::Call(function)) => out.catalog(function).push("(").column(body, &column.name).push(")"),
        Some(Convert::Cast(type_name)) => out.column(body, &column.name).push("::").catalog(type_name),
        None => out.column(body, &column.name),
    };
    out
}

/// The payload as rows in FROM. Where defaults are to be put in, each row's JSON is there as well.
fn payload_rows(columns: &[InputColumn], payload: &Payload, missing_is_default: bool, alias: &str) -> Sql {
    let mut out = Sql::new();
    let mut doc = None;
    match payload {
        Payload::Staged { table, progress } => {
            out.push(table).push(" AS ").ident(if columns.is_empty() { alias } else { STAGED });
            if columns.is_empty() {
                return out;
            }
            out.push(", LATERAL ");
            doc = Some(staged(progress));
        }
        Payload::Json { json, is_object } if columns.is_empty() => {
            // `{}` is one row of defaults, `[{}, {}]` two, `[]` none.
            if *is_object {
                out.push("(VALUES (1)) AS ").ident(alias);
            } else {
                out.push("json_array_elements(").typed(Some(json.clone()), sql::JSON).push(") AS ").ident(alias);
            }
            return out;
        }
        Payload::Json { json, is_object } => {
            let mut body = Sql::new();
            body.typed(Some(json.clone()), sql::JSON);
            if *is_object {
                doc = Some(body);
            } else if missing_is_default {
                out.push("json_array_elements(").append(body).push(") AS ").ident(DOCUMENTS).push("(doc), LATERAL ");
            } else {
                out.push("json_to_recordset(").append(body);
            }
        }
    }
    match (doc, missing_is_default) {
        (Some(doc), true) => {
            out.push("(SELECT ").append(doc).push(" AS doc) AS ").ident(DOCUMENTS).push(", LATERAL json_to_record(");
            out.column(DOCUMENTS, "doc");
        }
        (Some(doc), false) => {
            out.push("json_to_record(").append(doc);
        }
        (None, true) => {
            out.push("json_to_record(").column(DOCUMENTS, "doc");
        }
        (None, false) => {}
    }
    out.push(") AS ").ident(alias).push("(").append(typed_names(columns)).push(")");
    out
}

/// A row of a table as JSON. The sequence is set before it is taken apart, so that after a failure it says which row that
/// was; this is why the text only becomes JSON here.
fn staged(progress: &'static str) -> Sql {
    let mut doc = Sql::of("(CASE WHEN setval('");
    doc.push(progress).push("', ").column(STAGED, "line").push(") > 0 THEN ").column(STAGED, "doc").push(" END)::json");
    doc
}

/// Rows of a JSON list with their places, and what they do not name is a default.
pub(super) fn completed_rows(columns: &[InputColumn], json: &Bytes, place: &'static str) -> Sql {
    let mut out = Sql::of("SELECT ");
    for column in columns {
        out.append(completed(column, BODY, true)).push(" AS ").ident(&column.name).push(", ");
    }
    out.column(DOCUMENTS, place).push(" FROM json_array_elements(").typed(Some(json.clone()), sql::JSON);
    out.push(") WITH ORDINALITY AS ").ident(DOCUMENTS).push("(doc, ").ident(place).push("), LATERAL json_to_record(");
    out.column(DOCUMENTS, "doc").push(") AS ").ident(BODY).push("(").append(typed_names(columns)).push(")");
    out
}

fn typed_names(columns: &[InputColumn]) -> Sql {
    let mut out = Sql::new();
    out.join(
        columns.iter().map(|column| {
            let mut typed = Sql::new();
            typed.ident(&column.name).push(" ").catalog(&column.type_name);
            typed
        }),
        ", ",
    );
    out
}

fn on_conflict(conflict: &Conflict, columns: &[InputColumn], filters: Vec<Sql>) -> Sql {
    let mut out = Sql::of(" ON CONFLICT (");
    out.join(
        conflict.columns.iter().map(|column| {
            let mut name = Sql::new();
            name.ident(column);
            name
        }),
        ", ",
    );
    let changed: Vec<&String> = match &conflict.update {
        Some(names) => names.iter().collect(),
        None => columns.iter().map(|column| &column.name).collect(),
    };
    if conflict.resolution == Resolution::Ignore || changed.is_empty() {
        out.push(") DO NOTHING");
        return out;
    }
    out.push(") DO UPDATE SET ");
    out.join(
        changed.into_iter().map(|name| {
            let mut set = Sql::new();
            set.ident(name).push(" = EXCLUDED.").ident(name);
            set
        }),
        ", ",
    );
    if filters.is_empty() {
        out.push(" WHERE ").push(COUNT_CHANGED);
    } else {
        // Only rows that are changed count, in whatever order PostgreSQL looks at conditions.
        out.push(" WHERE CASE WHEN ").join(filters, " AND ").push(" THEN ").push(COUNT_CHANGED).push(" ELSE false END");
    }
    out
}

/// Counts a row in [`CHANGED_SETTING`]; always true.
const COUNT_CHANGED: &str = "set_config('ferrobase.changed', (coalesce(nullif(current_setting('ferrobase.changed', true), '')::bigint, 0) + 1)::text, true) IS NOT NULL";

fn returning(columns: &Columns, alias: &str) -> Sql {
    let mut out = Sql::of(" RETURNING ");
    out.append(returned(columns, alias));
    out
}

pub(super) fn returned(columns: &Columns, alias: &str) -> Sql {
    let mut out = Sql::new();
    match columns {
        Columns::All => out.row(alias),
        Columns::Named(names) if names.is_empty() => out.push("1"),
        Columns::Named(names) => out.join(
            names.iter().map(|name| {
                let mut column = Sql::new();
                column.column(alias, name);
                column
            }),
            ", ",
        ),
    };
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_counter_has_one_name() {
        assert!(inserted().build().text.contains(CHANGED_SETTING));
    }
}
