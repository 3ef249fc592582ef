//! The seed's checklist, 18 to 20: documents of several types in one place.

use serde_json::json;

use crate::harness::{Api, api};
use crate::plans::Plans;

async fn notifications() -> Api {
    api("create table people (id int primary key, name text);
        create table posts (id int primary key, title text, author_id int references people);
        create table comments (id int primary key, content text, author_id int references people);
        create table notifications (id int primary key, type text not null, entity_type text, entity_id int, data jsonb not null);
        insert into people values (1, 'Ann');
        insert into posts values (1, 'Hello', 1);
        insert into comments values (1, 'Nice', 1);
        insert into notifications values (1, 'post_liked', 'Post', 1, '{\"liker_name\": \"Ann\"}'),
            (2, 'comment_reply', 'Comment', 1, '{\"replier_name\": \"Bob\"}'),
            (3, 'new_follower', 'User', 1, '{\"follower_name\": \"Cid\"}'), (4, 'odd', 'Planet', 1, '{}'),
            (5, 'post_liked', null, null, '{\"liker_name\": \"Dan\"}');
        create view v_user with (security_invoker = true) as
            select id, jsonb_build_object('__typename', 'User', 'id', id, 'name', name) as data from people;
        create view v_notifications with (security_invoker = true) as select n.id,
            jsonb_build_object('__typename', 'Notification', 'id', n.id, 'type', n.type,
                'entity', case n.entity_type
                    when 'Post' then (select jsonb_build_object('__typename', 'Post', 'id', p.id, 'title', p.title, 'author', a.data)
                        from posts p join v_user a on a.id = p.author_id where p.id = n.entity_id)
                    when 'Comment' then (select jsonb_build_object('__typename', 'Comment', 'id', c.id, 'content', left(c.content, 100),
                        'author', a.data) from comments c join v_user a on a.id = c.author_id where c.id = n.entity_id)
                    when 'User' then (select jsonb_build_object('__typename', 'User', 'id', u.id, 'name', u.name)
                        from people u where u.id = n.entity_id)
                end,
                'details', case n.type when 'post_liked' then
                    n.data || jsonb_build_object('message', n.data ->> 'liker_name' || ' liked your post') else n.data end) as data
            from notifications n;")
    .await
}

#[tokio::test]
async fn seed_18_an_entity_of_several_types_is_a_union() {
    let api = notifications().await;
    let query =
        "{ notifications(orderBy: [{id: AscNullsLast}]) { entity { __typename ... on Post { title author { name } }
        ... on Comment { content } ...U } } } fragment U on User { name }";
    let entity = |value: serde_json::Value| json!({"entity": value});
    assert_eq!(
        api.data(query).await["notifications"],
        json!([
            entity(json!({"__typename": "Post", "title": "Hello", "author": {"name": "Ann"}})),
            entity(json!({"__typename": "Comment", "content": "Nice"})),
            entity(json!({"__typename": "User", "name": "Ann"})),
            entity(json!(null)),
            entity(json!(null)),
        ])
    );
    let kinds = api.data("{ __type(name: \"NotificationEntity\") { kind possibleTypes { name } } }").await;
    let members = json!([{"name": "Comment"}, {"name": "Post"}, {"name": "User"}]);
    assert_eq!(kinds["__type"], json!({"kind": "UNION", "possibleTypes": members}));
    let around = "{ notifications(where: {id: {eq: 3}}) { entity { ... on NotificationEntity { __typename } } } }";
    assert_eq!(api.data(around).await["notifications"][0]["entity"]["__typename"], "User");
}

#[tokio::test]
async fn seed_18_members_that_no_row_shows_yet_can_be_declared() {
    let declared = r#"@graphql({"name": "Note", "fields": {"id": "ID", "entity": "Post|Person"},
        "types": {"Post": {"title": "String"}, "Person": {"name": "String", "friends": "[Person]"}}})"#;
    let api = api(&format!(
        "create table notes (id int primary key, entity jsonb);
         create view v_note with (security_invoker = true) as
            select id, jsonb_build_object('__typename', 'Note', 'id', id, 'entity', entity) as data from notes;
         comment on column v_note.data is '{declared}';"
    ))
    .await;
    let query = "{ notes { id entity { ... on Post { title } ... on Person { name friends { name } } } } }";
    assert_eq!(api.data(query).await, json!({"notes": []}));
    api.db
        .script(r#"insert into notes values (1, '{"__typename": "Person", "name": "Ann", "friends": [{"name": "Bob"}, 7]}')"#)
        .await;
    let person = json!({"name": "Ann", "friends": [{"name": "Bob"}, null]});
    assert_eq!(api.data(query).await, json!({"notes": [{"id": "1", "entity": person}]}));
}

#[tokio::test]
async fn seed_19_what_has_no_steady_form_is_json_as_it_is() {
    let api = notifications().await;
    let data =
        api.data("{ notifications(where: {id: {in: [1, 2]}}, orderBy: [{id: AscNullsLast}]) { type details } }").await;
    assert_eq!(
        data["notifications"],
        json!([{"type": "post_liked", "details": {"liker_name": "Ann", "message": "Ann liked your post"}},
               {"type": "comment_reply", "details": {"replier_name": "Bob"}}])
    );
    let kind = api.data("{ __type(name: \"Notification\") { fields { name type { name kind } } } }").await;
    let details = json!({"name": "details", "type": {"name": "JSONValue", "kind": "SCALAR"}});
    assert!(kind["__type"]["fields"].as_array().unwrap().contains(&details));
}

#[tokio::test]
async fn seed_20_a_view_over_three_tables_reads_only_the_one_that_is_asked_for() {
    let api = api("create table page_views (id int primary key, page_url text, created_at timestamptz);
        create table button_clicks (id int primary key, button_id text, created_at timestamptz);
        create table form_submissions (id int primary key, form_id text, created_at timestamptz);
        insert into page_views select n, '/' || n, timestamptz '2026-01-01' + n * interval '3 min' from generate_series(1, 8) n;
        insert into button_clicks values (101, 'b', '2026-01-01 00:10');
        insert into form_submissions values (201, 'f', '2026-01-01 00:20');
        create view v_user_activities with (security_invoker = true) as
            select id, activity_type, created_at, jsonb_build_object('__typename', 'UserActivity', 'id', id, 'type', activity_type,
                'details', details, 'created_at', created_at) as data
            from (select id, 'page_view' as activity_type, jsonb_build_object('page_url', page_url) as details, created_at from page_views
                union all select id, 'button_click', jsonb_build_object('button_id', button_id), created_at from button_clicks
                union all select id, 'form_submission', jsonb_build_object('form_id', form_id), created_at from form_submissions) all_of_them
            order by created_at desc;")
    .await;
    let data = api
        .data("{ userActivities(orderBy: [{createdAt: DescNullsLast}], first: 4) { type details createdAt } }")
        .await;
    let types: Vec<_> =
        data["userActivities"].as_array().unwrap().iter().map(|one| one["type"].as_str().unwrap()).collect();
    assert_eq!(types, ["page_view", "page_view", "form_submission", "page_view"]);
    assert_eq!(data["userActivities"][2]["details"], json!({"form_id": "f"}));
    let own_order = api.data("{ userActivities(first: 3) { type } }").await;
    assert_eq!(own_order["userActivities"][2]["type"], "form_submission", "the view's own order");
    let plans = Plans::record();
    let data = api.data("{ userActivities(where: {activityType: {eq: \"button_click\"}}) { id type } }").await;
    assert_eq!(data["userActivities"], json!([{"id": "101", "type": "button_click"}]));
    let plan = plans.explain_with(&api, &["button_click"]).await;
    assert!(
        plan.contains("button_clicks") && !plan.contains("page_views") && !plan.contains("form_submissions"),
        "{plan}"
    );
}
