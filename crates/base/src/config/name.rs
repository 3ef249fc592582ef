//! Names of things in the database: schemas, roles, functions, relations.
//!
//! They are written as PostgreSQL stores them, without quotes; whoever puts one into SQL quotes it (`query::Sql`).
//! Whether they exist is for the catalog to say.

use std::fmt;
use std::ops::Deref;

use super::net::checked_text;
use super::{Atom, Shown};

checked_text!(
    /// A schema, role or channel: 1 to 63 bytes, as PostgreSQL stores it (case counts, no quotes).
    Identifier, "a name of at most 63 bytes", |text| identifier(text).map(str::to_owned)
);

fn identifier(text: &str) -> Option<&str> {
    (!text.is_empty() && text.len() <= 63 && !text.chars().any(char::is_control)).then_some(text)
}

/// A function or relation, `schema.name`; a missing schema is resolved by whoever uses it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct QualifiedName {
    /// The schema, when one was written.
    pub schema: Option<Identifier>,
    /// The name.
    pub name: Identifier,
}

impl fmt::Display for QualifiedName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.schema {
            Some(schema) => write!(f, "{schema}.{}", self.name),
            None => write!(f, "{}", self.name),
        }
    }
}

impl Atom for QualifiedName {
    fn kind() -> String {
        "`schema.name`".to_owned()
    }

    fn parse(text: &str) -> Option<Self> {
        match text.trim().split_once('.') {
            // `a.b.c` is a mistake more often than a name with a dot in it.
            Some((_, name)) if name.contains('.') => None,
            Some((schema, name)) => {
                Some(Self { schema: Some(Identifier::parse(schema)?), name: Identifier::parse(name)? })
            }
            None => Some(Self { schema: None, name: Identifier::parse(text)? }),
        }
    }

    fn spell(&self) -> Shown {
        Shown::Text(self.to_string())
    }
}

/// Which relations a permission is about.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum RelationPattern {
    /// `*`: every one.
    All,
    /// `schema.*`: every one of a schema.
    Schema(Identifier),
    /// `schema.name`: this one.
    One {
        /// Its schema.
        schema: Identifier,
        /// Its name.
        name: Identifier,
    },
}

impl RelationPattern {
    /// Whether the relation is meant.
    pub fn matches(&self, schema: &str, name: &str) -> bool {
        match self {
            Self::All => true,
            Self::Schema(wanted) => wanted.as_str() == schema,
            Self::One { schema: wanted, name: wanted_name } => {
                wanted.as_str() == schema && wanted_name.as_str() == name
            }
        }
    }
}

impl fmt::Display for RelationPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("*"),
            Self::Schema(schema) => write!(f, "{schema}.*"),
            Self::One { schema, name } => write!(f, "{schema}.{name}"),
        }
    }
}

impl Atom for RelationPattern {
    fn kind() -> String {
        "`schema.name`, `schema.*` or `*`".to_owned()
    }

    fn parse(text: &str) -> Option<Self> {
        match text.trim() {
            "*" => Some(Self::All),
            text => {
                let (schema, name) = text.split_once('.')?;
                let every = name.trim() == "*";
                // No other place for a star: a pattern like `*.*` would be a name that nothing has.
                if schema.contains('*') || (name.contains('*') && !every) {
                    return None;
                }
                let schema = Identifier::parse(schema)?;
                Some(if every { Self::Schema(schema) } else { Self::One { schema, name: Identifier::parse(name)? } })
            }
        }
    }

    fn spell(&self) -> Shown {
        Shown::Text(self.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn relations() {
        let matches = |pattern: &str, schema, name| RelationPattern::parse(pattern).unwrap().matches(schema, name);
        assert!(matches("*", "a", "b"));
        assert!(matches("a.*", "a", "b") && !matches("a.*", "c", "b"));
        assert!(matches("a.b", "a", "b") && !matches("a.b", "a", "c") && !matches("a.b", "c", "b"));
        for bad in ["", "a", "a.", ".b", "*.*", "*.b", "a.b*", "a*.b", &format!("a.{}", "b".repeat(64))] {
            assert!(RelationPattern::parse(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn names() {
        assert_eq!(QualifiedName::parse("app.check").unwrap().to_string(), "app.check");
        assert_eq!(QualifiedName::parse("check").unwrap().schema, None);
        for bad in ["", "a.b.c", "a..b", ".a", "a."] {
            assert_eq!(QualifiedName::parse(bad), None, "{bad}");
        }
        assert!(QualifiedName::parse("a.").is_none());
        assert!(Identifier::parse("Weird name").is_some());
        assert!(Identifier::parse("a\0b").is_none());
    }
}
