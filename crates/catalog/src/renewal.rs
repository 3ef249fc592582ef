//! Proofs that need not wait for a reload: of what requests asked for lately.
//!
//! The word of a change ends every proof at once, and with a large schema it takes seconds until all are made anew; requests pay
//! for that meanwhile (adr/0009). What they ask for are a few relations, writes and functions, and those lead to a few objects:
//! they are proven here before the load begins, by the same rules.
//! The catalog in force is from before the change, and it turns names into oids. So only relations are proven, and writes of such,
//! that still have the name, the columns and their types that it knows, and what these stand on (for writes, their defaults too): its plans mean then what they say. (A column that is gone
//! could be a function of that name by now.) And only functions where all of that name are those that it knows, with the
//! parameters and results that it knows, because a call names no oid either.
//! Invariant: one snapshot, taken after the change was heard of.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ferrobase_pg::{Session, StatementResult};

use crate::cells::Cells;
use crate::error::LoadError;
use crate::model::{Catalog, Function, NameRef, Relation, ReturnShape};
use crate::proven::reached::{Reached, reached};
use crate::proven::{Proven, Same};
use crate::sql::{FUNCTION_IDENTITIES, IDENTITIES};

/// Most relations, writes and functions that are remembered: some dozen microseconds of PostgreSQL each.
const MOST: usize = 300;

/// What was asked for, by number.
#[derive(Debug, Default)]
pub(crate) struct Asked(Mutex<HashSet<u64>>);

impl Asked {
    pub(crate) fn note(&self, number: u64) {
        let mut asked = self.lock();
        if asked.len() < MOST {
            asked.insert(number);
        }
    }

    pub(crate) fn list(&self) -> Vec<u64> {
        self.lock().iter().copied().collect()
    }

    fn lock(&self) -> MutexGuard<'_, HashSet<u64>> {
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

/// Proves again what has these numbers, as it is now and as far as the catalog still tells of it. The session goes on looking at that
/// moment until `Session::look_away`.
pub(crate) async fn renew(
    session: &mut Session,
    catalog: &Catalog,
    asked: &[u64],
    timeout: Duration,
) -> Result<Proven, LoadError> {
    Ok(match reached(session, asked.iter().copied().collect(), timeout).await? {
        Some(Reached { objects, identities, functions }) => {
            let same = same_relations(&identities, catalog)?;
            let functions = same_functions(&functions, catalog)?;
            objects.proven_again(asked, &Same { functions, ..same })
        }
        None => Proven::default(),
    })
}

/// Those that have the name, the columns and the types that the catalog knows; with its defaults they are written as it says.
fn same_relations(identities: &StatementResult, catalog: &Catalog) -> Result<Same, LoadError> {
    let mut same = Same::default();
    for row in &identities.rows {
        let mut cells = Cells::new(IDENTITIES.name, row);
        let oid: u32 = cells.number()?;
        let relation = catalog.relations.get(&NameRef(cells.text()?, cells.text()?));
        let columns: Vec<(String, String, String, Option<String>)> = cells.list()?;
        let is_same = |relation: &&Arc<Relation>| {
            let known =
                relation.columns.values().map(|column| (&column.name, &column.declared_type, &column.base_type));
            relation.oid == oid && known.eq(columns.iter().map(|(name, of, base, _)| (name, of, base)))
        };
        let Some(relation) = relation.filter(is_same) else { continue };
        same.relations.insert(oid);
        if relation.columns.values().map(|column| &column.default).eq(columns.iter().map(|(.., default)| default)) {
            same.written.insert(oid);
        }
    }
    Ok(same)
}

/// Those of whose names there are these functions and no others, as the catalog knows them.
fn same_functions(identities: &StatementResult, catalog: &Catalog) -> Result<HashSet<u32>, LoadError> {
    let mut by_name: HashMap<[String; 2], Vec<(u32, bool)>> = HashMap::new();
    for row in &identities.rows {
        let mut cells = Cells::new(FUNCTION_IDENTITIES.name, row);
        let (oid, name) = (cells.number::<u32>()?, [cells.string()?, cells.string()?]);
        let signature = Signature {
            set: cells.flag()?,
            type_name: cells.string()?,
            defaults: cells.number()?,
            parameters: cells.list()?,
        };
        let known = catalog.overloads(&name[0], &name[1]).iter().find(|function| function.oid == oid);
        let is_same = known.is_some_and(|function| signature.is_of(function) && has_known_columns(function));
        by_name.entry(name).or_default().push((oid, is_same));
    }
    by_name.retain(|[schema, name], found| {
        found.len() == catalog.overloads(schema, name).len() && found.iter().all(|(_, is_same)| *is_same)
    });
    Ok(by_name.into_values().flatten().map(|(oid, _)| oid).collect())
}

/// What calls by name, and whoever reads their results, count on.
struct Signature {
    set: bool,
    type_name: String,
    defaults: usize,
    /// Mode as in `pg_proc.proargmodes`, name, type.
    parameters: Vec<[String; 3]>,
}

impl Signature {
    fn is_of(&self, function: &Function) -> bool {
        let of =
            |modes: &'static [&str]| self.parameters.iter().filter(move |[mode, ..]| modes.contains(&mode.as_str()));
        let inputs = of(&["i", "b", "v"]);
        let required = inputs.clone().count().saturating_sub(self.defaults);
        let inputs = inputs.enumerate().map(|(place, [mode, name, of])| (name, of, mode == "v", place < required));
        let outputs = of(&["o", "b", "t"]).map(|[_, name, of]| (name, of));
        let known = function.parameters.iter().map(|p| (&p.name, &p.type_name, p.variadic, p.required));
        self.set == function.returns.set
            && self.type_name == function.returns.type_name
            && inputs.eq(known)
            && outputs.eq(function.output_columns.iter().map(|column| (&column.name, &column.type_name)))
    }
}

/// Whether what comes back is what the catalog knows: no row of a composite type, whose columns are not told here.
fn has_known_columns(function: &Function) -> bool {
    !matches!(function.returns.shape, ReturnShape::Row { .. }) || !function.output_columns.is_empty()
}
