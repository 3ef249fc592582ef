//! Snapshots of plans as SQL.
