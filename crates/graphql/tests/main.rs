//! The room as its callers see it: requests in, answers out, a real PostgreSQL below.

mod harness;
mod reads;
mod writes;
