//! Types of JSON documents, as they are when they are made: objects, unions, and what stands in their fields.

use indexmap::IndexMap;

use crate::scalar::Class;

/// The scalar of values that have no steady form.
pub(crate) const JSON_VALUE: &str = "JSONValue";

/// Types of documents by name.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Documents {
    pub(crate) types: IndexMap<String, DocumentType>,
}

/// A type of documents.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum DocumentType {
    Object(ObjectType),
    /// One of these objects.
    Union(Vec<String>),
}

/// An object.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct ObjectType {
    /// What its owner says about it.
    pub(crate) description: Option<String>,
    /// By their names in GraphQL.
    pub(crate) fields: IndexMap<String, DocumentField>,
}

/// A field of an object.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct DocumentField {
    /// The key in the document.
    pub(crate) key: String,
    /// What stands there.
    pub(crate) place: Place,
    /// Why not to use it any more.
    pub(crate) deprecated: Option<String>,
}

/// What stands somewhere. It may always be null.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Place {
    Scalar(Sort),
    Object(String),
    Union(String),
    List(Box<Self>),
}

/// Sorts of values in documents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sort {
    Id,
    Int,
    Float,
    BigInt,
    String,
    Boolean,
    /// Anything, as it is.
    Json,
    /// Nothing but null was seen.
    Unknown,
}

impl Sort {
    /// What GraphQL calls it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Id => "ID",
            Self::Int => "Int",
            Self::Float => "Float",
            Self::BigInt => "BigInt",
            Self::String => "String",
            Self::Boolean => "Boolean",
            Self::Json | Self::Unknown => JSON_VALUE,
        }
    }

    /// What an input of this type is called.
    pub(crate) fn input_name(name: &str) -> Option<&'static str> {
        match Self::of(name)? {
            Self::Json => Some(Class::Json.name()),
            sort => Some(sort.name()),
        }
    }

    pub(super) fn of(name: &str) -> Option<Self> {
        Some(match name {
            "ID" => Self::Id,
            "Int" => Self::Int,
            "Float" => Self::Float,
            "BigInt" => Self::BigInt,
            "String" => Self::String,
            "Boolean" => Self::Boolean,
            "JSON" | JSON_VALUE => Self::Json,
            _ => return None,
        })
    }
}

impl Documents {
    /// The names under which selections may mean an object of this type: its own, and those of unions that it is in.
    pub(crate) fn is(&self, object: &str, name: &str) -> bool {
        let within = |ty: &DocumentType| matches!(ty, DocumentType::Union(of) if of.iter().any(|one| one == object));
        name == object || self.types.get(name).is_some_and(within)
    }

    pub(crate) fn object(&self, name: &str) -> Option<&ObjectType> {
        match self.types.get(name)? {
            DocumentType::Object(object) => Some(object),
            DocumentType::Union(_) => None,
        }
    }
}
