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

/// Words of the SQL grammar for types, each of which is its own SQL text, with their `pg_type.oid`.
const WORDS: [(&str, u32); 33] = [
    ("bigint", 20),
    ("bit", 1560),
    ("bit varying", 1562),
    ("boolean", 16),
    ("char", 1042),
    ("char varying", 1043),
    ("character", 1042),
    ("character varying", 1043),
    ("dec", 1700),
    ("decimal", 1700),
    ("double precision", 701),
    ("float", 701),
    ("int", 23),
    ("integer", 23),
    ("interval", 1186),
    ("national char", 1042),
    ("national char varying", 1043),
    ("national character", 1042),
    ("national character varying", 1043),
    ("nchar", 1042),
    ("nchar varying", 1043),
    ("numeric", 1700),
    ("real", 700),
    ("smallint", 21),
    ("time", 1083),
    ("time with time zone", 1266),
    ("time without time zone", 1083),
    ("timestamp", 1114),
    ("timestamp with time zone", 1184),
    ("timestamp without time zone", 1114),
    ("varchar", 1043),
    // Not spelled by the grammar, but common: the short text keeps statements readable.
    ("text", 25),
    ("jsonb", 3802),
];

/// More names of PostgreSQL's own types.
const OWN: [(&str, u32); 12] = [
    ("bool", 16),
    ("bytea", 17),
    ("date", 1082),
    ("float4", 700),
    ("float8", 701),
    ("int2", 21),
    ("int4", 23),
    ("int8", 20),
    ("json", 114),
    ("timestamptz", 1184),
    ("timetz", 1266),
    ("uuid", 2950),
];

impl TypeName {
    /// Reads what a caller wrote after `::`.
    pub fn from_caller(name: &str) -> Self {
        let folded = name.split_ascii_whitespace().collect::<Vec<_>>().join(" ").to_ascii_lowercase();
        match WORDS.iter().find(|(word, _)| *word == folded) {
            Some((word, _)) => Self::Words(word),
            None => Self::Named(folded),
        }
    }

    /// `pg_type.oid`, where it is one of the common types of PostgreSQL's own. (Of other schemas a name is only looked for when that of
    /// PostgreSQL has none of it; a path that has it otherwise proves nothing, adr/0009.)
    pub(crate) fn own_oid(&self) -> Option<u32> {
        let (known, name) = match self {
            Self::Words(word) => (&WORDS[..], *word),
            Self::Named(name) => (&OWN[..], name.as_str()),
            Self::Catalog(_) => return None,
        };
        known.iter().find(|(word, _)| *word == name).map(|(_, oid)| *oid)
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
