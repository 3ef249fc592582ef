//! What an expression of a policy says of one row, in a transaction that is the role's and is never committed.
//!
//! Invariant: names come from the catalog and are quoted, expressions and types are texts that `pg_catalog` wrote, the
//! row is a bound parameter.

use ferrobase_catalog::QualifiedName;
use ferrobase_pg::{DbError, Error, Session};
use ferrobase_query::CatalogSql;
use ferrobase_query::sql::{JSONB, Sql};
use serde_json::{Map, Value};

use super::table::{ExplainError, Table};

/// A row as JSON.
pub(super) type JsonRow = Map<String, Value>;

/// The one row with these values, whole.
pub(super) async fn find_row(
    session: &mut Session,
    name: &QualifiedName,
    table: &Table,
    wanted: &[(String, String)],
) -> Result<JsonRow, ExplainError> {
    let mut sql = Sql::of("SELECT pg_catalog.to_jsonb(");
    sql.ident(&name.name).push(".*) FROM ").qualified(name).push(" AS ").ident(&name.name).push(" WHERE true");
    for (column, value) in wanted {
        let type_name = CatalogSql::written_by_catalog(&table.column(&name.name, column)?.type_name);
        sql.push(" AND ").column(&name.name, column).push(" = CAST(").text(value).push(" AS ");
        sql.catalog(&type_name).push(")");
    }
    sql.push(" LIMIT 2");
    let found = run(session, sql).await?;
    match &found[..] {
        [Some(row)] => Ok(serde_json::from_str(row).unwrap_or_default()),
        rows => Err(ExplainError::NotOneRow { found: rows.len() }),
    }
}

/// Writes the row as a relation.
pub(super) fn as_row<'s>(sql: &'s mut Sql, name: &QualifiedName, row: &JsonRow) -> &'s mut Sql {
    let json = Value::Object(row.clone()).to_string();
    sql.push("pg_catalog.jsonb_populate_record(NULL::").qualified(name).push(", ");
    sql.typed(Some(json.into()), JSONB).push(")")
}

/// What an expression says of a row: true, false, NULL, or the failure that it ends in.
pub(super) async fn expression(
    session: &mut Session,
    name: &QualifiedName,
    text: &str,
    row: &JsonRow,
) -> Result<Result<Option<bool>, String>, Error> {
    let mut sql = Sql::of("SELECT (");
    sql.catalog(&CatalogSql::written_by_catalog(text)).push(") FROM ");
    as_row(&mut sql, name, row).push(" AS ").ident(&name.name);
    let found = attempt(session, sql).await?;
    let said = found.map(|rows| rows.first().cloned().flatten().map(|value| value == "t"));
    Ok(said.map_err(|error| error.message.clone()))
}

/// What came of a statement: the first column of its rows, or what PostgreSQL says against it.
pub(super) type Attempt = Result<Vec<Option<String>>, Box<DbError>>;

/// Runs a statement that may fail without ending the transaction.
pub(super) async fn attempt(session: &mut Session, sql: Sql) -> Result<Attempt, Error> {
    session.script("savepoint ferrobase_attempt").await?;
    match run(session, sql).await {
        Ok(rows) => Ok(Ok(rows)),
        Err(Error::Db(error)) => {
            session.script("rollback to savepoint ferrobase_attempt").await?;
            Ok(Err(error))
        }
        Err(error) => Err(error),
    }
}

/// The first column of each row.
async fn run(session: &mut Session, sql: Sql) -> Result<Vec<Option<String>>, Error> {
    let built = sql.build();
    let texts: Vec<Option<String>> =
        built.values.iter().map(|v| v.as_ref().map(|v| String::from_utf8_lossy(v).into_owned())).collect();
    let parameters: Vec<Option<&str>> = texts.iter().map(Option::as_deref).collect();
    let result = session.query(&built.text, &parameters).await?;
    Ok(result.rows.iter().map(|row| row.text(0).map(str::to_owned)).collect())
}
