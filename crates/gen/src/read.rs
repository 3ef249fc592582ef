//! Reads what programs can use from the catalog.

use std::collections::BTreeSet;

use ferrobase_catalog::{
    self as catalog, Catalog, DeclaredType, Generated, Link, NameRef, QualifiedName, RelationKind, ReturnShape,
};

use crate::order;
use crate::shape::{Column, Function, Outcome, Parameter, Reference, Relation, Schema, Selectable, Type, Write};
use crate::type_name;

/// These schemas, sorted; those that do not exist are left out.
pub(crate) fn schemas(catalog: &Catalog, names: &[String]) -> Vec<Schema> {
    let wanted: BTreeSet<&str> = names.iter().map(String::as_str).collect();
    let reader = Reader { catalog, wanted: &wanted };
    let mut found: Vec<&&str> = wanted.iter().filter(|name| catalog.schemas.contains_key(**name)).collect();
    found.sort_by(|a, b| order::names(a, b));
    found.into_iter().map(|name| reader.schema(name)).collect()
}

struct Reader<'c> {
    catalog: &'c Catalog,
    wanted: &'c BTreeSet<&'c str>,
}

impl Reader<'_> {
    fn schema(&self, name: &str) -> Schema {
        let mut schema = Schema { name: name.to_owned(), functions: self.functions(name), ..Schema::default() };
        for relation in self.catalog.relations.values().filter(|relation| relation.name.schema == name) {
            let read = self.relation(relation, &schema.functions);
            if relation.is_view() { schema.views.push(read) } else { schema.tables.push(read) }
        }
        for (type_name, declared) in self.catalog.types.iter().filter(|(type_name, _)| type_name.schema == name) {
            match declared {
                DeclaredType::Enum(values) => schema.enums.push((type_name.name.clone(), values.clone())),
                DeclaredType::Composite(fields) => {
                    let fields = fields.iter().map(|field| (field.name.clone(), self.resolve(&field.type_name)));
                    schema.composites.push((type_name.name.clone(), fields.collect()));
                }
                DeclaredType::Domain(_) => {}
            }
        }
        schema.tables.sort_by(|a, b| order::names(&a.name, &b.name));
        schema.views.sort_by(|a, b| order::names(&a.name, &b.name));
        schema.enums.sort_by(|a, b| order::names(&a.0, &b.0));
        schema.composites.sort_by(|a, b| order::names(&a.0, &b.0));
        schema
    }

    fn relation(&self, relation: &catalog::Relation, functions: &[(String, Vec<Function>)]) -> Relation {
        let is_view = relation.is_view();
        let mut columns: Vec<_> = relation.columns.values().map(|column| self.column(column, is_view)).collect();
        columns.sort_by(|a, b| order::names(&a.name, &b.name));
        Relation {
            name: relation.name.name.clone(),
            columns,
            computed: computed(relation, functions),
            // A table has the shape of what is written to it, whether or not somebody may.
            insertable: !is_view || relation.insertable,
            updatable: !is_view || relation.updatable,
            references: self.references(&relation.name),
        }
    }

    fn column(&self, column: &catalog::Column, is_view: bool) -> Column {
        let never = matches!(column.generated, Generated::IdentityAlways | Generated::Computed) || column.read_only;
        let optional = is_view || column.nullable || column.default.is_some() || column.generated != Generated::No;
        let given = |optional| match (never, optional) {
            (true, _) => Write::Never,
            (false, true) => Write::Optional,
            (false, false) => Write::Required,
        };
        Column {
            name: column.name.clone(),
            value: self.resolve(&column.base_type),
            nullable: column.nullable,
            has_default: column.default.is_some(),
            insert: given(optional),
            update: given(true),
        }
    }

    /// Keys that lead from a relation to another of its schema: only there can it be embedded.
    fn references(&self, name: &QualifiedName) -> Vec<Reference> {
        let within = self.catalog.relationships_within(&name.schema, &name.name);
        let mut references: Vec<_> = within
            .filter_map(|relationship| {
                let (constraint, one_to_one) = match &relationship.link {
                    Link::ManyToOne { constraint, .. } => (constraint, false),
                    Link::OneToOne { constraint, source_is_parent: false, .. } => (constraint, true),
                    _ => return None,
                };
                let (columns, referenced) = relationship.columns().iter().cloned().unzip();
                let relation = relationship.target.name.clone();
                Some(Reference { constraint: constraint.clone(), columns, one_to_one, relation, referenced })
            })
            .collect();
        references.sort_by(|a, b| {
            let by_name =
                order::names(&a.constraint, &b.constraint).then_with(|| order::names(&a.relation, &b.relation));
            by_name.then_with(|| (&a.referenced, &a.columns).cmp(&(&b.referenced, &b.columns)))
        });
        references
    }

    /// Functions that are called by name, and those of one row that only a selection calls.
    fn functions(&self, schema: &str) -> Vec<(String, Vec<Function>)> {
        let named = self.catalog.functions.iter().filter(|(name, _)| name.schema == schema);
        let mut found: Vec<(&str, String, Function)> = Vec::new();
        for (name, overloads) in named {
            found.extend(
                overloads.iter().map(|function| {
                    (name.name.as_str(), signature(function, schema), self.function(function, overloads))
                }),
            );
        }
        found.extend(self.of_unnamed_rows(schema));
        found.sort_by(|a, b| order::names(a.0, b.0).then_with(|| order::names(&a.1, &b.1)));
        let mut functions: Vec<(String, Vec<Function>)> = Vec::new();
        for (name, _, function) in found {
            match functions.last_mut() {
                Some((last, overloads)) if last == name => overloads.push(function),
                _ => functions.push((name.to_owned(), vec![function])),
            }
        }
        functions
    }

    fn function(&self, function: &catalog::Function, overloads: &[std::sync::Arc<catalog::Function>]) -> Function {
        let mut parameters: Vec<_> = function
            .parameters
            .iter()
            .map(|parameter| Parameter {
                name: parameter.name.clone(),
                value: self.resolve(&parameter.type_name),
                required: parameter.required,
            })
            .collect();
        parameters.sort_by(|a, b| order::names(&a.name, &b.name));
        let (outcome, to) = self.outcome(function);
        let from = match parameters.as_slice() {
            [Parameter { value: Type::Row { relation, .. }, .. }] => Some(relation.name.clone()),
            _ => None,
        };
        Function {
            parameters,
            outcome,
            set: function.returns.set,
            single: !function.returns.set || function.returns.rows_one,
            selectable: to.map(|to| Selectable { from, to }),
            error: ambiguity(function, overloads),
        }
    }

    /// What one result is, and the name under which it can be selected from.
    fn outcome(&self, function: &catalog::Function) -> (Outcome, Option<String>) {
        if !function.output_columns.is_empty() {
            let columns = function.output_columns.iter();
            let columns = columns.map(|column| (column.name.clone(), self.resolve(&column.type_name)));
            return (Outcome::Columns(columns.collect()), None);
        }
        match &function.returns.shape {
            ReturnShape::Void => (Outcome::Void, None),
            _ => self.value(self.resolve(&function.returns.type_name)),
        }
    }

    fn value(&self, value: Type) -> (Outcome, Option<String>) {
        match value {
            Type::Row { relation, .. } => {
                let to = relation.name.clone();
                (Outcome::Row(relation), Some(to))
            }
            Type::Composite(name) => {
                let to = name.name.clone();
                (Outcome::Value(Type::Composite(name)), Some(to))
            }
            other => (Outcome::Value(other), None),
        }
    }

    /// Functions whose only argument is a row without a name: PostgreSQL's notation for computed columns.
    fn of_unnamed_rows(&self, schema: &str) -> Vec<(&str, String, Function)> {
        let mut found = Vec::new();
        for relation in self.catalog.relations.values().filter(|relation| self.wanted.contains(&*relation.name.schema))
        {
            let links = self.catalog.relationships_of(&relation.name).iter();
            let links = links.filter_map(|relationship| match &relationship.link {
                Link::Computed { function, to_one } if function.schema == schema => {
                    Some((function, &relationship.target, *to_one))
                }
                _ => None,
            });
            let mut leading = BTreeSet::new();
            for (function, target, to_one) in links {
                leading.insert(function);
                let set = !relation.computed_fields.contains_key(&function.name);
                let function_shape = of_row(relation, self.value(self.row(target)), set, to_one);
                found.push((function, relation, function_shape));
            }
            let fields = relation.computed_fields.values().filter(|field| field.function.schema == schema);
            for field in fields.filter(|field| !leading.contains(&field.function)) {
                let mut shape = of_row(relation, self.value(self.resolve(&field.type_name)), false, true);
                if shape.selectable.is_none() {
                    shape.error = Some(format!(
                        "{} is a computed column of {}: select it, it cannot be called",
                        field.function, relation.name
                    ));
                }
                found.push((&field.function, relation, shape));
            }
        }
        found.retain(|(function, relation, _)| !self.is_named(function, &relation.name));
        let sorted = found.into_iter();
        sorted.map(|(function, relation, shape)| (function.name.as_str(), relation.name.name.clone(), shape)).collect()
    }

    /// Whether the function of a row names its parameter, so that it is among those that are called by name.
    fn is_named(&self, function: &QualifiedName, relation: &QualifiedName) -> bool {
        self.catalog.overloads(&function.schema, &function.name).iter().any(|overload| {
            let first = overload.parameters.first().map(|parameter| self.resolve(&parameter.type_name));
            matches!(first, Some(Type::Row { relation: row, .. }) if row == *relation)
        })
    }

    fn row(&self, name: &QualifiedName) -> Type {
        match self.catalog.relation(&name.schema, &name.name) {
            Some(relation) if self.wanted.contains(&*name.schema) => {
                let is_view = matches!(relation.kind, RelationKind::View | RelationKind::MaterializedView);
                Type::Row { relation: name.clone(), is_view }
            }
            _ => Type::Unknown,
        }
    }

    /// What stands behind the name of a type; domains are followed.
    fn resolve(&self, text: &str) -> Type {
        let parsed = type_name::parse(text);
        let name = parsed.name;
        let element = match self.catalog.types.get(&NameRef(&name.schema, &name.name)) {
            Some(DeclaredType::Domain(base)) => self.resolve(base),
            Some(DeclaredType::Enum(_)) if self.wanted.contains(&*name.schema) => Type::Enum(name),
            Some(DeclaredType::Enum(values)) => Type::Labels(values.clone()),
            Some(DeclaredType::Composite(_)) if self.wanted.contains(&*name.schema) => Type::Composite(name),
            Some(DeclaredType::Composite(_)) => Type::Unknown,
            None if name.schema.is_empty() => Type::Base(name.name),
            None if self.catalog.relation(&name.schema, &name.name).is_some() => self.row(&name),
            // Of an extension: known by its bare name, wherever it was installed.
            None => Type::Base(name.name),
        };
        if parsed.is_list { Type::List(Box::new(element)) } else { element }
    }
}

/// A function of one unnamed row.
fn of_row(relation: &catalog::Relation, (outcome, to): (Outcome, Option<String>), set: bool, single: bool) -> Function {
    let value = Type::Row { relation: relation.name.clone(), is_view: relation.is_view() };
    Function {
        parameters: vec![Parameter { name: String::new(), value, required: true }],
        outcome,
        set,
        single,
        selectable: to.map(|to| Selectable { from: Some(relation.name.name.clone()), to }),
        error: None,
    }
}

/// What can be selected of a relation beside its columns. Related rows are there as Supabase's generator has them: where
/// the function's parameter has no name.
fn computed(relation: &catalog::Relation, functions: &[(String, Vec<Function>)]) -> Vec<(String, Outcome)> {
    let mut found = Vec::new();
    for (name, overloads) in functions.iter().filter(|(name, _)| !relation.columns.contains_key(name)) {
        for function in overloads {
            let [Parameter { name: argument, value: Type::Row { relation: row, .. }, .. }] = &*function.parameters
            else {
                continue;
            };
            let is_relation = matches!(function.outcome, Outcome::Row(_));
            let is_field = relation.computed_fields.contains_key(name) && !is_relation;
            if *row == relation.name && (is_field || argument.is_empty()) {
                found.push((name.clone(), function.outcome.clone()));
            }
        }
    }
    found
}

/// Names and types of parameters, for the order of overloads.
fn signature(function: &catalog::Function, schema: &str) -> String {
    let own = format!("{schema}.");
    let parameters = function.parameters.iter().map(|parameter| {
        let type_name = parameter.type_name.strip_prefix(&own).unwrap_or(&parameter.type_name);
        format!("{} {type_name}", parameter.name).trim().to_owned()
    });
    parameters.collect::<Vec<_>>().join(", ")
}

/// Why a call by name cannot choose among overloads: another one takes the same names.
fn ambiguity(function: &catalog::Function, overloads: &[std::sync::Arc<catalog::Function>]) -> Option<String> {
    let names = |function: &catalog::Function| -> BTreeSet<String> {
        function.parameters.iter().map(|parameter| parameter.name.clone()).collect()
    };
    let own = names(function);
    if own.is_empty() || own.contains("") {
        return None;
    }
    let mut alike: Vec<String> = overloads
        .iter()
        .filter(|other| names(other) == own)
        .map(|other| format!("{}({})", other.name, signature(other, &other.name.schema)))
        .collect();
    alike.sort();
    let message =
        format!("{} differ in types only, so that a call cannot choose: rename a parameter", alike.join(" and "));
    (alike.len() > 1).then_some(message)
}
