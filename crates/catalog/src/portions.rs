//! Answers of catalog queries in portions, so that neither PostgreSQL's process nor our thread is busy for long.
//!
//! A cursor inside the load's transaction gives the rows of one query, some at a time: one plan, one snapshot, and the
//! process rests while we do. The queries under `sql/` are written for it: they give rows in the order of an index, and the
//! transaction asks for plans that begin at once (`snapshot::begin`), because what is sorted or hashed first is one
//! portion. Invariant: rows and their order are those of the query.

use std::time::{Duration, Instant};

use ferrobase_pg::{Error, Session, StatementResult};

use crate::pace::{PORTION, Room, rest};
use crate::sql::Query;

/// Most rows of a portion, as a multiple of those of the query's most expensive ones.
const MOST: usize = 4;

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
    let mut count = query.portion;
    loop {
        let asked = Instant::now();
        let portion = session.query(&format!("fetch {count} from portions"), &[]).await?;
        let (took, is_last) = (asked.elapsed(), portion.rows.len() < count);
        all.rows.append(portion.rows);
        rest.take().await;
        if is_last {
            break;
        }
        count = next_count(count, took, query.portion);
    }
    session.query("close portions", &[]).await?;
    Ok(all)
}

/// How many rows to ask for when so many took so long. Some rows of a query are cheaper than others; what takes long
/// may have waited for a processor, so there is a least number.
fn next_count(count: usize, took: Duration, least: usize) -> usize {
    if took < PORTION {
        (count * 2).min(least * MOST)
    } else if took > PORTION * 2 {
        (count / 2).max(least)
    } else {
        count
    }
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
                tokio::time::sleep(rest()).await;
            }
            self.began = Instant::now();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn portions_grow_while_they_are_quick_and_shrink_when_they_are_slow() {
        let counts = |took: Duration| {
            std::iter::successors(Some(100), move |count| Some(next_count(*count, took, 50)))
                .take(4)
                .collect::<Vec<_>>()
        };
        assert_eq!(counts(PORTION / 2), [100, 200, 200, 200]);
        assert_eq!(counts(PORTION), [100, 100, 100, 100]);
        assert_eq!(counts(PORTION * 3), [100, 50, 50, 50]);
    }
}
