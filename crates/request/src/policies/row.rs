//! The row as the table would hold it: defaults, generated columns, and what the table refuses whatever policies say.
//!
//! BEFORE triggers are not run: what they do beside changing the row could not be taken back. Where there are some, a
//! constraint that the row breaks as it stands is a remark and no refusal.
//! Invariant: expressions are evaluated as the role, as PostgreSQL does.

use ferrobase_catalog::{Privilege, QualifiedName};
use ferrobase_pg::{Error, Session};
use ferrobase_query::CatalogSql;
use ferrobase_query::sql::{JSONB, Sql};
use serde_json::{Value, json};

use super::evaluate::{Attempt, JsonRow, as_row, attempt, expression};
use super::table::{ExplainError, Table, TableColumn};

/// What a value for a generated column, or for one that is always numbered, is refused with.
const GENERATED_ALWAYS: &str = "428C9";
const NOT_NULL: &str = "23502";
const CHECK: &str = "23514";

/// A table, a row of it that was given, and for what.
#[derive(Clone, Copy)]
pub(super) struct Given<'a> {
    pub(super) name: &'a QualifiedName,
    pub(super) table: &'a Table,
    pub(super) rules: &'a Rules,
    pub(super) row: &'a JsonRow,
    pub(super) command: Privilege,
}

/// What a table asks of its rows, and does with them, beside policies.
#[derive(Debug, Default)]
pub(super) struct Rules {
    checks: Vec<Check>,
    triggers: Vec<Trigger>,
}

#[derive(Debug)]
struct Check {
    name: String,
    expression: String,
    columns: Vec<String>,
}

/// One that runs before policies are asked.
#[derive(Debug)]
struct Trigger {
    name: String,
    inserts: bool,
    updates: bool,
    /// It waits for a change of these; none are all.
    columns: Vec<String>,
}

impl Rules {
    /// Reads them while no search path is set, so that every name is written in full.
    pub(super) async fn load(session: &mut Session, table: &Table) -> Result<Self, Error> {
        let oid = table.oid.to_string();
        let columns = |text: Option<&str>| text.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
        let checks = session.query(include_str!("../../sql/row_check_list.sql"), &[Some(&oid)]).await?;
        let checks = checks.rows.iter().map(|row| Check {
            name: row.text(0).unwrap_or_default().to_owned(),
            expression: row.text(1).unwrap_or("true").to_owned(),
            columns: columns(row.text(2)),
        });
        let triggers = session.query(include_str!("../../sql/row_trigger_list.sql"), &[Some(&oid)]).await?;
        let triggers = triggers.rows.iter().map(|row| Trigger {
            name: row.text(0).unwrap_or_default().to_owned(),
            inserts: row.text(1) == Some("t"),
            updates: row.text(2) == Some("t"),
            columns: columns(row.text(3)),
        });
        Ok(Self { checks: checks.collect(), triggers: triggers.collect() })
    }
}

/// A constraint that a row breaks.
#[derive(Clone, Debug)]
pub(super) struct Broken {
    place: String,
    reason: String,
    code: String,
}

impl From<Broken> for ExplainError {
    fn from(Broken { place, reason, code }: Broken) -> Self {
        Self::Malformed { place, reason, code }
    }
}

impl std::fmt::Display for Broken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {} ({})", self.place, self.reason, self.code)
    }
}

impl Given<'_> {
    fn place(&self, column: &str) -> String {
        format!("{}.{column}", self.name.name)
    }

    /// Refuses values that their columns cannot hold: each policy would fail of them, and none would be to blame.
    pub(super) async fn check_values(self, session: &mut Session) -> Result<(), ExplainError> {
        let writes = matches!(self.command, Privilege::Insert | Privilege::Update);
        for (name, value) in self.row {
            let column = self.table.column(&self.name.name, name)?;
            if let Some(reason) = Some(column).filter(|_| writes).and_then(takes_no_value) {
                let code = GENERATED_ALWAYS.to_owned();
                return Err(ExplainError::Malformed { place: self.place(name), reason: reason.to_owned(), code });
            }
            let json = json!({ name: value }).to_string();
            let mut sql = Sql::of("SELECT pg_catalog.to_jsonb(it.*)::text FROM pg_catalog.jsonb_to_record(");
            sql.typed(Some(json.into()), JSONB).push(") AS it(").ident(name).push(" ");
            sql.catalog(&CatalogSql::written_by_catalog(&column.type_name)).push(")");
            is_held(&attempt(session, sql).await?, || self.place(name))?;
        }
        Ok(())
    }

    /// The row as it would be inserted: columns that it does not name have their defaults.
    pub(super) async fn with_defaults(self, session: &mut Session) -> Result<JsonRow, Error> {
        let mut whole = self.row.clone();
        for column in self.table.columns.iter().filter(|column| !self.row.contains_key(&column.name)) {
            let Some(default) = &column.default else { continue };
            let mut sql = Sql::of("SELECT pg_catalog.to_jsonb(CAST((");
            sql.catalog(&CatalogSql::written_by_catalog(default)).push(") AS ");
            sql.catalog(&CatalogSql::written_by_catalog(&column.type_name)).push("))");
            // A default that this role cannot compute would refuse the insert itself; the policies are judged without it.
            if let Ok(Ok(found)) = attempt(session, sql).await
                && let Some(Some(value)) = found.first()
            {
                whole.insert(column.name.clone(), serde_json::from_str(value).unwrap_or(Value::Null));
            }
        }
        Ok(whole)
    }

    /// Computes the generated columns of a whole row; what it says of them itself stays where nothing is written.
    pub(super) async fn generate(self, session: &mut Session, mut whole: JsonRow) -> Result<JsonRow, ExplainError> {
        let writes = matches!(self.command, Privilege::Insert | Privilege::Update);
        for column in &self.table.columns {
            let Some(generated) = &column.generated else { continue };
            if !writes && self.row.contains_key(&column.name) {
                continue;
            }
            let mut sql = Sql::of("SELECT pg_catalog.to_jsonb(CAST((");
            sql.catalog(&CatalogSql::written_by_catalog(generated)).push(") AS ");
            sql.catalog(&CatalogSql::written_by_catalog(&column.type_name)).push(")) FROM ");
            as_row(&mut sql, self.name, &whole).push(" AS ").ident(&self.name.name);
            let found = attempt(session, sql).await?;
            is_held(&found, || self.place(&column.name))?;
            let value = found.ok().and_then(|rows| rows.into_iter().next().flatten());
            let value = value.map_or(Value::Null, |value| serde_json::from_str(&value).unwrap_or(Value::Null));
            whole.insert(column.name.clone(), value);
        }
        Ok(whole)
    }

    /// Refuses a whole row that is none of the table's type, as one without a value where a domain wants one.
    pub(super) async fn check_row(self, session: &mut Session, whole: &JsonRow) -> Result<(), ExplainError> {
        let mut sql = Sql::of("SELECT pg_catalog.to_jsonb(it.*)::text FROM ");
        as_row(&mut sql, self.name, whole).push(" AS it");
        is_held(&attempt(session, sql).await?, || self.name.name.clone())
    }

    /// The constraint that a new row breaks. A part of a row, as what changes of one that is not known, is judged as far as it goes.
    pub(super) async fn broken(
        self,
        session: &mut Session,
        new: &JsonRow,
        is_whole: bool,
    ) -> Result<Option<Broken>, ExplainError> {
        let is_null = |column: &TableColumn| new.get(&column.name).is_none_or(Value::is_null);
        // A value that a default gives is not always known here.
        let is_known = |column: &TableColumn| {
            let comes_alone = column.generated.is_some() && is_whole;
            let has_none = self.command == Privilege::Insert && !column.has_default;
            self.row.contains_key(&column.name) || comes_alone || has_none
        };
        let mut columns = self.table.columns.iter().filter(|column| column.is_required);
        if let Some(column) = columns.find(|column| is_null(column) && is_known(column)) {
            let reason = "null in a column that is NOT NULL".to_owned();
            return Ok(Some(Broken { place: self.place(&column.name), reason, code: NOT_NULL.to_owned() }));
        }
        for check in &self.rules.checks {
            if !is_whole && !check.columns.iter().all(|column| self.row.contains_key(column)) {
                continue;
            }
            // What PostgreSQL cannot evaluate here, it may be able to of a real row.
            if let Ok(Some(false)) = expression(session, self.name, &check.expression, new).await? {
                let reason = format!("check constraint \"{}\"", check.name);
                return Ok(Some(Broken { place: self.name.name.clone(), reason, code: CHECK.to_owned() }));
            }
        }
        Ok(None)
    }

    /// The BEFORE triggers that would see the row, in their order.
    pub(super) fn triggers(self) -> Vec<String> {
        let fires = |trigger: &&Trigger| match self.command {
            Privilege::Insert => trigger.inserts,
            Privilege::Update => {
                let is_touched = |column: &String| self.row.contains_key(column);
                trigger.updates && (trigger.columns.is_empty() || trigger.columns.iter().any(is_touched))
            }
            Privilege::Select | Privilege::Delete => false,
        };
        self.rules.triggers.iter().filter(fires).map(|trigger| trigger.name.clone()).collect()
    }
}

/// Why nobody gives this column a value.
fn takes_no_value(column: &TableColumn) -> Option<&'static str> {
    if column.generated.is_some() {
        return Some("a generated column takes no value");
    }
    column.is_identity.then_some("an identity column that is GENERATED ALWAYS takes no value")
}

/// Whether values were what their types want. What else PostgreSQL refuses, as what a role may not look at, is said elsewhere.
fn is_held(outcome: &Attempt, place: impl Fn() -> String) -> Result<(), ExplainError> {
    match outcome {
        Err(error) if ["22", "23"].iter().any(|class| error.code.as_str().starts_with(class)) => {
            Err(ExplainError::Malformed { place: place(), reason: error.message.clone(), code: error.code.to_string() })
        }
        _ => Ok(()),
    }
}
