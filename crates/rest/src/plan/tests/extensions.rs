//! What PostgREST does not have, as SQL.

use super::fixture::{Asked, gets, rules};
use crate::plan::{Everything, Rules};

#[test]
fn comparisons() {
    insta::assert_snapshot!(gets(&[
        "/projects?select=id&client_id=gt(col).id&name=not.isdistinct(col).data->>name",
        "/projects?select=id&or=(id.neq(col).client_id,tags.ov(col).tags)",
        "/projects?select=id&data=has.a&data=hasany.(a,b)&data->c=hasall.(d)",
        "/projects?select=id&data=jsonpath.$.a[*]&data=not.jsonmatch.$.b > 1",
        "/clients?select=id,projects(id)&projects.id=lt(col).client_id",
    ]));
}

#[test]
fn groups() {
    insta::assert_snapshot!(gets(&[
        "/projects?select=client_id,count:id.count()&group_by=client_id",
        "/projects?select=count()&group_by=client_id,data->a&order=count().desc",
        "/projects?select=who:name,client_id.max()&group_by=who",
        "/projects?select=client_id,n:count()&having=(n.gt.1,or(id.max().lt.9,client_id.eq.1))&order=n.desc",
        "/projects?select=client_id.sum().filter(id.gt.1),id.count(distinct)",
        "/projects?select=client_id,clients(name)&group_by=client_id",
        "/projects?select=name&distinct=*",
        "/projects?select=name,clients(name)&distinct=*",
        "/projects?select=name&distinct=client_id,name&order=id,name.desc",
        "/clients?select=projects(name)&projects.distinct=*&projects.having=(count().gt.1)",
        "/clients?select=projects(...clients(id.sum().filter(id.eq.1)))",
    ]));
}

#[test]
fn counts_of_groups() {
    let count = |line: &str| {
        Asked { line, fields: &[("prefer", "count=exact")], ..Asked::default() }.told(&rules(), &Everything)
    };
    insta::assert_snapshot!(
        [
            "GET /projects?select=client_id&group_by=client_id&order=client_id&limit=5",
            "GET /projects?select=name&distinct=*&limit=5",
        ]
        .map(count)
        .concat()
    );
}

#[test]
fn pages() {
    let page = |order: &str, values: &[Option<&str>], backward: bool| {
        use crate::cursor::Position;
        let first = format!("GET /projects?select=name&limit=20{order}&cursor=first");
        let planned = Asked { line: &first, ..Asked::default() }.plan(&rules(), &Everything).expect("a plan");
        let values = values.iter().map(|value| value.map(str::to_owned)).collect();
        let position = Position { backward, values };
        let sealed = rules().cursor_key.seal(&planned.pages.expect("pages").order, &position).expect("short");
        let line = format!("GET /projects?select=name&limit=20{order}&cursor={sealed}");
        // The sealed text differs with the names of our own types: it says nothing here.
        Asked { line: &line, ..Asked::default() }.told(&rules(), &Everything).replace(&sealed, "(sealed)")
    };
    insta::assert_snapshot!(
        [
            page("", &[Some("7")], false),
            page("&order=name.desc", &[Some("x"), Some("7")], false),
            page("&order=name.desc", &[None, Some("7")], false),
            page("&order=name.desc.nullslast,data->a", &[Some("x"), None, Some("7")], true),
        ]
        .concat()
    );
    insta::assert_snapshot!(gets(&[
        "/projects?select=name,clients(name)&order=clients(name)&limit=20&cursor=last",
        "/projects?select=name&cursor=first&offset=1",
        "/projects?select=name&cursor=damaged",
    ]));
}

#[test]
fn what_is_near() {
    insta::assert_snapshot!(gets(&[
        "/projects?select=id&name=fuzzy.wrod&name=not.fuzzyword.x",
        "/projects?select=id&order=name.similarity(wrod).nullslast,id",
        "/projects?select=id&order=name.similarity(wrod).asc",
        "/shops?select=id&place=within.(5000,13.4,52.5)",
        "/shops?select=id&spot=within.(5000,13.4,52.5)",
        "/shops?select=id&spot=within.(5000,180,0)",
        "/shops?select=id&plan=within.(5000,13.4,52.5)",
        "/shops?select=id&order=place.distance(13.4,52.5)&limit=3",
        "/shops?select=id&order=spot.distance(13.4,52.5).desc",
        "/shops?select=id&place=within.(5000,52.5,113.4)",
        "/shops?select=id&place=within.(-1,1,1)",
        "/shops?select=id&place=within.(1,1)",
        "/shops?select=id&order=id.distance(1,1)",
    ]));
}

#[test]
fn postgrests_profile_knows_no_alias_of_an_aggregate() {
    let strict = Rules { extensions: false, ..rules() };
    let asked = Asked { line: "GET /projects?select=client_id,n:count()&order=n", ..Asked::default() };
    insta::assert_snapshot!(asked.told(&strict, &Everything));
}
