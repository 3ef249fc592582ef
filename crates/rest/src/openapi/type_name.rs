//! Names of types as descriptions tell them.
//!
//! The catalog qualifies what is not in `pg_catalog`. Parameters are told as the caller would write them, without the
//! schemas that are searched anyway. Invariant: the row type of a relation that the caller may not know of is told as
//! `record`, wherever it occurs.

use std::borrow::Cow;
use std::collections::HashSet;

use super::facts::{Listing, View};

/// What is known about names of types besides the names.
pub(super) struct TypeNames {
    /// Schema and name of relations that must not be named.
    secret: HashSet<(String, String)>,
    /// Prefixes that are left out.
    searched: Vec<String>,
}

impl TypeNames {
    pub(super) fn new(view: &View<'_>) -> Self {
        // PostgREST hides no type names, and where all is listed nothing is left to hide from them.
        let secret = if view.listing == Listing::Reachable {
            HashSet::new()
        } else {
            let unknown = view.catalog.relations.values().filter(|relation| !view.knows(relation));
            unknown.map(|relation| (relation.name.schema.clone(), relation.name.name.clone())).collect()
        };
        let searched = if view.listing == Listing::Everything {
            Vec::new()
        } else {
            let schemas = std::iter::once(view.schema).chain(view.extra_search_path.iter().map(String::as_str));
            schemas.flat_map(|schema| [format!("{schema}."), format!("\"{}\".", schema.replace('"', "\"\""))]).collect()
        };
        Self { secret, searched }
    }

    /// Of a column, in full.
    pub(super) fn of_column<'t>(&self, name: &'t str) -> Cow<'t, str> {
        self.without_secret(name)
    }

    /// Of a parameter or result.
    pub(super) fn of_parameter<'t>(&self, name: &'t str) -> Cow<'t, str> {
        let name = self.without_secret(name);
        let prefix = self.searched.iter().find(|prefix| name.starts_with(prefix.as_str())).map(String::len);
        match (prefix, name) {
            (None, name) => name,
            (Some(length), Cow::Borrowed(name)) => Cow::Borrowed(&name[length..]),
            (Some(length), Cow::Owned(name)) => Cow::Owned(name[length..].to_owned()),
        }
    }

    fn without_secret<'t>(&self, name: &'t str) -> Cow<'t, str> {
        if self.secret.is_empty() || !name.contains('.') {
            return Cow::Borrowed(name);
        }
        let element = name.trim_end_matches("[]");
        match qualified(element) {
            Some(parts) if self.secret.contains(&parts) => Cow::Owned(format!("record{}", &name[element.len()..])),
            _ => Cow::Borrowed(name),
        }
    }
}

/// Schema and name of a type written as `schema.name`, each part quoted or not.
pub(super) fn qualified(text: &str) -> Option<(String, String)> {
    let (schema, rest) = identifier(text)?;
    let (name, rest) = identifier(rest.strip_prefix('.')?)?;
    rest.is_empty().then_some((schema, name))
}

fn identifier(text: &str) -> Option<(String, &str)> {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find('.').unwrap_or(text.len());
        return (end > 0).then(|| (text[..end].to_owned(), &text[end..]));
    };
    let mut name = String::new();
    let mut rest = quoted;
    loop {
        let end = rest.find('"')?;
        name.push_str(&rest[..end]);
        rest = &rest[end + 1..];
        match rest.strip_prefix('"') {
            Some(more) => {
                name.push('"');
                rest = more;
            }
            None => return Some((name, rest)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(secret: &[(&str, &str)], searched: &[&str]) -> TypeNames {
        TypeNames {
            secret: secret.iter().map(|(schema, name)| ((*schema).to_owned(), (*name).to_owned())).collect(),
            searched: searched.iter().map(ToString::to_string).collect(),
        }
    }

    #[test]
    fn rows_of_hidden_relations_are_records() {
        let types = names(&[("public", "salaries"), ("a \"b", "c.d")], &[]);
        let cases = [
            ("public.salaries", "record"),
            ("public.salaries[]", "record[]"),
            ("public.\"salaries\"", "record"),
            ("\"a \"\"b\".\"c.d\"", "record"),
            ("public.salaries_too", "public.salaries_too"),
            ("numeric", "numeric"),
            ("\"open", "\"open"),
        ];
        for (name, told) in cases {
            assert_eq!(types.of_column(name), told, "{name}");
        }
    }

    #[test]
    fn parameters_leave_out_the_schemas_that_are_searched() {
        let types = names(&[("api", "salaries")], &["api.", "\"my ext\"."]);
        assert_eq!(types.of_parameter("api.colour"), "colour");
        assert_eq!(types.of_parameter("\"my ext\".geometry[]"), "geometry[]");
        assert_eq!(types.of_parameter("apix.colour"), "apix.colour");
        assert_eq!(types.of_parameter("api.salaries"), "record");
        assert_eq!(types.of_column("api.colour"), "api.colour");
    }
}
