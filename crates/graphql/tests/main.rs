//! The room `graphql` against a real PostgreSQL.
