//! Related rows below a row.

use ferrobase_catalog::QualifiedName;

use super::{Aggregate, Read};

/// A related source, read for each row of its parent.
#[derive(Clone, Debug, PartialEq)]
pub struct Embed {
    /// Output key.
    pub name: String,
    /// How rows correspond.
    pub join: Join,
    /// At most one row belongs to a parent.
    pub to_one: bool,
    /// A parent without related rows is dropped.
    pub inner: bool,
    /// What of it is shown.
    pub output: EmbedOutput,
    /// What is read; its source is ignored for [`Join::Function`].
    pub read: Read,
}

impl Embed {
    /// Whether it gives its parent columns to aggregate.
    pub fn spreads_aggregates(&self) -> bool {
        matches!(&self.output, EmbedOutput::Spread(columns) if columns.iter().any(|c| c.aggregate.is_some()))
    }
}

/// What an embed shows.
#[derive(Clone, Debug, PartialEq)]
pub enum EmbedOutput {
    /// Nothing: it only joins and filters.
    Hidden,
    /// An object or null when to-one, else a list.
    Json,
    /// Its columns become columns of the parent; when to-many, each a list.
    Spread(Vec<SpreadColumn>),
}

/// A column that moves up to the parent.
#[derive(Clone, Debug, PartialEq)]
pub struct SpreadColumn {
    /// Which.
    pub value: SpreadValue,
    /// Aggregate that the parent applies to it.
    pub aggregate: Option<Aggregate>,
    /// Output name, when it is not the column's.
    pub name: Option<String>,
}

/// Which column moves up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SpreadValue {
    /// All that the embed selects by `*`.
    All,
    /// The output column of this name.
    Named(String),
}

/// How rows of parent and embed correspond. Pairs are (parent column, other column).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Join {
    /// Equal columns.
    Columns(Vec<(String, String)>),
    /// Through a junction.
    Junction {
        /// The junction.
        table: QualifiedName,
        /// (parent column, junction column).
        parent: Vec<(String, String)>,
        /// (embedded column, junction column).
        target: Vec<(String, String)>,
    },
    /// A function of the parent's row.
    Function {
        /// The function.
        function: QualifiedName,
        /// The row type of its argument.
        row_type: QualifiedName,
    },
}
