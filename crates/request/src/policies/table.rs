//! The table that is asked about, as the role sees it.

use std::collections::BTreeSet;

use ferrobase_catalog::Privilege;
use ferrobase_pg::{Error, Row, Session};
use serde_json::{Map, Value};

/// Why there is no explanation.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExplainError {
    /// The table does not exist.
    #[error("there is no table {schema}.{table}")]
    UnknownTable {
        /// The schema.
        schema: String,
        /// The table.
        table: String,
    },
    /// The role does not exist.
    #[error("there is no role {0}")]
    UnknownRole(String),
    /// Something that cannot have policies.
    #[error("{schema}.{table} is {}", kind.text())]
    NoTable {
        /// The schema.
        schema: String,
        /// The view.
        table: String,
        /// What it is.
        kind: NoTable,
    },
    /// A column that the table does not have.
    #[error("{table} has no column {column}")]
    NoColumn {
        /// The table.
        table: String,
        /// The column.
        column: String,
    },
    /// A row that the table cannot hold, whatever policies say.
    #[error("the row is malformed: {place}: {reason} ({code})")]
    Malformed {
        /// The column, or the table where no single one is to blame.
        place: String,
        /// What PostgreSQL says, or would.
        reason: String,
        /// Its code.
        code: String,
    },
    /// No row, or more than one.
    #[error("{found} rows match; one is needed")]
    NotOneRow {
        /// How many, at most two.
        found: usize,
    },
    /// The connection's login may not become the role.
    #[error("the role cannot be taken on: {source}")]
    Role {
        /// What PostgreSQL says.
        #[source]
        source: Error,
    },
    /// PostgreSQL.
    #[error("{source}")]
    Database {
        /// What it says.
        #[from]
        source: Error,
    },
}

/// What is no table, and yet a relation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoTable {
    /// A view.
    View,
    /// Keeps the rows that its owner saw.
    MaterializedView,
    /// Its rows are elsewhere.
    ForeignTable,
}

impl NoTable {
    fn of(relkind: Option<&str>) -> Self {
        match relkind {
            Some("m") => Self::MaterializedView,
            Some("f") => Self::ForeignTable,
            _ => Self::View,
        }
    }

    fn text(self) -> &'static str {
        match self {
            Self::View => "a view and no table: policies belong to the tables that it reads",
            Self::MaterializedView => {
                "a materialized view and no table: it has no policies, and holds the rows that its owner saw"
            }
            Self::ForeignTable => "a foreign table, which cannot have policies",
        }
    }
}

/// A table, and what the role may do with it before any policy is asked.
#[derive(Clone, Debug)]
pub(super) struct Table {
    pub(super) oid: u32,
    pub(super) row_security: bool,
    /// No policy is asked: a superuser, BYPASSRLS, or the owner of a table that does not force them.
    pub(super) is_bypassed: bool,
    pub(super) uses_schema: bool,
    /// The table of which it is a partition, `schema.table`.
    pub(super) partition_of: Option<String>,
    deletes: bool,
    pub(super) columns: Vec<TableColumn>,
}

/// A column.
#[derive(Clone, Debug)]
pub(super) struct TableColumn {
    pub(super) name: String,
    pub(super) type_name: String,
    pub(super) default: Option<String>,
    /// The expression of a generated column.
    pub(super) generated: Option<String>,
    /// `GENERATED ALWAYS AS IDENTITY`.
    pub(super) is_identity: bool,
    /// `NOT NULL`.
    pub(super) is_required: bool,
    /// It may have a value that the row does not name, whether or not that can be told here.
    pub(super) has_default: bool,
    selects: bool,
    inserts: bool,
    updates: bool,
}

impl Table {
    pub(super) async fn find(
        session: &mut Session,
        schema: &str,
        table: &str,
        role: &str,
    ) -> Result<Self, ExplainError> {
        let named = [Some(schema), Some(table), Some(role)];
        let found = session.query(include_str!("../../sql/secured_table_find.sql"), &named).await?;
        let unknown = || ExplainError::UnknownTable { schema: schema.to_owned(), table: table.to_owned() };
        let row = found.rows.first().ok_or_else(unknown)?;
        let is_true = |index| row.text(index) == Some("t");
        if !is_true(8) {
            return Err(ExplainError::UnknownRole(role.to_owned()));
        }
        if !matches!(row.text(1), Some("r" | "p")) {
            let kind = NoTable::of(row.text(1));
            return Err(ExplainError::NoTable { schema: schema.to_owned(), table: table.to_owned(), kind });
        }
        let oid = row.text(0).and_then(|oid| oid.parse().ok()).ok_or_else(unknown)?;
        let oid: u32 = oid;
        let text = oid.to_string();
        let columns = session
            .query(include_str!("../../sql/secured_column_list.sql"), &[Some(&text), Some(role)])
            .await?
            .rows
            .iter()
            .map(TableColumn::of)
            .collect();
        Ok(Self {
            oid,
            row_security: is_true(2),
            is_bypassed: is_true(4) || (is_true(5) && !is_true(3)),
            uses_schema: is_true(6),
            deletes: is_true(7),
            partition_of: row.text(9).map(str::to_owned),
            columns,
        })
    }

    pub(super) fn column(&self, table: &str, name: &str) -> Result<&TableColumn, ExplainError> {
        let missing = || ExplainError::NoColumn { table: table.to_owned(), column: name.to_owned() };
        self.columns.iter().find(|column| column.name == name).ok_or_else(missing)
    }

    /// Columns of these that the role may not use so; for DELETE, which is not granted by column, all or none.
    pub(super) fn lacking(&self, privilege: Privilege, used: &BTreeSet<&str>) -> Vec<String> {
        let may = |column: &TableColumn| match privilege {
            Privilege::Select => column.selects,
            Privilege::Insert => column.inserts,
            Privilege::Update => column.updates,
            Privilege::Delete => self.deletes,
        };
        let lacking = self.columns.iter().filter(|column| used.contains(column.name.as_str()) && !may(column));
        lacking.map(|column| column.name.clone()).collect()
    }

    /// All columns.
    pub(super) fn all(&self) -> BTreeSet<&str> {
        self.columns.iter().map(|column| column.name.as_str()).collect()
    }

    /// Refuses keys that are no columns: a misspelt one would count as NULL.
    pub(super) fn check(&self, table: &str, row: Option<&Map<String, Value>>) -> Result<(), ExplainError> {
        row.into_iter().flat_map(Map::keys).try_for_each(|key| self.column(table, key).map(drop))
    }
}

impl TableColumn {
    fn of(row: Row<'_>) -> Self {
        let is_true = |index| row.text(index) == Some("t");
        Self {
            name: row.text(0).unwrap_or_default().to_owned(),
            type_name: row.text(1).unwrap_or_default().to_owned(),
            default: row.text(2).map(str::to_owned),
            selects: is_true(3),
            inserts: is_true(4),
            updates: is_true(5),
            generated: row.text(6).map(str::to_owned),
            is_identity: is_true(7),
            is_required: is_true(8),
            has_default: is_true(9),
        }
    }
}
