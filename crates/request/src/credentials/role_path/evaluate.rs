//! Follows a JSONPath through claims, as RFC 9535 says.

use serde_json::{Map, Value};

use super::{Comparison, Condition, Operand, Query, Segment, Selector};

/// The first value that the path selects. The root is an object that we only borrow, so the first step is taken here.
pub(super) fn first<'a>(segments: &[Segment], claims: &'a Map<String, Value>) -> Option<&'a Value> {
    let root = Root(claims);
    let (head, tail) = segments.split_first()?;
    let mut selected = Vec::new();
    for selector in &head.selectors {
        match selector {
            Selector::Name(name) => selected.extend(claims.get(name)),
            Selector::All => selected.extend(claims.values()),
            Selector::Filter(condition) => {
                selected.extend(claims.values().filter(|value| condition.holds(value, root)));
            }
            Selector::Index(_) | Selector::Slice { .. } => {}
        }
    }
    if head.descend {
        for value in claims.values() {
            descend(value, &head.selectors, root, &mut selected);
        }
    }
    follow(tail, selected, root).first().copied()
}

#[derive(Clone, Copy)]
struct Root<'a>(&'a Map<String, Value>);

fn follow<'a>(segments: &[Segment], start: Vec<&'a Value>, root: Root<'a>) -> Vec<&'a Value> {
    segments.iter().fold(start, |values, segment| {
        let mut selected = Vec::new();
        for value in values {
            if segment.descend {
                descend(value, &segment.selectors, root, &mut selected);
            } else {
                select(value, &segment.selectors, root, &mut selected);
            }
        }
        selected
    })
}

/// The value itself, then everything inside it. Depth is bounded by the JSON parser (128).
fn descend<'a>(value: &'a Value, selectors: &[Selector], root: Root<'a>, selected: &mut Vec<&'a Value>) {
    select(value, selectors, root, selected);
    for child in children(value) {
        descend(child, selectors, root, selected);
    }
}

fn children(value: &Value) -> Vec<&Value> {
    match value {
        Value::Object(object) => object.values().collect(),
        Value::Array(list) => list.iter().collect(),
        _ => Vec::new(),
    }
}

fn select<'a>(value: &'a Value, selectors: &[Selector], root: Root<'a>, selected: &mut Vec<&'a Value>) {
    for selector in selectors {
        match (selector, value) {
            (Selector::Name(name), Value::Object(object)) => selected.extend(object.get(name)),
            (Selector::Index(index), Value::Array(list)) => {
                selected.extend(from_end(*index, list.len()).and_then(|index| list.get(index)));
            }
            (Selector::Slice { start, end, step }, Value::Array(list)) => {
                selected.extend(slice(list.len(), *start, *end, *step).into_iter().filter_map(|i| list.get(i)));
            }
            (Selector::All, _) => selected.extend(children(value)),
            (Selector::Filter(condition), _) => {
                selected.extend(children(value).into_iter().filter(|child| condition.holds(child, root)));
            }
            _ => {}
        }
    }
}

fn from_end(index: i64, len: usize) -> Option<usize> {
    let len = i64::try_from(len).ok()?;
    usize::try_from(if index < 0 { len.checked_add(index)? } else { index }).ok()
}

/// Indexes of a slice, RFC 9535 2.3.4.2.2.
fn slice(len: usize, start: Option<i64>, end: Option<i64>, step: i64) -> Vec<usize> {
    let len = i64::try_from(len).unwrap_or(i64::MAX);
    let normal = |i: i64| if i < 0 { len.saturating_add(i) } else { i };
    let mut indexes = Vec::new();
    if step > 0 {
        let mut at = normal(start.unwrap_or(0)).clamp(0, len);
        let end = normal(end.unwrap_or(len)).clamp(0, len);
        while at < end {
            indexes.extend(usize::try_from(at));
            at = at.saturating_add(step);
        }
    } else if step < 0 {
        let mut at = normal(start.unwrap_or(len - 1)).clamp(-1, len - 1);
        let end = end.map_or(-1, |end| normal(end).clamp(-1, len - 1));
        while at > end {
            indexes.extend(usize::try_from(at));
            at = at.saturating_add(step);
        }
    }
    indexes
}

impl Condition {
    fn holds(&self, value: &Value, root: Root<'_>) -> bool {
        match self {
            Self::Or(left, right) => left.holds(value, root) || right.holds(value, root),
            Self::And(left, right) => left.holds(value, root) && right.holds(value, root),
            Self::Not(inner) => !inner.holds(value, root),
            Self::Exists(query) => query.first(value, root).is_some(),
            Self::Compare(left, comparison, right) => {
                comparison.holds(left.value(value, root), right.value(value, root))
            }
        }
    }
}

impl Operand {
    fn value<'a>(&'a self, current: &'a Value, root: Root<'a>) -> Option<&'a Value> {
        match self {
            Self::Literal(value) => Some(value),
            Self::Query(query) => query.first(current, root),
        }
    }
}

impl Query {
    fn first<'a>(&self, current: &'a Value, root: Root<'a>) -> Option<&'a Value> {
        if self.from_root {
            return first(&self.segments, root.0);
        }
        follow(&self.segments, vec![current], root).first().copied()
    }
}

impl Comparison {
    /// Two absent values are equal; an absent one equals nothing else (RFC 9535 2.3.5.2.2).
    fn holds(self, left: Option<&Value>, right: Option<&Value>) -> bool {
        match self {
            Self::Equal => equal(left, right),
            Self::NotEqual => !equal(left, right),
            Self::Less => less(left, right),
            Self::Greater => less(right, left),
            Self::LessOrEqual => less(left, right) || equal(left, right),
            Self::GreaterOrEqual => less(right, left) || equal(left, right),
        }
    }
}

fn equal(left: Option<&Value>, right: Option<&Value>) -> bool {
    match (left, right) {
        (Some(Value::Number(left)), Some(Value::Number(right))) => left == right || left.as_f64() == right.as_f64(),
        (left, right) => left == right,
    }
}

fn less(left: Option<&Value>, right: Option<&Value>) -> bool {
    match (left, right) {
        (Some(Value::Number(left)), Some(Value::Number(right))) => left.as_f64() < right.as_f64(),
        (Some(Value::String(left)), Some(Value::String(right))) => left < right,
        _ => false,
    }
}
