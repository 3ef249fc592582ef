"""supabase-py against a running server: what an app does with `.table()` and `.rpc()`.

Environment: FERROBASE_URL, ANON_KEY, SERVICE_KEY, TOKEN_ANN, TOKEN_BOB (two users' access tokens).
"""

import os

import pytest
from postgrest.exceptions import APIError
from supabase import Client, ClientOptions, create_client

URL = os.environ["FERROBASE_URL"]


def client(token: str | None = None, key: str = os.environ["ANON_KEY"]) -> Client:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return create_client(URL, key, ClientOptions(headers=headers, auto_refresh_token=False, persist_session=False))


@pytest.fixture
def anon() -> Client:
    return client()


def test_select_with_embeds_and_filters(anon):
    rows = (
        anon.table("books")
        .select("title, author:authors!author_id(name), tags(label)")
        .gte("published", 1842)
        .order("id")
        .limit(2)
        .execute()
        .data
    )
    assert rows[0] == {"title": "Engines", "author": {"name": "Ada"}, "tags": [{"label": "classic"}]}
    assert len(rows) == 2


def test_writes_with_returning(anon):
    inserted = anon.table("tags").insert([{"label": "py 1"}, {"label": "py 2"}]).execute().data
    assert [row["label"] for row in inserted] == ["py 1", "py 2"]
    updated = anon.table("tags").update({"label": "py one"}).eq("label", "py 1").execute().data
    assert updated == [{"id": inserted[0]["id"], "label": "py one"}]
    upserted = anon.table("tags").upsert({"id": inserted[1]["id"], "label": "py two"}).execute().data
    assert upserted[0]["label"] == "py two"
    deleted = anon.table("tags").delete().like("label", "py %").execute().data
    assert len(deleted) == 2


def test_single_and_maybe_single(anon):
    assert anon.table("tags").select("label").eq("id", 1).single().execute().data == {"label": "classic"}
    with pytest.raises(APIError) as caught:
        anon.table("tags").select("*").eq("id", -1).single().execute()
    assert caught.value.code == "PGRST116"
    assert anon.table("tags").select("*").eq("id", -1).maybe_single().execute() is None


def test_count_and_range(anon):
    page = anon.table("books").select("id", count="exact").order("id").range(1, 1).execute()
    assert (page.count, page.data) == (3, [{"id": 2}])


def test_beyond_postgrest(anon):
    def ids(query):
        return [row["id"] for row in query.order("id").execute().data]

    books = lambda: anon.table("books").select("id")
    assert ids(books().filter("editor_id", "gt(col)", "author_id")) == [1]
    assert ids(books().filter("details", "has", "pages")) == [1, 2, 3]
    assert ids(books().filter("details", "jsonpath", '$.lang ? (@ == "fr")')) == [3]
    groups = anon.table("books").select("author_id, count:id.count()").order("count", desc=True).execute().data
    assert groups == [{"author_id": 1, "count": 2}, {"author_id": 2, "count": 1}]


def test_rpc(anon):
    assert anon.rpc("add", {"a": 2, "b": 3}).execute().data == 5
    assert len(anon.rpc("books_of", {"author": "Ada"}).execute().data) == 2
    with pytest.raises(APIError) as caught:
        anon.rpc("refuse").execute()
    assert (caught.value.code, caught.value.message, caught.value.details, caught.value.hint) == (
        "P0001",
        "not today",
        "because",
        "tomorrow",
    )


def test_error_shapes(anon):
    for call, code in [
        (lambda: anon.table("nowhere").select("*").execute(), "PGRST205"),
        (lambda: anon.table("books").select("nothing").execute(), "42703"),
        (lambda: anon.table("tags").insert({"label": "classic"}).execute(), "23505"),
    ]:
        with pytest.raises(APIError) as caught:
            call()
        assert caught.value.code == code


def test_row_level_security_with_two_users():
    ann, bob = client(os.environ["TOKEN_ANN"]), client(os.environ["TOKEN_BOB"])
    service = client(key=os.environ["SERVICE_KEY"])
    ann.table("notes").insert({"body": "py ann"}).execute()
    bob.table("notes").insert({"body": "py bob"}).execute()
    try:
        bodies = lambda who: [row["body"] for row in who.table("notes").select("body").like("body", "py%").order("body").execute().data]
        assert bodies(ann) == ["py ann"]
        assert bodies(bob) == ["py bob"]
        assert bodies(client()) == []
        assert bodies(service) == ["py ann", "py bob"]
        assert bob.table("notes").delete().eq("body", "py ann").execute().data == []
    finally:
        service.table("notes").delete().like("body", "py%").execute()
