//! Rows of streamed bodies, whole and in pieces.

use proptest::prelude::*;

use super::*;

/// Rows as `line:json`.
#[derive(Default)]
struct Shown(Vec<String>);

impl Sink for Shown {
    fn row(&mut self, line: u64, json: &[u8]) {
        self.0.push(format!("{line}:{}", String::from_utf8_lossy(json)));
    }
}

const NDJSON: Format = Format::Ndjson { listed: false };

/// The rows of a body that comes in these pieces, or what is wrong with it.
fn read<'p>(format: Format, pieces: impl IntoIterator<Item = &'p [u8]>) -> Result<Vec<String>, String> {
    let (mut rows, mut shown) = (Rows::new(format), Shown::default());
    let pushed = pieces.into_iter().try_for_each(|piece| rows.push(piece, &mut shown));
    pushed.and_then(|()| rows.finish(&mut shown)).map_err(|error| error.to_string())?;
    Ok(shown.0)
}

fn told(format: Format, body: &str) -> String {
    read(format, [body.as_bytes()]).map_or_else(|error| error, |rows| rows.join(" "))
}

#[test]
fn ndjson_bodies() {
    for (body, wanted) in [
        ("", ""),
        ("\n \r\n\t\n", ""),
        ("{\"a\":1}", "1:{\"a\":1}"),
        ("{\"a\":1}\n{\"a\":2}\n", "1:{\"a\":1} 2:{\"a\":2}"),
        ("\n{\"a\":1}\r\n\n  {\"a\":[ 2 ]}  \n", "2:{\"a\":1} 4:{\"a\":[ 2 ]}"),
        ("{}\n{}", "1:{} 2:{}"),
        ("{\"a\":1,\"b\":2}\n{\"b\":1,\"a\":2}", "1:{\"a\":1,\"b\":2} 2:{\"b\":1,\"a\":2}"),
        ("{\"a\":1}\n{\"b\":2}", "All object keys must match (line 2)"),
        ("{\"a\":1}\n\n7", "All object keys must match (line 3)"),
        ("[{\"a\":1}]", "All object keys must match (line 1)"),
        ("{\"a\":1}\n{\"a\":", "Empty or invalid json (line 2)"),
        ("{\n\"a\":1}", "Empty or invalid json (line 1)"),
        ("{\"a\":1} {\"a\":2}", "Empty or invalid json (line 1)"),
        ("\u{feff}{\"a\":1}", "Empty or invalid json (line 1)"),
    ] {
        assert_eq!(told(NDJSON, body), wanted, "{body:?}");
    }
    let listed = Format::Ndjson { listed: true };
    assert_eq!(told(listed, "{\"a\":1}\n{\"b\":2}"), "1:{\"a\":1} 2:{\"b\":2}");
    assert_eq!(told(listed, "{\"a\":1}\n[2]"), "All object keys must match (line 2)");
    assert_eq!(told(listed, "{\"a\":1}\n{\"b\""), "Empty or invalid json (line 2)");
}

#[test]
fn csv_bodies() {
    for (body, wanted) in [
        ("a,b\nfoo,bar\nNULL,\"x,\"\"y\"\n", r#"2:{"a":"foo","b":"bar"} 3:{"a":null,"b":"x,\"y"}"#),
        ("a,b\r\n1,2\r\n\r\n3,4", r#"2:{"a":"1","b":"2"} 4:{"a":"3","b":"4"}"#),
        ("a,b\n\"1\n2\",3\n4,5\n", "2:{\"a\":\"1\\n2\",\"b\":\"3\"} 4:{\"a\":\"4\",\"b\":\"5\"}"),
        ("\u{feff}a\n1\n", r#"2:{"a":"1"}"#),
        ("a\n", ""),
        ("a,b\nfoo,bar\nbaz", "All lines must have same number of fields (line 3)"),
        ("a,b\n\n\nfoo,bar,baz\n", "All lines must have same number of fields (line 4)"),
        ("a,a\n1,2\n", r#"2:{"a":"2"}"#),
        ("", "Empty or invalid csv (line 1)"),
        ("\n\n", "Empty or invalid csv (line 3)"),
    ] {
        assert_eq!(told(Format::Csv, body), wanted, "{body:?}");
    }
}

#[test]
fn bytes_that_are_no_text_name_their_line() {
    let bad = |format, body: &[u8]| read(format, [body]).unwrap_err();
    assert_eq!(bad(NDJSON, b"{\"a\":\"x\"}\n{\"a\":\"\xff\"}"), "The body is not valid UTF-8 (line 2)");
    assert_eq!(bad(Format::Csv, b"a\nx\n\xff\n"), "The body is not valid UTF-8 (line 3)");
    assert_eq!(bad(Format::Csv, b"a,b\n\xc3,\xa4\n"), "The body is not valid UTF-8 (line 2)");
}

#[test]
fn a_row_is_bounded_however_it_comes() {
    let long = format!("{{\"a\":\"{}\"}}", "x".repeat(MAX_ROW));
    let pieces = || std::iter::once(&b"\n"[..]).chain(long.as_bytes().chunks(100_000));
    let error = "A line is longer than 8 MiB (line 2)";
    assert_eq!(read(NDJSON, pieces()).unwrap_err(), error);
    assert_eq!(read(NDJSON, [&b"\n"[..], long.as_bytes()]).unwrap_err(), error);
    let quoted = format!("a\n\"{}", "x".repeat(MAX_ROW + 1));
    assert_eq!(read(Format::Csv, quoted.as_bytes().chunks(100_000)).unwrap_err(), error);
    let wide = format!("a\n{}", ",".repeat(5000));
    assert!(read(Format::Csv, [wide.as_bytes()]).unwrap_err().starts_with("All lines"));
}

#[test]
fn sec_18_deep_rows_are_refused() {
    let deep = format!("{{\"a\":{}{}}}", "[".repeat(100_000), "]".repeat(100_000));
    assert!(told(NDJSON, &deep).starts_with("JSON is nested more than"));
}

#[test]
fn copy_data_is_binary() {
    let mut data = CopyData::default();
    data.row(258, b"{}");
    assert_eq!(data.bytes, b"\0\x02\0\0\0\x08\0\0\0\0\0\0\x01\x02\0\0\0\x02{}");
    assert_eq!((data.rows, data.last_line, CopyData::HEADER.len()), (1, 258, 19));
}

/// Bodies that are nearly right, so that more than their first bytes matter.
fn body() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        Just(b"{\"a\":1}".to_vec()),
        Just(b"{\"a\":\"\\u00e4\"}".to_vec()),
        Just("{\"a\":\"\u{e4}\"}".as_bytes().to_vec()),
        Just(b"\n".to_vec()),
        Just(b"\r\n".to_vec()),
        Just(b"a,b\n".to_vec()),
        Just(b"1,\"x\ny\"\n".to_vec()),
        Just(b"\"".to_vec()),
        Just(b"\xef\xbb\xbf".to_vec()),
        proptest::collection::vec(any::<u8>(), 0..6),
    ];
    proptest::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn cut_anywhere_a_body_says_the_same(bytes in body(), cuts in proptest::collection::vec(0_usize..80, 0..8)) {
        let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(bytes.len())).collect();
        cuts.extend([0, bytes.len()]);
        cuts.sort_unstable();
        for format in [NDJSON, Format::Ndjson { listed: true }, Format::Csv] {
            let pieces = cuts.windows(2).map(|cut| &bytes[cut[0]..cut[1]]);
            let whole = read(format, [&bytes[..]]);
            prop_assert_eq!(&whole, &read(format, pieces));
            prop_assert_eq!(&whole, &read(format, bytes.chunks(1)));
        }
    }

    #[test]
    fn a_streamed_csv_is_the_ordinary_one(bytes in body()) {
        let ordinary = super::super::csv::to_json(&bytes::Bytes::from(bytes.clone()));
        match (ordinary, read(Format::Csv, [&bytes[..]])) {
            (Ok(super::super::Payload::Json { raw, .. }), Ok(rows)) => {
                let rows: Vec<&str> = rows.iter().map(|row| row.split_once(':').unwrap().1).collect();
                prop_assert_eq!(format!("[{}]", rows.join(",")), String::from_utf8_lossy(&raw));
            }
            (Err(_), Err(_)) => {}
            (ordinary, streamed) => prop_assert!(false, "{:?} {:?}", ordinary, streamed),
        }
    }

    #[test]
    fn streamed_objects_are_those_of_an_array(bytes in body()) {
        if let Ok(rows) = read(NDJSON, [&bytes[..]]) {
            let rows: Vec<&str> = rows.iter().map(|row| row.split_once(':').unwrap().1).collect();
            let array = bytes::Bytes::from(format!("[{}]", rows.join(",")));
            let scanned = crate::body::json::scan(&array);
            prop_assert!(matches!(scanned, Ok(super::super::Payload::Json { .. })), "{:?}", scanned);
        }
    }
}
