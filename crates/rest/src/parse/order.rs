//! `order=`: `name.desc.nullslast,relation(column).asc,data->key`; our own dialect adds `amount.sum().desc`.
//!
//! First stage.

use super::name::{delimiter, field, field_name};
use super::scan::{Scan, Step};
use super::select::aggregate;
use crate::ast::{Aggregate, Direction, Field, Nulls, OrderTerm};

/// All terms, at least one.
pub(super) fn order(s: &mut Scan<'_>) -> Step<Vec<OrderTerm>> {
    s.separated(
        |s| s.spaced(|s| s.first_of([&|s| s.attempt(related_term), &|s| s.attempt(aggregate_term), &term])),
        |s| s.char(','),
    )
}

fn term(s: &mut Scan<'_>) -> Step<OrderTerm> {
    let field = field(s)?;
    let (direction, nulls) = modifiers(s)?;
    Ok(OrderTerm { relation: None, field, aggregate: None, direction, nulls })
}

fn aggregate_term(s: &mut Scan<'_>) -> Step<OrderTerm> {
    s.extended()?;
    let (field, aggregate) = s.first_of([&|s| s.attempt(count_of_rows), &|s| {
        let field = field(s)?;
        delimiter(s)?;
        let function = aggregate(s)?;
        s.word("()")?;
        Ok((field, function))
    }])?;
    let (direction, nulls) = modifiers(s)?;
    Ok(OrderTerm { relation: None, field, aggregate: Some(aggregate), direction, nulls })
}

fn count_of_rows(s: &mut Scan<'_>) -> Step<(Field, Aggregate)> {
    s.word("count()")?;
    Ok((Field { name: "*".to_owned(), path: Vec::new() }, Aggregate::Count))
}

fn related_term(s: &mut Scan<'_>) -> Step<OrderTerm> {
    let relation = field_name(s)?;
    s.char('(')?;
    let field = field(s)?;
    s.char(')')?;
    let (direction, nulls) = modifiers(s)?;
    Ok(OrderTerm { relation: Some(relation), field, aggregate: None, direction, nulls })
}

fn modifiers(s: &mut Scan<'_>) -> Step<(Option<Direction>, Option<Nulls>)> {
    let direction = s.maybe(|s| {
        s.first_of([&|s| modifier(s, "asc").map(|()| Direction::Asc), &|s| {
            modifier(s, "desc").map(|()| Direction::Desc)
        }])
    })?;
    let nulls = s.maybe(|s| {
        s.first_of([&|s| modifier(s, "nullsfirst").map(|()| Nulls::First), &|s| {
            modifier(s, "nullslast").map(|()| Nulls::Last)
        }])
    })?;
    s.spaces();
    s.first_of([&|s| s.attempt(|s| s.ahead(|s| s.char(','))), &Scan::end])?;
    Ok((direction, nulls))
}

fn modifier(s: &mut Scan<'_>, word: &'static str) -> Step<()> {
    s.attempt(|s| {
        delimiter(s)?;
        s.word(word)
    })
}
