//! `and=(...)`, `or=(...)`: boolean trees of conditions.
//!
//! First stage. Inside, groups are written `and(...)`, `or(...)`, `not.and(...)`, `not.or(...)` and conditions
//! `field.operation`. Invariant: groups nest at most `MAX_DEPTH` levels.

use super::filter::{Reach, operation};
use super::name::{delimiter, field};
use super::scan::{Scan, Step};
use super::select::aggregated;
use crate::ast::{AggregateFilter, Filter, Logic, LogicOperator};

/// What stands at the leaves of a tree.
type Leaf = fn(&mut Scan<'_>) -> Step<Logic>;

/// The whole value with its operator put before it. Only a group: `or=a.eq.1` is no condition on a column `ora`.
pub(super) fn root(s: &mut Scan<'_>) -> Step<Logic> {
    s.nested(|s| group(s, filter))
}

/// The conditions of `having=`, which all must hold: they may be about aggregates.
pub(super) fn having(s: &mut Scan<'_>) -> Step<Logic> {
    let leaf: Leaf = |s| s.first_of([&|s| s.attempt(aggregate_condition).map(Logic::Aggregate), &filter]);
    let items = s.nested(|s| items(s, leaf))?;
    Ok(Logic::Group { negated: false, operator: LogicOperator::And, items })
}

/// The conditions of an aggregate, `(a.eq.1,or(...))`.
pub(super) fn only(s: &mut Scan<'_>) -> Step<Vec<Logic>> {
    s.nested(|s| items(s, filter))
}

fn filter(s: &mut Scan<'_>) -> Step<Logic> {
    s.attempt(condition).map(Logic::Filter)
}

/// One condition or group.
fn tree(s: &mut Scan<'_>, leaf: Leaf) -> Step<Logic> {
    s.first_of([&leaf, &|s| s.nested(|s| group(s, leaf))])
}

/// `amount.sum().gt.5`
fn aggregate_condition(s: &mut Scan<'_>) -> Step<AggregateFilter> {
    let of = s.spaced(aggregated)?;
    delimiter(s)?;
    let (negated, operation) = operation(s, Reach::Condition)?;
    Ok(AggregateFilter { of, negated, operation })
}

fn condition(s: &mut Scan<'_>) -> Step<Filter> {
    let field = field(s)?;
    delimiter(s)?;
    let (negated, operation) = operation(s, Reach::Condition)?;
    Ok(Filter { field, negated, operation })
}

fn group(s: &mut Scan<'_>, leaf: Leaf) -> Step<Logic> {
    let negated = s.named("negation operator (not)", |s| {
        Ok(s.maybe(|s| {
            s.attempt(|s| {
                s.word("not")?;
                delimiter(s)
            })
        })?
        .is_some())
    })?;
    let operator = s.named("logic operator (and, or)", |s| {
        s.first_of([&|s| s.attempt(|s| s.word("and")).map(|()| LogicOperator::And), &|s| {
            s.word("or").map(|()| LogicOperator::Or)
        }])
    })?;
    Ok(Logic::Group { negated, operator, items: items(s, leaf)? })
}

fn items(s: &mut Scan<'_>, leaf: Leaf) -> Step<Vec<Logic>> {
    s.spaced(|s| s.char('('))?;
    let items = s.separated(|s| tree(s, leaf), |s| s.spaced(|s| s.char(',')))?;
    s.spaced(|s| s.char(')'))?;
    Ok(items)
}
