//! INSERT, UPDATE and DELETE, and the rows that a JSON payload gives.

use std::borrow::Cow;

use bytes::Bytes;

use super::condition::{Plain, Written, condition};
use super::read::write_where;
use super::{CompileError, Compiler, SOURCE, cte, document};
use crate::plan::{Columns, Condition, Conflict, Delete, InputColumn, Insert, Mutation, Payload, Resolution, Update};
use crate::sql::{self, Sql};

/// Counts the rows that an upsert changed instead of inserting. There is no other way that also works on views and
/// partitioned tables, where `xmax` cannot be returned, and without SELECT on the whole table. Whoever runs several
/// upserts in one transaction clears it before each.
pub const CHANGED_SETTING: &str = "ferrobase.changed";

/// Alias of the payload's rows.
const BODY: &str = "fb_body";
/// Alias of the payload after defaults were put in.
const COMPLETED: &str = "fb_completed";
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
        out.push(" SELECT ").append(values(&insert.columns, &body)).push(" FROM ");
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
            set.ident(&column.name).push(" = ").append(value(column, &body));
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

fn values(columns: &[InputColumn], body: &str) -> Sql {
    let mut out = Sql::new();
    out.join(columns.iter().map(|column| value(column, body)), ", ");
    out
}

pub(super) fn value(column: &InputColumn, body: &str) -> Sql {
    let mut out = Sql::new();
    match &column.convert {
        Some(function) => out.catalog(function).push("(").column(body, &column.name).push(")"),
        None => out.column(body, &column.name),
    };
    out
}

/// The payload as rows in FROM.
fn payload_rows(columns: &[InputColumn], payload: &Payload, missing_is_default: bool, alias: &str) -> Sql {
    let defaults = if missing_is_default { defaults(columns) } else { None };
    let mut out = Sql::new();
    match payload {
        Payload::Staged { table, progress } => staged_rows(&mut out, columns, table, progress, defaults, alias),
        Payload::Json { json, is_object } if columns.is_empty() => {
            // `{}` is one row of defaults, `[{}, {}]` two, `[]` none.
            if *is_object {
                out.push("(VALUES (1)) AS ").ident(alias);
            } else {
                out.push("json_array_elements(").typed(Some(json.clone()), sql::JSON).push(") AS ").ident(alias);
            }
            return out;
        }
        Payload::Json { json, is_object } => json_rows(&mut out, json, *is_object, defaults),
    }
    if !columns.is_empty() {
        out.push(") AS ").ident(alias).push("(").append(typed_names(columns)).push(")");
    }
    out
}

/// The call that makes rows of a JSON value, up to its closing parenthesis.
fn json_rows(out: &mut Sql, json: &Bytes, is_object: bool, defaults: Option<Sql>) {
    let json = Some(json.clone());
    match (defaults, is_object) {
        (None, true) => out.push("json_to_record(").typed(json, sql::JSON),
        (None, false) => out.push("json_to_recordset(").typed(json, sql::JSON),
        // What the object says wins over the default.
        (Some(defaults), true) => out.push("jsonb_to_record(").append(defaults).push(" || ").typed(json, sql::JSONB),
        (Some(defaults), false) => {
            out.push("(SELECT jsonb_agg(").append(defaults).push(" || elem.value) AS rows FROM jsonb_array_elements(");
            out.typed(json, sql::JSONB).push(") AS elem) AS ").ident(COMPLETED).push(", jsonb_to_recordset(");
            out.column(COMPLETED, "rows")
        }
    };
}

/// The same for rows of a table. The sequence is set before a row is taken apart, so that after a failure it says which
/// row that was; this is why the text only becomes JSON here.
fn staged_rows(
    out: &mut Sql,
    columns: &[InputColumn],
    table: &'static str,
    progress: &'static str,
    defaults: Option<Sql>,
    alias: &str,
) {
    out.push(table).push(" AS ").ident(if columns.is_empty() { alias } else { STAGED });
    if columns.is_empty() {
        return;
    }
    let mut doc = Sql::of("CASE WHEN setval('");
    doc.push(progress).push("', ").column(STAGED, "line").push(") > 0 THEN ").column(STAGED, "doc").push(" END");
    out.push(", LATERAL ");
    match defaults {
        None => out.push("json_to_record((").append(doc).push(")::json"),
        Some(defaults) => out.push("jsonb_to_record(").append(defaults).push(" || (").append(doc).push(")::jsonb"),
    };
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

/// An object of all defaults, when there are any.
pub(super) fn defaults(columns: &[InputColumn]) -> Option<Sql> {
    let pairs: Vec<Sql> = columns
        .iter()
        .filter_map(|column| {
            let mut pair = Sql::new();
            pair.name_literal(&column.name).push(", ").catalog(column.default.as_ref()?);
            Some(pair)
        })
        .collect();
    if pairs.is_empty() {
        return None;
    }
    let mut out = Sql::of("jsonb_build_object(");
    out.join(pairs, ", ").push(")");
    Some(out)
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
