//! What would help when requests wait for a connection: more of them, a replica, a larger machine, or none of these.
//!
//! Told from what was measured, at one moment: what PostgreSQL says its sessions do (`pg_stat_activity`), what the pool
//! holds, which share of the work only reads. Where something that matters cannot be measured from here, as the
//! processors of another machine, the text says what to look at.
//! Invariant: no wait, no advice; and nothing is done about it but telling.

use serde::{Deserialize, Serialize};

/// From which share of reads on a replica takes off enough.
const MOSTLY: f64 = 0.7;

/// What would help.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub(crate) struct Advice {
    /// `connections`, `replica`, `machine` or `locks`.
    pub(crate) kind: String,
    /// In a sentence.
    pub(crate) text: String,
}

/// What was measured.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Facts {
    /// Requests that wait for a connection.
    pub(super) waiting: usize,
    /// Connections that are in use, and most that may be.
    pub(super) active: usize,
    pub(super) max: usize,
    /// Sessions of the database that run a statement: on a processor, waiting for a disk, for a lock, for anything else.
    pub(super) on_cpu: usize,
    pub(super) on_io: usize,
    pub(super) on_lock: usize,
    pub(super) elsewhere: usize,
    /// Share of the time in transactions that only read.
    pub(super) reads: f64,
    /// Whether replicas answer reads.
    pub(super) has_replicas: bool,
    /// Processors of the database, where it runs on this machine.
    pub(super) processors: Option<usize>,
}

/// The advice, while requests wait and every connection that they may have is in use.
pub(super) fn advise(facts: &Facts) -> Option<Advice> {
    // Anonymous requests wait before the last quarter.
    if facts.waiting == 0 || facts.active * 4 < facts.max * 3 {
        return None;
    }
    let running = facts.on_cpu + facts.on_io + facts.on_lock + facts.elsewhere;
    let are_most = |sessions: usize| sessions > 0 && 2 * sessions >= running;
    let (kind, text) = if are_most(facts.on_lock) {
        (
            "locks",
            "most statements wait for locks of others: shorter transactions help, more connections do not".to_owned(),
        )
    } else if are_most(facts.on_io) {
        (
            "machine",
            "most statements wait for the disk: more memory (shared_buffers), faster disks, or indexes".to_owned(),
        )
    } else if are_most(facts.on_cpu) && facts.processors.is_none_or(|processors| facts.on_cpu >= processors) {
        computing(facts)
    } else {
        let spare = "the database has processors to spare while requests wait: raise database.max_connections";
        ("connections", format!("{spare} (now {})", facts.max))
    };
    Some(Advice { kind: kind.to_owned(), text })
}

/// The processors of the database are what is short, as far as can be seen from here.
fn computing(facts: &Facts) -> (&'static str, String) {
    let busy = match facts.processors {
        Some(processors) => format!("{} statements compute on {processors} processors", facts.on_cpu),
        None => format!(
            "{} statements compute; if the database's machine has more processors, raise database.max_connections, else",
            facts.on_cpu
        ),
    };
    let share = (facts.reads * 100.0).round();
    if facts.reads >= MOSTLY && !facts.has_replicas {
        ("replica", format!("{busy}: a replica that answers reads ({share} % of the work) helps, or a larger machine"))
    } else {
        ("machine", format!("{busy}: a larger machine for the database helps; {share} % of the work only reads"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FULL: Facts = Facts {
        waiting: 5,
        active: 4,
        max: 4,
        on_cpu: 0,
        on_io: 0,
        on_lock: 0,
        elsewhere: 0,
        reads: 0.5,
        has_replicas: false,
        processors: Some(2),
    };

    fn kind(facts: Facts) -> Option<String> {
        advise(&facts).map(|advice| advice.kind)
    }

    #[test]
    fn advice_follows_from_what_is_short() {
        let table = [
            (Facts { waiting: 0, on_cpu: 4, ..FULL }, None),
            (Facts { active: 2, on_cpu: 2, ..FULL }, None),
            (Facts { on_lock: 3, on_cpu: 1, ..FULL }, Some("locks")),
            (Facts { on_io: 3, on_cpu: 1, ..FULL }, Some("machine")),
            (Facts { on_cpu: 4, ..FULL }, Some("machine")),
            (Facts { on_cpu: 4, reads: 0.9, ..FULL }, Some("replica")),
            (Facts { on_cpu: 4, reads: 0.9, has_replicas: true, ..FULL }, Some("machine")),
            (Facts { on_cpu: 4, processors: Some(16), ..FULL }, Some("connections")),
            (Facts { on_cpu: 4, processors: None, ..FULL }, Some("machine")),
            (Facts { elsewhere: 4, ..FULL }, Some("connections")),
            (FULL, Some("connections")),
        ];
        for (facts, expected) in table {
            assert_eq!(kind(facts).as_deref(), expected, "{facts:?}");
        }
        let unknown = advise(&Facts { on_cpu: 4, processors: None, reads: 0.8, ..FULL }).unwrap();
        assert!(unknown.text.contains("if the database's machine has more processors"), "{}", unknown.text);
        assert!(unknown.text.contains("80 %"), "{}", unknown.text);
    }
}
