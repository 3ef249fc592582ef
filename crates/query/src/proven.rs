//! Whether a plan runs code that nobody knows, and if not, which settings the code looks at that it runs.
//!
//! The catalog says which relations and functions are proven to run none ([`Proven`]); here is looked at what a plan
//! does with them. After a plan that is not proven its connection is checked for what that code may have left there.
//! Invariant: only what is recognised is proven; a new part of a plan is not, until it is added here.

use std::cell::RefCell;

use ferrobase_catalog::{Catalog, Proof, Proven, QualifiedName, Relation, SettingsRead, Verb};

use crate::plan::{
    Aggregate, Body, Comparison, Condition, Delete, Distinct, Embed, EmbedOutput, Field, GroupKey, InputColumn, Insert,
    Join, Mutation, Operation, OrderBy, Payload, Query, Read, Resolution, Select, Source, Update, Value,
};

/// That the plan runs only PostgreSQL's own code, if it is proven. After one that writes, its session has forgotten nothing
/// but where sequences stand.
pub fn prove(query: &Query, catalog: &Catalog, proven: &Proven) -> Option<Proof> {
    let Query { mutation, read, keyset: _, body, count: _, guard: _, precondition, explain, lock } = query;
    let is_plain = precondition.is_none() && explain.is_none() && lock.is_none();
    let own_form = matches!(body, Body::None | Body::Json { .. } | Body::Csv | Body::Lines);
    let known = Known { catalog, proven, settings: RefCell::default() };
    let written = match mutation {
        None => Some(None),
        Some(mutation) => known.mutation(mutation).map(Some),
    };
    let is_proven = is_plain && own_form && written.is_some_and(|written| known.read(read, written));
    is_proven.then(|| Proof { stands: proven.stands().clone(), settings: known.settings.into_inner() })
}

struct Known<'a> {
    catalog: &'a Catalog,
    proven: &'a Proven,
    /// What the code looks at that was come across.
    settings: RefCell<SettingsRead>,
}

impl<'a> Known<'a> {
    /// The table that is written.
    fn mutation(&self, mutation: &Mutation) -> Option<&'a Relation> {
        match mutation {
            Mutation::Insert(Insert {
                table,
                columns,
                payload,
                missing_is_default: _,
                conflict,
                matching,
                returning: _,
                location: _,
            }) => {
                let relation = self.written(Verb::Insert, table)?;
                let changes = conflict.as_ref().is_some_and(|conflict| conflict.resolution == Resolution::Merge);
                let written = (!changes || self.has_write(Verb::Update, relation)) && is_stored(columns);
                let row = Row(Some(relation));
                let fits = matches!(payload, Payload::Json { .. }) && matching.iter().all(|c| row.condition(c));
                (written && fits).then_some(relation)
            }
            Mutation::Update(Update {
                table,
                columns,
                inside,
                merge,
                payload: _,
                missing_is_default,
                filters,
                returning: _,
            }) => {
                let relation = self.written(Verb::Update, table)?;
                // Defaults are looked at for inserts.
                let defaults = !missing_is_default || self.has_write(Verb::Insert, relation);
                let row = Row(Some(relation));
                let plain = inside.is_empty() && merge.is_empty() && is_stored(columns);
                (defaults && plain && filters.iter().all(|c| row.condition(c))).then_some(relation)
            }
            Mutation::Delete(Delete { table, filters, returning: _ }) => {
                let relation = self.written(Verb::Delete, table)?;
                filters.iter().all(|c| Row(Some(relation)).condition(c)).then_some(relation)
            }
            Mutation::UpdateEach(_) | Mutation::Pick(_) => None,
        }
    }

    fn written(&self, verb: Verb, table: &QualifiedName) -> Option<&'a Relation> {
        self.relation(table).filter(|relation| self.has_write(verb, relation))
    }

    fn has_write(&self, verb: Verb, relation: &Relation) -> bool {
        self.looks_at(self.proven.write(verb, relation.oid))
    }

    /// Whether something is proven; then the plan looks at whatever that does.
    fn looks_at(&self, settings: Option<&SettingsRead>) -> bool {
        settings.map(|settings| self.settings.borrow_mut().extend(settings)).is_some()
    }

    /// `written` is the table whose changed rows are read.
    fn read(&self, read: &Read, written: Option<&'a Relation>) -> bool {
        let Read { source, name: _, select, filters, group_by, having, distinct, order, window: _, embeds } = read;
        let relation = match (source, written) {
            // Of what was written the changed rows are read, whatever the source says.
            (_, Some(written)) => Some(written),
            (Source::Table(name), None) => match self.relation(name) {
                Some(relation) => Some(relation),
                None => return false,
            },
            (Source::Function(call), None) if self.function(&call.function) => None,
            (Source::Function(_) | Source::Derived, None) => return false,
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
        joins && gives && self.read(&embed.read, None)
    }

    fn row_of(&self, read: &Read) -> Row<'a> {
        match &read.source {
            Source::Table(name) => Row(self.relation(name)),
            Source::Function(_) | Source::Derived => Row(None),
        }
    }

    fn relation(&self, name: &QualifiedName) -> Option<&'a Relation> {
        let relation = self.catalog.relation(&name.schema, &name.name)?;
        self.looks_at(self.proven.relation(relation.oid)).then_some(relation)
    }

    /// Which of several functions of a name is called, only PostgreSQL knows.
    fn function(&self, name: &QualifiedName) -> bool {
        let overloads = self.catalog.overloads(&name.schema, &name.name);
        !overloads.is_empty() && overloads.iter().all(|function| self.looks_at(self.proven.function(function.oid)))
    }
}

/// Whether values are stored as they come.
fn is_stored(columns: &[InputColumn]) -> bool {
    columns.iter().all(|column| column.convert.is_none())
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
