//! Similar texts and near places, where PostgreSQL has the extensions for them.

use serde_json::{Value, json};

use crate::harness::{Api, api};

/// Whether this PostgreSQL can have an extension; says so when it cannot.
async fn can_have(name: &str) -> bool {
    let database = ferrobase_testkit::database().await;
    let sql = format!("select count(*) from pg_available_extensions where name = '{name}'");
    let found = database.connect().await.query(&sql, &[]).await.expect("an answer");
    let found = found.rows.first().and_then(|row| row.text(0)) == Some("1");
    if !found {
        eprintln!("skipped: this PostgreSQL has no {name}");
    }
    found
}

async fn names(api: &Api, query: &str) -> Vec<String> {
    let rows = api.get(query).await;
    rows.as_array().expect("rows").iter().filter_map(|row| row["name"].as_str().map(str::to_owned)).collect()
}

const BOOKS: &str = "
create table public.books (id int primary key, name text, owner text not null default 'anon');
insert into public.books values
  (1, 'Compilers', 'anon'), (2, 'Compiler construction in practice', 'anon'), (3, 'Cooking', 'anon'), (4, null, 'anon'),
  (5, 'Compilers', 'other');
create index on public.books using gist (name extensions.gist_trgm_ops);
alter table public.books enable row level security;
create policy own on public.books using (owner = current_user);
";

#[tokio::test]
async fn texts_that_are_alike() {
    if !can_have("pg_trgm").await {
        return;
    }
    let api = api(&format!("create extension pg_trgm schema extensions; {BOOKS}")).await;
    assert_eq!(names(&api, "/books?name=fuzzy.compilrs&order=id").await, ["Compilers"]);
    assert_eq!(
        names(&api, "/books?name=fuzzyword.compilr&order=id").await,
        ["Compilers", "Compiler construction in practice"]
    );
    assert_eq!(names(&api, "/books?name=not.fuzzyword.compilr").await, ["Cooking"]);
    assert_eq!(
        names(&api, "/books?or=(name.fuzzy.coking,name.fuzzy.\"compilrs\")&order=id").await,
        ["Compilers", "Cooking"]
    );
    let ordered = api.get("/books?select=id&order=name.similarity(compilers)").await;
    assert_eq!(ordered, json!([{"id": 1}, {"id": 2}, {"id": 3}, {"id": 4}]), "the most similar first, NULL last");
    let ordered = api.get("/books?select=id&order=name.similarity(compilers).asc.nullsfirst").await;
    assert_eq!(ordered, json!([{"id": 4}, {"id": 3}, {"id": 2}, {"id": 1}]));
    let page = api.send("GET /books?select=id&order=name.similarity(compilers)&limit=2&cursor=first", &[], "").await;
    let next =
        page.field("link").split('>').next().and_then(|link| link.strip_prefix("<?")).expect("a link").to_owned();
    assert_eq!(api.get(&format!("/books?{next}")).await, json!([{"id": 3}, {"id": 4}]));
    let quoted = names(&api, "/books?name=fuzzy.'; drop table books; --").await;
    assert_eq!(quoted, Vec::<String>::new());
}

#[tokio::test]
async fn an_extension_that_is_missing_is_named() {
    let api = api("create table public.books (id int primary key, name text)").await;
    for (line, hint) in [
        ("GET /books?name=fuzzy.x", "create extension pg_trgm schema extensions"),
        ("GET /books?order=name.similarity(x)", "create extension pg_trgm schema extensions"),
        ("GET /books?name=within.(1,1,1)", "create extension postgis schema extensions"),
        ("GET /books?order=name.distance(1,1)", "create extension postgis schema extensions"),
    ] {
        let answer = api.send(line, &[], "").await;
        assert_eq!((answer.status.as_u16(), answer.code().as_str()), (400, "FB127"), "{line}");
        assert_eq!(answer.json()["hint"], hint);
    }
}

const CITIES: &str = "
create table public.cities (
  id int primary key, name text not null,
  place extensions.geography(Point,4326), spot extensions.geometry(Point,4326),
  metric extensions.geometry(Point,3857), loose extensions.geometry
);
insert into public.cities (id, name, place)
  select id, name, extensions.st_point(lon, lat)::extensions.geography from (values
    (1, 'Berlin', 13.405, 52.52), (2, 'Potsdam', 13.064, 52.4), (3, 'Paris', 2.35, 48.857),
    (4, 'Suva', 178.44, -18.14), (5, 'Apia', -171.76, -13.83), (6, 'Alert', -62.3, 82.5)
  ) as city(id, name, lon, lat);
update public.cities set spot = place::extensions.geometry, loose = extensions.st_setsrid(place::extensions.geometry, 0);
update public.cities set metric = extensions.st_transform(spot, 3857);
insert into public.cities (id, name) values (7, 'Nowhere');
create index on public.cities using gist (place);
create index on public.cities using gist (spot);
";

#[tokio::test]
async fn places_that_are_near() {
    if !can_have("postgis").await {
        return;
    }
    let api = api(&format!("create extension postgis schema extensions; {CITIES}")).await;
    for column in ["place", "spot", "metric", "loose"] {
        let near = |query: &str| format!("/cities?select=name&order=id&{}", query.replace("place", column));
        assert_eq!(names(&api, &near("place=within.(30000,13.4,52.5)")).await, ["Berlin", "Potsdam"], "{column}");
        assert_eq!(names(&api, &near("place=within.(20000,13.4,52.5)")).await, ["Berlin"], "{column}");
        assert_eq!(names(&api, &near("place=within.(0,0,0)")).await, Vec::<String>::new(), "{column}");
        // Over the date line, and near the pole.
        assert_eq!(names(&api, &near("place=within.(1200000,-179.9,-16)")).await, ["Suva", "Apia"], "{column}");
        assert_eq!(names(&api, &near("place=within.(900000,120,89.9)")).await, ["Alert"], "{column}");
        let ordered = format!("/cities?select=name&order={column}.distance(2,48)&limit=3");
        assert_eq!(names(&api, &ordered).await, ["Paris", "Potsdam", "Berlin"], "{column}");
        let tree = near("or=(place.within.(1000,2.35,48.857),name.eq.Suva)");
        assert_eq!(names(&api, &tree).await, ["Paris", "Suva"], "{column}");
    }
    assert_eq!(names(&api, "/cities?order=place.distance(0,0).desc.nullslast&limit=1").await, ["Apia"]);
    for query in [
        "place=within.(1,2)",
        "place=within.(x,1,1)",
        "place=within.(-1,1,1)",
        "place=within.(1,52.5,113)",
        "place=within.(1,1,1e999)",
        "name=within.(1,1,1)",
        "order=name.distance(1,1)",
        "order=place.distance(1)",
        "nothing=within.(1,1,1)",
    ] {
        let answer = api.send(&format!("GET /cities?{query}"), &[], "").await;
        assert_eq!((answer.status.as_u16(), answer.code().as_str()), (400, "FB128"), "{query}");
    }
}

/// The nodes of a plan that use an index, with sequential scans made dear.
async fn indexes(api: &Api, query: &str) -> String {
    let answer = api.send(&format!("GET {query}"), &[("accept", "application/vnd.pgrst.plan+json")], "").await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let plan: Value = answer.json();
    plan.to_string()
}

#[tokio::test]
async fn indexes_can_answer() {
    use crate::harness::Setup;
    use ferrobase_rest::config::RestSection;
    let documents = "
        create table public.docs (id int primary key, data jsonb not null, n int not null);
        insert into public.docs select i, jsonb_build_object('k' || i, i, 'n', i), i from generate_series(1, 3000) i;
        create index docs_data on public.docs using gin (data);
        create index docs_n on public.docs (n, id);
        analyze public.docs;";
    let mut sql = documents.to_owned();
    let (trigrams, places) = (can_have("pg_trgm").await, can_have("postgis").await);
    if trigrams {
        sql += "create extension pg_trgm schema extensions;
            alter table public.docs add name text;
            update public.docs set name = md5(id::text);
            create index docs_name on public.docs using gist (name extensions.gist_trgm_ops);";
    }
    if places {
        sql += "create extension postgis schema extensions;
            alter table public.docs add place extensions.geography(Point,4326), add spot extensions.geometry(Point,4326);
            update public.docs set place = extensions.st_point(id / 100.0, id / 100.0)::extensions.geography;
            update public.docs set spot = place::extensions.geometry;
            create index docs_place on public.docs using gist (place);
            create index docs_spot on public.docs using gist (spot);";
    }
    let rest = RestSection { plan_enabled: true, ..RestSection::default() };
    let api = Setup { rest, ..Setup::default() }.start("").await;
    api.db.script(&sql).await;
    api.db.script("vacuum analyze public.docs").await;
    api.reload().await;
    let mut wanted = vec![
        ("/docs?select=id&data=has.k7", "docs_data"),
        ("/docs?select=id&data=hasany.(k7,k8)", "docs_data"),
        ("/docs?select=id&data=hasall.(k7,k8)", "docs_data"),
        ("/docs?select=id&data=cs.{\"k7\":7}", "docs_data"),
        ("/docs?select=id&data=jsonpath.$.k7 ? (@ == 7)", "docs_data"),
        ("/docs?select=id&data=jsonmatch.$.n == 7", "docs_data"),
    ];
    if trigrams {
        wanted.push(("/docs?select=id&order=name.similarity(abc)&limit=3", "docs_name"));
        wanted.push(("/docs?select=id&name=fuzzy.c4ca4238a0b923820dcc509a6f75849b", "docs_name"));
    }
    if places {
        wanted.push(("/docs?select=id&place=within.(100,1,1)", "docs_place"));
        wanted.push(("/docs?select=id&spot=within.(100,1,1)", "docs_spot"));
        wanted.push(("/docs?select=id&order=place.distance(1,1)&limit=3", "docs_place"));
    }
    for (query, index) in wanted {
        let plan = indexes(&api, query).await;
        assert!(plan.contains(index), "{query}: {plan}");
    }
    // A page deep in a list begins its scan where the last one ended.
    let page = api.send("GET /docs?select=id&order=n&limit=10&n=gt.2000&cursor=first", &[], "").await;
    let next =
        page.field("link").split('>').next().and_then(|link| link.strip_prefix("<?")).expect("a link").to_owned();
    let plan = indexes(&api, &format!("/docs?{}", next.replace("n=gt.2000&", ""))).await;
    assert!(plan.contains("docs_n") && plan.contains("Index Cond") && !plan.contains("\"Sort\""), "{plan}");
}
