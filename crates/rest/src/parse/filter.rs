//! The right side of a filter: `not.eq(any).{1,2}`, `in.("a,b",c)`, `is.null`, `fts(english).word`.
//!
//! First stage. The same operations stand alone (`id=eq.1`, where the value is everything after the operator) and
//! inside logic trees, where a value ends at a comma or parenthesis unless it is quoted.
//! Read on: `extended` (operators that PostgREST does not have).

use super::extended::extended;
use super::name::{delimiter, identifier, quoted};
use super::scan::{Scan, Step};
use crate::ast::{CompareOperator, FullTextOperator, IsValue, Operation, Quantifier, SimpleOperator};

/// How far a single value reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reach {
    /// To the end of the text.
    Text,
    /// To the end of a condition in a logic tree.
    Condition,
}

/// `not.` and the operation.
pub(super) fn operation(s: &mut Scan<'_>, reach: Reach) -> Step<(bool, Operation)> {
    let negated = s
        .maybe(|s| {
            s.attempt(|s| {
                s.word("not")?;
                delimiter(s)
            })
        })?
        .is_some();
    let operation = s.named("operator (eq, gt, ...)", |s| {
        s.first_of([
            &|s| {
                keyword(s, "in")?;
                Ok(Operation::In(list(s)?))
            },
            &|s| {
                keyword(s, "is")?;
                Ok(Operation::Is(is_value(s)?))
            },
            &|s| {
                keyword(s, "isdistinct")?;
                Ok(Operation::IsDistinct(value(s, reach)?))
            },
            &|s| s.attempt(|s| full_text(s, reach)),
            &|s| s.attempt(|s| simple(s, reach)),
            &|s| s.attempt(|s| compare(s, reach)),
            &|s| {
                s.extended()?;
                s.attempt(|s| extended(s, reach)).map(Operation::Extended)
            },
        ])
    })?;
    Ok((negated, operation))
}

/// A word with its delimiter, or nothing.
pub(super) fn keyword(s: &mut Scan<'_>, word: &'static str) -> Step<()> {
    s.attempt(|s| {
        s.word(word)?;
        delimiter(s)
    })
}

/// The first of these words, in order: a word that another one begins with comes after it.
pub(super) fn word_of<T: Copy>(s: &mut Scan<'_>, words: &[(&'static str, T)]) -> Step<T> {
    for &(word, meaning) in words {
        if s.attempt(|s| s.word(word)).is_ok() {
            return Ok(meaning);
        }
    }
    Err(super::scan::Stop)
}

pub(super) const SIMPLE: &[(&str, SimpleOperator)] = &[
    ("neq", SimpleOperator::Neq),
    ("cs", SimpleOperator::Contains),
    ("cd", SimpleOperator::ContainedIn),
    ("ov", SimpleOperator::Overlaps),
    ("sl", SimpleOperator::StrictlyLeft),
    ("sr", SimpleOperator::StrictlyRight),
    ("nxr", SimpleOperator::NotExtendsRight),
    ("nxl", SimpleOperator::NotExtendsLeft),
    ("adj", SimpleOperator::Adjacent),
];

pub(super) const COMPARE: &[(&str, CompareOperator)] = &[
    ("eq", CompareOperator::Eq),
    ("gte", CompareOperator::Gte),
    ("gt", CompareOperator::Gt),
    ("lte", CompareOperator::Lte),
    ("lt", CompareOperator::Lt),
    ("like", CompareOperator::Like),
    ("ilike", CompareOperator::Ilike),
    ("match", CompareOperator::Match),
    ("imatch", CompareOperator::Imatch),
];

fn simple(s: &mut Scan<'_>, reach: Reach) -> Step<Operation> {
    let operator = s.named("unknown single value operator", |s| word_of(s, SIMPLE))?;
    delimiter(s)?;
    Ok(Operation::Simple { operator, value: value(s, reach)? })
}

fn compare(s: &mut Scan<'_>, reach: Reach) -> Step<Operation> {
    let operator = s.named("unknown single value operator", |s| word_of(s, COMPARE))?;
    let quantifier = s.maybe(|s| {
        s.attempt(|s| {
            s.char('(')?;
            let quantifier = word_of(s, &[("any", Quantifier::Any), ("all", Quantifier::All)])?;
            s.char(')')?;
            Ok(quantifier)
        })
    })?;
    delimiter(s)?;
    Ok(Operation::Compare { operator, quantifier, value: value(s, reach)? })
}

fn full_text(s: &mut Scan<'_>, reach: Reach) -> Step<Operation> {
    let operator = word_of(
        s,
        &[
            ("fts", FullTextOperator::Fts),
            ("plfts", FullTextOperator::Plain),
            ("phfts", FullTextOperator::Phrase),
            ("wfts", FullTextOperator::Websearch),
        ],
    )?;
    let language = s.maybe(|s| {
        s.attempt(|s| {
            s.char('(')?;
            let language = identifier(s)?;
            s.char(')')?;
            Ok(language)
        })
    })?;
    delimiter(s)?;
    Ok(Operation::FullText { operator, language, value: value(s, reach)? })
}

fn is_value(s: &mut Scan<'_>) -> Step<IsValue> {
    s.named("isVal: (null, not_null, true, false, unknown)", |s| {
        for (word, meaning) in [
            ("null", IsValue::Null),
            ("not_null", IsValue::NotNull),
            ("true", IsValue::True),
            ("false", IsValue::False),
            ("unknown", IsValue::Unknown),
        ] {
            if s.attempt(|s| s.word_any_case(word)).is_ok() {
                return Ok(meaning);
            }
        }
        Err(super::scan::Stop)
    })
}

pub(super) fn value(s: &mut Scan<'_>, reach: Reach) -> Step<String> {
    match reach {
        Reach::Text => Ok(s.run_of(|_| true, &[]).to_owned()),
        Reach::Condition => s.first_of([&|s| s.attempt(whole_quoted), &|s| s.attempt(array_literal), &bare]),
    }
}

/// `(a,"b,c",d)`, at least one element, which may be empty.
pub(super) fn list(s: &mut Scan<'_>) -> Step<Vec<String>> {
    s.spaced(|s| s.char('('))?;
    let elements = s.separated(list_element, |s| s.char(','))?;
    s.spaced(|s| s.char(')'))?;
    Ok(elements)
}

/// One of them.
pub(super) fn list_element(s: &mut Scan<'_>) -> Step<String> {
    s.first_of([&|s| s.attempt(whole_quoted), &bare])
}

fn ends_element(c: char) -> bool {
    c == ',' || c == ')'
}

/// A quoted text that is all of its element.
fn whole_quoted(s: &mut Scan<'_>) -> Step<String> {
    let text = quoted(s)?;
    s.not_before(|c| !ends_element(c))?;
    Ok(text)
}

/// `{1,2}`: an array or range literal keeps its commas.
fn array_literal(s: &mut Scan<'_>) -> Step<String> {
    s.word("{")?;
    let inner = s.run_of(|c| c != '{' && c != '}', &[]);
    s.word("}")?;
    Ok(format!("{{{inner}}}"))
}

/// Everything up to a comma or parenthesis.
fn bare(s: &mut Scan<'_>) -> Step<String> {
    Ok(s.run_of(|c| !ends_element(c), &[]).to_owned())
}
