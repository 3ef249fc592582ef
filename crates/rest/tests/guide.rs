//! What the published guide of the seed's client does, in one small blog.

use serde_json::json;

use crate::harness::{Api, api};

const BLOG: &str = "
create table public.users (id int primary key, name text not null);
create table public.posts (
  id int primary key, author_id int references public.users, title text not null, published boolean not null,
  created_at date not null, deleted_at timestamptz, category text
);
create table public.comments (id int primary key, post_id int references public.posts, body text);
insert into public.users values (1, 'Ann'), (2, 'Bob'), (3, 'Cid');
insert into public.posts values
  (1, 1, 'First', true, '2024-01-01', null, 'a'), (2, 1, 'Draft', false, '2024-01-02', null, 'a'),
  (3, 1, 'Second', true, '2024-01-03', null, 'b'), (4, 2, 'Other', true, '2024-01-04', null, 'b');
insert into public.comments values (1, 1, 'x'), (2, 1, 'y'), (3, 4, 'z');
create function public.soft_delete() returns trigger language plpgsql as $$ begin
  update public.posts set deleted_at = now() where id = old.id; return null; end $$;
create trigger soft before delete on public.posts for each row execute function public.soft_delete();
create view public.active_posts with (security_invoker = true) as
  select * from public.posts where deleted_at is null;
create view public.ranked with (security_invoker = true) as
  select id, rank() over (partition by author_id order by created_at desc) as newest from public.posts;
create materialized view public.totals as select category, count(*) as n from public.posts group by category;
create function public.stats(user_uuid int) returns table (posts bigint, success boolean) language sql stable as
  'select count(*), true from public.posts where author_id = user_uuid';
grant select on public.totals to anon;
";

async fn blog() -> Api {
    api(BLOG).await
}

#[tokio::test]
async fn nested_lists_are_filtered_ordered_and_counted() {
    let api = blog().await;
    let users = api
        .get(
            "/users?select=*,posts:posts(id,title,comments:comments(count))&posts.published=eq.true\
             &posts.order=created_at.desc&order=id&limit=2",
        )
        .await;
    assert_eq!(
        users,
        json!([
            {"id": 1, "name": "Ann", "posts": [
                {"id": 3, "title": "Second", "comments": [{"count": 0}]},
                {"id": 1, "title": "First", "comments": [{"count": 2}]}
            ]},
            {"id": 2, "name": "Bob", "posts": [{"id": 4, "title": "Other", "comments": [{"count": 1}]}]}
        ])
    );
    assert_eq!(api.get("/users?select=id,posts(id)&id=eq.3").await, json!([{"id": 3, "posts": []}]));
}

#[tokio::test]
async fn spaces_and_groups_as_the_client_writes_them() {
    let api = blog().await;
    assert_eq!(
        api.get("/posts?select=id, title , created_at&id=eq.1").await,
        json!([{"id": 1, "title": "First", "created_at": "2024-01-01"}])
    );
    let unknown = api.send("GET /posts?select=id, excerpt", &[], "").await;
    assert_eq!((unknown.status.as_u16(), unknown.code().as_str()), (400, "42703"));
    assert_eq!(
        api.get("/posts?select=category, count:id.count()&group_by=category&order=category").await,
        json!([{"category": "a", "count": 2}, {"category": "b", "count": 2}])
    );
}

#[tokio::test]
async fn a_soft_delete_succeeds_and_hides_the_row_from_the_view() {
    let api = blog().await;
    let gone = api.send("DELETE /posts?id=eq.1", &[("prefer", "count=exact")], "").await;
    assert_eq!((gone.status.as_u16(), gone.field("content-range")), (204, "*/0"));
    assert_eq!(api.get("/posts?select=id&deleted_at=is.null&order=id").await, json!([{"id": 2}, {"id": 3}, {"id": 4}]));
    assert_eq!(api.get("/active_posts?select=id&order=id").await, json!([{"id": 2}, {"id": 3}, {"id": 4}]));
    let changed = api.send("PATCH /active_posts?id=eq.2", &[], r#"{"title": "Done"}"#).await;
    assert_eq!(changed.status, 204);
    assert_eq!(api.value("select title from public.posts where id = 2").await, "Done");
}

#[tokio::test]
async fn views_materialized_views_and_functions_that_return_tables() {
    let api = blog().await;
    assert_eq!(api.get("/ranked?select=id&newest=eq.1&order=id").await, json!([{"id": 3}, {"id": 4}]));
    assert_eq!(api.get("/totals?order=category").await, json!([{"category": "a", "n": 2}, {"category": "b", "n": 2}]));
    let rows = api.send("POST /rpc/stats", &[], r#"{"user_uuid": 1}"#).await;
    assert_eq!(rows.json(), json!([{"posts": 3, "success": true}]));
    let object = [("accept", "application/vnd.pgrst.object+json")];
    let one = api.send("POST /rpc/stats", &object, r#"{"user_uuid": 1}"#).await;
    assert_eq!(one.json(), json!({"posts": 3, "success": true}));
}
