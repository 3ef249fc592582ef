//! Which roles a request may run as, by what the database says about them (security requirement 1).
//!
//! `auth.allowed_roles` was checked when the credential was; here the catalog has the last word, at every request:
//! roles that pass row-level security by their own rights, or that could log in, are never a caller's role.

use std::collections::HashSet;

use ferrobase_catalog::{Catalog, Role};

/// The role whose requests use the service login; the only one that may have BYPASSRLS.
pub const SERVICE_ROLE: &str = "service_role";

/// Why a role is no caller's role.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Not in the catalog: it does not exist, or our logins may not become it.
    #[error("it does not exist, or the request login is no member of it")]
    Unknown,
    /// A name that PostgreSQL reserves.
    #[error("it is one of PostgreSQL's own roles")]
    Reserved,
    /// SUPERUSER.
    #[error("it is a superuser")]
    Superuser,
    /// BYPASSRLS.
    #[error("it passes row-level security (BYPASSRLS)")]
    BypassesRls,
    /// LOGIN.
    #[error("it can log in by itself")]
    Login,
    /// CREATEROLE or REPLICATION.
    #[error("it may make roles or read the replication stream")]
    Privileged,
    /// Owns something that the API exposes, or has the rights of a role that does.
    #[error("it has the rights of an owner of exposed objects, which row-level security does not bind")]
    Owner,
}

/// Roles that own something exposed. Worked out once a catalog.
#[derive(Clone, Debug, Default)]
pub struct Owners(HashSet<String>);

impl Owners {
    /// The owners of the relations in these schemas.
    pub fn of(catalog: &Catalog, schemas: &[String]) -> Self {
        let exposed = catalog.relations.values().filter(|relation| schemas.contains(&relation.name.schema));
        let mut owners = HashSet::new();
        for relation in exposed {
            // Of ten thousand relations nearly all have the same few owners.
            if !owners.contains(&relation.owner) {
                owners.insert(relation.owner.clone());
            }
        }
        Self(owners)
    }

    /// Whether this role is one of them.
    pub fn contains(&self, role: &str) -> bool {
        self.0.contains(role)
    }
}

/// Whether a request may run as this role.
pub fn admit<'a>(name: &str, catalog: &'a Catalog, owners: &Owners) -> Result<&'a Role, Refusal> {
    if name.starts_with("pg_") {
        return Err(Refusal::Reserved);
    }
    let role = catalog.roles.get(name).ok_or(Refusal::Unknown)?;
    if role.superuser {
        return Err(Refusal::Superuser);
    }
    if role.bypass_rls && name != SERVICE_ROLE {
        return Err(Refusal::BypassesRls);
    }
    if role.create_role || role.replication {
        return Err(Refusal::Privileged);
    }
    if role.login {
        return Err(Refusal::Login);
    }
    if owners.contains(name) || role.inherits.iter().any(|inherited| owners.contains(inherited)) {
        return Err(Refusal::Owner);
    }
    Ok(role)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn catalog() -> Catalog {
        let role = Role::default();
        let roles = [
            ("anon", role.clone()),
            ("root", Role { superuser: true, ..role.clone() }),
            ("service_role", Role { bypass_rls: true, ..role.clone() }),
            ("auditor", Role { bypass_rls: true, ..role.clone() }),
            ("authenticator", Role { login: true, ..role.clone() }),
            ("maker", Role { create_role: true, ..role.clone() }),
            ("walsender", Role { replication: true, ..role.clone() }),
            ("app_owner", role.clone()),
            ("helper", Role { inherits: vec!["app_owner".to_owned()], ..role.clone() }),
            ("pg_read_all_data", role),
        ];
        Catalog { roles: roles.map(|(name, role)| (name.to_owned(), role)).into(), ..Catalog::default() }
    }

    #[test]
    fn sec_01_privileged_roles_are_no_callers_roles() {
        let catalog = catalog();
        let owners = Owners(HashSet::from(["app_owner".to_owned()]));
        let refusal = |name: &str| admit(name, &catalog, &owners).err();
        assert_eq!(refusal("anon"), None);
        assert_eq!(refusal("service_role"), None);
        assert_eq!(refusal("root"), Some(Refusal::Superuser));
        assert_eq!(refusal("auditor"), Some(Refusal::BypassesRls));
        assert_eq!(refusal("authenticator"), Some(Refusal::Login));
        assert_eq!(refusal("maker"), Some(Refusal::Privileged));
        assert_eq!(refusal("walsender"), Some(Refusal::Privileged));
        assert_eq!(refusal("pg_read_all_data"), Some(Refusal::Reserved));
        assert_eq!(refusal("app_owner"), Some(Refusal::Owner));
        assert_eq!(refusal("helper"), Some(Refusal::Owner));
        assert_eq!(refusal("nobody"), Some(Refusal::Unknown));
        assert_eq!(refusal(""), Some(Refusal::Unknown));
    }
}
