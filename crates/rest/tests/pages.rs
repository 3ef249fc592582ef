//! Pages by cursor: every row once, in both directions, whatever the order.

use serde_json::{Value, json};

use crate::harness::{Answer, Api, Setup, api};

/// The target of a link of this kind, as a query string.
fn link<'a>(answer: &'a Answer, rel: &str) -> Option<&'a str> {
    let wanted = format!("rel=\"{rel}\"");
    let one = answer.field("link").split(", ").find(|link| link.ends_with(&wanted))?;
    Some(one.strip_prefix("<?").expect("a query").split_once('>').expect("an end").0)
}

fn rows(answer: &Answer) -> Vec<Value> {
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json().as_array().expect("a list").clone()
}

/// All pages from a query on, following links of a kind.
async fn walk(api: &Api, relation: &str, query: &str, rel: &str) -> Vec<Vec<Value>> {
    let (mut pages, mut query) = (Vec::new(), query.to_owned());
    for _ in 0..200 {
        let answer = api.send(&format!("GET /{relation}?{query}"), &[], "").await;
        pages.push(rows(&answer));
        match link(&answer, rel) {
            Some(next) => query = next.to_owned(),
            None => return pages,
        }
    }
    panic!("{relation}?{query} has no end");
}

const NOTES: &str = "
create table public.notes (
  id int primary key, grp text, score numeric, made timestamptz, flag boolean, data jsonb, title text not null
);
insert into public.notes
  select i, nullif((array['a', 'b', 'ü', ''])[1 + i % 4], ''), nullif(i % 5, 0) / 2.0,
    case when i % 7 <> 0 then timestamptz '2024-01-01 00:00:00.123456+02' + (i % 3) * interval '1 hour' end,
    nullif(i % 3, 0) = 1, case when i % 6 <> 0 then jsonb_build_object('n', i % 4, 't', 'x' || i % 2) end,
    'Title ' || i % 10
  from generate_series(1, 60) i;
create view public.note_view with (security_invoker = true) as select * from public.notes;
create view public.grouped with (security_invoker = true) as
  select grp, count(*) as n from public.notes group by grp;
create table public.keyless (a int, b int);
insert into public.keyless select i % 3, i from generate_series(1, 10) i;
create table public.half_unique (a int unique, b int not null unique);
insert into public.half_unique select nullif(i % 4, 0) * 10 + i, i from generate_series(1, 12) i;
create table public.people (id int primary key, name text);
create table public.books (id int primary key, author int references public.people, title text);
insert into public.people values (1, 'Z'), (2, 'A'), (3, null);
insert into public.books select i, nullif(i % 4, 0), 'b' || i from generate_series(1, 11) i;
";

#[tokio::test]
async fn pages_lead_on_and_back() {
    let api = api(NOTES).await;
    let first = api.send("GET /notes?select=id&order=id&limit=3&id=lte.8&cursor=first", &[], "").await;
    assert_eq!(first.json(), json!([{"id": 1}, {"id": 2}, {"id": 3}]));
    assert_eq!(link(&first, "prev"), None);
    let next = link(&first, "next").expect("more").to_owned();
    assert!(next.starts_with("id=lte.8&limit=3&order=id&select=id&cursor="), "{next}");
    let second = api.send(&format!("GET /notes?{next}"), &[], "").await;
    assert_eq!(second.json(), json!([{"id": 4}, {"id": 5}, {"id": 6}]));
    let third = api.send(&format!("GET /notes?{}", link(&second, "next").expect("more")), &[], "").await;
    assert_eq!((third.json(), link(&third, "next")), (json!([{"id": 7}, {"id": 8}]), None));
    let back = api.send(&format!("GET /notes?{}", link(&third, "prev").expect("before")), &[], "").await;
    assert_eq!(back.json(), second.json());
    let start = api.send(&format!("GET /notes?{}", link(&back, "prev").expect("before")), &[], "").await;
    assert_eq!((start.json(), link(&start, "prev")), (first.json(), None));
    let last = api.send("GET /notes?select=id&order=id&limit=3&id=lte.8&cursor=last", &[], "").await;
    assert_eq!((last.json(), link(&last, "next")), (json!([{"id": 6}, {"id": 7}, {"id": 8}]), None));
    assert!(link(&last, "prev").is_some());
}

#[tokio::test]
async fn every_row_is_on_one_page_in_both_directions() {
    let api = api(NOTES).await;
    for order in [
        "",
        "id.desc",
        "grp",
        "grp.desc",
        "grp.nullsfirst,score.desc.nullslast",
        "score.desc,grp.asc.nullsfirst,flag",
        "made.desc.nullslast,title",
        "title",
        "title.desc,id.desc",
        "flag,made,score,grp.desc",
        "data->n.desc,data->>t",
        "title,grp.desc.nullslast,id",
    ] {
        let order = if order.is_empty() { String::new() } else { format!("&order={order}") };
        let key = if order.contains("id") || order.is_empty() { "" } else { ",id" };
        let whole = format!("/notes?select=id&limit=1000{order}{key}");
        let wanted = api.get(&whole).await.as_array().expect("rows").clone();
        for limit in [1, 4, 7, 60] {
            let from = |cursor: &str| format!("select=id&limit={limit}{order}&cursor={cursor}");
            let on = walk(&api, "notes", &from("first"), "next").await;
            assert_eq!(on.concat(), wanted, "{order} {limit} forward");
            let mut back = walk(&api, "notes", &from("last"), "prev").await;
            back.reverse();
            assert_eq!(back.concat(), wanted, "{order} {limit} backward");
        }
    }
}

#[tokio::test]
async fn random_lists_are_walked_whole() {
    let api = api("create table public.r (a int, b text, c float8, k1 int, k2 int, primary key (k1, k2))").await;
    let directions = ["", ".asc", ".desc", ".desc.nullslast", ".nullsfirst", ".asc.nullslast", ".desc.nullsfirst"];
    // A small generator of its own: the cases are the same in every run.
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut random = move |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state % below as u64).expect("small")
    };
    for round in 0..25 {
        let count = random(40);
        let seed = random(1000);
        api.db
            .script(&format!(
                "truncate public.r; select setseed({seed}::float8 / 1000);
                 insert into public.r select nullif(floor(random() * 4)::int, 0), nullif(chr(64 + floor(random() * 3)::int), '@'),
                   (array[null, 'NaN', '-0', '0', 'Infinity', '0.1'])[1 + floor(random() * 6)::int]::float8, i % 7, i
                 from generate_series(1, {count}) i"
            ))
            .await;
        let columns: Vec<&str> = ["a", "b", "c"].into_iter().filter(|_| random(3) > 0).collect();
        let terms: Vec<String> =
            columns.iter().map(|column| format!("{column}{}", directions[random(directions.len())])).collect();
        let limit = 1 + random(9);
        let order = terms.join(",");
        let whole = if order.is_empty() { "k1,k2".to_owned() } else { format!("{order},k1,k2") };
        let wanted = api.get(&format!("/r?select=k1,k2&limit=1000&order={whole}")).await;
        let order = if order.is_empty() { order } else { format!("&order={order}") };
        for (cursor, rel) in [("first", "next"), ("last", "prev")] {
            let query = format!("select=k1,k2&limit={limit}{order}&cursor={cursor}");
            let mut pages = walk(&api, "r", &query, rel).await;
            if rel == "prev" {
                pages.reverse();
            }
            assert_eq!(json!(pages.concat()), wanted, "round {round}: {query}");
        }
    }
}

#[tokio::test]
async fn rows_come_and_go_between_pages() {
    let api = api(NOTES).await;
    let first = api.send("GET /notes?select=id&order=title&limit=4&cursor=first", &[], "").await;
    let seen = rows(&first);
    api.db
        .script(
            "insert into public.notes (id, title) values (-1, 'A'), (1000, 'Z');
             delete from public.notes where id in (select id from public.notes order by title, id limit 1 offset 5)",
        )
        .await;
    let rest = walk(&api, "notes", link(&first, "next").expect("more"), "next").await.concat();
    let wanted = api.value("select count(*) from public.notes where id > 0").await;
    assert_eq!((seen.len() + rest.len()).to_string(), wanted);
    assert!(seen.iter().all(|row| !rest.contains(row)));
    // The row of the cursor itself is gone: its place is still there.
    let second = link(&first, "next").expect("more").to_owned();
    api.db.script(&format!("delete from public.notes where id = {}", seen[3]["id"])).await;
    assert_eq!(walk(&api, "notes", &second, "next").await.concat(), rest);
    // Nothing is left behind it: the way back is the list's end.
    api.db.script("delete from public.notes where title > 'Title 0' or id > 40").await;
    let empty = api.send(&format!("GET /notes?{second}"), &[], "").await;
    assert_eq!(rows(&empty), Vec::<Value>::new());
    let back = link(&empty, "prev").expect("the end").to_owned();
    assert!(back.ends_with("cursor=last"), "{back}");
}

#[tokio::test]
async fn pages_have_embeds_filters_and_counts() {
    let api = api(NOTES).await;
    let query = "select=title,people(name)&order=people(name).desc.nullslast&limit=4&id=gt.1&cursor=first";
    let pages = walk(&api, "books", query, "next").await;
    let titles: Vec<&str> = pages.iter().flatten().filter_map(|row| row["title"].as_str()).collect();
    assert_eq!(titles, ["b5", "b9", "b2", "b6", "b10", "b3", "b4", "b7", "b8", "b11"]);
    let counted = api.send(&format!("GET /books?{query}"), &[("prefer", "count=exact")], "").await;
    assert_eq!(
        (counted.status.as_u16(), counted.field("content-range"), counted.field("x-total-count")),
        (200, "*/10", "10")
    );
    let lists = "select=name,books(id)&order=name&limit=1&books.order=id&cursor=first";
    let people = walk(&api, "people", lists, "next").await;
    assert_eq!(people[0][0], json!({"name": "A", "books": [{"id": 2}, {"id": 6}, {"id": 10}]}));
    assert_eq!(people.len(), 3);
    let head = api.send("HEAD /books?order=id&limit=2&cursor=first", &[], "").await;
    assert_eq!((head.status.as_u16(), head.body.as_str()), (200, ""));
    assert!(link(&head, "next").is_some());
    let by_header = api.send("GET /books?select=id&cursor=first", &[("range", "0-1")], "").await;
    assert_eq!(by_header.json(), json!([{"id": 1}, {"id": 2}]));
    let stripped = [("accept", "application/vnd.pgrst.array+json;nulls=stripped")];
    let stripped = api.send("GET /books?select=id,author&id=eq.4&cursor=first", &stripped, "").await;
    assert_eq!(stripped.json(), json!([{"id": 4}]));
}

#[tokio::test]
async fn the_body_is_that_of_a_list() {
    let api = api(NOTES).await;
    let list = api.send("GET /notes?order=id&limit=5", &[], "").await;
    let page = api.send("GET /notes?order=id&limit=5&cursor=first", &[], "").await;
    assert_eq!(page.json(), list.json());
}

#[tokio::test]
async fn keys_make_the_order_whole() {
    let api = api(NOTES).await;
    let unique = walk(&api, "half_unique", "select=b&order=a&limit=5&cursor=first", "next").await;
    assert_eq!(unique.concat().len(), 12);
    let view = walk(&api, "note_view", "select=id&order=grp&limit=7&cursor=first", "next").await;
    assert_eq!(view.concat().len(), 60);
    // Nobody can say that these are unique, and they are.
    let grouped = walk(&api, "grouped", "order=grp&limit=2&cursor=first", "next").await;
    assert_eq!(grouped.concat().len(), 4);
    for (line, code) in [
        ("GET /keyless?order=a,b&cursor=first", "FB123"),
        ("GET /keyless?cursor=first", "FB123"),
        ("GET /grouped?cursor=first", "FB123"),
        // Here they are not.
        ("GET /grouped?order=n&limit=1&cursor=first", "FB126"),
    ] {
        let answer = api.send(line, &[], "").await;
        assert_eq!((answer.status.as_u16(), answer.code().as_str()), (400, code), "{line}");
    }
}

#[tokio::test]
async fn cursors_are_for_their_list_and_order_only() {
    let api = api(NOTES).await;
    let first = api.send("GET /notes?select=id&order=grp&limit=2&cursor=first", &[], "").await;
    let next = link(&first, "next").expect("more").to_owned();
    let cursor = next.rsplit_once('=').expect("a cursor").1.to_owned();
    // Columns, filters and the limit may change.
    let other = api.send(&format!("GET /notes?select=title&order=grp&limit=3&id=gt.2&cursor={cursor}"), &[], "").await;
    assert_eq!(rows(&other).len(), 3);
    let flipped = cursor.strip_prefix('A').map_or_else(|| format!("A{}", &cursor[1..]), |rest| format!("B{rest}"));
    for (line, code) in [
        (format!("GET /notes?order=grp.desc&cursor={cursor}"), "FB122"),
        (format!("GET /notes?order=title&cursor={cursor}"), "FB122"),
        (format!("GET /note_view?order=grp&cursor={cursor}"), "FB122"),
        (format!("GET /notes?order=grp&cursor={flipped}"), "FB122"),
        ("GET /notes?order=grp&cursor=x".to_owned(), "FB122"),
        ("GET /notes?order=grp&cursor=".to_owned(), "PGRST100"),
        ("GET /notes?order=grp&cursor=a.b".to_owned(), "PGRST100"),
        (format!("GET /notes?order=grp&offset=2&cursor={cursor}"), "FB124"),
        (format!("GET /notes?order=grp&limit=0&cursor={cursor}"), "FB124"),
        ("GET /notes?select=grp,count()&cursor=first".to_owned(), "FB124"),
        ("GET /notes?select=grp&distinct=*&cursor=first".to_owned(), "FB124"),
        ("GET /notes?select=grp&group_by=grp&cursor=first".to_owned(), "FB124"),
    ] {
        let answer = api.send(&line, &[], "").await;
        assert_eq!((answer.status.as_u16(), answer.code().as_str()), (400, code), "{line}: {answer:?}");
    }
    for accept in ["text/csv", "application/vnd.pgrst.object+json"] {
        let answer = api.send("GET /notes?limit=1&cursor=first", &[("accept", accept)], "").await;
        assert_eq!((answer.status.as_u16(), answer.code().as_str()), (400, "FB124"), "{accept}");
    }
    let many: Vec<String> = (0..20).map(|n| format!("data->k{n}")).collect();
    let answer = api.send(&format!("GET /notes?order={}&cursor=first", many.join(",")), &[], "").await;
    assert_eq!((answer.status.as_u16(), answer.code().as_str()), (400, "FB124"));
    api.db.script("update public.notes set title = repeat('x', 5000)").await;
    let answer = api.send("GET /notes?order=title&limit=2&cursor=first", &[], "").await;
    assert_eq!((answer.status.as_u16(), answer.code().as_str()), (400, "FB125"));
}

#[tokio::test]
async fn row_security_holds_on_every_page() {
    let api = Setup::default()
        .start(
            "create table public.mine (id int primary key, owner text not null);
             insert into public.mine select i, case when i % 3 = 0 then 'anon' else 'other' end from generate_series(1, 30) i;
             alter table public.mine enable row level security;
             create policy own on public.mine using (owner = current_user);",
        )
        .await;
    let pages = walk(&api, "mine", "select=id&limit=4&cursor=first", "next").await;
    let ids: Vec<i64> = pages.iter().flatten().filter_map(|row| row["id"].as_i64()).collect();
    assert_eq!(ids, (1..=10).map(|n| n * 3).collect::<Vec<i64>>());
}

/// `IS NULL` says so of a value whose parts are all NULL, but it is sorted as a value.
#[tokio::test]
async fn composite_values_of_nulls_are_sorted_as_values() {
    let api = api("create type public.place as (street text, zip int);
        create table public.houses (id int primary key, at place);
        insert into houses select n, case n % 3 when 0 then null when 1 then row(null, null)::place else row('a', n)::place end
            from generate_series(1, 12) n")
    .await;
    for order in ["at", "at.desc", "at.nullsfirst,id.desc", "at.desc.nullslast"] {
        let all = api.get(&format!("/houses?select=id&order={order},id")).await;
        let query = format!("select=id&order={order}&limit=5&cursor=first");
        let pages = walk(&api, "houses", &query, "next").await;
        let forward: Vec<Value> = pages.concat();
        assert_eq!(json!(forward), all, "{order}");
        let last = format!("select=id&order={order}&limit=5&cursor=last");
        let backward: Vec<Value> = walk(&api, "houses", &last, "prev").await.into_iter().rev().flatten().collect();
        assert_eq!(backward, forward, "{order}");
    }
}

/// Keys do not hold for the rows of tables that inherit.
#[tokio::test]
async fn rows_of_heirs_are_never_left_out() {
    let api = api("create table public.animals (id int primary key, name text);
        create table public.cats (purr int) inherits (animals);
        insert into animals select n, 'animal ' || n from generate_series(1, 3) n;
        insert into cats values (1, 'cat 1', 1), (2, 'cat 2', 2), (2, 'cat 2b', 2)")
    .await;
    for limit in 1..=3 {
        for (ask, rel) in [("cursor=first", "next"), ("cursor=last", "prev"), ("order=id.desc&cursor=first", "next")] {
            let mut query = format!("select=id,name&limit={limit}&{ask}");
            let mut seen = Vec::new();
            loop {
                let answer = api.send(&format!("GET /animals?{query}"), &[], "").await;
                if answer.status != 200 {
                    assert_eq!((answer.status.as_u16(), answer.code().as_str()), (400, "FB126"), "{query}");
                    break;
                }
                seen.extend(rows(&answer));
                match link(&answer, rel) {
                    Some(next) => query = next.to_owned(),
                    None => break assert_eq!(seen.len(), 6, "{ask} {limit}"),
                }
            }
        }
    }
    let all = walk(&api, "animals", "select=id,name&order=name&limit=2&cursor=first", "next").await.concat();
    assert_eq!(all.len(), 6);
}
