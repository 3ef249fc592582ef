"""The same list over HTTP/1.1 and over HTTP/2, by the same load generator (h2load), taking turns."""

import re
import statistics
import subprocess

import processes
import scenarios
import table
import throughput

# Name, connections, and how h2load asks.
WAYS = [
    ("HTTP/1.1, 64 connections", ["--h1", "-c", "64"]),
    ("HTTP/2, 64 connections of one stream", ["-c", "64", "-m", "1"]),
    ("HTTP/2, 8 connections of 8 streams", ["-c", "8", "-m", "8"]),
    ("HTTP/2, 1 connection of 64 streams", ["-c", "1", "-m", "64"]),
]


def measure(postgres, binary, given):
    """Requests a second and what one costs, for each way."""
    with throughput.running(postgres, {"measured": binary}, given) as (servers, tokens):
        server = servers["measured"]
        rounds = {name: [] for name, _ in WAYS}
        for number in range(given.rounds):
            table.say(f"round {number + 1} of {given.rounds}")
            for name, arguments in WAYS:
                rounds[name].append(load(server, arguments, next(iter(tokens.values())), given.seconds))
    rows = [{"way": name, **{key: statistics.median(load[key] for load in loads) for key in loads[0]}}
            for name, loads in rounds.items()]
    result = {"ways": rows, "postgresql": postgres.version()}
    table.http2(result)
    return result


def load(server, arguments, bearer, seconds):
    path = scenarios.ALL["list"].path
    command = ["h2load", "-t", "1", "-D", str(max(1, round(seconds))), *arguments,
               "-H", f"authorization: Bearer {bearer}", f"http://127.0.0.1:{server.port}{path}"]
    before = processes.processor_seconds(server.process.pid)
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    spent = processes.processor_seconds(server.process.pid) - before
    done = int(re.search(r"(\d+) succeeded", output).group(1))
    failed = int(re.search(r"(\d+) failed", output).group(1))
    return {"rps": float(re.search(r"([\d.]+) req/s", output).group(1)), "us_server": spent * 1e6 / max(1, done),
            "failed": failed}
