//! Which relations callers without a passport of their own may see at all.
//!
//! Under default privileges that reach every new table, a table whose author forgot row-level security would be open
//! to everybody; so it is hidden until it has policies or the configuration names it. The same goes for what cannot
//! have policies (materialized views, foreign tables) and for views that read policed tables as their owner.
//! Pure: rules from the configuration, facts from the catalog. PostgreSQL still decides on every statement.
//! Requirements: security items 10 and 11.

use crate::model::{BaseRead, Catalog, QualifiedName, Relation, RelationKind};

/// The rules, from `rest.allow_unprotected`, `security.definer_views` and `database.default_privileges`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExposureRules {
    /// Roles that everybody can have; whoever inherits from one of them counts too.
    pub guarded_roles: Vec<String>,
    /// Hide what has no row-level security. Off where every grant is explicit.
    pub hide_unprotected: bool,
    /// Relations that stay visible without: `schema.relation`, `schema.*` or `*`.
    pub allow_unprotected: Vec<String>,
    /// Hide views that read tables with row-level security as their owner.
    pub refuse_definer_views: bool,
    /// Views that may: `schema.view`, `schema.*` or `*`.
    pub allow_definer_views: Vec<String>,
}

impl ExposureRules {
    /// Everything is visible that PostgreSQL allows, as PostgREST has it.
    pub fn open() -> Self {
        Self {
            guarded_roles: Vec::new(),
            hide_unprotected: false,
            allow_unprotected: Vec::new(),
            refuse_definer_views: false,
            allow_definer_views: Vec::new(),
        }
    }

    /// The guarded default: `anon` and `authenticated` see only what is protected.
    pub fn guarded() -> Self {
        Self {
            guarded_roles: vec!["anon".to_owned(), "authenticated".to_owned()],
            hide_unprotected: true,
            refuse_definer_views: true,
            ..Self::open()
        }
    }

    /// Why a role may not see a relation; `None` when it may try.
    pub fn hidden_from(&self, role: &str, relation: &Relation, catalog: &Catalog) -> Option<Hidden> {
        if self.is_guarded(role, catalog) { self.flaw(relation, catalog) } else { None }
    }

    /// What is wrong with a relation whoever asks: for warnings at the start and for the doctor.
    pub fn flaw(&self, relation: &Relation, catalog: &Catalog) -> Option<Hidden> {
        match relation.kind {
            RelationKind::Table | RelationKind::PartitionedTable => {
                let open = !relation.row_security.enabled && self.hides_unprotected(&relation.name);
                open.then_some(Hidden::WithoutRowSecurity)
            }
            RelationKind::MaterializedView | RelationKind::ForeignTable => {
                self.hides_unprotected(&relation.name).then_some(Hidden::CannotHaveRowSecurity)
            }
            RelationKind::View => self.view_flaw(relation, catalog),
        }
    }

    fn is_guarded(&self, role: &str, catalog: &Catalog) -> bool {
        if self.guarded_roles.is_empty() {
            return false;
        }
        let named = |name: &str| self.guarded_roles.iter().any(|guarded| guarded == name);
        match catalog.roles.get(role) {
            Some(known) if known.superuser || known.bypass_rls => false,
            Some(known) => named(role) || known.inherits.iter().any(|inherited| named(inherited)),
            None => true,
        }
    }

    fn hides_unprotected(&self, relation: &QualifiedName) -> bool {
        self.hide_unprotected && !names(&self.allow_unprotected, relation)
    }

    /// A view opens what it reads: policies that do not see the caller, and relations that nothing protects, wherever
    /// they are. A table in a schema that is not exposed was private until a view showed it; whether that is meant only
    /// the configuration can say, because default privileges reach every new view.
    fn view_flaw(&self, view: &Relation, catalog: &Catalog) -> Option<Hidden> {
        if self.refuse_definer_views && !names(&self.allow_definer_views, &view.name) {
            let policed = view.reads.iter().find(|read| read.row_security && !read.as_caller);
            if let Some(read) = policed {
                return Some(Hidden::ReadsAsOwner { relation: read.relation.to_string() });
            }
        }
        if !self.hides_unprotected(&view.name) {
            return None;
        }
        let unprotected = view.reads.iter().find(|read| self.opens(read, catalog));
        unprotected.map(|read| Hidden::ReadsUnprotected { relation: read.relation.to_string() })
    }

    /// Whether what a view reads is protected by nothing. Views in between are judged by what they read, which is in
    /// the same list; everybody may read the system's own catalogs.
    fn opens(&self, read: &BaseRead, catalog: &Catalog) -> bool {
        let name = &read.relation;
        if read.kind == RelationKind::View || name.schema == "pg_catalog" || name.schema == "information_schema" {
            return false;
        }
        match catalog.relation(&name.schema, &name.name) {
            Some(base) => self.flaw(base, catalog).is_some(),
            None => !read.row_security && self.hides_unprotected(name),
        }
    }
}

/// Why a relation is hidden.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hidden {
    /// A table without row-level security.
    WithoutRowSecurity,
    /// A materialized view or foreign table, to which policies cannot be given.
    CannotHaveRowSecurity,
    /// A view that reads this table with row-level security as its owner, not as the caller.
    ReadsAsOwner {
        /// `schema.table`.
        relation: String,
    },
    /// A view that shows this exposed but unprotected relation.
    ReadsUnprotected {
        /// `schema.relation`.
        relation: String,
    },
}

fn names(patterns: &[String], relation: &QualifiedName) -> bool {
    patterns.iter().any(|pattern| {
        let Some(rest) = pattern.strip_prefix(relation.schema.as_str()) else { return pattern == "*" };
        rest.strip_prefix('.').is_some_and(|name| name == "*" || name == relation.name) || pattern == "*"
    })
}
