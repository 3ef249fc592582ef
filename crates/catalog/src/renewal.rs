//! Proofs that need not wait for a reload: of what requests asked for lately.
//!
//! The word of a change ends every proof at once, and with a large schema it takes seconds until all are made anew; requests pay
//! for that meanwhile (adr/0009). What they ask for are a few relations, and those lead to a few objects: they are
//! proven here before the load begins, by the same rules.
//! The catalog in force is from before the change, and it turns names into oids. So only relations are proven that
//! still have the name, the columns and their types that it knows: its plans mean then what they say. (A column that is gone could
//! be a function of that name by now.)
//! Invariant: one snapshot, taken after the change was heard of. Reads only: no functions, no writes.

use std::collections::HashSet;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ferrobase_pg::{Session, StatementResult};

use crate::cells::Cells;
use crate::error::LoadError;
use crate::model::{Catalog, NameRef, Relation};
use crate::pace::REST;
use crate::proven::{Objects, Proven};
use crate::snapshot;
use crate::sql::{self, IDENTITIES, Query};

/// Most relations that are remembered: some dozen microseconds of PostgreSQL each.
const MOST: usize = 300;
/// Most questions in a row; each follows objects one step further.
const MOST_STEPS: usize = 24;

/// What is asked once: which relations these are, and what there is of PostgreSQL's own or could be taken for it.
const OF_ALL: [Query; 5] =
    [IDENTITIES, sql::OWN_CODE, sql::SHADOWS_OF_FUNCTIONS, sql::SHADOWS_OF_OPERATORS, sql::SHADOWS_OF_TYPES];
/// What reading may lead to.
const OF_OBJECTS: [Query; 4] =
    [sql::CODE_OF_FUNCTIONS, sql::CODE_OF_RELATIONS, sql::CODE_OF_TYPES, sql::CODE_OF_OPERATORS];

/// The relations that were asked for.
#[derive(Debug, Default)]
pub(crate) struct Asked(Mutex<HashSet<u32>>);

impl Asked {
    pub(crate) fn note(&self, oid: u32) {
        let mut asked = self.lock();
        if asked.len() < MOST {
            asked.insert(oid);
        }
    }

    pub(crate) fn list(&self) -> Vec<u32> {
        self.lock().iter().copied().collect()
    }

    fn lock(&self) -> MutexGuard<'_, HashSet<u32>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// It is no part of what is proven.
impl Clone for Asked {
    fn clone(&self) -> Self {
        Self(Mutex::new(self.lock().clone()))
    }
}

impl PartialEq for Asked {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Asked {}

/// Proves these relations as they are now, as far as the catalog still tells of them. The session goes on looking at that moment until
/// `Session::look_away`.
pub(crate) async fn renew(
    session: &mut Session,
    catalog: &Catalog,
    asked: &[u32],
    timeout: Duration,
) -> Result<Proven, LoadError> {
    let (mut objects, mut kept) = (Objects::default(), Vec::new());
    let mut next: Vec<u64> = asked.iter().map(|oid| u64::from(*oid)).collect();
    let queries = [&OF_ALL[..], &OF_OBJECTS].concat();
    for (query, answer) in queries.iter().zip(snapshot::look(session, &queries, &next, timeout).await?) {
        match query.name {
            name if name == IDENTITIES.name => kept = unchanged(&answer, catalog)?,
            // Nobody tells of changes.
            name if name == sql::OWN_CODE.name && answer.rows.is_empty() => return Ok(Proven::default()),
            _ => take(&mut objects, *query, &answer)?,
        }
    }
    let mut known: HashSet<u64> = HashSet::new();
    for _ in 0..MOST_STEPS {
        known.extend(next.iter().copied());
        next = next.iter().flat_map(|number| objects.leads(*number)).filter(|number| !known.contains(number)).collect();
        next.sort_unstable();
        next.dedup();
        if next.is_empty() {
            return Ok(objects.proven_reads(&kept));
        }
        for (query, answer) in OF_OBJECTS.iter().zip(snapshot::look(session, &OF_OBJECTS, &next, timeout).await?) {
            take(&mut objects, *query, &answer)?;
        }
    }
    Ok(Proven::default())
}

/// Asks what a renewal asks, of nothing and a little at a time, so that the session answers the next one without planning.
pub(crate) async fn rehearse(session: &mut Session, timeout: Duration) -> Result<(), LoadError> {
    // What was seen twice is prepared, and what is prepared is planned when it runs.
    for query in OF_ALL.iter().chain(&OF_OBJECTS).flat_map(|query| [*query; 3]) {
        snapshot::look(session, &[query], &[], timeout).await?;
        tokio::time::sleep(REST).await;
    }
    session.look_away().await.map_err(|source| LoadError::Query { query: "renewal", source })
}

fn take(objects: &mut Objects, query: Query, answer: &StatementResult) -> Result<(), LoadError> {
    answer.rows.iter().try_for_each(|row| objects.take(query.name, row))
}

/// Those that have the name, the columns and the types that the catalog knows.
fn unchanged(identities: &StatementResult, catalog: &Catalog) -> Result<Vec<u32>, LoadError> {
    let mut kept = Vec::new();
    for row in &identities.rows {
        let mut cells = Cells::new(IDENTITIES.name, row);
        let oid: u32 = cells.number()?;
        let relation = catalog.relations.get(&NameRef(cells.text()?, cells.text()?));
        let columns: Vec<[String; 2]> = cells.list()?;
        let is_same = |relation: &Relation| {
            let known = relation.columns.values().map(|column| [&column.name, &column.declared_type]);
            relation.oid == oid && known.eq(columns.iter().map(|[name, type_name]| [name, type_name]))
        };
        if relation.is_some_and(|relation| is_same(relation)) {
            kept.push(oid);
        }
    }
    Ok(kept)
}
