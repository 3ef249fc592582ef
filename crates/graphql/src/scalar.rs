//! Types of values: what GraphQL calls them, and how they come and go.
//!
//! Names and shapes are pg_graphql's: `BigInt`, `BigFloat` and `JSON` are strings in answers, because not every reader of
//! JSON keeps large numbers.

use ferrobase_query::plan::Scalar;

use crate::error::Error;
use crate::plan::input::Input;

/// The type of a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ValueType {
    /// Its name, that of an element for a list.
    pub(crate) name: String,
    /// It is a list.
    pub(crate) is_list: bool,
    /// What sort of value it is.
    pub(crate) class: Class,
    /// Words of an enum that are not its values: pairs of (value, word).
    pub(crate) words: Vec<(String, String)>,
}

/// Sorts of values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Class {
    Int,
    BigInt,
    Float,
    BigFloat,
    String,
    Boolean,
    Uuid,
    Date,
    Time,
    Datetime,
    Json,
    Enum,
    Words,
    /// A path of labels (the extension ltree).
    Path,
    Opaque,
    /// The same of a type whose values cannot be compared.
    Sealed,
}

impl Class {
    pub(crate) const ALL: [Self; 14] = [
        Self::Int,
        Self::BigInt,
        Self::Float,
        Self::BigFloat,
        Self::String,
        Self::Boolean,
        Self::Uuid,
        Self::Date,
        Self::Time,
        Self::Datetime,
        Self::Json,
        Self::Words,
        Self::Path,
        Self::Opaque,
    ];

    /// What GraphQL calls it; the name of an enum is its own.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Int => "Int",
            Self::BigInt => "BigInt",
            Self::Float => "Float",
            Self::BigFloat => "BigFloat",
            Self::String => "String",
            Self::Boolean => "Boolean",
            Self::Uuid => "UUID",
            Self::Date => "Date",
            Self::Time => "Time",
            Self::Datetime => "Datetime",
            Self::Json => "JSON",
            Self::Enum => "Enum",
            Self::Words => "TSVector",
            Self::Path => "Ltree",
            Self::Opaque | Self::Sealed => "Opaque",
        }
    }

    /// What a scalar of ours is, for those who read the schema.
    pub(crate) fn description(self) -> Option<&'static str> {
        Some(match self {
            Self::BigInt => "A whole number of any size, as a string.",
            Self::BigFloat => "A number of any precision, as a string.",
            Self::Uuid => "A universally unique identifier.",
            Self::Date => "A date without a time: 2026-01-31.",
            Self::Time => "A time without a date: 12:30:00.",
            Self::Datetime => "A date with a time: 2026-01-31T12:30:00+00:00.",
            Self::Json => "A JSON document, as a string that holds it.",
            Self::Words => "The words of a text, ready to be searched.",
            Self::Path => "A path of labels: top.science.astronomy.",
            Self::Opaque | Self::Sealed => "A value that only the database can read.",
            Self::Int | Self::Float | Self::String | Self::Boolean | Self::Enum => return None,
        })
    }

    /// Whether it can be put in order.
    pub(crate) fn is_ordered(self) -> bool {
        !matches!(self, Self::Json | Self::Words | Self::Opaque | Self::Sealed)
    }

    /// Whether a value that is there may be told as null: what is no number (`NaN`, infinities) is none of GraphQL's.
    pub(crate) fn may_be_untold(self) -> bool {
        self == Self::Float
    }

    /// Whether values can be added up, and as what.
    pub(crate) fn sum(self) -> Option<Self> {
        match self {
            Self::Int => Some(Self::BigInt),
            Self::BigInt | Self::BigFloat => Some(Self::BigFloat),
            Self::Float => Some(Self::Float),
            _ => None,
        }
    }

    /// What the mean of values is.
    pub(crate) fn mean(self) -> Option<Self> {
        match self {
            Self::Int | Self::BigInt | Self::BigFloat => Some(Self::BigFloat),
            Self::Float => Some(Self::Float),
            _ => None,
        }
    }

    /// Whether values have a smallest and a largest one. PostgreSQL has no `min` for booleans and UUIDs.
    pub(crate) fn has_extremes(self) -> bool {
        self.is_ordered() && !matches!(self, Self::Boolean | Self::Uuid | Self::Enum | Self::Path)
    }

    fn of(type_name: &str) -> Self {
        match type_name {
            "smallint" | "integer" => Self::Int,
            "bigint" => Self::BigInt,
            "real" | "double precision" => Self::Float,
            "numeric" => Self::BigFloat,
            "text" | "character varying" | "character" | "name" | "\"char\"" => Self::String,
            "boolean" => Self::Boolean,
            "uuid" => Self::Uuid,
            "date" => Self::Date,
            "time without time zone" | "time with time zone" => Self::Time,
            "timestamp without time zone" | "timestamp with time zone" => Self::Datetime,
            "json" | "jsonb" => Self::Json,
            "tsvector" => Self::Words,
            name if name == "citext" || name.ends_with(".citext") => Self::String,
            name if name == "ltree" || name.ends_with(".ltree") => Self::Path,
            _ => Self::Opaque,
        }
    }
}

impl ValueType {
    /// A type of ours.
    pub(crate) fn of_class(class: Class) -> Self {
        Self { name: class.name().to_owned(), is_list: false, class, words: Vec::new() }
    }

    /// By the name that SQL has for it, without what is in brackets: `numeric(10,2)` is `numeric`.
    pub(crate) fn of_sql(type_name: &str) -> Self {
        let (element, is_list) = match type_name.strip_suffix("[]") {
            Some(element) => (element.trim_end_matches("[]"), true),
            None => (type_name, false),
        };
        Self { is_list, ..Self::of_class(Class::of(&without_modifiers(element))) }
    }

    /// A value that came with a request, as `name`, as the database knows it: words of an enum are its values again, and
    /// what is no list where one is meant is a list of one (GraphQL, section 3.11), which holds for literals too.
    pub(crate) fn meant(&self, name: &str, value: &Input) -> Result<Input, Error> {
        let value = self.in_words_of_sql(name, value)?;
        let is_alone = self.is_list && !matches!(value, Input::List(_) | Input::Null);
        Ok(if is_alone { Input::List(vec![value]) } else { value })
    }

    fn in_words_of_sql(&self, name: &str, value: &Input) -> Result<Input, Error> {
        if self.words.is_empty() {
            return Ok(value.clone());
        }
        Ok(match value {
            Input::Text(word) => {
                let known = self.words.iter().find(|(_, other)| other == word);
                let reason = || format!("is `{word}`, which is no word of `{}`", self.name);
                let failed = || Error::Argument { argument: name.to_owned(), reason: reason() };
                Input::Text(known.ok_or_else(failed)?.0.clone())
            }
            Input::List(items) => {
                Input::List(items.iter().map(|item| self.in_words_of_sql(name, item)).collect::<Result<_, _>>()?)
            }
            other => other.clone(),
        })
    }

    /// How it becomes JSON.
    pub(crate) fn scalar(&self) -> Scalar {
        match (self.class, self.is_list) {
            (Class::BigInt | Class::BigFloat, false) => Scalar::Text,
            (Class::BigInt | Class::BigFloat, true) => Scalar::Texts,
            (Class::Opaque | Class::Sealed | Class::Words | Class::Path, false) => Scalar::Text,
            (Class::Json, false) => Scalar::Encoded,
            (Class::Json, true) => Scalar::EncodedList,
            (Class::Enum, false) if !self.words.is_empty() => Scalar::Words(self.words.clone()),
            (Class::Enum, true) if !self.words.is_empty() => Scalar::WordList(self.words.clone()),
            (Class::Float, false) => Scalar::Finite,
            (Class::Float, true) => Scalar::Finites,
            _ => Scalar::Plain,
        }
    }
}

/// `timestamp(3) with time zone` as `timestamp with time zone`.
fn without_modifiers(type_name: &str) -> String {
    let mut out = String::with_capacity(type_name.len());
    let mut depth = 0_usize;
    for c in type_name.chars() {
        match c {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            c if depth == 0 => out.push(c),
            _ => {}
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_known_by_their_names_in_sql() {
        for (sql, name, is_list) in [
            ("integer", "Int", false),
            ("numeric(10,2)", "BigFloat", false),
            ("timestamp(3) with time zone", "Datetime", false),
            ("character varying(10)[]", "String", true),
            ("extensions.citext", "String", false),
            ("int4range", "Opaque", false),
            ("jsonb", "JSON", false),
        ] {
            let value = ValueType::of_sql(sql);
            assert_eq!((value.name.as_str(), value.is_list), (name, is_list), "{sql}");
        }
    }
}
