//! The tree of `select=` with everything that the query string says about each of its relations.
//!
//! First step of planning, before any look-up: filters, orders and windows find their place by path. A path names an
//! embed by its alias, or by its relation when it has none; with `target_names` also by the relation in spite of an
//! alias, which then earns a warning.

use crate::ast::{
    Distinct, EmbedPath, Field, Filter, JoinKind, Logic, OrderTerm, Query, SelectField, SelectItem, SelectRelation,
    Window,
};
use crate::error::Error;
use crate::plan::PlanError;

/// A relation of the request.
#[derive(Debug, Default)]
pub(super) struct Node<'q> {
    /// How the request names it; empty at the root.
    pub(super) name: &'q str,
    pub(super) alias: Option<&'q str>,
    pub(super) hint: Option<&'q str>,
    pub(super) join: Option<JoinKind>,
    pub(super) spread: bool,
    pub(super) fields: Vec<&'q SelectField>,
    pub(super) filters: Vec<&'q Filter>,
    pub(super) logic: Vec<&'q Logic>,
    pub(super) order: &'q [OrderTerm],
    pub(super) distinct: Option<&'q Distinct>,
    pub(super) group_by: &'q [Field],
    pub(super) having: Vec<&'q Logic>,
    pub(super) window: Window,
    pub(super) children: Vec<Node<'q>>,
    /// A path named it by its relation although it has an alias.
    legacy_path: bool,
}

/// What of the query string belongs to the read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scope {
    /// Conditions at the root choose rows to read, not rows to change.
    pub(super) root_conditions: bool,
    /// Limits of embeds apply. Those of the root do where its conditions choose rows to read.
    pub(super) windows: bool,
    /// Paths may name a relation that has an alias.
    pub(super) target_names: bool,
    /// How deep relations may nest.
    pub(super) most_depth: usize,
}

impl<'q> Node<'q> {
    /// The tree of a query.
    pub(super) fn of(query: &'q Query, window: Window, scope: Scope) -> Result<Self, PlanError> {
        let mut root = Self::default();
        root.fill(&query.select, 0, scope.most_depth)?;
        if scope.root_conditions {
            root.window = window;
        }
        for (path, filter) in &query.filters {
            if scope.root_conditions || !path.is_empty() {
                root.find(path, scope)?.filters.push(filter);
            }
        }
        for (path, terms) in &query.order {
            let node = root.find(path, scope)?;
            // The first of several orders counts.
            if node.order.is_empty() {
                node.order = terms;
            }
        }
        for (path, window) in query.windows.iter().filter(|(path, _)| scope.windows && !path.is_empty()) {
            root.find(path, scope)?.window = *window;
        }
        for (path, logic) in &query.logic {
            if scope.root_conditions || !path.is_empty() {
                root.find(path, scope)?.logic.push(logic);
            }
        }
        for (path, distinct) in &query.distinct {
            root.find(path, scope)?.distinct.get_or_insert(distinct);
        }
        for (path, fields) in &query.group_by {
            root.find(path, scope)?.group_by = fields;
        }
        for (path, having) in &query.having {
            root.find(path, scope)?.having.push(having);
        }
        Ok(root)
    }

    /// The key of its output.
    pub(super) fn key(&self) -> &'q str {
        self.alias.unwrap_or(self.name)
    }

    /// The child that a filter or order names.
    pub(super) fn child(&self, key: &str) -> Option<(usize, &Self)> {
        self.children.iter().enumerate().find(|(_, child)| child.key() == key)
    }

    /// Whether nothing at all is selected of it.
    pub(super) fn is_empty(&self) -> bool {
        self.fields.is_empty() && self.children.iter().all(Self::is_empty)
    }

    /// Relations that were named in spite of their alias, with the alias.
    pub(super) fn legacy_paths(&self, found: &mut Vec<(String, String)>) {
        if let (true, Some(alias)) = (self.legacy_path, self.alias) {
            found.push((self.name.to_owned(), alias.to_owned()));
        }
        for child in &self.children {
            child.legacy_paths(found);
        }
    }

    fn fill(&mut self, items: &'q [SelectItem], depth: usize, most: usize) -> Result<(), PlanError> {
        for item in items {
            match item {
                SelectItem::Field(field) => self.fields.push(field),
                SelectItem::Relation(relation) if depth < most => {
                    let mut child = Self::below(relation);
                    child.fill(&relation.items, depth + 1, most)?;
                    self.children.push(child);
                }
                SelectItem::Relation(_) => return Err(PlanError::TooDeep { most }),
            }
        }
        Ok(())
    }

    fn below(relation: &'q SelectRelation) -> Self {
        Self {
            name: &relation.name,
            alias: relation.alias.as_deref(),
            hint: relation.hint.as_deref(),
            join: relation.join,
            spread: relation.spread,
            ..Self::default()
        }
    }

    fn find(&mut self, path: &EmbedPath, scope: Scope) -> Result<&mut Self, PlanError> {
        let mut node = self;
        for step in path {
            let by_key = |child: &Self| child.key() == step;
            let by_target = |child: &Self| child.name == step || child.alias == Some(step);
            let found = node
                .children
                .iter()
                .position(|child| if scope.target_names { by_target(child) } else { by_key(child) });
            let Some(index) = found else {
                let misnamed = node.children.iter().find(|child| by_target(child)).filter(|_| !scope.target_names);
                let alias = misnamed.and_then(|child| child.alias).map(str::to_owned);
                return Err(Error::NotEmbedded { name: step.clone(), alias }.into());
            };
            node = &mut node.children[index];
            node.legacy_path |= node.name == step && node.alias.is_some_and(|alias| alias != step);
        }
        Ok(node)
    }
}
