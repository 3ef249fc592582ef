//! What becomes of the rows: the body, the counts, the conditions on their number.

use ferrobase_catalog::QualifiedName;

/// What the body is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// No body: nothing is selected, only counted.
    None,
    /// JSON, made by PostgreSQL.
    Json {
        /// List or object.
        form: JsonForm,
        /// Keys with null are left out.
        strip_nulls: bool,
    },
    /// Comma-separated values with a header line.
    Csv(CsvForm),
    /// A GeoJSON feature collection (needs PostGIS).
    GeoJson,
    /// One JSON text a row, each on a line of its own.
    Lines,
    /// A handler of the database.
    Custom {
        /// An aggregate of rows, a function of a scalar, or a domain used as one.
        function: QualifiedName,
        /// The row type that it takes; none for any.
        row_type: Option<QualifiedName>,
    },
}

/// The form of a JSON body. A function that returns one value gives that value in either form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JsonForm {
    /// A list of rows.
    List,
    /// The only row. [`Guard::single`] or the caller sees to it that there is one.
    Object,
}

/// How values and names stand in CSV. NULL is an empty field in both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CsvForm {
    /// As RFC 4180 has it: what is written can be read again.
    Standard,
    /// As in the text of a composite value, which doubles backslashes too; names are as they are. PostgREST's form.
    Record,
}

/// How rows are counted, apart from those of the answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// Count all rows that satisfy the filters.
    pub exact: bool,
    /// Stop counting at this number.
    pub at_most: Option<u64>,
    /// Ask the planner for an estimate, in a statement of its own.
    pub estimate: bool,
}

/// What the number of rows must be. A condition that does not hold fails the statement, and with it what it wrote.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Guard {
    /// Exactly one row.
    pub single: bool,
    /// Exactly one row, because the URL names it.
    pub matching: bool,
    /// The row is a new one: one that is there already fails the statement. Needs a conflict clause that ignores it.
    pub absent: bool,
    /// At most this many; below zero, not even none.
    pub at_most: Option<i64>,
}

/// What somebody saw of the rows and wants still to be so. The representation is made again, inside the statement that
/// locks the rows or removes them, and its [`crate::tag`] compared. No rows never satisfy it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Precondition {
    /// Tags of which one must be that of the rows; none: that there are rows is enough.
    pub tags: Option<Vec<String>>,
    /// What the representation is made by.
    pub body: Body,
    /// Its type, which is part of the tag.
    pub media: String,
}

/// Options of `EXPLAIN`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Explain {
    /// JSON, not text.
    pub json: bool,
    /// Run it.
    pub analyze: bool,
    /// More about each node.
    pub verbose: bool,
    /// Settings that differ from the default.
    pub settings: bool,
    /// Buffer usage.
    pub buffers: bool,
    /// Write-ahead log usage.
    pub wal: bool,
}
