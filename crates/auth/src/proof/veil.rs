//! Answers that come at the same time, whatever was done for them.

use std::time::{Duration, Instant};

/// Answers come at multiples of this: longer than the difference between an account that is there and one that is not.
const GRID: Duration = Duration::from_millis(50);

/// Does something and ends on the grid.
pub(crate) async fn veiled<T>(work: impl Future<Output = T>) -> T {
    let begun = Instant::now();
    let done = work.await;
    tokio::time::sleep(rest(begun.elapsed())).await;
    done
}

fn rest(passed: Duration) -> Duration {
    let over = passed.as_nanos() % GRID.as_nanos();
    GRID.saturating_sub(Duration::from_nanos(u64::try_from(over).unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_ends_on_the_grid() {
        for passed in [0, 1, 49, 50, 51, 1234] {
            let passed = Duration::from_millis(passed);
            assert_eq!((passed + rest(passed)).as_nanos() % GRID.as_nanos(), 0, "{passed:?}");
            assert!(rest(passed) <= GRID);
        }
    }
}
