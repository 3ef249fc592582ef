//! The room as its callers see it: requests in, answers out, a real PostgreSQL below.

mod again;
mod comments;
mod documents;
mod editor;
mod groups;
mod guide;
mod guide_writes;
mod harness;
mod http;
mod introspection;
mod limits;
mod nested;
mod reads;
mod upsert;
mod writes;
