//! Filters: objects of comparisons, related rows, `and`, `or`, `not`.
//!
//! What is compared with null holds for no row: only `is` asks for NULL.

use ferrobase_query::plan::{
    Comparison, Condition, Field, Is, KeyTest, LogicOperator, Operation, Operator, PathKey, PathStep, PathTest,
    Related, SearchParser, Similarity,
};

use ferrobase_query::sql::CatalogSql;

use super::input::{Input, array_literal};
use super::{Planner, node_id};
use crate::error::Error;
use crate::model::{Column, FieldKind, Reference, TableId};
use crate::scalar::{Class, ValueType};

/// How deep filters may nest.
pub(super) const MAX_DEPTH: usize = 32;

impl Planner<'_> {
    /// The conditions of a filter, which all hold.
    pub(super) fn filter(&self, id: TableId, filter: &Input, depth: usize) -> Result<Vec<Condition>, Error> {
        if depth > MAX_DEPTH {
            return Err(Error::TooDeep(MAX_DEPTH));
        }
        let table = self.table(id);
        let mut conditions = Vec::new();
        for (name, value) in filter.fields() {
            match table.fields.get(name).filter(|_| table.shown(name)).map(|field| &field.kind) {
                Some(FieldKind::NodeId) => conditions.extend(self.by_node_id(id, value)),
                Some(FieldKind::Column(column)) => {
                    for (operator, operand) in value.fields() {
                        conditions.push(self.compare(column, operator, operand)?);
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

    /// `some`, `none`, `every` of related rows, whether there are any, and what they add up to.
    fn many(&self, to: &Reference, value: &Input, depth: usize) -> Result<Vec<Condition>, Error> {
        let asks = value.fields().iter().filter(|(_, filter)| *filter != Input::Null);
        let (summed, asks): (Vec<_>, Vec<_>) =
            asks.partition(|(name, _)| matches!(name.as_str(), "count" | "sum" | "avg" | "min" | "max" | "filter"));
        let sums = if summed.is_empty() { None } else { Some(self.sums(to, &summed, depth)) };
        let each = asks.into_iter().map(|(name, filter)| match name.as_str() {
            "some" => self.related(to, filter, true, depth),
            "none" => self.related(to, filter, false, depth),
            "exists" => self.related(to, &Input::Null, *filter == Input::Boolean(true), depth),
            // None for which it does not hold, as it does not where NULL is compared.
            _ => {
                let mut read = self.read_related(to);
                let holds = all(self.filter(to.table, filter, depth + 1)?);
                read.filters.push(Condition::NotTrue(Box::new(holds)));
                Ok(Condition::Related(Box::new(Related { exists: false, join: to.join.clone(), read })))
            }
        });
        each.chain(sums).collect()
    }

    /// What related rows add up to, all of them or those that satisfy `filter`.
    fn sums(&self, to: &Reference, asked: &[&(String, Input)], depth: usize) -> Result<Condition, Error> {
        let mut read = self.read_related(to);
        for (name, value) in asked {
            if name == "filter" {
                read.filters.extend(self.filter(to.table, value, depth + 1)?);
            } else {
                read.having.extend(self.having_one(to.table, name, value)?);
            }
        }
        Ok(match read.having.is_empty() {
            true => always(),
            false => Condition::Related(Box::new(Related { exists: true, join: to.join.clone(), read })),
        })
    }

    fn related(&self, to: &Reference, filter: &Input, exists: bool, depth: usize) -> Result<Condition, Error> {
        let mut read = self.read_related(to);
        read.filters = self.filter(to.table, filter, depth + 1)?;
        Ok(Condition::Related(Box::new(Related { exists, join: to.join.clone(), read })))
    }

    /// A comparison of a column.
    fn compare(&self, column: &Column, name: &str, operand: &Input) -> Result<Condition, Error> {
        let asked = match (name, &self.model.trigrams) {
            ("at", _) => return inside(column, operand),
            ("similar" | "similarWord", Some(schema)) => operand.text().map(|value| Operation::Similar {
                schema: schema.clone(),
                by: if name == "similar" { Similarity::Whole } else { Similarity::Word },
                value,
            }),
            _ => comparison(&column.value, name, operand)?,
        };
        Ok(asked.map_or(Condition::Unknown, |asked| compared(asked_of(column, name), asked)))
    }

    fn by_node_id(&self, id: TableId, value: &Input) -> Vec<Condition> {
        let Some((_, operand)) = value.fields().iter().find(|(name, _)| name == "eq") else { return Vec::new() };
        let decoded = operand.text().and_then(|text| node_id::decode(self.model, &text));
        match decoded.filter(|(other, _)| *other == id) {
            Some((_, key)) => self.table(id).key.iter().zip(key).map(|(column, value)| same(column, value)).collect(),
            None => vec![never()],
        }
    }
}

/// All of these.
pub(super) fn all(mut conditions: Vec<Condition>) -> Condition {
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
        Some(value) => operation(column, Operation::Binary { operator: Operator::Equal, quantifier: None, value }),
        None => Condition::Unknown,
    }
}

/// A column of a key that has this value; in a view it may be null where an outer join finds no row.
pub(super) fn same(column: &str, value: Option<String>) -> Condition {
    match value {
        None => operation(column, Operation::Is(Is::Null)),
        value => equal(column, value),
    }
}

fn operation(column: &str, operation: Operation) -> Condition {
    compared(Field::column(column), operation)
}

fn compared(field: Field, operation: Operation) -> Condition {
    Condition::Compare(Comparison { field, negated: false, operation })
}

/// A column as something is asked of it.
fn asked_of(column: &Column, name: &str) -> Field {
    let compares = matches!(name, "eq" | "neq" | "gt" | "gte" | "lt" | "lte" | "in");
    let as_type = match &column.value {
        _ if name == "is" => None,
        // Only `jsonb` has operators.
        ValueType { class: Class::Json, is_list, .. } if !column.is_binary_json => {
            Some(if *is_list { "jsonb[]" } else { "jsonb" })
        }
        // An enum whose values are no words of GraphQL is told as texts, and whatever is asked of texts is asked of them.
        ValueType { class: Class::String, is_list: false, .. } if column.is_enum && !compares => Some("text"),
        _ => return column.operand(),
    };
    Field { as_type: as_type.map(CatalogSql::written_by_catalog), ..Field::column(&column.name) }
}

/// The steps of `path`, the last of which gives what is there as it is.
pub(super) fn steps(operand: &Input) -> Result<Vec<PathStep>, Error> {
    let path = operand.fields().iter().find(|(name, _)| name == "path").map(|(_, path)| path);
    let keys = path.map_or(&[][..], Input::items).iter().filter_map(Input::text);
    let step = |key: String| {
        let is_index = !key.is_empty() && key.len() < 10 && key.bytes().all(|byte| byte.is_ascii_digit());
        PathStep { as_text: false, to: if is_index { PathKey::Index(key) } else { PathKey::Key(key) } }
    };
    let path: Vec<PathStep> = keys.map(step).collect();
    if path.is_empty() {
        return Err(Error::Argument { argument: "path".to_owned(), reason: "leads nowhere".to_owned() });
    }
    Ok(path)
}

/// A comparison of a text inside of a document.
fn inside(column: &Column, operand: &Input) -> Result<Condition, Error> {
    let of = |wanted: &str| operand.fields().iter().find(|(name, _)| name == wanted).map(|(_, value)| value);
    let mut path = steps(operand)?;
    path.iter_mut().last().into_iter().for_each(|last| last.as_text = true);
    let field = Field { path, ..Field::column(&column.name) };
    let text = ValueType::of_class(Class::String);
    let mut conditions = Vec::new();
    for (name, operand) in of("text").map_or(&[][..], Input::fields) {
        conditions.push(match comparison(&text, name, operand)? {
            Some(operation) => Condition::Compare(Comparison { field: field.clone(), negated: false, operation }),
            None => Condition::Unknown,
        });
    }
    Ok(all(conditions))
}

/// What is asked of a value; none where it is compared with null, which nothing satisfies.
pub(super) fn comparison(value: &ValueType, name: &str, operand: &Input) -> Result<Option<Operation>, Error> {
    if *operand == Input::Null {
        return Ok(None);
    }
    let binary = |operator, value| Operation::Binary { operator, quantifier: None, value };
    if name == "is" {
        let is = if operand.text().as_deref() == Some("NULL") { Is::Null } else { Is::NotNull };
        return Ok(Some(Operation::Is(is)));
    }
    if value.is_list {
        let operator = match name {
            "contains" => Operator::Contains,
            "containedBy" => Operator::ContainedIn,
            "overlaps" => Operator::Overlaps,
            _ => Operator::Equal,
        };
        return Ok(Some(binary(operator, array_literal(value.meant(name, operand)?.items()))));
    }
    let operand = &value.meant(name, operand)?;
    let text = operand.text().unwrap_or_default();
    let keys = || operand.items().iter().filter_map(Input::text).collect();
    let by_keys = |test, keys| Operation::Keys { test, keys, convert: false };
    let vectorise = value.class != Class::Words;
    let search = |parser| Operation::Search { parser, configuration: None, query: text.clone(), vectorise };
    Ok(Some(match name {
        "eq" => binary(Operator::Equal, text),
        "neq" => binary(Operator::NotEqual, text),
        "gt" => binary(Operator::Greater, text),
        "gte" => binary(Operator::GreaterOrEqual, text),
        "lt" => binary(Operator::Less, text),
        "lte" => binary(Operator::LessOrEqual, text),
        "in" => Operation::In(keys()),
        "like" => binary(Operator::Like, text),
        "ilike" => binary(Operator::ILike, text),
        "regex" => binary(Operator::Match, text),
        "iregex" => binary(Operator::IMatch, text),
        "startsWith" => binary(Operator::Like, format!("{}%", escaped(&text))),
        "search" => search(SearchParser::Plain),
        "phrase" => search(SearchParser::Phrase),
        "websearch" => search(SearchParser::Web),
        "fullText" => full_text(operand, vectorise),
        "contains" | "ancestorOf" => binary(Operator::Contains, text),
        "containedBy" | "descendantOf" => binary(Operator::ContainedIn, text),
        "matches" => binary(Operator::Match, text),
        "hasKey" => by_keys(KeyTest::One, vec![text]),
        "hasAnyKeys" => by_keys(KeyTest::Any, keys()),
        "hasAllKeys" => by_keys(KeyTest::All, keys()),
        "path" => Operation::JsonPath { test: PathTest::Finds, path: text, convert: false },
        other => return Err(Error::unknown(other)),
    }))
}

/// A search with everything said about it.
fn full_text(operand: &Input, vectorise: bool) -> Operation {
    let of =
        |wanted: &str| operand.fields().iter().find(|(name, _)| name == wanted).and_then(|(_, value)| value.text());
    let parser = match of("mode").as_deref() {
        Some("phrase") => SearchParser::Phrase,
        Some("web") => SearchParser::Web,
        Some("operators") => SearchParser::Operators,
        _ => SearchParser::Plain,
    };
    let (configuration, query) = (of("configuration"), of("query").unwrap_or_default());
    Operation::Search { parser, configuration, query, vectorise }
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
