"""How long a start takes, with a catalog of 300 relations and the database running."""

import os
import pathlib
import secrets
import statistics
import time

import processes
import scenarios
import server
import table

HERE = pathlib.Path(__file__).resolve().parent
# A relation that only a complete catalog has.
PATH = "/rest/v1/item_260?select=id,name&limit=1"
# Starts after which memory is looked at; it hardly differs, and looking takes two seconds.
IDLE_LOOKS = 3


def measure(postgres, binary, given):
    """Starts and stops the server; prints medians."""
    secret = secrets.token_hex(32)
    bearer = scenarios.token(secret, scenarios.USERS[0])
    postgres.sql("create database bench")
    with server.Server(binary, postgres.url("bench"), secret) as first:
        _, installing = first.wait("/rest/v1/", bearer)
    postgres.sql((HERE / "sql/relations.sql").read_text(), "bench")
    postgres.sql("vacuum analyze", "bench")
    binaries = {"measured": binary} | ({"against": given.against} if given.against else {})
    starts = {name: [] for name in binaries}
    for number in range(given.starts):
        for name, path in binaries.items():
            starts[name].append(one(postgres, path, secret, bearer, given.environment, number < IDLE_LOOKS))
    result = {"relations": 300, "starts": given.starts, "install_ms": installing * 1000, "binaries": {}}
    for name, path in binaries.items():
        result["binaries"][name] = {
            **{key: spread([start[key] for start in starts[name]])
               for key in ("open_ms", "answer_ms", "server_cpu_ms", "postgres_cpu_ms", "others")},
            "idle_mb": statistics.median(start["idle_mb"] for start in starts[name][:IDLE_LOOKS]),
            "binary_mb": pathlib.Path(path).stat().st_size / 1e6,
        }
    table.start(result)
    return result


def one(postgres, binary, secret, bearer, environment, look_at_idle):
    """One start."""
    before, machine, own = processes.processor_seconds(postgres.process.pid), processes.machine_seconds(), os.times()
    with server.Server(binary, postgres.url("bench"), secret, environment) as started:
        opened, answered = started.wait(PATH, bearer)
        spent = processes.processor_seconds(started.process.pid)
        by_postgres = processes.processor_seconds(postgres.process.pid) - before
        driver = os.times().user + os.times().system - own.user - own.system
        others = (processes.machine_seconds() - machine - spent - by_postgres - driver) / answered
        # Long enough that the last allocations of the start are given back or kept for good.
        time.sleep(2 if look_at_idle else 0.2)
        return {
            "open_ms": opened * 1000,
            "answer_ms": answered * 1000,
            "server_cpu_ms": spent * 1000,
            "postgres_cpu_ms": by_postgres * 1000,
            "others": max(0.0, others),
            "idle_mb": processes.resident_megabytes(started.process.pid),
        }


def spread(values):
    """Least, median, most and mean."""
    return {"least": min(values), "median": statistics.median(values), "most": max(values),
            "mean": statistics.mean(values)}
