//! From the tree of the request to the read tree of the plan.
//!
//! Second step of planning: every relation is looked up on its way down, what it selects and asks for is resolved, and
//! on the way up spreads hand their columns, and aggregates over them, to the nearest relation that is shown as rows.

use ferrobase_catalog::{Link, Relation, Relationship, TypeClass};
use ferrobase_query::TypeName;
use ferrobase_query::plan::{
    Aggregate, Condition, Distinct, Embed, EmbedOutput, Field, Join, OrderBy, Read, Select, Source, SpreadColumn,
    SpreadValue, Value, Window,
};

use super::field::{order, path_name, type_class};
use super::grouping::{self, Grouping, distinct_first};
use super::node::Node;
use super::{PlanError, Planner};
use crate::ast::{self, IsValue, JoinKind, Operation};
use crate::error::Error;

/// Where a node stands and what is known about its source.
pub(super) struct Site<'s> {
    /// Where its rows come from.
    pub(super) source: Source,
    /// Its name in messages, and where its relationships start.
    pub(super) name: &'s str,
    /// What the catalog knows of it.
    pub(super) relation: Option<&'s Relation>,
    /// Bound for its rows and those of its embeds.
    pub(super) max_rows: Option<u64>,
}

/// How a node is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shown {
    /// As rows of its own.
    Rows,
    /// Its columns go to its parent, one row for a row of the parent.
    SpreadOne,
    /// Its columns go to its parent as lists.
    SpreadMany,
}

/// What a node inherits.
#[derive(Clone, Copy)]
struct Inherited {
    shown: Shown,
    /// Something above needs columns by name (aggregates, lists of a spread), so `*` must be written out.
    by_name: bool,
}

/// A node with the columns that it hands up when it is spread.
struct Grown {
    read: Read,
    columns: Vec<SpreadColumn>,
}

impl Planner<'_> {
    /// The read tree of a request.
    pub(super) fn tree(&self, node: &Node<'_>, site: Site<'_>) -> Result<Read, PlanError> {
        Ok(self.grow(node, site, Inherited { shown: Shown::Rows, by_name: false })?.read)
    }

    fn grow(&self, node: &Node<'_>, site: Site<'_>, inherited: Inherited) -> Result<Grown, PlanError> {
        let selects_aggregates = node.fields.iter().any(|field| field.aggregate.is_some());
        let aggregates = selects_aggregates || grouping::groups(node);
        let by_name = inherited.by_name || selects_aggregates || inherited.shown == Shown::SpreadMany;
        let mut own = self.own_columns(node, site.relation, inherited.shown, by_name)?;
        let mut embeds = Vec::with_capacity(node.children.len());
        for child in &node.children {
            let (embed, handed_up) = self.embed(child, &site, Inherited { shown: inherited.shown, by_name })?;
            own.handed_up.extend(handed_up);
            embeds.push(embed);
        }
        if aggregates && !self.rules.aggregates {
            return Err(Error::Aggregates.into());
        }
        if inherited.shown == Shown::SpreadMany && own.handed_up.iter().any(|column| column.aggregate.is_some()) {
            let why = "Aggregates are not implemented for one-to-many or many-to-many spreads.";
            return Err(Error::NotImplemented(why.to_owned()).into());
        }
        let Grouping { group_by, having, distinct } = self.grouping(node, site.relation, &own.select)?;
        let mut order = self.orders(node, &site, &own.select, &mut embeds)?;
        if distinct == Some(Distinct::Rows) {
            self.order_as_shown(&mut order, site.relation);
        }
        let order = distinct_first(order, distinct.as_ref(), site.relation);
        let read = Read {
            select: own.select,
            filters: self.conditions(node, site.relation)?,
            group_by,
            having,
            distinct,
            order,
            window: bounded(node.window, site.max_rows),
            embeds,
            source: site.source,
            name: site.name.to_owned(),
        };
        Ok(Grown { read, columns: only_star(own.handed_up) })
    }

    fn own_columns(
        &self,
        node: &Node<'_>,
        relation: Option<&Relation>,
        shown: Shown,
        by_name: bool,
    ) -> Result<OwnColumns, PlanError> {
        let mut own = OwnColumns::default();
        let compares = node.distinct == Some(&ast::Distinct::Rows);
        for field in &node.fields {
            let is_star = field.field.name == "*" && field.aggregate.is_none();
            let must_list =
                |relation: &Relation| by_name || self.presents(relation) || (compares && has_json(relation));
            match relation.filter(|relation| is_star && must_list(relation)) {
                Some(relation) => {
                    for name in relation.columns.keys() {
                        let column = ast::Field { name: name.clone(), path: Vec::new() };
                        let column = self.output_field(Some(relation), &column);
                        let name = column.convert.is_some().then(|| name.clone());
                        let select = Select { value: Value::Field(column), cast: None, aggregate: None, name };
                        own.push(if compares { comparable(select, Some(relation)) } else { select });
                    }
                }
                None if is_star => own.push(Select::star()),
                None => {
                    let aggregate = self.aggregate(relation, field)?;
                    if shown != Shown::Rows && aggregate.as_ref().is_some_and(|aggregate| !aggregate.filter.is_empty())
                    {
                        // The parent aggregates there, and does not see the columns that the conditions name.
                        return Err(PlanError::SpreadFilter);
                    }
                    let select = self.select(field, relation, shown, aggregate.is_some())?;
                    let select = if compares { comparable(select, relation) } else { select };
                    own.push_aggregated(select, aggregate, shown);
                }
            }
        }
        Ok(own)
    }

    /// A select item without its aggregate.
    fn select(
        &self,
        field: &ast::SelectField,
        relation: Option<&Relation>,
        shown: Shown,
        aggregated: bool,
    ) -> Result<Select, PlanError> {
        let is_star = field.field.name == "*";
        let value = if is_star {
            // Rows of a spread are counted by its parent, in a join with others.
            if shown == Shown::Rows { Value::Star } else { Value::One }
        } else if aggregated {
            Value::Field(self.field(relation, &field.field))
        } else {
            Value::Field(self.output_field(relation, &field.field))
        };
        let converted = matches!(&value, Value::Field(Field { convert: Some(_), .. }));
        // Groups are of the column, which this one cannot be: a name makes them groups of what is shown.
        let has_equality =
            |relation: &Relation| relation.column(&field.field.name).is_none_or(|column| column.comparable);
        let only_shown = field.cast.is_some() && !relation.is_none_or(has_equality);
        let implied = if aggregated {
            // A parent must know the column's name.
            field.aggregate.filter(|_| shown != Shown::Rows).map(|aggregate| aggregate_name(aggregate).to_owned())
        } else {
            path_name(&field.field)
                .or((converted || only_shown).then_some(field.field.name.as_str()))
                .map(str::to_owned)
        };
        let name = field.alias.clone().or(implied);
        Ok(Select { value, cast: self.cast(field.cast.as_deref())?, aggregate: None, name })
    }

    fn embed(
        &self,
        child: &Node<'_>,
        site: &Site<'_>,
        inherited: Inherited,
    ) -> Result<(Embed, Vec<SpreadColumn>), PlanError> {
        let way = self.relationship(site.name, child.name, child.hint)?;
        let to_one = way.is_to_one();
        let shown = match (child.spread, to_one) {
            (false, _) => Shown::Rows,
            (true, true) => Shown::SpreadOne,
            (true, false) => Shown::SpreadMany,
        };
        let below = Site {
            source: Source::Table(way.target.clone()),
            name: &way.target.name,
            relation: self.catalog.relations.get(&way.target).map(AsRef::as_ref),
            // A write shows all of its rows, but not all of what is related to them.
            max_rows: site.max_rows.or(self.rules.max_rows.filter(|_| self.rules.extensions)),
        };
        let Grown { mut read, columns } = self.grow(child, below, Inherited { shown, ..inherited })?;
        if to_one {
            // One row needs no bound, and without one PostgreSQL may join instead of looking each row up.
            read.window = window(child.window);
        }
        let (output, handed_up) = match shown {
            Shown::Rows if child.is_empty() => (EmbedOutput::Hidden, Vec::new()),
            Shown::Rows => (EmbedOutput::Json, vec![named_column(child.key().to_owned())]),
            Shown::SpreadOne => spread_one(columns, inherited.shown),
            Shown::SpreadMany => {
                let names = columns.iter().map(|column| named_column(output_name(column))).collect();
                (EmbedOutput::Spread(columns), names)
            }
        };
        let embed = Embed {
            name: child.key().to_owned(),
            join: join(way),
            to_one,
            inner: child.join == Some(JoinKind::Inner),
            output,
            read,
        };
        Ok((embed, handed_up))
    }

    fn conditions(&self, node: &Node<'_>, relation: Option<&Relation>) -> Result<Vec<Condition>, PlanError> {
        let embedded = |filter: &ast::Filter| null_filter(node, filter);
        let filters =
            node.filters.iter().map(|filter| embedded(filter).map_or_else(|| self.filter(relation, filter), Ok));
        let logic = node.logic.iter().map(|logic| self.logic(relation, logic, &embedded));
        filters.chain(logic).collect()
    }

    fn orders(
        &self,
        node: &Node<'_>,
        site: &Site<'_>,
        select: &[Select],
        embeds: &mut [Embed],
    ) -> Result<Vec<ferrobase_query::plan::Order>, PlanError> {
        let mut terms = Vec::with_capacity(node.order.len());
        for term in node.order {
            let by = match &term.relation {
                None => self.own_order(term, site.relation, select)?,
                Some(target) => {
                    let Some((embed, _)) = node.child(target) else {
                        return Err(Error::NotEmbedded { name: target.clone(), alias: None }.into());
                    };
                    if !embeds[embed].to_one {
                        let origin = site.name.to_owned();
                        return Err(Error::RelatedOrder { origin, target: target.clone() }.into());
                    }
                    self.check_shown(&mut embeds[embed], target, &term.field.name)?;
                    OrderBy::Embedded { embed, field: self.field(None, &term.field) }
                }
            };
            terms.push(order(by, term));
        }
        Ok(terms)
    }

    /// What orders the parent is read with the embed: by the name that it is shown under, or alone where nothing is shown.
    fn check_shown(&self, embed: &mut Embed, target: &str, column: &str) -> Result<(), PlanError> {
        let select = &mut embed.read.select;
        if embed.output == EmbedOutput::Hidden {
            if !select.iter().any(|select| *select == Select::column(column)) {
                select.push(Select::column(column));
            }
            return Ok(());
        }
        let is_it = |select: &Select| match (&select.name, &select.value) {
            (Some(name), _) => name == column,
            (None, Value::Field(field)) => field.name == column,
            _ => true,
        };
        if self.rules.extensions && !select.is_empty() && !select.iter().any(is_it) {
            return Err(PlanError::OrderNotShown { target: target.to_owned(), column: column.to_owned() });
        }
        Ok(())
    }

    /// Whether some column of a relation is shown through a function.
    fn presents(&self, relation: &Relation) -> bool {
        !self.catalog.representations.is_empty()
            && relation
                .columns
                .values()
                .any(|column| self.catalog.representation(&column.declared_type, "json").is_some())
    }
}

/// What a node selects of itself, and what of that it hands up when it is spread.
#[derive(Default)]
struct OwnColumns {
    select: Vec<Select>,
    handed_up: Vec<SpreadColumn>,
}

impl OwnColumns {
    fn push(&mut self, select: Select) {
        let value = match (&select.name, &select.value) {
            (Some(name), _) => SpreadValue::Named(name.clone()),
            (None, Value::Field(field)) => SpreadValue::Named(field.name.clone()),
            (None, Value::Star | Value::One) => SpreadValue::All,
        };
        self.handed_up.push(SpreadColumn { value, aggregate: None, name: None });
        self.select.push(select);
    }

    /// Under a to-one spread the parent aggregates, over the rows of the join.
    fn push_aggregated(&mut self, select: Select, aggregate: Option<Aggregate>, shown: Shown) {
        if shown == Shown::Rows {
            self.push(Select { aggregate, ..select });
            return;
        }
        self.push(select);
        if let (Some(column), Some(aggregate)) = (self.handed_up.last_mut(), aggregate) {
            column.name = Some(output_name(column));
            column.aggregate = Some(aggregate);
        }
    }
}

/// What a to-one spread shows to its parent, and what the parent hands up if it is a to-one spread itself: then the
/// aggregates go further up too.
fn spread_one(columns: Vec<SpreadColumn>, parent: Shown) -> (EmbedOutput, Vec<SpreadColumn>) {
    let handed_up = columns
        .iter()
        .map(|column| match &column.value {
            SpreadValue::All => column.clone(),
            SpreadValue::Named(_) => {
                let name = output_name(column);
                let renamed = column.aggregate.is_some().then(|| name.clone());
                SpreadColumn { value: SpreadValue::Named(name), aggregate: column.aggregate.clone(), name: renamed }
            }
        })
        .collect();
    let shown = match parent {
        Shown::Rows => columns,
        Shown::SpreadOne | Shown::SpreadMany => {
            columns.into_iter().map(|column| SpreadColumn { aggregate: None, ..column }).collect()
        }
    };
    (EmbedOutput::Spread(shown), handed_up)
}

/// `*` of a subquery has all of its columns, also those that are listed beside it.
fn only_star(columns: Vec<SpreadColumn>) -> Vec<SpreadColumn> {
    match columns.iter().find(|column| column.value == SpreadValue::All) {
        Some(star) => vec![star.clone()],
        None => columns,
    }
}

fn has_json(relation: &Relation) -> bool {
    relation.columns.values().any(|column| column.type_class == TypeClass::Json)
}

/// A value of which PostgreSQL can say whether two are equal: `json` becomes `jsonb`, also where a function presents a domain so.
pub(super) fn comparable(select: Select, relation: Option<&Relation>) -> Select {
    let Value::Field(field) = &select.value else { return select };
    let is_json = field.convert.is_some()
        || relation.and_then(|relation| type_class(relation, &field.name)) == Some(TypeClass::Json);
    let ends_as_text = field.path.last().is_some_and(|step| step.as_text);
    if !is_json || ends_as_text || select.cast.is_some() || select.aggregate.is_some() {
        return select;
    }
    let name = select.name.clone().or_else(|| Some(field.name.clone()));
    Select { cast: Some(TypeName::from_caller("jsonb")), name, ..select }
}

fn named_column(name: String) -> SpreadColumn {
    SpreadColumn { value: SpreadValue::Named(name), aggregate: None, name: None }
}

fn output_name(column: &SpreadColumn) -> String {
    match (&column.name, &column.value) {
        (Some(name), _) | (None, SpreadValue::Named(name)) => name.clone(),
        (None, SpreadValue::All) => "*".to_owned(),
    }
}

fn aggregate_name(aggregate: ast::Aggregate) -> &'static str {
    match aggregate {
        ast::Aggregate::Sum => "sum",
        ast::Aggregate::Avg => "avg",
        ast::Aggregate::Min => "min",
        ast::Aggregate::Max => "max",
        ast::Aggregate::Count => "count",
    }
}

/// A filter that asks whether an embed has rows: `clients=is.null`, `clients=not.is.null`.
fn null_filter(node: &Node<'_>, filter: &ast::Filter) -> Option<Condition> {
    if !filter.field.path.is_empty() {
        return None;
    }
    let asks_for_none = match filter.operation {
        Operation::Is(IsValue::Null) => true,
        Operation::Is(IsValue::NotNull) => false,
        _ => return None,
    };
    let (embed, _) = node.child(&filter.field.name)?;
    Some(Condition::Embedded { embed, exists: asks_for_none == filter.negated })
}

fn join(way: &Relationship) -> Join {
    match &way.link {
        Link::ManyToOne { columns, .. } | Link::OneToMany { columns, .. } | Link::OneToOne { columns, .. } => {
            Join::Columns(columns.clone())
        }
        Link::ManyToMany(junction) => Join::Junction {
            table: junction.table.clone(),
            parent: junction.source_columns.clone(),
            target: junction.target_columns.clone(),
        },
        Link::Computed { function, .. } => Join::Function { function: function.clone(), row_type: way.source.clone() },
    }
}

fn window(window: ast::Window) -> Window {
    Window { offset: window.offset, limit: window.limit }
}

/// A window with no more rows than the server gives.
fn bounded(asked: ast::Window, most: Option<u64>) -> Window {
    let limit = match (asked.limit, most) {
        (Some(limit), Some(most)) => Some(limit.min(most)),
        (limit, most) => limit.or(most),
    };
    Window { limit, ..window(asked) }
}
