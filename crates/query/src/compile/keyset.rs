//! A page by keys: its rows, and the keys of those at its ends.
//!
//! `SELECT counts, body, settings, keys FROM (SELECT row, key, its number FROM (rows behind a position))`. The rows are
//! made into JSON one by one, so that the keys beside them are no part of the body. One row more than the page is read:
//! it says that there are more, and its key whether the order tells it from the last one.
//! The position is a condition that an index over the order can use: one row comparison where all terms go the same
//! way and are never NULL, else alternatives by the first term that differs.

use super::answer::RESPONSE_SETTINGS;
use super::condition::ParameterText;
use super::read::{Level, Origin, Pieces, Scope, order_value, write_items, write_where};
use super::{CompileError, Compiler, field};
use crate::plan::{Body, Direction, JsonForm, Key, Keyset, Nulls, Order, Query};
use crate::sql::Sql;

/// Alias of a row's values.
const ROW: &str = "fb_row";

impl Compiler {
    /// The whole statement.
    pub(super) fn page(&mut self, query: &Query, keyset: &Keyset) -> Result<Sql, CompileError> {
        let limit = query.read.window.limit.ok_or(CompileError::NoPage)?;
        if query.mutation.is_some() || query.read.is_grouped() || query.read.distinct.is_some() {
            return Err(CompileError::NoPage);
        }
        let rows = self.rows_behind(query, keyset, limit)?;
        let total = self.total(query, Origin::Root)?;
        let number = |out: &mut Sql, comparison: &'static str, number: u64| {
            out.push(" FILTER (WHERE fb.n ").push(comparison).value(number.parameter_text()).push(")");
        };
        let mut out = Sql::of("SELECT ");
        out.append(total).push(", count(*)");
        number(&mut out, "<= ", limit);
        out.push(", ").append(body(query, keyset, limit)?).push(RESPONSE_SETTINGS);
        for place in [1, limit, limit.saturating_add(1)] {
            out.push(", max(fb.key)");
            number(&mut out, "= ", place);
        }
        out.push(" FROM (SELECT p.row, p.key, row_number() OVER () AS n FROM (").append(rows).push(") AS p) AS fb");
        Ok(out)
    }

    /// The rows from a position on, one more than the page has, each with its key.
    fn rows_behind(&mut self, query: &Query, keyset: &Keyset, limit: u64) -> Result<Sql, CompileError> {
        let read = &query.read;
        let Pieces { scope, items, from, mut conditions } = self.pieces(read, Origin::Root, Level::ROOT)?;
        let row = self.aliases.fresh(ROW);
        let terms = terms(&scope, keyset)?;
        if let Some(position) = after(&terms) {
            conditions.push(position);
        }
        let mut out = Sql::of("SELECT row_to_json(");
        out.row(&row).push(") AS row, json_build_array(");
        out.join(terms.iter().map(Term::text), ", ");
        out.push(")::text AS key FROM ").append(from).push(" CROSS JOIN LATERAL (SELECT ");
        write_items(&mut out, items, false);
        out.push(") AS ").ident(&row);
        write_where(&mut out, conditions);
        out.push(" ORDER BY ").join(terms.iter().map(Term::ordered), ", ");
        let window = crate::plan::Window { offset: 0, limit: Some(limit.saturating_add(1)) };
        field::window(&mut out, &window);
        Ok(out)
    }
}

fn body(query: &Query, keyset: &Keyset, limit: u64) -> Result<Sql, CompileError> {
    let strip_nulls = match &query.body {
        Body::None => return Ok(Sql::of("NULL")),
        Body::Json { form: JsonForm::List, strip_nulls } => *strip_nulls,
        _ => return Err(CompileError::NoPage),
    };
    let mut out =
        Sql::of(if strip_nulls { "coalesce(json_strip_nulls(json_agg(fb.row" } else { "coalesce(json_agg(fb.row" });
    if keyset.backward {
        out.push(" ORDER BY fb.n DESC");
    }
    out.push(") FILTER (WHERE fb.n <= ").value(limit.parameter_text());
    out.push(if strip_nulls { ")), '[]')" } else { "), '[]')" });
    Ok(out)
}

/// A term of the order in the direction in which the page is read.
pub(super) struct Term<'a> {
    value: Sql,
    key: &'a Key,
    descending: bool,
    nulls_first: bool,
    /// The value of the position; the outer option is whether there is one.
    at: Option<&'a Option<String>>,
}

pub(super) fn terms<'a>(scope: &Scope<'_>, keyset: &'a Keyset) -> Result<Vec<Term<'a>>, CompileError> {
    let order = &scope.read.order;
    let fits = |values: &Vec<Option<String>>| values.len() == order.len();
    if keyset.keys.len() != order.len() || order.is_empty() || !keyset.after.as_ref().is_none_or(fits) {
        return Err(CompileError::NoPage);
    }
    let term = |(index, (order, key)): (usize, (&Order, &'a Key))| {
        let descending = order.direction == Some(Direction::Descending);
        let nulls_first = order.nulls.map_or(descending, |nulls| nulls == Nulls::First);
        Ok(Term {
            value: order_value(scope, &order.by)?,
            key,
            descending: descending != keyset.backward,
            nulls_first: nulls_first != keyset.backward,
            at: keyset.after.as_ref().and_then(|values| values.get(index)),
        })
    };
    order.iter().zip(&keyset.keys).enumerate().map(term).collect()
}

impl<'a> Term<'a> {
    /// The same term read the other way round, with another position.
    pub(super) fn reversed(&self, at: Option<&'a Option<String>>) -> Self {
        let (descending, nulls_first) = (!self.descending, !self.nulls_first);
        Self { value: self.value.clone(), key: self.key, descending, nulls_first, at }
    }

    /// The value as a text.
    pub(super) fn text(&self) -> Sql {
        let mut text = Sql::of("(");
        text.append(self.value.clone()).push(")::text");
        text
    }

    pub(super) fn ordered(&self) -> Sql {
        let mut out = self.value.clone();
        out.push(if self.descending { " DESC" } else { " ASC" });
        // The default is said by saying nothing, as an index does.
        match (self.descending, self.nulls_first) {
            (false, true) => out.push(" NULLS FIRST"),
            (true, false) => out.push(" NULLS LAST"),
            _ => &mut out,
        };
        out
    }

    /// The value of the position as a parameter.
    fn bound(&self, value: &str) -> Sql {
        let mut out = Sql::new();
        out.text(value);
        if let Some(type_name) = &self.key.type_name {
            out.push("::").catalog(type_name);
        }
        out
    }

    fn compared(&self, operator: &'static str, value: &str) -> Sql {
        let mut out = self.value.clone();
        out.push(operator).append(self.bound(value));
        out
    }

    /// The row has the same value as the position.
    fn equal(&self) -> Sql {
        match self.at {
            Some(Some(value)) => self.compared(" = ", value),
            _ => self.is_null(),
        }
    }

    /// Whether it is NULL for an order. `IS NULL` also says so of a composite value of NULLs, which is sorted as a value.
    fn is_null(&self) -> Sql {
        let mut out = self.value.clone();
        out.push(" IS NOT DISTINCT FROM NULL");
        out
    }

    /// The row's value comes behind that of the position; none when no value does.
    fn behind(&self) -> Option<Sql> {
        match self.at {
            Some(Some(value)) => {
                let further = self.compared(if self.descending { " < " } else { " > " }, value);
                if self.key.not_null || self.nulls_first {
                    return Some(further);
                }
                let mut out = Sql::of("(");
                out.append(further).push(" OR ").append(self.is_null()).push(")");
                Some(out)
            }
            _ => self.nulls_first.then(|| {
                let mut out = self.value.clone();
                out.push(" IS DISTINCT FROM NULL");
                out
            }),
        }
    }

    fn is_simple(&self) -> bool {
        self.key.not_null && matches!(self.at, Some(Some(_)))
    }
}

/// Rows behind the position; none when there is no position.
pub(super) fn after(terms: &[Term<'_>]) -> Option<Sql> {
    let first = terms.first().filter(|first| first.at.is_some())?;
    if terms.iter().all(|term| term.is_simple() && term.descending == first.descending) {
        return Some(row_comparison(terms, first.descending));
    }
    let mut out = Sql::new();
    if let (true, Some(Some(value))) = (first.is_simple(), first.at) {
        // Implied by what follows; an index can begin its scan here.
        out.append(first.compared(if first.descending { " <= " } else { " >= " }, value)).push(" AND ");
    }
    let mut equal: Vec<Sql> = Vec::new();
    let mut ways: Vec<Sql> = Vec::new();
    for term in terms {
        if let Some(behind) = term.behind() {
            let mut way = Sql::of("(");
            way.join(equal.iter().cloned().chain([behind]), " AND ").push(")");
            ways.push(way);
        }
        equal.push(term.equal());
    }
    if ways.is_empty() {
        return Some(Sql::of("FALSE"));
    }
    out.push("(").join(ways, " OR ").push(")");
    Some(out)
}

fn row_comparison(terms: &[Term<'_>], descending: bool) -> Sql {
    let mut out = Sql::of("(");
    out.join(terms.iter().map(|term| term.value.clone()), ", ");
    out.push(if descending { ") < (" } else { ") > (" });
    out.join(terms.iter().filter_map(|term| Some(term.bound(term.at?.as_deref()?))), ", ").push(")");
    out
}
