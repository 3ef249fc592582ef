//! Comparisons that PostgREST does not have, in the words of the plan.
//!
//! What they need of the catalog: whether a value is `json` and must become `jsonb` before it has keys, and where the
//! operators of extensions are (`near`).

use ferrobase_catalog::{Relation, TypeClass};
use ferrobase_query::plan::{KeyTest, Operation, Operator, PathTest, Similarity};

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
