//! placeholder
pub mod ast;
pub mod config;
