//! What rows must satisfy.

use super::Field;

/// A boolean tree.
#[derive(Clone, Debug, PartialEq)]
pub enum Condition {
    /// Several conditions.
    Group {
        /// The whole is negated.
        negated: bool,
        /// How they combine.
        operator: LogicOperator,
        /// Parts, at least one.
        items: Vec<Condition>,
    },
    /// A comparison of a column.
    Compare(Comparison),
    /// Whether an embed has rows.
    Embedded {
        /// Index in the embeds of the same read.
        embed: usize,
        /// It must have some, or none.
        exists: bool,
    },
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
