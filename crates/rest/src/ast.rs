//! What a REST request says, before anything is known about the database.
//!
//! First stage: **parse** -> plan -> query -> execute -> render. The parser makes these values, the planner reads them.
//! Invariant: every name in here is the caller's word; the planner looks it up in the catalog before it is used.
//! Grammar: contracts and docs/guide/rest.md.

use std::collections::BTreeSet;

/// A column with an optional path into its JSON, composite or array value: `data->a->>b`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// Column or computed field.
    pub name: String,
    /// Steps into the value.
    pub path: Vec<PathStep>,
}

/// One step of a JSON path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathStep {
    /// `->>`: the result is text; only the last step may be.
    pub as_text: bool,
    /// Where to.
    pub to: PathKey,
}

/// An object key or an array index (may be negative).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PathKey {
    /// `->key`.
    Key(String),
    /// `->0`; kept as text, the database casts it.
    Index(String),
}

/// One item of `select=`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SelectItem {
    /// `alias:field.aggregate()::aggregate_cast` with `field::cast` inside. `*` has the name `*`.
    Field(SelectField),
    /// `alias:relation!hint!join(items)`, or spread: `...relation!hint!join(items)`.
    Relation(SelectRelation),
}

/// A selected column, aggregate or computed field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SelectField {
    /// The column; for a bare `count()` the name is `*`.
    pub field: Field,
    /// Output key.
    pub alias: Option<String>,
    /// Cast of the column, before any aggregate.
    pub cast: Option<String>,
    /// Aggregate over it.
    pub aggregate: Option<Aggregate>,
    /// Cast of the aggregate's result.
    pub aggregate_cast: Option<String>,
    /// `count(distinct)`: equal values count once.
    pub distinct: bool,
    /// `sum().filter(...)`: only rows that satisfy all of these.
    pub only: Vec<Logic>,
}

impl SelectField {
    /// A column as it is.
    pub fn plain(field: Field, alias: Option<String>) -> Self {
        Self { field, alias, cast: None, aggregate: None, aggregate_cast: None, distinct: false, only: Vec::new() }
    }

    /// An aggregate over a column.
    pub fn aggregate(field: Field, aggregate: Aggregate) -> Self {
        Self { aggregate: Some(aggregate), ..Self::plain(field, None) }
    }
}

/// An embedded relation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SelectRelation {
    /// Relation, foreign key constraint, foreign key column or computed relationship.
    pub name: String,
    /// Output key; never with `spread`.
    pub alias: Option<String>,
    /// `!hint`: constraint, column or junction that disambiguates.
    pub hint: Option<String>,
    /// `!inner` or `!left`.
    pub join: Option<JoinKind>,
    /// `...`: its columns are hoisted into the parent.
    pub spread: bool,
    /// What is selected inside; empty for `relation()`.
    pub items: Vec<SelectItem>,
}

/// `!inner` drops parents without a match, `!left` keeps them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JoinKind {
    /// `!inner`.
    Inner,
    /// `!left`.
    Left,
}

/// Aggregate functions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Aggregate {
    /// `sum()`.
    Sum,
    /// `avg()`.
    Avg,
    /// `min()`.
    Min,
    /// `max()`.
    Max,
    /// `count()`.
    Count,
}

/// The way from the root to an embedded relation: `clients.projects` is `["clients", "projects"]`. Empty: the root.
pub type EmbedPath = Vec<String>;

/// A boolean tree of conditions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Logic {
    /// `and(...)`, `or(...)`, `not.and(...)`, `not.or(...)`.
    Group {
        /// `not.`
        negated: bool,
        /// Which.
        operator: LogicOperator,
        /// Parts, at least one.
        items: Vec<Logic>,
    },
    /// One condition.
    Filter(Filter),
    /// One condition on a group; only in `having=`.
    Aggregate(AggregateFilter),
}

/// And or or.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogicOperator {
    /// All.
    And,
    /// Any.
    Or,
}

/// `field=operation`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter {
    /// What is compared; the name of an embedded relation for null filters on embeds.
    pub field: Field,
    /// `not.`
    pub negated: bool,
    /// The comparison.
    pub operation: Operation,
}

/// `amount.sum().operation`: a condition on the rows of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AggregateFilter {
    /// The aggregate; it has no alias.
    pub of: SelectField,
    /// `not.`
    pub negated: bool,
    /// The comparison.
    pub operation: Operation,
}

/// A comparison with the caller's value(s).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Operation {
    /// `eq gt gte lt lte like ilike match imatch`, with `(any)` or `(all)`.
    Compare {
        /// Which.
        operator: CompareOperator,
        /// Over an array literal.
        quantifier: Option<Quantifier>,
        /// The value as typed; `*` is still `*` in patterns.
        value: String,
    },
    /// `neq cs cd ov sl sr nxr nxl adj`.
    Simple {
        /// Which.
        operator: SimpleOperator,
        /// The value as typed.
        value: String,
    },
    /// `in.(a,b)`.
    In(Vec<String>),
    /// `is.null` and its family.
    Is(IsValue),
    /// `isdistinct.value`.
    IsDistinct(String),
    /// `fts plfts phfts wfts`, with `(config)`.
    FullText {
        /// Which query parser.
        operator: FullTextOperator,
        /// Text search configuration.
        language: Option<String>,
        /// The query.
        value: String,
    },
    /// What PostgREST does not have.
    Extended(Extended),
}

/// Comparisons beyond PostgREST's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Extended {
    /// `gt(col).other`: with another column of the same relation.
    Column {
        /// Which.
        operator: ColumnOperator,
        /// The other column.
        field: Field,
    },
    /// `has.key`, `hasany.(a,b)`, `hasall.(a,b)`: keys of a jsonb object or texts in a jsonb list.
    Keys {
        /// Which.
        test: KeyTest,
        /// The keys.
        keys: Vec<String>,
    },
    /// `fuzzy.word`, `fuzzyword.word`: a text that is like the word, or has a part that is.
    Similar {
        /// A part is enough.
        word: bool,
        /// The word.
        value: String,
    },
    /// `within.(metres,longitude,latitude)`, as written.
    Within(Vec<String>),
    /// `jsonpath.$.a[*]` (it finds something) or `jsonmatch.$.a > 1` (its predicate holds).
    JsonPath {
        /// Which.
        test: PathTest,
        /// The path, in SQL/JSON's language.
        path: String,
    },
}

/// What compares two columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // named as in the URL
pub enum ColumnOperator {
    Compare(CompareOperator),
    Simple(SimpleOperator),
    IsDistinct,
}

/// How many of the keys must be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum KeyTest {
    One,
    Any,
    All,
}

/// What a JSON path is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PathTest {
    /// Whether it finds anything.
    Finds,
    /// Whether its predicate holds.
    Holds,
}

/// Operators that take `(any)` and `(all)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // named as in the URL
pub enum CompareOperator {
    Eq,
    Gt,
    Gte,
    Lt,
    Lte,
    Like,
    Ilike,
    Match,
    Imatch,
}

/// Operators that do not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // named as in the URL
pub enum SimpleOperator {
    Neq,
    Contains,
    ContainedIn,
    Overlaps,
    StrictlyLeft,
    StrictlyRight,
    NotExtendsRight,
    NotExtendsLeft,
    Adjacent,
}

/// `(any)` or `(all)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Quantifier {
    Any,
    All,
}

/// What `is` compares with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum IsValue {
    Null,
    NotNull,
    True,
    False,
    Unknown,
}

/// Parsers of text search queries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FullTextOperator {
    /// `fts`: `to_tsquery`.
    Fts,
    /// `plfts`: `plainto_tsquery`.
    Plain,
    /// `phfts`: `phraseto_tsquery`.
    Phrase,
    /// `wfts`: `websearch_to_tsquery`.
    Websearch,
}

/// One term of `order=`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderTerm {
    /// `rel(col)`: order by a column of a to-one embed.
    pub relation: Option<String>,
    /// What to order by.
    pub field: Field,
    /// By what is made of it, not by the value itself.
    pub measure: Option<Measure>,
    /// `.asc` or `.desc`; default ascending.
    pub direction: Option<Direction>,
    /// `.nullsfirst` or `.nullslast`; default PostgreSQL's.
    pub nulls: Option<Nulls>,
}

/// What a term of an order makes of its field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Measure {
    /// `amount.sum()`, in an answer that groups.
    Aggregate(Aggregate),
    /// `title.similarity(word)`.
    Similarity(String),
    /// `place.distance(longitude,latitude)`, as written.
    Distance(Vec<String>),
}

/// Direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Direction {
    Asc,
    Desc,
}

/// Where NULLs go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Nulls {
    First,
    Last,
}

/// `distinct=`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Distinct {
    /// `*`: equal rows are shown once.
    Rows,
    /// `a,b`: one row for each value of these; `order` decides which.
    On(Vec<Field>),
}

/// `cursor=`: where a page by keys begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cursor {
    /// `first`: at the beginning of the list.
    First,
    /// `last`: at its end.
    Last,
    /// Where another page ended; sealed.
    At(String),
}

/// Rows from `offset`, at most `limit`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Window {
    /// Rows to skip.
    pub offset: u64,
    /// Rows to give; `None` for all.
    pub limit: Option<u64>,
}

/// The query string, taken apart. Pairs keep the order of the URL.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query {
    /// `select=`; `*` when absent.
    pub select: Vec<SelectItem>,
    /// Filters at the root and inside embeds.
    pub filters: Vec<(EmbedPath, Filter)>,
    /// `and=`, `or=`, `not.and=`, `rel.or=`.
    pub logic: Vec<(EmbedPath, Logic)>,
    /// `order=`, `rel.order=`.
    pub order: Vec<(EmbedPath, Vec<OrderTerm>)>,
    /// `limit=`, `offset=`, `rel.limit=`, `rel.offset=`; the root's is merged with the Range header by the request.
    pub windows: Vec<(EmbedPath, Window)>,
    /// `distinct=`, `rel.distinct=`. This one and the two below are not in PostgREST's grammar.
    pub distinct: Vec<(EmbedPath, Distinct)>,
    /// `group_by=`, `rel.group_by=`.
    pub group_by: Vec<(EmbedPath, Vec<Field>)>,
    /// `having=`, `rel.having=`.
    pub having: Vec<(EmbedPath, Logic)>,
    /// `cursor=`.
    pub cursor: Option<Cursor>,
    /// `columns=`.
    pub columns: Option<BTreeSet<String>>,
    /// `on_conflict=`.
    pub on_conflict: Option<Vec<String>>,
    /// `on=` of an update of many rows: the key by which they are found.
    pub on: Option<Vec<String>>,
    /// Everything that can be an argument of a function, decoded, in order (GET /rpc).
    pub arguments: Vec<(String, String)>,
    /// Parameters that are filters, as they are written in the URL, for telling arguments from filters.
    pub filter_fields: BTreeSet<String>,
    /// The query string with its pairs in canonical order (`Content-Location`, `request.path` stays without it).
    pub canonical: String,
}

impl Query {
    /// Whether it has a parameter of ours that only reading has.
    pub fn asks_how_to_read(&self) -> bool {
        !(self.distinct.is_empty() && self.group_by.is_empty() && self.having.is_empty() && self.cursor.is_none())
    }
}
