//! What a machine that calls everything the description lists has found: each was an answer of 5xx.

use crate::harness::api;

/// 54000: a text that its index cannot hold. 21000: a list that names one row twice.
#[tokio::test]
async fn rows_that_cannot_be_stored_are_the_callers_mistake() {
    let api = api("create table public.words (word text primary key, note text);").await;
    // Nothing that compresses: an index takes up to a third of a page.
    let long: String = (0..2000).map(|i: u64| format!("{:016x}", i.wrapping_mul(0x9E37_79B9_7F4A_7C15))).collect();
    let too_long = api.send("POST /words", &[], format!(r#"{{"word":"{long}"}}"#)).await;
    assert_eq!((too_long.status.as_u16(), too_long.code().as_str()), (400, "54000"));
    let merged = [("prefer", "resolution=merge-duplicates")];
    let twice = api.send("POST /words", &merged, r#"[{"word":"a","note":"b"},{"word":"a","note":"c"}]"#).await;
    assert_eq!((twice.status.as_u16(), twice.code().as_str()), (400, "21000"));
}

/// XX000: hstore reads a text that is none.
#[tokio::test]
async fn values_that_an_extension_cannot_read_are_the_callers_mistake() {
    let api = api("create extension hstore schema extensions;
        create table public.things (id int primary key, h extensions.hstore);")
    .await;
    for (line, body) in [
        ("GET /things?h=eq.x", ""),
        ("GET /things?h=cs.bad", ""),
        ("POST /things", r#"{"id":1,"h":{"k":"1"}}"#),
        ("PATCH /things?id=eq.1", r#"[{"id":1,"h":"k=>"}]"#),
    ] {
        let answer = api.send(line, &[], body).await;
        assert_eq!((answer.status.as_u16(), answer.code().as_str()), (400, "XX000"), "{line}: {answer:?}");
        assert!(!answer.body.contains("its log says why"), "{line}: the reason is told: {answer:?}");
    }
}

/// XX000: PostgreSQL plans the cast and has no function for it.
#[tokio::test]
async fn a_cast_to_the_type_of_literals_is_the_callers_mistake() {
    let api = api("create table public.words (word text primary key);").await;
    let cast = api.send("GET /words?select=word::unknown", &[], "").await;
    assert_eq!((cast.status.as_u16(), cast.code().as_str()), (400, "FB108"));
}

#[tokio::test]
async fn writing_what_cannot_be_written_is_the_callers_mistake() {
    let api = api("create view public.made as select 1 as id;
         create function public.ignore_it() returns trigger language plpgsql as $$ begin return new; end $$;
         create view public.only_inserts as select 1 as id;
         create trigger instead instead of insert on public.only_inserts
             for each row execute function public.ignore_it();
         create materialized view public.kept as select 1 as id;")
    .await;
    for (line, status) in [
        ("POST /made", 405),
        ("PATCH /made", 405),
        ("DELETE /made", 405),
        ("POST /only_inserts", 201),
        ("DELETE /only_inserts", 405),
        ("POST /kept", 405),
    ] {
        let answer = api.send(line, &[], r#"{"id":1}"#).await;
        assert_eq!(answer.status, status, "{line}: {answer:?}");
        if status == 405 {
            assert_eq!(answer.code(), "FB107", "{line}");
        }
    }
}
