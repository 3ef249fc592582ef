//! The `Server-Timing` field: where the time of one request went, stage by stage.
//!
//! Written from the request's journal when `rest.server_timing` is on. `ferrobase postgrest` has PostgREST's names, which
//! put planning and query, waiting and executing together.

use std::fmt::Write as _;

use ferrobase_request::journal::{Stage, Times};
use http::HeaderValue;

/// How stages are called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StageNames {
    /// By their own names.
    Own,
    /// As PostgREST calls them.
    Postgrest,
}

/// PostgREST's stages, and ours in them.
const POSTGREST: [(&str, &[Stage]); 5] = [
    ("jwt", &[Stage::Jwt]),
    ("parse", &[Stage::Parse]),
    ("plan", &[Stage::Plan, Stage::Query]),
    ("transaction", &[Stage::Wait, Stage::Execute]),
    ("response", &[Stage::Render]),
];

/// `jwt;dur=0.4, parse;dur=0.5` in milliseconds; `None` when nothing was timed.
pub(crate) fn field(times: &Times, names: StageNames) -> Option<HeaderValue> {
    let mut text = String::with_capacity(128);
    let mut add = |name: &str, seconds: f64| {
        let comma = if text.is_empty() { "" } else { ", " };
        // Writing into memory cannot fail.
        let _ = write!(text, "{comma}{name};dur={:.1}", seconds * 1000.0);
    };
    match names {
        StageNames::Own => times.iter().for_each(|(stage, took)| add(stage.name(), took.as_secs_f64())),
        StageNames::Postgrest => {
            for (name, stages) in POSTGREST {
                let took: Vec<f64> = stages.iter().filter_map(|stage| Some(times.get(*stage)?.as_secs_f64())).collect();
                if !took.is_empty() {
                    add(name, took.iter().sum());
                }
            }
        }
    }
    if text.is_empty() { None } else { HeaderValue::try_from(text).ok() }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use ferrobase_request::Journal;

    use super::*;

    #[test]
    fn stages_are_written_in_their_order_under_either_names() {
        let journal = Journal::new(None, false);
        for (stage, micros) in [
            (Stage::Render, 100),
            (Stage::Wait, 2_350),
            (Stage::Execute, 10_000),
            (Stage::Jwt, 420),
            (Stage::Plan, 200),
            (Stage::Query, 100),
        ] {
            journal.note(stage, Instant::now(), Duration::from_micros(micros));
        }
        let written = |names| field(&journal.times(), names).unwrap().to_str().unwrap().to_owned();
        assert_eq!(
            written(StageNames::Own),
            "jwt;dur=0.4, plan;dur=0.2, query;dur=0.1, wait;dur=2.4, execute;dur=10.0, render;dur=0.1"
        );
        assert_eq!(written(StageNames::Postgrest), "jwt;dur=0.4, plan;dur=0.3, transaction;dur=12.3, response;dur=0.1");
        assert_eq!(field(&Times::default(), StageNames::Own), None);
    }
}
