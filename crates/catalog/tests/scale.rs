//! How long a large schema takes. Not part of an ordinary run: it prints, it does not judge.
//!
//! Measured on two cores, unoptimised: 2.3 to 3.5 s, of which 1.1 s are the server's (column_list 0.65 s).
//! `cargo nextest run -p ferrobase-catalog --run-ignored all -E 'test(scale)' --no-capture`

use std::time::Instant;

use ferrobase_catalog::{Scope, load};

/// 10,000 tables of 8 columns with two foreign keys each, 1,000 views and 5,000 functions, in slices that fit into
/// the lock table of a default server.
async fn generate(session: &mut ferrobase_pg::Session) {
    session.script("create role cat_scale").await.ok();
    for slice in 0..100 {
        let (first, last) = (slice * 100, slice * 100 + 99);
        session
            .script(&format!(
                "do $do$ begin
                   for i in {first}..{last} loop
                     execute format('create table t%s (id int primary key, a int references t%s, b int references t%s,
                       name text not null default %L, made timestamptz default now(), tags text[], data jsonb,
                       amount numeric(10,2), unique (name))', i, greatest(i - 1, 0), i / 2, 'x');
                     execute format('comment on table t%s is %L', i, 'table ' || i);
                     execute format('grant select, insert on t%s to cat_scale', i);
                     if i % 10 = 0 then
                       execute format('create view v%s as select id as vid, a as va, b, name from t%s', i, i);
                     end if;
                     if i % 2 = 0 then
                       execute format('create function f%s(a int, b text default null) returns setof t%s language sql
                         as %L', i, i, format('select * from t%s where id = $1', i));
                     end if;
                   end loop;
                 end $do$"
            ))
            .await
            .unwrap();
    }
    session.script("analyze").await.unwrap();
}

#[tokio::test]
#[ignore = "takes minutes; prints a figure"]
async fn scale_of_ten_thousand_tables() {
    let database = ferrobase_testkit::database().await;
    let mut session = database.connect().await;
    let started = Instant::now();
    generate(&mut session).await;
    println!("generated in {:?}", started.elapsed());
    for round in 1..=3 {
        let mut session = database.connect().await;
        let started = Instant::now();
        let catalog = load(&mut session, &Scope::default()).await.unwrap();
        println!(
            "round {round}: {} relations, {} relationships, {} functions in {:?}",
            catalog.relations.len(),
            catalog.relationships.values().map(Vec::len).sum::<usize>(),
            catalog.functions.len(),
            started.elapsed()
        );
        let dropped = Instant::now();
        drop(catalog);
        println!("dropped in {:?}", dropped.elapsed());
    }
}
