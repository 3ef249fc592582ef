//! Everything that some objects lead to, asked for step by step in one snapshot.
//!
//! A load reads all objects of a database; here are a few and what they lead to, which takes some milliseconds. What does not depend
//! on an answer goes in one round trip, and each step further in one more. Who asks: `renewal`, `depends`.
//! Invariant: one moment, until `Session::look_away`.

use std::collections::{BTreeSet, HashSet};
use std::time::Duration;

use ferrobase_pg::{Session, StatementResult};

use super::Objects;
use crate::error::LoadError;
use crate::pace::rest;
use crate::snapshot;
use crate::sql::{self, FUNCTION_IDENTITIES, IDENTITIES, Query};

/// Most questions in a row; each follows objects one step further.
const MOST_STEPS: usize = 24;
/// What is asked once: what the objects are called now, and what there is of PostgreSQL's own or could be taken for it.
const OF_ALL: [Query; 6] = [
    IDENTITIES,
    FUNCTION_IDENTITIES,
    sql::OWN_CODE,
    sql::SHADOWS_OF_FUNCTIONS,
    sql::SHADOWS_OF_OPERATORS,
    sql::SHADOWS_OF_TYPES,
];
/// What reading, writing and calling may lead to.
pub(super) const OF_OBJECTS: [Query; 6] = [
    sql::CODE_OF_FUNCTIONS,
    sql::CODE_OF_RELATIONS,
    sql::CODE_OF_WRITES,
    sql::CODE_OF_REFERENCES,
    sql::CODE_OF_TYPES,
    sql::CODE_OF_OPERATORS,
];

/// What was found.
#[derive(Default)]
pub(crate) struct Reached {
    pub(crate) objects: Objects,
    /// What the roots among relations are called, as `IDENTITIES` tells it.
    pub(crate) identities: StatementResult,
    /// What functions there are under the names of the roots among them, as `FUNCTION_IDENTITIES` tells it.
    pub(crate) functions: StatementResult,
}

/// From these roots on; `None` where nobody tells of changes, or there is no end to it.
pub(crate) async fn reached(
    session: &mut Session,
    roots: BTreeSet<u64>,
    timeout: Duration,
) -> Result<Option<Reached>, LoadError> {
    let (mut found, mut known, mut told, mut next) = (Reached::default(), HashSet::new(), HashSet::new(), roots);
    let mut queries = [&OF_ALL[..], &OF_OBJECTS].concat();
    for _ in 0..MOST_STEPS {
        // A table and its writes have one oid, and the answers tell all of it.
        let oids: BTreeSet<u64> = next.iter().map(|number| u64::from(*number as u32)).collect();
        let oids: Vec<u64> = oids.into_iter().filter(|oid| told.insert(*oid)).collect();
        let answers = match oids.as_slice() {
            [] => Vec::new(),
            oids => snapshot::look(session, &queries, oids, timeout).await?,
        };
        for (query, answer) in queries.iter().zip(answers) {
            match query.name {
                name if name == IDENTITIES.name => found.identities = answer,
                name if name == FUNCTION_IDENTITIES.name => found.functions = answer,
                name if name == sql::OWN_CODE.name && answer.rows.is_empty() => return Ok(None),
                name => answer.rows.iter().try_for_each(|row| found.objects.take(name, row))?,
            }
        }
        queries = OF_OBJECTS.to_vec();
        known.extend(next.iter().copied());
        let leads = next.iter().flat_map(|number| found.objects.leads(*number));
        next = leads.filter(|number| !known.contains(number)).collect();
        if next.is_empty() {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

/// Asks all of that of nothing and a little at a time, so that the session answers the next time without planning.
pub(crate) async fn rehearse(session: &mut Session, timeout: Duration) -> Result<(), LoadError> {
    // What was seen twice is prepared, and what is prepared is planned when it runs.
    for query in OF_ALL.iter().chain(&OF_OBJECTS).flat_map(|query| [*query; 3]) {
        snapshot::look(session, &[query], &[], timeout).await?;
        tokio::time::sleep(rest()).await;
    }
    session.look_away().await.map_err(|source| LoadError::Query { query: "rehearsal", source })
}
