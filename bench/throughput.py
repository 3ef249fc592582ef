"""Load on the server and on pgbench, taking turns; medians of the rounds in one table."""

import contextlib
import json
import os
import pathlib
import secrets
import statistics
import subprocess
import time

import processes
import reference
import scenarios
import server
import table

HERE = pathlib.Path(__file__).resolve().parent
PIPELINED_CLIENTS = 8
FOUR_TRIPS_CLIENTS = 10
WARM_UP_SECONDS = 1


@contextlib.contextmanager
def running(postgres, binaries, given):
    """The data, and these servers on it by name; with the tokens of all users."""
    secret = secrets.token_hex(32)
    tokens = {user: scenarios.token(secret, user) for user in scenarios.USERS}
    bearer = tokens[reference.USER]
    postgres.sql("create database bench")
    table.say(f"PostgreSQL {postgres.version()}, {'unix socket' if given.socket else 'TCP'}; loading the data")
    # A first start makes the roles that the data's grants name; the measured one then starts as usual.
    with server.Server(binaries["measured"], postgres.url("bench"), secret) as first:
        first.wait("/rest/v1/", bearer)
    postgres.sql((HERE / "sql/data.sql").read_text(), "bench")
    postgres.sql("vacuum (analyze, freeze)", "bench")
    with contextlib.ExitStack() as started:
        servers = {
            name: started.enter_context(server.Server(path, postgres.url("bench"), secret, given.environment))
            for name, path in binaries.items()
        }
        for one in servers.values():
            one.wait("/rest/v1/todos?limit=1", bearer)
        time.sleep(1)
        yield servers, tokens


def measure(postgres, binary, given):
    """Everything; prints as it goes."""
    binaries = {"measured": binary} | ({"against": given.against} if given.against else {})
    with running(postgres, binaries, given) as (servers, tokens):
        idle = processes.resident_megabytes(servers["measured"].process.pid)
        bench = Bench(postgres, servers, tokens, given)
        rows = [row for request in given.requests for row in bench.request(request)]
        result = {"rows": rows, "idle_mb": idle, "postgresql": postgres.version(), "others": bench.others()}
    table.throughput(result)
    return result


class Bench:
    """What all requests of a run share."""

    def __init__(self, postgres, servers, tokens, given):
        self.postgres, self.servers, self.tokens, self.given = postgres, servers, tokens, given
        self.foreign = []

    def others(self):
        """Cores that were busy with something else, over all loads."""
        return statistics.mean(self.foreign) if self.foreign else 0.0

    def request(self, request):
        """One row for each number of connections."""
        bearer = self.tokens[reference.USER]
        captured = reference.capture(self.postgres, self.servers["measured"], request, bearer)
        pgbench = reference.Reference(request, captured, self.postgres.folder)
        messages = self.postgres.folder / f"{request.name}.messages"
        scenarios.write_messages(messages, [request], self.tokens)
        for name in self.servers:
            self._wrk(name, messages, max(self.given.connections), WARM_UP_SECONDS)
        rounds = []
        for number in range(self.given.rounds):
            table.say(f"{request.name}: round {number + 1} of {self.given.rounds}")
            rounds.append(self._round(request, messages, pgbench))
        return [summary(request, name, connections, rounds)
                for connections in self.given.connections for name in self.servers]

    def _round(self, request, messages, pgbench):
        """Each load once, the ones to compare beside each other."""
        seconds, loads = self.given.seconds, {}
        for connections in self.given.connections:
            for name in self.servers:
                loads[name, connections] = self._wrk(name, messages, connections, seconds)
                self._clean(request)
        loads["pipelined"] = self._pgbench(pgbench, pgbench.pipelined, PIPELINED_CLIENTS, seconds)
        self._clean(request)
        loads["four"] = self._pgbench(pgbench, pgbench.four_trips, FOUR_TRIPS_CLIENTS, seconds * 2 / 3)
        self._clean(request)
        return loads

    def _clean(self, request):
        if request.cleanup:
            for statement in request.cleanup.split(";"):
                self.postgres.sql(statement, "bench")

    def _wrk(self, name, messages, connections, seconds):
        measured = self.servers[name]
        process = start_wrk(measured, messages, connections, seconds)
        output, used = self._observe(process, measured)
        counted = counted_by_wrk(process, output)
        return {
            "rps": counted["requests"] / counted["us"] * 1e6,
            "p50": counted["p50"] / 1000,
            "p99": counted["p99"] / 1000,
            "bytes": counted["bytes"] / max(1, counted["requests"]),
            "errors": counted["refused"] + counted["broken"],
            **used.each(counted["requests"]),
        }

    def _pgbench(self, pgbench, script, clients, seconds):
        process = reference.run(pgbench.command(self.postgres, script, clients, seconds))
        output, used = self._observe(process, self.servers["measured"])
        if process.returncode:
            raise SystemExit(f"pgbench failed:\n{output}")
        rate, count = reference.tps(output)
        return {"rps": rate, **used.each(count)}

    def _observe(self, process, measured):
        """The output of a load and what everybody used meanwhile."""
        used = Used(self.postgres.process.pid, measured.process.pid)
        output, errors = process.communicate(timeout=120)
        used.end()
        self.foreign.append(used.foreign)
        return output + (errors or ""), used


def start_wrk(measured, messages, connections, seconds):
    command = ["wrk", "-t", "1", "-c", str(connections), "-d", f"{max(1, round(seconds))}s", "--timeout", "10s",
               "-s", str(HERE / "wrk.lua"), f"http://127.0.0.1:{measured.port}/", "--", str(messages)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def counted_by_wrk(process, output):
    """What it measured: numbers, and times in microseconds."""
    line = next((line for line in output.splitlines() if line.startswith("measured ")), None)
    if process.returncode or line is None:
        raise SystemExit(f"wrk failed:\n{output}")
    return json.loads(line.removeprefix("measured "))


def wrk(measured, messages, connections, seconds):
    """A load for its latencies alone."""
    process = start_wrk(measured, messages, connections, seconds)
    output, _ = process.communicate(timeout=seconds + 60)
    counted = counted_by_wrk(process, output)
    times = {name: counted[name] / 1000 for name in ("p50", "p99", "p999", "most")}
    return {"requests": counted["requests"], "failures": counted["refused"] + counted["broken"], **times}


class Used:
    """Processor time of PostgreSQL, the server and the load generator between two moments."""

    def __init__(self, postgres, measured):
        self.pids = (postgres, measured)
        self.began, self.at = self._now(), time.monotonic()

    def _now(self):
        spent = os.times()
        ours = [processes.processor_seconds(pid) for pid in self.pids]
        # The load generator is a child that was waited for.
        return [*ours, spent.children_user + spent.children_system, processes.machine_seconds(),
                spent.user + spent.system]

    def end(self):
        self.resident = processes.resident_megabytes(self.pids[1])
        ended = self._now()
        self.postgres, self.server, self.load, machine, driver = (b - a for a, b in zip(self.began, ended))
        busy = self.postgres + self.server + self.load + driver
        self.foreign = max(0.0, machine - busy) / (time.monotonic() - self.at)

    def each(self, count):
        """Microseconds a request, and cores of others."""
        micro = 1e6 / max(1, count)
        return {"us_postgres": self.postgres * micro, "us_server": self.server * micro, "us_load": self.load * micro,
                "resident_mb": self.resident, "others": self.foreign}


def summary(request, name, connections, rounds):
    """Medians over the rounds; ratios are made within a round, where the machine was the same."""
    def median(of):
        return statistics.median(of(load) for load in rounds)

    def total(load):
        return load["us_postgres"] + load["us_server"] + load["us_load"]

    keys = ["rps", "p50", "p99", "bytes", "us_postgres", "us_server", "us_load", "resident_mb"]
    row = {key: median(lambda load, key=key: load[name, connections][key]) for key in keys}
    return {
        "request": request.name,
        "binary": name,
        "connections": connections,
        **row,
        "errors": sum(load[name, connections]["errors"] for load in rounds),
        "ratio": median(lambda load: load[name, connections]["rps"] / load["pipelined"]["rps"]),
        "ratio_cpu": median(lambda load: total(load["pipelined"]) / total(load[name, connections])),
        "ratio_four": median(lambda load: load[name, connections]["rps"] / load["four"]["rps"]),
        "goal_four": request.goal,
        "goal_pipelined": request.goal_pipelined,
        "pipelined": {key: median(lambda load, key=key: load["pipelined"][key])
                      for key in ("rps", "us_postgres", "us_load")},
        "four": {key: median(lambda load, key=key: load["four"][key]) for key in ("rps", "us_postgres", "us_load")},
        "against": median(lambda load: load["measured", connections]["rps"] / load[name, connections]["rps"]),
        "rounds": [{"rps": load[name, connections]["rps"], "pipelined": load["pipelined"]["rps"],
                    "four": load["four"]["rps"], "others": load[name, connections]["others"]} for load in rounds],
    }
