//! Functions.

use ferrobase_request::{Profile, TransactionRules};
use serde_json::json;

use crate::harness::{Api, Setup, api};

const FUNCTIONS: &str = "
create table public.rows (id int primary key, name text);
insert into public.rows values (1, 'a'), (2, 'b'), (3, 'c');
create function public.add(a int, b int) returns int language sql immutable as 'select a + b';
create function public.add(a int, b int, c int) returns int language sql immutable as 'select a + b + c';
create function public.nothing() returns void language sql as '';
create function public.all_rows() returns setof public.rows language sql stable as 'select * from public.rows';
create function public.pair(out x int, out y text) language sql stable as $$select 1, 'one'$$;
create function public.numbers() returns setof int language sql stable as 'values (1), (2)';
create function public.listing() returns table (success boolean) language sql stable as 'select true';
create function public.whole(json) returns json language sql immutable as 'select $1';
create function public.text_in(text) returns text language sql immutable as 'select upper($1)';
create function public.many(variadic v int[]) returns int language sql immutable as 'select cardinality(v)';
create function public.remember(name text) returns int language sql volatile as
  $$insert into public.rows values (100, name) returning id$$;
create function public.answer() returns text language plpgsql volatile as $$
begin
  perform set_config('response.status', '418', true);
  perform set_config('response.headers', '[{\"X-Tea\":\"pot\"}]', true);
  return 'short';
end $$;
create function public.refuse(how text) returns void language plpgsql as $$
begin
  if how = 'pt' then raise sqlstate 'PT402' using message = 'Pay', detail = 'first', hint = 'then'; end if;
  raise sqlstate 'PGRST' using
    message = '{\"code\":\"C1\",\"message\":\"own\"}', detail = '{\"status\":333,\"headers\":{\"X-Own\":\"yes\"}}';
end $$;
";

async fn functions() -> Api {
    api(FUNCTIONS).await
}

#[tokio::test]
async fn by_get_and_by_post() {
    let api = functions().await;
    assert_eq!(api.get("/rpc/add?a=1&b=2").await, json!(3));
    let posted = api.send("POST /rpc/add", &[], r#"{"a":1,"b":2,"c":3}"#).await;
    assert_eq!((posted.status.as_u16(), posted.body.as_str()), (200, "6"));
    let form = [("content-type", "application/x-www-form-urlencoded")];
    assert_eq!(api.send("POST /rpc/add", &form, "a=4&b=5").await.body, "9");
    assert_eq!(api.send("HEAD /rpc/add?a=1&b=2", &[], "").await.status, 200);
    assert_eq!(api.get("/rpc/many?v=1&v=2&v=3").await, json!(3));
    assert_eq!(api.send("POST /rpc/many", &[], r#"{"v":[1,2]}"#).await.body, "2");
}

#[tokio::test]
async fn every_shape_of_result() {
    let api = functions().await;
    let void = api.send("POST /rpc/nothing", &[], "").await;
    assert_eq!((void.status.as_u16(), void.body.as_str()), (204, ""));
    assert_eq!(api.get("/rpc/all_rows?select=name&id=gt.1&order=id.desc&limit=1").await, json!([{"name": "c"}]));
    assert_eq!(api.get("/rpc/pair").await, json!({"x": 1, "y": "one"}));
    assert_eq!(api.get("/rpc/numbers").await, json!([1, 2]));
    assert_eq!(api.get("/rpc/listing").await, json!([{"success": true}]));
    let object = [("accept", "application/vnd.pgrst.object+json")];
    assert_eq!(api.send("GET /rpc/listing", &object, "").await.json(), json!({"success": true}));
    let many = api.send("POST /rpc/all_rows", &object, "").await;
    assert_eq!((many.status.as_u16(), many.code().as_str()), (406, "PGRST116"));
    let counted = api.send("GET /rpc/all_rows?limit=2", &[("prefer", "count=exact")], "").await;
    assert_eq!((counted.status.as_u16(), counted.field("content-range")), (206, "0-1/3"));
}

#[tokio::test]
async fn whole_bodies() {
    let api = functions().await;
    assert_eq!(api.send("POST /rpc/whole", &[], r#"{"any":["thing"]}"#).await.json(), json!({"any": ["thing"]}));
    let text = api.send("POST /rpc/text_in", &[("content-type", "text/plain")], "shout, \"please\"").await;
    assert_eq!(text.json(), json!("SHOUT, \"PLEASE\""));
    let bad = api.send("POST /rpc/whole", &[("content-type", "image/png")], "x").await;
    assert_eq!((bad.status.as_u16(), bad.code().as_str()), (400, "PGRST102"));
}

#[tokio::test]
async fn get_never_writes() {
    let api = functions().await;
    let refused = api.send("GET /rpc/remember?name=x", &[], "").await;
    assert_eq!((refused.status.as_u16(), refused.code().as_str()), (405, "25006"));
    assert_eq!(api.send("POST /rpc/remember", &[], r#"{"name":"x"}"#).await.body, "100");
    assert_eq!(api.value("select count(*) from rows where id = 100").await, "1");
}

#[tokio::test]
async fn unknown_and_ambiguous_ones() {
    let api = functions().await;
    let unknown = api.send("POST /rpc/ad", &[], r#"{"a":1}"#).await;
    assert_eq!((unknown.status.as_u16(), unknown.code().as_str()), (404, "PGRST202"));
    let misspelt = api.send("GET /rpc/add?a=1&bb=2", &[], "").await;
    assert_eq!(misspelt.json()["hint"], "Perhaps you meant to call the function public.add(a, b)");
    api.db
        .script(
            "create function public.twice(a int) returns int language sql as 'select 1';
                   create function public.twice(a text) returns int language sql as 'select 2';",
        )
        .await;
    api.reload().await;
    let ambiguous = api.send("GET /rpc/twice?a=1", &[], "").await;
    assert_eq!((ambiguous.status.as_u16(), ambiguous.code().as_str()), (300, "PGRST203"));
}

#[tokio::test]
async fn functions_choose_the_answer() {
    let api = functions().await;
    let tea = api.send("POST /rpc/answer", &[], "").await;
    assert_eq!((tea.status.as_u16(), tea.field("x-tea"), tea.body.as_str()), (418, "pot", "\"short\""));
    let pay = api.send("POST /rpc/refuse", &[], r#"{"how":"pt"}"#).await;
    assert_eq!(pay.status, 402);
    assert_eq!(pay.body, r#"{"code":"PT402","details":"first","hint":"then","message":"Pay"}"#);
    let own = api.send("POST /rpc/refuse", &[], r#"{"how":"x"}"#).await;
    assert_eq!((own.status.as_u16(), own.field("x-own"), own.code().as_str()), (333, "yes", "C1"));
    assert_eq!(own.field("proxy-status"), "PostgREST; error=C1");
    let allow = api.send("OPTIONS /rpc/refuse?how=x", &[], "").await;
    assert_eq!(allow.field("allow"), "OPTIONS,POST");
}

/// Webhooks send what they like.
#[tokio::test]
async fn a_function_of_one_unnamed_parameter_gets_any_json_as_it_is() {
    const FUNCTIONS: &str = "create function public.any(json) returns text language sql as 'select $1::text';
        create function public.named(a int default 7) returns int language sql as 'select a'";
    let api = api(FUNCTIONS).await;
    for body in
        ["\"s\"", "5", "true", "null", "[1,2]", "[{\"a\":1},{\"b\":2}]", "[]", "{}", "{\"a\":1}", " -1.50 ", "[null]"]
    {
        // Its plan is kept from the second time on.
        for _ in 0..4 {
            let answer = api.send("POST /rpc/any", &[], body).await;
            assert_eq!((answer.status.as_u16(), answer.json()), (200, json!(body)), "{body}");
        }
    }
    for body in ["[1,2]", "[{\"a\":1},{\"b\":2}]"] {
        let answer = api.send("POST /rpc/named", &[], body).await;
        assert_eq!((answer.status.as_u16(), answer.code().as_str()), (400, "PGRST102"), "{body}");
    }
    let transaction = TransactionRules { profile: Profile::Postgrest, ..TransactionRules::default() };
    let api = Setup { transaction, ..Setup::default() }.start(FUNCTIONS).await;
    assert_eq!(api.send("POST /rpc/any", &[], "5").await.json(), json!("[]"), "PostgREST has no other values");
    assert_eq!(api.send("POST /rpc/any", &[], "[1,2]").await.code(), "PGRST102");
}
