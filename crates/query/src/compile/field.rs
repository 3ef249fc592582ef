//! Columns, paths into them, select items, orders, windows.

use super::CompileError;
use super::condition::{ParameterText, Plain, condition};
use crate::plan::{Aggregate, Direction, Field, Nulls, Order, PathKey, PathStep, Select, Value, Window};
use crate::sql::Sql;
use crate::type_name::TypeName;

/// `"alias"."column"` with the path into it.
pub(super) fn field(alias: &str, field: &Field) -> Sql {
    let mut out = Sql::new();
    if field.path.is_empty() {
        out.column(alias, &field.name);
        if let Some(type_name) = &field.as_type {
            out.push("::").catalog(type_name);
        }
        return out;
    }
    // Parentheses, because casts bind more tightly than arrows and other operators alike.
    out.push(if field.to_document { "(to_jsonb(" } else { "(" });
    out.column(alias, &field.name);
    if field.to_document {
        out.push(")");
    }
    for step in &field.path {
        path_step(&mut out, step);
    }
    out.push(")");
    out
}

fn path_step(out: &mut Sql, step: &PathStep) {
    out.push(if step.as_text { "->>" } else { "->" });
    match &step.to {
        PathKey::Key(key) => out.key(key),
        PathKey::Index(index) => out.key(index).push("::int"),
    };
}

/// A select item without its output name: value, presentation, cast, aggregate, cast.
pub(super) fn selected(alias: &str, select: &Select) -> Result<Sql, CompileError> {
    let mut value = Sql::new();
    match &select.value {
        Value::Star if select.aggregate.is_some() => {
            value.push("*");
        }
        Value::Star => {
            value.row(alias);
        }
        Value::One => {
            value.push("1");
        }
        Value::Field(column) => {
            let plain = field(alias, column);
            match &column.convert {
                Some(function) => value.catalog(function).push("(").append(plain).push(")"),
                None => value.append(plain),
            };
        }
    }
    if let Some(type_name) = &select.cast {
        value = cast(value, type_name);
    }
    match &select.aggregate {
        Some(function) => aggregate(alias, value, function),
        None => Ok(value),
    }
}

/// An aggregate over a value, with the rows that it sees and the cast of its result.
pub(super) fn aggregate(alias: &str, value: Sql, aggregate: &Aggregate) -> Result<Sql, CompileError> {
    let mut out = Sql::of(aggregate.function.name());
    out.push(if aggregate.distinct { "(DISTINCT " } else { "(" }).append(value).push(")");
    if !aggregate.filter.is_empty() {
        let conditions = aggregate.filter.iter().map(|only| condition(&mut Plain(alias), only));
        let conditions = conditions.collect::<Result<Vec<_>, _>>()?;
        out.push(" FILTER (WHERE ").join(conditions, " AND ").push(")");
    }
    Ok(match &aggregate.cast {
        Some(type_name) => cast(out, type_name),
        None => out,
    })
}

fn cast(value: Sql, type_name: &TypeName) -> Sql {
    let mut out = Sql::of("CAST(");
    out.append(value).push(" AS ");
    type_name.write(&mut out);
    out.push(")");
    out
}

/// ` AS "name"`, where there is one.
pub(super) fn named(mut item: Sql, name: Option<&str>) -> Sql {
    if let Some(name) = name {
        item.push(" AS ").ident(name);
    }
    item
}

/// Direction and place of NULLs of an order term.
pub(super) fn ordered(mut term: Sql, order: &Order) -> Sql {
    match order.direction {
        Some(Direction::Ascending) => term.push(" ASC"),
        Some(Direction::Descending) => term.push(" DESC"),
        None => &mut term,
    };
    match order.nulls {
        Some(Nulls::First) => term.push(" NULLS FIRST"),
        Some(Nulls::Last) => term.push(" NULLS LAST"),
        None => &mut term,
    };
    term
}

/// Limits that stand in the text as they are. With a parameter PostgreSQL's generic plan expects a tenth of the table
/// whatever the limit is, so it is never chosen and every execution is planned again: 1.5 times the cost of a small
/// list (docs/adr/0003). Only sizes that pages really have, so that callers cannot make statements without end.
const PAGE_SIZES: [u64; 32] = [
    0, 1, 2, 3, 4, 5, 6, 8, 9, 10, 12, 15, 16, 20, 24, 25, 30, 32, 36, 40, 48, 50, 60, 64, 75, 80, 100, 200, 250, 500,
    1000, 1001,
];

/// ` LIMIT .. OFFSET ..`, where the window needs it.
pub(super) fn window(out: &mut Sql, window: &Window) {
    if let Some(limit) = window.limit {
        out.push(" LIMIT ");
        // A page that says whether there is another one reads one row more.
        if PAGE_SIZES.contains(&limit) || limit.checked_sub(1).is_some_and(|size| PAGE_SIZES.contains(&size)) {
            out.number(limit);
        } else {
            out.value(limit.parameter_text());
        }
    }
    if window.offset > 0 {
        out.push(" OFFSET ").value(window.offset.parameter_text());
    }
}
