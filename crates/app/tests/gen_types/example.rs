//! Reads what the API answered, prints what it is to be sent: (path, rows) in, (path, body) out.

mod database;

use std::collections::BTreeMap;

use database::{public, serde as named_serde, shop};
use serde_json::{Value, json};

fn read<T: serde::de::DeserializeOwned>(answers: &BTreeMap<String, Value>, path: &str) -> T {
    let answer = answers.get(path).unwrap_or_else(|| panic!("no answer to {path}"));
    serde_json::from_value(answer.clone()).unwrap_or_else(|error| panic!("{path}: {error} in {answer}"))
}

fn main() {
    let answers: BTreeMap<String, Value> = serde_json::from_reader(std::io::stdin()).unwrap();

    let books: Vec<public::BooksRow> = read(&answers, "books?order=id");
    assert_eq!((books[0].title.as_str(), books[1].sequel_to), ("Engines", Some(1)));
    assert_eq!((books[0].price, books[0].discounted), (12.5, Some(11.25)));
    assert_eq!(books[0].meta, Some(json!({ "pages": 300 })));
    let authors: Vec<public::AuthorsRow> = read(&answers, "authors?order=id");
    let home = authors[0].home.clone().unwrap();
    assert_eq!(home.moods, Some(vec![public::Mood::Sad, public::Mood::SoSo]));
    assert_eq!(authors[1].home, None);
    let listed: Vec<public::BookListRow> = read(&answers, "book_list?order=id");
    assert_eq!(listed[0].loud.as_deref(), Some("ENGINES"));
    let odd: Vec<public::OddNamesRow> = read(&answers, "odd%20names");
    assert_eq!((odd[0].user_id, odd[0].class.as_str(), odd[0].field_1st.as_deref()), (7, "c", Some("first")));
    assert_eq!(odd[0].self_, None);

    let sum: public::AddReturns = read(&answers, "rpc/add?a=1");
    assert_eq!(sum, Some(2));
    let halves: public::HalvesReturns = read(&answers, "rpc/halves?whole=7");
    assert_eq!((halves.low, halves.high), (Some(3), Some(4)));
    let counts: public::CountsReturns = read(&answers, "rpc/counts");
    assert_eq!(counts[0].author.as_deref(), Some("Ada"));
    let first: public::FirstBookReturns = read(&answers, "rpc/first_book");
    assert_eq!(first.title.as_deref(), Some("Engines"));
    let none: public::NoBookReturns = read(&answers, "rpc/no_book");
    assert_eq!(none.title, None);
    let home_of: public::HomeOfReturns = read(&answers, "rpc/home_of?author=1");
    assert_eq!(home_of, Some(home));
    let found: public::SearchReturns = read(&answers, "rpc/search?term=ii");
    assert_eq!(found, [books[1].clone()]);
    let clocks: Vec<public::ClocksRow> = read(&answers, "clocks");
    assert_eq!((clocks[0].at.as_str(), clocks[0].kind.as_str()), ("10:00:00+02", "25"));
    let _: Option<(shop::OrdersRow, named_serde::SerdeJsonRow)> = None;

    let mut book = public::BooksInsert::new(1, "Notes".to_owned());
    book.moods = Some(vec![public::Mood::ItSFine]);
    // NULL, where leaving out would mean the default.
    book.uid = Some(None);
    let odd = public::OddNamesUpdate { field_1st: Some(None), copy: Some(Some("y".to_owned())), ..Default::default() };
    let sent = json!({
        "POST books": book,
        "PATCH odd%20names?user-id=eq.7": odd,
        "POST rpc/add": public::AddArgs { a: 4, b: None },
    });
    println!("{sent}");
}
