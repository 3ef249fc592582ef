"""A steady load that leaves the machine room: what is asked is whether anybody has to wait for something else."""

import math
import statistics
import threading
import time

import server

CLIENTS, RATE_EACH = 4, 50
# The slowest requests are told with their time.
TOLD = 5


class Load:
    """Clients that each ask at a fixed rate, or at once when they are late."""

    def __init__(self, started, message):
        self.started, self.message = started, message

    def run(self, seconds):
        answers, failures = [], []
        clients = [threading.Thread(target=self._client, args=(seconds, answers, failures)) for _ in range(CLIENTS)]
        for client in clients:
            client.start()
        for client in clients:
            client.join()
        slowest = sorted(answers, key=lambda answer: -answer[1])[:TOLD]
        latencies = sorted(latency for _, latency in answers)
        return {
            "requests": len(latencies),
            "failures": len(failures),
            "p50": statistics.median(latencies),
            "p99": latencies[math.ceil(len(latencies) * 0.99) - 1],
            "p999": latencies[math.ceil(len(latencies) * 0.999) - 1],
            "most": latencies[-1],
            "slowest": [{"at": at, "ms": latency} for at, latency in slowest],
        }

    def _client(self, seconds, answers, failures):
        connection = self.started.connect()
        began = time.monotonic()
        for number in range(int(seconds * RATE_EACH)):
            due = began + number / RATE_EACH
            time.sleep(max(0.0, due - time.monotonic()))
            asked = time.monotonic()
            if server.ask(connection, self.message) != 200:
                failures.append(number)
            answers.append((time.time(), (time.monotonic() - asked) * 1000))
        connection.close()
