//! Groups, distinct rows, comparisons of columns, keys and paths in jsonb: what PostgREST does not have.

use ferrobase_request::{Profile, TransactionRules};
use ferrobase_rest::config::RestSection;
use serde_json::{Value, json};

use crate::harness::{Api, Setup, api};

const SHOP: &str = "
create table public.products (
  id int primary key, name text not null, category text, price numeric, cost numeric,
  made date, sold date, metadata jsonb, extra json, tags text[], \"distinct\" int, cursor text, \"having\" text
);
create table public.sales (
  id int primary key, product_id int references public.products, amount int not null, status text not null, buyer text
);
insert into public.products (id, name, category, price, cost, made, sold, metadata, extra, \"distinct\", cursor) values
  (1, 'Anvil', 'tools', 100, 60, '2024-01-01', '2024-02-01',
   '{\"price\": 99, \"featured\": true, \"colours\": [\"grey\", \"black\"], \"size\": {\"w\": 3}}', '{\"a\": 1}', 1, 'x'),
  (2, 'Hammer', 'tools', 20, 25, '2024-03-01', '2024-02-15',
   '{\"price\": 100, \"colours\": [\"red\"], \"size\": {\"w\": 9}}', '{\"a\": 1}', 1, null),
  (3, 'Apple', 'food', 1, 0.5, '2024-01-01', null, '{\"price\": 1000, \"organic\": null}', null, 2, 'y'),
  (4, 'Mystery', null, null, null, null, null, null, null, null, null);
insert into public.sales values
  (1, 1, 2, 'paid', 'ann'), (2, 1, 1, 'open', 'ann'), (3, 2, 5, 'paid', 'bob'), (4, 3, 100, 'paid', 'ann'),
  (5, 3, 50, 'paid', 'cid');
create index on public.products using gin (metadata);
create function public.shop(text) returns setof public.products stable language sql as
  'select * from public.products where category = $1';
create function public.echo(q text, \"distinct\" text) returns text immutable language sql as
  $$ select q || '/' || \"distinct\" $$;
";

async fn shop() -> Api {
    api(SHOP).await
}

async fn ids(api: &Api, filter: &str) -> Vec<i64> {
    let rows = api.get(&format!("/products?select=id&order=id&{filter}")).await;
    rows.as_array().expect("rows").iter().filter_map(|row| row["id"].as_i64()).collect()
}

async fn refused(api: &Api, line: &str) -> (u16, String) {
    let answer = api.send(line, &[], "").await;
    (answer.status.as_u16(), answer.code())
}

#[tokio::test]
async fn columns_are_compared_with_columns() {
    let api = shop().await;
    assert_eq!(ids(&api, "cost=gt(col).price").await, [2]);
    assert_eq!(ids(&api, "price=gte(col).cost").await, [1, 3]);
    assert_eq!(ids(&api, "sold=not.lt(col).made").await, [1]);
    assert_eq!(ids(&api, "made=isdistinct(col).sold").await, [1, 2, 3]);
    assert_eq!(ids(&api, "metadata->price=lt(col).metadata->size->w").await, Vec::<i64>::new());
    assert_eq!(ids(&api, "or=(cost.gt(col).price,and(sold.is.null,made.not.is.null))").await, [2, 3]);
    // A text that looks like the modifier is still a text.
    assert_eq!(ids(&api, "name=eq.gt(col).price").await, Vec::<i64>::new());
    let embedded = api.get("/products?id=eq.1&select=id,sales(id)&sales.product_id=eq(col).amount").await;
    assert_eq!(embedded, json!([{"id": 1, "sales": [{"id": 2}]}]));
    assert_eq!(refused(&api, "GET /products?price=gt(col).nothing").await, (400, "42703".into()));
    assert_eq!(refused(&api, "GET /products?price=gt(col).").await, (400, "PGRST100".into()));
    let types = refused(&api, "GET /products?price=gt(col).name").await;
    assert!((400..500).contains(&types.0), "{types:?}");
}

#[tokio::test]
async fn columns_are_compared_in_writes() {
    let api = shop().await;
    let changed = [("prefer", "return=representation")];
    let updated = api.send("PATCH /products?cost=gt(col).price&select=id,name", &changed, r#"{"name":"Loss"}"#).await;
    assert_eq!(updated.json(), json!([{"id": 2, "name": "Loss"}]));
    let gone = api.send("DELETE /sales?amount=lt(col).id&select=id", &changed, "").await;
    assert_eq!(gone.json(), json!([{"id": 2}]));
    // Columns that only the filters of an embed of the answer need are returned, too.
    let told = api
        .send("PATCH /products?id=eq.1&select=id,sales(id)&sales.amount=gte(col).id", &changed, r#"{"name":"A"}"#)
        .await;
    assert_eq!(told.json(), json!([{"id": 1, "sales": [{"id": 1}]}]));
}

#[tokio::test]
async fn keys_of_documents() {
    let api = shop().await;
    assert_eq!(ids(&api, "metadata=has.featured").await, [1]);
    assert_eq!(ids(&api, "metadata=has.organic").await, [3]);
    assert_eq!(ids(&api, "metadata=not.has.colours").await, [3]);
    assert_eq!(ids(&api, "metadata=hasany.(featured,organic)").await, [1, 3]);
    assert_eq!(ids(&api, "metadata=hasall.(price,colours)").await, [1, 2]);
    assert_eq!(ids(&api, "metadata->colours=has.red").await, [2]);
    assert_eq!(ids(&api, "extra=has.a").await, [1, 2]);
    assert_eq!(ids(&api, "metadata=has.a'b").await, Vec::<i64>::new());
    assert_eq!(ids(&api, "or=(metadata.has.featured,metadata.hasany.(organic))").await, [1, 3]);
    let (status, _) = refused(&api, "GET /products?name=has.x").await;
    assert!((400..500).contains(&status), "{status}");
}

#[tokio::test]
async fn paths_into_documents() {
    let api = shop().await;
    assert_eq!(ids(&api, "metadata=jsonpath.$.colours[*] ? (@ == %22red%22)").await, [2]);
    assert_eq!(ids(&api, "metadata=jsonmatch.$.size.w > 5").await, [2]);
    assert_eq!(ids(&api, "metadata=not.jsonpath.$.size").await, [3]);
    assert_eq!(ids(&api, "extra=jsonpath.$.a").await, [1, 2]);
    let tree = "or=(metadata.jsonmatch.%22$.price == 99%22,metadata.jsonpath.%22$.organic%22)";
    assert_eq!(ids(&api, tree).await, [1, 3]);
    for malformed in ["$.", "", "$ ? (@ ==", "$.a;drop table x"] {
        let answer = refused(&api, &format!("GET /products?metadata=jsonpath.{malformed}")).await;
        assert_eq!(answer.0, 400, "{malformed}: {answer:?}");
    }
}

#[tokio::test]
async fn numbers_in_documents_are_compared_as_numbers() {
    let api = shop().await;
    assert_eq!(ids(&api, "metadata->price=gte.100").await, [2, 3]);
    assert_eq!(ids(&api, "metadata->>price=gte.100").await, [1, 2, 3]);
    assert_eq!(ids(&api, "metadata=cs.{%22featured%22:true}&metadata->price=lt.100").await, [1]);
}

#[tokio::test]
async fn groups() {
    let api = shop().await;
    assert_eq!(
        api.get("/products?select=category, count:id.count()&group_by=category&order=category").await,
        json!([{"category": "food", "count": 1}, {"category": "tools", "count": 2}, {"category": null, "count": 1}])
    );
    // By what is not shown, and by the name of what is.
    assert_eq!(
        api.get("/sales?select=sum:amount.sum()&group_by=buyer&order=amount.sum()").await,
        json!([{"sum": 5}, {"sum": 50}, {"sum": 103}])
    );
    assert_eq!(
        api.get("/sales?select=who:buyer,amount.sum()&group_by=who&order=sum.desc&limit=1").await,
        json!([{"who": "ann", "sum": 103}])
    );
    assert_eq!(
        api.get("/products?select=w:metadata->size->w,count()&group_by=metadata->size->w&order=count().desc,w&limit=1")
            .await,
        json!([{"w": null, "count": 2}])
    );
    assert_eq!(
        api.get("/products?select=category,sales(amount.sum())&id=lt.3&order=id&sales.group_by=buyer").await,
        json!([{"category": "tools", "sales": [{"sum": 3}]}, {"category": "tools", "sales": [{"sum": 5}]}])
    );
    // All columns of a table follow from its key.
    assert_eq!(api.get("/sales?select=*&group_by=id&id=eq.3").await[0]["buyer"], "bob");
    assert_eq!(refused(&api, "GET /sales?select=status,amount&group_by=status").await, (400, "42803".into()));
    assert_eq!(refused(&api, "GET /sales?select=count()&group_by=nothing").await, (400, "42703".into()));
    assert_eq!(refused(&api, "GET /sales?select=count()&group_by=a.b").await, (400, "PGRST100".into()));
}

#[tokio::test]
async fn conditions_on_groups() {
    let api = shop().await;
    assert_eq!(
        api.get("/sales?select=buyer,total:amount.sum()&having=(amount.sum().gt.10)&order=buyer").await,
        json!([{"buyer": "ann", "total": 103}, {"buyer": "cid", "total": 50}])
    );
    assert_eq!(
        api.get("/sales?select=buyer,total:amount.sum()&having=(total.gt.10,count().gte.2)").await,
        json!([{"buyer": "ann", "total": 103}])
    );
    assert_eq!(
        api.get("/sales?select=buyer&having=(or(count().eq.3,amount.max().eq.5),buyer.neq.bob)").await,
        json!([{"buyer": "ann"}])
    );
    assert_eq!(
        api.get("/sales?select=buyer&having=(amount.sum().filter(status.eq.open).gte.1)").await,
        json!([{"buyer": "ann"}])
    );
    let counted = api
        .send("GET /sales?select=buyer,count()&having=(count().gte.1)&limit=2", &[("prefer", "count=exact")], "")
        .await;
    assert_eq!((counted.status.as_u16(), counted.field("content-range")), (206, "0-1/3"));
    assert_eq!(refused(&api, "GET /sales?select=buyer&having=(amount.gt.1)").await, (400, "42803".into()));
    assert_eq!(refused(&api, "GET /sales?select=buyer&having=count().gt.1").await, (400, "PGRST100".into()));
    assert_eq!(refused(&api, "GET /sales?select=buyer&having=(amount.sum().gt.x)").await, (400, "22P02".into()));
}

#[tokio::test]
async fn aggregates_of_some_rows() {
    let api = shop().await;
    assert_eq!(
        api.get("/sales?select=paid:amount.sum().filter(status.eq.paid),all:count(),buyers:buyer.count(distinct)")
            .await,
        json!([{"paid": 157, "all": 5, "buyers": 3}])
    );
    assert_eq!(
        api.get("/sales?select=n:count().filter(or(status.eq.open,amount.gt.50))::text").await,
        json!([{"n": "2"}])
    );
    assert_eq!(
        refused(&api, "GET /sales?select=...products(price.sum().filter(id.eq.1))").await,
        (400, "FB121".into())
    );
    assert_eq!(refused(&api, "GET /sales?select=amount.sum().filter(nothing.eq.1)").await, (400, "42703".into()));
}

#[tokio::test]
async fn rows_that_are_alike_are_shown_once() {
    let api = shop().await;
    assert_eq!(
        api.get("/sales?select=status&distinct=*&order=status").await,
        json!([{"status": "open"}, {"status": "paid"}])
    );
    // Of each buyer the largest sale.
    assert_eq!(
        api.get("/sales?select=buyer,amount&distinct=buyer&order=amount.desc").await,
        json!([{"buyer": "ann", "amount": 100}, {"buyer": "bob", "amount": 5}, {"buyer": "cid", "amount": 50}])
    );
    assert_eq!(
        api.get("/sales?select=buyer&distinct=buyer&order=amount,buyer.desc&limit=2").await,
        json!([{"buyer": "cid"}, {"buyer": "bob"}])
    );
    // json has no equality in PostgreSQL; a document counts as its jsonb.
    assert_eq!(
        api.get("/products?select=extra,\"distinct\"&distinct=*&id=lt.3").await,
        json!([{"extra": {"a": 1}, "distinct": 1}])
    );
    assert_eq!(api.get("/products?distinct=*&id=eq.1").await[0]["extra"], json!({"a": 1}));
    assert_eq!(
        api.get("/sales?select=buyer,products(category)&distinct=*&product_id=eq.3&order=buyer&limit=9").await,
        json!([
            {"buyer": "ann", "products": {"category": "food"}}, {"buyer": "cid", "products": {"category": "food"}}
        ])
    );
    let embedded = api.get("/products?select=sales(buyer)&id=eq.1&sales.distinct=*").await;
    assert_eq!(embedded, json!([{"sales": [{"buyer": "ann"}]}]));
    let counted = api.send("GET /sales?select=buyer&distinct=*&limit=1", &[("prefer", "count=exact")], "").await;
    assert_eq!(counted.field("content-range"), "0-0/3");
    assert_eq!(refused(&api, "GET /sales?select=buyer&distinct=*&order=amount").await, (400, "42P10".into()));
    assert_eq!(refused(&api, "GET /sales?select=buyer&distinct=nothing").await, (400, "42703".into()));
}

#[tokio::test]
async fn columns_of_our_parameters_names_are_filtered_as_ever() {
    let api = shop().await;
    assert_eq!(ids(&api, "distinct=eq.1").await, [1, 2]);
    assert_eq!(ids(&api, "distinct=not.is.null").await, [1, 2, 3]);
    assert_eq!(ids(&api, "cursor=eq.x").await, [1]);
    assert_eq!(ids(&api, "cursor=in.(x,y)").await, [1, 3]);
    assert_eq!(ids(&api, "having=is.null").await, [1, 2, 3, 4]);
    // Both at once: the filter, and the parameter.
    let both = api.get("/products?select=category&distinct=eq.1&distinct=*").await;
    assert_eq!(both, json!([{"category": "tools"}]));
    // Arguments of functions keep their names, and their texts.
    assert_eq!(api.get("/rpc/echo?q=has.x&distinct=*").await, json!("has.x/*"));
}

#[tokio::test]
async fn results_of_functions_are_grouped_when_called_by_post() {
    let api = shop().await;
    let json = [("content-type", "application/json")];
    let sums = api.send("POST /rpc/shop?select=category,price.sum()&having=(price.sum().gt.1)", &json, "");
    let named = api.send("POST /rpc/shop?select=category,price.sum()&group_by=category", &json, "");
    // Unnamed text parameters take a text body.
    assert_eq!(sums.await.status, 404);
    assert_eq!(named.await.status, 404);
    let text = [("content-type", "text/plain")];
    let answer = api.send("POST /rpc/shop?select=category,price.sum()&having=(price.sum().gt.1)", &text, "tools").await;
    assert_eq!(answer.json(), json!([{"category": "tools", "sum": 120}]));
}

#[tokio::test]
async fn row_security_counts_first() {
    let api = api("
        create table public.mine (id int primary key, owner text not null, kind text not null, n int, m int);
        insert into public.mine values (1, 'anon', 'a', 1, 2), (2, 'other', 'a', 100, 1), (3, 'other', 'b', 7, 7);
        alter table public.mine enable row level security;
        create policy own on public.mine using (owner = current_user);")
    .await;
    assert_eq!(api.get("/mine?select=kind,n.sum()&group_by=kind").await, json!([{"kind": "a", "sum": 1}]));
    assert_eq!(api.get("/mine?select=count()&having=(count().gt.1)").await, json!([]));
    assert_eq!(api.get("/mine?select=kind&distinct=*").await, json!([{"kind": "a"}]));
    assert_eq!(api.get("/mine?select=id&n=gt(col).m").await, json!([]));
    assert_eq!(api.get("/mine?select=id&n=lt(col).m").await, json!([{"id": 1}]));
}

#[tokio::test]
async fn a_column_that_may_not_be_read_is_not_grouped_by() {
    let api = api("
        create table public.staff (id int primary key, name text, salary int);
        insert into public.staff values (1, 'Ann', 10);
        revoke select on public.staff from anon;
        grant select (id, name) on public.staff to anon;")
    .await;
    for query in [
        "select=count()&group_by=salary",
        "select=name&having=(salary.max().gt.1)",
        "select=id&distinct=salary",
        "select=id&id=lt(col).salary",
        "select=id&order=salary.sum()",
        "select=id.sum().filter(salary.gt.1)",
    ] {
        assert_eq!(refused(&api, &format!("GET /staff?{query}")).await, (401, "42501".into()), "{query}");
    }
}

#[tokio::test]
async fn writes_have_none_of_them() {
    let api = shop().await;
    for line in [
        "DELETE /sales?distinct=*",
        "PATCH /sales?group_by=buyer",
        "POST /sales?having=(count().gt.1)",
        "DELETE /sales?cursor=first",
    ] {
        let answer = api.send(line, &[], r#"{"amount":1}"#).await;
        assert_eq!((answer.status.as_u16(), answer.code().as_str()), (400, "FB119"), "{line}");
    }
    assert_eq!(api.value("select count(*) from public.sales").await, "5");
}

#[tokio::test]
async fn aggregates_that_are_switched_off_are_off_everywhere() {
    let rest = RestSection { aggregates_enabled: false, ..RestSection::default() };
    let api = Setup { rest, ..Setup::default() }.start(SHOP).await;
    for query in [
        "select=count()",
        "select=buyer&group_by=buyer",
        "select=buyer&having=(count().gt.1)",
        "select=buyer&order=count()",
    ] {
        assert_eq!(refused(&api, &format!("GET /sales?{query}")).await, (400, "PGRST123".into()), "{query}");
    }
}

#[tokio::test]
async fn answers_of_groups_are_bounded() {
    let rest = RestSection { max_rows: Some(2), ..RestSection::default() };
    let api = Setup { rest, ..Setup::default() }.start(SHOP).await;
    let rows = |value: Value| value.as_array().expect("rows").len();
    assert_eq!(rows(api.get("/sales?select=buyer,count()&group_by=buyer").await), 2);
    assert_eq!(rows(api.get("/sales?select=buyer&distinct=*").await), 2);
    assert_eq!(rows(api.get("/sales?select=buyer&distinct=buyer&limit=100").await), 2);
}

#[tokio::test]
async fn postgrests_profile_has_postgrests_grammar() {
    let transaction = TransactionRules { profile: Profile::Postgrest, ..TransactionRules::default() };
    let api = Setup { transaction, ..Setup::default() }.start(SHOP).await;
    for query in [
        "distinct=*",
        "group_by=category",
        "having=(count().gt.1)",
        "cursor=first",
        "price=gt(col).cost",
        "metadata=has.price",
        "metadata=jsonpath.$.a",
        "select=id.count(distinct)",
        "select=count().filter(id.eq.1)",
        "order=id.count()",
    ] {
        assert_eq!(refused(&api, &format!("GET /products?{query}")).await, (400, "PGRST100".into()), "{query}");
    }
    assert_eq!(refused(&api, "GET /products?select=name,n:id.count()&order=n").await, (400, "42703".into()));
}

#[tokio::test]
async fn an_operator_of_ours_on_another_type_is_the_requests_mistake() {
    let api = shop().await;
    for line in ["GET /products?name=has.k", "GET /products?id=gt(col).name", "DELETE /products?id=gt(col).name"] {
        assert_eq!(refused(&api, line).await, (400, "42883".to_owned()), "{line}");
    }
    // As upstream.
    assert_eq!(refused(&api, "GET /products?name=cs.{a}").await, (404, "42883".to_owned()));
}

#[tokio::test]
async fn json_columns_are_compared_as_jsonb_in_every_form_of_distinct() {
    let api = api("create table public.docs (id int primary key, doc json);
         insert into docs values (1, '{\"a\": {\"b\": 1}}'), (2, '{\"a\":{\"b\":1}}'), (3, '{\"a\": 2}'), (4, null);")
    .await;
    assert_eq!(
        api.get("/docs?select=id&distinct=doc&order=id").await,
        json!([{"id": 3}, {"id": 1}, {"id": 4}]),
        "in the order of jsonb"
    );
    assert_eq!(api.get("/docs?select=id&distinct=doc&order=id.desc,doc.desc.nullslast").await[0], json!({"id": 2}));
    assert_eq!(api.get("/docs?select=id&distinct=doc->a&order=id&id=lt.4").await, json!([{"id": 3}, {"id": 1}]));
    assert_eq!(api.get("/docs?select=id&distinct=doc->>a&id=lt.4&order=id").await.as_array().map(Vec::len), Some(3));
    assert_eq!(
        api.get("/docs?select=doc&distinct=*&order=doc.desc&id=lt.4").await,
        json!([{"doc": {"a": {"b": 1}}}, {"doc": {"a": 2}}])
    );
}
