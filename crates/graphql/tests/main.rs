//! The room as its callers see it: requests in, answers out, a real PostgreSQL below.

mod again;
mod comments;
mod documents;
mod editor;
mod exact;
mod groups;
mod guide;
mod guide_writes;
mod harness;
mod http;
mod introspection;
mod limits;
mod nested;
mod plans;
mod reads;
mod seed_documents;
mod seed_pages;
mod seed_polymorphic;
mod seed_sync;
mod seed_tenants;
mod seed_time;
mod seed_trees;
mod upsert;
mod variants;
mod views;
mod writes;
