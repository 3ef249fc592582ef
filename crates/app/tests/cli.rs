//! The other commands as their users meet them, and the command lines of the READMEs, word for word.

mod accounts;
mod api_keys;
mod config;
mod explain_policy;
mod help;
mod init;
mod keys;
mod migrate;
mod readme;
mod serve;
