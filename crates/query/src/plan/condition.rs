//! What rows must satisfy.

use super::{Field, Join, Place, Read, Select, Similarity};

/// A boolean tree.
#[derive(Clone, Debug, PartialEq)]
pub enum Condition {
    /// Several conditions.
    Group {
        /// The whole is negated.
        negated: bool,
        /// How they combine.
        operator: LogicOperator,
        /// Parts; all of none is true, any of none false.
        items: Vec<Condition>,
    },
    /// False or unknown.
    NotTrue(Box<Condition>),
    /// A comparison of a column.
    Compare(Comparison),
    /// A comparison of an aggregate; only among the conditions on groups.
    Aggregate(AggregateComparison),
    /// Whether an embed has rows.
    Embedded {
        /// Index in the embeds of the same read.
        embed: usize,
        /// It must have some, or none.
        exists: bool,
    },
    /// Whether there are related rows.
    Related(Box<Related>),
    /// Neither true nor false, as whatever is compared with NULL.
    Unknown,
}

/// Rows of another source that belong to the row.
#[derive(Clone, Debug, PartialEq)]
pub struct Related {
    /// There must be some, or none.
    pub exists: bool,
    /// How they correspond.
    pub join: Join,
    /// Which of them; order and window do not count. With [`Read::having`] they are one group, also when there are none,
    /// and it is asked whether that is as it should be.
    pub read: Read,
}

/// And or or.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogicOperator {
    /// All.
    And,
    /// Any.
    Or,
}

/// A column compared with values.
#[derive(Clone, Debug, PartialEq)]
pub struct Comparison {
    /// The column; its `convert` reads the value, where there is one.
    pub field: Field,
    /// The result is negated.
    pub negated: bool,
    /// How.
    pub operation: Operation,
}

/// An aggregate compared with values.
#[derive(Clone, Debug, PartialEq)]
pub struct AggregateComparison {
    /// The aggregate, as a select item has it.
    pub of: Select,
    /// The result is negated.
    pub negated: bool,
    /// How.
    pub operation: Operation,
}

/// A comparison and its values.
#[derive(Clone, Debug, PartialEq)]
pub enum Operation {
    /// `column operator value`, or with `any`/`all` of an array literal.
    Binary {
        /// The operator.
        operator: Operator,
        /// Over an array.
        quantifier: Option<Quantifier>,
        /// The value, in PostgreSQL's spelling (patterns with `%`).
        value: String,
    },
    /// Equal to one of these; of none, never.
    In(Vec<String>),
    /// `IS ...`.
    Is(Is),
    /// `IS DISTINCT FROM` a value.
    DistinctFrom(String),
    /// Full-text search.
    Search {
        /// What reads the query.
        parser: SearchParser,
        /// Text search configuration; the database's default when not given.
        configuration: Option<String>,
        /// The query.
        query: String,
        /// The column is text and must become a `tsvector` first.
        vectorise: bool,
    },
    /// `column operator other column`.
    Column {
        /// The operator.
        operator: Operator,
        /// The other column, of the same source.
        field: Field,
    },
    /// Keys of a `jsonb` object, or texts in a `jsonb` list.
    Keys {
        /// How many of them must be there.
        test: KeyTest,
        /// The keys; one for [`KeyTest::One`].
        keys: Vec<String>,
        /// The value is `json` and must become `jsonb` first.
        convert: bool,
    },
    /// A text that is like another one (needs pg_trgm).
    Similar {
        /// The schema of pg_trgm.
        schema: String,
        /// What is compared with what.
        by: Similarity,
        /// The other text.
        value: String,
    },
    /// A place within a distance (needs PostGIS).
    Within {
        /// Of where.
        place: Place,
        /// How far, in metres, as text of a number.
        metres: String,
        /// A box in degrees around all that can be within (west, south, east, north), for an index on a geometry.
        bounds: Option<[String; 4]>,
    },
    /// A JSON path on a `jsonb` value.
    JsonPath {
        /// What it is asked.
        test: PathTest,
        /// The path.
        path: String,
        /// The value is `json` and must become `jsonb` first.
        convert: bool,
    },
}

/// How many keys must be there.
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

/// Binary operators.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // named for what SQL writes
pub enum Operator {
    Equal,
    NotEqual,
    Greater,
    GreaterOrEqual,
    Less,
    LessOrEqual,
    Like,
    ILike,
    Match,
    IMatch,
    Contains,
    ContainedIn,
    Overlaps,
    StrictlyLeft,
    StrictlyRight,
    NotExtendsRight,
    NotExtendsLeft,
    Adjacent,
    DistinctFrom,
}

impl Operator {
    /// Its SQL spelling.
    pub(crate) fn sql(self) -> &'static str {
        match self {
            Self::Equal => "=",
            Self::NotEqual => "<>",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Like => "like",
            Self::ILike => "ilike",
            Self::Match => "~",
            Self::IMatch => "~*",
            Self::Contains => "@>",
            Self::ContainedIn => "<@",
            Self::Overlaps => "&&",
            Self::StrictlyLeft => "<<",
            Self::StrictlyRight => ">>",
            Self::NotExtendsRight => "&<",
            Self::NotExtendsLeft => "&>",
            Self::Adjacent => "-|-",
            Self::DistinctFrom => "IS DISTINCT FROM",
        }
    }

    /// Whether its value is a pattern, which no domain reads.
    pub(crate) fn takes_pattern(self) -> bool {
        matches!(self, Self::Like | Self::ILike)
    }
}

/// Over the elements of an array.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Quantifier {
    Any,
    All,
}

/// What `IS` asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Is {
    Null,
    NotNull,
    True,
    False,
    Unknown,
}

/// What reads a full-text query.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SearchParser {
    /// `to_tsquery`.
    Operators,
    /// `plainto_tsquery`.
    Plain,
    /// `phraseto_tsquery`.
    Phrase,
    /// `websearch_to_tsquery`.
    Web,
}
