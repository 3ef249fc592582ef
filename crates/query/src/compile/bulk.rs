//! Rows found by keys that a payload lists: UPDATE of each with values of its own, or only to show them.
//!
//! Three CTEs: the rows of the payload with their places in it, the UPDATE that joins them by key, and what it changed in
//! the payload's order, which the rest of the statement reads like the rows of any mutation. A place that the UPDATE did
//! not return is a row that was not found, whether it is not there, filtered out or out of sight.
//! Read on: `mutation` (payloads), `answer` (where the columns of this file stand).

use bytes::Bytes;

use super::mutation::{completed_rows, names, returned, value};
use super::read::write_where;
use super::{CompileError, Compiler, SOURCE, cte};
use crate::guard::Refusal;
use crate::plan::{InputColumn, Pick, UpdateEach};
use crate::sql::{self, Sql};

/// CTE of the payload's rows.
const GIVEN: &str = "fb_given";
/// CTE of the UPDATE.
const CHANGED: &str = "fb_changed";
/// Column with the place of a row in the payload, counted from 1. PostgreSQL ends names at 63 bytes, so that no table has
/// a column of this name by accident; on purpose, its owner gets an error about an ambiguous column and nothing else.
const PLACE: &str = "fb_place_of_the_row_in_the_payload";

impl Compiler {
    pub(super) fn update_each(&mut self, update: &UpdateEach) -> Result<Vec<Sql>, CompileError> {
        let target = self.aliases.fresh(&update.table.name);
        let body = self.aliases.fresh(GIVEN);
        // Where defaults were put in, values are what they will be.
        let value_of = |column: &InputColumn| match update.missing_is_default {
            true => column_of(&body, &column.name),
            false => value(column, &body),
        };
        let mut out = Sql::of("UPDATE ");
        out.qualified(&update.table).push(" AS ").ident(&target).push(" SET ");
        out.join(
            update.columns.iter().map(|column| {
                let mut set = Sql::new();
                set.ident(&column.name).push(" = ").append(value_of(column));
                set
            }),
            ", ",
        );
        out.push(" FROM ").ident(GIVEN).push(" AS ").ident(&body);
        let by_key = update.key.iter().map(|column| {
            let mut equal = Sql::new();
            equal.column(&target, &column.name).push(" = ").append(value_of(column));
            equal
        });
        let conditions = by_key.chain(self.filters(&update.filters, &target)?).collect();
        write_where(&mut out, conditions);
        out.push(" RETURNING ");
        out.join(update.returning.iter().map(|name| column_of(&target, name)).chain([column_of(&body, PLACE)]), ", ");
        Ok(vec![cte(GIVEN, given(update)), cte(CHANGED, out), cte(SOURCE, in_order(&update.returning))])
    }
}

impl Compiler {
    /// The rows of a list of keys.
    pub(super) fn pick(&mut self, pick: &Pick) -> Sql {
        let target = self.aliases.fresh(&pick.table.name);
        let body = self.aliases.fresh(GIVEN);
        let mut out = Sql::of("SELECT ");
        out.append(returned(&pick.returning, &target)).push(" FROM ");
        out.append(places(&pick.key, list(&pick.json), &body)).push(" JOIN ");
        out.qualified(&pick.table).push(" AS ").ident(&target).push(" ON ");
        let by_key = pick.key.iter().map(|column| {
            let mut equal = column_of(&target, &column.name);
            equal.push(" = ").append(value(column, &body));
            equal
        });
        out.join(by_key, " AND ").push(" ORDER BY ").column(&body, PLACE);
        out
    }
}

fn column_of(alias: &str, name: &str) -> Sql {
    let mut out = Sql::new();
    out.column(alias, name);
    out
}

/// The payload's rows with their places.
fn given(update: &UpdateEach) -> Sql {
    let columns: Vec<InputColumn> = update.key.iter().chain(&update.columns).cloned().collect();
    if update.missing_is_default {
        return completed_rows(&columns, &update.json, PLACE);
    }
    let mut out = Sql::of("SELECT * FROM ");
    out.append(places(&columns, list(&update.json), "fb_rows"));
    out
}

/// The call that makes rows of a list, without its column list.
fn list(json: &Bytes) -> Sql {
    let mut out = Sql::of("json_to_recordset(");
    out.typed(Some(json.clone()), sql::JSON).push(")");
    out
}

/// Rows of a call in FROM, with their places.
fn places(columns: &[InputColumn], call: Sql, alias: &str) -> Sql {
    let mut out = Sql::of("ROWS FROM (");
    out.append(call).push(" AS (");
    out.join(
        columns.iter().map(|column| {
            let mut typed = Sql::new();
            typed.ident(&column.name).push(" ").catalog(&column.type_name);
            typed
        }),
        ", ",
    );
    out.push(")) WITH ORDINALITY AS ").ident(alias).push("(").append(names(columns)).push(", ").ident(PLACE).push(")");
    out
}

/// What was changed, without the places.
fn in_order(returning: &[String]) -> Sql {
    let mut out = Sql::of("SELECT ");
    if returning.is_empty() {
        out.push("1");
    }
    out.join(returning.iter().map(|name| column_of(CHANGED, name)), ", ");
    out.push(" FROM ").ident(CHANGED).push(" ORDER BY ").column(CHANGED, PLACE);
    out
}

/// How many rows of the payload changed nothing, and where the first hundred stand, counted from 0, as JSON.
pub(super) fn missing() -> Sql {
    let mut out = Sql::of("(SELECT json_build_array(count(*), ");
    out.push("array_to_json((array_agg(lost.place ORDER BY lost.place))[1:100])) FROM (")
        .append(lost())
        .push(") AS lost)");
    out
}

fn lost() -> Sql {
    let mut out = Sql::of("SELECT g.");
    out.ident(PLACE).push(" - 1 AS place FROM ").ident(GIVEN).push(" AS g WHERE NOT EXISTS (SELECT 1 FROM ");
    out.ident(CHANGED).push(" AS c WHERE c.").ident(PLACE).push(" = g.").ident(PLACE).push(")");
    out
}

/// A value that cannot be computed when a key is given twice, or when all rows must be there and are not; see
/// [`crate::guard`].
pub(super) fn guard(update: &UpdateEach) -> Sql {
    let mut key = Sql::new();
    key.join(update.key.iter().map(|column| value(column, "g")), ", ");
    let mut doubled = Sql::of("SELECT unnest(array_agg(g.");
    doubled.ident(PLACE).push(" - 1)) AS place FROM ").ident(GIVEN).push(" AS g GROUP BY ").append(key);
    doubled.push(" HAVING count(*) > 1");
    let mut out = Sql::of("CASE");
    refuse(&mut out, doubled, Refusal::DuplicateKeys);
    if update.all_must_exist {
        refuse(&mut out, lost(), Refusal::NotFound);
    }
    out.push(" END");
    out
}

/// Refuses when there is any of these places, and tells them.
fn refuse(out: &mut Sql, places: Sql, refusal: Refusal) {
    out.push(" WHEN EXISTS (").append(places.clone()).push(") THEN (SELECT (").push(refusal.text());
    out.push(" || count(*) || ':' || array_to_string((array_agg(wrong.place ORDER BY wrong.place))[1:100], ','))::int");
    out.push(" FROM (").append(places).push(") AS wrong)");
}
