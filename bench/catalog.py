"""How long a catalog of 10,000 tables takes to load, and what a reload costs the requests meanwhile."""

import json
import os
import pathlib
import secrets
import tempfile
import threading
import time

import processes
import scenarios
import server
import steady
import table

HERE = pathlib.Path(__file__).resolve().parent
# A relation that only a complete catalog has.
PATH = "/rest/v1/t9999?select=id,name&limit=1"
REQUEST = scenarios.Request("row", "GET", "/rest/v1/t0?select=id,name&limit=1")
SECONDS = 12
RELOADS = 3


def measure(postgres, binary, given):
    """Generates, starts, reloads under load; prints."""
    secret = secrets.token_hex(32)
    bearer = scenarios.token(secret, scenarios.USERS[0])
    postgres.sql("create database bench")
    with server.Server(binary, postgres.url("bench"), secret) as first:
        first.wait("/rest/v1/", bearer)
    table.say("generating 10,000 tables, 20,000 foreign keys, 5,000 functions")
    generating = time.monotonic()
    postgres.sql((HERE / "sql/catalog.sql").read_text(), "bench")
    table.say(f"generated in {time.monotonic() - generating:.0f} s")
    with tempfile.NamedTemporaryFile(mode="r", encoding="utf-8") as log:
        with server.Server(binary, postgres.url("bench"), secret, given.environment, log.name) as started:
            _, answered = started.wait(PATH, bearer, patience=120)
            # What a start has to clean up must not count as a reload's.
            time.sleep(3)
            load = steady.Load(started, scenarios.message(REQUEST, bearer, 1))
            load.run(2)
            rounds = [one_round(postgres, load, started, number, given.rounds) for number in range(given.rounds)]
            loads = [line for line in map(parsed, log) if line.get("message") == "catalog loaded"]
            resident = processes.resident_megabytes(started.process.pid)
    result = {
        "first_answer_ms": answered * 1000,
        "loads": [{key: line[key] for key in ("duration_ms", "relations", "relationships", "functions")}
                  for line in loads],
        "rounds": rounds,
        "resident_mb": resident,
        "postgresql": postgres.version(),
    }
    table.catalog(result)
    return result


def one_round(postgres, load, started, number, rounds):
    """The same load without and with reloads."""
    table.say(f"round {number + 1} of {rounds}")
    quiet = observed(postgres, load, started)
    reloader = threading.Thread(target=reload_now_and_then, args=(postgres,))
    reloader.start()
    reloading = observed(postgres, load, started)
    reloader.join()
    return {"quiet": quiet, "reloading": reloading}


def observed(postgres, load, started):
    """A load, and how many cores were busy with something else meanwhile."""
    def ours():
        spent = os.times()
        pids = (postgres.process.pid, started.process.pid)
        return sum(map(processes.processor_seconds, pids)) + spent.user + spent.system + spent.children_user

    machine, own, began = processes.machine_seconds(), ours(), time.monotonic()
    result = load.run(SECONDS)
    others = (processes.machine_seconds() - machine - (ours() - own)) / (time.monotonic() - began)
    return {**result, "others": max(0.0, others)}


def reload_now_and_then(postgres):
    for _ in range(RELOADS):
        time.sleep(0.5)
        postgres.sql("notify pgrst", "bench")
        time.sleep(SECONDS / RELOADS - 0.6)


def parsed(line):
    try:
        return json.loads(line)
    except ValueError:
        return {}
