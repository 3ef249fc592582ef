//! Rows of several types in one relation.

use super::Reflecting;
use crate::directive::Polymorphic;
use crate::model::{Table, Variant, Variants};
use crate::naming::is_name;

impl Reflecting<'_> {
    /// The types of a relation's rows; none where the role cannot read which is which, or where a name is not free.
    pub(super) fn variants(&mut self, table: &Table, said: &Polymorphic) -> Option<Variants> {
        let (_, column) = table.field_of(&said.column).filter(|(_, column)| column.readable)?;
        let other = table.type_of("Other");
        let names: Vec<&String> = said.types.values().map(|of| &of.name).chain([&other]).collect();
        let is_free = |name: &String| is_name(name) && !self.taken.contains(name);
        let is_once = |name: &&String| names.iter().filter(|other| other == &name).count() == 1;
        if said.types.is_empty() || !names.iter().all(|name| is_free(name) && is_once(name)) {
            let text = "a type of its rows (`polymorphic`) has no name that is free: they are all of one type";
            self.mistake(&table.relation.name, text);
            return None;
        }
        let own = |columns: &[String]| -> Vec<String> {
            let fields = columns.iter().filter_map(|column| table.field_of(column));
            // What names a row every row has.
            let fields = fields.filter(|(_, column)| column.readable && !table.key.contains(&column.name));
            fields.map(|(name, _)| name.clone()).collect()
        };
        let types = said.types.iter().map(|(value, of)| Variant {
            value: value.clone(),
            name: of.name.clone(),
            own: own(&of.columns),
        });
        let variants = Variants { column: column.name.clone(), types: types.collect(), other: other.clone() };
        self.taken.extend(names.into_iter().cloned());
        Some(variants)
    }
}
