//! Rows by any of their keys, and new rows that are there already.

use ferrobase_query::plan::{Condition, Conflict, Content, Join, One, Resolution};

use super::Planner;
use super::collect::Asked;
use super::filter::equal;
use super::input::Input;
use crate::error::Error;
use crate::model::{FieldKind, Table, TableId, UniqueKey};

/// A key and its values as columns.
pub(super) type Keyed<'k> = (&'k UniqueKey, Vec<(String, Input)>);

impl<'a> Planner<'a> {
    /// A row by one of its keys.
    pub(super) fn by_any_key(&self, id: TableId, asked: &Asked<'a>) -> Result<Content, Error> {
        let given = self.argument(asked, "key").unwrap_or(Input::Null);
        let (_, values) = one_key(self.table(id), "key", &given)?;
        let mut read = self.read_table(id);
        let by_value = |(column, value): &(String, Input)| -> Condition { equal(column, value.text()) };
        read.filters = values.iter().map(by_value).collect();
        Ok(Content::One(Box::new(One { join: None, read, members: self.row(id, asked.below())? })))
    }

    /// What happens to new rows that are there already.
    pub(super) fn conflict(
        &self,
        id: TableId,
        asked: &Asked<'a>,
        objects: &[Input],
    ) -> Result<Option<Conflict>, Error> {
        let table = self.table(id);
        let said = match self.argument(asked, "onConflict") {
            None | Some(Input::Null) => return Ok(None),
            Some(said) => said,
        };
        let part = |wanted: &str| said.fields().iter().find(|(name, _)| name == wanted).map(|(_, value)| value);
        let name = part("key").and_then(Input::text);
        let key = table.keys.iter().find(|key| name.as_ref().is_none_or(|name| *name == key.name));
        let columns = key.map(|key| key.columns.clone()).unwrap_or_default();
        let update: Vec<String> = match part("update") {
            None | Some(Input::Null) => {
                let is_changed = |name: &str| {
                    let may = table.field_of(name).is_some_and(|(_, column)| column.updatable);
                    may && !columns.iter().any(|column| column == name)
                };
                same_in_all(table, objects, &is_changed)?
            }
            Some(names) => {
                let column = |name: &Input| {
                    let name = name.text().unwrap_or_default();
                    table.column(&name).map(|column| column.name.clone()).ok_or_else(|| Error::unknown(&name))
                };
                names.items().iter().map(column).collect::<Result<_, _>>()?
            }
        };
        let filters = part("where").map_or_else(|| Ok(Vec::new()), |filter| self.filter(id, filter, 0))?;
        let resolution = if update.is_empty() { Resolution::Ignore } else { Resolution::Merge };
        Ok(Some(Conflict { resolution, columns, update: Some(update), filters }))
    }
}

/// The columns that objects give and that `is_changed`; every object must give all of them, or one that says nothing of a
/// column would have it changed.
fn same_in_all(table: &Table, objects: &[Input], is_changed: &dyn Fn(&str) -> bool) -> Result<Vec<String>, Error> {
    let given: Vec<Vec<&str>> = objects.iter().map(|object| columns_given(table, object)).collect();
    let mut all: Vec<&str> = Vec::new();
    for name in given.iter().flatten().filter(|name| is_changed(name)) {
        if !all.contains(name) {
            all.push(name);
        }
    }
    let is_missing = |name: &&&str| given.iter().any(|columns| !columns.contains(*name));
    let missing: Vec<String> = all.iter().filter(is_missing).map(|name| format!("`{name}`")).collect();
    if missing.is_empty() {
        return Ok(all.into_iter().map(str::to_owned).collect());
    }
    let reason = format!(
        "must say what to `update`: only some of the objects give {}, and the others would change it too",
        missing.join(", ")
    );
    Err(Error::Argument { argument: "onConflict".to_owned(), reason })
}

/// The columns that an object gives, itself or by what it refers to.
fn columns_given<'t>(table: &'t Table, object: &Input) -> Vec<&'t str> {
    let mut columns = Vec::new();
    for (name, value) in object.fields() {
        match table.fields.get(name).map(|field| &field.kind) {
            Some(FieldKind::Column(column)) => columns.push(column.name.as_str()),
            Some(FieldKind::One(to)) if to.refers && *value != Input::Null => {
                if let Join::Columns(pairs) = &to.join {
                    columns.extend(pairs.iter().map(|(own, _)| own.as_str()));
                }
            }
            _ => {}
        }
    }
    columns
}

/// The key of an input of which exactly one field is given.
pub(super) fn one_key<'t>(table: &'t Table, argument: &str, given: &Input) -> Result<Keyed<'t>, Error> {
    let [(name, value)] = given.fields() else {
        let reason = "must have exactly one of its fields".to_owned();
        return Err(Error::Argument { argument: argument.to_owned(), reason });
    };
    if *value == Input::Null {
        let reason = format!("must not have null for `{name}`");
        return Err(Error::Argument { argument: argument.to_owned(), reason });
    }
    let key = table.keys.iter().find(|key| key.name == *name).ok_or_else(|| Error::unknown(name))?;
    if let [column] = key.columns.as_slice() {
        let (_, of) = table.field_of(column).ok_or_else(|| Error::unknown(name))?;
        return Ok((key, vec![(column.clone(), of.value.meant(name, value)?)]));
    }
    let part = |(name, value): &(String, Input)| {
        let column = table.column(name).ok_or_else(|| Error::unknown(name))?;
        Ok((column.name.clone(), column.value.meant(name, value)?))
    };
    Ok((key, value.fields().iter().map(part).collect::<Result<_, Error>>()?))
}
