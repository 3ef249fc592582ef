//! Statements that undo themselves when the number of rows is wrong.

use ferrobase_query::guard::{Refusal, Violation, violation};
use ferrobase_query::plan::*;

use crate::company::{Company, compare, name};

fn delete(filters: Vec<Condition>, guard: Guard) -> Query {
    let mutation = Mutation::Delete(Delete { table: name("assignments"), filters, returning: Columns::Named(vec![]) });
    let read = Read::from(Source::Derived, "assignments");
    Query { mutation: Some(mutation), body: Body::None, guard, ..Query::list(read) }
}

async fn refused(db: &mut Company, query: &Query) -> Violation {
    let error = db.try_run(query).await.unwrap_err();
    violation(error.code.as_str(), &error.message).unwrap_or_else(|| panic!("{error:?}"))
}

#[tokio::test]
async fn a_wrong_number_of_rows_changes_nothing() {
    let mut db = Company::open().await;
    let of_bob = || vec![compare("person_id", Operator::Equal, "2")];
    let single = Guard { single: true, ..Guard::default() };
    assert_eq!(
        refused(&mut db, &delete(of_bob(), single)).await,
        Violation { refusal: Refusal::NotSingular, rows: 2, places: vec![] }
    );
    let nobody = vec![compare("person_id", Operator::Equal, "9")];
    assert_eq!(
        refused(&mut db, &delete(nobody, single)).await,
        Violation { refusal: Refusal::NotSingular, rows: 0, places: vec![] }
    );
    let bounded = Guard { at_most: Some(1), ..Guard::default() };
    assert_eq!(
        refused(&mut db, &delete(of_bob(), bounded)).await,
        Violation { refusal: Refusal::TooMany, rows: 2, places: vec![] }
    );
    let matching = Guard { matching: true, ..Guard::default() };
    assert_eq!(refused(&mut db, &delete(of_bob(), matching)).await.refusal, Refusal::NotMatching);
    assert_eq!(db.ask("select count(*) from assignments").await, "4");
}

#[tokio::test]
async fn the_right_number_passes() {
    let mut db = Company::open().await;
    let guard = Guard { single: true, at_most: Some(1), ..Guard::default() };
    let of_ann = vec![compare("person_id", Operator::Equal, "1")];
    assert_eq!(db.run(&delete(of_ann, guard)).await.page, 1);
    assert_eq!(db.ask("select count(*) from assignments").await, "3");
}

#[tokio::test]
async fn calls_are_guarded_too() {
    let mut db = Company::open().await;
    let call = Call {
        function: name("numbers"),
        arguments: Arguments::Record {
            fields: vec![RecordField {
                name: "upto".into(),
                type_name: ferrobase_query::CatalogSql::written_by_catalog("integer"),
                cast: None,
                variadic: false,
            }],
            json: bytes::Bytes::from_static(b"{\"upto\": 3}"),
            is_object: true,
        },
        returned: Returned { scalar: true, set: true },
        columns: Columns::All,
    };
    let read = Read { select: vec![Select::star()], ..Read::from(Source::Function(Box::new(call)), "numbers") };
    let query = Query { guard: Guard { at_most: Some(2), ..Guard::default() }, ..Query::list(read) };
    assert_eq!(refused(&mut db, &query).await, Violation { refusal: Refusal::TooMany, rows: 3, places: vec![] });
}
