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
use crate::pace::Room;
use crate::proven::{Objects, Proven};
use crate::snapshot;
use crate::sql::{self, IDENTITIES, Query};

/// Most relations that are remembered: some dozen microseconds of PostgreSQL each.
const MOST: usize = 300;
/// Most questions in a row; each follows objects one step further.
const MOST_STEPS: usize = 24;

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

/// Proves these relations as they are now, as far as the catalog still tells of them.
pub(crate) async fn renew(
    session: &mut Session,
    catalog: &Catalog,
    asked: &[u32],
    timeout: Duration,
) -> Result<Proven, LoadError> {
    snapshot::open(session, timeout).await?;
    let proven = within(session, catalog, asked).await;
    snapshot::end(session, proven).await
}

async fn within(session: &mut Session, catalog: &Catalog, asked: &[u32]) -> Result<Proven, LoadError> {
    let kept = unchanged(session, catalog, asked).await?;
    let mut objects = Objects::default();
    let own = snapshot::ask(session, sql::OWN_CODE, &[], Room::NotNeeded).await?;
    if own.rows.is_empty() {
        // Nobody tells of changes.
        return Ok(Proven::default());
    }
    take(&mut objects, sql::OWN_CODE, &own)?;
    let mut known: HashSet<u64> = HashSet::new();
    let mut next: Vec<u64> = kept.iter().map(|oid| u64::from(*oid)).collect();
    for _ in 0..MOST_STEPS {
        if next.is_empty() {
            return Ok(objects.proven_reads(&kept));
        }
        let oids = serde_json::json!(next).to_string();
        for query in OF_OBJECTS {
            let answer = snapshot::ask(session, query, &[Some(&oids)], Room::NotNeeded).await?;
            take(&mut objects, query, &answer)?;
        }
        known.extend(next.iter().copied());
        next = next.iter().flat_map(|number| objects.leads(*number)).filter(|number| !known.contains(number)).collect();
        next.sort_unstable();
        next.dedup();
    }
    Ok(Proven::default())
}

fn take(objects: &mut Objects, query: Query, answer: &StatementResult) -> Result<(), LoadError> {
    answer.rows.iter().try_for_each(|row| objects.take(query.name, row))
}

/// Those that have the name, the columns and the types that the catalog knows.
async fn unchanged(session: &mut Session, catalog: &Catalog, asked: &[u32]) -> Result<Vec<u32>, LoadError> {
    let oids = serde_json::json!(asked).to_string();
    let answer = snapshot::ask(session, IDENTITIES, &[Some(&oids)], Room::NotNeeded).await?;
    let mut kept = Vec::new();
    for row in &answer.rows {
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
