"""GraphQL: the same questions to the server, to its REST API and to PostGraphile, taking turns.

The data, the users and the policies are those of the other loads. PostGraphile runs as one process with a pool of twenty,
and reads tokens without verifying them. What is asked is as much alike as the two schemas are; that the answers hold the
same values is looked at before anything is measured.
"""

import contextlib
import dataclasses
import json
import os
import pathlib
import secrets
import signal
import statistics
import subprocess
import time
import urllib.error
import urllib.request

import cluster
import processes
import reference
import scenarios
import server
import table
import throughput

HERE = pathlib.Path(__file__).resolve().parent
PEER = HERE / "peers/postgraphile"
CONNECTIONS = 16
# 1,000 tables of ten columns, each with a key to the next one.
WIDE = """
select format('create table t%s (id bigint primary key, next_id bigint, a text, b int, c numeric, d boolean, e date,
       f timestamptz, g jsonb, h uuid)', n) from generate_series(1, 1000) as n \\gexec
select format('alter table t%s add foreign key (next_id) references t%s; alter table t%s enable row level security;
       grant select, insert, update, delete on t%s to authenticated', n, n % 1000 + 1, n, n) from generate_series(1, 1000) as n \\gexec
"""
# As GraphiQL and code generators ask.
INTROSPECTION = """query IntrospectionQuery {__schema {queryType {name} mutationType {name} subscriptionType {name}
  types {...FullType} directives {name description locations args {...InputValue}}}}
fragment FullType on __Type {kind name description fields(includeDeprecated: true) {name description args {...InputValue}
  type {...TypeRef} isDeprecated deprecationReason} inputFields {...InputValue} interfaces {...TypeRef}
  enumValues(includeDeprecated: true) {name description isDeprecated deprecationReason} possibleTypes {...TypeRef}}
fragment InputValue on __InputValue {name description type {...TypeRef} defaultValue}
fragment TypeRef on __Type {kind name ofType {kind name ofType {kind name ofType {kind name}}}}"""


@dataclasses.dataclass(frozen=True)
class Question:
    """One question in three dialects; where there is no REST request or no document for the peer it is not asked there."""

    name: str
    ours: str
    theirs: str | None = None
    rest: str | None = None
    goal: float | None = None
    variables: str = ""
    writes: bool = False


QUESTIONS = [
    Question("list", "{todosCollection(first: 20) {edges {node {id title done}}}}",
             "{allTodos(first: 20) {nodes {rowId title done}}}", "/rest/v1/todos?select=id,title,done&order=id&limit=20", goal=8),
    Question("pk", "query($id: BigInt!) {todosByPk(id: $id) {id title done}}",
             "query($id: BigInt!) {todoByRowId(rowId: $id) {rowId title done}}", "/rest/v1/todos?select=id,title,done&id=eq.{id}&limit=1",
             goal=8, variables='{"id": "{id}"}'),
    Question("nested", "{listsCollection(first: 2) {edges {node {id name todosCollection(first: 30) {edges {node {id title "
                       "commentsCollection(first: 30) {edges {node {id body}}}}}}}}}}",
             "{allLists(first: 2) {nodes {rowId name todosByListId(first: 30) {nodes {rowId title "
             "commentsByTodoId(first: 30) {nodes {rowId body}}}}}}}",
             "/rest/v1/lists?select=id,name,todos(id,title,comments(id,body))&order=id&limit=2&todos.order=id&todos.limit=30"
             "&todos.comments.order=id&todos.comments.limit=30", goal=2.5),
    Question("counted", "{todosCollection(first: 20, orderBy: [{id: DescNullsLast}]) {totalCount edges {node {id title}}}}",
             "{allTodos(first: 20, orderBy: ROW_ID_DESC) {totalCount nodes {rowId title}}}"),
    # PostGraphile compares columns with an index only.
    Question("filtered", "{todosCollection(first: 20, filter: {done: {eq: true}}, orderBy: [{created_at: DescNullsLast}]) "
                         "{edges {node {id title}}}}",
             rest="/rest/v1/todos?select=id,title&done=eq.true&order=created_at.desc.nullslast,id&limit=20"),
    Question("aggregate", "{todosCollection(first: 1) {aggregate {count max {created_at}}}}"),
    Question("insert", 'mutation {insertIntotodosCollection(objects: [{title: "a thing"}]) {records {id title}}}',
             'mutation {createTodo(input: {todo: {title: "a thing"}}) {todo {rowId title}}}', writes=True),
]


class Peer:
    """PostGraphile between `with` and its end."""

    def __init__(self, database_url):
        self.port = cluster.free_port()
        node = pathlib.Path(os.environ.get("XDG_CACHE_HOME", pathlib.Path.home() / ".cache")) / "ferrobase/node"
        program = pathlib.Path(node.read_text().strip())
        self.command = [str(program), str(PEER / "node_modules/.bin/postgraphile")]
        self.environment = {"PATH": f"{program.parent}:{os.environ['PATH']}", "NODE_ENV": "production",
                            "GRAPHILE_ENV": "production", "DATABASE_URL": database_url, "PORT": str(self.port)}

    def __enter__(self):
        self.process = subprocess.Popen(self.command, env=self.environment, cwd=PEER, stdout=subprocess.DEVNULL,
                                        stderr=subprocess.DEVNULL)
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(5)
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


def measure(postgres, binary, given):
    """Everything; prints as it goes."""
    given.environment = {"FERROBASE_GRAPHQL__MAX_DEPTH": "20", **given.environment}
    binaries = {"measured": binary} | ({"against": given.against} if given.against else {})
    with throughput.running(postgres, binaries, given) as (servers, tokens), Peer(postgres.url("bench")) as peer:
        bench = throughput.Bench(postgres, servers | {"peer": peer}, tokens, given)
        wait(peer, tokens)
        rows = [row for question in QUESTIONS if not given.only or question.name in given.only
                for row in ask(bench, question, tokens, given)]
        memory = {name: processes.resident_megabytes(one.process.pid) for name, one in bench.servers.items()}
        result = {"rows": rows, "postgresql": postgres.version(), "others": bench.others(), "memory": memory,
                  "wide": wide(postgres, binary)}
    table.graphql(result)
    return result


def wait(peer, tokens):
    deadline = time.monotonic() + 60
    while True:
        try:
            return answer(peer, request(QUESTIONS[0], "peer"), tokens[reference.USER])
        except OSError:
            if time.monotonic() > deadline or peer.process.poll() is not None:
                raise SystemExit("PostGraphile did not start: scripts/install-tools bench installs it") from None
            time.sleep(0.2)


def request(question, way):
    if way == "rest":
        return scenarios.Request(question.name, "GET", question.rest)
    query = json.dumps(question.theirs if way == "peer" else question.ours)
    variables = f', "variables": {question.variables}' if question.variables else ""
    path = "/graphql" if way == "peer" else "/graphql/v1"
    return scenarios.Request(question.name, "POST", path, body=f'{{"query": {query}{variables}}}')


def answer(of, asked, bearer, todo=1):
    told = json.loads(received(of, asked, bearer, todo))
    if isinstance(told, dict) and told.get("errors"):
        raise SystemExit(f"{asked.body}: {told}")
    return told


def received(of, asked, bearer, todo=1):
    headers = {"Authorization": f"Bearer {bearer}", "Content-Type": "application/json"}
    body = asked.body.replace("{id}", str(todo)).encode() or None
    url = f"http://127.0.0.1:{of.port}{asked.path.replace('{id}', str(todo))}"
    try:
        with urllib.request.urlopen(urllib.request.Request(url, body, headers), timeout=10) as response:
            return response.read()
    except urllib.error.HTTPError as refused:
        raise SystemExit(f"{asked.body}: {refused.code} {refused.read().decode()}") from None


def wide(postgres, binary):
    """Milliseconds of the first and of later introspections of 1,000 tables, and what the schema takes of memory."""
    postgres.sql("create database wide")
    secret = secrets.token_hex(32)
    introspection = scenarios.Request("introspection", "POST", "/graphql/v1", body=json.dumps({"query": INTROSPECTION}))
    environment = {"FERROBASE_GRAPHQL__INTROSPECTION": "true", "FERROBASE_GRAPHQL__MAX_DEPTH": "20"}
    with server.Server(binary, postgres.url("wide"), secret) as first:
        first.wait("/rest/v1/", scenarios.token(secret, reference.USER))
    postgres.sql(WIDE, "wide")
    bearer = scenarios.token(secret, reference.USER)
    with server.Server(binary, postgres.url("wide"), secret, environment) as started:
        started.wait("/rest/v1/", bearer)
        before = processes.resident_megabytes(started.process.pid)
        times = []
        for _ in range(6):
            began = time.monotonic()
            told = received(started, introspection, bearer)
            times.append((time.monotonic() - began) * 1000)
        types = json.loads(told)["data"]["__schema"]["types"]
        return {"types": len(types), "first_ms": times[0], "bytes": len(told), "later_ms": statistics.median(times[1:]),
                "megabytes": processes.resident_megabytes(started.process.pid) - before}


def values(told):
    """All values that are no keys, in their order; numbers and the strings of numbers are the same."""
    if isinstance(told, dict):
        return [value for key in told for value in values(told[key])]
    if isinstance(told, list):
        return [value for item in told for value in values(item)]
    return [str(told)]


def ask(bench, question, tokens, given):
    """One row for each way to ask."""
    ways = [("measured", "ours"), *([("against", "ours")] if given.against else [])]
    ways += [("measured", "rest")] if question.rest else []
    ways += [("peer", "peer")] if question.theirs else []
    bearer, user = tokens[reference.USER], reference.USER
    todo = scenarios.first_todo(user)
    if not question.writes:
        answers = [values(answer(bench.servers[name], request(question, way), bearer, todo)) for name, way in ways]
        for told in answers[1:]:
            if told != answers[0]:
                raise SystemExit(f"{question.name}: the answers differ:\n{answers[0]}\n{told}")
    files = {}
    for name, way in ways:
        files[name, way] = bench.postgres.folder / f"{question.name}.{way}.messages"
        scenarios.write_messages(files[name, way], [request(question, way)], tokens)
        bench._wrk(name, files[name, way], CONNECTIONS, throughput.WARM_UP_SECONDS)
    rounds = {way: [] for way in ways}
    for number in range(given.rounds):
        table.say(f"{question.name}: round {number + 1} of {given.rounds}")
        for name, way in ways:
            rounds[name, way].append(bench._wrk(name, files[name, way], CONNECTIONS, given.seconds))
            if question.writes:
                for statement in scenarios.NEW_TODOS.split(";"):
                    bench.postgres.sql(statement, "bench")
    return [row(question, way, rounds, ways) for way in ways]


def row(question, way, rounds, ways):
    def median(of):
        return statistics.median(of(number) for number in range(len(rounds[way])))

    def against(other):
        if other not in ways or other == way:
            return None
        return median(lambda number: rounds[way][number]["rps"] / rounds[other][number]["rps"])

    keys = ["rps", "p50", "p99", "us_server", "us_postgres", "resident_mb"]
    return {
        "question": question.name, "binary": way[0], "way": way[1], "goal": question.goal if way[1] == "ours" else None,
        **{key: median(lambda number, key=key: rounds[way][number][key]) for key in keys},
        "errors": sum(load["errors"] for load in rounds[way]),
        "peer": against(("peer", "peer")), "rest": against(("measured", "rest")),
    }
