"""How long a catalog of 10,000 tables takes to load, and whether requests notice a reload.

The slowest of some thousand requests depends on luck, also when nothing else happens. So windows with one reload and
windows without take turns, in random order, and their slowest requests are compared pair by pair: under a load that leaves
room, under one that does not, under one of all sorts of requests, some of which take ten times as long as others, and
both of these with so many connections that nearly all of a request's time is waiting for its turn.
"""

import datetime
import json
import os
import pathlib
import random
import secrets
import tempfile
import threading
import time

import processes
import scenarios
import server
import steady
import table
import throughput

HERE = pathlib.Path(__file__).resolve().parent
# A relation that only a complete catalog has.
PATH = "/rest/v1/t9999?select=id,name&limit=1"
REQUEST = scenarios.Request("row", "GET", "/rest/v1/t0?select=id,name&limit=1")
# A reload with its proofs fits into a window, also beside a thousand connections.
SECONDS = 16
NOTIFY_AFTER = 1
CONNECTIONS, CROWD = 64, 1000


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
    postgres.sql((HERE / "sql/data.sql").read_text(), "bench")
    table.say(f"generated in {time.monotonic() - generating:.0f} s")
    with tempfile.NamedTemporaryFile(mode="r", encoding="utf-8") as log:
        with (server.Server(binary, postgres.url("bench"), secret, given.environment, log.name) as started,
              postgres.notifier("bench") as notify):
            _, answered = started.wait(PATH, bearer, patience=120)
            windows = Windows(postgres, started, bearer, log, notify)
            windows.rest()
            loads = {"steady": windows.steady, "full": windows.full, "mixed": windows.mixed, "crowd": windows.crowd,
                     "mixed crowd": lambda seconds: windows.mixed(seconds, CROWD)}
            for load in loads.values():
                load(2)
            pairs = {name: [windows.pair(name, load, f"{number + 1} of {given.rounds}") for number in range(given.rounds)]
                     for name, load in loads.items()}
            resident = processes.resident_megabytes(started.process.pid)
        result = {
            "first_answer_ms": answered * 1000,
            "loads": windows.loaded(),
            "pairs": pairs,
            "resident_mb": resident,
            "postgresql": postgres.version(),
        }
    table.catalog(result)
    return result


class Windows:
    """Stretches of the same load, with or without a reload."""

    def __init__(self, postgres, started, bearer, log, notify):
        self.postgres, self.started, self.log, self.lines, self.notify = postgres, started, log, [], notify
        self.message = scenarios.message(REQUEST, bearer, 1)
        self.messages = postgres.folder / "row.messages"
        self.messages.write_bytes(b"%d\n%b" % (len(self.message), self.message))
        self.mixture = postgres.folder / "mixed.messages"
        tokens = {user: scenarios.token(started.secret, user) for user in scenarios.USERS}
        scenarios.write_messages(self.mixture, scenarios.chosen(None), tokens)
        self.lists = postgres.folder / "lists.messages"
        scenarios.write_messages(self.lists, scenarios.chosen("list"), tokens)

    def pair(self, name, load, which):
        """A window of each sort, in either order."""
        found, order = {}, ["quiet", "reload"]
        random.shuffle(order)
        for sort in order:
            table.say(f"{name}: {sort}, pair {which}")
            found[sort] = self.window(load, sort == "reload")
        return found

    def window(self, load, reloads):
        self.rest()
        notified = []
        # Both sorts of windows have a notification, only one has a listener.
        notifier = threading.Thread(target=self.notify_later, args=("pgrst" if reloads else "nobody", notified))
        notifier.start()
        result = self.observed(load)
        notifier.join()
        if reloads:
            result["reload"] = self.reload_times(notified[0])
            for slow in result.get("slowest", []):
                slow["after_notify_ms"] = (slow.pop("at") - notified[0]) * 1000
        return result

    def notify_later(self, channel, notified):
        time.sleep(NOTIFY_AFTER)
        notified.append(time.time())
        self.notify(channel)

    def rest(self):
        """Waits until nothing of a reload is left: catalog, proofs, and what was replaced."""
        time.sleep(1)
        # One session stays, for the next time; it works in transactions.
        working = "select count(*) from pg_stat_activity where application_name = 'ferrobase catalog' and state <> 'idle'"
        while int(self.postgres.sql(working)):
            time.sleep(0.2)
        time.sleep(1)

    def reload_times(self, notified):
        """When the new catalog was there, in milliseconds after the notification."""
        loaded = [load for load in self.loaded() if load["at"] > notified]
        return {"loaded_ms": (loaded[0]["at"] - notified) * 1000 if loaded else None}

    def loaded(self):
        """All loads so far."""
        self.lines += self.log.readlines()
        loads = [line for line in map(parsed, self.lines) if line.get("message") == "catalog loaded"]
        keys = ("duration_ms", "relations", "relationships", "functions")
        at = lambda line: datetime.datetime.fromisoformat(line["timestamp"]).timestamp()
        return [{**{key: line[key] for key in keys}, "at": at(line)} for line in loads]

    def steady(self, seconds):
        """A load that leaves room."""
        return steady.Load(self.started, self.message).run(seconds)

    def full(self, seconds):
        """As many requests as there are answers."""
        return throughput.wrk(self.started, self.messages, CONNECTIONS, seconds)

    def mixed(self, seconds, connections=CONNECTIONS):
        """The five requests of the project's goals, as many as there are answers."""
        result = throughput.wrk(self.started, self.mixture, connections, seconds)
        self.postgres.sql("delete from todos where id > 100000", "bench")
        return result

    def crowd(self, seconds):
        """Lists of 20 rows for a thousand connections."""
        return throughput.wrk(self.started, self.lists, CROWD, seconds)

    def observed(self, load):
        """A load, and how many cores were busy with something else meanwhile."""
        def ours():
            spent = os.times()
            pids = (self.postgres.process.pid, self.started.process.pid)
            return sum(map(processes.processor_seconds, pids)) + sum(spent[:4])

        machine, own, began = processes.machine_seconds(), ours(), time.monotonic()
        result = load(SECONDS)
        others = (processes.machine_seconds() - machine - (ours() - own)) / (time.monotonic() - began)
        return {**result, "others": max(0.0, others)}


def parsed(line):
    try:
        return json.loads(line)
    except ValueError:
        return {}
