//! Names of GraphQL from names of the database.
//!
//! The rules are pg_graphql's: a name stays as it is unless the schema's comment asks for inflection
//! (`@graphql({"inflect_names": true})`), and what is no name of GraphQL is left out.

/// How names of one schema are made.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Naming {
    /// `snake_case` becomes `PascalCase` and `camelCase`.
    pub(crate) inflects: bool,
}

impl Naming {
    /// The name of a type.
    pub(crate) fn type_name(self, name: &str) -> String {
        if self.inflects { upper_first(&camel(name)) } else { name.to_owned() }
    }

    /// The name of a field or an argument.
    pub(crate) fn field(self, name: &str) -> String {
        if self.inflects { lower_first(&camel(name)) } else { name.to_owned() }
    }

    /// The name of a field that leads to the row which this column refers to: `owner_id` leads to `owner`.
    pub(crate) fn reference(self, column: &str) -> Option<String> {
        let name = column.strip_suffix("_id").or_else(|| column.strip_suffix("Id"))?;
        (!name.is_empty()).then(|| self.field(name))
    }
}

/// Whether GraphQL takes it as a name of ours: names that begin with two underscores belong to introspection.
pub(crate) fn is_name(name: &str) -> bool {
    let begins = |c: u8| c.is_ascii_alphabetic() || c == b'_';
    let goes_on = |c: u8| c.is_ascii_alphanumeric() || c == b'_';
    let mut bytes = name.bytes();
    bytes.next().is_some_and(begins) && bytes.all(goes_on) && !name.starts_with("__")
}

/// Whether it can also be a value of an enum, which none of GraphQL's own values can.
pub(crate) fn is_enum_value(name: &str) -> bool {
    is_name(name) && !matches!(name, "true" | "false" | "null")
}

/// `blog_post` as `blogPost`.
pub(crate) fn camel(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    let mut upper = false;
    for c in name.chars() {
        match c {
            '_' if !out.is_empty() => upper = true,
            // Underscores in front stay: they make a difference.
            '_' => out.push('_'),
            c if upper => {
                out.extend(c.to_uppercase());
                upper = false;
            }
            c => out.push(c),
        }
    }
    out
}

pub(crate) fn upper_first(name: &str) -> String {
    change_first(name, |c| c.to_ascii_uppercase())
}

pub(crate) fn lower_first(name: &str) -> String {
    change_first(name, |c| c.to_ascii_lowercase())
}

fn change_first(name: &str, change: fn(&char) -> char) -> String {
    let mut chars = name.chars();
    chars.next().map_or_else(String::new, |first| std::iter::once(change(&first)).chain(chars).collect())
}

/// Several of what a word names: `user` as `users`. Of a name of several words the last one changes.
pub(crate) fn plural(word: &str) -> String {
    let ends = |ends: &[&str]| ends.iter().any(|end| word.ends_with(end));
    match word.strip_suffix('y') {
        Some(stem) if !stem.ends_with(['a', 'e', 'i', 'o', 'u']) => format!("{stem}ies"),
        _ if ends(&["ss", "us", "is", "x", "z", "ch", "sh"]) => format!("{word}es"),
        _ if ends(&["s"]) => word.to_owned(),
        _ => format!("{word}s"),
    }
}

/// One of what a word names: `users` as `user`.
pub(crate) fn singular(word: &str) -> String {
    let stem = |end: &str| word.strip_suffix(end).filter(|stem| stem.len() > 1);
    if let Some(stem) = stem("ies") {
        return format!("{stem}y");
    }
    if ["sses", "uses", "xes", "zes", "ches", "shes"].iter().any(|end| word.ends_with(end)) {
        return word[..word.len() - 2].to_owned();
    }
    match stem("s") {
        Some(stem) if !stem.ends_with(['s', 'u', 'i']) => stem.to_owned(),
        _ => word.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_inflected_where_that_is_asked_for() {
        let (plain, inflected) = (Naming::default(), Naming { inflects: true });
        assert_eq!(plain.type_name("blog_post"), "blog_post");
        assert_eq!(inflected.type_name("blog_post"), "BlogPost");
        assert_eq!(inflected.field("Blog_post_2"), "blogPost2");
        assert_eq!(inflected.field("_hidden_one"), "_hiddenOne");
        assert_eq!(plain.reference("owner_id"), Some("owner".to_owned()));
        assert_eq!(plain.reference("ownerId"), Some("owner".to_owned()));
        assert_eq!(inflected.reference("blog_post_id"), Some("blogPost".to_owned()));
        assert_eq!(plain.reference("owner"), None);
        assert_eq!(plain.reference("_id"), None);
    }

    #[test]
    fn words_name_one_or_several() {
        for (one, several) in [
            ("user", "users"),
            ("category", "categories"),
            ("box", "boxes"),
            ("day", "days"),
            ("status", "statuses"),
            ("blog_post", "blog_posts"),
            ("dish", "dishes"),
        ] {
            assert_eq!((plural(one).as_str(), singular(several).as_str()), (several, one));
        }
        assert_eq!((plural("stats"), singular("user")), ("stats".to_owned(), "user".to_owned()));
    }

    #[test]
    fn only_names_of_graphql_are_names() {
        for (name, expected) in
            [("a", true), ("_a1", true), ("", false), ("1a", false), ("a b", false), ("ä", false), ("__a", false)]
        {
            assert_eq!(is_name(name), expected, "{name}");
            assert_eq!(is_enum_value(name), expected, "{name}");
        }
        for name in ["true", "false", "null"] {
            assert!(is_name(name) && !is_enum_value(name), "{name}");
        }
        assert!(is_enum_value("True") && is_enum_value("nulls"));
    }
}
