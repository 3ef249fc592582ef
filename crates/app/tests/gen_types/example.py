"""What the types know (checked by mypy), and that the server agrees (run by Python)."""

import os
from typing import Any

from pydantic import TypeAdapter
from supabase import create_client

from database_types import (
    PublicAuthors,
    PublicBookList,
    PublicBooks,
    PublicBooksInsert,
    PublicClocks,
    PublicMood,
    PublicOddNames,
    PublicOddNamesInsert,
    PublicOddNamesUpdate,
    PublicOddType,
    ShopOrders,
)

db = create_client(os.environ["URL"], os.environ["SERVICE_KEY"])


def rows(table: str) -> list[Any]:
    return list(db.table(table).select("*").execute().data)


books = TypeAdapter(list[PublicBooks]).validate_python(rows("books"))
title: str = books[0].title
sequel: int | None = books[1].sequel_to
assert (title, sequel) == ("Engines", 1), books
assert books[0].meta == {"pages": 300} and books[0].size == "m" and books[0].around == "[1,5)", books
assert books[0].made.tzinfo is not None and books[0].day is not None and books[0].day.year == 1843, books

authors = TypeAdapter(list[PublicAuthors]).validate_python(rows("authors"))
mood: PublicMood = authors[0].mood
home = authors[0].home
assert mood == "so-so" and home is not None and home.moods == ["sad", "so-so"] and authors[1].home is None, authors

listed = TypeAdapter(list[PublicBookList]).validate_python(rows("book_list"))
assert listed[0].loud == "ENGINES", listed

odd = PublicOddNames.model_validate(rows("odd names")[0])
assert (odd.user_id, odd.class_, odd.field_1st, odd.copy_, odd.uuid_ is None) == (7, "c", "first", "x", False), odd

clocks = TypeAdapter(list[PublicClocks]).validate_python(rows("clocks"))
assert (clocks[0].at, clocks[0].kind) == ("10:00:00+02", "25"), clocks

new: PublicBooksInsert = {"title": "Notes", "author_id": 1, "moods": ["sad"]}
sent = TypeAdapter(PublicBooksInsert).dump_python(new, mode="json")
made = PublicBooks.model_validate(db.table("books").insert(sent).execute().data[0])
assert (made.title, made.moods, made.price) == ("Notes", ["sad"], 0), made
db.table("books").delete().eq("id", made.id).execute()

inside = PublicOddType.model_validate({"class": "c", "odd col": "o", "$ref": "r"})
new_odd: PublicOddNamesInsert = {"user-id": 8, "class": "d", 'say "it"': "it", "inside": inside}
sent = TypeAdapter(PublicOddNamesInsert).dump_python(new_odd, mode="json")
made_odd = PublicOddNames.model_validate(db.table("odd names").insert(sent).execute().data[0])
assert (made_odd.user_id, made_odd.say__it_, made_odd.inside) == (8, "it", inside), made_odd
change: PublicOddNamesUpdate = {"1st": None}
db.table("odd names").update(TypeAdapter(PublicOddNamesUpdate).dump_python(change, mode="json")).eq("user-id", 8).execute()
db.table("odd names").delete().eq("user-id", 8).execute()

order = ShopOrders.model_validate({"id": 1, "book": "sad", "author": None})
assert order.book == "sad"


# What must not pass; an exception that mypy does not need is an error too. Never called.
def refused() -> None:
    missing: PublicBooksInsert = {"title": "x"}  # type: ignore[typeddict-item]
    generated: PublicBooksInsert = {"title": "x", "author_id": 1, "discounted": 1.0}  # type: ignore[typeddict-unknown-key]
    null: PublicBooksInsert = {"title": None, "author_id": 1}  # type: ignore[typeddict-item]
    value: PublicMood = "furious"  # type: ignore[assignment]
    length: int = books[0].title  # type: ignore[assignment]
    books[0].day.year  # type: ignore[union-attr]
    print(missing, generated, null, value, length)


print("agreed")
