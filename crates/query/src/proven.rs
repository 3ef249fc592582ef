//! Whether a plan runs code that nobody knows, and if not, which settings the code looks at that it runs.
//!
//! The catalog says which relations and functions are proven to run none ([`Proven`]); here is looked at what a plan
//! does with them. After a plan that is not proven its connection is checked for what that code may have left there.
//! Invariant: only what is recognised is proven; a new part of a plan is not, until it is added here.

use std::cell::RefCell;
use std::collections::BTreeSet;

use ferrobase_catalog::{Catalog, Proof, Proven, QualifiedName, Relation, SettingsRead, Verb};

use crate::plan::{
    Aggregate, AggregateMember, AggregateValue, ArgumentValue, Arguments, Body, Call, Change, ChangeMember, Comparison,
    Condition, Content, Convert, Delete, Distinct, Document, EdgeValue, Embed, EmbedOutput, Field, GroupKey,
    GroupMember, Groups, InputColumn, Insert, Join, Member, Mutation, One, Operation, OrderBy, Page, PageValue,
    Payload, Query, Read, Resolution, Select, Source, Update, Value,
};
use crate::type_name::TypeName;

/// Places of [`Known::named`].
const RELATIONS: usize = 0;
const FUNCTIONS: usize = 1;
/// `date`, `time`, `timestamp`, and the last two with a time zone.
const MOMENTS: [u32; 5] = [1082, 1083, 1114, 1184, 1266];
/// Types of documents, as the catalog calls them.
const DOCUMENTS: [&str; 4] = ["json", "jsonb", "json[]", "jsonb[]"];

/// That the plan runs only PostgreSQL's own code, if it is proven. After one that writes, its session has forgotten nothing
/// but where sequences stand.
pub fn prove(query: &Query, catalog: &Catalog, proven: &Proven) -> Option<Proof> {
    let known = Known::of(catalog, proven);
    known.query(query).then(|| known.proof())
}

/// The same for a document.
pub fn prove_document(document: &Document, catalog: &Catalog, proven: &Proven) -> Option<Proof> {
    let known = Known::of(catalog, proven);
    known.members(&document.members, None).then(|| known.proof())
}

/// What a read names whose answer is made of these alone: same rows, settings and parameters, same answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reads {
    /// That it runs known code only.
    pub proof: Proof,
    /// Relations (`pg_class.oid`), in order.
    pub relations: Vec<u32>,
    /// Functions (`pg_proc.oid`), in order.
    pub functions: Vec<u32>,
}

/// What the plan names, if it is proven and only reads. Not if the planner is asked for an estimate, which changes by itself.
pub fn reads(query: &Query, catalog: &Catalog, proven: &Proven) -> Option<Reads> {
    let known = Known { named: Some(RefCell::default()), ..Known::of(catalog, proven) };
    (!query.count.estimate && known.query(query)).then(|| known.reads())?
}

/// The same for a document.
pub fn reads_of_document(document: &Document, catalog: &Catalog, proven: &Proven) -> Option<Reads> {
    let known = Known { named: Some(RefCell::default()), ..Known::of(catalog, proven) };
    known.members(&document.members, None).then(|| known.reads())?
}

struct Known<'a> {
    catalog: &'a Catalog,
    proven: &'a Proven,
    /// What the code looks at that was come across.
    settings: RefCell<SettingsRead>,
    /// Which relations and functions were, where that is asked for. A plan that writes or looks at the clock has no such list; whoever
    /// proves another part of a plan has to say here whether it does.
    named: Option<RefCell<[BTreeSet<u32>; 2]>>,
}

impl<'a> Known<'a> {
    fn of(catalog: &'a Catalog, proven: &'a Proven) -> Self {
        Self { catalog, proven, settings: RefCell::default(), named: None }
    }

    fn proof(self) -> Proof {
        Proof { stands: self.proven.stands().clone(), settings: self.settings.into_inner() }
    }

    fn reads(mut self) -> Option<Reads> {
        let [relations, functions] = self.named.take()?.into_inner().map(|oids| oids.into_iter().collect());
        Some(Reads { proof: self.proof(), relations, functions })
    }

    /// Takes down what was named: one of [`RELATIONS`] or of [`FUNCTIONS`].
    fn note(&self, list: usize, oid: u32) {
        if let Some(named) = &self.named {
            named.borrow_mut()[list].insert(oid);
        }
    }

    fn query(&self, query: &Query) -> bool {
        let Query { mutation, read, keyset: _, body, count: _, guard: _, precondition, explain, lock } = query;
        let is_plain = precondition.is_none() && explain.is_none() && lock.is_none();
        let own_form = matches!(body, Body::None | Body::Json { .. } | Body::Csv(_) | Body::Lines);
        let written = match mutation {
            None => Some(None),
            Some(mutation) => self.mutation(mutation).map(Some),
        };
        is_plain && own_form && written.is_some_and(|written| self.read(read, written))
    }

    fn row(&self, relation: Option<&'a Relation>) -> Row<'_, 'a> {
        Row { known: self, relation }
    }

    /// The table that is written.
    fn mutation(&self, mutation: &Mutation) -> Option<&'a Relation> {
        self.named.is_none().then_some(())?;
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
                let row = self.row(Some(relation));
                let asked = conflict.iter().flat_map(|conflict| &conflict.filters).chain(matching);
                let fits = matches!(payload, Payload::Json { .. }) && asked.into_iter().all(|c| row.condition(c));
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
                let row = self.row(Some(relation));
                let plain = inside.is_empty() && merge.is_empty() && is_stored(columns);
                (defaults && plain && filters.iter().all(|c| row.condition(c))).then_some(relation)
            }
            Mutation::Delete(Delete { table, filters, returning: _ }) => {
                let relation = self.written(Verb::Delete, table)?;
                filters.iter().all(|c| self.row(Some(relation)).condition(c)).then_some(relation)
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
            (Source::Function(call), None) if !asks_for_caller(call) && self.function(&call.function) => None,
            (Source::Function(_) | Source::Derived, None) => return false,
        };
        let row = self.row(relation);
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
                Some(Distinct::On(values)) => values.iter().all(sorts),
            }
            && order.iter().all(|order| sorts(&order.by))
            && embeds.iter().all(|embed| self.embed(embed))
    }

    fn join(&self, join: &Join) -> bool {
        match join {
            Join::Columns(_) => true,
            Join::Junction { table, .. } => self.relation(table).is_some(),
            Join::Function { .. } => false,
        }
    }

    fn embed(&self, embed: &Embed) -> bool {
        let row = self.row_of(&embed.read);
        let gives = match &embed.output {
            EmbedOutput::Hidden | EmbedOutput::Json => true,
            EmbedOutput::Spread(columns) => columns.iter().all(|column| row.aggregate(column.aggregate.as_ref())),
        };
        self.join(&embed.join) && gives && self.read(&embed.read, None)
    }

    fn row_of(&self, read: &Read) -> Row<'_, 'a> {
        self.row(self.relation_of(read))
    }

    fn relation_of(&self, read: &Read) -> Option<&'a Relation> {
        match &read.source {
            Source::Table(name) => self.relation(name),
            Source::Function(_) | Source::Derived => None,
        }
    }

    fn relation(&self, name: &QualifiedName) -> Option<&'a Relation> {
        let relation = self.catalog.relation(&name.schema, &name.name)?;
        self.note(RELATIONS, relation.oid);
        self.looks_at(self.proven.relation(relation.oid)).then_some(relation)
    }

    /// Which of several functions of a name is called, only PostgreSQL knows.
    fn function(&self, name: &QualifiedName) -> bool {
        let overloads = self.catalog.overloads(&name.schema, &name.name);
        overloads.iter().for_each(|function| self.note(FUNCTIONS, function.oid));
        !overloads.is_empty() && overloads.iter().all(|function| self.looks_at(self.proven.function(function.oid)))
    }
}

/// Documents: each part as its read, its join and its values.
impl<'a> Known<'a> {
    fn members(&self, members: &[Member], row: Option<&'a Relation>) -> bool {
        members.iter().all(|member| self.shape(&member.value, row))
    }

    /// `row` is the relation that the row belongs to.
    fn shape(&self, shape: &Content, row: Option<&'a Relation>) -> bool {
        match shape {
            Content::Constant(_) | Content::RowId { .. } => true,
            Content::Value { field, scalar: _ } => self.row(row).field(field),
            Content::Object(members) => self.members(members, row),
            Content::Tuple(all) => all.iter().all(|one| self.shape(one, row)),
            Content::One(one) | Content::List(one) | Content::Values(one) => self.one(one),
            Content::Page(page) => self.page(page),
            Content::Groups(groups) => self.groups(groups),
            Content::Scalar { read, scalar: _ } => self.read(read, None),
            Content::Change(change) => self.change(change),
            Content::Inside(told) => self.row(row).field(&Field::column(&told.column)),
            Content::Documents(page) => self.page(page),
            Content::Sole(one) => self.one(one),
            Content::Cases(cases) => {
                let mut all = cases.cases.iter().map(|(_, then)| then).chain([&cases.otherwise]);
                self.row(row).field(&cases.field) && all.all(|then| self.shape(then, row))
            }
            Content::Either { when, then, otherwise } => {
                self.row(row).field(when) && self.members(then, row) && self.members(otherwise, row)
            }
        }
    }

    fn source(&self, join: Option<&Join>, read: &Read) -> bool {
        join.is_none_or(|join| self.join(join)) && self.read(read, None)
    }

    fn one(&self, one: &One) -> bool {
        self.source(one.join.as_ref(), &one.read) && self.members(&one.members, self.relation_of(&one.read))
    }

    fn page(&self, page: &Page) -> bool {
        let row = self.relation_of(&page.read);
        self.source(page.join.as_ref(), &page.read)
            && page.members.iter().all(|member| match &member.value {
                PageValue::Constant(_) | PageValue::Info(_) | PageValue::Total => true,
                PageValue::Edges(edges) => edges.iter().all(|edge| match &edge.value {
                    EdgeValue::Constant(_) | EdgeValue::Cursor => true,
                    EdgeValue::Node(members) => self.members(members, row),
                    EdgeValue::Document(told) => self.row(row).field(&Field::column(&told.column)),
                }),
                PageValue::Aggregates(members) => self.aggregates(members, row),
                PageValue::Documents(told) => self.row(row).field(&Field::column(&told.column)),
            })
    }

    fn aggregates(&self, members: &[AggregateMember], row: Option<&'a Relation>) -> bool {
        members.iter().all(|member| match &member.value {
            AggregateValue::Constant(_) | AggregateValue::Count => true,
            AggregateValue::Of { field, aggregate, scalar: _ } => {
                self.row(row).field(field) && self.row(row).aggregate(Some(aggregate))
            }
            AggregateValue::Object(members) => self.aggregates(members, row),
        })
    }

    fn groups(&self, groups: &Groups) -> bool {
        let row = self.relation_of(&groups.read);
        self.source(groups.join.as_ref(), &groups.read)
            && groups.members.iter().all(|member| match member {
                GroupMember::Keys(_, members) => self.members(members, row),
                GroupMember::Aggregate(member) => self.aggregates(std::slice::from_ref(member), row),
            })
    }

    fn change(&self, change: &Change) -> bool {
        self.mutation(&change.mutation).is_some_and(|written| {
            self.read(&change.read, Some(written))
                && change.members.iter().all(|member| match member {
                    ChangeMember::Constant(..) | ChangeMember::Count(_) => true,
                    ChangeMember::Records(_, members) | ChangeMember::Row(members) => {
                        self.members(members, Some(written))
                    }
                })
        })
    }
}

/// Whether the call itself looks at settings of the transaction, all of which then have to be there.
fn asks_for_caller(call: &Call) -> bool {
    let Arguments::Named(arguments) = &call.arguments else { return false };
    arguments.iter().any(|argument| matches!(argument.value, ArgumentValue::Caller { .. }))
}

/// Whether a cast, where there is one, leads to a type of PostgreSQL's own. A type that has casts of somebody else's is not proven
/// itself, and such a cast between two of PostgreSQL's types leaves nothing proven.
fn is_own(cast: Option<&TypeName>) -> bool {
    cast.is_none_or(|name| name.own_oid().is_some())
}

/// Whether a text that is cast may be read as a moment that depends on when it is read (`today`).
fn asks_the_clock(cast: Option<&TypeName>) -> bool {
    cast.and_then(TypeName::own_oid).is_some_and(|oid| MOMENTS.contains(&oid))
}

/// Whether values are stored as they come, or as documents of their texts. A cast from text to a document that is somebody
/// else's leaves nothing proven, as any between two of PostgreSQL's types.
fn is_stored(columns: &[InputColumn]) -> bool {
    columns.iter().all(|column| match &column.convert {
        None => true,
        Some(Convert::Cast(to)) => DOCUMENTS.contains(&to.as_str()),
        Some(Convert::Call(_)) => false,
    })
}

/// A row of a relation, or of a function, whose rows have no fields that are functions.
struct Row<'k, 'a> {
    known: &'k Known<'a>,
    relation: Option<&'a Relation>,
}

impl Row<'_, '_> {
    /// A stored column, and not a function that is written like one.
    fn field(&self, field: &Field) -> bool {
        let is_plain = field.convert.is_none() && field.as_type.is_none();
        is_plain && self.relation.is_some_and(|relation| relation.columns.contains_key(&field.name))
    }

    fn select(&self, select: &Select) -> bool {
        let value = match &select.value {
            Value::Star | Value::One => true,
            Value::Field(field) => self.field(field),
        };
        value && self.cast(select.cast.as_ref()) && self.aggregate(select.aggregate.as_ref())
    }

    fn cast(&self, cast: Option<&TypeName>) -> bool {
        is_own(cast) && (self.known.named.is_none() || !asks_the_clock(cast))
    }

    fn aggregate(&self, aggregate: Option<&Aggregate>) -> bool {
        aggregate.is_none_or(|aggregate| {
            self.cast(aggregate.cast.as_ref()) && aggregate.filter.iter().all(|condition| self.condition(condition))
        })
    }

    fn condition(&self, condition: &Condition) -> bool {
        match condition {
            Condition::Group { items, .. } => items.iter().all(|item| self.condition(item)),
            Condition::NotTrue(condition) => self.condition(condition),
            Condition::Compare(Comparison { field, operation, .. }) => self.field(field) && self.operation(operation),
            Condition::Aggregate(comparison) => self.select(&comparison.of) && self.operation(&comparison.operation),
            Condition::Embedded { .. } | Condition::Unknown => true,
            Condition::Related(related) => self.known.join(&related.join) && self.known.read(&related.read, None),
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
