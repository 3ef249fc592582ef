//! Schema-qualified names, and looking them up without building one.

use std::fmt;
use std::hash::{Hash, Hasher};

use indexmap::Equivalent;

/// A schema-qualified name, unquoted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct QualifiedName {
    /// Schema.
    pub schema: String,
    /// Object name within it.
    pub name: String,
}

impl QualifiedName {
    /// Both parts.
    pub fn new(schema: impl Into<String>, name: impl Into<String>) -> Self {
        Self { schema: schema.into(), name: name.into() }
    }
}

impl fmt::Display for QualifiedName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.schema, self.name)
    }
}

/// A borrowed name, for look-ups in maps keyed by [`QualifiedName`]: the hot path allocates nothing.
#[derive(Clone, Copy, Debug)]
pub struct NameRef<'a>(
    /// Schema.
    pub &'a str,
    /// Object name within it.
    pub &'a str,
);

impl Hash for NameRef<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        // The same sequence as the derived implementation of `QualifiedName`; a test holds the two together.
        self.0.hash(state);
        self.1.hash(state);
    }
}

impl Equivalent<QualifiedName> for NameRef<'_> {
    fn equivalent(&self, key: &QualifiedName) -> bool {
        self.0 == key.schema && self.1 == key.name
    }
}

/// How SQL writes a type of `pg_catalog` that is no array, by its name in `pg_type` (`format_type`): `int4` is `integer`.
pub fn own_type_name(name: &str) -> &str {
    match name {
        "bool" => "boolean",
        "int2" => "smallint",
        "int4" => "integer",
        "int8" => "bigint",
        "float4" => "real",
        "float8" => "double precision",
        "bpchar" => "character",
        "varchar" => "character varying",
        "varbit" => "bit varying",
        "time" => "time without time zone",
        "timetz" => "time with time zone",
        "timestamp" => "timestamp without time zone",
        "timestamptz" => "timestamp with time zone",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use indexmap::IndexMap;

    use super::*;

    #[test]
    fn a_borrowed_name_finds_what_an_owned_one_stored() {
        let map: IndexMap<QualifiedName, u8> =
            [(QualifiedName::new("a", "bc"), 1), (QualifiedName::new("ab", "c"), 2)].into_iter().collect();
        assert_eq!(map.get(&NameRef("a", "bc")), Some(&1));
        assert_eq!(map.get(&NameRef("ab", "c")), Some(&2));
        assert_eq!(map.get(&NameRef("abc", "")), None);
    }
}
