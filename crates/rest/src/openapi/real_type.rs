//! What stands behind the name of a type: domains are followed to their base, enums to their values.
//!
//! Descriptions tell types as they were declared (`type_name`); what values of them look like is decided by this. Pure.
//! Invariant: a type of which nothing is known has a name that no table of built-in types lists.

use std::borrow::Cow;

use ferrobase_catalog::{Catalog, DeclaredType, QualifiedName, own_type_name};

use super::type_name::qualified;

/// A type as its values are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RealType<'a> {
    /// The base type as SQL writes it, with `[]` behind it for arrays.
    pub(crate) name: Cow<'a, str>,
    /// The values of the enum that it is, or that its elements are; else empty.
    pub(crate) values: &'a [String],
}

impl<'a> RealType<'a> {
    /// By its name as SQL writes it.
    pub(crate) fn of(name: &'a str, catalog: &'a Catalog) -> Self {
        let element = name.trim_end_matches("[]");
        let declared =
            qualified(element).and_then(|(schema, name)| catalog.types.get(&QualifiedName::new(schema, name)));
        match declared {
            Some(declared) => Self::declared(declared, Cow::Borrowed(name), &name[element.len()..], catalog),
            None => Self { name: name.into(), values: &[] },
        }
    }

    /// By its name in `pg_type`.
    pub(crate) fn named(name: &'a QualifiedName, catalog: &'a Catalog) -> Self {
        let unknown = || Self { name: Cow::Borrowed("record"), values: &[] };
        if name.schema == "pg_catalog" {
            return Self { name: built_in(&name.name), values: &[] };
        }
        if let Some(declared) = catalog.types.get(name) {
            return Self::declared(declared, Cow::Borrowed(&name.name), "", catalog);
        }
        let element = name.name.strip_prefix('_').map(|element| QualifiedName::new(name.schema.as_str(), element));
        match element.and_then(|element| catalog.types.get(&element)) {
            Some(declared) => Self::declared(declared, format!("{}[]", name.name).into(), "[]", catalog),
            None => unknown(),
        }
    }

    fn declared(declared: &'a DeclaredType, name: Cow<'a, str>, array: &str, catalog: &'a Catalog) -> Self {
        match declared {
            DeclaredType::Enum(values) => Self { name, values },
            DeclaredType::Composite(_) => Self { name, values: &[] },
            DeclaredType::Domain(base) => {
                let base = Self::of(base, catalog);
                match (array, base.is_array()) {
                    ("", _) => base,
                    // Arrays of arrays, of which a type's name says nothing.
                    (_, true) => Self { name: Cow::Borrowed("record[]"), values: &[] },
                    (array, false) => Self { name: format!("{}{array}", base.name).into(), ..base },
                }
            }
        }
    }

    /// Whether it is one.
    pub(crate) fn is_array(&self) -> bool {
        self.name.ends_with("[]")
    }

    /// What its elements are; of what is no array, itself.
    pub(crate) fn element(&self) -> Self {
        Self { name: self.name.trim_end_matches("[]").to_owned().into(), values: self.values }
    }
}

/// The name in SQL of a type of `pg_catalog`.
fn built_in(name: &str) -> Cow<'_, str> {
    match name.strip_prefix('_') {
        Some(element) => format!("{}[]", own_type_name(element)).into(),
        None => own_type_name(name).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn catalog() -> Catalog {
        let enum_of = |values: &[&str]| DeclaredType::Enum(values.iter().map(ToString::to_string).collect());
        let types = [
            ("mood", enum_of(&["sad", "ok"])),
            ("odd.na\"me", enum_of(&["x"])),
            ("pair", DeclaredType::Composite(Vec::new())),
            ("feeling", DeclaredType::Domain("api.mood".to_owned())),
            ("feelings", DeclaredType::Domain("api.mood[]".to_owned())),
            ("short", DeclaredType::Domain("character varying(5)".to_owned())),
        ];
        let types = types.map(|(name, declared)| (QualifiedName::new("api", name), declared)).into();
        Catalog { types, ..Catalog::default() }
    }

    #[test]
    fn domains_and_enums_are_followed_through_arrays() {
        let catalog = catalog();
        let real = |name: &'static str| {
            let real = RealType::of(name, &catalog);
            (real.name.into_owned(), real.values.join(" "))
        };
        let cases = [
            ("integer[]", "integer[]", ""),
            ("api.mood[]", "api.mood[]", "sad ok"),
            ("api.\"odd.na\"\"me\"", "api.\"odd.na\"\"me\"", "x"),
            ("api.feeling", "api.mood", "sad ok"),
            ("api.feeling[]", "api.mood[]", "sad ok"),
            ("api.feelings", "api.mood[]", "sad ok"),
            ("api.feelings[]", "record[]", ""),
            ("api.short[]", "character varying(5)[]", ""),
            ("api.pair", "api.pair", ""),
            ("api.unknown", "api.unknown", ""),
        ];
        for (name, base, values) in cases {
            assert_eq!(real(name), (base.to_owned(), values.to_owned()), "{name}");
        }
    }

    #[test]
    fn types_of_results_have_their_names_in_sql() {
        let catalog = catalog();
        let cases = [
            (("pg_catalog", "int4"), "integer", 0),
            (("pg_catalog", "_timestamptz"), "timestamp with time zone[]", 0),
            (("api", "mood"), "mood", 2),
            (("api", "_mood"), "_mood[]", 2),
            (("public", "int4"), "record", 0),
        ];
        for ((schema, name), sql, values) in cases {
            let name = QualifiedName::new(schema, name);
            let real = RealType::named(&name, &catalog);
            assert_eq!((&*real.name, real.values.len()), (sql, values), "{name}");
        }
    }
}
