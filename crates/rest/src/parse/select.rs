//! `select=`: columns, casts, aggregates and embedded relations.
//!
//! First stage. Grammar: `alias:column->path::cast.aggregate()::cast`, `alias:relation!hint!inner(items)`,
//! `...relation(items)`, `*`, `count()`; our own dialect adds `count(distinct)` and `sum().filter(conditions)`. Spaces around items are allowed.
//! Invariant: embeddings nest at most `MAX_DEPTH` levels.

use super::logic;
use super::name::{field, field_name, identifier};
use super::scan::{Scan, Step, Stop};
use crate::ast::{Aggregate, Field, JoinKind, Logic, SelectField, SelectItem, SelectRelation};

/// All items; none at all for an empty text.
pub(super) fn select(s: &mut Scan<'_>) -> Step<Vec<SelectItem>> {
    Ok(s.maybe(|s| s.separated(item, |s| s.spaced(|s| s.char(','))))?.unwrap_or_default())
}

fn item(s: &mut Scan<'_>) -> Step<SelectItem> {
    let head =
        s.first_of([&|s| s.attempt(spread_head).map(Some), &|s| s.attempt(relation_head).map(Some), &|_| Ok(None)])?;
    let Some(mut relation) = head else { return Ok(SelectItem::Field(s.spaced(select_field)?)) };
    s.char('(')?;
    relation.items = s.nested(select)?;
    s.char(')')?;
    Ok(SelectItem::Relation(relation))
}

fn spread_head(s: &mut Scan<'_>) -> Step<SelectRelation> {
    s.spaced(|s| {
        s.word("...")?;
        let name = field_name(s)?;
        let (hint, join) = embed_parameters(s)?;
        s.attempt(|s| s.ahead(|s| s.word("(")))?;
        Ok(SelectRelation { name, alias: None, hint, join, spread: true, items: Vec::new() })
    })
}

fn relation_head(s: &mut Scan<'_>) -> Step<SelectRelation> {
    s.spaced(|s| {
        let alias = alias(s)?;
        let name = field_name(s)?;
        if name == "count" {
            // `count()` is the aggregate, never a relation.
            return Err(Stop);
        }
        let (hint, join) = embed_parameters(s)?;
        s.attempt(|s| s.ahead(|s| s.word("(")))?;
        Ok(SelectRelation { name, alias, hint, join, spread: false, items: Vec::new() })
    })
}

/// `name:`, but not the beginning of a cast.
fn alias(s: &mut Scan<'_>) -> Step<Option<String>> {
    s.maybe(|s| {
        s.attempt(|s| {
            let name = field_name(s)?;
            s.char(':')?;
            s.not_before(|c| c == ':')?;
            Ok(name)
        })
    })
}

/// What follows a `!`.
enum EmbedParameter {
    Hint(String),
    Join(JoinKind),
}

/// Up to two of `!hint`, `!inner`, `!left`, in any order.
fn embed_parameters(s: &mut Scan<'_>) -> Step<(Option<String>, Option<JoinKind>)> {
    let (mut hint, mut join) = (None, None);
    for _ in 0..2 {
        match s.maybe(embed_parameter)? {
            Some(EmbedParameter::Hint(name)) => hint = hint.or(Some(name)),
            Some(EmbedParameter::Join(kind)) => join = join.or(Some(kind)),
            None => break,
        }
    }
    Ok((hint, join))
}

fn embed_parameter(s: &mut Scan<'_>) -> Step<EmbedParameter> {
    // A hint may begin like a keyword (`!left_fkey`), so the keyword must end where the word ends.
    let keyword = |s: &mut Scan<'_>, word, kind| {
        s.attempt(|s| {
            s.word(word)?;
            s.not_before(|c| c.is_alphanumeric() || matches!(c, '_' | '$' | '-'))?;
            Ok(EmbedParameter::Join(kind))
        })
    };
    s.char('!')?;
    s.first_of([&|s| keyword(s, "left", JoinKind::Left), &|s| keyword(s, "inner", JoinKind::Inner), &|s| {
        s.attempt(|s| Ok(EmbedParameter::Hint(field_name(s)?)))
    }])
}

fn select_field(s: &mut Scan<'_>) -> Step<SelectField> {
    s.first_of([&|s| s.attempt(star), &|s| s.attempt(bare_count), &column])
}

/// The end of an item, which is not read.
fn item_end(s: &mut Scan<'_>) -> Step<()> {
    s.first_of([&|s| s.attempt(|s| s.ahead(|s| s.word(")"))), &|s| s.attempt(|s| s.ahead(|s| s.word(","))), &Scan::end])
}

fn star(s: &mut Scan<'_>) -> Step<SelectField> {
    s.word("*")?;
    // Spaces before the comma are as harmless here as after a name.
    s.spaces();
    item_end(s)?;
    Ok(SelectField::plain(Field { name: "*".to_owned(), path: Vec::new() }, None))
}

fn bare_count(s: &mut Scan<'_>) -> Step<SelectField> {
    let alias = alias(s)?;
    let count = count_of_rows(s)?;
    let aggregate_cast = cast(s)?;
    s.spaces();
    item_end(s)?;
    Ok(SelectField { alias, aggregate_cast, ..count })
}

/// `count()`, and which rows it counts.
fn count_of_rows(s: &mut Scan<'_>) -> Step<SelectField> {
    s.word("count()")?;
    let field = Field { name: "*".to_owned(), path: Vec::new() };
    Ok(SelectField { aggregate: Some(Aggregate::Count), only: only(s)?, ..SelectField::plain(field, None) })
}

/// An aggregate alone, as conditions on groups name it: `count()`, `amount.sum()`, `data->n::int.max()`.
pub(super) fn aggregated(s: &mut Scan<'_>) -> Step<SelectField> {
    s.first_of([&|s| s.attempt(count_of_rows), &|s| {
        let field = field(s)?;
        let cast = cast(s)?;
        s.char('.')?;
        let call = call(s)?;
        Ok(SelectField {
            cast,
            aggregate: Some(call.function),
            distinct: call.distinct,
            only: call.only,
            ..SelectField::plain(field, None)
        })
    }])
}

fn column(s: &mut Scan<'_>) -> Step<SelectField> {
    let alias = alias(s)?;
    let field = field(s)?;
    let cast_before = cast(s)?;
    let call = s.maybe(|s| {
        s.attempt(|s| {
            s.char('.')?;
            call(s)
        })
    })?;
    let aggregate_cast = match call {
        Some(_) => cast(s)?,
        None => s.wish("\"::\"", None),
    };
    s.spaces();
    item_end(s)?;
    let Some(Call { function, distinct, only }) = call else {
        return Ok(SelectField { cast: cast_before, ..SelectField::plain(field, alias) });
    };
    let aggregate = Some(function);
    Ok(SelectField { cast: cast_before, aggregate, aggregate_cast, distinct, only, ..SelectField::plain(field, alias) })
}

/// An aggregate behind its column.
struct Call {
    function: Aggregate,
    distinct: bool,
    only: Vec<Logic>,
}

/// `sum()`, and in our own dialect `count(distinct)` and `sum().filter(...)`.
fn call(s: &mut Scan<'_>) -> Step<Call> {
    let function = aggregate(s)?;
    let distinct = s.first_of([&|s| s.attempt(|s| s.word("()")).map(|()| false), &|s| {
        s.extended()?;
        s.attempt(|s| s.word("(distinct)")).map(|()| true)
    }])?;
    Ok(Call { function, distinct, only: only(s)? })
}

fn only(s: &mut Scan<'_>) -> Step<Vec<Logic>> {
    let conditions = s.maybe(|s| {
        s.extended()?;
        s.attempt(|s| {
            s.word(".filter")?;
            logic::only(s)
        })
    })?;
    Ok(conditions.unwrap_or_default())
}

fn cast(s: &mut Scan<'_>) -> Step<Option<String>> {
    s.maybe(|s| {
        s.word("::")?;
        identifier(s)
    })
}

/// The name of an aggregate.
pub(super) fn aggregate(s: &mut Scan<'_>) -> Step<Aggregate> {
    s.first_of([
        &|s| s.word("sum").map(|()| Aggregate::Sum),
        &|s| s.word("avg").map(|()| Aggregate::Avg),
        &|s| s.word("count").map(|()| Aggregate::Count),
        // Both begin alike.
        &|s| s.attempt(|s| s.word("max")).map(|()| Aggregate::Max),
        &|s| s.attempt(|s| s.word("min")).map(|()| Aggregate::Min),
    ])
}
