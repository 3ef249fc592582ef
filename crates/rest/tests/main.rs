//! The REST room over HTTP messages and a real PostgreSQL: as `serve` composes it, without a socket.

mod again;
mod any_body;
mod batch;
mod batch_bounds;
mod bulk;
mod calls;
mod conditional;
mod denials;
mod documents;
mod errors;
mod found;
mod guide;
mod harness;
mod hidden;
mod limits;
mod nested;
mod openapi;
mod pages;
mod querying;
mod reads;
mod search;
mod settings;
mod streams_in;
mod streams_out;
mod writes;
