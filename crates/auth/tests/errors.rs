//! Both shapes of errors (contract 0.3).

use serde_json::json;

use crate::harness::{auth, text};

#[tokio::test]
async fn clients_of_today_and_of_before_read_their_own_shape() {
    let auth = auth().await;
    let body = json!({"email": "a@b.c", "password": "wrong"}).to_string();
    let line = "POST /token?grant_type=password";
    let now = auth.send(line, &[("x-supabase-api-version", "2024-01-01")], body.clone()).await;
    assert_eq!(now.json(), json!({"code": "invalid_credentials", "message": "Invalid login credentials"}));
    assert_eq!(now.field("x-supabase-api-version"), "2024-01-01");
    assert_eq!(now.field("x-sb-error-code"), "invalid_credentials");
    for fields in [vec![], vec![("x-supabase-api-version", "2023-12-31")]] {
        let before = auth.send(line, &fields, body.clone()).await;
        let expected = json!({"code": 400, "error_code": "invalid_credentials", "msg": "Invalid login credentials"});
        assert_eq!(before.json(), expected);
        assert_eq!(before.field("x-supabase-api-version"), "");
    }
}

#[tokio::test]
async fn bodies_that_cannot_be_read() {
    let auth = auth().await;
    let version = ("x-supabase-api-version", "2024-01-01");
    for body in ["{", "[]", "\"text\"", "{\"email\": 7}", "{\"password\": \"canary"] {
        let answer = auth.send("POST /signup", &[version], body).await;
        assert_eq!(answer.error().1, "bad_json", "{body}: {answer:?}");
        assert!(!answer.body.contains("canary"));
    }
    let large = format!("{{\"email\": \"{}\"}}", "a".repeat(1024 * 1024));
    let answer = auth.send("POST /signup", &[version], large).await;
    assert_eq!((answer.status.as_u16(), answer.field("x-sb-error-code")), (413, "request_entity_too_large"));
    let nowhere = auth.send("GET /nowhere", &[version], "").await;
    assert_eq!(nowhere.status, 404);
    let refused = auth.send("PATCH /signup", &[version], "").await;
    assert_eq!((refused.status.as_u16(), refused.field("allow")), (405, "POST"));
}

#[tokio::test]
async fn null_is_absent_and_unknown_fields_are_ignored() {
    let auth = auth().await;
    let body = json!({"email": "a@b.c", "phone": null, "password": "password", "data": null, "channel": null,
        "code_challenge": null, "gotrue_meta_security": {"captcha_token": "x"}, "more": [1]});
    auth.post("/signup", body).await.ok();
}

#[tokio::test]
async fn the_applications_own_code_says_why_it_refuses() {
    let auth = auth().await;
    auth.db
        .script(
            "create table public.profiles (id uuid references auth.users (id), name text unique check (name <> 'bad'));
             create function public.judge() returns trigger language plpgsql security definer set search_path = '' as $$
             begin
                 case new.raw_user_meta_data ->> 'name'
                     when 'teapot' then raise sqlstate 'PT418' using message = 'Short and stout', hint = 'Pour';
                     when 'stranger' then raise exception 'Members only' using detail = 'Ask somebody';
                     when 'broken' then perform 1 / 0;
                     else insert into public.profiles values (new.id, new.raw_user_meta_data ->> 'name');
                 end case;
                 return new;
             end $$;
             create trigger judge after insert on auth.users for each row execute function public.judge();",
        )
        .await;
    let sign_up = |name: &str| {
        let body = json!({"email": format!("{name}@example.com"), "password": "password", "data": {"name": name}});
        let auth = &auth;
        async move { auth.post("/signup", body).await }
    };
    let ada = sign_up("ada").await.ok();
    let teapot = sign_up("teapot").await;
    assert_eq!((teapot.status.as_u16(), teapot.field("x-sb-error-code")), (418, "PT418"));
    assert_eq!(teapot.json(), json!({"code": "PT418", "message": "Short and stout", "hint": "Pour"}));
    let stranger = sign_up("stranger").await;
    assert_eq!(stranger.status, 400);
    assert_eq!(stranger.json(), json!({"code": "P0001", "message": "Members only", "detail": "Ask somebody"}));
    let body = json!({"email": "old@example.com", "password": "password", "data": {"name": "stranger"}}).to_string();
    let before = auth.send("POST /signup", &[], body).await.json();
    let expected = json!({"code": 400, "error_code": "P0001", "msg": "Members only", "detail": "Ask somebody"});
    assert_eq!(before, expected);
    for (name, status, code) in [("bad", 400, "23514"), ("broken", 500, "unexpected_failure")] {
        let refused = sign_up(name).await.error();
        assert_eq!((refused.0, refused.1.as_str()), (status, code), "{refused:?}");
    }
    let referred = auth.admin(&format!("DELETE /admin/users/{}", text(&ada["user"], "id")), json!({})).await.error();
    assert_eq!((referred.0, referred.1.as_str()), (409, "23503"), "{referred:?}");
    assert_eq!(auth.value("select count(*)::text from auth.users").await, "1");
}
