//! The room as its callers see it: requests in, answers out, a real PostgreSQL below.

mod again;
mod comments;
mod groups;
mod harness;
mod nested;
mod reads;
mod upsert;
mod writes;
