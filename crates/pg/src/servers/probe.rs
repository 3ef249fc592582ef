//! The question that every watched server is asked some ten times a second, and its answer.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use crate::batch::{Batch, Formats, Mode, Settings, Statement};
use crate::error::Error;
use crate::lsn::Lsn;
use crate::row::Row;
use crate::session::Session;

/// A server that takes longer than this for an answer is as good as gone.
pub(super) const PATIENCE: Duration = Duration::from_millis(700);

static QUESTION: LazyLock<Statement> = LazyLock::new(|| Statement {
    sql: include_str!("../../sql/server_probe.sql").into(),
    params: Vec::new(),
    param_types: Vec::new(),
    formats: Formats::Text,
});
/// A commit that reaches the disk, and says nothing: what was written before it reaches the disk too.
const NUDGE: &str = "select pg_catalog.pg_logical_emit_message(true, 'ferrobase', '')";

/// What a server said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Answer {
    /// When it was asked: what it says was true later than this.
    pub(super) asked: Instant,
    pub(super) is_standby: bool,
    /// Replayed, on a primary written.
    pub(super) reached: Lsn,
    /// Received, on a primary durable.
    pub(super) durable: Lsn,
    pub(super) timeline: u32,
    pub(super) system: u64,
    /// Tells whether two answers are those of one server: its process's start, and where that was reached.
    pub(super) instance: u64,
}

/// Asks. An error means that the session is of no use any more.
pub(super) async fn ask(session: &mut Session) -> Result<Answer, String> {
    let asked = Instant::now();
    let batch = Batch {
        settings: Settings::default(),
        statements: vec![QUESTION.clone()],
        mode: Mode::Implicit,
        scope: Arc::from(""),
        runs_user_code: false,
        writes: false,
        shareable: false,
        counts_up: false,
        proof: None,
        since: asked,
        deadline: asked + PATIENCE,
    };
    let reply = within(session.run(&batch)).await?;
    let row = reply.results.first().and_then(|result| result.rows.first());
    row.and_then(|row| read(row, asked)).ok_or_else(|| "its answer makes no sense".to_owned())
}

fn read(row: Row<'_>, asked: Instant) -> Option<Answer> {
    Some(Answer {
        asked,
        is_standby: row.text(0)? == "t",
        reached: Lsn::parse(row.text(1)?)?,
        durable: Lsn::parse(row.text(2)?)?,
        timeline: row.text(3)?.parse().ok()?,
        system: row.text(4)?.parse().ok()?,
        instance: {
            let mut hasher = DefaultHasher::new();
            row.text(5)?.hash(&mut hasher);
            hasher.finish()
        },
    })
}

/// Brings what a primary has written to its disk, and so to its replicas.
pub(super) async fn nudge(session: &mut Session) -> Result<(), String> {
    within(session.query(NUDGE, &[])).await.map(drop)
}

async fn within<T>(work: impl Future<Output = Result<T, Error>>) -> Result<T, String> {
    match tokio::time::timeout(PATIENCE, work).await {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err(format!("no answer within {PATIENCE:?}")),
    }
}
