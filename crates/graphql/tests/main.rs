//! The room as its callers see it: requests in, answers out, a real PostgreSQL below.

mod again;
mod harness;
mod reads;
mod writes;
