"""What is asked, by 1,000 users in random order: the five requests of the project's goals, and six more.

A user is a number of twelve digits at the end of a UUID: pgbench has only numbers, and puts them in the same places.
"""

import base64
import dataclasses
import hashlib
import hmac
import json
import random
import time

USERS = range(100_000_000_001, 100_000_001_001)
TODOS_PER_USER = 100
# Different ones for each user, where a request names a row.
VARIANTS = 5


@dataclasses.dataclass(frozen=True)
class Request:
    """What is asked; `{id}` in path or body is a todo of the user who asks."""

    name: str
    method: str
    path: str
    body: str = ""
    prefer: str = ""
    # What the project's goals ask for: against pgbench with four round trips, and against the pipelined one.
    goal: float | None = None
    goal_pipelined: float | None = None
    cleanup: str = ""
    # The reference's statement, a file of `sql/`, where the server's own makes no sense in text format.
    reference: str = ""

    @property
    def names_row(self):
        return "{id}" in self.path + self.body


NEW_TODOS = "delete from todos where id > 100000; vacuum analyze todos"
BULK = json.dumps([{"title": f"thing number {number} of many"} for number in range(1000)])


ALL = {request.name: request for request in [
    Request("list", "GET", "/rest/v1/todos?limit=20", goal=1.85, goal_pipelined=0.8),
    Request("pk", "GET", "/rest/v1/todos?id=eq.{id}", goal=1.55),
    Request("rpc", "POST", "/rest/v1/rpc/add_them", body='{"a":1,"b":2}', goal=1.2),
    Request("embed", "GET", "/rest/v1/lists?select=id,name,todos(id,title,comments(id,body))&limit=2",
            goal=1.0, goal_pipelined=0.8, reference="embed.sql"),
    Request("insert", "POST", "/rest/v1/todos", body='{"title":"a thing that somebody must not forget"}',
            prefer="return=minimal", goal=1.0, goal_pipelined=0.9, cleanup=NEW_TODOS),
    Request("thousand", "GET", "/rest/v1/places?limit=1000", goal_pipelined=0.8),
    Request("count", "GET", "/rest/v1/todos?select=id&limit=1", prefer="count=exact"),
    Request("upsert", "POST", "/rest/v1/todos", body='{"id":{id},"title":"what it is called now"}',
            prefer="return=minimal,resolution=merge-duplicates", goal_pipelined=0.9, cleanup="vacuum analyze todos"),
    # A time as text can look like anything, so here PostgreSQL makes the JSON.
    Request("list-json", "GET", "/rest/v1/todos?select=id,list_id,user_id,title,done,created_at::text&limit=20", goal_pipelined=0.8),
    Request("thousand-json", "GET", "/rest/v1/places?select=id,name,height,found::text,open&limit=1000", goal_pipelined=0.8),
    Request("bulk", "POST", "/rest/v1/todos", body=BULK, prefer="return=minimal", goal_pipelined=0.9, cleanup=NEW_TODOS),
]}
# Requests of about this many bytes are sent by so many users, or the load generator would need a gigabyte.
MESSAGES_BYTES = 20_000_000


def chosen(names):
    """Requests by name; `all`; the five without names."""
    if names == "all":
        return list(ALL.values())
    try:
        return [ALL[name] for name in (names or "list,pk,rpc,embed,insert").split(",")]
    except KeyError as unknown:
        raise SystemExit(f"no request {unknown}; there are {', '.join(ALL)}") from None


def sub(user):
    return f"00000000-0000-4000-8000-{user}"


def first_todo(user):
    return (user - USERS[0]) * TODOS_PER_USER + 1


def token(secret, user):
    """A signed-in user's token, HS256."""
    def encode(data):
        return base64.urlsafe_b64encode(data).rstrip(b"=")

    claims = {"sub": sub(user), "role": "authenticated", "aud": "authenticated", "exp": int(time.time()) + 86_400}
    parts = [encode(json.dumps(part).encode()) for part in ({"alg": "HS256", "typ": "JWT"}, claims)]
    signature = hmac.new(secret.encode(), b".".join(parts), hashlib.sha256).digest()
    return b".".join([*parts, encode(signature)]).decode()


def message(request, bearer, todo):
    """The request as it goes over the wire; no client adds or changes a field."""
    fields = {"Host": "127.0.0.1", "Authorization": f"Bearer {bearer}", "Accept": "*/*"}
    body = request.body.replace("{id}", str(todo))
    if body:
        fields |= {"Content-Type": "application/json", "Content-Length": str(len(body))}
    if request.prefer:
        fields["Prefer"] = request.prefer
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return f"{request.method} {request.path.format(id=todo)} HTTP/1.1\r\n{head}\r\n{body}".encode()


def write_messages(file, requests, tokens):
    """The file that wrk.lua goes through in turn: length, line feed, message; of several requests about as many of each."""
    choose = random.Random(1)
    messages = [text for request in requests for text in of_request(request, tokens, choose, len(requests))]
    choose.shuffle(messages)
    file.write_bytes(b"".join(b"%d\n%b" % (len(text), text) for text in messages))


def of_request(request, tokens, choose, parts):
    """Its messages, in one of so many parts of a file."""
    variants = VARIANTS if request.names_row else 1
    users = USERS[:max(1, MESSAGES_BYTES // parts // (len(request.body) + 1))]
    times = VARIANTS // variants if parts > 1 else 1
    return [
        message(request, tokens[user], first_todo(user) + choose.randrange(TODOS_PER_USER))
        for user in users for _ in range(variants * times)
    ]
