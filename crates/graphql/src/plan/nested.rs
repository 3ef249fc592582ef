//! Related rows that are written together: which rows go into which tables, and in which order.
//!
//! A field of new rows that leads to other rows holds new rows (`create`) or keys of rows that are there (`connect`). The
//! rows of one field over all objects of a level are one step of a [`Tree`], so that the number of statements follows from
//! the shape of what is asked and not from how much of it there is.
//! Bounds: levels, steps, rows.

use ferrobase_catalog::ColumnPairs;
use ferrobase_query::plan::{
    Change, ChangeMember, Condition, Conflict, Content, Document, Field, Guard, InputColumn, Join, Member, Mutation,
    Pick, Read, Related, Scalar, Source,
};
use ferrobase_query::tree::{Action, Draft, Fill, Step as Growth, Tree, TreeError, rows};
use indexmap::IndexMap;

use super::change::{at_most, delete, given, input_column, of_column, plain_column, shows, update};
use super::collect::Asked;
use super::filter::equal;
use super::input::Input;
use super::keys::one_key;
use super::{Planner, Step, alone};
use crate::cost::listed;
use crate::error::Error;
use crate::model::{FieldKind, Reference, Table, TableId};

/// Most levels of rows in rows.
const MAX_DEPTH: usize = 8;
/// Most statements.
const MAX_STEPS: usize = 100;
/// Most rows.
const MAX_ROWS: usize = 10_000;

/// The key under which a step says how many rows it wrote.
pub(crate) const COUNT: &str = "count";
/// The same for its rows.
pub(crate) const ROWS: &str = "rows";

/// A tree, and what is told when it is there.
#[derive(Debug)]
pub(crate) struct Grown {
    pub(crate) tree: Tree,
    /// How many rows each step may change, where that is limited.
    pub(crate) guards: Vec<(usize, Guard)>,
    /// The step whose rows are told.
    pub(crate) root: usize,
    /// By which columns they are found again.
    pub(crate) key: Vec<String>,
    /// What is told; its mutation takes the keys of the rows. None where only their number is asked for.
    pub(crate) told: Option<Document>,
    /// What is told without asking the database.
    pub(crate) members: Vec<ChangeMember>,
}

/// Rows of a level: of each the columns, and what its fields hold.
struct Level<'i> {
    drafts: Vec<Draft>,
    columns: Vec<String>,
    held: IndexMap<&'i str, Vec<(usize, &'i Input)>>,
}

/// A way to rows that can be written.
struct Way<'m> {
    to: &'m Reference,
    pairs: &'m ColumnPairs,
    field: &'m str,
}

impl Way<'_> {
    /// (column there, own column)
    fn turned(&self) -> ColumnPairs {
        self.pairs.iter().map(|(own, other)| (other.clone(), own.clone())).collect()
    }
}

impl<'a> Planner<'a> {
    /// Whether rows hold other rows.
    pub(super) fn holds_related(&self, table: &Table, objects: &[Input]) -> bool {
        let leads = |(name, _): &(String, Input)| {
            matches!(table.fields.get(name).map(|field| &field.kind), Some(FieldKind::One(_) | FieldKind::Many(_)))
        };
        objects.iter().any(|object| object.fields().iter().any(leads))
    }

    /// New rows with what they hold.
    pub(super) fn insert_tree(&self, id: TableId, asked: &Asked<'a>, objects: &[Input]) -> Result<Step, Error> {
        let members = self.told(id, asked, "InsertResponse")?;
        let mut growing = Growing { planner: self, tree: Tree::default(), guards: Vec::new(), rows: 0 };
        let root = growing.insert(id, &objects.iter().collect::<Vec<_>>(), Vec::new(), 0)?;
        let said: Option<Conflict> = self.conflict(id, asked, objects)?;
        if let Action::Insert { conflict, .. } = &mut growing.tree.steps[root].action {
            *conflict = said;
        }
        let Growing { tree, guards, .. } = growing;
        Ok(self.grown(id, asked, (tree, guards), root, members))
    }

    /// One row changed, and rows that are related to it.
    pub(super) fn update_tree(
        &self,
        id: TableId,
        asked: &Asked<'a>,
        set: &Input,
        related: &Input,
    ) -> Result<Step, Error> {
        let members = vec![ChangeMember::Row(self.row(id, asked.below())?)];
        let mut growing = Growing { planner: self, tree: Tree::default(), guards: Vec::new(), rows: 0 };
        let root = growing.update(id, asked, set, related)?;
        let Growing { tree, guards, .. } = growing;
        Ok(self.grown(id, asked, (tree, guards), root, members))
    }

    /// A tree with its guards, and what is told of a step when all are done.
    pub(super) fn grown(
        &self,
        id: TableId,
        asked: &Asked<'a>,
        (mut tree, guards): (Tree, Vec<(usize, Guard)>),
        root: usize,
        members: Vec<ChangeMember>,
    ) -> Step {
        let table = self.table(id);
        let told = shows(&members).then(|| {
            tree.steps[root].needed.extend(table.key.iter().cloned());
            let key = columns_of(table, &table.key);
            let returning = ferrobase_query::plan::Columns::Named(Vec::new());
            let pick = Pick { table: table.relation.name.clone(), key, json: bytes::Bytes::new(), returning };
            alone(asked.key, self.change(table, Mutation::Pick(pick), Guard::default(), members.clone()))
        });
        Step::Tree(Box::new(Grown { tree, guards, root, key: table.key.clone(), told, members }))
    }
}

/// Keys of rows by the columns that they are made of, each with the row that holds it.
type ByKey = IndexMap<Vec<String>, Vec<(usize, Draft)>>;

/// A tree while it grows.
struct Growing<'p, 'a> {
    planner: &'p Planner<'a>,
    tree: Tree,
    guards: Vec<(usize, Guard)>,
    rows: usize,
}

impl<'a> Growing<'_, 'a> {
    fn table(&self, id: TableId) -> &'a Table {
        self.planner.table(id)
    }

    /// Adds new rows after what they refer to and before what refers to them; gives their step.
    fn insert(&mut self, id: TableId, objects: &[&Input], fills: Vec<Fill>, depth: usize) -> Result<usize, Error> {
        let table = self.table(id);
        let level = self.level(table, objects, depth)?;
        let (before, after) = ways(table, &level)?;
        let mut fills = fills;
        for (way, values) in before {
            fills.extend(self.before(&way, &values, depth)?);
        }
        let columns = given_and_filled(table, &level.columns, &fills);
        let action = Action::Insert { columns, missing_is_default: true, conflict: None };
        let place = self.push(table, action, level.drafts, fills)?;
        for (way, values) in after {
            self.after(place, &way, &values, depth)?;
        }
        Ok(place)
    }

    /// Takes objects apart.
    fn level<'i>(&mut self, table: &Table, objects: &[&'i Input], depth: usize) -> Result<Level<'i>, Error> {
        if depth > MAX_DEPTH {
            return Err(Error::TooDeep(MAX_DEPTH));
        }
        self.count(objects.len())?;
        let mut level = Level { drafts: Vec::new(), columns: Vec::new(), held: IndexMap::new() };
        for (row, object) in objects.iter().enumerate() {
            let mut draft = Vec::new();
            for (name, value) in object.fields() {
                match table.column(name) {
                    Some(column) => draft.push((column.name.clone(), of_column(name, column, value)?)),
                    None if *value == Input::Null => {}
                    None => level.held.entry(name.as_str()).or_default().push((row, value)),
                }
            }
            level.columns.extend(draft.iter().map(|(name, _)| name.clone()));
            level.drafts.push(drafted(draft)?);
        }
        Ok(level)
    }

    fn count(&mut self, more: usize) -> Result<(), Error> {
        self.rows += more;
        match self.rows > MAX_ROWS {
            true => Err(Error::Request(format!("More than {MAX_ROWS} rows are to be written together"))),
            false => Ok(()),
        }
    }

    fn push(&mut self, table: &Table, action: Action, drafts: Vec<Draft>, fills: Vec<Fill>) -> Result<usize, Error> {
        if self.tree.steps.len() >= MAX_STEPS {
            return Err(Error::Request(format!("More than {MAX_STEPS} statements would write this")));
        }
        for fill in &fills {
            self.tree.steps[fill.from].needed.extend(fill.pairs.iter().map(|(_, other)| other.clone()));
        }
        let step = Growth { fills, ..Growth::new(&table.relation, action, drafts) };
        Ok(self.tree.push(step))
    }

    /// Rows that others refer to: (row, what its field holds). Gives what is to be filled in.
    fn before(&mut self, way: &Way<'_>, values: &[(usize, &Input)], depth: usize) -> Result<Vec<Fill>, Error> {
        let (mut made, mut found) = (Vec::new(), Vec::new());
        for (row, value) in values {
            let (verb, value) = one_verb(way.field, value)?;
            let list = if verb == "create" { &mut made } else { &mut found };
            list.push((*row, value));
        }
        let mut fills = Vec::new();
        if !made.is_empty() {
            let objects: Vec<&Input> = made.iter().map(|(_, object)| *object).collect();
            let from = self.insert(way.to.table, &objects, Vec::new(), depth + 1)?;
            let rows = made.iter().enumerate().map(|(place, (row, _))| (*row, place)).collect();
            fills.push(Fill { from, pairs: way.pairs.clone(), rows });
        }
        for (columns, keyed) in self.keyed(way, &found)? {
            let (drafts, owners): (Vec<Draft>, Vec<usize>) = keyed.into_iter().map(|(row, draft)| (draft, row)).unzip();
            let table = self.table(way.to.table);
            let from = self.push(table, Action::Find { key: columns_of(table, &columns) }, drafts, Vec::new())?;
            let rows = owners.into_iter().enumerate().map(|(place, row)| (row, place)).collect();
            fills.push(Fill { from, pairs: way.pairs.clone(), rows });
        }
        // What is filled in must come back.
        for fill in &fills {
            self.tree.steps[fill.from].needed.extend(fill.pairs.iter().map(|(_, other)| other.clone()));
        }
        Ok(fills)
    }

    /// Rows that refer to those of a step.
    fn after(&mut self, place: usize, way: &Way<'_>, values: &[(usize, &Input)], depth: usize) -> Result<(), Error> {
        let (mut made, mut found) = (Vec::new(), Vec::new());
        for (row, value) in values {
            for (verb, value) in value.fields().iter().filter(|(_, value)| *value != Input::Null) {
                let list = match verb.as_str() {
                    "create" => &mut made,
                    "connect" => &mut found,
                    _ => continue,
                };
                list.extend(value.items().iter().map(|value| (*row, value)));
            }
        }
        let fill = |owners: Vec<usize>| Fill {
            from: place,
            pairs: way.turned(),
            rows: owners.into_iter().enumerate().collect(),
        };
        if !made.is_empty() {
            let (owners, objects): (Vec<usize>, Vec<&Input>) = made.into_iter().unzip();
            self.insert(way.to.table, &objects, vec![fill(owners)], depth + 1)?;
        }
        for (columns, keyed) in self.keyed(way, &found)? {
            let table = self.table(way.to.table);
            let (owners, drafts): (Vec<usize>, Vec<Draft>) = keyed.into_iter().unzip();
            let own: Vec<String> =
                way.pairs.iter().map(|(_, other)| other.clone()).filter(|name| !columns.contains(name)).collect();
            let key = columns_of(table, &columns);
            // A key that has the foreign key in it says already to which row it belongs.
            let action = match own.is_empty() {
                true => Action::Find { key },
                false => Action::Tie { key, columns: columns_of(table, &own) },
            };
            self.push(table, action, drafts, vec![fill(owners)])?;
        }
        Ok(())
    }

    /// Keys of rows that are there, by the columns that they are made of.
    fn keyed(&mut self, way: &Way<'_>, found: &[(usize, &Input)]) -> Result<ByKey, Error> {
        self.count(found.len())?;
        let mut by_key = ByKey::new();
        for (row, value) in found {
            let (key, values) = one_key(self.table(way.to.table), "connect", value)?;
            by_key.entry(key.columns.clone()).or_default().push((*row, drafted(values)?));
        }
        Ok(by_key)
    }

    /// One row that is changed, after what it refers to and before what refers to it.
    fn update(&mut self, id: TableId, asked: &Asked<'a>, set: &Input, related: &Input) -> Result<usize, Error> {
        let table = self.table(id);
        let both: Vec<(String, Input)> = set.fields().iter().chain(related.fields()).cloned().collect();
        let both = Input::Object(both);
        let level = self.level(table, &[&both], 0)?;
        let (before, after) = ways(table, &level)?;
        let mut fills = Vec::new();
        for (way, values) in before {
            fills.extend(self.before(&way, &values, 0)?);
        }
        let columns = given_and_filled(table, &level.columns, &fills);
        let place = if columns.is_empty() {
            // Nothing of the row itself changes.
            let key = self.planner.key_values(id, &|name| self.planner.argument(asked, name))?;
            let key = key.into_iter().map(|(column, value)| (column.clone(), value)).collect();
            let action = Action::Find { key: columns_of(table, &table.key) };
            self.push(table, action, vec![drafted(key)?], fills)?
        } else {
            let filters = self.planner.keyed(id, asked)?;
            let action = Action::Change { columns, filters };
            self.push(table, action, level.drafts, fills)?
        };
        for (way, values) in after {
            self.after(place, &way, &values, 0)?;
            for (_, value) in values {
                self.change(id, asked, set, &way, value)?;
            }
        }
        Ok(place)
    }

    /// Related rows that are changed or removed.
    fn change(
        &mut self,
        id: TableId,
        asked: &Asked<'a>,
        set: &Input,
        way: &Way<'_>,
        value: &Input,
    ) -> Result<(), Error> {
        let table = self.table(way.to.table);
        for (verb, value) in value.fields() {
            for item in value.items() {
                let part = |wanted: &str| item.fields().iter().find(|(name, _)| name == wanted).map(|(_, value)| value);
                let guard = at_most(part("atMost").unwrap_or(&Input::Null))?;
                let mut filters = vec![self.belongs(id, asked, set, way)?];
                filters.extend(self.planner.filter(way.to.table, part("filter").unwrap_or(&Input::Null), 0)?);
                let mutation = match verb.as_str() {
                    "update" => {
                        let (columns, rows) = given(table, &[part("set").cloned().unwrap_or(Input::Null)])?;
                        if columns.is_empty() {
                            continue;
                        }
                        update(table, columns, rows, filters)
                    }
                    "remove" => delete(table, filters),
                    _ => continue,
                };
                let place = self.push(table, Action::Other(mutation), Vec::new(), Vec::new())?;
                self.guards.push((place, guard));
            }
        }
        Ok(())
    }

    /// That rows belong to the row that is changed, by the key that it has then.
    fn belongs(&self, id: TableId, asked: &Asked<'a>, set: &Input, way: &Way<'_>) -> Result<Condition, Error> {
        let mut read = self.planner.read_table(id);
        let given = |name: &str| {
            let new = set.fields().iter().find(|(other, _)| other == name).map(|(_, value)| value.clone());
            new.or_else(|| self.planner.argument(asked, name))
        };
        let key = self.planner.key_values(id, &given)?;
        read.filters = key.into_iter().map(|(column, value)| equal(column, value.text())).collect();
        Ok(Condition::Related(Box::new(Related { exists: true, join: Join::Columns(way.turned()), read })))
    }
}

type Held<'m, 'i> = Vec<(Way<'m>, Vec<(usize, &'i Input)>)>;

/// What rows hold, apart: rows that they refer to, and rows that refer to them.
fn ways<'m, 'i>(table: &'m Table, level: &Level<'i>) -> Result<(Held<'m, 'i>, Held<'m, 'i>), Error> {
    let (mut before, mut after) = (Vec::new(), Vec::new());
    for (name, values) in &level.held {
        let (field, of) = table.fields.get_key_value(*name).ok_or_else(|| Error::unknown(name))?;
        let (FieldKind::One(to) | FieldKind::Many(to)) = &of.kind else { return Err(Error::unknown(name)) };
        let Join::Columns(pairs) = &to.join else { return Err(Error::unknown(name)) };
        let way = Way { to, pairs, field };
        if to.refers { before.push((way, values.clone())) } else { after.push((way, values.clone())) }
    }
    Ok((before, after))
}

/// The one verb of an input of which exactly one field is given.
fn one_verb<'i>(field: &str, value: &'i Input) -> Result<(&'i str, &'i Input), Error> {
    match value.fields() {
        [(verb, value)] if *value != Input::Null => Ok((verb, value)),
        _ => {
            let reason = "must have exactly one of its fields, and not null".to_owned();
            Err(Error::Argument { argument: field.to_owned(), reason })
        }
    }
}

/// Columns that rows give, and those that are filled in, each once.
fn given_and_filled(table: &Table, given: &[String], fills: &[Fill]) -> Vec<InputColumn> {
    let filled = fills.iter().flat_map(|fill| fill.pairs.iter().map(|(own, _)| own));
    let given = given.iter().filter_map(|name| input_column(table, name));
    once_each(given.chain(filled.filter_map(|name| plain_column(table, name))))
}

/// Columns that are known from rows or keys, each once.
fn columns_of(table: &Table, names: &[String]) -> Vec<InputColumn> {
    once_each(names.iter().filter_map(|name| plain_column(table, name)))
}

fn once_each(columns: impl Iterator<Item = InputColumn>) -> Vec<InputColumn> {
    let mut once: Vec<InputColumn> = Vec::new();
    for column in columns {
        if once.iter().all(|known| known.name != column.name) {
            once.push(column);
        }
    }
    once
}

/// A row as JSON texts.
fn drafted(fields: Vec<(String, Input)>) -> Result<Draft, Error> {
    let json = Input::List(vec![Input::Object(fields)]).json();
    let read = rows(json.as_bytes()).and_then(|mut rows| rows.pop());
    read.ok_or_else(|| Error::Request("A row is no JSON object".to_owned()))
}

impl Grown {
    /// The statement of a step, whose earlier ones are done: how many rows it wrote, and of each what others need.
    pub(crate) fn document(&mut self, place: usize) -> Result<Option<Document>, TreeError> {
        let Some(mutation) = self.tree.mutation(place)? else { return Ok(None) };
        let guard = self.guards.iter().find(|(other, _)| *other == place).map(|(_, guard)| *guard);
        let step = &self.tree.steps[place];
        let column = |name: &String| Member {
            key: name.clone(),
            value: Content::Value { field: Field::column(name), scalar: Scalar::Plain },
        };
        let mut members = vec![ChangeMember::Count(COUNT.to_owned())];
        if !step.needed.is_empty() {
            members.push(ChangeMember::Records(ROWS.to_owned(), step.needed.iter().map(column).collect()));
        }
        let read = Read::from(Source::Derived, step.relation.name.name.clone());
        let change = Change { mutation, guard: guard.unwrap_or_default(), read, members };
        Ok(Some(alone("step", Content::Change(Box::new(change)))))
    }

    /// All statements, with nothing that comes from the database.
    pub(crate) fn documents(mut self) -> Vec<Document> {
        let mut all: Vec<Document> = Vec::new();
        for place in 0..self.tree.steps.len() {
            all.extend(self.document(place).ok().flatten());
        }
        all.extend(self.told().cloned());
        all
    }

    /// How many rows it may write or find.
    pub(crate) fn rows(&self) -> f64 {
        // A change of rows that only their telling makes a tree counts with what is told.
        let is_told = |place: usize| place == self.root && matches!(self.tree.steps[place].action, Action::Other(_));
        (0..self.tree.steps.len()).filter(|place| !is_told(*place)).map(|place| self.rows_of(place)).sum()
    }

    /// How many rows are told.
    pub(crate) fn roots(&self) -> f64 {
        self.rows_of(self.root)
    }

    fn rows_of(&self, place: usize) -> f64 {
        let step = &self.tree.steps[place];
        match &step.action {
            Action::Other(Mutation::Insert(insert)) => listed(insert.payload.json()),
            Action::Other(_) => {
                let guard = self.guards.iter().find(|(other, _)| *other == place);
                guard.and_then(|(_, guard)| guard.at_most).unwrap_or(1) as f64
            }
            _ => step.drafts.len() as f64,
        }
    }

    /// What is told, with the keys of the rows that are there now.
    pub(crate) fn told(&mut self) -> Option<&Document> {
        let keys = self.tree.steps[self.root].keys(&self.key);
        let told = self.told.as_mut()?;
        for member in &mut told.members {
            if let Content::Change(change) = &mut member.value
                && let Mutation::Pick(pick) = &mut change.mutation
            {
                pick.json = keys.clone();
            }
        }
        Some(told)
    }
}
