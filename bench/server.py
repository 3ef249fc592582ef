"""The release binary as `ferrobase serve`, and one request to it."""

import os
import re
import signal
import socket
import subprocess
import time

import cluster
import scenarios


class Server:
    """Runs between `with` and its end."""

    def __init__(self, binary, database_url, secret, environment=None, log=os.devnull):
        self.port, self.secret, self.log = cluster.free_port(), secret, log
        self.command = [str(binary), "serve"]
        # Nothing of the caller's configuration, and nothing that is not the default beside what must be said.
        self.environment = {
            "PATH": os.environ["PATH"],
            "FERROBASE_DATABASE__URL": database_url,
            "FERROBASE_AUTH__JWT_SECRET": secret,
            "FERROBASE_SERVER__HOST": "127.0.0.1",
            "FERROBASE_SERVER__PORT": str(self.port),
            "FERROBASE_SERVER__ADMIN_PORT": str(cluster.free_port()),
            **(environment or {}),
        }

    def __enter__(self):
        self.started = time.monotonic()
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(self.command, env=self.environment, cwd="/", stdout=log)
        return self

    def __exit__(self, *_):
        # The second signal ends the drain.
        for pause in (0.05, 5):
            if self.process.poll() is None:
                self.process.send_signal(signal.SIGTERM)
                try:
                    self.process.wait(pause)
                except subprocess.TimeoutExpired:
                    pass
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def send(self, request, bearer, todo):
        """The status of one of the measured requests, sent as the load generator sends it."""
        with self.connect() as connection:
            return ask(connection, scenarios.message(request, bearer, todo))

    def wait(self, path, bearer, patience=30):
        """Seconds from exec until the port was open and until the first 200.

        Asks on one connection and rests in between: who asks as often as possible takes the processor away from what
        is measured.
        """
        message = scenarios.message(scenarios.Request("start", "GET", path), bearer, 0)
        opened, connection = None, None
        while time.monotonic() - self.started < patience:
            if self.process.poll() is not None:
                raise SystemExit("the server ended at its start")
            time.sleep(0.001 if opened is None else 0.002)
            try:
                connection = connection or self.connect()
                opened = opened or time.monotonic() - self.started
                if ask(connection, message) == 200:
                    return opened, time.monotonic() - self.started
            except ConnectionError:
                connection = None
        raise SystemExit(f"no 200 from {path} within {patience} s")

    def connect(self):
        """A connection to the API."""
        connection = socket.create_connection(("127.0.0.1", self.port), timeout=10)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection


def ask(connection, message):
    """Sends a message and reads the whole answer; its status."""
    connection.sendall(message)
    received = b""
    while b"\r\n\r\n" not in received:
        received += more(connection)
    head, _, body = received.partition(b"\r\n\r\n")
    length = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)
    while length and len(body) < int(length.group(1)):
        body += more(connection)
    return int(head.split(b" ", 2)[1])


def more(connection):
    received = connection.recv(65536)
    if not received:
        raise ConnectionResetError("the connection was closed in an answer")
    return received
