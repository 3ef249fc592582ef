//! What could be taken for one of PostgreSQL's own functions, operators and types in the SQL that we write.
//!
//! Stored expressions say by number what they run, and names that carry their schema leave no choice. What is left are names
//! without one in our statements and in the texts of defaults that these repeat, of which somebody else may have another meaning:
//! a shadow. PostgreSQL looks in `pg_catalog` first, but prefers what fits the types of the arguments better. So a shadow
//! is chosen for a value of its type, for one that becomes of its type by itself, or for a text whose type nobody said.
//! **Functions.** Only one that takes as many arguments. A first argument of a type of somebody's own binds it to that type
//! when no cast that is implicit leads there: in our statements the first argument has a type, but for a few functions that
//! are known by name and those that take any type. Anything becomes of a domain by itself, and a row of any row type, so
//! those bind nothing. To a type it is bound everywhere (`shadow_of`), or, where our statements never call that name
//! with a column, only in defaults (`shadow_in_default`: citext).
//! **Operators** are bound by their left side in the same way, **casts** by either side (`code_type_list`).
//! **Types.** `name(value)` is a cast where `name` is a type and no function fits exactly. What a cast to a domain runs are its
//! conditions: a domain with the name of a function of PostgreSQL's is a doubt until they are proven. (A range has bounds of a domain, perhaps.)
//! Where a path names `pg_catalog` behind another schema, nobody relies on a proof (`SearchPath` of `request`).
//! Invariant: what is not bound to a type leaves nothing proven. What our statements call is held to this by tests/calls_by_name.rs of
//! `query`.

use std::collections::HashSet;

/// What was found.
#[derive(Default)]
pub(crate) struct Shadows {
    /// Something could be taken for one of PostgreSQL's own, whatever is read.
    everywhere: bool,
    types: HashSet<u32>,
    in_defaults: HashSet<u32>,
    doubts: Vec<u32>,
}

impl Shadows {
    /// A row of this sort; false when it is of another one.
    pub(crate) fn take(&mut self, sort: &str, number: u32) -> bool {
        match sort {
            "shadow" => self.everywhere = true,
            "shadow_of" => drop(self.types.insert(number)),
            "shadow_in_default" => drop(self.in_defaults.insert(number)),
            "doubt" => self.doubts.push(number),
            _ => return false,
        }
        true
    }

    pub(crate) fn are_everywhere(&self) -> bool {
        self.everywhere
    }

    /// Whether one could be chosen wherever there is a value of this type.
    pub(crate) fn has_type(&self, number: u64) -> bool {
        u32::try_from(number).is_ok_and(|oid| self.types.contains(&oid))
    }

    /// Whether one could be chosen where a default has a value of this type.
    pub(crate) fn has_type_in_default(&self, oid: u32) -> bool {
        self.in_defaults.contains(&oid)
    }

    /// Types that have to look at nothing and run nothing.
    pub(crate) fn doubts(&self) -> impl Iterator<Item = u64> {
        self.doubts.iter().copied().map(u64::from)
    }
}
