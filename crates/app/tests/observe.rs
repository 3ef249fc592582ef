//! What operators see of a running server: traces at a collector, slow queries, `/debug/top`, dashboards and alerts.

mod collector;
mod prometheus;
mod statements;
mod traces;
