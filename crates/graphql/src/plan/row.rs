//! Fields of a row.

use apollo_compiler::executable::SelectionSet;
use ferrobase_query::plan::{Content, Field, Member, One};

use super::{Planner, json};
use crate::error::Error;
use crate::model::{FieldKind, TableId};
use crate::schema::ENTITY;

impl<'a> Planner<'a> {
    /// What is told of a row.
    pub(super) fn row(
        &self,
        id: TableId,
        selections: impl Iterator<Item = &'a SelectionSet>,
    ) -> Result<Vec<Member>, Error> {
        let table = self.table(id);
        let has_id = table.fields.contains_key("nodeId");
        let is = |name: &str| name == table.type_name || has_id && matches!(name, "Node" | ENTITY);
        let mut members = Vec::new();
        for asked in self.collect(selections, &is) {
            let value = match asked.name() {
                "__typename" => Content::Constant(json(&table.type_name)),
                name => {
                    let field = table.fields.get(name).ok_or_else(|| Error::unknown(name))?;
                    match &field.kind {
                        FieldKind::NodeId => {
                            Content::RowId { table: table.relation.name.clone(), key: table.key.clone() }
                        }
                        FieldKind::Column(column) => {
                            Content::Value { field: Field::column(&column.name), scalar: column.value.scalar() }
                        }
                        FieldKind::One(to) => {
                            let members = self.row(to.table, asked.below()).map_err(|error| error.at(asked.key))?;
                            Content::One(Box::new(One {
                                join: Some(to.join.clone()),
                                read: self.read_related(to),
                                members,
                            }))
                        }
                        FieldKind::Many(to) => {
                            let page = self.page(to.table, Some(to.join.clone()), self.read_related(to), &asked);
                            Content::Page(Box::new(page.map_err(|error| error.at(asked.key))?))
                        }
                    }
                }
            };
            members.push(Member { key: asked.key.to_owned(), value });
        }
        Ok(members)
    }
}
