//! Related rows: every join, both places where they can be read, filters on them, spreads.
//!
//! Each case runs with and without a limit at the root, because that decides between subqueries and lateral joins, and as
//! records where it can; the answers must be the same.

use ferrobase_query::TypeName;
use ferrobase_query::plan::*;
use serde_json::{Value as Json, json};

use crate::company::{Company, by, client, compare, embed, eq, first, name, projects, table, tasks, workers};

/// The answer, which must not depend on where embeds are read.
async fn both(db: &mut Company, read: Read) -> Json {
    let joined = db.json(&Query::list(read.clone())).await;
    let limited = Query::list(Read { window: first(100), ..read });
    assert_eq!(joined, db.json(&limited).await);
    if let Some(packed) = db.packed(&limited).await {
        assert_eq!(joined, packed);
    }
    joined
}

fn from(source: &str, columns: &[&str], embeds: Vec<Embed>) -> Read {
    Read { embeds, order: vec![by("id")], ..table(source, columns) }
}

fn spread(columns: &[&str]) -> EmbedOutput {
    let column =
        |name: &&str| SpreadColumn { value: SpreadValue::Named((*name).to_owned()), aggregate: None, name: None };
    EmbedOutput::Spread(columns.iter().map(column).collect())
}

#[tokio::test]
async fn to_one_is_an_object_or_null() {
    let mut db = Company::open().await;
    assert_eq!(
        both(&mut db, from("projects", &["id"], vec![client(&["name"])])).await,
        json!([
            {"id": 1, "client": {"name": "Acme"}}, {"id": 2, "client": {"name": "Acme"}},
            {"id": 3, "client": {"name": "Blue"}}, {"id": 4, "client": null}
        ])
    );
}

#[tokio::test]
async fn to_many_is_a_list_and_nests_with_filters_orders_and_windows() {
    let mut db = Company::open().await;
    let mut below = projects(&["id"]);
    below.read.embeds = vec![tasks(&["title"])];
    below.read.order = vec![Order { direction: Some(Direction::Descending), ..by("id") }];
    let read = from("clients", &["name"], vec![below.clone()]);
    assert_eq!(
        both(&mut db, read).await,
        json!([
            {"name": "Acme", "projects": [
                {"id": 2, "tasks": [{"title": "cut"}]}, {"id": 1, "tasks": [{"title": "draw"}, {"title": "cast"}]}
            ]},
            {"name": "Blue", "projects": [{"id": 3, "tasks": [{"title": "paint"}]}]},
            {"name": "Idle", "projects": []}
        ])
    );
    below.read.window = first(1);
    below.read.filters = vec![compare("budget", Operator::Greater, "8")];
    assert_eq!(
        both(&mut db, from("clients", &["id"], vec![below])).await,
        json!([
            {"id": 1, "projects": [{"id": 2, "tasks": [{"title": "cut"}]}]},
            {"id": 2, "projects": []}, {"id": 3, "projects": []}
        ])
    );
}

#[tokio::test]
async fn many_to_many_goes_through_the_junction() {
    let mut db = Company::open().await;
    assert_eq!(
        both(&mut db, from("tasks", &["id"], vec![workers(&["name"])])).await,
        json!([
            {"id": 1, "workers": [{"name": "Ann"}, {"name": "Bob"}]}, {"id": 2, "workers": [{"name": "Bob"}]},
            {"id": 3, "workers": []}, {"id": 4, "workers": [{"name": "Cid"}]}
        ])
    );
}

#[tokio::test]
async fn a_relation_embeds_itself_in_both_directions() {
    let mut db = Company::open().await;
    let boss = embed("boss", ("boss_id", "id"), true, table("people", &["name"]));
    let team = embed("team", ("id", "boss_id"), false, Read { order: vec![by("id")], ..table("people", &["name"]) });
    assert_eq!(
        both(&mut db, Read { filters: vec![eq("id", "2")], ..from("people", &["name"], vec![boss, team]) }).await,
        json!([{"name": "Bob", "boss": {"name": "Ann"}, "team": [{"name": "Dee"}]}])
    );
}

#[tokio::test]
async fn computed_relationships_are_functions_of_the_row() {
    let mut db = Company::open().await;
    let function = |key: &str, function: &str, target: &str, to_one: bool, columns: &[&str]| Embed {
        join: Join::Function { function: name(function), row_type: name("projects") },
        ..embed(key, ("", ""), to_one, Read { order: vec![by("id")], ..table(target, columns) })
    };
    let owner = function("owner", "owner", "clients", true, &["name"]);
    let open = function("open", "open_tasks", "tasks", false, &["title"]);
    let read = from("projects", &["id"], vec![owner.clone(), open]);
    assert_eq!(
        both(&mut db, Read { filters: vec![compare("id", Operator::NotEqual, "2")], ..read }).await,
        json!([
            {"id": 1, "owner": {"name": "Acme"}, "open": [{"title": "cast"}]},
            {"id": 3, "owner": {"name": "Blue"}, "open": [{"title": "paint"}]},
            {"id": 4, "owner": null, "open": []}
        ])
    );
    // A function that breaks its promise of one row must not break the answer of a page.
    db.script(
        "create or replace function owner(projects) returns setof clients rows 1 stable language sql as 'table clients'",
    )
    .await;
    let page = Read { window: first(1), ..from("projects", &["id"], vec![owner]) };
    assert_eq!(db.json(&Query::list(page)).await, json!([{"id": 1, "owner": {"name": "Acme"}}]));
}

#[tokio::test]
async fn inner_embeds_filter_their_parents() {
    let mut db = Company::open().await;
    let inner = |embed: Embed| Embed { inner: true, ..embed };
    assert_eq!(
        both(&mut db, from("clients", &["id"], vec![inner(projects(&["id"]))])).await,
        json!([{"id": 1, "projects": [{"id": 1}, {"id": 2}]}, {"id": 2, "projects": [{"id": 3}]}])
    );
    assert_eq!(
        both(&mut db, from("projects", &["id"], vec![inner(client(&["name"]))])).await.as_array().unwrap().len(),
        3
    );
    // Through two levels: only clients with a project with a task called paint.
    let mut painting = inner(tasks(&["title"]));
    painting.read.filters = vec![eq("title", "paint")];
    let mut with_tasks = inner(projects(&["id"]));
    with_tasks.read.embeds = vec![painting];
    assert_eq!(
        both(&mut db, from("clients", &["name"], vec![with_tasks])).await,
        json!([{"name": "Blue", "projects": [{"id": 3, "tasks": [{"title": "paint"}]}]}])
    );
    // A window that leaves nothing leaves no parent either.
    let mut none = inner(projects(&["id"]));
    none.read.window = Window { offset: 5, limit: None };
    assert_eq!(both(&mut db, from("clients", &["id"], vec![none])).await, json!([]));
}

#[tokio::test]
async fn conditions_ask_whether_there_are_rows() {
    let mut db = Company::open().await;
    let asked = |exists| Condition::Embedded { embed: 0, exists };
    let ids =
        |value: Json| value.as_array().unwrap().iter().map(|row| row["id"].to_string()).collect::<Vec<_>>().join(",");
    let read = |source: &str, embed: Embed, filter: Condition| Read {
        filters: vec![filter],
        ..from(source, &["id"], vec![embed])
    };
    let hidden = |embed: Embed| Embed { output: EmbedOutput::Hidden, ..embed };
    assert_eq!(ids(both(&mut db, read("clients", projects(&["id"]), asked(true))).await), "1,2");
    assert_eq!(ids(both(&mut db, read("clients", hidden(projects(&[])), asked(false))).await), "3");
    assert_eq!(ids(both(&mut db, read("projects", client(&["id"]), asked(true))).await), "1,2,3");
    assert_eq!(ids(both(&mut db, read("projects", hidden(client(&[])), asked(false))).await), "4");
    let either =
        Condition::Group { negated: false, operator: LogicOperator::Or, items: vec![asked(false), eq("id", "1")] };
    assert_eq!(ids(both(&mut db, read("clients", projects(&["id"]), either)).await), "1,3");
    let hidden_rows = both(&mut db, read("clients", hidden(projects(&[])), asked(true))).await;
    assert_eq!(hidden_rows, json!([{"id": 1}, {"id": 2}]));
}

#[tokio::test]
async fn rows_are_ordered_by_a_column_of_a_to_one_embed() {
    let mut db = Company::open().await;
    let order = |direction| Order {
        by: OrderBy::Embedded { embed: 0, field: Field::column("name") },
        direction: Some(direction),
        nulls: None,
    };
    let read = |direction| Read {
        order: vec![order(direction), by("id")],
        ..from("projects", &["id"], vec![client(&["name"])])
    };
    let ids =
        |value: Json| value.as_array().unwrap().iter().map(|row| row["id"].to_string()).collect::<Vec<_>>().join(",");
    assert_eq!(ids(both(&mut db, read(Direction::Ascending)).await), "1,2,3,4");
    assert_eq!(ids(both(&mut db, read(Direction::Descending)).await), "4,3,1,2");
}

#[tokio::test]
async fn a_to_one_spread_gives_its_columns_to_the_parent() {
    let mut db = Company::open().await;
    let mut owner = Embed { output: spread(&["client"]), ..client(&[]) };
    owner.read.select = vec![Select { name: Some("client".to_owned()), ..Select::column("name") }];
    assert_eq!(
        both(&mut db, from("projects", &["id"], vec![owner])).await,
        json!([{"id": 1, "client": "Acme"}, {"id": 2, "client": "Acme"}, {"id": 3, "client": "Blue"}, {"id": 4, "client": null}])
    );
    let all = SpreadColumn { value: SpreadValue::All, aggregate: None, name: None };
    let whole = Embed { output: EmbedOutput::Spread(vec![all]), ..client(&["*"]) };
    assert_eq!(
        both(&mut db, Read { filters: vec![eq("id", "3")], ..from("projects", &["budget"], vec![whole]) }).await,
        json!([{"budget": 7, "id": 2, "name": "Blue"}])
    );
}

#[tokio::test]
async fn a_to_many_spread_gives_lists_in_one_order() {
    let mut db = Company::open().await;
    let mut listed = Embed { output: spread(&["name", "budget"]), ..projects(&["name", "budget"]) };
    listed.read.order = vec![Order { direction: Some(Direction::Descending), ..by("name") }];
    assert_eq!(
        both(&mut db, from("clients", &["id"], vec![listed.clone()])).await,
        json!([
            {"id": 1, "name": ["Bolt", "Anvil"], "budget": [50.5, 100]},
            {"id": 2, "name": ["Sky"], "budget": [7]},
            {"id": 3, "name": [], "budget": []}
        ])
    );
    listed.inner = true;
    listed.read.window = first(1);
    assert_eq!(
        both(&mut db, from("clients", &["id"], vec![listed])).await,
        json!([{"id": 1, "name": ["Bolt"], "budget": [50.5]}, {"id": 2, "name": ["Sky"], "budget": [7]}])
    );
    let nothing = Embed { output: EmbedOutput::Spread(vec![]), inner: true, ..projects(&[]) };
    assert_eq!(both(&mut db, from("clients", &["id"], vec![nothing])).await, json!([{"id": 1}, {"id": 2}]));
}

#[tokio::test]
async fn aggregates_over_a_spread_group_the_parent() {
    let mut db = Company::open().await;
    let sum = SpreadColumn {
        value: SpreadValue::Named("budget".to_owned()),
        aggregate: Some(Aggregate {
            cast: Some(TypeName::from_caller("int")),
            ..Aggregate::of(AggregateFunction::Sum)
        }),
        name: Some("sum".to_owned()),
    };
    let project = Embed {
        output: EmbedOutput::Spread(vec![
            sum,
            SpreadColumn { value: SpreadValue::Named("client_id".into()), aggregate: None, name: None },
        ]),
        ..embed("project", ("project_id", "id"), true, table("projects", &["budget", "client_id"]))
    };
    let count = Select { aggregate: Some(Aggregate::of(AggregateFunction::Count)), ..Select::star() };
    let order =
        Order { by: OrderBy::Embedded { embed: 0, field: Field::column("client_id") }, direction: None, nulls: None };
    let read = Read { select: vec![count], order: vec![order], ..from("tasks", &[], vec![project]) };
    assert_eq!(
        both(&mut db, read).await,
        json!([{"count": 3, "sum": 251, "client_id": 1}, {"count": 1, "sum": 7, "client_id": 2}])
    );
}

#[tokio::test]
async fn groups_can_hold_embeds() {
    let mut db = Company::open().await;
    let count = Select { aggregate: Some(Aggregate::of(AggregateFunction::Count)), ..Select::star() };
    let read = Read {
        select: vec![count],
        order: vec![],
        filters: vec![eq("client_id", "1")],
        ..from("projects", &[], vec![client(&["name"])])
    };
    assert_eq!(both(&mut db, read).await, json!([{"count": 2, "client": {"name": "Acme"}}]));
}

#[tokio::test]
async fn a_spread_can_bring_embeds_to_group_by() {
    let mut db = Company::open().await;
    let count = Select { aggregate: Some(Aggregate::of(AggregateFunction::Count)), ..Select::star() };
    let mut project = embed("project", ("project_id", "id"), true, table("projects", &[]));
    project.read.embeds = vec![client(&["name"])];
    project.output = spread(&["client"]);
    let read = Read { select: vec![count], order: vec![], ..from("tasks", &[], vec![project]) };
    assert_eq!(
        both(&mut db, read).await,
        json!([{"count": 3, "client": {"name": "Acme"}}, {"count": 1, "client": {"name": "Blue"}}])
    );
}

#[tokio::test]
async fn counts_inside_embeds() {
    let mut db = Company::open().await;
    let count = Select { aggregate: Some(Aggregate::of(AggregateFunction::Count)), ..Select::star() };
    let mut counted = projects(&[]);
    counted.read.select = vec![count];
    counted.read.order = vec![];
    assert_eq!(
        both(&mut db, from("clients", &["id"], vec![counted])).await,
        json!([
            {"id": 1, "projects": [{"count": 2}]}, {"id": 2, "projects": [{"count": 1}]}, {"id": 3, "projects": [{"count": 0}]}
        ])
    );
}

#[tokio::test]
async fn one_relation_can_be_embedded_twice_and_under_its_own_alias() {
    let mut db = Company::open().await;
    // `clients_1` is what the first embed below `projects` would be called.
    db.script("create table clients_1 as select 1 as id, 1 as client_id, 'clash' as name").await;
    let twice = vec![client(&["name"]), Embed { name: "again".to_owned(), ..client(&["id"]) }];
    assert_eq!(
        both(&mut db, from("clients_1", &["name"], twice)).await,
        json!([{"name": "clash", "client": {"name": "Acme"}, "again": {"id": 1}}])
    );
}

#[tokio::test]
async fn sec_18_depth_is_bounded() {
    let mut read = table("people", &["id"]);
    for _ in 0..80 {
        read = Read { embeds: vec![embed("boss", ("boss_id", "id"), true, read)], ..table("people", &["id"]) };
    }
    assert_eq!(ferrobase_query::compile(&Query::list(read)).unwrap_err(), ferrobase_query::CompileError::TooDeep);
}
