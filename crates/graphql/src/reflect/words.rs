//! Types of values, and enums with the words that stand for theirs.

use std::collections::HashMap;

use ferrobase_catalog::{Catalog, DeclaredType, QualifiedName, TypeClass};

use super::Reflecting;
use crate::directive;
use crate::model::EnumType;
use crate::naming::{is_enum_value, is_name};
use crate::scalar::{Class, ValueType};

impl Reflecting<'_> {
    pub(super) fn column_type(&mut self, column: &ferrobase_catalog::Column) -> ValueType {
        let value = self.value_type(&column.base_type, column.type_class, &column.enum_values);
        let is_sealed = value.class == Class::Opaque && !column.comparable;
        if is_sealed { ValueType { class: Class::Sealed, ..value } } else { value }
    }

    pub(super) fn value_type(&mut self, sql: &str, class: TypeClass, enum_values: &[String]) -> ValueType {
        if class == TypeClass::Composite {
            return ValueType::of_class(Class::Opaque);
        }
        let element = sql.trim_end_matches("[]");
        if !self.enums.contains_key(element) {
            let catalog = self.sight.catalog;
            let name = self.declared.get(element).cloned();
            let values = match name.as_ref().and_then(|name| catalog.types.get(name)) {
                Some(DeclaredType::Enum(values)) => values,
                _ => enum_values,
            };
            if !values.is_empty() {
                let value = self.enum_type(element, name.as_ref(), values);
                self.enums.insert(element.to_owned(), value);
            }
        }
        match self.enums.get(element) {
            Some(value) => ValueType { is_list: sql.ends_with("[]"), ..value.clone() },
            None => ValueType::of_sql(sql),
        }
    }

    /// The type of an enum; a string where its values are no names or its own name is taken.
    fn enum_type(&mut self, sql: &str, declared: Option<&QualifiedName>, values: &[String]) -> ValueType {
        let comment = declared.and_then(|name| self.sight.catalog.type_comments.get(name));
        let commented = directive::read(comment.map(String::as_str));
        let own = declared.map_or_else(|| sql.rsplit('.').next().unwrap_or(sql).trim_matches('"'), |name| &name.name);
        let name = commented.directive.name.unwrap_or_else(|| self.naming.type_name(own));
        let mappings = commented.directive.mappings.unwrap_or_default();
        let words: Vec<(String, String)> =
            values.iter().map(|value| (value.clone(), mappings.get(value).unwrap_or(value).clone())).collect();
        let is_word = |(place, (_, word)): (usize, &(String, String))| {
            let is_free = words.iter().take(place).all(|(_, other)| other != word);
            is_free && is_enum_value(word)
        };
        if !words.iter().enumerate().all(is_word) || !is_name(&name) || !self.take(&name) {
            return ValueType::of_class(Class::String);
        }
        let told = words.iter().map(|(_, word)| word.clone()).collect();
        self.model.enums.insert(name.clone(), EnumType { description: commented.description, words: told });
        let differs = words.iter().any(|(value, word)| value != word);
        ValueType { name, is_list: false, class: Class::Enum, words: if differs { words } else { Vec::new() } }
    }
}

/// Enums by the names under which SQL knows them: with their schema, quoted or not.
pub(super) fn declared(catalog: &Catalog) -> HashMap<String, QualifiedName> {
    let quoted = |name: &str| format!("\"{}\"", name.replace('"', "\"\""));
    let mut names = HashMap::new();
    for (name, _) in catalog.types.iter().filter(|(_, declared)| matches!(declared, DeclaredType::Enum(_))) {
        for schema in [name.schema.clone(), quoted(&name.schema)] {
            for own in [name.name.clone(), quoted(&name.name)] {
                names.insert(format!("{schema}.{own}"), name.clone());
            }
        }
    }
    names
}
