//! Filter operators that PostgREST does not have: `gt(col).other`, `has.key`, `jsonpath.$.a`.
//!
//! First stage, in our own dialect only. Invariant: each is an error in PostgREST's grammar, so no value that means
//! something there means something else here. Examples: docs/guide/querying.md.

use super::filter::{COMPARE, Reach, SIMPLE, keyword, list, value, word_of};
use super::name::{delimiter, field};
use super::scan::{Scan, Step};
use crate::ast::{ColumnOperator, Extended, KeyTest, PathTest};

/// An operation of ours.
pub(super) fn extended(s: &mut Scan<'_>, reach: Reach) -> Step<Extended> {
    s.first_of([
        &|s| {
            keyword(s, "hasany")?;
            Ok(Extended::Keys { test: KeyTest::Any, keys: list(s)? })
        },
        &|s| {
            keyword(s, "hasall")?;
            Ok(Extended::Keys { test: KeyTest::All, keys: list(s)? })
        },
        &|s| {
            keyword(s, "has")?;
            Ok(Extended::Keys { test: KeyTest::One, keys: vec![value(s, reach)?] })
        },
        &|s| {
            keyword(s, "fuzzyword")?;
            Ok(Extended::Similar { word: true, value: value(s, reach)? })
        },
        &|s| {
            keyword(s, "fuzzy")?;
            Ok(Extended::Similar { word: false, value: value(s, reach)? })
        },
        &|s| {
            keyword(s, "within")?;
            Ok(Extended::Within(list(s)?))
        },
        &|s| {
            keyword(s, "jsonpath")?;
            Ok(Extended::JsonPath { test: PathTest::Finds, path: value(s, reach)? })
        },
        &|s| {
            keyword(s, "jsonmatch")?;
            Ok(Extended::JsonPath { test: PathTest::Holds, path: value(s, reach)? })
        },
        &|s| s.attempt(with_column),
    ])
}

/// `gt(col).other`: what PostgREST has in these parentheses is `any` or `all`, so no value can look like this.
fn with_column(s: &mut Scan<'_>) -> Step<Extended> {
    let operator = s.first_of([
        &|s| Ok(ColumnOperator::Compare(word_of(s, COMPARE)?)),
        &|s| Ok(ColumnOperator::Simple(word_of(s, SIMPLE)?)),
        &|s| s.attempt(|s| s.word("isdistinct")).map(|()| ColumnOperator::IsDistinct),
    ])?;
    s.word("(col)")?;
    delimiter(s)?;
    Ok(Extended::Column { operator, field: field(s)? })
}
