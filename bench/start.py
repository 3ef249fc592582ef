"""How long a start takes, with a catalog of 300 relations and the database running."""

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


def measure(postgres, binary, given):
    """Starts and stops the server; prints medians."""
    secret = secrets.token_hex(32)
    bearer = scenarios.token(secret, scenarios.USERS[0])
    postgres.sql("create database bench")
    with server.Server(binary, postgres.url("bench"), secret) as first:
        _, installing = first.wait("/rest/v1/", bearer)
    postgres.sql((HERE / "sql/relations.sql").read_text(), "bench")
    postgres.sql("vacuum analyze", "bench")
    opened, answered, idle, spent = [], [], [], []
    for number in range(given.starts):
        with server.Server(binary, postgres.url("bench"), secret, given.environment) as started:
            when_open, when_answered = started.wait(PATH, bearer)
            opened.append(when_open * 1000)
            answered.append(when_answered * 1000)
            spent.append(processes.processor_seconds(started.process.pid) * 1000)
            # Long enough that the last allocations of the start are given back or kept for good.
            time.sleep(2 if number < 3 else 0.2)
            if number < 3:
                idle.append(processes.resident_megabytes(started.process.pid))
    result = {
        "starts": given.starts,
        "open_ms": spread(opened),
        "answer_ms": spread(answered),
        "cpu_ms": spread(spent),
        "install_ms": installing * 1000,
        "idle_mb": statistics.median(idle),
        "binary_mb": pathlib.Path(binary).stat().st_size / 1e6,
        "relations": 300,
    }
    table.start(result)
    return result


def spread(values):
    """Least, median and most."""
    return {"least": min(values), "median": statistics.median(values), "most": max(values)}
