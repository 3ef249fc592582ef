//! Types for programs that use the API: a catalog becomes the text of a file.
//!
//! The flow: catalog -> **read** (`shape`: what is there, in words of no language) -> `typescript`, `python` or `rust`.
//! Pure. Invariant: the same catalog and schemas give the same text, whatever order the database listed them in.
//! TypeScript and Python have the form of `supabase gen types`; where they differ on purpose is told in
//! docs/guide/types.md.

mod difference;
mod names;
mod order;
mod python;
mod read;
mod rust;
mod shape;
#[cfg(test)]
mod tests;
mod type_name;
mod typescript;

use ferrobase_catalog::Catalog;

pub use difference::difference;

/// What the types are written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    /// For supabase-js: one type, `Database`.
    TypeScript,
    /// Pydantic models of rows, typed dictionaries of what is written.
    Python,
    /// serde structs, one module a schema.
    Rust,
}

/// The text of a file with the types of these schemas. The catalog must have been loaded with them in its scope, and
/// with `view_columns`.
pub fn generate(catalog: &Catalog, schemas: &[String], language: Language) -> String {
    let shapes = read::schemas(catalog, schemas);
    match language {
        Language::TypeScript => typescript::write(&shapes),
        Language::Python => python::write(&shapes),
        Language::Rust => rust::write(&shapes),
    }
}
