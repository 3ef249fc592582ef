//! Writes a catalog as lines of text, for tests to compare and for people to read (`examples/describe.rs`).

#![allow(dead_code)]

use ferrobase_catalog::{
    Catalog, Column, Function, Generated, Link, QualifiedName, Relation, Relationship, ReturnShape,
};

/// Everything, in the order of the catalog.
pub fn catalog(catalog: &Catalog) -> Vec<String> {
    let mut lines: Vec<String> = catalog.relationships.values().flatten().map(relationship).collect();
    for (name, relation) in &catalog.relations {
        lines.push(self::relation(relation));
        lines.extend(relation.columns.values().map(|column| format!("column {name} {}", self::column(column))));
    }
    lines.extend(catalog.functions.values().flatten().map(|f| function(f)));
    for representation in catalog.representations.values() {
        let (from, to) = (&representation.source_type, &representation.target_type);
        lines.push(format!("rep {from} {to} {}", representation.function));
    }
    for handler in &catalog.media_handlers {
        let target = handler.target.as_ref().map_or("pg_catalog.anyelement".to_owned(), QualifiedName::to_string);
        let (media, content) = (&handler.media_type, &handler.content_type);
        lines.push(format!("media {} {target} {media} {content}", handler.function));
    }
    lines
}

/// Relationships that start at a relation, in listing order.
pub fn relationships(catalog: &Catalog, schema: &str, source: &str) -> Vec<String> {
    catalog.relationships_of(&QualifiedName::new(schema, source)).iter().map(relationship).collect()
}

/// One relationship.
pub fn relationship(relationship: &Relationship) -> String {
    let (source, target) = (&relationship.source, &relationship.target);
    let own = relationship.is_self;
    let views = format!("{}{}", u8::from(relationship.source_is_view), u8::from(relationship.target_is_view));
    let key = |kind: &str, parent: bool| {
        let constraint = relationship.constraint().unwrap_or_default();
        let columns = pairs(relationship.columns());
        format!("rel {source} -> {target} {kind} {constraint} {columns} par={} self={own} v={views}", u8::from(parent))
    };
    match &relationship.link {
        Link::OneToMany { .. } => key("O2M", false),
        Link::ManyToOne { .. } => key("M2O", false),
        Link::OneToOne { source_is_parent, .. } => key("O2O", *source_is_parent),
        Link::ManyToMany(junction) => format!(
            "rel {source} -> {target} M2M {} {} {} {} {} self={own} v={views}",
            junction.table,
            junction.source_constraint,
            pairs(&junction.source_columns),
            junction.target_constraint,
            pairs(&junction.target_columns)
        ),
        Link::Computed { function, to_one } => {
            format!("rel {source} -> {target} C fn={function} one={to_one} self={own}")
        }
    }
}

fn pairs(columns: &[(String, String)]) -> String {
    columns.iter().map(|(a, b)| format!("{a}={b}")).collect::<Vec<_>>().join(",")
}

/// One relation without its columns.
pub fn relation(relation: &Relation) -> String {
    let writes: String =
        [relation.insertable, relation.updatable, relation.deletable].map(|may| u8::from(may).to_string()).concat();
    let mut key = relation.primary_key.clone();
    key.sort();
    format!(
        "table {} view={} iud={writes} pk={} comment={}",
        relation.name,
        u8::from(relation.is_view()),
        key.join(","),
        text(relation.comment.as_deref())
    )
}

/// One column.
pub fn column(column: &Column) -> String {
    format!(
        "{} null={} type={} nominal={} max={} default={} enum={} comment={}",
        column.name,
        u8::from(column.nullable),
        column.shown_type,
        column.declared_type,
        column.max_length.map_or("None".to_owned(), |n| n.to_string()),
        text(column.default.as_deref()),
        column.enum_values.join(","),
        text(column.comment.as_deref())
    )
}

/// What planning looks at: name, base type, class, who writes it.
pub fn planned(column: &Column) -> String {
    let generated = match column.generated {
        Generated::No => "",
        Generated::IdentityAlways => " always",
        Generated::IdentityByDefault => " by default",
        Generated::Computed => " computed",
    };
    format!("{}: {} {:?}{generated}", column.name, column.base_type, column.type_class)
}

/// One function.
pub fn function(function: &Function) -> String {
    let parameters: Vec<String> = function
        .parameters
        .iter()
        .map(|p| {
            let (required, variadic) = (u8::from(p.required), u8::from(p.variadic));
            format!("{} {} {} req={required} var={variadic}", p.name, p.type_name, p.type_name_unbounded)
        })
        .collect();
    let shape = match &function.returns.shape {
        ReturnShape::Void => "scalar pg_catalog.void".to_owned(),
        ReturnShape::Scalar(name) => format!("scalar {name}"),
        ReturnShape::Row { type_name, is_domain, .. } => {
            format!("composite {type_name}{}", if *is_domain { " alias" } else { "" })
        }
    };
    let settings: Vec<String> = function.settings.iter().map(|(name, value)| format!("{name}={value}")).collect();
    format!(
        "fn {}({}) returns {}{shape} {} iso={} settings={}",
        function.name,
        parameters.join(" ; "),
        if function.returns.set { "setof " } else { "" },
        format!("{:?}", function.volatility).to_lowercase().chars().next().unwrap_or('?'),
        function.isolation.map_or("None".to_owned(), |isolation| format!("{isolation:?}")),
        settings.join(",")
    )
}

fn text(value: Option<&str>) -> String {
    value.unwrap_or("None").replace('\n', "\\n")
}
