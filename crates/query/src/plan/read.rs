//! A node of the read tree: a source, what is taken from its rows, and what hangs below it.

use ferrobase_catalog::QualifiedName;

use super::{Call, Condition, Embed, Place};
use crate::sql::CatalogSql;
use crate::type_name::TypeName;

/// Rows of one source.
#[derive(Clone, Debug, PartialEq)]
pub struct Read {
    /// Where the rows come from.
    pub source: Source,
    /// How the source is called in messages of PostgreSQL: the name of the relation or function.
    pub name: String,
    /// What is taken from each row; with no embeds either, everything.
    pub select: Vec<Select>,
    /// Conditions that all hold.
    pub filters: Vec<Condition>,
    /// What rows are put in groups by; with none, and aggregates or conditions on groups, by all that is selected.
    pub group_by: Vec<GroupKey>,
    /// Conditions on groups that all hold.
    pub having: Vec<Condition>,
    /// Which rows are left out because they are like another one.
    pub distinct: Option<Distinct>,
    /// Order of the rows.
    pub order: Vec<Order>,
    /// Which of them.
    pub window: Window,
    /// Related rows.
    pub embeds: Vec<Embed>,
}

impl Read {
    /// All rows of a source.
    pub fn from(source: Source, name: impl Into<String>) -> Self {
        Self {
            source,
            name: name.into(),
            select: Vec::new(),
            filters: Vec::new(),
            group_by: Vec::new(),
            having: Vec::new(),
            distinct: None,
            order: Vec::new(),
            window: Window::default(),
            embeds: Vec::new(),
        }
    }

    /// Whether rows are put in groups: that is asked for, or some selected value, own or spread, is an aggregate.
    pub fn is_grouped(&self) -> bool {
        self.asks_for_groups() || self.selects_aggregates()
    }

    /// Whether fewer rows may be shown than there are in what is read.
    pub fn is_narrowed(&self) -> bool {
        self.is_grouped() || self.embeds.iter().any(|embed| embed.inner)
    }

    /// Whether rows of the answer are counted after grouping and leaving out: where the request says so. (Aggregates
    /// alone do not: then the rows below them are counted, as PostgREST does.)
    pub(crate) fn counts_answers(&self) -> bool {
        self.asks_for_groups() || self.distinct.is_some()
    }

    fn asks_for_groups(&self) -> bool {
        let by_aggregate = |order: &Order| matches!(&order.by, OrderBy::Value(value) if value.aggregate.is_some());
        !self.group_by.is_empty() || !self.having.is_empty() || self.order.iter().any(by_aggregate)
    }

    /// Whether whole rows are compared.
    pub(crate) fn is_distinct(&self) -> bool {
        self.distinct == Some(Distinct::Rows)
    }

    fn selects_aggregates(&self) -> bool {
        self.select.iter().any(|s| s.aggregate.is_some()) || self.embeds.iter().any(Embed::spreads_aggregates)
    }
}

/// What rows are put in groups by.
#[derive(Clone, Debug, PartialEq)]
pub enum GroupKey {
    /// A column or a way into it.
    Field(Field),
    /// An item of [`Read::select`], by its index.
    Item(usize),
}

/// Which rows are left out.
#[derive(Clone, Debug, PartialEq)]
pub enum Distinct {
    /// Those that are equal to another one.
    Rows,
    /// All but the first for each value of these; [`Read::order`] begins with them.
    On(Vec<OrderBy>),
}

/// Where rows come from.
#[derive(Clone, Debug, PartialEq)]
pub enum Source {
    /// A table or view.
    Table(QualifiedName),
    /// A function call; only at the root.
    Function(Box<Call>),
    /// The rows that the statement's mutation returns; only at the root.
    Derived,
}

/// One value of the select list.
#[derive(Clone, Debug, PartialEq)]
pub struct Select {
    /// What.
    pub value: Value,
    /// Cast of the value, before any aggregate.
    pub cast: Option<TypeName>,
    /// Aggregate over it.
    pub aggregate: Option<Aggregate>,
    /// Output name, when it is not the column's.
    pub name: Option<String>,
}

impl Select {
    /// A column under its own name.
    pub fn column(name: impl Into<String>) -> Self {
        Self { value: Value::Field(Field::column(name)), cast: None, aggregate: None, name: None }
    }

    /// All columns.
    pub fn star() -> Self {
        Self { value: Value::Star, cast: None, aggregate: None, name: None }
    }
}

/// What a select item takes.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// All columns; under `count` the rows.
    Star,
    /// A constant for each row: for counting the rows of one side of a join.
    One,
    /// A column, or a way into it.
    Field(Field),
}

/// A column or computed field, with an optional path into its value.
#[derive(Clone, Debug, PartialEq)]
pub struct Field {
    /// Column or computed field.
    pub name: String,
    /// Steps into the value.
    pub path: Vec<PathStep>,
    /// The value must become `jsonb` before a path can lead into it (it is an array, a composite or unknown).
    pub to_document: bool,
    /// Function that presents the value (domain to `json`) or, in a filter, reads the caller's text (text to domain).
    pub convert: Option<CatalogSql>,
    /// The type as which operators and functions take the column, where they do not take its own.
    pub as_type: Option<CatalogSql>,
}

impl Field {
    /// The column as it is.
    pub fn column(name: impl Into<String>) -> Self {
        Self { name: name.into(), path: Vec::new(), to_document: false, convert: None, as_type: None }
    }
}

/// A step of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathStep {
    /// `->>`: the result is text.
    pub as_text: bool,
    /// Where to.
    pub to: PathKey,
}

/// Where a step of a path leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PathKey {
    /// The value of a key.
    Key(String),
    /// The element at an index, counted from the end when negative; digits, as text.
    Index(String),
}

/// An aggregate over a value.
#[derive(Clone, Debug, PartialEq)]
pub struct Aggregate {
    /// Which.
    pub function: AggregateFunction,
    /// Equal values count once.
    pub distinct: bool,
    /// It sees only rows that satisfy all of these.
    pub filter: Vec<Condition>,
    /// Cast of its result.
    pub cast: Option<TypeName>,
}

impl Aggregate {
    /// Over all values.
    pub fn of(function: AggregateFunction) -> Self {
        Self { function, distinct: false, filter: Vec::new(), cast: None }
    }
}

/// Aggregate functions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // named as in SQL
pub enum AggregateFunction {
    Sum,
    Avg,
    Min,
    Max,
    Count,
}

impl AggregateFunction {
    /// Its name in SQL, which is also the default output name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sum => "sum",
            Self::Avg => "avg",
            Self::Min => "min",
            Self::Max => "max",
            Self::Count => "count",
        }
    }
}

/// One term of an order.
#[derive(Clone, Debug, PartialEq)]
pub struct Order {
    /// By what.
    pub by: OrderBy,
    /// Direction, PostgreSQL's default when not given.
    pub direction: Option<Direction>,
    /// Where NULLs go, PostgreSQL's default when not given.
    pub nulls: Option<Nulls>,
}

/// What rows are ordered by.
#[derive(Clone, Debug, PartialEq)]
pub enum OrderBy {
    /// A column of the source.
    Field(Field),
    /// A value of the select list, written out: an aggregate.
    Value(Box<Select>),
    /// How like a text is to another one (needs pg_trgm): descending begins with the most similar, as does the default.
    Similarity {
        /// The text.
        field: Field,
        /// The schema of pg_trgm.
        schema: String,
        /// The other text.
        to: String,
    },
    /// How far a place is (needs PostGIS).
    Distance {
        /// The place of the row.
        field: Field,
        /// The other place.
        place: Place,
    },
    /// An output column of a to-one embed.
    Embedded {
        /// Index in [`Read::embeds`].
        embed: usize,
        /// The column as the embed names it.
        field: Field,
    },
}

/// Direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Direction {
    Ascending,
    Descending,
}

/// Where NULLs go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Nulls {
    First,
    Last,
}

/// Rows from `offset`, at most `limit`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Window {
    /// Rows to skip.
    pub offset: u64,
    /// Rows to give; `None` for all.
    pub limit: Option<u64>,
}

impl Window {
    /// All rows.
    pub fn is_all(&self) -> bool {
        *self == Self::default()
    }

    /// Whether it can make an empty list of one that is not.
    pub(crate) fn can_empty(&self) -> bool {
        self.offset > 0 || self.limit == Some(0)
    }
}

/// Columns of a source that later stages of the statement need.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Columns {
    /// All of them.
    All,
    /// These, which may be computed fields. None: only the number of rows matters.
    Named(Vec<String>),
}

/// Keeps the rows of the root as they are until the transaction ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lock {
    /// Against what.
    pub strength: LockStrength,
    /// What happens to rows that somebody else holds.
    pub wait: LockWait,
}

/// What a lock keeps others from, from all to least.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // named as in SQL
pub enum LockStrength {
    Update,
    NoKeyUpdate,
    Share,
    KeyShare,
}

/// What a lock does about rows that are held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LockWait {
    /// Waits.
    Wait,
    /// `NOWAIT`: fails.
    Fail,
    /// `SKIP LOCKED`: leaves them out.
    Skip,
}
