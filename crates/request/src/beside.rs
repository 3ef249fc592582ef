//! Work that takes a processor for milliseconds, done where no connection waits behind it.
//!
//! A connection stays on one thread with many others (`edge::listener`). What a request computes there is short, with few
//! exceptions; a long answer is one.

use ferrobase_pg::StatementResult;

/// Values of a result that take a thread about two milliseconds to write.
const MANY: usize = 20_000;

/// Whether making an answer of these takes long.
pub fn is_long(results: &[StatementResult]) -> bool {
    results.iter().map(|result| result.rows.len() * result.columns.len()).sum::<usize>() >= MANY
}

/// Does it on a thread for such work. Whoever stops waiting does not stop it. A panic is the caller's.
pub async fn beside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
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
    use super::*;

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
