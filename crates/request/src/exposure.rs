//! What API roles may see beyond what is granted to them (design 8.6, security requirements 10 and 11).
//!
//! The rule itself is the catalog's ([`ExposureRules`]): a relation that row-level security does not guard is hidden
//! from anon, authenticated and whoever inherits from them, unless the configuration names it. Here is what follows
//! from it: the answer that a caller gets and the warnings that an operator reads at start. Pure.
//! Invariant: a hidden table cannot be told from one that does not exist; only a refused view says what it is.

use ferrobase_catalog::{Catalog, Privilege, QualifiedName, Relation};

pub use ferrobase_catalog::{ExposureRules, Hidden};

/// `security.definer_views`: what happens to views that read protected tables with their owner's rights.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DefinerViews {
    /// Not found, with a hint.
    #[default]
    Refuse,
    /// Exposed, with a warning at start.
    Warn,
    /// Exposed.
    Allow,
}

/// The rules of one target.
#[derive(Clone, Debug)]
pub struct Exposure {
    /// Exposed schemas.
    pub schemas: Vec<String>,
    rules: ExposureRules,
    definer_views: DefinerViews,
}

impl Exposure {
    /// Everything that is granted is visible (`ferrobase postgrest`).
    pub fn open(schemas: Vec<String>) -> Self {
        Self { schemas, rules: ExposureRules::open(), definer_views: DefinerViews::Allow }
    }

    /// The rules of `serve`. `hide_unprotected` is for default privileges that reach every new table; where every
    /// grant was written by somebody, grants count. The two lists hold `schema.relation`, `schema.*` or `*`.
    pub fn guarded(
        schemas: Vec<String>,
        hide_unprotected: bool,
        allow_unprotected: Vec<String>,
        definer_views: DefinerViews,
        allow_definer_views: Vec<String>,
    ) -> Self {
        let rules = ExposureRules {
            hide_unprotected,
            allow_unprotected,
            refuse_definer_views: definer_views == DefinerViews::Refuse,
            allow_definer_views,
            ..ExposureRules::guarded()
        };
        Self { schemas, rules, definer_views }
    }

    /// Hides from this role too (an anonymous role of another name).
    #[must_use]
    pub fn also_from(mut self, role: &str) -> Self {
        if !self.rules.guarded_roles.iter().any(|guarded| guarded == role) {
            self.rules.guarded_roles.push(role.to_owned());
        }
        self
    }

    /// Whether this role may know of this relation.
    pub fn visibility(&self, catalog: &Catalog, relation: &Relation, role: &str) -> Visibility {
        self.rules.hidden_from(role, relation, catalog).map_or(Visibility::Visible, Visibility::Hidden)
    }

    /// What the operator should know: relations that are hidden although granted, definer views that are exposed, and
    /// names in the configuration that match nothing. By name.
    pub fn warnings(&self, catalog: &Catalog) -> Vec<ExposureWarning> {
        let exposed = catalog.relations.values().filter(|relation| self.schemas.contains(&relation.name.schema));
        let mut warnings: Vec<_> = exposed
            .filter(|relation| self.is_granted(catalog, relation))
            .filter_map(|relation| self.about(catalog, relation))
            .collect();
        let named = self.rules.allow_unprotected.iter().chain(&self.rules.allow_definer_views);
        warnings.extend(named.filter_map(|pattern| matches_nothing(pattern, catalog)));
        warnings.sort_by(|a, b| a.subject.cmp(&b.subject));
        warnings
    }

    fn is_granted(&self, catalog: &Catalog, relation: &Relation) -> bool {
        let verbs = [Privilege::Select, Privilege::Insert, Privilege::Update, Privilege::Delete];
        self.rules.guarded_roles.iter().any(|role| verbs.iter().any(|verb| catalog.may(role, *verb, relation)))
    }

    fn about(&self, catalog: &Catalog, relation: &Relation) -> Option<ExposureWarning> {
        let name = &relation.name;
        if let Some(hidden) = self.rules.flaw(relation, catalog) {
            let roles = self.rules.guarded_roles.join(" and ");
            let text =
                format!("{name} is hidden from {roles}: {}. To expose it, {}.", why(&hidden), remedy(&hidden, name));
            return Some(ExposureWarning { subject: name.to_string(), code: code_of_warning(&hidden), text });
        }
        if self.definer_views != DefinerViews::Warn {
            return None;
        }
        let strict = ExposureRules { refuse_definer_views: true, ..self.rules.clone() };
        let hidden = strict.flaw(relation, catalog)?;
        let text = format!("{name} is exposed although {}. Better: {}.", why(&hidden), remedy(&hidden, name));
        Some(ExposureWarning { subject: name.to_string(), code: code_of_warning(&hidden), text })
    }
}

/// Whether a role may know of a relation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Visibility {
    /// As far as it is granted.
    Visible,
    /// As if it did not exist.
    Hidden(Hidden),
}

impl Visibility {
    /// Whether it is visible.
    pub fn is_visible(&self) -> bool {
        *self == Self::Visible
    }
}

/// Code and hint of the 404 that a caller gets for a hidden relation; its message is the one for a missing relation.
pub fn refusal(hidden: &Hidden) -> (&'static str, Option<&'static str>) {
    match hidden {
        Hidden::ReadsAsOwner { .. } => (
            "FB205",
            Some(
                "This view would bypass row-level security. Set its option security_invoker = true, \
                 or list it in security.definer_views_allow.",
            ),
        ),
        // Exactly what a table that does not exist gives: whether it does is not the caller's business.
        _ => ("PGRST205", None),
    }
}

/// Something that the operator should know at start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExposureWarning {
    /// The relation, or the pattern that matches nothing.
    pub subject: String,
    /// Stable code, also the doctor's.
    pub code: &'static str,
    /// What is wrong and what to do.
    pub text: String,
}

fn code_of_warning(hidden: &Hidden) -> &'static str {
    match hidden {
        Hidden::ReadsAsOwner { .. } => "definer_view",
        _ => "no_row_security",
    }
}

/// Why it is hidden, for operators.
pub fn why(hidden: &Hidden) -> String {
    match hidden {
        Hidden::WithoutRowSecurity => "it has no row-level security".to_owned(),
        Hidden::CannotHaveRowSecurity => "relations of its kind cannot have row-level security".to_owned(),
        Hidden::ReadsUnprotected { relation } => format!("it reads {relation}, which nothing protects"),
        Hidden::ReadsAsOwner { relation } => {
            format!("it reads {relation} with its owner's rights, past the policies of the caller")
        }
    }
}

/// What shows it all the same, for operators.
pub fn remedy(hidden: &Hidden, name: &QualifiedName) -> String {
    let sql = quoted(name);
    match hidden {
        Hidden::WithoutRowSecurity => format!(
            "run ALTER TABLE {sql} ENABLE ROW LEVEL SECURITY and add policies, or list {name} in rest.allow_unprotected"
        ),
        Hidden::CannotHaveRowSecurity => format!("list {name} in rest.allow_unprotected"),
        Hidden::ReadsUnprotected { relation } => {
            format!("protect {relation}, or list {relation} or {name} in rest.allow_unprotected")
        }
        Hidden::ReadsAsOwner { .. } => format!(
            "run ALTER VIEW {sql} SET (security_invoker = true), or list {name} in security.definer_views_allow"
        ),
    }
}

fn quoted(name: &QualifiedName) -> String {
    let mut text = String::new();
    crate::settings::quote_into(&mut text, &name.schema);
    text.push('.');
    crate::settings::quote_into(&mut text, &name.name);
    text
}

fn matches_nothing(pattern: &str, catalog: &Catalog) -> Option<ExposureWarning> {
    let (schema, name) = pattern.split_once('.')?;
    if name == "*" || catalog.relation(schema, name).is_some() {
        return None;
    }
    let text = format!("the configuration names {pattern}, and no exposed relation has this name");
    Some(ExposureWarning { subject: pattern.to_owned(), code: "unknown_relation", text })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use ferrobase_catalog::{BaseRead, Grants, RelationKind, Role, RowSecurity};

    use super::*;

    fn relation(name: &str, kind: RelationKind, protected: bool) -> Relation {
        Relation {
            name: QualifiedName::new("public", name),
            kind,
            row_security: RowSecurity { enabled: protected, forced: false },
            grants: [("anon".to_owned(), Grants { select: true, ..Grants::default() })].into(),
            ..Relation::default()
        }
    }

    fn view(name: &str, base: &str, row_security: bool, as_caller: bool) -> Relation {
        let kind = if base == "copy" { RelationKind::MaterializedView } else { RelationKind::Table };
        let reads = vec![BaseRead { relation: QualifiedName::new("public", base), kind, row_security, as_caller }];
        Relation { reads, ..relation(name, RelationKind::View, false) }
    }

    fn catalog() -> Catalog {
        use RelationKind::{ForeignTable, MaterializedView, Table};
        let relations = [
            relation("open", Table, false),
            relation("guarded", Table, true),
            relation("copy", MaterializedView, false),
            relation("remote", ForeignTable, false),
            view("v_invoker", "guarded", true, true),
            view("v_definer", "guarded", true, false),
            view("v_open", "open", false, true),
            view("v_copy", "copy", false, false),
        ];
        let roles = [
            ("anon", Role::default()),
            ("authenticated", Role::default()),
            ("member", Role { inherits: vec!["authenticated".to_owned()], ..Role::default() }),
            ("editor", Role::default()),
            ("service_role", Role { bypass_rls: true, ..Role::default() }),
        ];
        Catalog {
            relations: relations.into_iter().map(|r| (r.name.clone(), Arc::new(r))).collect(),
            roles: roles.into_iter().map(|(name, role)| (name.to_owned(), role)).collect(),
            ..Catalog::default()
        }
    }

    fn guarded(hide: bool, allow: &[&str], definer: DefinerViews, allow_definer: &[&str]) -> Exposure {
        let texts = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect();
        Exposure::guarded(vec!["public".to_owned()], hide, texts(allow), definer, texts(allow_definer))
    }

    fn visible(role: &str, exposure: &Exposure) -> Vec<String> {
        let catalog = catalog();
        let seen = catalog.relations.values().filter(|r| exposure.visibility(&catalog, r, role).is_visible());
        seen.map(|relation| relation.name.name.clone()).collect()
    }

    #[test]
    fn sec_10_tables_without_row_security_are_hidden_from_api_roles() {
        let exposure = guarded(true, &[], DefinerViews::Refuse, &[]);
        for role in ["anon", "authenticated", "member", "not in the catalog"] {
            assert_eq!(visible(role, &exposure), ["guarded", "v_invoker"], "{role}");
        }
        for role in ["service_role", "editor"] {
            assert_eq!(visible(role, &exposure).len(), 8, "{role}: its grants were written by somebody");
        }
        assert_eq!(visible("editor", &exposure.also_from("editor")), ["guarded", "v_invoker"]);
        let listed = guarded(true, &["public.open"], DefinerViews::Refuse, &[]);
        assert_eq!(visible("anon", &listed), ["open", "guarded", "v_invoker", "v_open"]);
        assert_eq!(visible("anon", &Exposure::open(vec!["public".to_owned()])).len(), 8);
    }

    #[test]
    fn sec_11_copies_and_definer_views_are_exposed_by_configuration_only() {
        let all = guarded(true, &["*"], DefinerViews::Refuse, &[]);
        let seen = visible("anon", &all);
        assert!(["copy", "remote", "v_copy"].iter().all(|name| seen.contains(&(*name).to_owned())), "{seen:?}");
        assert!(!seen.contains(&"v_definer".to_owned()), "a definer view needs a permission of its own");
        let listed = guarded(true, &[], DefinerViews::Refuse, &["public.v_definer"]);
        assert_eq!(visible("anon", &listed), ["guarded", "v_invoker", "v_definer"]);
        let (code, hint) = refusal(&Hidden::ReadsAsOwner { relation: "public.guarded".to_owned() });
        assert_eq!(code, "FB205");
        assert!(hint.unwrap().contains("security_invoker"));
        assert_eq!(refusal(&Hidden::WithoutRowSecurity), ("PGRST205", None));
    }

    #[test]
    fn warnings_name_the_remedy() {
        let all = guarded(true, &["public.gone", "public.*x"], DefinerViews::Refuse, &[]).warnings(&catalog());
        let about = |subject: &str| all.iter().find(|warning| warning.subject == subject).map(|w| w.text.as_str());
        assert!(about("public.open").unwrap().contains(r#"ALTER TABLE "public"."open" ENABLE ROW LEVEL SECURITY"#));
        assert!(about("public.v_definer").unwrap().contains("security_invoker"));
        assert!(about("public.gone").unwrap().contains("no exposed relation"));
        assert_eq!(about("public.guarded"), None);
        let tolerated = guarded(true, &["*"], DefinerViews::Warn, &[]).warnings(&catalog());
        assert_eq!(tolerated.len(), 1, "{tolerated:?}");
        assert!(tolerated[0].text.starts_with("public.v_definer is exposed although"));
        assert_eq!(Exposure::open(vec!["public".to_owned()]).warnings(&catalog()), []);
    }
}
