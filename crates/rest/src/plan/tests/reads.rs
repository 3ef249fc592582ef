//! GET of a relation: fields, filters, embeds, spreads, aggregates, windows.

use super::fixture::{Asked, gets, rules};
use crate::plan::{Estimates, Everything, Rules};

#[test]
fn fields() {
    insta::assert_snapshot!(gets(&[
        "/clients",
        "/clients?select=id,called:name",
        "/clients?select=name::varchar,id::my_type",
        "/projects?select=data->a->>b,data->0,width:data->size->>w::int",
        "/projects?select=tags->0,unknown->x",
        "/projects?select=id,shout",
        "/projects",
        "/projects?select=colour,id",
    ]));
}

#[test]
fn filters() {
    insta::assert_snapshot!(gets(&[
        "/clients?select=id&id=eq.1&name=not.like.*x*",
        "/clients?select=id&id=in.(1,\"2,3\")&name=in.()",
        "/clients?select=id&name=ilike(any).{*a,b*}&id=is.not_null&name=isdistinct.x",
        "/clients?select=id&or=(id.eq.1,not.and(id.gt.2,name.is.null))",
        "/projects?select=id&data->>a=eq.1&data->b=cs.{\"x\":1}",
        "/projects?select=id&search=fts.word&name=wfts(english).some words",
        "/projects?select=id&colour=eq.%2300ff00&colour=in.(%2300ff00,%230000ff)&colour=like.*f",
        "/clients?select=id&order=name.desc.nullslast,id&limit=20&offset=40",
        "/clients?select=id&limit=19",
        "/projects?select=id&order=data->a->>b.desc",
    ]));
}

#[test]
fn embeds() {
    insta::assert_snapshot!(gets(&[
        "/projects?select=id,clients(name)",
        "/projects?select=id,client:client_id(name)",
        "/clients?select=name,projects(id,tasks(title))&projects.order=id&projects.tasks.limit=3&projects.name=eq.x",
        "/clients?select=name,ps:projects!inner(id)&ps.name=eq.x",
        "/clients?select=name,projects()&projects=is.null",
        "/clients?select=name,projects(id)&or=(projects.not.is.null,id.eq.1)",
        "/tasks?select=id,people!assignments(name)",
        "/tasks?select=id,lead:people!tasks_lead_id_fkey(name)&order=lead(name).desc",
        "/people?select=name,team:people(name)",
        "/people?select=name,boss_id(name)",
        "/projects?select=id,open_tasks(title)",
    ]));
}

#[test]
fn spreads_and_aggregates() {
    insta::assert_snapshot!(gets(&[
        "/projects?select=id,...clients(client:name)",
        "/clients?select=name,...projects(id,data->>a)&projects.order=name",
        "/tasks?select=title,...projects(project:name,...clients(client:name))",
        "/clients?select=count()",
        "/projects?select=client_id,count(),id.max()::text&order=client_id",
        "/tasks?select=...projects(client_id,count())",
        "/tasks?select=...projects(...clients(name,id.sum()))",
        "/clients?select=name,...projects(*)",
        "/clients?select=name,projects(count())",
        "/projects?select=count(),clients(name)",
        "/clients?select=...projects(id.max())",
    ]));
}

#[test]
fn what_cannot_be_read() {
    insta::assert_snapshot!(gets(&[
        "/clients?select=id&projects.id=eq.1",
        "/clients?select=id,ps:projects(id)&projects.id=eq.1",
        "/clients?select=id,projects(id)&order=projects(id)",
        "/clients?select=id&order=projects(id)",
        "/clients?select=id::regclass",
        "/people?select=a:boss_id(b:boss_id(c:boss_id(d:boss_id(e:boss_id(f:boss_id(g:boss_id(h:boss_id(i:boss_id(j:boss_id(k:boss_id(id)))))))))))",
    ]));
}

fn counted(prefer: &str, target: &str, rules: &Rules) -> String {
    let line = format!("GET {target}");
    Asked { line: &line, fields: &[("prefer", prefer)], ..Asked::default() }.told(rules, &Everything)
}

#[test]
fn counts() {
    let planner = Rules { estimates: Estimates::Planner, max_rows: Some(3), ..rules() };
    let unlimited = Rules { max_rows: None, ..rules() };
    insta::assert_snapshot!(
        [
            counted("count=exact", "/clients?select=id&id=gt.1&limit=5", &rules()),
            counted("count=exact", "/clients?select=id", &unlimited),
            counted("count=planned", "/clients?select=id", &rules()),
            counted("count=estimated", "/clients?select=id", &planner),
            counted("count=exact", "/clients?select=id,projects!inner(id)&limit=5", &rules()),
        ]
        .concat()
    );
}

#[test]
fn paths_may_name_the_relation_where_that_is_still_allowed() {
    let rules = Rules { target_names: true, ..rules() };
    let line = "GET /clients?select=id,ps:projects(id)&projects.id=eq.1&ps.order=id";
    let planned = Asked { line, ..Asked::default() }.plan(&rules, &Everything).unwrap();
    assert_eq!(planned.legacy_paths, [("projects".to_owned(), "ps".to_owned())]);
}

#[test]
fn handlers_of_whole_rows_need_the_default_select() {
    let is_default = |line| Asked { line, ..Asked::default() }.plan(&rules(), &Everything).unwrap().default_select;
    assert!(is_default("GET /clients") && is_default("GET /clients?id=eq.1"));
    assert!(!is_default("GET /clients?select=id") && !is_default("GET /clients?select=*,projects(id)"));
    // Its columns are written out, because one of them is shown through a function.
    assert!(!is_default("GET /projects"));
}

#[test]
fn aggregates_can_be_switched_off() {
    let rules = Rules { aggregates: false, ..rules() };
    let refused = |line| Asked { line, ..Asked::default() }.plan(&rules, &Everything).unwrap_err().code;
    assert_eq!(refused("GET /clients?select=count()"), "PGRST123");
    assert_eq!(refused("GET /clients?select=id,projects(id.sum())"), "PGRST123");
}
