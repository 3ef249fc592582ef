//! The seed's checklist, 15 to 17: trees by parents and by paths of labels.

use serde_json::json;

use crate::harness::{Api, api};

/// The id of a category.
fn id(number: u32) -> String {
    format!("00000000-0000-4000-8000-{number:012}")
}

fn tree(name: &str) -> String {
    format!(
        "create view v_category_tree with (security_invoker = true) as
         with recursive category_tree as (
            select id, parent_id, name, 0 as depth, array[id] as path, array[{name}] as breadcrumb
            from categories where parent_id is null
            union all
            select c.id, c.parent_id, c.name, t.depth + 1, t.path || c.id, t.breadcrumb || c.name
            from categories c join category_tree t on c.parent_id = t.id where t.depth < 10)
         select id, depth, jsonb_build_object('__typename', 'CategoryTree', 'id', id, 'name', name, 'depth', depth, 'path', path,
            'breadcrumb', breadcrumb, 'parent_id', parent_id,
            'children', (select coalesce(jsonb_agg(jsonb_build_object('id', c.id, 'name', c.name) order by c.sort_order, c.name), '[]')
                from categories c where c.parent_id = category_tree.id)) as data
         from category_tree order by path;"
    )
}

/// Two roots, and below the first a chain of twelve.
async fn categories() -> Api {
    let (first, last) = (id(1), id(99));
    api(&format!(
        "comment on schema public is '@graphql({{\"inflect_names\": true, \"parameter_prefix\": \"p_\"}})';
         create table categories (id uuid primary key, parent_id uuid references categories, name varchar(100) not null,
                                  sort_order int default 0);
         insert into categories select ('00000000-0000-4000-8000-' || lpad(n::text, 12, '0'))::uuid,
            case when n > 1 then ('00000000-0000-4000-8000-' || lpad((n - 1)::text, 12, '0'))::uuid end, 'c' || n
            from generate_series(1, 13) n;
         insert into categories values ('{last}', null, 'Other', 0), ('00000000-0000-4000-8000-000000000050', '{first}', 'side', -1);
         {}
         create function get_category_ancestors(p_category_id uuid) returns table (id uuid, name varchar(100), level int)
            language sql stable as $$
            with recursive ancestors as (
                select c.id, c.parent_id, c.name, 0 as level from categories c where c.id = p_category_id
                union all
                select c.id, c.parent_id, c.name, a.level + 1 from categories c join ancestors a on c.id = a.parent_id)
            select a.id, a.name, a.level from ancestors a order by a.level desc $$;",
        tree("name::text")
    ))
    .await
}

#[tokio::test]
async fn seed_15_a_tree_is_read_depth_first_and_ends_somewhere() {
    let api = categories().await;
    let data = api.data("{ categoryTree { name depth path breadcrumb children { name } } }").await;
    let all = data["categoryTree"].as_array().unwrap();
    let names: Vec<_> = all.iter().map(|one| one["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["c1", "c2", "c3", "c4", "c5", "c6", "c7", "c8", "c9", "c10", "c11", "side", "Other"]);
    assert_eq!(all[10]["depth"], 10, "the twelfth is too deep");
    assert_eq!(
        all[1],
        json!({"name": "c2", "depth": 1, "path": [id(1), id(2)], "breadcrumb": ["c1", "c2"], "children": [{"name": "c3"}]})
    );
    assert_eq!(all[0]["children"], json!([{"name": "side"}, {"name": "c2"}]), "in their own order");
    assert_eq!(all[12]["children"], json!([]));
    let deep =
        api.data("{ categoryTree(where: {depth: {gte: 9}}, orderBy: [{depth: DescNullsLast}]) { depth } }").await;
    assert_eq!(deep["categoryTree"], json!([{"depth": 10}, {"depth": 9}]));
    // The seed's names of 100 characters become names of any length on the way down, which a recursion does not take.
    assert_eq!(api.refused(&tree("name").replace("v_category_tree", "v_seeds")).await, "42804");
}

#[tokio::test]
async fn seed_16_ancestors_come_from_the_root() {
    let api = categories().await;
    let query = format!("{{ getCategoryAncestors(categoryId: \"{}\") {{ __typename name level }} }}", id(3));
    let row = |name: &str, level: u32| json!({"__typename": "GetCategoryAncestorsRow", "name": name, "level": level});
    assert_eq!(api.data(&query).await["getCategoryAncestors"], json!([row("c1", 2), row("c2", 1), row("c3", 0)]));
    let none = format!("{{ getCategoryAncestors(categoryId: \"{}\") {{ id }} }}", id(4711));
    assert_eq!(api.data(&none).await["getCategoryAncestors"], json!([]));
}

#[tokio::test]
async fn seed_17_paths_of_labels_are_filters() {
    let api = api("create extension if not exists ltree with schema extensions;
        create table labels (id int primary key, name text not null, path extensions.ltree not null unique);
        create index labels_path on labels using gist (path);
        insert into labels values (1, 'Electronics', 'electronics'), (2, 'Computers', 'electronics.computers'),
            (3, 'Laptops', 'electronics.computers.laptops'), (4, 'Gaming', 'electronics.computers.laptops.gaming');
        create view v_category_descendants with (security_invoker = true) as select c.id, c.name, c.path,
            jsonb_build_object('__typename', 'CategoryNode', 'id', c.id, 'name', c.name, 'path', c.path::text,
                'depth', extensions.nlevel(c.path),
                'descendants', (select coalesce(jsonb_agg(jsonb_build_object('id', d.id, 'name', d.name) order by d.path), '[]')
                    from labels d where d.path operator(extensions.<@) c.path and d.id <> c.id)) as data
            from labels c;")
    .await;
    let ask = async |filter: &str| {
        let query = format!(
            "{{ categoryDescendants(where: {{path: {filter}}}, orderBy: [{{path: AscNullsLast}}]) {{ name depth }} }}"
        );
        let data = api.data(&query).await;
        data["categoryDescendants"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| one["name"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(ask("{descendantOf: \"electronics.computers\"}").await, ["Computers", "Laptops", "Gaming"]);
    assert_eq!(ask("{ancestorOf: \"electronics.computers\"}").await, ["Electronics", "Computers"]);
    assert_eq!(ask("{matches: \"*.laptops.*\"}").await, ["Laptops", "Gaming"]);
    assert_eq!(ask("{eq: \"electronics\"}").await, ["Electronics"]);
    let leaf = api.data("{ categoryDescendants(where: {id: {eq: 4}}) { depth path descendants { name } } }").await;
    let path = "electronics.computers.laptops.gaming";
    assert_eq!(leaf["categoryDescendants"], json!([{"depth": 4, "path": path, "descendants": []}]));
    // The seed's aggregate of nothing is NULL, not an empty list.
    assert_eq!(api.value("select (select jsonb_agg(1) from labels where false) is null").await, "t");
}
