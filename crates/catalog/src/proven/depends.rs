//! What the answer of a relation or a function depends on, and whether on nothing else: security requirement 23.
//!
//! The foundation of the response cache that comes with the change stream; nothing in this tree keeps answers yet
//! (adr/0024). An answer may be kept while the rows of these tables stay as they are, if whatever makes it gives the same at any
//! time. It is asked for a few relations at a time and not worked out with each load, so that a reload costs what it did.
//! Invariant: what is not proven, and what is not recognised here, has no dependencies that anybody knows. Whether it was so at
//! the moment of an answer, the proof says as long as it stands, and the epoch (`request::answers`).
//! What counts as the same at any time: `sql/answer_fact_list.sql`, and for expressions `timeless`.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use ferrobase_pg::Session;

use super::reached::{Reached, reached};
use super::timeless::{Named, Sorts, named};
use super::{FIRST_OF_USERS, Object, Objects, Proven, Sort, Stands};
use crate::cells::Cells;
use crate::error::LoadError;
use crate::snapshot;
use crate::sql::ANSWER_FACTS;

/// What an answer depends on, apart from who asks for what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Depends {
    /// Tables whose rows are looked at (`pg_class.oid`), in order: itself, what views, policies and functions read, partitions.
    pub tables: Arc<[u32]>,
    /// All objects that make the answer, in order: these tables, views, functions, types, operators.
    pub objects: Arc<[u32]>,
    /// Whether that is still so, for all that anybody heard.
    pub stands: Stands,
}

impl Depends {
    /// What both depend on.
    #[must_use]
    pub fn and(&self, other: &Self) -> Self {
        let both = |one: &Arc<[u32]>, more: &Arc<[u32]>| match one == more {
            true => Arc::clone(one),
            false => one.iter().chain(more.iter()).copied().collect::<BTreeSet<_>>().into_iter().collect(),
        };
        let (tables, objects) = (both(&self.tables, &other.tables), both(&self.objects, &other.objects));
        Self { tables, objects, stands: self.stands.clone() }
    }
}

/// The dependencies of some relations and functions, as far as all are known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dependencies {
    relations: HashMap<u32, Depends>,
    functions: HashMap<u32, Depends>,
    stands: Stands,
}

impl Dependencies {
    /// What reading these relations (`pg_class.oid`) and calling these functions (`pg_proc.oid`) depends on; `None` when that is
    /// not known of one of them, when one does not give the same at any time, or when the schema was said to have changed.
    pub fn of(&self, relations: &[u32], functions: &[u32]) -> Option<Depends> {
        self.stands.flag().load(Ordering::Acquire).then_some(())?;
        let nothing = Depends { tables: Arc::from([]), objects: Arc::from([]), stands: self.stands.clone() };
        let read = relations.iter().map(|oid| self.relations.get(oid));
        let called = functions.iter().map(|oid| self.functions.get(oid));
        read.chain(called).try_fold(nothing, |all, one| Some(all.and(one?)))
    }
}

/// Works out what reading these relations and calling these functions depends on, by the schema as it is now. It is known as long
/// as what is `proven` now stands; nothing is known where nobody tells of changes. The session is one in which no code of users runs.
pub async fn dependencies(
    session: &mut Session,
    proven: &Proven,
    relations: &[u32],
    functions: &[u32],
    timeout: Duration,
) -> Result<Dependencies, LoadError> {
    let found = within(session, relations, functions, timeout).await;
    let away = session.look_away().await.map_err(|source| LoadError::Query { query: "dependencies", source });
    let found = found?;
    away?;
    Ok(Dependencies { stands: proven.stands().clone(), ..found })
}

async fn within(
    session: &mut Session,
    relations: &[u32],
    functions: &[u32],
    timeout: Duration,
) -> Result<Dependencies, LoadError> {
    let roots: BTreeSet<u64> = relations.iter().chain(functions).map(|oid| u64::from(*oid)).collect();
    let Some(Reached { mut objects, .. }) = reached(session, roots, timeout).await? else {
        return Ok(Dependencies::default());
    };
    // How a table is written is no part of an answer.
    objects.all.retain(|number, _| u32::try_from(*number).is_ok());
    if objects.is_shadowed(&mut HashMap::new()) {
        return Ok(Dependencies::default());
    }
    let named: HashMap<u64, Option<Named>> =
        objects.all.iter().map(|(number, of)| (*number, everything_named(of))).collect();
    let own = named.values().flatten().flat_map(Named::oids).map(u64::from);
    let asked: BTreeSet<u64> = own.chain(objects.all.keys().copied()).collect();
    let facts = facts(session, asked, timeout).await?;
    let graph = Graph { objects: &objects, named: &named, facts: &facts };
    let found = |oids: &[u32], sort| oids.iter().filter_map(|oid| Some((*oid, graph.depends(*oid, sort)?))).collect();
    let (relations, functions) = (found(relations, Sort::Relation), found(functions, Sort::Function));
    Ok(Dependencies { relations, functions, ..Dependencies::default() })
}

/// What all expressions of these objects name; `None` when one of them is not recognised.
fn everything_named(objects: &[(Sort, Object)]) -> Option<Named> {
    let mut trees = objects.iter().flat_map(|(_, object)| &object.trees);
    trees.try_fold(Named::default(), |mut all, tree| named(tree, &mut all).map(|()| all))
}

/// What `sql/answer_fact_list.sql` says of some objects.
#[derive(Default)]
struct Facts {
    tables: HashSet<u32>,
    views: HashSet<u32>,
    functions: HashSet<u32>,
    operators: HashSet<u32>,
    types: HashSet<u32>,
    inputs: HashSet<u32>,
    restless: HashSet<u32>,
}

async fn facts(session: &mut Session, asked: BTreeSet<u64>, timeout: Duration) -> Result<Facts, LoadError> {
    let oids: Vec<u64> = asked.into_iter().collect();
    let answers = snapshot::look(session, &[ANSWER_FACTS], &oids, timeout).await?;
    let mut facts = Facts::default();
    for row in answers.iter().flat_map(|answer| &answer.rows) {
        let mut cells = Cells::new(ANSWER_FACTS.name, row);
        let sort = cells.text()?;
        let list = match sort {
            "table" => &mut facts.tables,
            "view" => &mut facts.views,
            "function" => &mut facts.functions,
            "operator" => &mut facts.operators,
            "type" => &mut facts.types,
            "input" => &mut facts.inputs,
            "restless" => &mut facts.restless,
            _ => return Err(cells.wrong("is no sort of fact")),
        };
        list.insert(cells.number()?);
    }
    Ok(facts)
}

struct Graph<'a> {
    objects: &'a Objects,
    named: &'a HashMap<u64, Option<Named>>,
    facts: &'a Facts,
}

impl Graph<'_> {
    fn depends(&self, oid: u32, sort: Sort) -> Option<Depends> {
        self.has(oid, sort).then_some(())?;
        self.objects.verdict(oid.into(), &mut HashMap::new(), 0)?;
        let (mut all, mut next) = (BTreeSet::new(), vec![u64::from(oid)]);
        while let Some(number) = next.pop() {
            // What is not there was a number that names nothing.
            if self.objects.all.contains_key(&number) && all.insert(u32::try_from(number).ok()?) {
                self.is_timeless(number).then_some(())?;
                next.extend(self.objects.leads(number));
            }
        }
        let tables = all.iter().copied().filter(|oid| self.facts.tables.contains(oid)).collect();
        Some(Depends { tables, objects: all.into_iter().collect(), stands: Stands::default() })
    }

    /// Whether every object of this number gives the same at any time, those that it leads to aside.
    fn is_timeless(&self, number: u64) -> bool {
        let (Some(objects), Ok(oid)) = (self.objects.all.get(&number), u32::try_from(number)) else { return false };
        let facts = self.facts;
        let is_it = |(sort, object): &(Sort, Object)| match sort {
            Sort::Relation => facts.tables.contains(&oid) || facts.views.contains(&oid),
            Sort::Operator => facts.operators.contains(&oid),
            Sort::Function => facts.functions.contains(&oid) && !self.is_restless(object),
            Sort::Type => facts.types.contains(&oid) && !self.is_restless(object),
            Sort::Write(_) => false,
        };
        let named = self.named.get(&number).and_then(Option::as_ref);
        objects.iter().all(is_it) && named.is_some_and(|named| self.all_timeless(named))
    }

    /// Whether it leads to a type of PostgreSQL's own that is.
    fn is_restless(&self, object: &Object) -> bool {
        object.leads.iter().any(|lead| u32::try_from(*lead).is_ok_and(|oid| self.facts.restless.contains(&oid)))
    }

    /// What is PostgreSQL's own is judged here, the rest by itself; but it has to be there.
    fn all_timeless(&self, named: &Named) -> bool {
        let facts = self.facts;
        let all = |sorts: Sorts, sort, is_fine: &dyn Fn(u32) -> bool| {
            named.each(sorts).all(|oid| if oid < FIRST_OF_USERS { is_fine(oid) } else { self.has(oid, sort) })
        };
        all(Sorts::Functions, Sort::Function, &|oid| facts.functions.contains(&oid))
            && all(Sorts::Operators, Sort::Operator, &|oid| facts.operators.contains(&oid))
            && all(Sorts::Types, Sort::Type, &|oid| !facts.restless.contains(&oid))
            // Nobody tells of changes in PostgreSQL's own tables.
            && all(Sorts::Relations, Sort::Relation, &|_| false)
            && named.each(Sorts::Inputs).all(|oid| facts.inputs.contains(&oid))
    }

    fn has(&self, oid: u32, sort: Sort) -> bool {
        self.objects.all.get(&oid.into()).is_some_and(|all| all.iter().any(|(of, _)| *of == sort))
    }
}
