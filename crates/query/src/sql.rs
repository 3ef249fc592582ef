//! SQL under construction: text that we wrote, names that are quoted, values that are bound.
//!
//! Everything that reaches PostgreSQL from a plan goes through [`Sql`]. Its text grows only by literals of this
//! program, by quoted identifiers, by whole numbers and by text that the catalog vouches for ([`CatalogSql`]); there
//! is no way to add a `String` as it is. Values are kept beside the text and become `$1`, `$2`, ... in [`Sql::build`].
//! Invariant: no caller's text in SQL text, except as an identifier between double quotes.

use bytes::Bytes;
use ferrobase_catalog::QualifiedName;

/// `json`, declared for request bodies so that the text needs no cast.
pub const JSON: u32 = 114;
/// `jsonb`.
pub const JSONB: u32 = 3802;
/// Left to PostgreSQL, which takes the type from where the parameter stands.
pub const INFERRED: u32 = 0;

/// Text that PostgreSQL's catalog wrote as SQL: a type name, a default expression, a quoted function name.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CatalogSql(Box<str>);

impl CatalogSql {
    /// Asserts that a text is SQL that `pg_catalog` produced (`format_type`, `pg_get_expr`, `quote_ident`). Never
    /// call it with anything that came with a request.
    pub fn written_by_catalog(text: &str) -> Self {
        Self(text.into())
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A value and where it belongs.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Hole {
    at: usize,
    value: Option<Bytes>,
    type_oid: u32,
    /// Equal values of this sort share a parameter, so that equal expressions stay equal for GROUP BY.
    shared: bool,
}

/// A piece of SQL with its values.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sql {
    text: String,
    holes: Vec<Hole>,
}

/// What [`Sql::build`] makes: text with `$n`, values, and the types of the values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Built {
    /// SQL text.
    pub text: String,
    /// Values in text format; `None` is NULL.
    pub values: Vec<Option<Bytes>>,
    /// Type OIDs, [`INFERRED`] where PostgreSQL decides.
    pub types: Vec<u32>,
}

impl Sql {
    /// Nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Starts with text of ours.
    pub fn of(text: &'static str) -> Self {
        let mut sql = Self::new();
        sql.push(text);
        sql
    }

    /// Whether there is no text.
    pub fn is_empty(&self) -> bool {
        self.text.is_empty() && self.holes.is_empty()
    }

    /// Adds text of ours.
    pub fn push(&mut self, text: &'static str) -> &mut Self {
        self.text.push_str(text);
        self
    }

    /// Adds a quoted identifier. What follows a NUL is dropped: PostgreSQL's protocol would end the statement there.
    pub fn ident(&mut self, name: &str) -> &mut Self {
        let name = name.split('\0').next().unwrap_or_default();
        self.text.push('"');
        for piece in name.split_inclusive('"') {
            self.text.push_str(piece);
            if piece.ends_with('"') {
                self.text.push('"');
            }
        }
        self.text.push('"');
        self
    }

    /// Adds `"schema"."name"`.
    pub fn qualified(&mut self, name: &QualifiedName) -> &mut Self {
        self.ident(&name.schema).push(".").ident(&name.name)
    }

    /// Adds `"alias"."column"`.
    pub fn column(&mut self, alias: &str, column: &str) -> &mut Self {
        self.ident(alias).push(".").ident(column)
    }

    /// Adds `"alias".*`: all columns in a select list, the whole row in an expression. (The bare alias would name a
    /// column of the same name first.)
    pub fn row(&mut self, alias: &str) -> &mut Self {
        self.ident(alias).push(".*")
    }

    /// Adds a whole number as text.
    pub fn number(&mut self, number: u64) -> &mut Self {
        self.text.push_str(&number.to_string());
        self
    }

    /// Adds SQL text of the catalog.
    pub fn catalog(&mut self, text: &CatalogSql) -> &mut Self {
        self.text.push_str(text.as_str());
        self
    }

    /// Adds a name as a string literal, where SQL wants it as a value. For names that the planner found in the catalog, and
    /// for names of a grammar (keys of a document), never for values.
    pub fn name_literal(&mut self, name: &str) -> &mut Self {
        let name = name.split('\0').next().unwrap_or_default();
        self.text.push_str("E'");
        for c in name.chars() {
            if matches!(c, '\'' | '\\') {
                self.text.push('\\');
            }
            self.text.push(c);
        }
        self.text.push('\'');
        self
    }

    /// Binds a value whose type PostgreSQL takes from the context.
    pub fn value(&mut self, value: impl Into<Bytes>) -> &mut Self {
        self.hole(Some(value.into()), INFERRED, false)
    }

    /// Binds a text whose type PostgreSQL takes from the context.
    pub fn text(&mut self, value: &str) -> &mut Self {
        self.value(Bytes::copy_from_slice(value.as_bytes()))
    }

    /// Binds a value of a declared type, or NULL.
    pub fn typed(&mut self, value: Option<Bytes>, type_oid: u32) -> &mut Self {
        self.hole(value, type_oid, false)
    }

    /// Binds a JSON key or index. Equal ones share a parameter: `data->$1` in GROUP BY is then `data->$1` in ORDER BY.
    pub fn key(&mut self, key: &str) -> &mut Self {
        self.hole(Some(Bytes::copy_from_slice(key.as_bytes())), INFERRED, true)
    }

    /// Adds another piece.
    pub fn append(&mut self, other: Self) -> &mut Self {
        let shift = self.text.len();
        self.text.push_str(&other.text);
        self.holes.extend(other.holes.into_iter().map(|hole| Hole { at: hole.at + shift, ..hole }));
        self
    }

    /// Adds pieces with a separator of ours between them.
    pub fn join(&mut self, pieces: impl IntoIterator<Item = Self>, separator: &'static str) -> &mut Self {
        for (index, piece) in pieces.into_iter().enumerate() {
            if index > 0 {
                self.push(separator);
            }
            self.append(piece);
        }
        self
    }

    /// The text with `$n` in place of the values, and the values.
    pub fn build(self) -> Built {
        let mut text = String::with_capacity(self.text.len() + self.holes.len() * 3);
        let mut values: Vec<Option<Bytes>> = Vec::with_capacity(self.holes.len());
        let mut types = Vec::with_capacity(self.holes.len());
        let mut shared: Vec<usize> = Vec::new();
        let mut written = 0;
        for hole in self.holes {
            text.push_str(&self.text[written..hole.at]);
            written = hole.at;
            let known = shared.iter().copied().find(|&index| hole.shared && values[index] == hole.value);
            let index = known.unwrap_or_else(|| {
                values.push(hole.value);
                types.push(hole.type_oid);
                if hole.shared {
                    shared.push(values.len() - 1);
                }
                values.len() - 1
            });
            text.push('$');
            text.push_str(&(index + 1).to_string());
        }
        text.push_str(&self.text[written..]);
        Built { text, values, types }
    }

    fn hole(&mut self, value: Option<Bytes>, type_oid: u32, shared: bool) -> &mut Self {
        self.holes.push(Hole { at: self.text.len(), value, type_oid, shared });
        self
    }
}

/// An array literal of texts, to be bound as one value: `{"a","b\"c"}`.
pub fn array_literal<'a>(items: impl IntoIterator<Item = &'a str>) -> String {
    let mut literal = String::from("{");
    for (index, item) in items.into_iter().enumerate() {
        if index > 0 {
            literal.push(',');
        }
        literal.push('"');
        for c in item.chars() {
            if matches!(c, '"' | '\\') {
                literal.push('\\');
            }
            literal.push(c);
        }
        literal.push('"');
    }
    literal.push('}');
    literal
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_quoted_whatever_they_hold() {
        let mut sql = Sql::new();
        sql.ident(r#"a"b"#).push(" ").ident("\"").push(" ").ident("x\0; drop table t");
        assert_eq!(sql.build().text, r#""a""b" """" "x""#);
        let mut literal = Sql::new();
        literal.name_literal(r"it's a\b");
        assert_eq!(literal.build().text, r"E'it\'s a\\b'");
    }

    #[test]
    fn values_are_numbered_in_the_order_of_the_text() {
        let mut inner = Sql::of("b = ");
        inner.text("two");
        let mut sql = Sql::of("a = ");
        sql.text("one").push(" and ").append(inner).push(";");
        let built = sql.build();
        assert_eq!(built.text, "a = $1 and b = $2;");
        assert_eq!(built.values, [Some(Bytes::from("one")), Some(Bytes::from("two"))]);
    }

    #[test]
    fn equal_keys_share_a_parameter_and_values_do_not() {
        let mut sql = Sql::new();
        sql.key("k").push(",").text("k").push(",").key("k").push(",").key("l");
        let built = sql.build();
        assert_eq!(built.text, "$1,$2,$1,$3");
        assert_eq!(built.values.len(), 3);
    }

    #[test]
    fn array_literals_escape_quotes_and_backslashes() {
        assert_eq!(array_literal(["a", r#"b"c\"#, ""]), r#"{"a","b\"c\\",""}"#);
        assert_eq!(array_literal([]), "{}");
    }
}
