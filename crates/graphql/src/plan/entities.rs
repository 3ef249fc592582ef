//! Rows that a router of a federation asks for, by their types and keys.

use ferrobase_query::plan::{Content, One};

use super::collect::Asked;
use super::input::Input;
use super::{Planner, filter, json, node_id};
use crate::error::Error;
use crate::model::TableId;
use crate::schema::is_entity;

/// Most rows of one request.
const MOST: usize = 1000;
const ARGUMENT: &str = "representations";

fn refused(reason: &str) -> Error {
    Error::Argument { argument: ARGUMENT.to_owned(), reason: reason.to_owned() }
}

impl<'a> Planner<'a> {
    /// `_service`: the schema as routers read it.
    pub(super) fn service(&self, asked: &Asked<'a>) -> Content {
        let told = self.collect(asked.below(), &|name| name == "_Service").into_iter().map(|asked| {
            let value = if asked.name() == "sdl" { self.model.sdl.as_deref() } else { Some("_Service") };
            format!("{}:{}", json(asked.key), value.map_or_else(|| "null".to_owned(), json))
        });
        Content::Constant(format!("{{{}}}", told.collect::<Vec<_>>().join(",")))
    }

    /// `_entities`: rows in the order in which they are asked for, null for those that are not there.
    pub(super) fn entities(&self, asked: &Asked<'a>) -> Result<Content, Error> {
        let representations = self.argument(asked, ARGUMENT).unwrap_or(Input::Null);
        if representations.items().len() > MOST {
            return Err(refused("are more than 1000"));
        }
        let one = |representation: &Input| self.entity(representation, asked);
        Ok(Content::Tuple(representations.items().iter().map(one).collect::<Result<_, _>>()?))
    }

    fn entity(&self, representation: &Input, asked: &Asked<'a>) -> Result<Content, Error> {
        let given =
            |name: &str| representation.fields().iter().find(|(field, _)| field == name).map(|(_, value)| value);
        let type_name = given("__typename").and_then(Input::text).ok_or_else(|| refused("need a `__typename`"))?;
        let id = self.model.by_type.get(&type_name).copied().filter(|id| is_entity(self.table(*id)));
        let id = id.ok_or_else(|| refused("name a type that has no key"))?;
        let key = match given("nodeId").and_then(Input::text) {
            Some(text) => node_id::decode(self.model, &text).filter(|(of, _)| *of == id).map(|(_, key)| key),
            None => self.key_given(id, &given)?,
        };
        let key = key.ok_or_else(|| refused("need `nodeId` or the primary key"))?;
        let mut read = self.read_table(id);
        read.filters.extend(self.table(id).key.iter().zip(key).map(|(column, value)| filter::equal(column, value)));
        Ok(Content::One(Box::new(One { join: None, read, members: self.row(id, asked.below())? })))
    }

    /// The values of the primary key; none where one of them is missing.
    fn key_given<'i>(
        &self,
        id: TableId,
        given: &dyn Fn(&str) -> Option<&'i Input>,
    ) -> Result<Option<Vec<Option<String>>>, Error> {
        let table = self.table(id);
        if !table.key.iter().all(|column| table.field_of(column).is_some_and(|(name, _)| given(name).is_some())) {
            return Ok(None);
        }
        let key = self.key_values(id, &|name| given(name).cloned())?;
        Ok(Some(key.into_iter().map(|(_, value)| value.text()).collect()))
    }
}
