//! What comments say to GraphQL: `@graphql({...})` anywhere in the comment of an object.
//!
//! The keys are pg_graphql's and ours. A comment is code of whoever owns the object; a directive that cannot be read does
//! nothing (`mistakes` tells of it).

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::suggest;

/// What a comment can say. Every object reads the keys that mean something for it.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct Directive {
    /// Schema: names are inflected.
    pub(crate) inflect_names: bool,
    /// Schema, relation: the size of a page that does not say its size, and of the largest page.
    pub(crate) max_rows: Option<u64>,
    /// Schema: whether introspection is answered, whatever the configuration says.
    pub(crate) introspection: Option<bool>,
    /// Schema: it is a part of a federation.
    pub(crate) federation: bool,
    /// The name instead of the object's own.
    pub(crate) name: Option<String>,
    /// The description instead of the rest of the comment.
    pub(crate) description: Option<String>,
    /// Schema, relation: whether pages know how many rows there are.
    #[serde(rename = "totalCount")]
    pub(crate) total_count: Option<Switch>,
    /// Schema, relation: whether pages know what rows add up to.
    pub(crate) aggregate: Option<Switch>,
    /// Table that only joins: whether rows on either side of it have the other ones.
    pub(crate) many_to_many: Option<Switch>,
    /// View: the columns that name a row.
    pub(crate) primary_key_columns: Option<Vec<String>>,
    /// View: relationships.
    pub(crate) foreign_keys: Vec<ForeignKey>,
    /// Relation: its rows are of several types.
    pub(crate) polymorphic: Option<Polymorphic>,
    /// Constraint: the name of the field on the other table.
    pub(crate) local_name: Option<String>,
    /// Constraint: the name of the field on the table that has it.
    pub(crate) foreign_name: Option<String>,
    /// Enum: names of GraphQL for values that are none.
    pub(crate) mappings: Option<indexmap::IndexMap<String, String>>,
    /// Function: names of GraphQL for its parameters.
    pub(crate) arguments: indexmap::IndexMap<String, String>,
    /// JSON view: the name of its field of `Query`.
    pub(crate) field: Option<String>,
    /// JSON view, its column or function: what its documents have, beyond what rows show.
    pub(crate) fields: Map<String, Value>,
    /// JSON view: what documents of other types have that stand in its documents.
    pub(crate) types: Map<String, Value>,
    /// JSON view: whether what rows show counts.
    pub(crate) sample: Option<bool>,
    /// JSON view: its documents are of one of these types.
    pub(crate) one_of: Vec<String>,
    /// JSON view that is a function: the claims that its parameters get, by parameter.
    pub(crate) claims: indexmap::IndexMap<String, String>,
    /// Function that writes: the keys of its argument `input_data`.
    pub(crate) input: Map<String, Value>,
    /// Function that writes: the type of the entity that it answers.
    pub(crate) entity: Option<String>,
    /// Schema: what names of parameters begin with, which names of arguments leave out.
    pub(crate) parameter_prefix: Option<String>,
    /// Field, argument: why not to use it any more.
    pub(crate) deprecated: Option<String>,
}

/// On or off.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct Switch {
    /// On.
    pub(crate) enabled: bool,
}

/// Rows of several types in one relation.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct Polymorphic {
    /// The column that says which.
    pub(crate) column: String,
    /// Types by its values.
    pub(crate) types: indexmap::IndexMap<String, RowType>,
}

/// A type of rows.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct RowType {
    /// Its name.
    pub(crate) name: String,
    /// Columns that only rows of some types have.
    pub(crate) columns: Vec<String>,
}

/// A relationship of a view, which has no constraints.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct ForeignKey {
    /// The name of the field on the other relation.
    pub(crate) local_name: Option<String>,
    /// Columns of the view.
    pub(crate) local_columns: Vec<String>,
    /// The name of the field on the view.
    pub(crate) foreign_name: Option<String>,
    /// The schema of the other relation.
    pub(crate) foreign_schema: String,
    /// The other relation.
    pub(crate) foreign_table: String,
    /// Its columns.
    pub(crate) foreign_columns: Vec<String>,
}

/// A comment taken apart.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Commented {
    pub(crate) directive: Directive,
    /// What is left of the comment, or what the directive says instead.
    pub(crate) description: Option<String>,
}

const MARK: &str = "@graphql(";

/// Reads a comment.
pub(crate) fn read(comment: Option<&str>) -> Commented {
    let Some(comment) = comment else { return Commented::default() };
    let Some(start) = comment.find(MARK) else {
        return Commented { directive: Directive::default(), description: description(comment) };
    };
    let argument = &comment[start + MARK.len()..];
    // The value ends where JSON ends, whatever brackets stand in its strings.
    let mut values = serde_json::Deserializer::from_str(argument).into_iter::<Directive>();
    let (directive, end) = match values.next() {
        Some(Ok(directive)) => (directive, values.byte_offset()),
        Some(Err(_)) => (Directive::default(), argument.len()),
        None => (Directive::default(), 0),
    };
    let rest = argument[end..].trim_start().strip_prefix(')').unwrap_or_default();
    let left = format!("{}{rest}", &comment[..start]);
    let description = directive.description.clone().or_else(|| description(&left));
    Commented { directive, description }
}

/// What a comment is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Object {
    Schema,
    Relation,
    Column,
    /// The column of a JSON view that has its documents.
    Documents,
    Function,
    Constraint,
    Enum,
}

/// Keys that say how a JSON view and its documents are called and what they have.
const OF_DOCUMENTS: [&str; 10] = [
    "name",
    "description",
    "field",
    "fields",
    "types",
    "one_of",
    "sample",
    "max_rows",
    "primary_key_columns",
    "totalCount",
];

impl Object {
    fn name(self) -> &'static str {
        match self {
            Self::Schema => "a schema",
            Self::Relation => "a table or view",
            Self::Column | Self::Documents => "a column",
            Self::Function => "a function",
            Self::Constraint => "a constraint",
            Self::Enum => "an enum",
        }
    }

    /// The keys that mean something on it.
    fn keys(self) -> Vec<&'static str> {
        let (documents, own): (bool, &[_]) = match self {
            Self::Schema => (
                false,
                &[
                    "description",
                    "inflect_names",
                    "max_rows",
                    "introspection",
                    "federation",
                    "parameter_prefix",
                    "totalCount",
                    "aggregate",
                ],
            ),
            Self::Relation => (true, &["aggregate", "many_to_many", "foreign_keys", "polymorphic"]),
            Self::Column => (false, &["name", "description", "deprecated"]),
            Self::Documents => (true, &["deprecated"]),
            Self::Function => (true, &["deprecated", "arguments", "claims", "input", "entity"]),
            Self::Constraint => (false, &["local_name", "foreign_name", "description"]),
            Self::Enum => (false, &["name", "description", "mappings"]),
        };
        own.iter().copied().chain(OF_DOCUMENTS.into_iter().filter(|_| documents)).collect()
    }
}

/// Keys of objects inside a directive.
const INSIDE: [(&str, &[&str]); 5] = [
    ("many_to_many", &["enabled"]),
    ("totalCount", &["enabled"]),
    ("aggregate", &["enabled"]),
    ("polymorphic", &["column", "types"]),
    (
        "foreign_keys",
        &["local_name", "local_columns", "foreign_name", "foreign_schema", "foreign_table", "foreign_columns"],
    ),
];

/// Reads a comment and says everything about it that does nothing. None where nothing is said to GraphQL.
pub(crate) fn read_strictly(of: Object, comment: &str) -> Option<(Directive, Vec<String>)> {
    let argument = &comment[comment.find(MARK)? + MARK.len()..];
    let mut values = serde_json::Deserializer::from_str(argument).into_iter::<Value>();
    let value = match values.next() {
        Some(Ok(value)) => value,
        Some(Err(error)) => {
            return Some((Directive::default(), vec![format!("its @graphql(...) is no JSON: {error}")]));
        }
        None => return Some((Directive::default(), vec!["its @graphql() says nothing".to_owned()])),
    };
    let mut wrong = Vec::new();
    if !argument[values.byte_offset()..].trim_start().starts_with(')') {
        wrong.push("its @graphql(...) has no `)` at its end".to_owned());
    }
    let directive = Directive::deserialize(&value).unwrap_or_else(|error| {
        wrong.push(format!("its @graphql(...) cannot be read: {error}"));
        Directive::default()
    });
    let keys = of.keys();
    for (key, inside) in value.as_object().into_iter().flatten() {
        if !keys.contains(&key.as_str()) {
            wrong.push(meaningless(key, &keys, &format!("on {}", of.name())));
            continue;
        }
        let known = INSIDE.iter().find(|(name, _)| name == key).map(|(_, known)| *known);
        let objects = inside.as_array().map_or(std::slice::from_ref(inside), Vec::as_slice);
        for (own, _) in objects.iter().filter_map(Value::as_object).flatten() {
            if let Some(known) = known.filter(|known| !known.contains(&own.as_str())) {
                wrong.push(meaningless(own, known, &format!("in `{key}`")));
            }
        }
    }
    Some((directive, wrong))
}

fn meaningless(key: &str, known: &[&str], place: &str) -> String {
    let near = suggest::nearest(key, known.iter().map(|key| (*key).to_owned()).collect());
    let meant = near.first().map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
    format!("the key `{key}` means nothing {place}{meant}")
}

fn description(text: &str) -> Option<String> {
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directive_stands_anywhere_in_a_comment() {
        let read = |comment| read(Some(comment));
        let plain = read("People who sign in");
        assert_eq!(plain.description.as_deref(), Some("People who sign in"));
        assert_eq!(plain.directive, Directive::default());
        let both = read(r#"People @graphql({"name": "User)", "totalCount": {"enabled": true}}) who sign in"#);
        assert_eq!(both.directive.name.as_deref(), Some("User)"));
        assert_eq!(both.directive.total_count, Some(Switch { enabled: true }));
        assert_eq!(both.description.as_deref(), Some("People  who sign in"));
        let own = read(r#"@graphql({"description": "Somebody"})"#);
        assert_eq!(own.description.as_deref(), Some("Somebody"));
        assert_eq!(read("@graphql(oops)").directive, Directive::default());
        assert_eq!(read("@graphql({})").description, None);
        assert_eq!(super::read(None), Commented::default());
    }

    #[test]
    fn what_does_nothing_is_told() {
        for (of, comment, expected) in [
            (Object::Column, "nothing for us", None),
            (Object::Column, r#"@graphql({"name": "a"}) rest"#, Some("")),
            (
                Object::Column,
                r#"@graphql({"nam": "a"})"#,
                Some("the key `nam` means nothing on a column; did you mean `name`?"),
            ),
            (Object::Column, r#"@graphql({"mappings": {}})"#, Some("the key `mappings` means nothing on a column")),
            (Object::Column, r#"@graphql({"name": "a"}"#, Some("its @graphql(...) has no `)` at its end")),
            (
                Object::Column,
                "@graphql({oops})",
                Some("its @graphql(...) is no JSON: key must be a string at line 1 column 2"),
            ),
            (Object::Column, "@graphql()", Some("its @graphql(...) is no JSON: expected value at line 1 column 1")),
            (
                Object::Relation,
                r#"@graphql({"totalCount": {"enable": true}})"#,
                Some("the key `enable` means nothing in `totalCount`; did you mean `enabled`?"),
            ),
            (
                Object::Relation,
                r#"@graphql({"max_rows": "many"})"#,
                Some(r#"its @graphql(...) cannot be read: invalid type: string "many", expected u64"#),
            ),
        ] {
            let told = read_strictly(of, comment).map(|(_, wrong)| wrong.join("\n"));
            assert_eq!(told.as_deref(), expected, "{comment}");
        }
    }
}
