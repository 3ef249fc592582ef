//! What the specification asks of values in a document and the library does not look at: it compares types of variables only
//! where one is a whole argument, takes a field of an object that is given twice, and looks into no value of a scalar of ours.
//!
//! After the library's own checks: names, types and fragments are known to be there.
//! Rules of October 2021: 5.6.3 (fields of objects are given once), 5.8.3 (variables are defined), 5.8.5 (and fit).

use std::collections::{HashMap, HashSet};

use apollo_compiler::ast::{Argument, DirectiveList, InputValueDefinition, Type, Value, VariableDefinition};
use apollo_compiler::executable::{Operation, Selection, SelectionSet};
use apollo_compiler::parser::SourceSpan;
use apollo_compiler::response::GraphQLError;
use apollo_compiler::schema::ExtendedType;
use apollo_compiler::validation::Valid;
use apollo_compiler::{ExecutableDocument, Name, Node, Schema};

/// What is wrong with the values of a document.
pub(crate) fn wrong(document: &ExecutableDocument, schema: &Valid<Schema>) -> Vec<GraphQLError> {
    let mut checking =
        Checking { document, schema, variables: HashMap::new(), opened: HashSet::new(), wrong: Vec::new() };
    for operation in document.operations.iter() {
        checking.operation(operation);
    }
    checking.wrong
}

/// Where a value stands.
#[derive(Clone, Copy)]
struct Place<'d> {
    ty: &'d Type,
    /// It has a value where none is given.
    has_default: bool,
}

impl<'d> Place<'d> {
    fn of(definition: &'d InputValueDefinition) -> Self {
        Self { ty: &definition.ty, has_default: definition.default_value.is_some() }
    }

    /// Of an element of a list; what is no list is a scalar of ours, which may be given as one.
    fn element(self) -> Option<Self> {
        self.ty.is_list().then(|| Self { ty: self.ty.item_type(), has_default: false })
    }
}

struct Checking<'d> {
    document: &'d ExecutableDocument,
    schema: &'d Schema,
    /// Those of the operation.
    variables: HashMap<&'d Name, &'d VariableDefinition>,
    /// Fragments of the operation that were looked at.
    opened: HashSet<&'d Name>,
    wrong: Vec<GraphQLError>,
}

impl<'d> Checking<'d> {
    fn operation(&mut self, operation: &'d Operation) {
        self.opened.clear();
        self.variables = operation.variables.iter().map(|variable| (&variable.name, &**variable)).collect();
        for variable in &operation.variables {
            if let Some(default) = &variable.default_value {
                self.value(default, Some(Place { ty: &variable.ty, has_default: false }));
            }
        }
        self.directives(&operation.directives);
        self.selections(&operation.selection_set);
    }

    fn selections(&mut self, set: &'d SelectionSet) {
        for selection in &set.selections {
            match selection {
                Selection::Field(field) => {
                    self.directives(&field.directives);
                    self.arguments(&field.arguments, &field.definition.arguments);
                    self.selections(&field.selection_set);
                }
                Selection::InlineFragment(fragment) => {
                    self.directives(&fragment.directives);
                    self.selections(&fragment.selection_set);
                }
                Selection::FragmentSpread(spread) => {
                    self.directives(&spread.directives);
                    let fragment = self.document.fragments.get(&spread.fragment_name);
                    if let Some(fragment) = fragment.filter(|_| self.opened.insert(&spread.fragment_name)) {
                        self.directives(&fragment.directives);
                        self.selections(&fragment.selection_set);
                    }
                }
            }
        }
    }

    fn directives(&mut self, directives: &'d DirectiveList) {
        for directive in directives.iter() {
            if let Some(definition) = self.schema.directive_definitions.get(&directive.name) {
                self.arguments(&directive.arguments, &definition.arguments);
            }
        }
    }

    fn arguments(&mut self, given: &'d [Node<Argument>], known: &'d [Node<InputValueDefinition>]) {
        for argument in given {
            let definition = known.iter().find(|known| known.name == argument.name);
            self.value(&argument.value, definition.map(|definition| Place::of(definition)));
        }
    }

    /// A value; nobody says what stands where in a scalar of ours.
    fn value(&mut self, value: &'d Node<Value>, place: Option<Place<'d>>) {
        match &**value {
            Value::Variable(name) => self.variable(name, value.location(), place),
            Value::List(items) => {
                let element = place.and_then(Place::element);
                items.iter().for_each(|item| self.value(item, element));
            }
            Value::Object(fields) => {
                let mut known = HashSet::new();
                for (name, value) in fields {
                    if !known.insert(name) {
                        let message = format!("There can be only one input field named \"{name}\".");
                        self.say(message, name.location());
                    }
                    let place = place.and_then(|place| self.field(place.ty, name));
                    self.value(value, place);
                }
            }
            _ => {}
        }
    }

    fn field(&self, of: &Type, name: &Name) -> Option<Place<'d>> {
        let schema: &'d Schema = self.schema;
        match schema.types.get(of.inner_named_type())? {
            ExtendedType::InputObject(object) => object.fields.get(name).map(|field| Place::of(field)),
            _ => None,
        }
    }

    fn variable(&mut self, name: &'d Name, location: Option<SourceSpan>, place: Option<Place<'d>>) {
        let Some(definition) = self.variables.get(name) else {
            return self.say(format!("Variable \"${name}\" is not defined."), location);
        };
        if let Some(place) = place.filter(|place| !fits(definition, *place)) {
            let message = format!(
                "Variable \"${name}\" of type \"{}\" used in position expecting type \"{}\".",
                definition.ty, place.ty
            );
            self.say(message, location);
        }
    }

    fn say(&mut self, message: String, location: Option<SourceSpan>) {
        self.wrong.push(GraphQLError::new(message, location, &self.document.sources));
    }
}

/// Whether a variable may stand in a place (`IsVariableUsageAllowed` of the specification).
fn fits(variable: &VariableDefinition, place: Place<'_>) -> bool {
    let never_null = variable.default_value.as_ref().is_some_and(|value| !value.is_null());
    if place.ty.is_non_null() && !variable.ty.is_non_null() {
        return (never_null || place.has_default) && variable.ty.is_assignable_to(&place.ty.clone().nullable());
    }
    variable.ty.is_assignable_to(place.ty)
}
