"""supabase-py: every method of its query builders that test_rest.py does not use."""

import os

import pytest
from postgrest.exceptions import APIError
from postgrest.types import CountMethod
from supabase import ClientOptions, create_client

URL = os.environ["FERROBASE_URL"]


@pytest.fixture
def slots():
    options = ClientOptions(auto_refresh_token=False, persist_session=False)
    return create_client(URL, os.environ["ANON_KEY"], options)


def ids(client, narrow):
    return [row["id"] for row in narrow(client.table("slots").select("id").order("id")).execute().data]


@pytest.mark.parametrize(
    "narrow, expected",
    [
        (lambda q: q.like_all_of("note", "%short%,%early"), [1]),
        (lambda q: q.like_any_of("note", "short%,long"), [1]),
        (lambda q: q.ilike_all_of("note", "L%,%G"), [2]),
        (lambda q: q.ilike_any_of("note", "SHORT%,long"), [1, 2]),
        (lambda q: q.contains("people", ["bob"]), [1, 2]),
        (lambda q: q.contained_by("people", ["bob", "cid"]), [2, 3]),
        (lambda q: q.ov("people", ["ann", "cid"]), [1]),
        (lambda q: q.range_gt("during", [1, 8]), [3]),
        (lambda q: q.range_gte("during", [4, 9]), [2, 3]),
        (lambda q: q.range_lt("during", [20, 29]), [1, 2]),
        (lambda q: q.range_lte("during", [0, 9]), [1, 2]),
        (lambda q: q.range_adjacent("during", [9, 19]), []),
        (lambda q: q.fts("note", "short&early"), [1]),
        (lambda q: q.plfts("note", "early short"), [1]),
        (lambda q: q.phfts("note", "short and early"), [1]),
        (lambda q: q.wfts("note", "long or early"), [1, 2]),
        (lambda q: q.is_("done", "null"), [3]),
        (lambda q: q.not_.in_("id", [1, 3]), [2]),
        (lambda q: q.or_("id.eq.1,note.eq.Long"), [1, 2]),
        (lambda q: q.match({"id": 2, "done": "false"}), [2]),
        (lambda q: q.neq("id", 2), [1, 3]),
        (lambda q: q.filter("id", "in", "(1,2)"), [1, 2]),
        (lambda q: q.range(1, 1), [2]),
        (lambda q: q.limit(1).offset(2), [3]),
    ],
)
def test_filters(slots, narrow, expected):
    assert ids(slots, narrow) == expected


def test_forms_of_an_answer(slots):
    assert slots.table("slots").select("id,note").eq("id", 2).csv().execute().data == "id,note\n2,Long"
    plan = slots.table("slots").select("id").explain(format="json", analyze=True).execute()
    assert plan.data[0]["Plan"]["Node Type"] == "Aggregate"


def test_writes_with_counts(slots):
    rows = [{"id": 20, "during": "[1,2)"}, {"id": 21, "during": "[2,3)", "people": ["x"]}]
    inserted = slots.table("slots").insert(rows, count=CountMethod.exact, default_to_null=False).execute()
    assert (inserted.count, [row["people"] for row in inserted.data]) == (2, [[], ["x"]])
    updated = slots.table("slots").update({"note": "x"}, count=CountMethod.exact).gte("id", 20).execute()
    assert updated.count == 2
    with pytest.raises(APIError) as caught:
        slots.table("slots").update({"note": "y"}).gte("id", 20).max_affected(1).execute()
    assert caught.value.code == "PGRST124"
    deleted = slots.table("slots").delete(count=CountMethod.exact).gte("id", 20).execute()
    assert deleted.count == 2


def test_rpc(slots):
    rows = slots.rpc("slots_of", {"who": "bob"}).select("id").gt("id", 1).execute().data
    assert rows == [{"id": 2}]
    assert slots.rpc("slots_of", {"who": "bob"}, count=CountMethod.exact, head=True).execute().count == 2
    assert slots.rpc("total", {"item": {"a": 41}}).execute().data == 42
    assert slots.rpc("add", {"a": 1, "b": 2}, get=True).execute().data == 3


def test_schemas(slots):
    assert len(slots.schema("public").table("slots").select("id").eq("id", 1).execute().data) == 1
    with pytest.raises(APIError) as caught:
        slots.schema("private").table("slots").select("id").execute()
    assert caught.value.code == "PGRST106"
