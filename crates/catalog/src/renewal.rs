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
use crate::proven::Proven;
use crate::proven::reached::{Reached, reached};
use crate::sql::IDENTITIES;

/// Most relations that are remembered: some dozen microseconds of PostgreSQL each.
const MOST: usize = 300;

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
    let roots = asked.iter().map(|oid| u64::from(*oid)).collect();
    Ok(match reached(session, roots, timeout).await? {
        Some(Reached { objects, identities }) => objects.proven_reads(&unchanged(&identities, catalog)?),
        None => Proven::default(),
    })
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
