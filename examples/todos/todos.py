"""Two people sign up, each keeps a list, neither sees the other's. Needs the package `supabase`.

Environment: URL (default http://127.0.0.1:8000), ANON_KEY (`ferrobase keys`).
"""

import os
import uuid

from supabase import Client, create_client

URL, KEY = os.environ.get("URL", "http://127.0.0.1:8000"), os.environ["ANON_KEY"]


def person(name: str) -> Client:
    supabase = create_client(URL, KEY)
    supabase.auth.sign_up({
        "email": f"{name}-{uuid.uuid4()}@example.com",
        "password": f"{name}'s own secret",
        "options": {"data": {"name": name}},
    })
    return supabase


ann, bob = person("ann"), person("bob")
ann.table("todos").insert([{"task": "buy milk"}, {"task": "call Bob"}]).execute()
bob.table("todos").insert({"task": "answer the phone"}).execute()
ann.table("todos").update({"is_complete": True}).eq("task", "buy milk").execute()

# Nothing of Ann's is Bob's to change: no row is found.
stolen = bob.table("todos").update({"task": "gone"}).eq("task", "call Bob").execute().data

for name, supabase in {"ann": ann, "bob": bob}.items():
    rows = supabase.table("todos").select("task, is_complete").order("id").execute().data
    print(f"{name}: " + ", ".join(f"({row['task']})" if row["is_complete"] else row["task"] for row in rows))
print(f"bob changed {len(stolen)} of ann's")

ann.auth.sign_out()
bob.auth.sign_out()
print(f"signed out: {len(ann.table('todos').select('*').execute().data)} rows")
