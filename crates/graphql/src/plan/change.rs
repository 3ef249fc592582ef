//! Inserts, updates and deletes.

use apollo_compiler::response::JsonValue;
use ferrobase_query::plan::{
    Change, ChangeMember, Columns, Content, Delete, Guard, InputColumn, Insert, Mutation, Payload, Read, Source, Update,
};
use ferrobase_query::sql::CatalogSql;

use super::collect::Asked;
use super::input::Input;
use super::{Planner, json};
use crate::error::Error;
use crate::model::{Column, Table, TableId};
use crate::scalar::Class;

impl<'a> Planner<'a> {
    /// New rows.
    pub(super) fn insert(&self, id: TableId, asked: &Asked<'a>) -> Result<Content, Error> {
        let table = self.table(id);
        let objects = self.argument(asked, "objects").unwrap_or(Input::Null);
        let (columns, rows) = given(table, objects.items())?;
        let mutation = Mutation::Insert(Insert {
            table: table.relation.name.clone(),
            columns,
            payload: Payload::Json { json: rows.into(), is_object: false },
            missing_is_default: true,
            conflict: None,
            matching: Vec::new(),
            returning: Columns::All,
            location: Vec::new(),
        });
        self.change(id, asked, mutation, Guard::default(), "InsertResponse")
    }

    /// Changed rows.
    pub(super) fn update(&self, id: TableId, asked: &Asked<'a>) -> Result<Content, Error> {
        let table = self.table(id);
        let set = self.argument(asked, "set").unwrap_or(Input::Null);
        let (columns, rows) = given(table, std::slice::from_ref(&set))?;
        if columns.is_empty() {
            return Err(Error::Argument { argument: "set".to_owned(), reason: "changes nothing".to_owned() });
        }
        let mutation = Mutation::Update(Update {
            table: table.relation.name.clone(),
            columns,
            inside: Vec::new(),
            merge: Vec::new(),
            payload: Payload::Json { json: rows.into(), is_object: false },
            missing_is_default: false,
            filters: self.changed(id, asked)?,
            returning: Columns::All,
        });
        self.change(id, asked, mutation, self.guard(asked)?, "UpdateResponse")
    }

    /// Removed rows.
    pub(super) fn delete(&self, id: TableId, asked: &Asked<'a>) -> Result<Content, Error> {
        let table = self.table(id).relation.name.clone();
        let mutation = Mutation::Delete(Delete { table, filters: self.changed(id, asked)?, returning: Columns::All });
        self.change(id, asked, mutation, self.guard(asked)?, "DeleteResponse")
    }

    /// Which rows are changed.
    fn changed(&self, id: TableId, asked: &Asked<'a>) -> Result<Vec<ferrobase_query::plan::Condition>, Error> {
        self.argument(asked, "filter").map_or_else(|| Ok(Vec::new()), |filter| self.filter(id, &filter, 0))
    }

    fn guard(&self, asked: &Asked<'a>) -> Result<Guard, Error> {
        let most = self.number(asked, "atMost")?.unwrap_or(1);
        Ok(Guard { at_most: Some(i64::try_from(most).unwrap_or(i64::MAX)), ..Guard::default() })
    }

    fn change(
        &self,
        id: TableId,
        asked: &Asked<'a>,
        mut mutation: Mutation,
        guard: Guard,
        what: &str,
    ) -> Result<Content, Error> {
        let table = self.table(id);
        let own = table.type_of(what);
        let mut members = Vec::new();
        for asked in self.collect(asked.below(), &|name| name == own) {
            let key = asked.key.to_owned();
            members.push(match asked.name() {
                "affectedCount" => ChangeMember::Count(key),
                "records" => {
                    let rows = self.row(id, asked.below()).map_err(|error| error.at(asked.key))?;
                    ChangeMember::Records(key, rows)
                }
                _ => ChangeMember::Constant(key, json(&own)),
            });
        }
        let shows = members.iter().any(|member| matches!(member, ChangeMember::Records(..)));
        // A role may write what it cannot read.
        let returning = if shows { self.returned(table) } else { Columns::Named(Vec::new()) };
        match &mut mutation {
            Mutation::Insert(insert) => insert.returning = returning,
            Mutation::Update(update) => update.returning = returning,
            Mutation::Delete(delete) => delete.returning = returning,
            Mutation::UpdateEach(_) | Mutation::Pick(_) => {}
        }
        let read = Read::from(Source::Derived, table.relation.name.name.clone());
        Ok(Content::Change(Box::new(Change { mutation, guard, read, members })))
    }

    /// Columns of changed rows: those that the role may read, or all where functions take the whole row.
    fn returned(&self, table: &Table) -> Columns {
        if table.columns().any(|(_, _, column)| column.computed) && reads_all(table) {
            return Columns::All;
        }
        let readable = table.columns().filter(|(_, _, column)| column.readable && !column.computed);
        Columns::Named(readable.map(|(_, _, column)| column.name.clone()).collect())
    }
}

fn reads_all(table: &Table) -> bool {
    let reads = |column: &String| table.field_of(column).is_some_and(|(_, column)| column.readable);
    table.relation.columns.keys().all(reads)
}

/// The columns that rows give, and the rows as a JSON list with the columns' own names.
fn given(table: &Table, rows: &[Input]) -> Result<(Vec<InputColumn>, String), Error> {
    let mut columns: Vec<&Column> = Vec::new();
    let mut list = Vec::with_capacity(rows.len());
    for row in rows {
        let mut object = Vec::with_capacity(row.fields().len());
        for (name, value) in row.fields() {
            let column = table.column(name).ok_or_else(|| Error::unknown(name))?;
            if !columns.iter().any(|known| known.name == column.name) {
                columns.push(column);
            }
            object.push((column.name.clone(), stored(name, column.value.class, value.clone())?));
        }
        list.push(Input::Object(object));
    }
    let columns = columns.into_iter().filter_map(|column| input_column(table, column)).collect();
    Ok((columns, Input::List(list).json()))
}

fn input_column(table: &Table, column: &Column) -> Option<InputColumn> {
    let of = table.relation.columns.get(&column.name)?;
    Some(InputColumn {
        name: of.name.clone(),
        type_name: CatalogSql::written_by_catalog(&of.base_type),
        convert: None,
        default: of.default.as_deref().map(CatalogSql::written_by_catalog),
    })
}

/// A value as it is stored: a document is not the string that holds it.
pub(super) fn stored(name: &str, class: Class, value: Input) -> Result<Input, Error> {
    match (class, value) {
        (Class::Json, Input::List(items)) => {
            let items = items.into_iter().map(|item| stored(name, class, item));
            Ok(Input::List(items.collect::<Result<_, _>>()?))
        }
        (Class::Json, Input::Text(text)) => match serde_json::from_str::<JsonValue>(&text) {
            Ok(document) => Ok(Input::of_json(&document)),
            Err(error) => {
                Err(Error::Argument { argument: name.to_owned(), reason: format!("is no JSON document: {error}") })
            }
        },
        (_, value) => Ok(value),
    }
}
