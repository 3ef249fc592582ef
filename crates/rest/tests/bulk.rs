//! PATCH with a list: many rows with values of their own.

use ferrobase_testkit::token;
use serde_json::json;

use crate::harness::{Api, Setup, api};

const STOCK: &str = "
create table public.stock (
  sku text primary key, barcode bigint not null unique, amount int not null default 0 check (amount >= 0), note text
);
insert into public.stock values ('a', 1, 10, null), ('b', 2, 20, 'old'), ('c', 3, 30, null);
create table public.places (row_no int, col_no int, item text, primary key (row_no, col_no));
insert into public.places values (1, 1, 'x'), (1, 2, 'y');
create table public.loose (id int, name text);
insert into public.loose values (1, 'one'), (1, 'uno');
create view public.stock_view with (security_invoker) as select sku, barcode, amount, note from public.stock;
";

const FULL: (&str, &str) = ("prefer", "return=representation");
const STRICT: (&str, &str) = ("prefer", "handling=strict");

async fn stock() -> Api {
    api(STOCK).await
}

#[tokio::test]
async fn each_element_changes_its_row() {
    let api = stock().await;
    let list = r#"[{"sku":"c","amount":3},{"sku":"a","amount":1},{"sku":"nope","amount":9}]"#;
    let answer = api.send("PATCH /stock?select=sku,amount", &[FULL], list).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.json(), json!([{"sku": "c", "amount": 3}, {"sku": "a", "amount": 1}]));
    assert_eq!((answer.field("x-missing-rows"), answer.field("x-missing-indexes")), ("1", "2"));
    let quiet = api.send("PATCH /stock", &[("prefer", "count=exact")], r#"[{"sku":"a","amount":2}]"#).await;
    assert_eq!((quiet.status.as_u16(), quiet.field("content-range"), quiet.body.as_str()), (204, "0-0/1", ""));
    assert_eq!((quiet.field("x-missing-rows"), quiet.field("x-missing-indexes")), ("0", ""));
    let all = api.send("PATCH /stock", &[FULL], r#"[{"sku":"b","amount":5,"note":"new"}]"#).await;
    assert_eq!(all.json(), json!([{"sku": "b", "barcode": 2, "amount": 5, "note": "new"}]));
    assert_eq!(api.value("select string_agg(sku || amount, ',' order by sku) from stock").await, "a2,b5,c3");
}

/// With rows of a parent beside them, too, where PostgreSQL would rather hash than look each of them up.
#[tokio::test]
async fn changed_rows_are_shown_in_the_order_of_the_list_with_what_they_belong_to() {
    let api = api("create table public.shelves (id int primary key, name text not null);
        create table public.boxes (id int primary key, shelf int references shelves, n int);
        insert into shelves select n, 's' || n from generate_series(1, 9) n;
        insert into boxes select n, n from generate_series(1, 9) n;
        grant all on shelves, boxes to anon")
    .await;
    let places = [9, 3, 5, 1, 8, 2];
    let list: Vec<_> = places.iter().map(|id| json!({"id": id, "n": id * 2})).collect();
    for select in ["id,shelves(name)", "id,...shelves(name)", "id,shelves!inner(name)", "*,shelves(*)"] {
        let answer = api.send(&format!("PATCH /boxes?select={select}"), &[FULL], json!(list).to_string()).await;
        let shown: Vec<_> = answer.json().as_array().unwrap().iter().map(|row| row["id"].as_i64().unwrap()).collect();
        assert_eq!(shown, places, "{select}");
    }
}

#[tokio::test]
async fn by_another_key_composite_keys_views_and_csv() {
    let api = stock().await;
    let by_barcode =
        api.send("PATCH /stock?on=barcode&select=sku,note", &[FULL], r#"[{"barcode":"3","note":"n"}]"#).await;
    assert_eq!(by_barcode.json(), json!([{"sku": "c", "note": "n"}]));
    // What is not the key is written, also when it is another key.
    let renamed = api.send("PATCH /stock?on=barcode&select=sku", &[FULL], r#"[{"barcode":3,"sku":"z"}]"#).await;
    assert_eq!(renamed.json(), json!([{"sku": "z"}]));
    let list = r#"[{"col_no":2,"row_no":1,"item":"Y"},{"col_no":1,"row_no":1,"item":"X"}]"#;
    let places = api.send("PATCH /places?select=item", &[FULL], list).await;
    assert_eq!(places.json(), json!([{"item": "Y"}, {"item": "X"}]));
    let view = api.send("PATCH /stock_view?select=sku,amount", &[FULL], r#"[{"sku":"a","amount":7}]"#).await;
    assert_eq!(view.json(), json!([{"sku": "a", "amount": 7}]));
    let csv = [("content-type", "text/csv"), FULL];
    let csv = api.send("PATCH /stock?select=sku,note", &csv, "sku,note\na,from csv\nb,NULL\n").await;
    assert_eq!(csv.json(), json!([{"sku": "a", "note": "from csv"}, {"sku": "b", "note": null}]));
}

#[tokio::test]
async fn filters_columns_defaults_and_limits_hold() {
    let api = stock().await;
    let list = r#"[{"sku":"a","amount":1},{"sku":"b","amount":2}]"#;
    let filtered = api.send("PATCH /stock?note=eq.old&select=sku", &[FULL], list).await;
    assert_eq!((filtered.json(), filtered.field("x-missing-indexes")), (json!([{"sku": "b"}]), "0"));
    let listed =
        api.send("PATCH /stock?columns=sku,note&select=sku,amount,note", &[FULL], r#"[{"sku":"b","amount":99}]"#);
    assert_eq!(listed.await.json(), json!([{"sku": "b", "amount": 2, "note": null}]));
    let default = [("prefer", "missing=default, return=representation")];
    let default = api.send("PATCH /stock?columns=sku,amount&select=amount", &default, r#"[{"sku":"c"}]"#).await;
    assert_eq!(default.json(), json!([{"amount": 0}]));
    let bounded = api.send("PATCH /stock", &[("prefer", "handling=strict, max-affected=1")], list).await;
    assert_eq!((bounded.status.as_u16(), bounded.code().as_str()), (400, "PGRST124"));
    let object = [("accept", "application/vnd.pgrst.object+json"), FULL];
    assert_eq!(api.send("PATCH /stock", &object, list).await.code(), "PGRST116");
    assert_eq!(api.send("PATCH /stock", &object, r#"[{"sku":"a","amount":4}]"#).await.json()["amount"], 4);
    let nothing = api.send("PATCH /stock", &[FULL], r#"[{"sku":"a"}]"#).await;
    assert_eq!((nothing.status.as_u16(), nothing.json()), (200, json!([])));
    let empty = api.send("PATCH /stock", &[FULL], "[]").await;
    assert_eq!((empty.status.as_u16(), empty.json()), (200, json!([])));
}

#[tokio::test]
async fn mistakes_are_told_and_change_nothing() {
    let api = stock().await;
    for (line, fields, body, status, code) in [
        ("PATCH /stock", None, r#"[{"sku":"a","amount":1},{"sku":"a","amount":2}]"#, 400, "FB112"),
        ("PATCH /stock?on=barcode", None, r#"[{"barcode":1,"amount":1},{"barcode":"1","amount":2}]"#, 400, "FB112"),
        ("PATCH /stock", Some(STRICT), r#"[{"sku":"a","amount":1},{"sku":"q","amount":2}]"#, 404, "FB113"),
        ("PATCH /stock", None, r#"[{"amount":1},{"amount":2}]"#, 400, "FB110"),
        ("PATCH /stock?on=barcode", None, r#"[{"sku":"a","amount":1}]"#, 400, "FB110"),
        ("PATCH /places", None, r#"[{"row_no":1,"item":"a"},{"row_no":2,"item":"b"}]"#, 400, "FB110"),
        ("PATCH /places", None, r#"[{"row_no":1,"item":"a"}]"#, 400, "FB110"),
        ("PATCH /loose", None, r#"[{"id":1,"name":"a"},{"id":2,"name":"b"}]"#, 400, "FB110"),
        ("PATCH /loose?on=id", None, r#"[{"id":1,"name":"a"}]"#, 400, "FB111"),
        ("PATCH /stock?on=note", None, r#"[{"note":"old","amount":1}]"#, 400, "FB111"),
        ("PATCH /stock?on=nope", None, r#"[{"sku":"a","amount":1}]"#, 400, "PGRST204"),
        ("PATCH /stock?on=", None, r#"[{"sku":"a","amount":1}]"#, 400, "PGRST100"),
        ("PATCH /stock", None, r#"[{"sku":"a","amount":1},{"sku":"b"}]"#, 400, "PGRST102"),
        ("PATCH /stock", None, r#"[{"sku":"a","amount":1},{"sku":"b","amount":-1}]"#, 400, "23514"),
        ("PATCH /stock", None, r#"[{"sku":"a","amount":1},{"sku":"b","amount":"many"}]"#, 400, "22P02"),
        ("PATCH /stock?columns=sku,amount", None, r#"[{"sku":"a","amount":1},7]"#, 400, "22023"),
    ] {
        let answer = api.send(line, fields.as_slice(), body).await;
        assert_eq!((answer.status.as_u16(), answer.code().as_str()), (status, code), "{line} {body}: {answer:?}");
    }
    let told = api.send("PATCH /stock", &[STRICT], r#"[{"sku":"q","amount":1},{"sku":"a","amount":1}]"#).await.json();
    assert_eq!(told["details"], "1 elements changed nothing, counted from 0: 0");
    assert_eq!(api.value("select sum(amount) from stock").await, "60");
}

#[tokio::test]
async fn a_list_of_one_without_its_key_and_objects_mean_what_they_always_did() {
    let api = stock().await;
    let one = api.send("PATCH /stock?amount=gt.10&select=sku", &[FULL], r#"[{"note":"x"}]"#).await;
    assert_eq!(one.json(), json!([{"sku": "b"}, {"sku": "c"}]));
    // `on` is a filter like any other when the body is no list.
    let filter = api.send("PATCH /stock?on=eq.1", &[], r#"{"note":"x"}"#).await;
    assert_eq!(filter.code(), "42703");
}

#[tokio::test]
async fn rows_and_columns_out_of_reach_stay_as_they_are() {
    let setup = Setup { allow_unprotected: vec![], ..Setup::default() };
    let api = setup
        .start(
            "
create table public.tasks (id int primary key, owner uuid not null default auth.uid(), title text, secret text);
alter table public.tasks enable row level security;
create policy own on public.tasks to authenticated using (owner = auth.uid()) with check (owner = auth.uid());
create policy seen on public.tasks for select to authenticated using (title like 'public%');
revoke all on public.tasks from anon, authenticated;
grant select (id, title, owner), update (title, owner) on public.tasks to authenticated;
insert into public.tasks values
  (1, '00000000-0000-0000-0000-00000000000a', 'mine', 's'), (2, '00000000-0000-0000-0000-00000000000b', 'theirs', 's'),
  (3, '00000000-0000-0000-0000-00000000000b', 'public', 's');
",
        )
        .await;
    let ann = format!("Bearer {}", token::of_user("00000000-0000-0000-0000-00000000000a"));
    let fields = [("authorization", ann.as_str()), FULL];
    let list = r#"[{"id":1,"title":"A"},{"id":2,"title":"B"},{"id":3,"title":"C"}]"#;
    let answer = api.send("PATCH /tasks?select=id,title", &fields, list).await;
    assert_eq!((answer.json(), answer.field("x-missing-indexes")), (json!([{"id": 1, "title": "A"}]), "1,2"));
    let given_away = r#"[{"id":1,"owner":"00000000-0000-0000-0000-00000000000b"}]"#;
    let check = api.send("PATCH /tasks?select=id", &fields, given_away).await;
    assert_eq!((check.status.as_u16(), check.code().as_str()), (403, "42501"));
    let column = api.send("PATCH /tasks?select=id", &fields, r#"[{"id":1,"secret":"t"}]"#).await;
    assert_eq!((column.status.as_u16(), column.code().as_str()), (403, "42501"));
    let shown = api.send("PATCH /tasks?select=id,secret", &fields, r#"[{"id":1,"title":"t"}]"#).await;
    assert_eq!(shown.code(), "42501");
    assert_eq!(api.value("select string_agg(title, ',' order by id) from tasks").await, "A,theirs,public");
}

#[tokio::test]
async fn the_element_that_failed_is_named_where_its_words_tell() {
    let api = stock().await;
    for (list, code, place) in [
        (r#"[{"sku":"a","amount":1},{"sku":"b","amount":-1},{"sku":"c","amount":-1}]"#, "23514", None),
        (r#"[{"sku":"a","amount":1},{"sku":"b","amount":2},{"sku":"c","amount":-1}]"#, "23514", Some(2)),
        (r#"[{"sku":"a","amount":1},{"sku":"b","amount":"x1"}]"#, "22P02", Some(1)),
        (r#"[{"sku":"a","amount":99999999999},{"sku":"b","amount":1}]"#, "22003", Some(0)),
        (r#"[{"sku":"a","amount":1},{"sku":"b","amount":null}]"#, "23502", Some(1)),
        (r#"[{"sku":"a","barcode":7},{"sku":"b","barcode":3}]"#, "23505", Some(1)),
        (r#"[{"sku":"a","amount":"x1"},{"sku":"b","amount":"x1"}]"#, "22P02", None),
    ] {
        let answer = api.send("PATCH /stock", &[], list).await;
        assert_eq!(answer.code(), code, "{list}: {answer:?}");
        let details = answer.json()["details"].as_str().unwrap_or_default().to_owned();
        let told = details.strip_prefix("Element ").and_then(|rest| rest[..1].parse::<u64>().ok());
        match place {
            Some(place) => assert_eq!(told, Some(place), "{list}: {details}"),
            // Rows are checked in an order of PostgreSQL's choice; the row that it shows tells which it was.
            None if code == "23514" => assert!(matches!(told, Some(1 | 2)), "{list}: {details}"),
            None => assert_eq!(told, None, "{list}: {details}"),
        }
    }
}

#[tokio::test]
async fn all_elements_with_one_key_are_told() {
    let api = stock().await;
    let list = r#"[{"sku":"a","amount":1},{"sku":"b","amount":2},{"sku":"a","amount":3},{"sku":"c","amount":4},
                   {"sku":"b","amount":5},{"sku":"a","amount":6}]"#;
    let answer = api.send("PATCH /stock", &[], list).await;
    let told = answer.json()["details"].clone();
    assert_eq!(
        (answer.code().as_str(), &told),
        ("FB112", &json!("Elements whose key comes more than once, counted from 0: 0, 1, 2, 4, 5"))
    );
}
