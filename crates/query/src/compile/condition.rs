//! Conditions as SQL.

use super::field::{field, selected};
use super::read::Level;
use super::{CompileError, Compiler, MAX_DEPTH, near};
use crate::plan::{
    AggregateComparison, Comparison, Condition, Is, KeyTest, LogicOperator, Operation, Operator, PathTest, Quantifier,
    Related, SearchParser,
};
use crate::sql::{CatalogSql, Sql, array_literal};

/// A whole number as the text of a parameter. `LIMIT` takes 64-bit numbers with a sign; beyond those is as good as
/// the largest.
pub(super) trait ParameterText {
    /// Digits.
    fn parameter_text(self) -> String;
}

impl ParameterText for u64 {
    fn parameter_text(self) -> String {
        self.min(i64::MAX.unsigned_abs()).to_string()
    }
}

/// How conditions of a scope are written: on whose columns, and what it means that an embed has rows.
pub(super) trait ConditionScope {
    /// The alias that columns are qualified by.
    fn alias(&self) -> &str;
    /// Whether an embed has rows.
    fn embedded(&mut self, embed: usize, exists: bool) -> Result<Sql, CompileError>;
    /// Whether there are related rows: `EXISTS (...)`.
    fn related(&mut self, related: &Related) -> Result<Sql, CompileError>;
}

/// A scope without embeds and relations.
pub(super) struct Plain<'a>(pub(super) &'a str);

impl ConditionScope for Plain<'_> {
    fn alias(&self) -> &str {
        self.0
    }

    fn embedded(&mut self, _: usize, _: bool) -> Result<Sql, CompileError> {
        Err(CompileError::SourceBelowRoot)
    }

    fn related(&mut self, _: &Related) -> Result<Sql, CompileError> {
        Err(CompileError::SourceBelowRoot)
    }
}

/// Rows that are written, which have no embeds.
pub(super) struct Written<'c> {
    pub(super) compiler: &'c mut Compiler,
    pub(super) alias: &'c str,
}

impl ConditionScope for Written<'_> {
    fn alias(&self) -> &str {
        self.alias
    }

    fn embedded(&mut self, _: usize, _: bool) -> Result<Sql, CompileError> {
        Err(CompileError::SourceBelowRoot)
    }

    fn related(&mut self, related: &Related) -> Result<Sql, CompileError> {
        self.compiler.related(related, self.alias, Level::ROOT)
    }
}

/// A condition.
pub(super) fn condition(scope: &mut impl ConditionScope, condition: &Condition) -> Result<Sql, CompileError> {
    nested(scope, condition, 0)
}

fn nested(scope: &mut impl ConditionScope, condition: &Condition, depth: usize) -> Result<Sql, CompileError> {
    if depth > MAX_DEPTH {
        return Err(CompileError::TooDeep);
    }
    match condition {
        Condition::Compare(comparison) => Ok(compare(scope.alias(), comparison)),
        Condition::Aggregate(comparison) => compare_aggregate(scope.alias(), comparison),
        Condition::Embedded { embed, exists } => scope.embedded(*embed, *exists),
        Condition::Related(related) => scope.related(related),
        Condition::Unknown => Ok(Sql::of("NULL::boolean")),
        // All of none, or any of none.
        Condition::Group { negated, operator, items } if items.is_empty() => {
            Ok(Sql::of(if *negated != (*operator == LogicOperator::And) { "true" } else { "false" }))
        }
        Condition::Group { negated, operator, items } => {
            let separator = match operator {
                LogicOperator::And => " AND ",
                LogicOperator::Or => " OR ",
            };
            let mut out = Sql::of(if *negated { "NOT (" } else { "(" });
            let items = items.iter().map(|item| nested(scope, item, depth + 1)).collect::<Result<Vec<_>, _>>()?;
            out.join(items, separator).push(")");
            Ok(out)
        }
        Condition::NotTrue(condition) => {
            let mut out = Sql::of("(");
            out.append(nested(scope, condition, depth + 1)?).push(") IS NOT TRUE");
            Ok(out)
        }
    }
}

/// `sql`, or `NOT (sql)`.
fn negated(negated: bool, plain: Sql) -> Sql {
    if !negated {
        return plain;
    }
    let mut out = Sql::of("NOT (");
    out.append(plain).push(")");
    out
}

fn compare(alias: &str, comparison: &Comparison) -> Sql {
    let column = &comparison.field;
    let plain = operate(alias, field(alias, column), column.convert.as_ref(), &comparison.operation);
    negated(comparison.negated, plain)
}

fn compare_aggregate(alias: &str, comparison: &AggregateComparison) -> Result<Sql, CompileError> {
    let plain = operate(alias, selected(alias, &comparison.of)?, None, &comparison.operation);
    Ok(negated(comparison.negated, plain))
}

/// A value and what is asked of it; `convert` reads the caller's text for its domain.
fn operate(alias: &str, mut out: Sql, convert: Option<&CatalogSql>, operation: &Operation) -> Sql {
    match operation {
        Operation::Binary { operator, quantifier, value } => {
            out.push(" ").push(operator.sql()).push(" ");
            let value = read_value(convert, *operator, value);
            match quantifier {
                None => out.append(value),
                Some(Quantifier::Any) => out.push("ANY(").append(value).push(")"),
                Some(Quantifier::All) => out.push("ALL(").append(value).push(")"),
            };
        }
        Operation::In(values) => {
            out.push(" = ANY(").append(any_of(convert, values)).push(")");
        }
        Operation::Is(is) => {
            out.push(match is {
                Is::Null => " IS NULL",
                Is::NotNull => " IS NOT NULL",
                Is::True => " IS TRUE",
                Is::False => " IS FALSE",
                Is::Unknown => " IS UNKNOWN",
            });
        }
        Operation::DistinctFrom(value) => {
            out.push(" IS DISTINCT FROM ").text(value);
        }
        Operation::Search { parser, configuration, query, vectorise } => {
            if *vectorise {
                let text = std::mem::replace(&mut out, Sql::of("to_tsvector("));
                search_configuration(&mut out, configuration.as_deref());
                out.append(text).push(")");
            }
            out.push(match parser {
                SearchParser::Operators => " @@ to_tsquery(",
                SearchParser::Plain => " @@ plainto_tsquery(",
                SearchParser::Phrase => " @@ phraseto_tsquery(",
                SearchParser::Web => " @@ websearch_to_tsquery(",
            });
            search_configuration(&mut out, configuration.as_deref());
            out.text(query).push(")");
        }
        Operation::Column { operator, field: other } => {
            out.push(" ").push(operator.sql()).push(" ").append(field(alias, other));
        }
        Operation::Keys { test, keys, convert } => {
            let mut value = document(out, *convert);
            // The casts choose the operator of `jsonb`, whatever others a search path offers.
            match test {
                KeyTest::One => value.push(" ? ").text(keys.first().map_or("", String::as_str)).push("::text"),
                KeyTest::Any => {
                    value.push(" ?| ").text(&array_literal(keys.iter().map(String::as_str))).push("::text[]")
                }
                KeyTest::All => {
                    value.push(" ?& ").text(&array_literal(keys.iter().map(String::as_str))).push("::text[]")
                }
            };
            out = value;
        }
        Operation::Similar { schema, by, value } => out = near::similar(out, schema, *by, value),
        Operation::Within { place, metres, bounds } => out = near::within(out, place, metres, bounds.as_ref()),
        Operation::JsonPath { test, path, convert } => {
            let mut value = document(out, *convert);
            value.push(match test {
                PathTest::Finds => " @? ",
                PathTest::Holds => " @@ ",
            });
            value.text(path).push("::jsonpath");
            out = value;
        }
    }
    out
}

/// A value as `jsonb`.
fn document(value: Sql, convert: bool) -> Sql {
    if !convert {
        return value;
    }
    let mut out = Sql::of("(");
    out.append(value).push(")::jsonb");
    out
}

fn search_configuration(out: &mut Sql, configuration: Option<&str>) {
    if let Some(configuration) = configuration {
        out.text(configuration).push(", ");
    }
}

/// The value of a comparison, through the function that reads it for the column's domain.
fn read_value(convert: Option<&CatalogSql>, operator: Operator, value: &str) -> Sql {
    let mut out = Sql::new();
    match convert {
        Some(function) if !operator.takes_pattern() => {
            out.catalog(function).push("(").text(value).push(")");
        }
        _ => {
            out.text(value);
        }
    }
    out
}

/// The values of an `IN` as one parameter: the text is the same for any number of them.
fn any_of(convert: Option<&CatalogSql>, values: &[String]) -> Sql {
    let literal = array_literal(values.iter().map(String::as_str));
    let mut out = Sql::new();
    match convert {
        Some(function) => {
            out.push("SELECT ").catalog(function).push("(v) FROM unnest(").text(&literal).push("::text[]) AS v");
        }
        None => {
            out.text(&literal);
        }
    }
    out
}
