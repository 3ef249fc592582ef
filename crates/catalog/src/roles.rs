//! Schemas, roles, their settings, and what memberships add up to.
//!
//! Source of the rules: the PostgreSQL manual, "Role Membership"; `sql/role_membership_list.sql` levels the
//! difference between versions.

use std::collections::{BTreeMap, HashMap, HashSet};

use ferrobase_pg::StatementResult;
use indexmap::IndexMap;

use crate::acl::AclReader;
use crate::cells::Cells;
use crate::error::LoadError;
use crate::model::{Isolation, Role, Schema};
use crate::snapshot::Snapshot;
use crate::sql;

/// All user schemas.
pub(crate) fn schemas(answer: &StatementResult, acls: &mut AclReader) -> Result<BTreeMap<String, Schema>, LoadError> {
    let mut schemas = BTreeMap::new();
    for row in &answer.rows {
        let mut cells = Cells::new(sql::SCHEMAS.name, row);
        let name = cells.string()?;
        let comment = cells.optional_string()?;
        let owner = cells.string()?;
        let usage_grants = acls.grantees(sql::SCHEMAS.name, cells.optional()?, 'U')?;
        schemas.insert(name, Schema { comment, owner, usage_grants });
    }
    Ok(schemas)
}

/// All roles, with inheritance worked out.
pub(crate) fn roles(snapshot: &Snapshot) -> Result<IndexMap<String, Role>, LoadError> {
    let mut roles = IndexMap::new();
    for row in &snapshot.roles.rows {
        let mut cells = Cells::new(sql::ROLES.name, row);
        let name = cells.string()?;
        let role = Role {
            superuser: cells.flag()?,
            bypass_rls: cells.flag()?,
            login: cells.flag()?,
            create_role: cells.flag()?,
            replication: cells.flag()?,
            ..Role::default()
        };
        roles.insert(name, role);
    }
    let memberships = Memberships::read(&snapshot.memberships)?;
    for (name, role) in &mut roles {
        role.inherits = memberships.reach(name, |m| m.inherits);
        role.may_become = memberships.reach(name, |m| m.may_set);
    }
    apply_settings(snapshot, &mut roles)?;
    Ok(roles)
}

struct Membership {
    group: String,
    inherits: bool,
    may_set: bool,
}

/// Memberships by member.
struct Memberships(HashMap<String, Vec<Membership>>);

impl Memberships {
    fn read(answer: &StatementResult) -> Result<Self, LoadError> {
        let mut by_member: HashMap<String, Vec<Membership>> = HashMap::new();
        for row in &answer.rows {
            let mut cells = Cells::new(sql::MEMBERSHIPS.name, row);
            let member = cells.string()?;
            let membership = Membership { group: cells.string()?, inherits: cells.flag()?, may_set: cells.flag()? };
            by_member.entry(member).or_default().push(membership);
        }
        Ok(Self(by_member))
    }

    /// Every role that can be reached over memberships of a kind, sorted, the start left out.
    fn reach(&self, start: &str, follow: impl Fn(&Membership) -> bool) -> Vec<String> {
        let mut reached: HashSet<&str> = HashSet::new();
        let mut waiting = vec![start];
        while let Some(member) = waiting.pop() {
            for membership in self.0.get(member).into_iter().flatten().filter(|m| follow(m)) {
                if membership.group != start && reached.insert(&membership.group) {
                    waiting.push(&membership.group);
                }
            }
        }
        let mut names: Vec<String> = reached.into_iter().map(str::to_owned).collect();
        names.sort();
        names
    }
}

/// Adds the settings that the login may set. Rows for this database come first, so the first of a name wins.
fn apply_settings(snapshot: &Snapshot, roles: &mut IndexMap<String, Role>) -> Result<(), LoadError> {
    let mut granted = HashSet::new();
    for row in &snapshot.parameter_privileges.rows {
        granted.insert(Cells::new(sql::PARAMETER_PRIVILEGES.name, row).string()?);
    }
    for row in &snapshot.role_settings.rows {
        let mut cells = Cells::new(sql::ROLE_SETTINGS.name, row);
        let (role, name, value, context) = (cells.text()?, cells.text()?, cells.text()?, cells.text()?);
        let Some(role) = roles.get_mut(role) else { continue };
        if context != "user" && !granted.contains(name) {
            continue;
        }
        if name == "default_transaction_isolation" {
            role.isolation.get_or_insert_with(|| Isolation::from_setting(value));
        } else if role.settings.iter().all(|(known, _)| known != name) {
            role.settings.push((name.to_owned(), value.to_owned()));
        }
    }
    Ok(())
}
