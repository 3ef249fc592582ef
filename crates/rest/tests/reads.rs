//! GET and HEAD of tables and views.

use ferrobase_request::{Profile, TransactionRules};
use serde_json::{Value, json};

use crate::harness::{Api, Setup, api};

const BLOG: &str = "
create table public.users (id int primary key, name text not null, data jsonb);
create table public.posts (
  id int primary key, author_id int references public.users, editor_id int references public.users,
  title text not null, published boolean not null default false, score numeric
);
create table public.tags (id int primary key, name text not null);
create table public.posts_tags (
  post_id int references public.posts, tag_id int references public.tags, primary key (post_id, tag_id)
);
create table public.comments (id int primary key, post_id int references public.posts, body text not null);
insert into public.users values
  (1, 'Ada', '{\"langs\": [\"en\", \"fr\"], \"age\": 36}'), (2, 'Bob', '{\"age\": 7}'), (3, 'Cleo', null);
insert into public.posts values
  (1, 1, 2, 'First', true, 9.5), (2, 1, null, 'Second', false, null), (3, 2, 1, 'Third', true, 10);
insert into public.tags values (1, 'rust'), (2, 'sql');
insert into public.posts_tags values (1, 1), (1, 2), (3, 2);
insert into public.comments values (1, 1, 'nice'), (2, 1, 'hm'), (3, 3, 'yes');
create view public.published with (security_invoker = true) as select * from public.posts where published;
";

async fn blog() -> Api {
    api(BLOG).await
}

#[tokio::test]
async fn columns_aliases_casts_and_paths() {
    let api = blog().await;
    assert_eq!(api.get("/users?id=eq.1&select=id,who:name").await, json!([{"id": 1, "who": "Ada"}]));
    assert_eq!(
        api.get("/users?id=eq.1&select=id::text,data->langs,first:data->langs->>0,data->>age").await,
        json!([{"id": "1", "langs": ["en", "fr"], "first": "en", "age": "36"}])
    );
    assert_eq!(api.get("/users?select=id, name&order=id.desc&limit=1").await, json!([{"id": 3, "name": "Cleo"}]));
}

#[tokio::test]
async fn filters_and_trees() {
    let api = blog().await;
    for (query, wanted) in [
        ("id=gt.1", json!([2, 3])),
        ("id=in.(1,3)", json!([1, 3])),
        ("name=like.*o*", json!([2, 3])),
        ("name=ilike.a*", json!([1])),
        ("data=is.null", json!([3])),
        ("data=not.is.null", json!([1, 2])),
        ("data->age=gt.9", json!([1])),
        ("data=cs.{\"age\":7}", json!([2])),
        ("or=(id.eq.1,name.eq.Cleo)", json!([1, 3])),
        ("id=not.in.(1,2)", json!([3])),
        ("and=(id.gte.1,not.or(name.eq.Ada,name.eq.Bob))", json!([3])),
        ("name=eq.O'Hara%22;--", json!([])),
        ("name=eq(any).{Ada,Bob}", json!([1, 2])),
        ("name=fts.ada", json!([1])),
        ("name=isdistinct.Ada", json!([2, 3])),
        ("id=in.()", json!([])),
    ] {
        let rows = api.get(&format!("/users?select=id&order=id&{query}")).await;
        let ids: Vec<_> = rows.as_array().expect("rows").iter().map(|row| row["id"].clone()).collect();
        assert_eq!(json!(ids), wanted, "{query}");
    }
}

#[tokio::test]
async fn embeds() {
    let api = blog().await;
    assert_eq!(
        api.get(
            "/posts?id=eq.1&select=title,author:users!author_id(name),comments(body),tags(name)&comments.order=id.desc"
        )
        .await,
        json!([{
            "title": "First",
            "author": {"name": "Ada"},
            "comments": [{"body": "hm"}, {"body": "nice"}],
            "tags": [{"name": "rust"}, {"name": "sql"}]
        }])
    );
    assert_eq!(
        api.get("/users?order=id&select=name,posts!posts_author_id_fkey!inner(id)&posts.published=is.true").await,
        json!([{"name": "Ada", "posts": [{"id": 1}]}, {"name": "Bob", "posts": [{"id": 3}]}])
    );
    assert_eq!(
        api.get("/posts?id=lt.3&order=id&select=id,...users!author_id(author:name)").await,
        json!([{"id": 1, "author": "Ada"}, {"id": 2, "author": "Ada"}])
    );
    let ambiguous = api.send("GET /posts?select=id,users(name)", &[], "").await;
    assert_eq!((ambiguous.status.as_u16(), ambiguous.code().as_str()), (300, "PGRST201"));
    let none = api.send("GET /users?select=id,tags(name)", &[], "").await;
    assert_eq!((none.status.as_u16(), none.code().as_str()), (400, "PGRST200"));
    let lost = api.send("GET /posts?select=id&comments.id=eq.1", &[], "").await;
    assert_eq!((lost.status.as_u16(), lost.code().as_str()), (400, "PGRST108"));
}

#[tokio::test]
async fn aggregates() {
    let api = blog().await;
    assert_eq!(
        api.get("/posts?select=author_id,count:id.count(),score.sum()&order=author_id").await,
        json!([{"author_id": 1, "count": 2, "sum": 9.5}, {"author_id": 2, "count": 1, "sum": 10}])
    );
    assert_eq!(api.get("/posts?select=count()").await, json!([{"count": 3}]));
    assert_eq!(
        api.get("/users?id=eq.1&select=name,posts!author_id(count)").await,
        json!([{"name": "Ada", "posts": [{"count": 2}]}])
    );
}

#[tokio::test]
async fn counts_ranges_and_heads() {
    let api = blog().await;
    let part = api.send("GET /posts?order=id&select=id", &[("range", "0-1"), ("prefer", "count=exact")], "").await;
    assert_eq!(part.status, 206);
    assert_eq!((part.field("content-range"), part.field("x-total-count")), ("0-1/3", "3"));
    assert_eq!(part.json(), json!([{"id": 1}, {"id": 2}]));
    let whole = api.send("GET /posts?limit=3&offset=0", &[("prefer", "count=exact")], "").await;
    assert_eq!((whole.status.as_u16(), whole.field("content-range")), (200, "0-2/3"));
    let past = api.send("GET /posts?offset=10", &[("prefer", "count=exact")], "").await;
    assert_eq!((past.status.as_u16(), past.code().as_str()), (416, "PGRST103"));
    let head = api.send("HEAD /posts?published=is.true", &[("prefer", "count=exact")], "").await;
    assert_eq!((head.status.as_u16(), head.field("content-range"), head.body.as_str()), (200, "0-1/2", ""));
    for kind in ["planned", "estimated"] {
        let prefer = format!("count={kind}");
        let told = api.send("GET /posts?limit=1", &[("prefer", &prefer)], "").await;
        assert_eq!(told.field("content-range"), "0-0/3", "{kind}");
    }
    let none = api.send("GET /posts?limit=0", &[], "").await;
    assert_eq!((none.status.as_u16(), none.field("content-range"), none.body.as_str()), (200, "*/*", "[]"));
}

#[tokio::test]
async fn representations() {
    let api = blog().await;
    let object = [("accept", "application/vnd.pgrst.object+json")];
    let one = api.send("GET /users?id=eq.1&select=name", &object, "").await;
    assert_eq!(one.json(), json!({"name": "Ada"}));
    assert_eq!(one.field("content-type"), "application/vnd.pgrst.object+json; charset=utf-8");
    let many = api.send("GET /users", &object, "").await;
    assert_eq!((many.status.as_u16(), many.code().as_str()), (406, "PGRST116"));
    assert_eq!(many.json()["details"], "The result contains 3 rows");
    let csv = api.send("GET /users?select=id,name&order=id", &[("accept", "text/csv")], "").await;
    assert_eq!(csv.body, "id,name\n1,Ada\n2,Bob\n3,Cleo");
    assert_eq!(csv.field("content-type"), "text/csv; charset=utf-8");
    let stripped = [("accept", "application/vnd.pgrst.array+json;nulls=stripped")];
    let stripped = api.send("GET /users?id=eq.3", &stripped, "").await;
    assert_eq!(stripped.json(), json!([{"id": 3, "name": "Cleo"}]));
    let odd = api.send("GET /users", &[("accept", "image/png")], "").await;
    assert_eq!((odd.status.as_u16(), odd.code().as_str()), (406, "PGRST107"));
    let plan = api.send("GET /users", &[("accept", "application/vnd.pgrst.plan+json")], "").await;
    assert_eq!(plan.status, 406);
}

#[tokio::test]
async fn views_and_fields_of_the_answer() {
    let api = blog().await;
    let answer = api.send("GET /published?select=id&order=id", &[], "").await;
    assert_eq!(answer.json(), json!([{"id": 1}, {"id": 3}]));
    assert_eq!(answer.field("content-location"), "/published?order=id&select=id");
    assert_eq!(answer.field("content-type"), "application/json; charset=utf-8");
    let stages: Vec<&str> = answer.field("server-timing").split(", ").filter_map(|s| s.split(';').next()).collect();
    assert_eq!(stages, ["jwt", "parse", "plan", "query", "wait", "execute", "render"]);
    let root = api.send("GET /", &[], "").await;
    assert!(root.field("server-timing").contains("plan;") && root.field("server-timing").contains("render;"));
    let allow = api.send("OPTIONS /posts", &[], "").await;
    assert_eq!((allow.status.as_u16(), allow.field("allow")), (200, "OPTIONS,GET,HEAD,POST,PUT,PATCH,DELETE"));
}

#[tokio::test]
async fn names_of_any_kind() {
    let api =
        api("create table public.\"odd \"\"name\"\"/x\" (\"ID column\" int primary key, \"a.b\" text, \"ü\" text);
         insert into public.\"odd \"\"name\"\"/x\" values (1, 'x', 'y');")
        .await;
    let target =
        "/odd%20%22name%22%2Fx?select=%22a.b%22,%C3%BC,ID%20column&ID%20column=eq.1&%22a.b%22=eq.x&order=%22a.b%22";
    assert_eq!(api.get(target).await, json!([{"a.b": "x", "ü": "y", "ID column": 1}]));
}

#[tokio::test]
async fn the_hints_of_an_ambiguous_self_join_work() {
    let tables = "create table public.parent (
         id int primary key, name text, boss int references public.parent, buddy int references public.parent);
         insert into public.parent values (1, 'top', null, null), (2, 'low', 1, null), (3, 'pal', null, 1);";
    let api = api(tables).await;
    let ambiguous = api.send("GET /parent?select=name,parent(name)", &[], "").await;
    assert_eq!(ambiguous.code(), "PGRST201");
    let hint = ambiguous.json()["hint"].as_str().expect("a hint").to_owned();
    for (way, found) in
        [("parent!parent_boss_fkey", "low"), ("parent!parent_buddy_fkey", "pal"), ("parent!boss", "low")]
    {
        assert!(hint.contains(&format!("'{way}'")) || way == "parent!boss", "{hint}");
        let got = api.get(&format!("/parent?select=name,{way}(name)&id=eq.1")).await;
        assert_eq!(got, json!([{"name": "top", "parent": [{"name": found}]}]), "{way}");
    }
    assert_eq!(
        api.get("/parent?select=name,boss(name)&id=eq.2").await,
        json!([{"name": "low", "boss": {"name": "top"}}])
    );
    let transaction = TransactionRules { profile: Profile::Postgrest, ..TransactionRules::default() };
    let upstream = Setup { transaction, ..Setup::default() }.start(tables).await;
    let unknown = upstream.send("GET /parent?select=name,parent!parent_boss_fkey(name)", &[], "").await;
    assert_eq!(unknown.code(), "PGRST200", "as PostgREST has it");
}

/// A key that only one row can refer to makes no list of those that point at a row.
#[tokio::test]
async fn a_unique_reference_to_the_same_table_is_one_row_both_ways() {
    let tables = "create table public.kings (id int primary key, name text, pred int unique references kings);
        insert into kings values (1, 'Ann', null), (2, 'Bob', 1), (3, 'Cid', 2);";
    let here = api(tables).await;
    let both = json!([{"name": "Bob", "pred": {"name": "Ann"}, "next": {"name": "Cid"}}]);
    for next in ["next:kings!pred(name)", "next:kings!kings_pred_fkey(name)"] {
        assert_eq!(here.get(&format!("/kings?select=name,pred(name),{next}&id=eq.2")).await, both, "{next}");
    }
    assert_eq!(here.get("/kings?select=name,pred!inner()&pred.name=eq.Ann").await, json!([{"name": "Bob"}]));
    let transaction = TransactionRules { profile: Profile::Postgrest, ..TransactionRules::default() };
    let upstream = Setup { transaction, ..Setup::default() }.start(tables).await;
    let unknown = upstream.send("GET /kings?select=name,pred(name)", &[], "").await;
    assert_eq!(unknown.code(), "PGRST200", "as PostgREST has it");
}

/// Whether an embed has rows is asked of what is shown, at every level.
#[tokio::test]
async fn windows_and_groups_of_required_embeds_count_at_every_level() {
    let api = api("create table public.p (id int primary key); create table public.t (id int primary key, name text);
        create table public.k (id int primary key, p_id int references p, t_id int references t);
        create table public.g (id int primary key, k_id int references k, qty int);
        insert into p values (1), (2); insert into t values (1, 't');
        insert into k values (1, 1, 1), (2, 1, null), (3, 2, 1); insert into g values (1, 1, 5), (2, 3, 50)")
    .await;
    let all = json!([{"id": 1}, {"id": 2}]);
    for (ask, ids) in [
        ("select=id,k!inner(g!inner())", all.clone()),
        ("select=id,k!inner(g!inner())&k.g.offset=100", json!([])),
        ("select=id,k!inner(g!inner())&k.g.limit=0", json!([])),
        ("select=id,k!inner(g!inner())&k.g.limit=0&limit=5", json!([])),
        ("select=id,k(g())&k=not.is.null&k.g=not.is.null&k.g.offset=9", json!([])),
        ("select=id,k!inner(t!inner())&k.t.offset=1", json!([])),
        ("select=id,k!inner(g!inner(qty.sum()))&k.g.having=(qty.sum().gt.10)", json!([{"id": 2}])),
        ("select=id,k(g!inner())&k=is.null&k.g.offset=100", all.clone()),
    ] {
        for bound in ["", "&limit=10"] {
            let answer = api.send(&format!("GET /p?{ask}{bound}&order=id"), &[("prefer", "count=exact")], "").await;
            let rows = answer.json();
            let found: Vec<_> = rows
                .as_array()
                .unwrap_or_else(|| panic!("{ask}: {answer:?}"))
                .iter()
                .map(|row| json!({"id": row["id"]}))
                .collect();
            assert_eq!(json!(found), ids, "{ask}{bound}: {rows}");
            assert_eq!(answer.field("x-total-count"), found.len().to_string(), "{ask}{bound}");
        }
    }
}

#[tokio::test]
async fn rows_are_ordered_by_what_an_embed_shows_or_by_what_it_does_not_show_at_all() {
    let api = api("create table public.makers (id int primary key, name text, secret text);
        create table public.films (id int primary key, maker int references makers);
        revoke all on makers from anon; grant select (id, name) on makers to anon;
        insert into makers values (1, 'b'), (2, 'a'); insert into films values (1, 1), (2, 2), (3, null)")
    .await;
    let ids = |rows: Value| rows.as_array().unwrap().iter().map(|row| row["id"].as_i64().unwrap()).collect::<Vec<_>>();
    for ask in ["makers(name)&order=makers(name)", "makers()&order=makers(name)", "m:makers(n:name)&order=m(n)"] {
        assert_eq!(ids(api.get(&format!("/films?select=id,{ask}")).await), [2, 1, 3], "{ask}");
    }
    for ask in ["makers(id)&order=makers(name)", "m:makers(n:name)&order=m(name)"] {
        let answer = api.send(&format!("GET /films?select=id,{ask}"), &[], "").await;
        assert_eq!((answer.status.as_u16(), answer.code().as_str()), (400, "FB136"), "{ask}");
    }
    let both = api.get("/films?select=id,makers()&order=makers(name).desc,makers(id)").await;
    assert_eq!(ids(both), [3, 1, 2]);
}
