//! Work that takes a processor for milliseconds, done where no connection waits behind it.
//!
//! A connection stays on one thread with many others (`edge::listener`). What a request computes there is short, with few
//! exceptions; a long answer is one.

use std::sync::LazyLock;

use ferrobase_pg::StatementResult;
use tokio::sync::Semaphore;

/// What takes a thread about two milliseconds to write, in bytes of short texts.
const MUCH: usize = 1 << 20;
/// What a value costs beside its bytes, in such bytes.
const VALUE: usize = 40;

/// As many pieces of such work at a time as there are processors: more would only take them from those who serve.
static PLACES: LazyLock<Semaphore> =
    LazyLock::new(|| Semaphore::new(std::thread::available_parallelism().map_or(1, usize::from)));

/// Whether making an answer of these takes long.
pub fn is_long(results: &[StatementResult]) -> bool {
    let of = |result: &StatementResult| result.rows.size() + result.rows.len() * result.columns.len() * VALUE;
    results.iter().map(of).sum::<usize>() >= MUCH
}

/// Does it on a thread for such work. Whoever stops waiting before it begins is forgotten, later it goes on to its end. A
/// panic is the caller's.
pub async fn beside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    // It is never closed.
    let place = PLACES.acquire().await.ok();
    let placed = move || {
        let done = work();
        drop(place);
        done
    };
    match tokio::task::spawn_blocking(placed).await {
        Ok(done) => done,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // The runtime ends, and whoever waits with it.
            Err(_) => std::future::pending().await,
        },
    }
}

#[cfg(test)]
mod tests {
    use ferrobase_pg::{Column, Rows};

    use super::*;

    fn result(rows: usize, value: &str) -> Vec<StatementResult> {
        let rows = Rows::of((0..rows).map(|_| [Some(value); 5]));
        let columns = (0..5).map(|number| Column { name: format!("c{number}"), type_oid: 25 }).collect();
        vec![StatementResult { columns, rows, tag: String::new() }]
    }

    #[test]
    fn many_values_and_large_ones_take_long() {
        assert!(!is_long(&result(20, "a title of usual length")));
        assert!(!is_long(&result(1000, "a title of usual length")));
        assert!(is_long(&result(10_000, "1")));
        assert!(is_long(&result(1, &"long".repeat(100_000))));
    }

    #[tokio::test]
    async fn others_go_on_meanwhile_and_a_panic_comes_back() {
        let here = std::thread::current().id();
        let there = beside(|| std::thread::current().id()).await;
        assert_ne!(here, there);
        let panicking = tokio::spawn(beside(|| -> () { std::panic::resume_unwind(Box::new("on purpose")) }));
        let panic = panicking.await.unwrap_err().into_panic();
        assert_eq!(*panic.downcast::<&str>().unwrap(), "on purpose");
    }
}
