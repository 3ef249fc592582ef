//! placeholder
pub mod ast;
