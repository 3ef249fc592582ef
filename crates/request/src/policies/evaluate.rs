//! What an expression of a policy says of one row, in a transaction that is the role's and is never committed.
//!
//! Invariant: names come from the catalog and are quoted, expressions and types are texts that `pg_catalog` wrote, the
//! row is a bound parameter.

use ferrobase_catalog::QualifiedName;
use ferrobase_pg::{Error, Session};
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

/// The row as it would be inserted: columns that it does not name have their defaults.
pub(super) async fn with_defaults(session: &mut Session, table: &Table, row: &JsonRow) -> Result<JsonRow, Error> {
    let mut whole = row.clone();
    for column in table.columns.iter().filter(|column| !row.contains_key(&column.name)) {
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

/// What an expression says of a row: true, false, NULL, or the failure that it ends in.
pub(super) async fn expression(
    session: &mut Session,
    name: &QualifiedName,
    text: &str,
    row: &JsonRow,
) -> Result<Result<Option<bool>, String>, Error> {
    let json = Value::Object(row.clone()).to_string();
    let mut sql = Sql::of("SELECT (");
    sql.catalog(&CatalogSql::written_by_catalog(text)).push(") FROM pg_catalog.jsonb_populate_record(NULL::");
    sql.qualified(name).push(", ").typed(Some(json.into()), JSONB).push(") AS ").ident(&name.name);
    let found = attempt(session, sql).await?;
    Ok(found.map(|rows| rows.first().cloned().flatten().map(|value| value == "t")))
}

/// Runs a statement that may fail without ending the transaction.
async fn attempt(session: &mut Session, sql: Sql) -> Result<Result<Vec<Option<String>>, String>, Error> {
    session.script("savepoint ferrobase_attempt").await?;
    match run(session, sql).await {
        Ok(rows) => Ok(Ok(rows)),
        Err(Error::Db(error)) => {
            session.script("rollback to savepoint ferrobase_attempt").await?;
            Ok(Err(error.message.clone()))
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
