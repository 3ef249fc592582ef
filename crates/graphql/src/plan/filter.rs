//! Filters: objects of comparisons, related rows, `and`, `or`, `not`.
//!
//! What is compared with null holds for no row: only `is` asks for NULL.

use ferrobase_query::plan::{
    Comparison, Condition, Field, Is, KeyTest, LogicOperator, Operation, Operator, PathTest, Related, SearchParser,
};

use super::input::{Input, array_literal};
use super::{Planner, node_id};
use crate::error::Error;
use crate::model::{Column, FieldKind, Reference, TableId};
use crate::scalar::Class;

/// How deep filters may nest.
const MAX_DEPTH: usize = 32;

impl Planner<'_> {
    /// The conditions of a filter, which all hold.
    pub(super) fn filter(&self, id: TableId, filter: &Input, depth: usize) -> Result<Vec<Condition>, Error> {
        if depth > MAX_DEPTH {
            return Err(Error::TooDeep(MAX_DEPTH));
        }
        let table = self.table(id);
        let mut conditions = Vec::new();
        for (name, value) in filter.fields() {
            match table.fields.get(name).map(|field| &field.kind) {
                Some(FieldKind::NodeId) => conditions.extend(self.by_node_id(id, value)),
                Some(FieldKind::Column(column)) => {
                    for (operator, operand) in value.fields() {
                        conditions.push(compare(column, operator, operand)?);
                    }
                }
                Some(FieldKind::One(to)) if *value != Input::Null => {
                    conditions.push(self.related(to, value, true, depth)?);
                }
                Some(FieldKind::Many(to)) => conditions.extend(self.many(to, value, depth)?),
                Some(FieldKind::One(_)) => {}
                None => conditions.extend(self.logic(id, name, value, depth)?),
            }
        }
        Ok(conditions)
    }

    fn logic(&self, id: TableId, name: &str, value: &Input, depth: usize) -> Result<Option<Condition>, Error> {
        if *value == Input::Null {
            return Ok(None);
        }
        let parts = value.items().iter().map(|part| Ok(all(self.filter(id, part, depth + 1)?)));
        let parts = parts.collect::<Result<Vec<_>, Error>>()?;
        let operator = if name == "or" { LogicOperator::Or } else { LogicOperator::And };
        Ok(match (name, parts.is_empty()) {
            // One of none: no row.
            ("or", true) => Some(never()),
            (_, true) => None,
            ("not", false) => Some(Condition::Group { negated: true, operator, items: parts }),
            (_, false) => Some(Condition::Group { negated: false, operator, items: parts }),
        })
    }

    /// `some`, `none`, `every` of related rows.
    fn many(&self, to: &Reference, value: &Input, depth: usize) -> Result<Vec<Condition>, Error> {
        let asks = value.fields().iter().filter(|(_, filter)| *filter != Input::Null);
        asks.map(|(name, filter)| match name.as_str() {
            "some" => self.related(to, filter, true, depth),
            "none" => self.related(to, filter, false, depth),
            // None that is not so; what compares with NULL is unknown and does not count.
            _ => {
                let mut read = self.read_related(to);
                let holds = all(self.filter(to.table, filter, depth + 1)?);
                let not = Condition::Group { negated: true, operator: LogicOperator::And, items: vec![holds] };
                read.filters.push(not);
                Ok(Condition::Related(Box::new(Related { exists: false, join: to.join.clone(), read })))
            }
        })
        .collect()
    }

    fn related(&self, to: &Reference, filter: &Input, exists: bool, depth: usize) -> Result<Condition, Error> {
        let mut read = self.read_related(to);
        read.filters = self.filter(to.table, filter, depth + 1)?;
        Ok(Condition::Related(Box::new(Related { exists, join: to.join.clone(), read })))
    }

    fn by_node_id(&self, id: TableId, value: &Input) -> Vec<Condition> {
        let Some((_, operand)) = value.fields().iter().find(|(name, _)| name == "eq") else { return Vec::new() };
        let decoded = operand.text().and_then(|text| node_id::decode(self.model, &text));
        match decoded.filter(|(other, _)| *other == id) {
            Some((_, key)) => self.table(id).key.iter().zip(key).map(|(column, value)| equal(column, value)).collect(),
            None => vec![never()],
        }
    }
}

/// All of these.
fn all(mut conditions: Vec<Condition>) -> Condition {
    match conditions.len() {
        0 => always(),
        1 => conditions.remove(0),
        _ => Condition::Group { negated: false, operator: LogicOperator::And, items: conditions },
    }
}

/// No row.
fn never() -> Condition {
    Condition::Group { negated: false, operator: LogicOperator::Or, items: Vec::new() }
}

/// Every row.
fn always() -> Condition {
    Condition::Group { negated: false, operator: LogicOperator::And, items: Vec::new() }
}

/// A column that has this value; null is no value.
pub(super) fn equal(column: &str, value: Option<String>) -> Condition {
    match value {
        Some(value) => binary(column, Operator::Equal, value),
        None => never(),
    }
}

fn binary(column: &str, operator: Operator, value: String) -> Condition {
    operation(column, Operation::Binary { operator, quantifier: None, value })
}

fn operation(column: &str, operation: Operation) -> Condition {
    Condition::Compare(Comparison { field: Field::column(column), negated: false, operation })
}

/// A comparison of a column.
fn compare(column: &Column, name: &str, operand: &Input) -> Result<Condition, Error> {
    if name == "is" {
        let is = if operand.text().as_deref() == Some("NULL") { Is::Null } else { Is::NotNull };
        return Ok(if *operand == Input::Null { never() } else { operation(&column.name, Operation::Is(is)) });
    }
    if *operand == Input::Null {
        return Ok(never());
    }
    if column.value.is_list {
        let operator = match name {
            "contains" => Operator::Contains,
            "containedBy" => Operator::ContainedIn,
            "overlaps" => Operator::Overlaps,
            _ => Operator::Equal,
        };
        return Ok(binary(&column.name, operator, array_literal(operand.items())));
    }
    let text = operand.text().unwrap_or_default();
    let convert = column.value.class == Class::Json && !column.is_binary_json;
    let keys = || operand.items().iter().filter_map(Input::text).collect();
    let by_keys = |test, keys| operation(&column.name, Operation::Keys { test, keys, convert });
    let search = |parser| {
        operation(&column.name, Operation::Search { parser, configuration: None, query: text.clone(), vectorise: true })
    };
    Ok(match name {
        "eq" => binary(&column.name, Operator::Equal, text),
        "neq" => binary(&column.name, Operator::NotEqual, text),
        "gt" => binary(&column.name, Operator::Greater, text),
        "gte" => binary(&column.name, Operator::GreaterOrEqual, text),
        "lt" => binary(&column.name, Operator::Less, text),
        "lte" => binary(&column.name, Operator::LessOrEqual, text),
        "in" => operation(&column.name, Operation::In(keys())),
        "like" => binary(&column.name, Operator::Like, text),
        "ilike" => binary(&column.name, Operator::ILike, text),
        "regex" => binary(&column.name, Operator::Match, text),
        "iregex" => binary(&column.name, Operator::IMatch, text),
        "startsWith" => binary(&column.name, Operator::Like, format!("{}%", escaped(&text))),
        "search" => search(SearchParser::Plain),
        "phrase" => search(SearchParser::Phrase),
        "websearch" => search(SearchParser::Web),
        "contains" | "ancestorOf" => binary(&column.name, Operator::Contains, text),
        "containedBy" | "descendantOf" => binary(&column.name, Operator::ContainedIn, text),
        "matches" => binary(&column.name, Operator::Match, text),
        "hasKey" => by_keys(KeyTest::One, vec![text]),
        "hasAnyKeys" => by_keys(KeyTest::Any, keys()),
        "hasAllKeys" => by_keys(KeyTest::All, keys()),
        "path" => operation(&column.name, Operation::JsonPath { test: PathTest::Finds, path: text, convert }),
        other => return Err(Error::unknown(other)),
    })
}

/// A text in which nothing stands for anything else in a pattern.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if matches!(c, '%' | '_' | '\\') {
            out.push('\\');
        }
        out.push(c);
    }
    out
}
