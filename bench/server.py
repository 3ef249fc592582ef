"""The release binary as `ferrobase serve`, and one request to it."""

import http.client
import os
import signal
import socket
import subprocess
import time

import cluster
import scenarios


class Server:
    """Runs between `with` and its end."""

    def __init__(self, binary, database_url, secret, environment=None):
        self.port, self.secret = cluster.free_port(), secret
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
        self.process = subprocess.Popen(self.command, env=self.environment, cwd="/", stdout=subprocess.DEVNULL)
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

    def status(self, path, bearer):
        """The status of one GET; 0 when nobody listens."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request("GET", path, headers={"Authorization": f"Bearer {bearer}"})
            response = connection.getresponse()
            response.read()
            return response.status
        except (ConnectionError, http.client.HTTPException):
            return 0
        finally:
            connection.close()

    def send(self, request, bearer, todo):
        """The status of one of the measured requests, sent as the load generator sends it."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=10) as connection:
            connection.sendall(scenarios.message(request, bearer, todo))
            return int(connection.recv(65536).split(b" ", 2)[1])

    def wait(self, path, bearer, patience=30):
        """Seconds from exec until the port was open and until the first 200."""
        opened = None
        while time.monotonic() - self.started < patience:
            status = self.status(path, bearer)
            now = time.monotonic() - self.started
            if status:
                opened = opened or now
            if status == 200:
                return opened, now
            if self.process.poll() is not None:
                raise SystemExit("the server ended at its start")
            time.sleep(0.001)
        raise SystemExit(f"no 200 from {path} within {patience} s")
