//! Names that are not there, not unique, or not for this caller.

use ferrobase_catalog::Relation;

use super::fixture::{Asked, gets, rules};
use crate::plan::{Hidden, Sight};

#[test]
fn names_that_are_missing_or_ambiguous() {
    insta::assert_snapshot!(gets(&[
        "/client",
        "/zzz",
        "/clients?select=project(id)",
        "/clients?select=projects!nokey(id)",
        "/notes?select=clients(id)",
        "/tasks?select=people(name)",
        "/people?select=tasks(id)",
    ]));
}

/// Sees all but one relation.
struct Without {
    relation: &'static str,
    told: Hidden,
}

impl Sight for Without {
    fn hidden(&self, relation: &Relation) -> Option<Hidden> {
        (relation.name.name == self.relation).then_some(self.told)
    }
}

fn told(target: &str, sight: &Without) -> String {
    let line = format!("GET {target}");
    Asked { line: &line, ..Asked::default() }.told(&rules(), sight)
}

#[test]
fn sec_10_hidden_relations_are_as_if_they_were_not_there() {
    let hidden = Without { relation: "clients", told: Hidden::UNKNOWN };
    let missing = told("/clients", &hidden);
    // The same text as for a name that nothing has, and no hint names it either.
    assert_eq!(missing.replace("clients", "nothing"), told("/nothing", &hidden));
    assert!(!told("/client", &hidden).contains("hint"), "{}", told("/client", &hidden));
    insta::assert_snapshot!([missing, told("/projects?select=id,clients(name)", &hidden)].concat());
}

#[test]
fn sec_11_a_hidden_junction_leads_nowhere() {
    let hidden = Without { relation: "assignments", told: Hidden::UNKNOWN };
    assert!(told("/tasks?select=id,people!assignments(name)", &hidden).contains("PGRST200"));
}

#[test]
fn a_refused_view_says_why() {
    let refused = Hidden { code: "FB205", hint: Some("It would bypass row-level security.") };
    let answer = told("/clients", &Without { relation: "clients", told: refused });
    assert!(answer.contains("NotFound FB205") && answer.contains("hint: It would bypass"), "{answer}");
}
