//! Whether policies, grants, roles and definitions are as they were: what no change of a table's rows tells, and of roles no event
//! trigger either (security requirement 26).
//!
//! One constant statement (`sql/answer_epoch.sql`) that any login may run, in the snapshot of the read; 0.3 ms for a table, whatever the size of the
//! schema. Two epochs are the same only if nothing of all this was written in between.
//! Whoever keeps an answer keeps it under an epoch that was seen before its read began, and not under one that the read is the first
//! to see: what PostgreSQL's own memory of grants and roles says may be a moment older than the snapshot, and on servers without the fix of
//! CVE-2026-14666 its plans are, until they are discarded (adr/0024).

use std::sync::Arc;

use ferrobase_catalog::{Depends, SettingsRead};
use ferrobase_pg::{Formats, Isolation, Reply, Statement, StatementResult};

use crate::run::Work;

const SQL: &str = include_str!("../../sql/answer_epoch.sql");

/// The state of everything but rows that decides what a role is answered.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Epoch(Box<str>);

impl Epoch {
    /// The statement that gives the epoch of these dependencies for a role; the code that is run looks at these settings. `None` when nobody
    /// knows at which.
    pub fn statement(depends: &Depends, role: &str, settings: &SettingsRead) -> Option<Statement> {
        let SettingsRead::Only(names) = settings else { return None };
        let names: Vec<&str> = names.iter().map(|name| &**name).collect();
        let oids = serde_json::json!(&depends.objects[..]).to_string();
        let values = [oids, role.to_owned(), serde_json::json!(names).to_string()];
        Some(Statement {
            sql: Arc::from(SQL),
            params: values.into_iter().map(|value| Some(value.into())).collect(),
            param_types: Vec::new(),
            formats: Formats::Text,
        })
    }

    /// The work with its epoch, both of one snapshot; [`Epoch::take`] parts them again. `None` where there is no proof.
    pub fn beside(mut work: Work, depends: &Depends, role: &str) -> Option<Work> {
        let statement = Self::statement(depends, role, &work.proof.as_ref()?.settings)?;
        work.statements.insert(0, statement);
        let serializable = work.isolation.filter(|isolation| *isolation == Isolation::Serializable);
        work.isolation = Some(serializable.unwrap_or(Isolation::RepeatableRead));
        Some(work)
    }

    /// The epoch out of the reply to such a work, which is that of the work alone then.
    pub fn take(reply: &mut Reply) -> Option<Self> {
        let epoch = Self::read(reply.results.first()?)?;
        reply.results.remove(0);
        Some(epoch)
    }

    /// The result of [`Epoch::statement`].
    pub fn read(result: &StatementResult) -> Option<Self> {
        Some(Self(result.rows.only()?.text(0)?.into()))
    }
}
