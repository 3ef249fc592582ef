//! Whether a plan runs code that nobody knows.
//!
//! The catalog says which relations and functions are proven to run none ([`Proven`]); here is looked at what a plan
//! does with them. After a plan that is not proven its connection is checked for what that code may have left there.
//! Invariant: only what is recognised is proven; a new part of a plan is not, until it is added here.

use ferrobase_catalog::{Catalog, Proven, QualifiedName, Relation};

use crate::plan::{
    Aggregate, Body, Comparison, Condition, Distinct, Embed, EmbedOutput, Field, GroupKey, Join, Operation, OrderBy,
    Query, Read, Select, Source, Value,
};

/// Whether the plan reads, and runs only PostgreSQL's own code while it does.
pub fn runs_known_code(query: &Query, catalog: &Catalog, proven: &Proven) -> bool {
    let Query { mutation, read, keyset: _, body, count: _, guard: _, precondition, explain, lock } = query;
    let only_reads = mutation.is_none() && precondition.is_none() && explain.is_none() && lock.is_none();
    let own_form = matches!(body, Body::None | Body::Json { .. } | Body::Csv | Body::Lines);
    only_reads && own_form && Known { catalog, proven }.read(read)
}

struct Known<'a> {
    catalog: &'a Catalog,
    proven: &'a Proven,
}

impl<'a> Known<'a> {
    fn read(&self, read: &Read) -> bool {
        let Read { source, name: _, select, filters, group_by, having, distinct, order, window: _, embeds } = read;
        let relation = match source {
            Source::Table(name) => match self.relation(name) {
                Some(relation) => Some(relation),
                None => return false,
            },
            Source::Function(call) if self.function(&call.function) => None,
            Source::Function(_) | Source::Derived => return false,
        };
        let row = Row(relation);
        let sorts = |by: &OrderBy| match by {
            OrderBy::Field(field) => row.field(field),
            OrderBy::Value(value) => row.select(value),
            OrderBy::Embedded { embed, field } => {
                embeds.get(*embed).is_some_and(|embed| self.row_of(&embed.read).field(field))
            }
            OrderBy::Similarity { .. } | OrderBy::Distance { .. } => false,
        };
        select.iter().all(|select| row.select(select))
            && filters.iter().chain(having).all(|condition| row.condition(condition))
            && group_by.iter().all(|key| {
                matches!(key, GroupKey::Item(_)) || matches!(key, GroupKey::Field(field) if row.field(field))
            })
            && match distinct {
                None | Some(Distinct::Rows) => true,
                Some(Distinct::On(fields)) => fields.iter().all(|field| row.field(field)),
            }
            && order.iter().all(|order| sorts(&order.by))
            && embeds.iter().all(|embed| self.embed(embed))
    }

    fn embed(&self, embed: &Embed) -> bool {
        let joins = match &embed.join {
            Join::Columns(_) => true,
            Join::Junction { table, .. } => self.relation(table).is_some(),
            Join::Function { .. } => false,
        };
        let row = self.row_of(&embed.read);
        let gives = match &embed.output {
            EmbedOutput::Hidden | EmbedOutput::Json => true,
            EmbedOutput::Spread(columns) => columns.iter().all(|column| row.aggregate(column.aggregate.as_ref())),
        };
        joins && gives && self.read(&embed.read)
    }

    fn row_of(&self, read: &Read) -> Row<'a> {
        match &read.source {
            Source::Table(name) => Row(self.relation(name)),
            Source::Function(_) | Source::Derived => Row(None),
        }
    }

    fn relation(&self, name: &QualifiedName) -> Option<&'a Relation> {
        let relation = self.catalog.relation(&name.schema, &name.name)?;
        self.proven.has_relation(relation.oid).then_some(relation)
    }

    /// Which of several functions of a name is called, only PostgreSQL knows.
    fn function(&self, name: &QualifiedName) -> bool {
        let overloads = self.catalog.overloads(&name.schema, &name.name);
        !overloads.is_empty() && overloads.iter().all(|function| self.proven.has_function(function.oid))
    }
}

/// A row of a relation, or of a function, whose rows have no fields that are functions.
struct Row<'a>(Option<&'a Relation>);

impl Row<'_> {
    /// A stored column, and not a function that is written like one.
    fn field(&self, field: &Field) -> bool {
        field.convert.is_none() && self.0.is_some_and(|relation| relation.columns.contains_key(&field.name))
    }

    fn select(&self, select: &Select) -> bool {
        let value = match &select.value {
            Value::Star | Value::One => true,
            Value::Field(field) => self.field(field),
        };
        value && select.cast.is_none() && self.aggregate(select.aggregate.as_ref())
    }

    fn aggregate(&self, aggregate: Option<&Aggregate>) -> bool {
        aggregate.is_none_or(|aggregate| {
            aggregate.cast.is_none() && aggregate.filter.iter().all(|condition| self.condition(condition))
        })
    }

    fn condition(&self, condition: &Condition) -> bool {
        match condition {
            Condition::Group { items, .. } => items.iter().all(|item| self.condition(item)),
            Condition::Compare(Comparison { field, operation, .. }) => self.field(field) && self.operation(operation),
            Condition::Aggregate(comparison) => self.select(&comparison.of) && self.operation(&comparison.operation),
            Condition::Embedded { .. } => true,
        }
    }

    fn operation(&self, operation: &Operation) -> bool {
        match operation {
            Operation::Binary { .. }
            | Operation::In(_)
            | Operation::Is(_)
            | Operation::DistinctFrom(_)
            | Operation::Search { .. }
            | Operation::Keys { .. }
            | Operation::JsonPath { .. } => true,
            Operation::Column { field, .. } => self.field(field),
            Operation::Similar { .. } | Operation::Within { .. } => false,
        }
    }
}
