//! Roles, schemas and grants, and what they add up to.
//!
//! The answers here serve descriptions, hints and choices; whether a statement is allowed is PostgreSQL's to say.
//! Invariant: privileges are as granted in `pg_catalog`, defaults included; nothing is added for being the owner,
//! because PostgreSQL too lets an owner revoke its own.

use super::{Catalog, Function, Isolation, QualifiedName, Relation};

/// The key under which grants to PUBLIC are kept; PostgreSQL reserves the name, so no role can have it.
pub const PUBLIC: &str = "public";

/// A schema as far as callers are concerned.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Schema {
    /// `COMMENT ON`.
    pub comment: Option<String>,
    /// Owning role.
    pub owner: String,
    /// Roles with USAGE (`public` for PUBLIC).
    pub usage_grants: Vec<String>,
}

/// Table privileges of one role; column grants are kept apart.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Grants {
    /// SELECT on the whole relation.
    pub select: bool,
    /// INSERT on the whole relation.
    pub insert: bool,
    /// UPDATE on the whole relation.
    pub update: bool,
    /// DELETE.
    pub delete: bool,
    /// TRUNCATE, REFERENCES or TRIGGER: nothing that a request can use, but PostgREST describes such relations.
    pub other: bool,
    /// Columns with a SELECT grant of their own.
    pub select_columns: Vec<String>,
    /// Columns with an INSERT grant of their own.
    pub insert_columns: Vec<String>,
    /// Columns with an UPDATE grant of their own.
    pub update_columns: Vec<String>,
}

impl Grants {
    fn whole(&self, privilege: Privilege) -> bool {
        match privilege {
            Privilege::Select => self.select,
            Privilege::Insert => self.insert,
            Privilege::Update => self.update,
            Privilege::Delete => self.delete,
        }
    }

    fn columns(&self, privilege: Privilege) -> &[String] {
        match privilege {
            Privilege::Select => &self.select_columns,
            Privilege::Insert => &self.insert_columns,
            Privilege::Update => &self.update_columns,
            Privilege::Delete => &[],
        }
    }
}

/// A privilege on rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Privilege {
    /// SELECT.
    Select,
    /// INSERT.
    Insert,
    /// UPDATE.
    Update,
    /// DELETE, which PostgreSQL does not grant by column.
    Delete,
}

/// A role as far as running requests as it goes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Role {
    /// SUPERUSER.
    pub superuser: bool,
    /// BYPASSRLS.
    pub bypass_rls: bool,
    /// LOGIN.
    pub login: bool,
    /// CREATEROLE.
    pub create_role: bool,
    /// REPLICATION.
    pub replication: bool,
    /// `ALTER ROLE ... SET`, those for this database before those for all, without the isolation level; only what
    /// the scope's login may set. Whoever applies them keeps a list of what a role may decide for itself.
    pub settings: Vec<(String, String)>,
    /// `default_transaction_isolation` among them.
    pub isolation: Option<Isolation>,
    /// Roles whose privileges it has, itself and PUBLIC aside (inherited memberships, transitive), by name.
    pub inherits: Vec<String>,
    /// Roles that it may SET ROLE to (transitive), itself aside, by name. A superuser may become anyone.
    pub may_become: Vec<String>,
}

impl Catalog {
    /// Whether a role has a privilege on a whole relation, directly, by inheritance or through PUBLIC. Unknown roles
    /// have none. Usage of the schema is a question of its own.
    pub fn may(&self, role: &str, privilege: Privilege, relation: &Relation) -> bool {
        self.any_identity(role, |identity| {
            may_everywhere(identity, privilege) || relation.grants.get(identity).is_some_and(|g| g.whole(privilege))
        })
    }

    /// Whether a role has a privilege on one column, by a grant on the relation or on the column.
    pub fn may_column(&self, role: &str, privilege: Privilege, relation: &Relation, column: &str) -> bool {
        self.any_identity(role, |identity| {
            may_everywhere(identity, privilege)
                || relation
                    .grants
                    .get(identity)
                    .is_some_and(|g| g.whole(privilege) || g.columns(privilege).iter().any(|c| c == column))
        })
    }

    /// Whether a role has a privilege on the relation or on at least one of its columns.
    pub fn may_some(&self, role: &str, privilege: Privilege, relation: &Relation) -> bool {
        self.any_identity(role, |identity| {
            may_everywhere(identity, privilege)
                || relation.grants.get(identity).is_some_and(|g| g.whole(privilege) || !g.columns(privilege).is_empty())
        })
    }

    /// Whether a role has a privilege on the relation that is none on its rows.
    pub fn may_other(&self, role: &str, relation: &Relation) -> bool {
        self.any_identity(role, |identity| relation.grants.get(identity).is_some_and(|grants| grants.other))
    }

    /// Whether a role may call a function.
    pub fn may_execute(&self, role: &str, function: &Function) -> bool {
        self.any_identity(role, |identity| function.execute_grants.iter().any(|g| g == identity))
    }

    /// Whether a role may call the function that PostgreSQL finds under a name for a row of a relation.
    pub fn may_execute_of_row(&self, role: &str, function: &QualifiedName, row: &QualifiedName) -> bool {
        let of_row = self.row_function(function, row);
        self.may_use_schema(role, &function.schema)
            && of_row
                .is_some_and(|of| self.any_identity(role, |identity| of.execute_grants.iter().any(|g| g == identity)))
    }

    /// Whether a role may look into a schema at all.
    pub fn may_use_schema(&self, role: &str, schema: &str) -> bool {
        let Some(schema) = self.schemas.get(schema) else { return false };
        self.any_identity(role, |identity| {
            identity == "pg_read_all_data"
                || identity == "pg_write_all_data"
                || schema.usage_grants.iter().any(|g| g == identity)
        })
    }

    /// Whether a role owns any relation or function that is exposed, directly or by inheriting the owner.
    pub fn owns_exposed(&self, role: &str) -> Option<QualifiedName> {
        let roles = self.roles.get(role);
        let is_owner = |owner: &str| owner == role || roles.is_some_and(|r| r.inherits.iter().any(|i| i == owner));
        let relation = self.relations.values().find(|r| is_owner(&r.owner)).map(|r| r.name.clone());
        relation.or_else(|| self.functions.values().flatten().find(|f| is_owner(&f.owner)).map(|f| f.name.clone()))
    }

    /// Whether one of the names under which a role has privileges passes: its own, an inherited role's or PUBLIC's.
    fn any_identity(&self, role: &str, mut test: impl FnMut(&str) -> bool) -> bool {
        let Some(known) = self.roles.get(role) else { return false };
        known.superuser || test(role) || test(PUBLIC) || known.inherits.iter().any(|inherited| test(inherited))
    }
}

/// Predefined roles that have a privilege on every relation (PostgreSQL 14 and later).
fn may_everywhere(identity: &str, privilege: Privilege) -> bool {
    match privilege {
        Privilege::Select => identity == "pg_read_all_data",
        Privilege::Insert | Privilege::Update | Privilege::Delete => identity == "pg_write_all_data",
    }
}
