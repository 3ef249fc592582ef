//! The name of a type in a cast that a caller wrote: `::int`, `::double precision`, `::my_enum`.
//!
//! Such a name cannot be quoted as it is, because the SQL grammar spells some types in words of its own (`int` is no
//! type called `"int"`). So those words are mapped to text of ours, and every other name is quoted like any
//! identifier, folded to lower case as PostgreSQL folds an unquoted one.
//! Invariant: the caller's text never becomes SQL outside double quotes.

use crate::sql::{CatalogSql, Sql};

/// A type to cast to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum TypeName {
    /// A type that the SQL grammar spells in words.
    Words(&'static str),
    /// Any other type, found by the search path.
    Named(String),
    /// A type as the catalog writes it.
    Catalog(CatalogSql),
}

/// Words of the SQL grammar for types; each is its own SQL text.
const WORDS: [&str; 33] = [
    "bigint",
    "bit",
    "bit varying",
    "boolean",
    "char",
    "char varying",
    "character",
    "character varying",
    "dec",
    "decimal",
    "double precision",
    "float",
    "int",
    "integer",
    "interval",
    "national char",
    "national char varying",
    "national character",
    "national character varying",
    "nchar",
    "nchar varying",
    "numeric",
    "real",
    "smallint",
    "time",
    "time with time zone",
    "time without time zone",
    "timestamp",
    "timestamp with time zone",
    "timestamp without time zone",
    "varchar",
    // Not spelled by the grammar, but common: the short text keeps statements readable.
    "text",
    "jsonb",
];

impl TypeName {
    /// Reads what a caller wrote after `::`.
    pub fn from_caller(name: &str) -> Self {
        let folded = name.split_ascii_whitespace().collect::<Vec<_>>().join(" ").to_ascii_lowercase();
        match WORDS.iter().find(|word| **word == folded) {
            Some(word) => Self::Words(word),
            None => Self::Named(folded),
        }
    }

    /// Whether casting to it looks a name up in the database's catalog (`regclass` and its kin): an oracle for names
    /// that the caller may not see.
    pub fn is_registry(&self) -> bool {
        let Self::Named(name) = self else { return false };
        let name = name.strip_prefix('_').unwrap_or(name);
        matches!(
            name,
            "regclass"
                | "regcollation"
                | "regconfig"
                | "regdatabase"
                | "regdictionary"
                | "regnamespace"
                | "regoper"
                | "regoperator"
                | "regproc"
                | "regprocedure"
                | "regrole"
                | "regtype"
        )
    }

    /// Whether it is the pseudo-type of literals, a cast to which PostgreSQL accepts and then fails at (XX000).
    pub fn is_unknown(&self) -> bool {
        matches!(self, Self::Named(name) if name == "unknown")
    }

    /// Writes it.
    pub fn write(&self, out: &mut Sql) {
        match self {
            Self::Words(words) => out.push(words),
            Self::Named(name) => out.ident(name),
            Self::Catalog(text) => out.catalog(text),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(name: &str) -> String {
        let mut sql = Sql::new();
        TypeName::from_caller(name).write(&mut sql);
        sql.build().text
    }

    #[test]
    fn grammar_words_stay_words_and_the_rest_is_quoted() {
        assert_eq!(written("int"), "int");
        assert_eq!(written("DOUBLE  precision"), "double precision");
        assert_eq!(written("timestamptz"), r#""timestamptz""#);
        assert_eq!(written("MyEnum"), r#""myenum""#);
        assert_eq!(written(r#"int) from pg_authid --"#), r#""int) from pg_authid --""#);
    }

    #[test]
    fn sec_22_registry_types_are_recognised() {
        for name in ["regclass", "RegRole", "_regproc"] {
            assert!(TypeName::from_caller(name).is_registry(), "{name}");
        }
        assert!(!TypeName::from_caller("registration").is_registry());
        assert!(TypeName::from_caller("UNKNOWN").is_unknown() && !TypeName::from_caller("unknowns").is_unknown());
    }
}
