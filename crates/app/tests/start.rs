//! What a start does at once: an installed database is looked at, listened to and read at the same time.

use ferrobase_testkit::{App, TestDatabase, token};

use crate::support;

const TABLE: &str = "create table things (id int primary key); grant select on things to service_role;
    insert into things values (1)";

async fn things(app: &App, table: &str) -> u16 {
    let request = reqwest::Client::new().get(app.url(&format!("/rest/v1/{table}")));
    request.bearer_auth(token::of_role("service_role")).send().await.unwrap().status().as_u16()
}

fn loads(app: &App) -> usize {
    app.log().lines().filter(|line| line.contains("\"catalog loaded\"") && line.contains("\"generation\"")).count()
}

/// A change is seen without a restart: somebody listens.
async fn sees_a_change(app: &App, database: &TestDatabase) {
    database.script("create table later (id int); grant select on later to service_role; notify ferrobase").await;
    for _ in 0..100 {
        if things(app, "later").await == 200 {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    panic!("the new table was not seen:\n{}", app.log());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_usual_start_reads_the_catalog_once_and_listens() {
    let database = support::installed().await;
    // The copied database takes logins of its own at its first start.
    drop(support::serve(&database).start().await.unwrap());
    database.script(TABLE).await;
    let app = support::serve(&database).start().await.unwrap();
    assert_eq!((things(&app, "things").await, loads(&app)), (200, 1));
    sees_a_change(&app, &database).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_read_before_something_was_installed_is_not_served() {
    let database = support::installed().await;
    drop(support::serve(&database).start().await.unwrap());
    database.script(TABLE).await;
    database.script("drop event trigger ferrobase_ddl").await;
    let app = support::serve(&database).start().await.unwrap();
    assert!(app.log().contains("own schemas and roles are installed"), "{}", app.log());
    assert_eq!((things(&app, "things").await, loads(&app)), (200, 1));
    sees_a_change(&app, &database).await;
}
