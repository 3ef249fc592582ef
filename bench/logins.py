"""What sign-ins cost those who only read: a steady load without and with more passwords to check than the machine can.

A password is made to be dear: a sign-in takes some 20 ms of a processor. They are offered at a fixed rate, whatever
becomes of the earlier ones, and those that would have to wait too long are told to come again.
"""

import collections
import concurrent.futures
import http.client
import json
import statistics
import time

import scenarios
import server
import steady
import table
import throughput

OFFERED = 200
SECONDS = 8
USERS = 50
# Everybody who waits for an answer has a thread; most are told to come again at once.
WAITING = 500
PASSWORD = "correct horse battery"


def measure(postgres, binary, given):
    """Rounds of both; prints."""
    given.environment = {
        "FERROBASE_AUTH__EMAIL__AUTOCONFIRM": "true",
        "FERROBASE_AUTH__RATE_LIMITS__SIGN_IN": "1000000",
        "FERROBASE_AUTH__RATE_LIMITS__TOKEN": "1000000",
        "FERROBASE_SECURITY__RATE_LIMIT__ENABLED": "false",
        **given.environment,
    }
    with throughput.running(postgres, {"measured": binary}, given) as (servers, tokens):
        started = servers["measured"]
        for user in range(USERS):
            status = post(started, "/auth/v1/signup", user)
            if status != 200:
                raise SystemExit(f"signing up was answered {status}")
        load = steady.Load(started, scenarios.message(scenarios.ALL["list"], next(iter(tokens.values())), 1))
        load.run(2)
        rounds = []
        for number in range(given.rounds):
            table.say(f"round {number + 1} of {given.rounds}")
            quiet = load.run(SECONDS)
            with concurrent.futures.ThreadPoolExecutor(1) as beside:
                storm = beside.submit(offer, started)
                reading = load.run(SECONDS)
            rounds.append({"quiet": quiet, "storm": reading, "logins": storm.result()})
    result = {"rounds": rounds, "offered": OFFERED, "postgresql": postgres.version()}
    table.logins(result)
    return result


def offer(started):
    """Sign-ins at the rate; how many got which status, and how long those took that succeeded."""
    statuses, served = collections.Counter(), []

    def one(number):
        asked = time.monotonic()
        status = post(started, "/auth/v1/token?grant_type=password", number % USERS)
        statuses[status] += 1
        if status == 200:
            served.append((time.monotonic() - asked) * 1000)

    with concurrent.futures.ThreadPoolExecutor(WAITING) as people:
        began = time.monotonic()
        for number in range(OFFERED * SECONDS):
            time.sleep(max(0.0, began + number / OFFERED - time.monotonic()))
            people.submit(one, number)
    took = time.monotonic() - began
    return {"statuses": dict(statuses), "per_second": statuses[200] / took,
            "p50": statistics.median(served) if served else None}


def post(started, path, user):
    """The status of a sign-up or sign-in."""
    connection = http.client.HTTPConnection("127.0.0.1", started.port, timeout=30)
    body = json.dumps({"email": f"user{user}@example.com", "password": PASSWORD})
    connection.request("POST", path, body, {"Content-Type": "application/json"})
    status = connection.getresponse().status
    connection.close()
    return status
