//! Ways from a row to others: foreign keys, functions of rows, tables that only join, and what comments of views declare.

use std::sync::Arc;

use ferrobase_catalog::{Column, Generated, Junction, Link, Privilege, QualifiedName, Relation, Relationship};
use ferrobase_query::plan::Join;

use super::{Reflecting, Sight};
use crate::directive::{self, Commented, ForeignKey};
use crate::model::{Field, FieldKind, Reference, TableId};
use crate::naming::{is_name, lower_first, upper_first};

impl Reflecting<'_> {
    pub(super) fn relationships(&mut self) {
        let catalog = self.sight.catalog;
        for id in 0..self.model.tables.len() {
            let relation = Arc::clone(&self.model.tables[id].relation);
            let all = catalog.relationships_within(self.sight.schema, &relation.name.name);
            let mut ways: Vec<&Relationship> = all.filter(|way| !matches!(way.link, Link::ManyToMany(_))).collect();
            // Tables first, in an order that does not depend on what else there is: a view which shows the same key takes no
            // name from one.
            ways.sort_by_key(|way| (way.target_is_view, way.constraint().unwrap_or_default().to_owned()));
            let keys: Vec<Key> = ways.iter().filter_map(|way| self.key(id, way)).collect();
            for key in &keys {
                self.by_key(id, key, &keys);
            }
            for way in ways {
                self.computed_way(id, way);
            }
        }
        for (id, key) in std::mem::take(&mut self.foreign_keys) {
            self.declared_way(id, &key);
        }
        // Last, so that no other way loses its name to one of these.
        for id in 0..self.model.tables.len() {
            self.through_junctions(id);
        }
    }

    /// Ways to the rows on the other side of a table that only joins.
    fn through_junctions(&mut self, id: TableId) {
        let catalog = self.sight.catalog;
        let relation = Arc::clone(&self.model.tables[id].relation);
        let all = catalog.relationships_within(self.sight.schema, &relation.name.name);
        let mut ways: Vec<(&QualifiedName, &Junction)> = all
            .filter_map(|way| match &way.link {
                Link::ManyToMany(junction) => Some((&way.target, junction)),
                _ => None,
            })
            .collect();
        ways.sort_by_key(|(_, junction)| (&junction.table, &junction.source_constraint, &junction.target_constraint));
        for (target, junction) in ways {
            let (Some(&target), Some(middle)) =
                (self.ids.get(target), catalog.relation(&junction.table.schema, &junction.table.name))
            else {
                continue;
            };
            if !only_joins(middle, junction) || !self.reads_through(id, target, middle, junction) {
                continue;
            }
            let type_name = &self.model.tables[target].type_name;
            let name = format!("{}Collection", lower_first(type_name));
            let through = crate::naming::camel(&middle.name.name);
            let names = [name.clone(), format!("{name}Through{}", upper_first(&through))];
            let join = Join::Junction {
                table: junction.table.clone(),
                parent: junction.source_columns.clone(),
                target: junction.target_columns.clone(),
            };
            let kind = FieldKind::Many(Reference { table: target, join, nullable: true, refers: false });
            self.lead_by(id, &names, kind);
        }
    }

    /// The role must see the table that joins, and what it is joined by.
    fn reads_through(&self, id: TableId, target: TableId, middle: &Relation, junction: &Junction) -> bool {
        let Sight { catalog, role, .. } = self.sight;
        let (source, target) = (&self.model.tables[id].relation, &self.model.tables[target]);
        let reads = |relation: &Relation, column: &str| catalog.may_column(role, Privilege::Select, relation, column);
        let joins = |relation: &Relation, pairs: &[(String, String)]| {
            pairs.iter().all(|(own, of_middle)| reads(relation, own) && reads(middle, of_middle))
        };
        target.is_readable()
            && (self.sight.sees)(middle)
            && joins(source, &junction.source_columns)
            && joins(&target.relation, &junction.target_columns)
    }

    /// A relationship that the comment of a relation declares, in both directions.
    fn declared_way(&mut self, id: TableId, key: &ForeignKey) {
        let schema = if key.foreign_schema.is_empty() { &self.model.schema } else { &key.foreign_schema };
        let name = QualifiedName::new(schema, &key.foreign_table);
        let Some(&target) = self.ids.get(&name) else { return };
        let pairs: Vec<_> = key.local_columns.iter().cloned().zip(key.foreign_columns.iter().cloned()).collect();
        let reads = |id: TableId, column: &str| {
            self.model.tables[id].field_of(column).is_some_and(|(_, column)| column.readable)
        };
        let fits = !pairs.is_empty() && key.local_columns.len() == key.foreign_columns.len();
        if !fits || !pairs.iter().all(|(own, other)| reads(id, own) && reads(target, other)) {
            return;
        }
        let reference = match pairs.as_slice() {
            [(own, _)] => self.naming.reference(own),
            _ => None,
        };
        let one = reference.unwrap_or_else(|| lower_first(&self.model.tables[target].type_name));
        let many = format!("{}Collection", lower_first(&self.model.tables[id].type_name));
        let turned = pairs.iter().map(|(own, other)| (other.clone(), own.clone())).collect();
        let to = |table, join, refers| Reference { table, join: Join::Columns(join), nullable: true, refers };
        let (to_one, to_many) = (to(target, pairs.clone(), true), to(id, turned, false));
        self.lead(id, key.foreign_name.as_deref().unwrap_or(&one), &pairs, FieldKind::One(to_one));
        self.lead(target, key.local_name.as_deref().unwrap_or(&many), &to_many_pairs(&pairs), FieldKind::Many(to_many));
    }

    /// What a foreign key leads to, unless the role may not follow it.
    fn key(&self, id: TableId, way: &Relationship) -> Option<Key> {
        let target = self.target(id, way)?;
        let type_name = lower_first(&self.model.tables[target].type_name);
        let to = |columns: &[(String, String)], nullable, refers| Reference {
            table: target,
            join: Join::Columns(columns.to_vec()),
            nullable,
            refers,
        };
        let (kind, name) = match &way.link {
            Link::ManyToOne { columns, .. } | Link::OneToOne { columns, source_is_parent: false, .. } => {
                let reference = match columns.as_slice() {
                    [(own, _)] => self.naming.reference(own),
                    _ => None,
                };
                // A row that a policy hides is none.
                let nullable = columns.iter().any(|(own, _)| self.is_nullable(id, own))
                    || way.target_is_view
                    || self.may_be_hidden(target);
                (FieldKind::One(to(columns, nullable, true)), reference.unwrap_or_else(|| type_name.clone()))
            }
            Link::OneToOne { columns, .. } => (FieldKind::One(to(columns, true, false)), type_name.clone()),
            Link::OneToMany { columns, .. } => {
                (FieldKind::Many(to(columns, true, false)), format!("{type_name}Collection"))
            }
            Link::Computed { .. } | Link::ManyToMany(_) => return None,
        };
        let said = directive::read(way.comment.as_deref()).directive;
        let refers = matches!(&kind, FieldKind::One(to) if to.refers);
        let said = if refers { said.foreign_name } else { said.local_name };
        let by = by_columns(way.columns(), &kind);
        let name = said.unwrap_or(name);
        // Several views may show a key that says one name for all of them.
        let of = if way.target_is_view && refers { &type_name } else { &name };
        Some(Key { long_name: format!("{of}By{by}"), name, view: way.target_is_view.then_some(target), kind })
    }

    /// Adds a way by a key, beside others of the table. None of several views that want a name has it: which one it led to would
    /// depend on which was there first.
    fn by_key(&mut self, id: TableId, key: &Key, all: &[Key]) {
        let wanting = || all.iter().filter(|other| other.name == key.name && other.view.is_some());
        let is_contested = key.view.is_some() && wanting().any(|other| other.view != key.view);
        if !is_contested || self.model.tables[id].fields.contains_key(&key.name) {
            return self.lead_by(id, &[key.name.clone(), key.long_name.clone()], key.kind.clone());
        }
        let object = self.model.tables[id].relation.name.clone();
        let instead: Vec<String> = wanting().map(|other| format!("`{}`", other.long_name)).collect();
        let text =
            format!("the field `{}` could lead to several views: there are {} instead", key.name, instead.join(", "));
        self.mistake(object, text);
        self.lead_by(id, std::slice::from_ref(&key.long_name), key.kind.clone());
    }

    /// What a way leads to, where the role may follow it.
    fn target(&self, id: TableId, way: &Relationship) -> Option<TableId> {
        let target = *self.ids.get(&way.target)?;
        let reads = self.model.tables[target].columns().any(|(_, _, column)| column.readable);
        (reads && self.reads_columns(id, way) && self.may_call(id, way)).then_some(target)
    }

    /// A way by a function of the row, with the name and the words that its comment gives it. Where it gives one row it is a
    /// value of a column too, for want of a way.
    fn computed_way(&mut self, id: TableId, way: &Relationship) {
        let Link::Computed { function, to_one } = &way.link else { return };
        let Some(target) = self.target(id, way) else { return };
        let row_type = self.model.tables[id].relation.name.clone();
        let comment = self.sight.catalog.row_function(function, &row_type).and_then(|of| of.comment.as_deref());
        let Commented { directive, description } = directive::read(comment);
        let own = directive.name.unwrap_or_else(|| self.naming.field(function.name.trim_start_matches('_')));
        let join = Join::Function { function: function.clone(), row_type };
        let to = Reference { table: target, join, nullable: true, refers: false };
        let kind = if *to_one { FieldKind::One(to) } else { FieldKind::Many(to) };
        let table = &mut self.model.tables[id];
        if table.relation.computed_fields.get(&function.name).is_some_and(|value| value.function == *function) {
            let is_value =
                |kind: &FieldKind| matches!(kind, FieldKind::Column(of) if of.computed && of.name == function.name);
            table.fields.retain(|_, field| !is_value(&field.kind));
        }
        let names = [own.clone(), format!("{own}By")];
        self.add_way(id, &names, Field { description, deprecated: directive.deprecated, kind });
    }

    /// Adds a field that leads to other rows, under a name that is free.
    fn lead(&mut self, id: TableId, name: &str, pairs: &[(String, String)], kind: FieldKind) {
        let by = by_columns(pairs, &kind);
        self.lead_by(id, &[name.to_owned(), format!("{name}By{by}")], kind);
    }

    /// The same under the first of these names that is free.
    fn lead_by(&mut self, id: TableId, names: &[String], kind: FieldKind) {
        self.add_way(id, names, Field { description: None, deprecated: None, kind });
    }

    fn add_way(&mut self, id: TableId, names: &[String], field: Field) {
        let table = &mut self.model.tables[id];
        match names.iter().find(|name| is_name(name) && !table.fields.contains_key(*name)) {
            Some(name) => {
                table.fields.insert(name.clone(), field);
            }
            None => {
                let object = table.relation.name.clone();
                let text = format!("the field `{}` of related rows has no name that is free: it is left out", names[0]);
                self.mistake(object, text);
            }
        }
    }

    /// The columns that a join compares must be readable: a caller can tell from the answer what stands in them.
    fn reads_columns(&self, id: TableId, way: &Relationship) -> bool {
        let Sight { catalog, role, .. } = self.sight;
        let source = &self.model.tables[id].relation;
        let Some(target) = catalog.relation(&way.target.schema, &way.target.name) else { return false };
        let reads = |relation: &Relation, column: &str| catalog.may_column(role, Privilege::Select, relation, column);
        way.columns().iter().all(|(own, other)| reads(source, own) && reads(target, other))
    }

    /// A function of the row must be the role's to execute, and is given the whole row.
    fn may_call(&self, id: TableId, way: &Relationship) -> bool {
        let Link::Computed { function, .. } = &way.link else { return true };
        let Sight { catalog, role, .. } = self.sight;
        let relation = &self.model.tables[id].relation;
        catalog.may_execute_of_row(role, function, &relation.name) && self.reads_all(relation)
    }

    fn is_nullable(&self, id: TableId, column: &str) -> bool {
        self.model.tables[id].relation.columns.get(column).is_none_or(|column| column.nullable)
    }

    fn may_be_hidden(&self, id: TableId) -> bool {
        let relation = &self.model.tables[id].relation;
        relation.row_security.enabled || relation.is_view()
    }
}

/// A way by a foreign key.
struct Key {
    /// The name that it wants.
    name: String,
    /// The name where that one is taken.
    long_name: String,
    /// What it leads to, if that is a view.
    view: Option<TableId>,
    kind: FieldKind,
}

/// The columns that tell a way from others, as a part of a name.
fn by_columns(pairs: &[(String, String)], kind: &FieldKind) -> String {
    let by = pairs.iter().map(|(own, other)| {
        upper_first(&crate::naming::camel(if matches!(kind, FieldKind::Many(_)) { other } else { own }))
    });
    by.collect::<Vec<_>>().join("And")
}

/// Whether a table does nothing but join: a pair of rows is in it once, and nothing else has to be said about it.
fn only_joins(middle: &Relation, junction: &Junction) -> bool {
    let joins = |name: &String| {
        junction.source_columns.iter().chain(&junction.target_columns).any(|(_, column)| column == name)
    };
    let said = directive::read(middle.comment.as_deref()).directive.many_to_many;
    let is_free = |column: &Column| column.nullable || column.default.is_some() || column.generated != Generated::No;
    said.is_none_or(|switch| switch.enabled)
        && !middle.is_view()
        && middle.primary_key.iter().all(joins)
        && middle.columns.values().all(|column| joins(&column.name) || is_free(column))
}

fn to_many_pairs(pairs: &[(String, String)]) -> Vec<(String, String)> {
    pairs.iter().map(|(own, other)| (other.clone(), own.clone())).collect()
}
