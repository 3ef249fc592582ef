//! The built binary as its users meet it: contract cases, official clients, commands, faults.
#![allow(clippy::unwrap_used)]

mod caller;
mod cli;
mod clients;
mod contract;
mod dev;
mod faults;
mod gen_types;
mod graphql;
mod guards;
mod hostile;
mod isolation;
mod load;
mod mails;
mod matrix;
mod observe;
mod openapi;
mod operations;
mod postgrest;
mod published_keys;
mod replicas;
mod security;
mod security_private;
mod shared_limits;
mod signing_in;
mod soak;
mod start;
mod storms;
mod support;
mod wrong_user;
