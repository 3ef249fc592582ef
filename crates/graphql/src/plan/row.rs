//! Fields of a row.

use apollo_compiler::executable::SelectionSet;
use ferrobase_query::plan::{Cases, Content, Field, Member, One};

use super::collect::Asked;
use super::{Planner, json};
use crate::error::Error;
use crate::model::{FieldKind, Table, TableId, Variant};
use crate::schema::ENTITY;

/// Most objects of one operation for rows that may be of several types.
const SPLITS: usize = 200;

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
        let Some(variants) = &table.variants else {
            let type_name = Content::Constant(json(&table.type_name));
            return self.members(table, self.collect(selections, &is), &type_name);
        };
        let selections: Vec<&SelectionSet> = selections.collect();
        let of = |own: &str| self.collect(selections.iter().copied(), &|name| is(name) || name == own);
        let constant = |name: &str| Content::Constant(json(name));
        let common = of("");
        if variants.types.iter().all(|variant| same(&of(&variant.name), &common)) {
            // Of all rows the same is asked.
            let cases = variants.types.iter().map(|variant| (variant.value.clone(), constant(&variant.name)));
            let (field, otherwise) = (Field::column(&variants.column), constant(&variants.other));
            let type_name = Content::Cases(Box::new(Cases { field, cases: cases.collect(), otherwise }));
            return self.members(table, common, &type_name);
        }
        self.splits.set(self.splits.get() + variants.types.len());
        if self.splits.get() > SPLITS {
            return Err(Error::Request(format!("More than {SPLITS} types of rows are told apart")));
        }
        let object = |asked, name: &str| self.members(table, asked, &constant(name)).map(Content::Object);
        let case = |variant: &Variant| Ok((variant.value.clone(), object(of(&variant.name), &variant.name)?));
        let cases = variants.types.iter().map(case).collect::<Result<_, Error>>()?;
        let otherwise = object(of(&variants.other), &variants.other)?;
        let cases = Cases { field: Field::column(&variants.column), cases, otherwise };
        Ok(vec![Member { key: String::new(), value: Content::Cases(Box::new(cases)) }])
    }

    /// Fields of a row as members.
    fn members(&self, table: &Table, asked: Vec<Asked<'a>>, type_name: &Content) -> Result<Vec<Member>, Error> {
        let mut members = Vec::new();
        for asked in asked {
            let value = match asked.name() {
                "__typename" => type_name.clone(),
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

/// Whether two collections ask for the same.
fn same(one: &[Asked<'_>], other: &[Asked<'_>]) -> bool {
    let alike = |(one, other): (&Asked<'_>, &Asked<'_>)| one.key == other.key && one.is(other);
    one.len() == other.len() && one.iter().zip(other).all(alike)
}
