//! What the caller of this request may know of: the target's exposure rules, asked for one role.
//!
//! Second stage, handed to the planner. Under `ferrobase postgrest` nothing is hidden and hints name whatever is
//! exposed, as upstream; else hints name only what the role has some privilege on.

use ferrobase_catalog::{Catalog, Function, Privilege, Relation};
use ferrobase_request::{Identity, Profile, Target, Visibility, exposure};

use crate::plan::{Hidden, Sight};

/// The sight of one role.
pub(crate) struct CallerSight<'a> {
    target: &'a Target,
    catalog: &'a Catalog,
    role: &'a str,
}

impl<'a> CallerSight<'a> {
    /// Of this identity.
    pub(crate) fn new(target: &'a Target, catalog: &'a Catalog, identity: &'a Identity) -> Self {
        Self { target, catalog, role: identity.role() }
    }

    fn tells_everything(&self) -> bool {
        self.target.transaction.profile == Profile::Postgrest
    }
}

impl Sight for CallerSight<'_> {
    fn hidden(&self, relation: &Relation) -> Option<Hidden> {
        match self.target.exposure.visibility(self.catalog, relation, self.role) {
            Visibility::Visible => None,
            Visibility::Hidden(reason) => {
                let (code, hint) = exposure::refusal(&reason);
                Some(Hidden { code, hint })
            }
        }
    }

    fn suggests(&self, relation: &Relation) -> bool {
        let granted = || {
            [Privilege::Select, Privilege::Insert, Privilege::Update, Privilege::Delete]
                .into_iter()
                .any(|privilege| self.catalog.may_some(self.role, privilege, relation))
        };
        self.hidden(relation).is_none() && (self.tells_everything() || granted())
    }

    fn suggests_function(&self, function: &Function) -> bool {
        self.tells_everything() || self.catalog.may_execute(self.role, function)
    }
}
