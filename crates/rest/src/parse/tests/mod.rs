//! Tables: text and what it means, text and what is said about it. And properties: any text does one or the other.

mod extensions;
mod filters;
mod selects;
mod texts;
mod total;

use super::*;
use crate::ast::{AggregateFilter, Extended, Operation, PathKey, PathStep, SelectItem, Window};

/// A query in a readable spelling, or the error.
fn read(raw: &str) -> Result<Query, ParseError> {
    query(raw, Reading::default())
}

/// Message and details of the error of a query string.
fn refused(raw: &str) -> (String, String) {
    match read(raw) {
        Err(ParseError::Grammar(failure)) => (failure.message, failure.details),
        other => panic!("{raw}: {other:?}"),
    }
}

/// A field as it would be written with every name quoted.
fn spell_field(field: &Field) -> String {
    let steps: String = field.path.iter().map(spell_step).collect();
    format!("<{}>{steps}", field.name)
}

fn spell_step(step: &PathStep) -> String {
    let arrow = if step.as_text { "->>" } else { "->" };
    match &step.to {
        PathKey::Key(key) => format!("{arrow}<{key}>"),
        PathKey::Index(index) => format!("{arrow}[{index}]"),
    }
}

fn spell_filter(filter: &Filter) -> String {
    let not = if filter.negated { "not " } else { "" };
    let operation = match &filter.operation {
        Operation::Compare { operator, quantifier: None, value } => format!("{operator:?} <{value}>"),
        Operation::Compare { operator, quantifier: Some(quantifier), value } => {
            format!("{operator:?} {quantifier:?} <{value}>")
        }
        Operation::Simple { operator, value } => format!("{operator:?} <{value}>"),
        Operation::In(values) => format!("In {values:?}"),
        Operation::Is(value) => format!("Is {value:?}"),
        Operation::IsDistinct(value) => format!("IsDistinct <{value}>"),
        Operation::Extended(Extended::Column { operator, field }) => format!("{operator:?} {}", spell_field(field)),
        Operation::Extended(other) => format!("{other:?}"),
        Operation::FullText { operator, language, value } => format!("{operator:?} {language:?} <{value}>"),
    };
    format!("{} {not}{operation}", spell_field(&filter.field))
}

fn spell_logic(logic: &Logic) -> String {
    match logic {
        Logic::Filter(filter) => spell_filter(filter),
        Logic::Aggregate(AggregateFilter { of, negated, operation }) => {
            let filter = Filter { field: of.field.clone(), negated: *negated, operation: operation.clone() };
            format!("{:?} of {}", of.aggregate, spell_filter(&filter))
        }
        Logic::Group { negated, operator, items } => {
            let items: Vec<_> = items.iter().map(spell_logic).collect();
            format!("{}{operator:?}({})", if *negated { "not " } else { "" }, items.join("; "))
        }
    }
}

fn spell_item(item: &SelectItem) -> String {
    match item {
        SelectItem::Field(field) => {
            let mut out = field.alias.as_ref().map(|alias| format!("<{alias}>=")).unwrap_or_default();
            out += &spell_field(&field.field);
            out += &field.cast.as_ref().map(|cast| format!("::<{cast}>")).unwrap_or_default();
            out += &field.aggregate.map(|aggregate| format!(" {aggregate:?}")).unwrap_or_default();
            out += if field.distinct { " distinct" } else { "" };
            if !field.only.is_empty() {
                out += &format!(" only({})", field.only.iter().map(spell_logic).collect::<Vec<_>>().join("; "));
            }
            out + &field.aggregate_cast.as_ref().map(|cast| format!("::<{cast}>")).unwrap_or_default()
        }
        SelectItem::Relation(relation) => {
            let mut out = relation.alias.as_ref().map(|alias| format!("<{alias}>=")).unwrap_or_default();
            out += if relation.spread { "..." } else { "" };
            out += &format!("<{}>", relation.name);
            out += &relation.hint.as_ref().map(|hint| format!("!<{hint}>")).unwrap_or_default();
            out += &relation.join.map(|join| format!("!{join:?}")).unwrap_or_default();
            format!("{out}({})", spell_items(&relation.items))
        }
    }
}

fn spell_items(items: &[SelectItem]) -> String {
    items.iter().map(spell_item).collect::<Vec<_>>().join(", ")
}

#[test]
fn parameters_are_told_apart() {
    let query = read("select=a&b=eq.1&x.y.c=eq.2&order=d&x.order=e.desc&or=(f.eq.1)&x.limit=3&x.offset=4&limit=5&d")
        .expect("ok");
    let filters: Vec<_> = query.filters.iter().map(|(path, filter)| (path.join("/"), spell_filter(filter))).collect();
    assert_eq!(filters, [(String::new(), "<b> Eq <1>".into()), ("x/y".into(), "<c> Eq <2>".into())]);
    assert_eq!(query.order.iter().map(|(path, terms)| (path.len(), terms.len())).collect::<Vec<_>>(), [(0, 1), (1, 1)]);
    assert_eq!(
        query.windows,
        [(vec!["x".to_owned()], Window { offset: 4, limit: Some(3) }), (vec![], Window { offset: 0, limit: Some(5) })]
    );
    assert_eq!(query.filter_fields.iter().collect::<Vec<_>>(), ["b", "x.y.c"]);
    assert_eq!(query.logic.len(), 1);
}

#[test]
fn the_canonical_query_is_sorted_and_encoded() {
    for (raw, canonical) in [
        ("", ""),
        ("a=eq.1&c=eq.3&b=eq.2&d", "a=eq.1&b=eq.2&c=eq.3&d="),
        ("b=gt.1&b=lt.9&a=eq.x%20y", "a=eq.x%20y&b=gt.1&b=lt.9"),
        ("n=eq.%C3%A4+z", "n=eq.%C3%A4%20z"),
        ("select=a,b", "select=a%2Cb"),
    ] {
        assert_eq!(read(raw).expect(raw).canonical, canonical);
    }
}

#[test]
fn windows() {
    for (raw, wanted) in [
        ("limit=5", Ok((0, Some(5)))),
        ("limit=0", Ok((0, Some(0)))),
        ("offset=5", Ok((5, None))),
        ("offset=-4", Ok((0, None))),
        ("limit=6&offset=-4", Ok((0, Some(2)))),
        ("limit=nonsense", Ok((0, None))),
        ("limit=1&limit=2", Ok((0, Some(2)))),
        ("limit=99999999999999999999", Ok((0, Some(i64::MAX.unsigned_abs())))),
        ("limit=-1", Err(ParseError::NegativeLimit)),
        ("limit=-99999999999999999999&offset=-99999999999999999999", Err(ParseError::NegativeLimit)),
    ] {
        let got = read(raw).map(|query| (query.windows[0].1.offset, query.windows[0].1.limit));
        assert_eq!(got, wanted, "{raw}");
    }
}

#[test]
fn columns_and_conflict_targets() {
    let query = read("columns=id, name ,\"odd, name\"&on_conflict=a,b").expect("ok");
    assert_eq!(query.columns.expect("columns").into_iter().collect::<Vec<_>>(), ["id", "name", "odd, name"]);
    assert_eq!(query.on_conflict.expect("targets"), ["a", "b"]);
    let query = read("select").expect("ok");
    assert_eq!((query.columns, query.on_conflict), (None, None));
    assert_eq!(spell_items(&query.select), "<*>");
}

#[test]
fn bounds_are_told() {
    let many = "a=eq.1&".repeat(MAX_PAIRS + 1);
    assert_eq!(refused(&many).1, "more than 2048 parameters");
    let list = format!("a=in.({})", "1,".repeat(MAX_ITEMS));
    assert_eq!(refused(&list), ("failed to parse filter".into(), "more than 16384 items".into()));
    let items = "a,".repeat(MAX_ITEMS);
    assert_eq!(refused(&format!("select={items}a")).1, "more than 16384 items");
}
