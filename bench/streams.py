"""What a large result and a large insert cost the server: time, processor and peak memory."""

import http.client
import secrets
import threading
import time

import processes
import scenarios
import server
import table

# A row is about this long as JSON, in both directions.
ROW_BYTES = 1000
FILLER = "x" * (ROW_BYTES - 40)
SCHEMA = """
create table records (id bigint primary key, name text not null, filler text);
alter table records enable row level security;
create policy everything on records using (true) with check (true);
grant all on records to anon, authenticated;
"""
# Of a slow reader: what it takes at once, how long it rests, and the part of the result that it reads at all.
SIP, REST, PART = 4 << 20, 0.25, 5


def measure(postgres, binary, given):
    """Runs each stream on a server of its own."""
    rows = given.megabytes * 1_000_000 // ROW_BYTES
    secret = secrets.token_hex(32)
    postgres.sql("create database bench")
    bearer = scenarios.token(secret, scenarios.USERS[0])
    environment = {"FERROBASE_REST__STREAM_MAX_ROWS": "0", **given.environment}
    with server.Server(binary, postgres.url("bench"), secret) as first:
        first.wait("/rest/v1/", bearer)
    postgres.sql(SCHEMA, "bench")
    results = []
    for name, run in [("NDJSON in", ndjson_in), ("CSV in", csv_in), ("NDJSON out", out), ("NDJSON out, slow reader", sips)]:
        if name.endswith(" in"):
            postgres.sql("truncate records; checkpoint", "bench")
        with server.Server(binary, postgres.url("bench"), secret, environment) as running:
            running.wait("/rest/v1/records?limit=1", bearer)
            time.sleep(2)
            results.append({"stream": name, **one(running, postgres, lambda: run(running.port, bearer, rows))})
            table.say(f"{name}: {results[-1]['seconds']:.0f} s")
    result = {"rows": results, "megabytes": given.megabytes, "postgresql": postgres.version()}
    table.streams(result)
    return result


def one(running, postgres, run):
    """One stream, with the memory of the server looked at all the time."""
    idle, peak, done = processes.resident_megabytes(running.process.pid), [0.0], threading.Event()

    def watch():
        while not done.wait(0.02):
            peak[0] = max(peak[0], processes.resident_megabytes(running.process.pid))

    watcher = threading.Thread(target=watch)
    watcher.start()
    cpu, by_postgres = processes.processor_seconds(running.process.pid), processes.processor_seconds(postgres.process.pid)
    began = time.monotonic()
    try:
        received = run()
    finally:
        done.set()
        watcher.join()
    return {
        "bytes": received,
        "seconds": time.monotonic() - began,
        "server_cpu": processes.processor_seconds(running.process.pid) - cpu,
        "postgres_cpu": processes.processor_seconds(postgres.process.pid) - by_postgres,
        "idle_mb": idle,
        "above_idle_mb": peak[0] - idle,
    }


def lines(rows, pattern):
    """The rows as text, in pieces of a few hundred kilobytes."""
    for start in range(0, rows, 500):
        yield "".join(pattern % (n, n) for n in range(start, min(start + 500, rows))).encode()


def upload(port, bearer, content_type, pieces):
    sent = 0

    def counted():
        nonlocal sent
        for piece in pieces:
            sent += len(piece)
            yield piece

    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=600)
    fields = {"Authorization": f"Bearer {bearer}", "Content-Type": content_type}
    connection.request("POST", "/rest/v1/records", body=counted(), headers=fields, encode_chunked=True)
    answer = connection.getresponse()
    text = answer.read()
    if answer.status != 201:
        raise SystemExit(f"{answer.status} {text}")
    return sent


def ndjson_in(port, bearer, rows):
    return upload(port, bearer, "application/x-ndjson", lines(rows, f'{{"id":%d,"name":"row %d","filler":"{FILLER}"}}\n'))


def csv_in(port, bearer, rows):
    def pieces():
        yield b"id,name,filler\n"
        yield from lines(rows, f"%d,row %d,{FILLER}\n")

    return upload(port, bearer, "text/csv", pieces())


def answer(port, bearer):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=600)
    fields = {"Authorization": f"Bearer {bearer}", "Accept": "application/x-ndjson"}
    connection.request("GET", "/rest/v1/records", headers=fields)
    return connection.getresponse()


def out(port, bearer, rows):
    received, feeds, response = 0, 0, answer(port, bearer)
    while piece := response.read(1 << 20):
        received += len(piece)
        feeds += piece.count(b"\n")
    if (response.status, feeds) != (200, rows):
        raise SystemExit(f"{response.status}: {feeds} of {rows} rows")
    return received


def sips(port, bearer, rows):
    received, response = 0, answer(port, bearer)
    while received < rows * ROW_BYTES // PART and (piece := response.read(SIP)):
        received += len(piece)
        time.sleep(REST)
    response.close()
    return received
