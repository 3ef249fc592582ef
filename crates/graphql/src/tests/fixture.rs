//! A small catalog, made without a database. The fuzz target of documents includes this file too.

use std::sync::Arc;

use ferrobase_catalog::{
    Catalog, Column, Function, Link, Parameter, QualifiedName, Relation, Relationship, ReturnShape, Returns, Role,
    Schema, TypeClass, Volatility,
};

const SCHEMA: &str = "api";

fn name(name: &str) -> QualifiedName {
    QualifiedName::new(SCHEMA, name)
}

/// People have bosses and tasks; a function finds tasks, one adds numbers, one changes something. The role `all` may do
/// everything.
pub fn catalog() -> Catalog {
    let mut catalog = Catalog::default();
    catalog.roles.insert("all".to_owned(), Role { superuser: true, ..Role::default() });
    catalog.schemas.insert(SCHEMA.to_owned(), Schema::default());
    let everything = "@graphql({\"totalCount\": {\"enabled\": true}, \"aggregate\": {\"enabled\": true}})";
    table(&mut catalog, "people", &["id integer", "name text", "boss_id integer", "odd \"column text"], everything);
    let columns = ["id bigint", "title text", "owner_id integer", "data jsonb", "tags text[]", "done boolean"];
    table(&mut catalog, "tasks", &columns, everything);
    foreign_key(&mut catalog, ("tasks", "owner_id"), ("people", "id"), "tasks_owner_id_fkey");
    foreign_key(&mut catalog, ("people", "boss_id"), ("people", "id"), "people_boss_id_fkey");
    let scalar = Returns { shape: ReturnShape::Scalar(QualifiedName::new("pg_catalog", "int4")), ..Returns::default() };
    let shape = ReturnShape::Row { type_name: name("tasks"), relation: Some(name("tasks")), is_domain: false };
    let rows = Returns { set: true, shape, ..Returns::default() };
    function(&mut catalog, "add_up", &["a integer", "b integer"], scalar.clone(), Volatility::Immutable);
    function(&mut catalog, "find_tasks", &["word text"], rows, Volatility::Stable);
    function(&mut catalog, "change", &["word text", "data jsonb"], scalar, Volatility::Volatile);
    catalog
}

fn table(catalog: &mut Catalog, table: &str, columns: &[&str], comment: &str) {
    let columns = columns.iter().enumerate().map(|(position, column)| {
        let (name, declared) = column.rsplit_once(' ').expect("a name and a type");
        let type_class = match declared {
            "jsonb" => TypeClass::Jsonb,
            array if array.ends_with("[]") => TypeClass::Array,
            _ => TypeClass::Scalar,
        };
        let column = Column {
            name: name.to_owned(),
            position: position as i16 + 1,
            base_type: declared.to_owned(),
            declared_type: declared.to_owned(),
            type_class,
            ..Column::default()
        };
        (name.to_owned(), column)
    });
    let relation = Relation {
        name: name(table),
        columns: columns.collect(),
        comment: Some(comment.to_owned()),
        primary_key: vec!["id".to_owned()],
        row_key: vec!["id".to_owned()],
        insertable: true,
        updatable: true,
        deletable: true,
        ..Relation::default()
    };
    catalog.relations.insert(name(table), Arc::new(relation));
}

fn foreign_key(catalog: &mut Catalog, from: (&str, &str), to: (&str, &str), constraint: &str) {
    let constraint = constraint.to_owned();
    let there = Link::ManyToOne { constraint: constraint.clone(), columns: vec![(from.1.to_owned(), to.1.to_owned())] };
    let back = Link::OneToMany { constraint, columns: vec![(to.1.to_owned(), from.1.to_owned())] };
    for (source, target, link) in [(from.0, to.0, there), (to.0, from.0, back)] {
        let relationship = Relationship {
            source: name(source),
            target: name(target),
            link,
            is_self: source == target,
            source_is_view: false,
            target_is_view: false,
            comment: None,
        };
        catalog.relationships.entry(name(source)).or_default().push(relationship);
    }
}

fn function(catalog: &mut Catalog, function: &str, parameters: &[&str], returns: Returns, volatility: Volatility) {
    let parameters = parameters.iter().map(|parameter| {
        let (parameter, declared) = parameter.split_once(' ').expect("a name and a type");
        Parameter {
            name: parameter.to_owned(),
            type_name: declared.to_owned(),
            type_name_unbounded: declared.to_owned(),
            required: true,
            variadic: false,
        }
    });
    let known =
        Function { name: name(function), parameters: parameters.collect(), returns, volatility, ..Function::default() };
    catalog.functions.entry(name(function)).or_default().push(Arc::new(known));
}
