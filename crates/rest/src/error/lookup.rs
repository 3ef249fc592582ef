//! Names that the catalog does not have, or that fit more than one thing (PGRST200 to PGRST205).
//!
//! Made by the planner, which also chooses what a hint may name: candidates that the caller's role may not use must not
//! be handed in (`security.md` 22).

use ferrobase_base::{Kind, PublicError};
use ferrobase_catalog::{Function, Link, QualifiedName, Relationship};
use serde_json::{Value, json};

/// A failed look-up.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LookupError {
    /// No way leads from one relation to the other.
    #[error("Could not find a relationship between '{origin}' and '{target}' in the schema cache")]
    NoRelationship {
        /// Where it should start.
        origin: String,
        /// Where it should lead.
        target: String,
        /// The hint that was given.
        hint: Option<String>,
        /// The schema of the request.
        schema: String,
        /// What was probably meant: the word, and the word to replace (one of the two above).
        similar: Option<Similar>,
    },
    /// Several ways lead there.
    #[error("Could not embed because more than one relationship was found for '{origin}' and '{target}'")]
    AmbiguousRelationship {
        /// Where they start.
        origin: String,
        /// Where they lead.
        target: String,
        /// All of them.
        candidates: Vec<Relationship>,
    },
    /// No function of this name takes these arguments.
    #[error("Could not find the function {function}{} in the schema cache", parameters(.arguments, *.call))]
    NoFunction {
        /// Its name.
        function: QualifiedName,
        /// Names of the arguments, sorted.
        arguments: Vec<String>,
        /// How it was called.
        call: CallKind,
        /// What was probably meant, as it is called: `name` or `name(a, b)`.
        similar: Option<String>,
    },
    /// Several functions take these arguments.
    #[error("Could not choose the best candidate function between: {}", signatures(.0))]
    AmbiguousFunction(Vec<std::sync::Arc<Function>>),
    /// No such column.
    #[error("Could not find the '{column}' column of '{relation}' in the schema cache")]
    NoColumn {
        /// The relation.
        relation: String,
        /// The column.
        column: String,
    },
    /// No such relation.
    #[error("Could not find the table '{relation}' in the schema cache")]
    NoRelation {
        /// The relation.
        relation: QualifiedName,
        /// What was probably meant.
        similar: Option<String>,
    },
}

/// A word to use instead of another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Similar {
    /// The word that exists.
    pub meant: String,
    /// The word that was used.
    pub instead_of: String,
}

/// How a function was called, as far as finding it depends on that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallKind {
    /// GET or HEAD, or a form.
    Named,
    /// POST with JSON: by names, or with the whole body as one parameter.
    Json,
    /// POST with `text/plain`.
    Text,
    /// POST with `text/xml`.
    Xml,
    /// POST with `application/octet-stream`.
    Bytes,
}

impl CallKind {
    /// Only the whole body can be the argument.
    pub fn is_whole_body(self) -> bool {
        matches!(self, Self::Text | Self::Xml | Self::Bytes)
    }
}

/// `(a, b)` after the function's name, or how it goes without.
fn parameters(arguments: &[String], call: CallKind) -> String {
    if call.is_whole_body() {
        String::new()
    } else if arguments.is_empty() {
        " without parameters".to_owned()
    } else {
        format!("({})", arguments.join(", "))
    }
}

fn signatures(functions: &[std::sync::Arc<Function>]) -> String {
    let one = |function: &std::sync::Arc<Function>| {
        let parameters: Vec<_> = function.parameters.iter().map(|p| format!("{} => {}", p.name, p.type_name)).collect();
        format!("{}({})", function.name, parameters.join(", "))
    };
    functions.iter().map(one).collect::<Vec<_>>().join(", ")
}

impl LookupError {
    fn head(&self) -> (&'static str, Kind) {
        match self {
            Self::NoRelationship { .. } => ("PGRST200", Kind::Invalid),
            Self::AmbiguousRelationship { .. } => ("PGRST201", Kind::Ambiguous),
            Self::NoFunction { .. } => ("PGRST202", Kind::NotFound),
            Self::AmbiguousFunction(_) => ("PGRST203", Kind::Ambiguous),
            Self::NoColumn { .. } => ("PGRST204", Kind::Invalid),
            Self::NoRelation { .. } => ("PGRST205", Kind::NotFound),
        }
    }

    fn details(&self) -> Option<Value> {
        match self {
            Self::NoRelationship { origin, target, hint, schema, .. } => {
                let hint = hint.as_ref().map(|hint| format!("' using the hint '{hint}")).unwrap_or_default();
                Some(Value::String(format!(
                    "Searched for a foreign key relationship between '{origin}' and '{target}{hint}' in the schema \
                     '{schema}', but no matches were found."
                )))
            }
            Self::AmbiguousRelationship { candidates, .. } => Some(candidates.iter().map(candidate).collect()),
            Self::NoFunction { function, arguments, call, .. } => {
                Some(Value::String(searched(function, arguments, *call)))
            }
            _ => None,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::NoRelationship { similar: Some(Similar { meant, instead_of }), .. } => {
                Some(format!("Perhaps you meant '{meant}' instead of '{instead_of}'."))
            }
            Self::AmbiguousRelationship { target, candidates, .. } => {
                let choices: Vec<_> = candidates.iter().filter_map(choice).collect();
                Some(format!(
                    "Try changing '{target}' to one of the following: {}. Find the desired relationship in the \
                     'details' key.",
                    choices.join(", ")
                ))
            }
            Self::NoFunction { function, call, similar: Some(similar), .. } if !call.is_whole_body() => {
                Some(format!("Perhaps you meant to call the function {}.{similar}", function.schema))
            }
            Self::AmbiguousFunction(_) => Some(
                "Try renaming the parameters or the function itself in the database so function overloading can be \
                 resolved"
                    .to_owned(),
            ),
            Self::NoRelation { relation, similar: Some(similar) } => {
                Some(format!("Perhaps you meant the table '{}.{similar}'", relation.schema))
            }
            _ => None,
        }
    }
}

/// What a function was searched by.
fn searched(function: &QualifiedName, arguments: &[String], call: CallKind) -> String {
    let named = match arguments {
        [] => " without parameters".to_owned(),
        [only] => format!(" with parameter {only}"),
        many => format!(" with parameters {}", many.join(", ")),
    };
    let by = match call {
        CallKind::Named => named,
        CallKind::Json => format!("{named} or with a single unnamed json/jsonb parameter"),
        CallKind::Text => " with a single unnamed text parameter".to_owned(),
        CallKind::Xml => " with a single unnamed xml parameter".to_owned(),
        CallKind::Bytes => " with a single unnamed bytea parameter".to_owned(),
    };
    format!("Searched for the function {function}{by}, but no matches were found in the schema cache.")
}

/// One relationship in the details of an ambiguity.
fn candidate(relationship: &Relationship) -> Value {
    let list = |names: Vec<&str>| format!("({})", names.join(", "));
    let (source, target) = (&relationship.source.name, &relationship.target.name);
    let by_key = |constraint: &str, columns: &[(String, String)]| {
        let sources = list(columns.iter().map(|(source, _)| source.as_str()).collect());
        let targets = list(columns.iter().map(|(_, target)| target.as_str()).collect());
        format!("{constraint} using {source}{sources} and {target}{targets}")
    };
    let (cardinality, way) = match &relationship.link {
        Link::ManyToOne { constraint, columns } => ("many-to-one", by_key(constraint, columns)),
        Link::OneToMany { constraint, columns } => ("one-to-many", by_key(constraint, columns)),
        Link::OneToOne { constraint, columns, .. } => ("one-to-one", by_key(constraint, columns)),
        Link::ManyToMany(junction) => {
            let own = |columns: &[(String, String)]| list(columns.iter().map(|(_, own)| own.as_str()).collect());
            let way = format!(
                "{} using {}{} and {}{}",
                junction.table.name,
                junction.source_constraint,
                own(&junction.source_columns),
                junction.target_constraint,
                own(&junction.target_columns)
            );
            ("many-to-many", way)
        }
        // A computed relationship has its own name and is never ambiguous.
        Link::Computed { .. } => return json!({}),
    };
    json!({
        "cardinality": cardinality,
        "embedding": format!("{source} with {target}"),
        "relationship": way,
    })
}

/// How one relationship is chosen: `'target!constraint'`.
fn choice(relationship: &Relationship) -> Option<String> {
    let by = match &relationship.link {
        Link::ManyToOne { constraint, .. } | Link::OneToMany { constraint, .. } | Link::OneToOne { constraint, .. } => {
            constraint
        }
        Link::ManyToMany(junction) => &junction.table.name,
        Link::Computed { .. } => return None,
    };
    Some(format!("'{}!{by}'", relationship.target.name))
}

impl From<LookupError> for PublicError {
    fn from(error: LookupError) -> Self {
        let (code, kind) = error.head();
        let mut public = PublicError::new(kind, code, error.to_string());
        public.details = error.details();
        public.hint = error.hint();
        public
    }
}
