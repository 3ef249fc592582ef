//! Reads the names of types as `format_type` writes them with an empty search path.

use ferrobase_catalog::QualifiedName;

/// A type's name in its parts.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct TypeName {
    /// `[]`; PostgreSQL does not tell how many dimensions there are.
    pub(crate) is_list: bool,
    /// Empty schema: of `pg_catalog`.
    pub(crate) name: QualifiedName,
}

/// Understands a name. Modifiers (lengths, precision) are left out.
pub(crate) fn parse(text: &str) -> TypeName {
    let element = text.trim_end_matches("[]");
    let (first, rest) = identifier(element);
    let name = match rest.strip_prefix('.') {
        Some(rest) => QualifiedName::new(first, identifier(rest).0),
        None => QualifiedName::new("", without_modifiers(element)),
    };
    TypeName { is_list: element.len() < text.len(), name }
}

/// An identifier at the start, unquoted, and what follows it.
fn identifier(text: &str) -> (String, &str) {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find(['.', '(']).unwrap_or(text.len());
        return (text[..end].to_owned(), &text[end..]);
    };
    let mut name = String::new();
    let mut rest = quoted;
    while let Some(end) = rest.find('"') {
        name.push_str(&rest[..end]);
        rest = &rest[end + 1..];
        // A quote inside is written twice.
        if !rest.starts_with('"') {
            return (name, rest);
        }
        name.push('"');
        rest = &rest[1..];
    }
    (name, rest)
}

/// `timestamp(3) with time zone` is a `timestamp with time zone`, `interval day to hour` an `interval`.
fn without_modifiers(text: &str) -> String {
    if text.starts_with("interval") {
        return "interval".to_owned();
    }
    match (text.find('('), text.find(')')) {
        (Some(open), Some(close)) if open < close => format!("{}{}", &text[..open], &text[close + 1..]),
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_apart_whatever_is_quoted_in_them() {
        for (text, is_list, schema, name) in [
            ("integer", false, "", "integer"),
            ("character varying(10)[]", true, "", "character varying"),
            ("timestamp(3) with time zone", false, "", "timestamp with time zone"),
            ("interval day to second(3)", false, "", "interval"),
            ("\"char\"", false, "", "\"char\""),
            ("public.mood[]", true, "public", "mood"),
            ("\"other schema\".\"Ünit\"[]", true, "other schema", "Ünit"),
            ("\"a.b\".\"say \"\"it\"\"\"", false, "a.b", "say \"it\""),
            ("extensions.geometry(Point,4326)", false, "extensions", "geometry"),
        ] {
            assert_eq!(parse(text), TypeName { is_list, name: QualifiedName::new(schema, name) }, "{text}");
        }
    }
}
