//! `order=`: `name.desc.nullslast,relation(column).asc,data->key`; our own dialect adds `amount.sum().desc`,
//! `title.similarity(word)` and `place.distance(longitude,latitude)`.
//!
//! First stage.

use super::filter::{list, list_element};
use super::name::{delimiter, field, field_name};
use super::scan::{Scan, Step};
use super::select::aggregate;
use crate::ast::{Aggregate, Direction, Field, Measure, Nulls, OrderTerm};

/// All terms, at least one.
pub(super) fn order(s: &mut Scan<'_>) -> Step<Vec<OrderTerm>> {
    s.separated(
        |s| s.spaced(|s| s.first_of([&|s| s.attempt(related_term), &|s| s.attempt(measured_term), &term])),
        |s| s.char(','),
    )
}

fn term(s: &mut Scan<'_>) -> Step<OrderTerm> {
    let field = field(s)?;
    let (direction, nulls) = modifiers(s)?;
    Ok(OrderTerm { relation: None, field, measure: None, direction, nulls })
}

fn measured_term(s: &mut Scan<'_>) -> Step<OrderTerm> {
    s.extended()?;
    let (field, measure) = s.first_of([&|s| s.attempt(count_of_rows), &|s| {
        let field = field(s)?;
        delimiter(s)?;
        Ok((field, measure(s)?))
    }])?;
    let (direction, nulls) = modifiers(s)?;
    Ok(OrderTerm { relation: None, field, measure: Some(measure), direction, nulls })
}

fn measure(s: &mut Scan<'_>) -> Step<Measure> {
    s.first_of([
        &|s| {
            s.attempt(|s| s.word("similarity"))?;
            s.char('(')?;
            let text = list_element(s)?;
            s.char(')')?;
            Ok(Measure::Similarity(text))
        },
        &|s| {
            s.attempt(|s| s.word("distance"))?;
            Ok(Measure::Distance(list(s)?))
        },
        &|s| {
            let function = aggregate(s)?;
            s.word("()")?;
            Ok(Measure::Aggregate(function))
        },
    ])
}

fn count_of_rows(s: &mut Scan<'_>) -> Step<(Field, Measure)> {
    s.word("count()")?;
    Ok((Field { name: "*".to_owned(), path: Vec::new() }, Measure::Aggregate(Aggregate::Count)))
}

fn related_term(s: &mut Scan<'_>) -> Step<OrderTerm> {
    let relation = field_name(s)?;
    s.char('(')?;
    let field = field(s)?;
    s.char(')')?;
    let (direction, nulls) = modifiers(s)?;
    Ok(OrderTerm { relation: Some(relation), field, measure: None, direction, nulls })
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
