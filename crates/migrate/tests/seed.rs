//! The seed runs once, on a database that nobody has decided about.

use ferrobase_migrate::{Error, SeedOutcome, UpOptions, seed_once};

use crate::folder::Folder;

async fn seed(folder: &Folder) -> Result<SeedOutcome, Error> {
    let mut session = folder.connect().await;
    seed_once(&mut session, &folder.file("seed"), &UpOptions::default(), &mut |_| {}).await
}

/// The seed lies beside the folder of migrations in a project; here the migrations are applied before it is written.
async fn prepared() -> Folder {
    let folder = Folder::with(&[("0001_t", "create table t (x int primary key)")]).await;
    folder.up().await.unwrap();
    folder
}

#[tokio::test]
async fn a_seed_is_applied_once() {
    let folder = prepared().await;
    folder.write("seed", "insert into t values (1);\ncopy t from stdin;\n2\n3\n\\.\n");
    assert_eq!(seed(&folder).await.unwrap(), SeedOutcome::Applied);
    assert_eq!(seed(&folder).await.unwrap(), SeedOutcome::Decided);
    folder.write("seed", "delete from t");
    assert_eq!(seed(&folder).await.unwrap(), SeedOutcome::Decided);
    assert_eq!(folder.ask("select count(*)::text from t").await, "3");
}

#[tokio::test]
async fn a_seed_that_fails_leaves_nothing_and_is_tried_again() {
    let folder = prepared().await;
    folder.write("seed", "insert into t values (1);\ninsert into t values (1);");
    match seed(&folder).await.unwrap_err() {
        Error::Failed(failure) => assert!(failure.to_string().starts_with("seed.sql:2:1: duplicate key"), "{failure}"),
        other => panic!("{other:?}"),
    }
    assert_eq!(folder.ask("select count(*)::text from t").await, "0");
    folder.write("seed", "insert into t values (1)");
    assert_eq!(seed(&folder).await.unwrap(), SeedOutcome::Applied);
}

#[tokio::test]
async fn a_seed_that_comes_late_is_not_applied() {
    let folder = prepared().await;
    assert_eq!(seed(&folder).await.unwrap(), SeedOutcome::NoFile);
    folder.write("seed", "insert into t values (1)");
    assert_eq!(seed(&folder).await.unwrap(), SeedOutcome::Decided);
    assert_eq!(folder.ask("select count(*)::text from t").await, "0");
}

#[tokio::test]
async fn a_seed_runs_in_one_transaction() {
    let folder = prepared().await;
    folder.write("seed", "-- ferrobase: no-transaction\nselect 1");
    assert!(matches!(seed(&folder).await, Err(Error::Script { .. })));
}

#[tokio::test]
async fn two_at_once_seed_once() {
    let folder = prepared().await;
    folder.write("seed", "insert into t select coalesce(max(x), 0) + 1 from t; select pg_sleep(0.3)");
    let (one, two) = tokio::join!(seed(&folder), seed(&folder));
    let mut outcomes = [one.unwrap(), two.unwrap()];
    outcomes.sort_by_key(|o| format!("{o:?}"));
    assert_eq!(outcomes, [SeedOutcome::Applied, SeedOutcome::Decided]);
    assert_eq!(folder.ask("select count(*)::text from t").await, "1");
}
