//! Pages that begin where another one ended.

use crate::sql::CatalogSql;

/// A page by keys. The order of the read is its order; its window's limit is the size of the page.
#[derive(Clone, Debug, PartialEq)]
pub struct Keyset {
    /// What is known of each term of the order.
    pub keys: Vec<Key>,
    /// The values of the row behind which it begins, in the order of the keys; none: it begins at the end.
    pub after: Option<Vec<Option<String>>>,
    /// Read from the end of the list towards its beginning. The rows come in the list's order all the same.
    pub backward: bool,
}

/// A term of the order as a part of a position.
#[derive(Clone, Debug, PartialEq)]
pub struct Key {
    /// It is never NULL.
    pub not_null: bool,
    /// The type as which a value is read; inferred when not given.
    pub type_name: Option<CatalogSql>,
}
