//! Types that users declare: what stands behind the name of a column's or a parameter's type.

/// An enum, a free-standing composite type or a domain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeclaredType {
    /// An enum's values in order.
    Enum(Vec<String>),
    /// A composite type's fields in order.
    Composite(Vec<Field>),
    /// A domain's base type, never a domain itself, as SQL would write it in a cast.
    Domain(String),
}

/// A field of a composite type.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Field {
    /// Its name.
    pub name: String,
    /// Its type, which may be a domain, as SQL would write it in a cast.
    pub type_name: String,
}
