//! A selection of introspection, compiled to keys and facts.

use std::cell::RefCell;

use apollo_compiler::ExecutableDocument;
use apollo_compiler::collections::HashMap;
use apollo_compiler::executable::SelectionSet;
use apollo_compiler::response::JsonMap;

use super::{argument, quoted};
use crate::plan::collect::{Asked, collect};
use crate::plan::input::Input;

/// What can be told; what is no fact of a thing is null.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs)] // named as in the specification
pub(super) enum Fact {
    TypeName,
    Description,
    Types,
    QueryType,
    MutationType,
    SubscriptionType,
    Directives,
    Kind,
    Name,
    Fields,
    Interfaces,
    PossibleTypes,
    EnumValues,
    InputFields,
    OfType,
    Args,
    Type,
    IsDeprecated,
    DeprecationReason,
    DefaultValue,
    IsRepeatable,
    Locations,
    IsOneOf,
    /// Nothing that we know.
    Other,
}

impl Fact {
    pub(super) fn of(name: &str) -> Self {
        match name {
            "__typename" => Self::TypeName,
            "description" => Self::Description,
            "types" => Self::Types,
            "queryType" => Self::QueryType,
            "mutationType" => Self::MutationType,
            "subscriptionType" => Self::SubscriptionType,
            "directives" => Self::Directives,
            "kind" => Self::Kind,
            "name" => Self::Name,
            "fields" => Self::Fields,
            "interfaces" => Self::Interfaces,
            "possibleTypes" => Self::PossibleTypes,
            "enumValues" => Self::EnumValues,
            "inputFields" => Self::InputFields,
            "ofType" => Self::OfType,
            "args" => Self::Args,
            "type" => Self::Type,
            "isDeprecated" => Self::IsDeprecated,
            "deprecationReason" => Self::DeprecationReason,
            "defaultValue" => Self::DefaultValue,
            "isRepeatable" => Self::IsRepeatable,
            "locations" => Self::Locations,
            "isOneOf" => Self::IsOneOf,
            _ => Self::Other,
        }
    }
}

/// A selection: keys and what stands there.
pub(super) struct Shape {
    pub(super) members: Vec<Member>,
    /// The same for selections that are the same.
    pub(super) id: usize,
    /// The same for selections that are the same of a type with a name, which is no list and no other type's `NON_NULL`.
    pub(super) of_named: usize,
}

/// What makes selections the same: keys, facts, and what is asked below.
type Signature = Vec<(String, Fact, bool, usize)>;

pub(super) struct Member {
    /// `"key":` with what stands before it.
    pub(super) key: String,
    pub(super) fact: Fact,
    pub(super) with_deprecated: bool,
    pub(super) below: Shape,
}

pub(super) struct Compiling<'a> {
    pub(super) document: &'a ExecutableDocument,
    pub(super) variables: &'a JsonMap,
    ids: RefCell<HashMap<Signature, usize>>,
}

impl<'a> Compiling<'a> {
    pub(super) fn new(document: &'a ExecutableDocument, variables: &'a JsonMap) -> Self {
        Self { document, variables, ids: RefCell::default() }
    }

    pub(super) fn compile(&self, asked: &Asked<'a>, type_name: &str) -> Shape {
        self.selections(asked.below(), type_name)
    }

    fn selections(&self, sets: impl Iterator<Item = &'a SelectionSet>, type_name: &str) -> Shape {
        let asked = collect(self.document, self.variables, sets, &|name| name == type_name);
        let member = |(index, asked): (usize, Asked<'a>)| {
            let mut key = String::from(if index == 0 { '{' } else { ',' });
            quoted(asked.key, &mut key);
            key.push(':');
            let with_deprecated = argument(&asked, "includeDeprecated", self.variables) == Some(Input::Boolean(true));
            let type_name = asked.field().ty().inner_named_type().to_string();
            let below = self.compile(&asked, &type_name);
            Member { key, fact: Fact::of(asked.name()), with_deprecated, below }
        };
        let members: Vec<Member> = asked.into_iter().enumerate().map(member).collect();
        let id = self.id(&members, |member| member.below.id);
        let of_named =
            self.id(&members, |member| if member.fact == Fact::OfType { usize::MAX } else { member.below.id });
        Shape { members, id, of_named }
    }

    fn id(&self, members: &[Member], below: impl Fn(&Member) -> usize) -> usize {
        let sign = |of: &Member| (of.key.clone(), of.fact, of.with_deprecated, below(of));
        let mut ids = self.ids.borrow_mut();
        let next = ids.len();
        *ids.entry(members.iter().map(sign).collect()).or_insert(next)
    }
}
