//! Comparisons that PostgREST does not have, in the words of the plan.
//!
//! What they need of the catalog: whether a value is `json` and must become `jsonb` before it has keys, and where the
//! operators of extensions are (`near`).

use ferrobase_catalog::{Relation, TypeClass};
use ferrobase_query::plan::{
    Condition, KeyTest, Mutation, Operation, Operator, Order, OrderBy, PathTest, Query, Read, Similarity,
};

use super::field::{compare_operator, simple_operator, type_class};
use super::{PlanError, Planner};
use crate::ast::{self, ColumnOperator, Extended};

impl Planner<'_> {
    /// An operation on a field of a relation.
    pub(super) fn extended(
        &self,
        relation: Option<&Relation>,
        field: &ast::Field,
        operation: &Extended,
    ) -> Result<Operation, PlanError> {
        let convert = || relation.and_then(|relation| type_class(relation, &field.name)) == Some(TypeClass::Json);
        Ok(match operation {
            Extended::Column { operator, field: other } => {
                Operation::Column { operator: column_operator(*operator), field: self.field(relation, other) }
            }
            Extended::Keys { test, keys } => {
                Operation::Keys { test: key_test(*test), keys: keys.clone(), convert: convert() }
            }
            Extended::Similar { word, value } => Operation::Similar {
                schema: self.extension("pg_trgm")?,
                by: if *word { Similarity::Word } else { Similarity::Whole },
                value: value.clone(),
            },
            Extended::Within(numbers) => self.within(relation, field, numbers)?,
            Extended::JsonPath { test, path } => {
                Operation::JsonPath { test: path_test(*test), path: path.clone(), convert: convert() }
            }
        })
    }
}

/// Whether a query uses an operator that PostgREST does not have.
pub(crate) fn is_used(query: &Query) -> bool {
    let written = match &query.mutation {
        Some(Mutation::Update(update)) => update.filters.as_slice(),
        Some(Mutation::UpdateEach(update)) => &update.filters,
        Some(Mutation::Delete(delete)) => &delete.filters,
        Some(Mutation::Insert(_) | Mutation::Pick(_)) | None => &[],
    };
    written.iter().any(is_in) || is_in_read(&query.read)
}

fn is_in_read(read: &Read) -> bool {
    let by_similarity = |order: &Order| matches!(order.by, OrderBy::Similarity { .. });
    read.filters.iter().chain(&read.having).any(is_in)
        || read.order.iter().any(by_similarity)
        || read.embeds.iter().any(|embed| is_in_read(&embed.read))
}

fn is_in(condition: &Condition) -> bool {
    let operation = match condition {
        Condition::Group { items, .. } => return items.iter().any(is_in),
        Condition::NotTrue(condition) => return is_in(condition),
        Condition::Compare(comparison) => &comparison.operation,
        Condition::Aggregate(comparison) => &comparison.operation,
        Condition::Related(related) => return is_in_read(&related.read),
        Condition::Embedded { .. } | Condition::Unknown => return false,
    };
    matches!(
        operation,
        Operation::Column { .. }
            | Operation::Keys { .. }
            | Operation::Similar { .. }
            | Operation::Within { .. }
            | Operation::JsonPath { .. }
    )
}

fn column_operator(operator: ColumnOperator) -> Operator {
    match operator {
        ColumnOperator::Compare(operator) => compare_operator(operator),
        ColumnOperator::Simple(operator) => simple_operator(operator),
        ColumnOperator::IsDistinct => Operator::DistinctFrom,
    }
}

fn key_test(test: ast::KeyTest) -> KeyTest {
    match test {
        ast::KeyTest::One => KeyTest::One,
        ast::KeyTest::Any => KeyTest::Any,
        ast::KeyTest::All => KeyTest::All,
    }
}

fn path_test(test: ast::PathTest) -> PathTest {
    match test {
        ast::PathTest::Finds => PathTest::Finds,
        ast::PathTest::Holds => PathTest::Holds,
    }
}
