//! What docs/guide/graphql.md shows, in the order in which it shows it.
