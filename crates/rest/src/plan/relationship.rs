//! Which relationship an embed means.
//!
//! A request names the target, a foreign key (by constraint or by its only column) or a computed relationship, and may
//! add a hint: the constraint, one of the two columns, or the junction. More than one answer is an error that lists
//! them all. The rules are PostgREST's; docs/guide/rest.md has examples.

use ferrobase_catalog::{Link, QualifiedName, Relationship};

use super::Planner;
use crate::error::similar::{POSSIBLE, closest, misspelt};
use crate::error::{LookupError, Similar};

impl<'a> Planner<'a> {
    /// The relationship from one relation of the request's schema to what an embed names.
    pub(super) fn relationship(
        &self,
        origin: &str,
        target: &str,
        hint: Option<&str>,
    ) -> Result<&'a Relationship, LookupError> {
        let mut found = self.ways_from(origin);
        let extensions = self.rules.extensions;
        found.retain(|way| is_meant(way, target, hint, extensions));
        match found.as_slice() {
            [] => Err(LookupError::NoRelationship {
                origin: origin.to_owned(),
                target: target.to_owned(),
                hint: hint.map(str::to_owned),
                schema: self.schema.to_owned(),
                similar: self.similar_way(origin, target),
            }),
            [only] => Ok(only),
            several => Err(LookupError::AmbiguousRelationship {
                origin: origin.to_owned(),
                target: target.to_owned(),
                candidates: several.iter().map(|way| (*way).clone()).collect(),
            }),
        }
    }

    /// Relationships whose relations this caller may know of.
    fn ways_from(&self, origin: &str) -> Vec<&'a Relationship> {
        let is_seen = |name: &QualifiedName| {
            self.catalog.relations.get(name).is_none_or(|relation| self.sight.hidden(relation).is_none())
        };
        let is_open = |way: &&Relationship| match &way.link {
            Link::ManyToMany(junction) => is_seen(&way.target) && is_seen(&junction.table),
            _ => is_seen(&way.target),
        };
        self.catalog.relationships_within(self.schema, origin).filter(is_open).collect()
    }

    /// What was probably meant: another target, or another origin when there is no such relation.
    fn similar_way(&self, origin: &str, target: &str) -> Option<Similar> {
        if self.catalog.relation(self.schema, origin).is_some() {
            let suggests = |name| self.catalog.relations.get(name).is_none_or(|relation| self.sight.suggests(relation));
            let ways = self.ways_from(origin);
            let known = ways.iter().filter(|way| suggests(&way.target)).map(|way| way.target.name.as_str());
            let meant = misspelt(target, known, POSSIBLE)?.to_owned();
            return Some(Similar { meant, instead_of: target.to_owned() });
        }
        let origins = self.catalog.relationships.keys().filter(|name| {
            name.schema == self.schema
                && self.catalog.relations.get(*name).is_some_and(|relation| self.sight.suggests(relation))
        });
        let meant = closest(origin, origins.map(|name| name.name.as_str()), POSSIBLE)?.to_owned();
        Some(Similar { meant, instead_of: origin.to_owned() })
    }
}

/// Whether a request that names `target`, with or without a hint, means this relationship.
fn is_meant(way: &Relationship, target: &str, hint: Option<&str>, extensions: bool) -> bool {
    let to_target = way.target.name == target;
    let is_to_many = matches!(way.link, Link::OneToMany { .. });
    // What PostgREST leaves out: a row of the same relation that at most one row points at.
    let (points_at_own, is_pointed_at) = match way.link {
        Link::OneToOne { source_is_parent, .. } => (extensions && !source_is_parent, extensions && source_is_parent),
        _ => (false, false),
    };
    match (&way.link, hint) {
        (Link::Computed { function, .. }, _) => function.name == target,
        // A foreign key of a relation to itself gives two relationships: the relation's name means those who point
        // here, the column's name the one that is pointed at.
        (_, None) if way.is_self => {
            (to_target && is_to_many)
                || ((matches!(way.link, Link::ManyToOne { .. }) || points_at_own) && source_column(way) == Some(target))
        }
        // The constraint is what the error about several ways names. PostgREST names it and does not take it.
        (_, Some(hint)) if way.is_self => {
            let is_constraint = extensions && way.constraint() == Some(hint);
            to_target && (is_to_many || is_pointed_at) && (target_column(way) == Some(hint) || is_constraint)
        }
        (_, None) => {
            to_target
                || (!way.target_is_view && (way.constraint() == Some(target) || source_column(way) == Some(target)))
        }
        (Link::ManyToMany(junction), Some(hint)) => to_target && junction.table.name == hint,
        (_, Some(hint)) => {
            to_target
                && (way.constraint() == Some(hint)
                    || source_column(way) == Some(hint)
                    || target_column(way) == Some(hint))
        }
    }
}

/// The column of the source in a relationship over one column.
fn source_column(way: &Relationship) -> Option<&str> {
    match way.columns() {
        [(source, _)] => Some(source),
        _ => None,
    }
}

/// The column of the target in a relationship over one column.
fn target_column(way: &Relationship) -> Option<&str> {
    match way.columns() {
        [(_, target)] => Some(target),
        _ => None,
    }
}
