//! Turns foreign keys, the views that show them and functions of rows into relationships.
//!
//! The rules are PostgREST's, because clients name what they get by them:
//! - a foreign key leads from the table that has it to the one it refers to, and back; it is one-to-one when its
//!   columns are those of a primary key or unique constraint;
//! - a view that shows all columns of either end stands in for that end, each combination of repeated columns by
//!   itself: table to view, view to table, view to view;
//! - two different foreign keys of one relation whose columns all belong to its primary key join their targets
//!   many-to-many, that relation being the junction; one-to-one keys do not count;
//! - a function of a row replaces the detected relationships to a relation of its name.
//!
//! Both ends and the junction must be exposed, so nothing leads through what callers cannot see.

use std::cmp::Ordering;
use std::collections::{BTreeMap, HashMap, HashSet};

use indexmap::IndexMap;

use crate::keys::{ForeignKey, Keys};
use crate::model::{ColumnPairs, Junction, Link, QualifiedName, Relationship};
use crate::pace::Pace;
use crate::relations::Relations;
use crate::views::Views;

/// Relationships by source, in the order that `Catalog::relationships` promises.
pub(crate) fn build(
    relations: &Relations,
    keys: &Keys,
    views: &Views,
    computed: Vec<Relationship>,
    pace: &Pace,
) -> IndexMap<QualifiedName, Vec<Relationship>> {
    let references = references(relations, keys, views, pace);
    let mut detected = through_junctions(relations, &references, pace);
    // Growing would copy all of them at once.
    detected.reserve(2 * references.len());
    for reference in pace.over(&references) {
        detected.push(reference.forward());
        detected.push(reference.backward());
    }
    override_detected(&mut detected, &computed, pace);
    pace.over(references).for_each(drop);
    let mut by_source: BTreeMap<QualifiedName, Vec<Relationship>> = BTreeMap::new();
    for relationship in pace.over(computed.into_iter().chain(detected)) {
        by_source.entry(relationship.source.clone()).or_default().push(relationship);
    }
    pace.over(by_source.values_mut()).for_each(|list| list.sort_by(listing_order));
    pace.over(by_source).collect()
}

/// One end of a foreign key: the table itself or a view that shows the key's columns.
#[derive(Clone)]
struct End {
    oid: u32,
    name: QualifiedName,
    columns: Vec<String>,
    is_view: bool,
}

/// A foreign key between two exposed ends.
struct Reference {
    constraint: String,
    comment: Option<String>,
    unique: bool,
    is_self: bool,
    source: End,
    target: End,
}

impl Reference {
    /// (referring column, referred column).
    fn columns(&self) -> ColumnPairs {
        self.source.columns.iter().cloned().zip(self.target.columns.iter().cloned()).collect()
    }

    /// From the referring end.
    fn forward(&self) -> Relationship {
        let (constraint, columns) = (self.constraint.clone(), self.columns());
        let link = if self.unique {
            Link::OneToOne { constraint, columns, source_is_parent: false }
        } else {
            Link::ManyToOne { constraint, columns }
        };
        let way = relationship(&self.source, &self.target, link, self.is_self);
        Relationship { comment: self.comment.clone(), ..way }
    }

    /// From the end that is referred to.
    fn backward(&self) -> Relationship {
        let (constraint, columns) = (self.constraint.clone(), swap(self.columns()));
        let link = if self.unique {
            Link::OneToOne { constraint, columns, source_is_parent: true }
        } else {
            Link::OneToMany { constraint, columns }
        };
        let way = relationship(&self.target, &self.source, link, self.is_self);
        Relationship { comment: self.comment.clone(), ..way }
    }
}

fn relationship(source: &End, target: &End, link: Link, is_self: bool) -> Relationship {
    Relationship {
        source: source.name.clone(),
        target: target.name.clone(),
        link,
        is_self,
        source_is_view: source.is_view,
        target_is_view: target.is_view,
        comment: None,
    }
}

fn swap(columns: ColumnPairs) -> ColumnPairs {
    columns.into_iter().map(|(a, b)| (b, a)).collect()
}

/// Every foreign key between every pair of exposed ends.
fn references(relations: &Relations, keys: &Keys, views: &Views, pace: &Pace) -> Vec<Reference> {
    let mut references = Vec::with_capacity(2 * keys.foreign.len());
    for key in pace.over(&keys.foreign) {
        let sources = ends(relations, views, key.table, &key.columns);
        if sources.is_empty() {
            continue;
        }
        let targets = ends(relations, views, key.referenced, &key.referenced_columns);
        let unique = keys.is_unique(key);
        for source in &sources {
            references.extend(targets.iter().map(|target| reference(key, unique, source, target)));
        }
    }
    references
}

fn reference(key: &ForeignKey, unique: bool, source: &End, target: &End) -> Reference {
    Reference {
        constraint: key.name.clone(),
        comment: key.comment.clone(),
        unique,
        // A table and a view over it are two relations, even if the key refers to its own table.
        is_self: source.oid == target.oid,
        source: source.clone(),
        target: target.clone(),
    }
}

/// The exposed relations that show these columns of a table: itself, and views.
fn ends(relations: &Relations, views: &Views, table: u32, columns: &[i16]) -> Vec<End> {
    let end = |oid: u32, columns: &[i16]| {
        let entry = relations.exposed(oid)?;
        let (name, columns) = (entry.relation.name.clone(), entry.column_names(columns)?);
        Some(End { oid, name, columns, is_view: entry.relation.is_view() })
    };
    let mut ends: Vec<End> = end(table, columns).into_iter().collect();
    for shown in views.of_table(table) {
        ends.extend(shown.combinations(columns).iter().filter_map(|columns| end(shown.view, columns)));
    }
    ends
}

/// Many-to-many relationships over every relation whose primary key contains two foreign keys.
fn through_junctions(relations: &Relations, references: &[Reference], pace: &Pace) -> Vec<Relationship> {
    let mut by_junction: HashMap<u32, Vec<&Reference>> = HashMap::new();
    for reference in pace.over(references).filter(|reference| !reference.unique) {
        let Some(junction) = relations.get(reference.source.oid) else { continue };
        let key = &junction.relation.primary_key;
        if reference.source.columns.iter().all(|column| key.contains(column)) {
            by_junction.entry(reference.source.oid).or_default().push(reference);
        }
    }
    let mut found = Vec::new();
    for arms in pace.over(by_junction.values()) {
        for to_source in arms {
            let others = arms.iter().filter(|other| other.constraint != to_source.constraint);
            found.extend(others.map(|to_target| many_to_many(to_source, to_target)));
        }
    }
    found
}

fn many_to_many(to_source: &Reference, to_target: &Reference) -> Relationship {
    let junction = Junction {
        table: to_source.source.name.clone(),
        source_constraint: to_source.constraint.clone(),
        target_constraint: to_target.constraint.clone(),
        source_columns: swap(to_source.columns()),
        target_columns: swap(to_target.columns()),
    };
    let is_self = to_source.target.oid == to_target.target.oid;
    relationship(&to_source.target, &to_target.target, Link::ManyToMany(junction), is_self)
}

/// Drops the detected relationships whose target has the name of a function of the source's row.
fn override_detected(detected: &mut Vec<Relationship>, computed: &[Relationship], pace: &Pace) {
    if computed.is_empty() {
        return;
    }
    let mut replaced: HashSet<(&QualifiedName, &QualifiedName)> = HashSet::new();
    for relationship in computed {
        if let Link::Computed { function, .. } = &relationship.link {
            replaced.insert((&relationship.source, function));
        }
    }
    detected.retain(|relationship| {
        pace.step();
        !replaced.contains(&(&relationship.source, &relationship.target))
    });
}

/// Computed ones first; then in the order in which PostgREST lists candidates when a request is ambiguous: by target,
/// then to-many before to-one before one-to-one before many-to-many, then by names.
fn listing_order(a: &Relationship, b: &Relationship) -> Ordering {
    let kind = |relationship: &Relationship| match relationship.link {
        Link::Computed { .. } => 0,
        Link::OneToMany { .. } => 1,
        Link::ManyToOne { .. } => 2,
        Link::OneToOne { .. } => 3,
        Link::ManyToMany(_) => 4,
    };
    let is_detected = |relationship: &Relationship| kind(relationship) > 0;
    is_detected(a)
        .cmp(&is_detected(b))
        .then_with(|| a.target.cmp(&b.target))
        .then_with(|| a.is_self.cmp(&b.is_self))
        .then_with(|| kind(a).cmp(&kind(b)))
        .then_with(|| link_order(&a.link, &b.link))
        .then_with(|| a.source_is_view.cmp(&b.source_is_view))
        .then_with(|| a.target_is_view.cmp(&b.target_is_view))
}

fn link_order(a: &Link, b: &Link) -> Ordering {
    match (a, b) {
        (Link::Computed { function: a, .. }, Link::Computed { function: b, .. }) => a.cmp(b),
        (Link::ManyToMany(a), Link::ManyToMany(b)) => junction_parts(a).cmp(&junction_parts(b)),
        _ => key_parts(a).cmp(&key_parts(b)),
    }
}

type JunctionParts<'a> = (&'a QualifiedName, &'a str, &'a str, &'a ColumnPairs, &'a ColumnPairs);

fn junction_parts(junction: &Junction) -> JunctionParts<'_> {
    (
        &junction.table,
        &junction.source_constraint,
        &junction.target_constraint,
        &junction.source_columns,
        &junction.target_columns,
    )
}

fn key_parts(link: &Link) -> Option<(&str, &ColumnPairs, bool)> {
    match link {
        Link::OneToMany { constraint, columns } | Link::ManyToOne { constraint, columns } => {
            Some((constraint, columns, false))
        }
        Link::OneToOne { constraint, columns, source_is_parent } => Some((constraint, columns, *source_is_parent)),
        Link::ManyToMany(_) | Link::Computed { .. } => None,
    }
}
