//! The one relational plan and its translation to SQL.
//!
//! Third stage of a request: parse -> plan -> **query** -> execute -> render. A grammar (REST, GraphQL) makes a
//! [`plan::Query`] from names that its planner looked up; [`compile`] turns it into one statement. Pure and
//! synchronous: the same plan gives the same SQL text and only the bound values differ, so prepared statements repeat.
//!
//! Invariants: a value from outside is never part of SQL text ([`sql::Sql`]); a name is quoted where it is written;
//! one plan is one statement, and what must fail it fails inside it ([`guard`]). Why: docs/adr/0003.
//! Nothing here knows HTTP, tokens or who asks; which relations a caller may name is the planner's question.

mod compile;
pub mod guard;
pub mod plan;
mod proven;
mod records;
mod rows;
mod shown;
pub mod sql;
pub mod statement;
pub mod tag;
mod template;
pub mod tree;
pub mod type_name;

pub use compile::{
    CHANGED_SETTING, CompileError, compile, compile_check, compile_count, compile_document, compile_lines,
    compile_rows, response_settings,
};
pub use proven::{Reads, prove, prove_document, reads, reads_of_document};
pub use rows::Rows;
pub use sql::{CatalogSql, Sql};
pub use statement::{Compiled, Drawn, Layout, Missing, Outcome, Output, PageKeys, RowKey};
pub use template::Template;
pub use type_name::TypeName;
