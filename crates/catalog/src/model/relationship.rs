//! How relations are joined: what embedding follows.

use super::QualifiedName;

/// How two relations are joined.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Relationship {
    /// Where it starts.
    pub source: QualifiedName,
    /// Where it leads.
    pub target: QualifiedName,
    /// How rows correspond.
    pub link: Link,
    /// Source and target are the same relation.
    pub is_self: bool,
    /// The source is a view.
    pub source_is_view: bool,
    /// The target is a view.
    pub target_is_view: bool,
    /// `COMMENT ON` the foreign key behind it.
    pub comment: Option<String>,
}

impl Relationship {
    /// Whether at most one target row belongs to a source row.
    pub fn is_to_one(&self) -> bool {
        match &self.link {
            Link::ManyToOne { .. } | Link::OneToOne { .. } => true,
            Link::OneToMany { .. } | Link::ManyToMany(_) => false,
            Link::Computed { to_one, .. } => *to_one,
        }
    }

    /// The name of the foreign key behind it; none for junctions and functions.
    pub fn constraint(&self) -> Option<&str> {
        match &self.link {
            Link::ManyToOne { constraint, .. }
            | Link::OneToMany { constraint, .. }
            | Link::OneToOne { constraint, .. } => Some(constraint),
            Link::ManyToMany(_) | Link::Computed { .. } => None,
        }
    }

    /// The column pairs of the foreign key behind it; empty for junctions and functions.
    pub fn columns(&self) -> &[(String, String)] {
        match &self.link {
            Link::ManyToOne { columns, .. } | Link::OneToMany { columns, .. } | Link::OneToOne { columns, .. } => {
                columns
            }
            Link::ManyToMany(_) | Link::Computed { .. } => &[],
        }
    }

    /// The schema from which it can be asked for: that of the target, and for a computed one that of its function.
    pub fn schema(&self) -> &str {
        match &self.link {
            Link::Computed { function, .. } => &function.schema,
            _ => &self.target.schema,
        }
    }
}

/// Pairs of (source column, target column).
pub type ColumnPairs = Vec<(String, String)>;

/// The correspondence of a relationship.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Link {
    /// The source has the foreign key.
    ManyToOne {
        /// Constraint name.
        constraint: String,
        /// Column pairs.
        columns: ColumnPairs,
    },
    /// The target has the foreign key.
    OneToMany {
        /// Constraint name.
        constraint: String,
        /// Column pairs.
        columns: ColumnPairs,
    },
    /// The foreign key is unique; `source_is_parent` when the target has it.
    OneToOne {
        /// Constraint name.
        constraint: String,
        /// Column pairs.
        columns: ColumnPairs,
        /// The target has the key.
        source_is_parent: bool,
    },
    /// Through a junction whose key contains both foreign keys.
    ManyToMany(Junction),
    /// A function that takes a source row and returns target rows.
    Computed {
        /// The function.
        function: QualifiedName,
        /// `ROWS 1` or not SETOF.
        to_one: bool,
    },
}

/// The table in the middle of a many-to-many relationship.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Junction {
    /// The junction.
    pub table: QualifiedName,
    /// The constraint that leads to the source.
    pub source_constraint: String,
    /// The constraint that leads to the target.
    pub target_constraint: String,
    /// (source column, junction column).
    pub source_columns: ColumnPairs,
    /// (target column, junction column).
    pub target_columns: ColumnPairs,
}
