//! What the configuration changes.

use ferrobase_base::config::{Identifier, QualifiedName};
use ferrobase_rest::config::{OpenApiMode, RestSection, TxEnd, Verbosity};
use serde_json::json;

use crate::harness::{Api, Setup};

const ITEMS: &str = "
create table public.items (id int primary key);
insert into public.items select generate_series(1, 20);
";

async fn with(rest: RestSection) -> Api {
    Setup { rest, ..Setup::default() }.start(ITEMS).await
}

#[tokio::test]
async fn transactions_may_be_undone() {
    let api = with(RestSection { tx_end: TxEnd::CommitAllowOverride, ..RestSection::default() }).await;
    let prefer = [("prefer", "tx=rollback,return=representation")];
    let shown = api.send("POST /items", &prefer, r#"{"id":100}"#).await;
    assert_eq!((shown.status.as_u16(), shown.json()), (201, json!([{"id": 100}])));
    assert_eq!(shown.field("preference-applied"), "return=representation, tx=rollback");
    assert_eq!(api.value("select count(*) from items").await, "20");

    let api = with(RestSection { tx_end: TxEnd::Commit, ..RestSection::default() }).await;
    let kept = api.send("POST /items", &prefer, r#"{"id":100}"#).await;
    assert_eq!(kept.field("preference-applied"), "return=representation");
    assert_eq!(api.value("select count(*) from items").await, "21");
}

#[tokio::test]
async fn answers_have_a_most_number_of_rows() {
    let api = with(RestSection { max_rows: Some(5), ..RestSection::default() }).await;
    assert_eq!(api.get("/items").await.as_array().map(Vec::len), Some(5));
    let asked = api.send("GET /items?limit=10", &[("prefer", "count=exact")], "").await;
    assert_eq!((asked.status.as_u16(), asked.field("content-range")), (206, "0-4/20"));
    let written = api.send("PATCH /items?id=gt.0", &[("prefer", "return=representation")], r#"{}"#).await;
    assert_eq!(written.json(), json!([]));
}

#[tokio::test]
async fn parts_can_be_switched_off() {
    let section = RestSection {
        aggregates_enabled: false,
        plan_enabled: true,
        openapi_mode: OpenApiMode::Disabled,
        verbosity: Verbosity::Minimal,
        ..RestSection::default()
    };
    let api = with(section).await;
    let aggregate = api.send("GET /items?select=count()", &[], "").await;
    assert_eq!(aggregate.body, r#"{"code":"PGRST123","message":"Use of aggregate functions is not allowed"}"#);
    let root = api.send("GET /", &[], "").await;
    assert_eq!((root.status.as_u16(), root.code().as_str()), (404, "PGRST126"));
    let plan = api.send("GET /items", &[("accept", "application/vnd.pgrst.plan+json")], "").await;
    assert_eq!(plan.status, 200);
    assert!(plan.json()[0]["Plan"].is_object());
    assert_eq!(plan.field("content-type"), "application/vnd.pgrst.plan+json; for=\"application/json\"; charset=utf-8");
}

#[tokio::test]
async fn schemas_are_chosen_by_profile() {
    let schemas = ["public", "personal"].map(Identifier::from_static).to_vec();
    let setup = Setup { rest: RestSection { schemas, ..RestSection::default() }, ..Setup::default() };
    let api = setup
        .start(
            "create schema personal;
             grant usage on schema personal to anon;
             create table personal.items (own int primary key);
             grant all on personal.items to anon;
             insert into personal.items values (7);
             create table public.items (id int primary key);",
        )
        .await;
    let own = api.send("GET /items", &[("accept-profile", "personal")], "").await;
    assert_eq!((own.json(), own.field("content-profile")), (json!([{"own": 7}]), "personal"));
    let written = [("content-profile", "personal"), ("prefer", "return=representation")];
    assert_eq!(api.send("POST /items", &written, r#"{"own":8}"#).await.json(), json!([{"own": 8}]));
    assert_eq!(api.get("/items").await, json!([]));
}

#[tokio::test]
async fn the_function_at_the_root_is_the_one_of_its_schema() {
    let schemas = ["public", "other"].map(Identifier::from_static).to_vec();
    let root_spec = QualifiedName { schema: Some(schemas[1].clone()), name: Identifier::from_static("root") };
    let rest = RestSection { schemas, root_spec: Some(root_spec), ..RestSection::default() };
    let sql = "create schema other; grant usage on schema other to anon;
         create function public.root() returns json language sql as $$ select '\"public\"'::json $$;
         create function other.root() returns json language sql as $$ select '\"other\"'::json $$;";
    let api = Setup { rest, ..Setup::default() }.start(sql).await;
    for fields in [&[][..], &[("accept-profile", "public")], &[("accept-profile", "other")]] {
        let answer = api.send("GET /", fields, "").await;
        assert_eq!((answer.status.as_u16(), answer.body.as_str()), (200, "\"other\""), "{fields:?}: {answer:?}");
    }
    assert_eq!(api.get("/rpc/root").await, json!("public"));
}
