//! Answers of catalog queries in portions, so that neither PostgreSQL's process nor our thread is busy for long.
//!
//! A cursor inside the load's transaction gives the rows of one query, some at a time: one plan, one snapshot, and the
//! process rests while we do. The queries under `sql/` are written for it: they give rows in the order of an index, and the
//! transaction asks for plans that begin at once (`snapshot::begin`), because what is sorted or hashed first is one
//! portion. Invariant: rows and their order are those of the query.

use std::time::Instant;

use ferrobase_pg::{Error, Session, StatementResult};

use crate::pace::{PORTION, REST, Room};
use crate::sql::Query;

/// All rows of a query.
pub(crate) async fn read(
    session: &mut Session,
    query: Query,
    parameters: &[Option<&str>],
    room: Room,
) -> Result<StatementResult, Error> {
    let mut all = StatementResult::default();
    let mut rest = Rest { room, began: Instant::now() };
    session.query(&format!("declare portions no scroll cursor for {}", query.text), parameters).await?;
    rest.take().await;
    let fetch = format!("fetch {} from portions", query.portion);
    loop {
        let portion = session.query(&fetch, &[]).await?;
        let is_last = portion.rows.len() < query.portion;
        all.rows.extend(portion.rows);
        rest.take().await;
        if is_last {
            break;
        }
    }
    session.query("close portions", &[]).await?;
    Ok(all)
}

/// Rests of a task.
struct Rest {
    room: Room,
    began: Instant,
}

impl Rest {
    /// After a piece of work: rests when those since the last rest make a portion.
    async fn take(&mut self) {
        if self.began.elapsed() >= PORTION {
            if self.room.is_needed() {
                tokio::time::sleep(REST).await;
            }
            self.began = Instant::now();
        }
    }
}
