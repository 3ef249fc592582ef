//! Groups, conditions on groups, and rows that are shown once.
//!
//! Part of putting a node together, after its select list is known: `group_by` and `order` may name a value of it by
//! its alias, as SQL lets them, and `having` its aggregates. A column of that name comes first, because that is what
//! the name means in PostgREST.

use ferrobase_catalog::Relation;
use ferrobase_query::plan::{AggregateComparison, Condition, Distinct, Field, GroupKey, Order, OrderBy, Select, Value};

use super::node::Node;
use super::tree::comparable;
use super::{PlanError, Planner};
use crate::ast::{self, Measure};

/// What becomes of the rows of a node before they are ordered.
pub(super) struct Grouping {
    pub(super) group_by: Vec<GroupKey>,
    pub(super) having: Vec<Condition>,
    pub(super) distinct: Option<Distinct>,
}

impl Planner<'_> {
    /// How a node groups.
    pub(super) fn grouping(
        &self,
        node: &Node<'_>,
        relation: Option<&Relation>,
        select: &[Select],
    ) -> Result<Grouping, PlanError> {
        let group_by = node.group_by.iter().map(|field| self.group_key(relation, field, select)).collect();
        let having = node
            .having
            .iter()
            .map(|logic| Ok(by_alias(self.logic(relation, logic, &|_| None)?, select)))
            .collect::<Result<_, PlanError>>()?;
        let distinct = node.distinct.map(|distinct| match distinct {
            ast::Distinct::Rows => Distinct::Rows,
            ast::Distinct::On(fields) => {
                let by = |field| comparable_order(OrderBy::Field(self.field(relation, field)), relation);
                Distinct::On(fields.iter().map(by).collect())
            }
        });
        Ok(Grouping { group_by, having, distinct })
    }

    fn group_key(&self, relation: Option<&Relation>, field: &ast::Field, select: &[Select]) -> GroupKey {
        let item = || select.iter().position(|item| item.aggregate.is_none() && is_called(item, field));
        match item().filter(|_| !is_known(relation, &field.name)) {
            Some(index) => GroupKey::Item(index),
            None => GroupKey::Field(self.field(relation, field)),
        }
    }

    /// What a term of `order` without a relation means.
    pub(super) fn own_order(
        &self,
        term: &ast::OrderTerm,
        relation: Option<&Relation>,
        select: &[Select],
    ) -> Result<OrderBy, PlanError> {
        match &term.measure {
            None => {}
            Some(Measure::Aggregate(aggregate)) => {
                let of = ast::SelectField::aggregate(term.field.clone(), *aggregate);
                return Ok(OrderBy::Value(Box::new(self.aggregated(relation, &of)?)));
            }
            Some(Measure::Similarity(to)) => return self.by_similarity(relation, &term.field, to),
            Some(Measure::Distance(place)) => return self.by_distance(relation, &term.field, place),
        }
        if self.rules.extensions
            && !is_known(relation, &term.field.name)
            && let Some(item) = select.iter().find(|item| is_called(item, &term.field))
        {
            return Ok(OrderBy::Value(Box::new(item.clone())));
        }
        Ok(OrderBy::Field(self.field(relation, &term.field)))
    }

    /// Rows that differ are told apart by what is shown of them, so that is what they can be ordered by.
    pub(super) fn order_as_shown(&self, order: &mut [Order], relation: Option<&Relation>) {
        for term in order {
            if let OrderBy::Field(field) = &mut term.by
                && field.path.is_empty()
            {
                let column = ast::Field { name: field.name.clone(), path: Vec::new() };
                *field = self.output_field(relation, &column);
            }
        }
    }

    /// An aggregate outside of the select list.
    pub(super) fn aggregated(&self, relation: Option<&Relation>, of: &ast::SelectField) -> Result<Select, PlanError> {
        let is_row = of.field.name == "*";
        Ok(Select {
            value: if is_row { Value::Star } else { Value::Field(self.field(relation, &of.field)) },
            cast: self.cast(of.cast.as_deref())?,
            aggregate: self.aggregate(relation, of)?,
            name: None,
        })
    }
}

/// Whether a node asks for groups in some other way than by what it selects.
pub(super) fn groups(node: &Node<'_>) -> bool {
    !node.group_by.is_empty()
        || !node.having.is_empty()
        || node.order.iter().any(|term| matches!(term.measure, Some(Measure::Aggregate(_))))
}

/// What rows that differ are ordered by: it must be what they are compared by.
pub(super) fn comparable_order(by: OrderBy, relation: Option<&Relation>) -> OrderBy {
    let OrderBy::Field(field) = by else { return by };
    let value = Select { value: Value::Field(field.clone()), cast: None, aggregate: None, name: None };
    match comparable(value, relation) {
        Select { cast: None, .. } => OrderBy::Field(field),
        cast => OrderBy::Value(Box::new(Select { name: None, ..cast })),
    }
}

/// `DISTINCT ON` shows the first row of each value, so the order must begin with those columns. Terms of `order` on
/// them come first, as they were written; the rest of the columns follow, then the rest of the order.
pub(super) fn distinct_first(
    mut order: Vec<Order>,
    distinct: Option<&Distinct>,
    relation: Option<&Relation>,
) -> Vec<Order> {
    let Some(distinct) = distinct else { return order };
    for term in &mut order {
        term.by = comparable_order(term.by.clone(), relation);
    }
    let Distinct::On(values) = distinct else { return order };
    let (mut first, rest): (Vec<Order>, Vec<Order>) = order.into_iter().partition(|order| values.contains(&order.by));
    for value in values {
        if !first.iter().any(|order| order.by == *value) {
            first.push(Order { by: value.clone(), direction: None, nulls: None });
        }
    }
    first.extend(rest);
    first
}

fn is_known(relation: Option<&Relation>, name: &str) -> bool {
    relation.is_some_and(|relation| relation.columns.contains_key(name) || relation.computed_fields.contains_key(name))
}

/// Whether a name means a select item: its output name, or the name of its aggregate.
fn is_called(item: &Select, field: &ast::Field) -> bool {
    let implied = || item.aggregate.as_ref().map(|aggregate| aggregate.function.name());
    field.path.is_empty() && item.name.as_deref().or_else(implied) == Some(field.name.as_str())
}

/// Conditions on names of selected aggregates become conditions on these. No column can be meant: outside of an
/// aggregate only grouped ones can stand here, and those are selected under their own names.
fn by_alias(condition: Condition, select: &[Select]) -> Condition {
    match condition {
        Condition::Compare(comparison) => {
            let Field { name, path, .. } = &comparison.field;
            let plain = ast::Field { name: name.clone(), path: Vec::new() };
            let meant = select.iter().find(|item| item.aggregate.is_some() && is_called(item, &plain));
            match meant.filter(|_| path.is_empty()) {
                Some(of) => Condition::Aggregate(AggregateComparison {
                    of: of.clone(),
                    negated: comparison.negated,
                    operation: comparison.operation,
                }),
                None => Condition::Compare(comparison),
            }
        }
        Condition::Group { negated, operator, items } => {
            let items = items.into_iter().map(|item| by_alias(item, select)).collect();
            Condition::Group { negated, operator, items }
        }
        other => other,
    }
}
