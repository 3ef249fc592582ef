//! `and=(...)`, `or=(...)`: boolean trees of conditions.
//!
//! First stage. Inside, groups are written `and(...)`, `or(...)`, `not.and(...)`, `not.or(...)` and conditions
//! `field.operation`. Invariant: groups nest at most `MAX_DEPTH` levels.

use super::filter::{Reach, operation};
use super::name::{delimiter, field};
use super::scan::{Scan, Step};
use crate::ast::{Filter, Logic, LogicOperator};

/// The whole value with its operator put before it. Only a group: `or=a.eq.1` is no condition on a column `ora`.
pub(super) fn root(s: &mut Scan<'_>) -> Step<Logic> {
    s.nested(group)
}

/// One condition or group.
fn tree(s: &mut Scan<'_>) -> Step<Logic> {
    s.first_of([&|s| s.attempt(condition).map(Logic::Filter), &|s| s.nested(group)])
}

fn condition(s: &mut Scan<'_>) -> Step<Filter> {
    let field = field(s)?;
    delimiter(s)?;
    let (negated, operation) = operation(s, Reach::Condition)?;
    Ok(Filter { field, negated, operation })
}

fn group(s: &mut Scan<'_>) -> Step<Logic> {
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
    s.spaced(|s| s.char('('))?;
    let items = s.separated(tree, |s| s.spaced(|s| s.char(',')))?;
    s.spaced(|s| s.char(')'))?;
    Ok(Logic::Group { negated, operator, items })
}
