//! The seed's checklist, 1 to 7: what a JSON view is, how it changes, versions, layers, and who sees what.
//!
//! Names are ours. Where the seed's own SQL is wrong a test shows that it fails and that our form holds.

use serde_json::json;

use crate::harness::{Api, Setup, api};
use crate::plans::Plans;

/// People with a view of documents.
pub const PEOPLE: &str = "
    create table people (id uuid primary key default gen_random_uuid(), email text not null unique, name text not null,
                         created_at timestamptz not null default '2026-01-31T12:00:00Z');
    create index people_email on people (email text_pattern_ops);
    insert into people (id, email, name) values
        ('00000000-0000-4000-8000-000000000001', 'ann@example.org', 'Ann'),
        ('00000000-0000-4000-8000-000000000002', 'bob@example.org', 'Bob');
    create view v_user with (security_invoker = true) as select id, email,
        jsonb_build_object('__typename', 'User', 'id', id, 'email', email, 'name', name, 'created_at', created_at) as data
        from people;";

const ANN: &str = "00000000-0000-4000-8000-000000000001";

async fn people() -> Api {
    api(PEOPLE).await
}

#[tokio::test]
async fn seed_01_a_view_of_documents_is_a_type_and_its_columns_are_filters() {
    let api = people().await;
    let plans = Plans::record();
    let data = api.data("{ users(orderBy: [{email: AscNullsLast}]) { __typename id email name createdAt } }").await;
    assert_eq!(
        data["users"][0],
        json!({"__typename": "User", "id": ANN, "email": "ann@example.org", "name": "Ann",
               "createdAt": "2026-01-31T12:00:00+00:00"})
    );
    assert_eq!(data["users"].as_array().unwrap().len(), 2);
    plans.clear();
    let data = api.data("{ users(where: {email: {eq: \"bob@example.org\"}}) { name } }").await;
    assert_eq!(data, json!({"users": [{"name": "Bob"}]}));
    let plan = plans.explain(&api).await;
    assert!(plan.contains("Index") && plan.contains("people_email"), "{plan}");
    // Only what was asked for is told.
    assert!(!plans.sql().contains("created_at"), "{}", plans.sql());
    for (arguments, names) in [
        ("where: {email: {startsWith: \"ann\"}}", vec!["Ann"]),
        (
            "where: {or: [{id: {eq: \"00000000-0000-4000-8000-000000000002\"}}, {email: {like: \"%nobody%\"}}]}",
            vec!["Bob"],
        ),
        ("orderBy: [{email: DescNullsLast}]", vec!["Bob", "Ann"]),
        ("orderBy: [{email: DescNullsLast}], limit: 1", vec!["Bob"]),
        ("orderBy: [{email: AscNullsLast}], first: 1, offset: 1", vec!["Bob"]),
        ("limit: 0", vec![]),
    ] {
        let data = api.data(&format!("{{ users({arguments}) {{ name }} }}")).await;
        let expected: Vec<_> = names.iter().map(|name| json!({"name": name})).collect();
        assert_eq!(data["users"], json!(expected), "{arguments}");
    }
    assert_eq!(api.ask("{ users(first: 1, limit: 1) { name } }").await.code(), "BAD_USER_INPUT");
}

#[tokio::test]
async fn seed_02_new_keys_are_fields_and_old_queries_answer_the_same_bytes() {
    let api = people().await;
    let old = "{ users(orderBy: [{email: AscNullsLast}]) { id email name createdAt } }";
    let before = api.ask(old).await.body;
    assert_eq!(api.ask("{ users { avatarUrl } }").await.code(), "GRAPHQL_VALIDATION_FAILED");
    api.db
        .script(
            "alter table people add avatar_url text, add bio text, add settings jsonb default '{}';
             create or replace view v_user with (security_invoker = true) as select id, email,
                jsonb_build_object('__typename', 'User', 'id', id, 'email', email, 'name', name, 'created_at', created_at,
                    'avatar_url', coalesce(avatar_url, 'https://example.org/nobody.png'), 'bio', coalesce(bio, ''),
                    'settings', coalesce(settings, '{}')) as data
                from people;",
        )
        .await;
    api.reload().await;
    let data = api.data("{ users(first: 1, orderBy: [{email: AscNullsLast}]) { avatarUrl bio settings } }").await;
    assert_eq!(data["users"][0], json!({"avatarUrl": "https://example.org/nobody.png", "bio": "", "settings": {}}));
    assert_eq!(api.ask(old).await.body, before);
}

#[tokio::test]
async fn seed_03_deprecated_keys_say_so_and_still_answer() {
    let api = people().await;
    let reason = "Use name field instead. Will be removed in v2.0";
    api.db
        .script(&format!(
            "create or replace view v_user with (security_invoker = true) as select id, email,
                jsonb_build_object('__typename', 'User', 'id', id, 'name', name, 'username', name,
                    '__deprecated', jsonb_build_object('username', '{reason}')) as data from people;"
        ))
        .await;
    api.reload().await;
    let fields = async |with: bool| {
        let query = format!(
            "{{ __type(name: \"User\") {{ fields(includeDeprecated: {with}) {{ name isDeprecated deprecationReason }} }} }}"
        );
        api.data(&query).await["__type"]["fields"].as_array().unwrap().clone()
    };
    let username = json!({"name": "username", "isDeprecated": true, "deprecationReason": reason});
    assert!(fields(true).await.contains(&username));
    let names: Vec<_> = fields(false).await.iter().map(|field| field["name"].clone()).collect();
    assert_eq!(names, ["id", "name"]);
    let data = api.data("{ users(orderBy: [{email: AscNullsLast}]) { username } }").await;
    assert_eq!(data["users"][0]["username"], "Ann");
}

#[tokio::test]
async fn seed_04_comments_describe() {
    let api = people().await;
    api.db
        .script(
            "comment on column v_user.data is 'Somebody who signs in.';
             comment on view v_user is 'All who may sign in.';",
        )
        .await;
    api.reload().await;
    let data = api
        .data(
            "{ __type(name: \"User\") { description }
               __schema { queryType { fields { name description } } } }",
        )
        .await;
    assert_eq!(data["__type"]["description"], "Somebody who signs in.");
    let fields = data["__schema"]["queryType"]["fields"].as_array().unwrap();
    assert!(fields.contains(&json!({"name": "users", "description": "All who may sign in."})), "{fields:?}");
}

#[tokio::test]
async fn seed_05_versions_of_an_api_stand_side_by_side() {
    let mut setup = Setup::default();
    // The first is the default: the latest.
    setup.graphql.schemas = ["api_v2", "api_v1", "public"].map(ferrobase_base::config::Identifier::from_static).into();
    let api = setup
        .start(&format!(
            "{PEOPLE}
             alter table people add avatar_url text default 'a.png', add bio text default 'Hello';
             insert into people (email, name) values ('cid@example.org', 'Cid');
             create schema api_v1; create schema api_v2;
             grant usage on schema api_v1, api_v2 to anon, authenticated;
             create view api_v1.users with (security_invoker = true) as
                select id, jsonb_build_object('id', id, 'email', email, 'fullName', name) as data from people;
             create view api_v2.users with (security_invoker = true) as
                select id, jsonb_build_object('id', id, 'email', email, 'name', name,
                    'profile', jsonb_build_object('avatar', avatar_url, 'bio', bio)) as data from people;
             grant select on all tables in schema api_v1, api_v2 to anon, authenticated;"
        ))
        .await;
    let one = format!("(where: {{id: {{eq: \"{ANN}\"}}}})");
    let ask = async |profile: &str, fields: &str| {
        let query = format!("{{ users{one} {{ {fields} }} }}");
        let profile = [("content-profile", profile)];
        api.ask_with(if profile[0].1.is_empty() { &[] } else { &profile }, &query, json!(null)).await
    };
    let first = ask("api_v1", "fullName email").await.json();
    assert_eq!(first["data"]["users"], json!([{"fullName": "Ann", "email": "ann@example.org"}]));
    for profile in ["api_v2", ""] {
        let second = ask(profile, "name profile { avatar bio __typename }").await.json();
        let profile = json!({"avatar": "a.png", "bio": "Hello", "__typename": "UserProfile"});
        assert_eq!(second["data"]["users"], json!([{"name": "Ann", "profile": profile}]));
    }
    assert_eq!(ask("api_v1", "name").await.code(), "GRAPHQL_VALIDATION_FAILED");
    assert_eq!(ask("api_v2", "fullName").await.code(), "GRAPHQL_VALIDATION_FAILED");
    // The seed puts the newest version in place of a view that has more columns, which PostgreSQL does not do.
    assert_eq!(api.refused("create or replace view public.v_user as select * from api_v2.users").await, "42P16");
    let both = "begin; drop view public.v_user;
        create view public.v_user with (security_invoker = true) as select * from api_v2.users; commit;";
    assert_eq!(api.refused(both).await, "");
}

#[tokio::test]
async fn seed_06_layers_of_views_are_one_statement() {
    // Objects without a name that fewer than three documents show.
    let declared = r#"@graphql({"fields": {"inventory": {"in_stock": "Int", "reserved": "Int", "available": "Int"},
        "reviews": [{"id": "ID", "rating": "Int", "user": "User"}]}})"#;
    let api = api(&format!(
        "{PEOPLE}
         create table categories (id int primary key, name text);
         create table products (id int primary key, sku text, name text, price numeric(10,2), category_id int references categories);
         create table stock (product_id int references products, quantity int, reserved int);
         create table reviews (id int primary key, product_id int references products, user_id uuid references people,
                               rating int, comment text, created_at timestamptz);
         insert into categories values (1, 'Tools');
         insert into products values (1, 'H-1', 'Hammer', 10, 1), (2, 'N-1', 'Nail', 0.10, null);
         insert into stock values (1, 5, 2), (1, 10, 1);
         insert into reviews select n, 1, '{ANN}', n % 5 + 1, 'c' || n, timestamptz '2026-01-01' + n * interval '1 day'
            from generate_series(1, 12) n;
         create view v_category with (security_invoker = true) as
            select id, jsonb_build_object('__typename', 'Category', 'id', id, 'name', name) as data from categories;
         create view v_base_products with (security_invoker = true) as select id, sku, name, price, category_id,
            jsonb_build_object('__typename', 'Product', 'id', id, 'sku', sku, 'name', name, 'price', price) as data from products;
         create view v_products_full with (security_invoker = true) as select p.id, p.sku, p.price,
            jsonb_build_object('__typename', 'ProductFull', 'id', p.id, 'sku', p.sku, 'name', p.name, 'price', p.price,
                'category', c.data,
                'inventory', (select jsonb_build_object('in_stock', coalesce(sum(quantity), 0), 'reserved', coalesce(sum(reserved), 0),
                                  'available', coalesce(sum(quantity - reserved), 0)) from stock where product_id = p.id),
                'reviews', (select coalesce(jsonb_agg(last.data order by last.created_at desc), '[]') from (
                    select r.created_at, jsonb_build_object('id', r.id, 'rating', r.rating, 'user', u.data) as data
                    from reviews r join v_user u on u.id = r.user_id where r.product_id = p.id
                    order by r.created_at desc limit 10) as last)) as data
            from v_base_products p left join v_category c on c.id = p.category_id;
         comment on column v_products_full.data is '{declared}';"
    ))
    .await;
    let plans = Plans::record();
    let query = "{ productsFull(where: {sku: {eq: \"H-1\"}}) { name price category { __typename name }
        inventory { inStock available } reviews { id rating user { name } } none: reviews(first: 0) { id }
        two: reviews(first: 1, offset: 1) { id } } }";
    let product = api.data(query).await["productsFull"][0].take();
    assert_eq!(plans.count(), 1);
    assert_eq!((&product["name"], &product["price"]), (&json!("Hammer"), &json!(10.00)));
    assert_eq!(product["category"], json!({"__typename": "Category", "name": "Tools"}));
    assert_eq!(product["inventory"], json!({"inStock": 15, "available": 12}));
    let reviews = product["reviews"].as_array().unwrap();
    assert_eq!(reviews.len(), 10);
    assert_eq!(reviews[0], json!({"id": "12", "rating": 3, "user": {"name": "Ann"}}));
    assert_eq!((&product["none"], &product["two"]), (&json!([]), &json!([{"id": "11"}])));
    // Without a category and without reviews there is a product all the same.
    let none = api.data("{ productsFull(where: {sku: {eq: \"N-1\"}}) { category { name } reviews { id } } }").await;
    assert_eq!(none["productsFull"], json!([{"category": null, "reviews": []}]));
    // The seed's LIMIT beside the aggregate limits the one row of the aggregate.
    let seeds =
        "select jsonb_array_length((select jsonb_agg(r.id order by r.created_at desc) from reviews r limit 10))";
    assert_eq!(api.value(seeds).await, "12");
}

#[tokio::test]
async fn seed_07_a_view_with_arguments_shows_each_caller_what_is_theirs() {
    let declared = r#"@graphql({"fields": {"phone": "String", "privateNotes": "String",
        "stats": {"post_count": "Int", "follower_count": "Int"}}})"#;
    let api = api(&format!(
        "{PEOPLE}
         alter table people add phone text default '555', add private_notes text default 'noted';
         create table posts (id int primary key, author_id uuid references people);
         create table follows (followed_id uuid references people);
         insert into posts values (1, '{ANN}'), (2, '{ANN}');
         insert into follows values ('{ANN}');
         create function v_user_contextual(p_viewer_role text default 'public', p_viewer_id uuid default null)
            returns table (id uuid, email text, data jsonb) language plpgsql stable as $$ begin return query
            select u.id, case when p_viewer_role in ('admin', 'moderator') or u.id = p_viewer_id then u.email end,
                jsonb_build_object('__typename', 'ContextualUser', 'id', u.id, 'name', u.name,
                    'email', case when p_viewer_role in ('admin', 'moderator') or u.id = p_viewer_id then u.email else '[hidden]' end,
                    'phone', case when p_viewer_role = 'admin' or u.id = p_viewer_id then u.phone end,
                    'viewer', p_viewer_role,
                    'stats', case when p_viewer_role in ('admin', 'moderator') or u.id = p_viewer_id then
                        jsonb_build_object('post_count', (select count(*) from posts where author_id = u.id),
                            'follower_count', (select count(*) from follows where followed_id = u.id)) end) as data
            from people u; end $$;
         comment on function v_user_contextual is '{declared}';"
    ))
    .await;
    let query =
        "{ userContextual(orderBy: [{id: AscNullsLast}]) { name email phone stats { postCount followerCount } } }";
    let hidden = |name: &str| json!({"name": name, "email": "[hidden]", "phone": null, "stats": null});
    let ann = json!({"name": "Ann", "email": "ann@example.org", "phone": "555", "stats": {"postCount": 2, "followerCount": 1}});
    let without_phone = |mut user: serde_json::Value| {
        user["phone"] = json!(null);
        user
    };
    assert_eq!(api.data(query).await["userContextual"], json!([hidden("Ann"), hidden("Bob")]));
    let own = api.data_as(json!({"role": "authenticated", "sub": ANN}), query).await;
    assert_eq!(own["userContextual"], json!([ann, hidden("Bob")]));
    let moderator = json!({"role": "authenticated", "app_metadata": {"role": "moderator"}});
    assert_eq!(api.data_as(moderator, query).await["userContextual"][0], without_phone(ann.clone()));
    let admin = json!({"role": "authenticated", "user_role": "admin"});
    let all = api.data_as(admin, query).await;
    assert_eq!((&all["userContextual"][0], &all["userContextual"][1]["phone"]), (&ann, &json!("555")));
    // What users say about themselves decides nothing, and no argument can be given.
    let posing = json!({"role": "authenticated", "user_metadata": {"role": "admin"}});
    assert_eq!(api.data_as(posing, query).await["userContextual"][0], hidden("Ann"));
    for argument in ["viewerRole: \"admin\"", "p_viewer_role: \"admin\"", "pViewerRole: \"admin\""] {
        let answer = api.ask(&format!("{{ userContextual({argument}) {{ email }} }}")).await;
        assert_eq!(answer.code(), "GRAPHQL_VALIDATION_FAILED");
    }
    let one = api.data("{ userContextual(where: {email: {is: NOT_NULL}}) { name } }").await;
    assert_eq!(one, json!({"userContextual": []}), "filters see what the caller sees");
}
