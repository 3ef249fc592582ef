//! A POST whose objects hold related objects: which rows go into which tables, and in which order.
//!
//! A key of an object that is no column but names a relationship, as an embed of `select` would, holds rows of the
//! related table: an object where one belongs to the row, else a list. The rows of one key, over all objects of a level,
//! are a [`Group`] and become one statement. Rows that the object refers to come before it, rows that refer to it after
//! it, a junction's rows last; foreign keys are filled in on the way (`crate::nested`).
//! Pure. Bounds: levels as for embeds (`rest.max_embed_depth`), [`MAX_GROUPS`] statements. Not under `ferrobase
//! postgrest`. Why not one statement: a policy does not see rows that the same statement inserts (`security.md` 9).

use std::collections::BTreeSet;
use std::sync::Arc;

use ferrobase_catalog::{ColumnPairs, Junction, Link, QualifiedName, Relation, Relationship};
use ferrobase_query::CatalogSql;
use ferrobase_query::plan::{Conflict, InputColumn, Resolution};
use serde_json::value::RawValue;

use super::{PlanError, Planner};
use crate::ast::SelectItem;
use crate::body::{BodyError, Entries, Payload};
use crate::error::{Error, LookupError};
use crate::prefer::{self, Missing, Return};
use crate::request::{Action, RestRequest};

/// Most groups of one request.
const MAX_GROUPS: usize = 100;

/// Rows of one table, and what hangs on them.
#[derive(Debug)]
pub(crate) struct Group<'b> {
    /// The table.
    pub(crate) relation: Arc<Relation>,
    /// Its rows, of all objects of the level above in order.
    pub(crate) rows: Vec<Row<'b>>,
    /// Rows that these refer to, with (own column, referenced column).
    pub(crate) before: Vec<(ColumnPairs, Group<'b>)>,
    /// Rows that refer to these, or are related through a junction.
    pub(crate) after: Vec<(Tie, Group<'b>)>,
    /// Columns that are filled in.
    pub(crate) filled: BTreeSet<String>,
    /// Columns that are needed of the rows once they are there.
    pub(crate) needed: BTreeSet<String>,
    /// What happens to rows that are there already.
    pub(crate) conflict: Option<Conflict>,
    /// Columns that the statement writes.
    pub(crate) columns: Vec<InputColumn>,
}

/// One row.
#[derive(Debug)]
pub(crate) struct Row<'b> {
    /// The row of the level above whose object held it.
    pub(crate) parent: usize,
    /// Columns and values that the object gives.
    pub(crate) given: Vec<(String, &'b RawValue)>,
}

/// How rows are tied to those of the level above.
#[derive(Debug)]
pub(crate) enum Tie {
    /// They refer to it: (referenced column, own column).
    Columns(ColumnPairs),
    /// A junction refers to both.
    Junction(Box<Middle>),
}

/// A junction as a table to write to.
#[derive(Debug)]
pub(crate) struct Middle {
    /// Which columns of it refer to what.
    pub(crate) junction: Junction,
    /// The table.
    pub(crate) relation: Arc<Relation>,
    /// What happens to ties that are there already.
    pub(crate) conflict: Option<Conflict>,
    /// Columns that the statement writes.
    pub(crate) columns: Vec<InputColumn>,
}

impl<'b> Group<'b> {
    fn of(relation: &Arc<Relation>) -> Self {
        Self {
            relation: Arc::clone(relation),
            rows: Vec::new(),
            before: Vec::new(),
            after: Vec::new(),
            filled: BTreeSet::new(),
            needed: BTreeSet::new(),
            conflict: None,
            columns: Vec::new(),
        }
    }
}

/// A relationship of a body's key, and what `select` has below it.
struct Meant<'a, 'q> {
    way: &'a Relationship,
    select: &'q [SelectItem],
}

/// What is the same everywhere in the tree.
struct Growth<'q> {
    request: &'q RestRequest,
    groups: usize,
    /// Whether some key named a relationship, rows or not.
    related: bool,
}

impl<'a> Planner<'a> {
    /// The tree of a POST with related objects; `None` when there are none.
    pub(crate) fn nested<'b>(&self, request: &'b RestRequest) -> Result<Option<Group<'b>>, PlanError> {
        let (Action::Insert { relation: name }, true) = (&request.action, request.nestable) else { return Ok(None) };
        let (raw, ragged) = match &request.payload {
            Some(Payload::Json { raw, keys, .. }) => {
                let known = self.catalog.relation(self.schema, name);
                if known.is_none_or(|relation| keys.iter().all(|key| relation.columns.contains_key(key))) {
                    return Ok(None);
                }
                (raw, false)
            }
            Some(Payload::Ragged { raw }) => (raw, true),
            _ => return Ok(None),
        };
        let relation = self.relation(name)?;
        let objects = objects(raw)?;
        let mut growth = Growth { request, groups: 0, related: false };
        let on_conflict = request.query.on_conflict.as_ref();
        let mut group = self.group(&mut growth, relation, on_conflict, 0)?;
        let numbered = objects.into_iter().map(|object| (0, object)).collect();
        let filled = self.fill(&mut growth, &mut group, numbered, &request.query.select, 0);
        if !growth.related {
            // Then it is a body like any other, with its mistakes.
            return if ragged { Err(Error::Body(BodyError::Keys).into()) } else { Ok(None) };
        }
        filled?;
        self.need_key(request, &mut group)?;
        self.settle(&mut group)?;
        Ok(Some(group))
    }

    /// The root's key, where the rows are to be shown or located afterwards.
    fn need_key(&self, request: &RestRequest, group: &mut Group<'_>) -> Result<(), PlanError> {
        let key = &group.relation.primary_key;
        match request.prefer.returns {
            Some(Return::Representation) if key.is_empty() => {
                Err(PlanError::NoKeyToShow { relation: group.relation.name.name.clone() })
            }
            Some(Return::Representation | Return::HeadersOnly) => {
                group.needed.extend(key.iter().cloned());
                Ok(())
            }
            Some(Return::Minimal) | None => Ok(()),
        }
    }

    fn group<'b>(
        &self,
        growth: &mut Growth<'_>,
        relation: &Arc<Relation>,
        on_conflict: Option<&Vec<String>>,
        depth: usize,
    ) -> Result<Group<'b>, PlanError> {
        growth.groups += 1;
        if growth.groups > MAX_GROUPS {
            return Err(PlanError::TooManyGroups { most: MAX_GROUPS });
        }
        if depth > self.rules.max_embed_depth {
            return Err(PlanError::TooDeep { most: self.rules.max_embed_depth });
        }
        let mut group = Group::of(relation);
        group.conflict = match growth.request.prefer.resolution {
            None => None,
            Some(prefer::Resolution::IgnoreDuplicates) => None,
            Some(prefer::Resolution::MergeDuplicates) => {
                Some(Conflict::of(Resolution::Merge, on_conflict.unwrap_or(&relation.primary_key).clone()))
            }
        };
        Ok(group)
    }

    /// Puts objects into a group, and what they hold into groups of its own.
    fn fill<'b>(
        &self,
        growth: &mut Growth<'b>,
        group: &mut Group<'b>,
        objects: Vec<(usize, Entries<'b>)>,
        select: &'b [SelectItem],
        depth: usize,
    ) -> Result<(), PlanError> {
        let relation = Arc::clone(&group.relation);
        let mut held: Vec<(String, Vec<(usize, &'b RawValue)>)> = Vec::new();
        for (parent, object) in objects {
            let place = group.rows.len();
            let mut row = Row { parent, given: Vec::with_capacity(object.0.len()) };
            for (key, value) in object.0 {
                if relation.columns.contains_key(&key) {
                    // As PostgreSQL has it: of a repeated key the last value counts.
                    row.given.retain(|(known, _)| *known != key);
                    row.given.push((key, value));
                } else if let Some((_, values)) = held.iter_mut().find(|(known, _)| *known == key) {
                    values.push((place, value));
                } else {
                    held.push((key, vec![(place, value)]));
                }
            }
            group.rows.push(row);
        }
        check_keys(group, growth.request)?;
        for (key, values) in held {
            let meant = self.meant(&relation, &key, select, &mut growth.related)?;
            self.hang(growth, group, &key, &meant, values, depth + 1)?;
        }
        Ok(())
    }

    /// The relationship that a key of the body names.
    fn meant<'q>(
        &self,
        relation: &Relation,
        key: &str,
        select: &'q [SelectItem],
        related: &mut bool,
    ) -> Result<Meant<'a, 'q>, PlanError> {
        let embeds = select.iter().filter_map(|item| match item {
            SelectItem::Relation(embed) if !embed.spread => Some(embed),
            _ => None,
        });
        let origin = &relation.name.name;
        let mut embeds = embeds.filter(|embed| embed.alias.as_deref().unwrap_or(&embed.name) == key);
        if let Some(embed) = embeds.next() {
            let way = self.relationship(origin, &embed.name, embed.hint.as_deref())?;
            return Ok(Meant { way, select: &embed.items });
        }
        let (_, named) = key.split_once(':').map_or(("", key), |(alias, named)| (alias, named));
        let (name, hint) = named.split_once('!').map_or((named, None), |(name, hint)| (name, Some(hint)));
        match self.relationship(origin, name, hint) {
            Ok(way) => Ok(Meant { way, select: &[] }),
            // Neither a column nor a relationship: told like any column that is not there.
            Err(LookupError::NoRelationship { .. }) => {
                Err(LookupError::NoColumn { relation: origin.clone(), column: key.to_owned() }.into())
            }
            Err(other) => {
                *related = true;
                Err(other.into())
            }
        }
    }

    /// Hangs a group for one key below another one.
    fn hang<'b>(
        &self,
        growth: &mut Growth<'b>,
        above: &mut Group<'b>,
        key: &str,
        meant: &Meant<'a, 'b>,
        values: Vec<(usize, &'b RawValue)>,
        depth: usize,
    ) -> Result<(), PlanError> {
        let way = meant.way;
        growth.related = true;
        if growth.request.prefer.resolution == Some(prefer::Resolution::IgnoreDuplicates) {
            let why = "Rows that are left as they are (resolution=ignore-duplicates) can have no related rows";
            return Err(PlanError::NotWritable { key: key.to_owned(), why });
        }
        if matches!(way.link, Link::Computed { .. }) {
            let why = "A function relates these rows, and a function cannot be filled in";
            return Err(PlanError::NotWritable { key: key.to_owned(), why });
        }
        let target = self.written(&way.target, key)?;
        let mut group = self.group(growth, target, None, depth)?;
        let mut objects = Vec::new();
        for (parent, value) in values {
            objects.extend(related(key, value, way.is_to_one())?.into_iter().map(|object| (parent, object)));
        }
        // The columns that tie are known before the rows are looked at: a row may leave them out.
        let pairs = |columns: &ColumnPairs| columns.iter().map(|(own, _)| own.clone()).collect::<Vec<_>>();
        let others = |columns: &ColumnPairs| columns.iter().map(|(_, other)| other.clone()).collect::<Vec<_>>();
        match &way.link {
            Link::ManyToOne { columns, .. } | Link::OneToOne { columns, source_is_parent: false, .. } => {
                group.needed.extend(others(columns));
                self.fill(growth, &mut group, objects, meant.select, depth)?;
                if !group.rows.is_empty() {
                    above.filled.extend(pairs(columns));
                    above.before.push((columns.clone(), group));
                }
            }
            Link::OneToMany { columns, .. } | Link::OneToOne { columns, source_is_parent: true, .. } => {
                group.filled.extend(others(columns));
                self.fill(growth, &mut group, objects, meant.select, depth)?;
                if !group.rows.is_empty() {
                    above.needed.extend(pairs(columns));
                    above.after.push((Tie::Columns(columns.clone()), group));
                }
            }
            Link::ManyToMany(junction) => {
                group.needed.extend(pairs(&junction.target_columns));
                self.fill(growth, &mut group, objects, meant.select, depth)?;
                if !group.rows.is_empty() {
                    above.needed.extend(pairs(&junction.source_columns));
                    let middle = self.middle(growth.request, junction, key)?;
                    above.after.push((Tie::Junction(Box::new(middle)), group));
                }
            }
            // Refused above.
            Link::Computed { .. } => {}
        }
        Ok(())
    }

    fn middle(&self, request: &RestRequest, junction: &Junction, key: &str) -> Result<Middle, PlanError> {
        let relation = Arc::clone(self.written(&junction.table, key)?);
        let merges = request.prefer.resolution == Some(prefer::Resolution::MergeDuplicates);
        let conflict = merges.then(|| Conflict::of(Resolution::Ignore, relation.primary_key.clone()));
        let names = junction.source_columns.iter().chain(&junction.target_columns).map(|(_, own)| own);
        let columns = filled_columns(&relation, names.collect::<BTreeSet<_>>().into_iter())?;
        Ok(Middle { junction: junction.clone(), relation, conflict, columns })
    }

    /// A relation that a relationship leads to, if rows can be put there.
    fn written(&self, name: &QualifiedName, key: &str) -> Result<&'a Arc<Relation>, PlanError> {
        let why = "Its table is not in an exposed schema";
        self.catalog
            .relations
            .get(name)
            .filter(|relation| self.sight.hidden(relation).is_none())
            .ok_or_else(|| PlanError::NotWritable { key: key.to_owned(), why })
    }

    /// Looks up the columns that the statements of a tree write.
    fn settle(&self, group: &mut Group<'_>) -> Result<(), PlanError> {
        let given: BTreeSet<String> =
            group.rows.iter().flat_map(|row| row.given.iter().map(|(name, _)| name.clone())).collect();
        let own: BTreeSet<String> = given.difference(&group.filled).cloned().collect();
        group.columns = self.input_columns(&group.relation, &own)?;
        group.columns.extend(filled_columns(&group.relation, group.filled.iter())?);
        // The depth is bound where groups are made.
        group.before.iter_mut().try_for_each(|(_, below)| self.settle(below))?;
        group.after.iter_mut().try_for_each(|(_, below)| self.settle(below))
    }
}

/// Columns whose values come from another row of the database, which no domain has to read.
pub(super) fn filled_columns<'n>(
    relation: &Relation,
    names: impl Iterator<Item = &'n String>,
) -> Result<Vec<InputColumn>, PlanError> {
    names
        .map(|name| {
            let missing = || LookupError::NoColumn { relation: relation.name.name.clone(), column: name.clone() };
            let column = relation.column(name).ok_or_else(missing)?;
            Ok(InputColumn {
                name: name.clone(),
                type_name: CatalogSql::written_by_catalog(&column.declared_type),
                convert: None,
                default: column.default.as_deref().map(CatalogSql::written_by_catalog),
            })
        })
        .collect()
}

/// Objects of one table have the same columns, unless absent ones are to become defaults. Columns that are filled in
/// do not count.
fn check_keys(group: &Group<'_>, request: &RestRequest) -> Result<(), PlanError> {
    if request.prefer.missing == Some(Missing::Default) {
        return Ok(());
    }
    let keys = |row: &Row<'_>| -> BTreeSet<String> {
        row.given.iter().map(|(name, _)| name).filter(|name| !group.filled.contains(*name)).cloned().collect()
    };
    let mut rows = group.rows.iter();
    let Some(first) = rows.next().map(&keys) else { return Ok(()) };
    if rows.all(|row| keys(row) == first) { Ok(()) } else { Err(PlanError::Keys(group.relation.name.name.clone())) }
}

/// The objects of a body.
fn objects(raw: &[u8]) -> Result<Vec<Entries<'_>>, PlanError> {
    let list = crate::body::begins_list(raw);
    let parsed =
        if list { serde_json::from_slice(raw) } else { serde_json::from_slice(raw).map(|object| vec![object]) };
    // The body is JSON, so what is left to be wrong is an element that is no object.
    parsed.map_err(|_| Error::Body(BodyError::Keys).into())
}

/// The objects that one key holds for one row.
fn related<'b>(key: &str, value: &'b RawValue, to_one: bool) -> Result<Vec<Entries<'b>>, PlanError> {
    let text = value.get();
    if text == "null" {
        return Ok(Vec::new());
    }
    let parsed =
        if to_one { serde_json::from_str(text).map(|object| vec![object]) } else { serde_json::from_str(text) };
    parsed.map_err(|_| PlanError::NotRows { key: key.to_owned(), to_one })
}
