"""A private PostgreSQL in a temporary folder: local only, own port, fsync on, stopped by its process id."""

import contextlib
import glob
import json
import os
import pathlib
import pwd
import re
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time

OWNER = "postgres"
SETTINGS = """
listen_addresses = '127.0.0.1'
shared_buffers = 256MB
fsync = on
max_connections = 100
# What the server asks is read back from this log, in order to ask the same with pgbench.
logging_collector = on
log_destination = jsonlog
log_directory = 'log'
log_filename = 'statements'
"""


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def programs():
    """The folder with initdb: as configured, else the newest of Debian's."""
    folders = [os.environ.get("FERROBASE_PG_BIN", "")]
    if shutil.which("pg_config"):
        folders.append(subprocess.run(["pg_config", "--bindir"], capture_output=True, text=True).stdout.strip())
    by_version = lambda folder: int(re.search(r"(\d+)/bin$", folder).group(1))
    folders += sorted(glob.glob("/usr/lib/postgresql/[0-9]*/bin"), key=by_version, reverse=True)
    for folder in folders:
        if folder and all(os.access(f"{folder}/{name}", os.X_OK) for name in ("initdb", "postgres", "pgbench")):
            return pathlib.Path(folder)
    raise SystemExit("no PostgreSQL with initdb and pgbench was found: apt-get install postgresql")


class Cluster:
    """Runs between `with` and its end."""

    def __init__(self, parent=None, by_socket=False):
        self.parent, self.by_socket = parent, by_socket
        self.bin, self.port, self.password = programs(), free_port(), secrets.token_hex(16)
        # PostgreSQL refuses to run as root.
        self.user = OWNER if os.geteuid() == 0 else None
        self.process = None

    def __enter__(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="ferrobase-bench-", dir=self.parent))
        try:
            self._start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.process.send_signal(signal.SIGQUIT)
                self.process.wait(10)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _start(self):
        data, password = self.folder / "data", self.folder / "password"
        password.write_text(self.password)
        if self.user:
            owner = pwd.getpwnam(self.user)
            for path in (self.folder, password):
                os.chown(path, owner.pw_uid, owner.pw_gid)
        self._run([self.bin / "initdb", "-D", data, "-U", OWNER, "-E", "UTF8", "--locale=C", "--pwfile", password,
                   "--auth-local=trust", "--auth-host=scram-sha-256", "--no-instructions"])
        with open(data / "postgresql.conf", "a", encoding="utf-8") as configuration:
            configuration.write(SETTINGS)
            configuration.write(f"port = {self.port}\nunix_socket_directories = '{self.folder}'\n")
        self.process = subprocess.Popen([self.bin / "postgres", "-D", data], user=self.user, cwd="/",
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self._wait()

    def _run(self, command):
        done = subprocess.run(command, user=self.user, cwd="/", capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(f"{pathlib.Path(command[0]).name} failed:\n{done.stderr}")

    def _wait(self):
        ready = [self.bin / "pg_isready", "-q", "-h", self.folder, "-p", str(self.port)]
        for _ in range(300):
            if self.process.poll() is not None:
                raise SystemExit("PostgreSQL ended at its start")
            if subprocess.run(ready).returncode == 0:
                return
            time.sleep(0.1)
        raise SystemExit("PostgreSQL did not start within 30 s")

    @property
    def host(self):
        """For programs that take a host, as libpq does."""
        return str(self.folder) if self.by_socket else "127.0.0.1"

    def url(self, database):
        """The owner's URL."""
        if self.by_socket:
            return f"postgresql://{OWNER}@/{database}?host={self.folder}&port={self.port}"
        return f"postgresql://{OWNER}:{self.password}@127.0.0.1:{self.port}/{database}"

    def psql(self, database):
        """How to run psql as the owner, with what it does on its standard input."""
        return [self.bin / "psql", "-XqAt", "-v", "ON_ERROR_STOP=1", "-h", self.folder, "-p", str(self.port),
                "-U", OWNER, "-d", database, "-f", "-"]

    @contextlib.contextmanager
    def notifier(self, database):
        """Notifies channels by a session that is there already: to start one takes a processor for some milliseconds."""
        with subprocess.Popen(self.psql(database), stdin=subprocess.PIPE, text=True) as session:
            def notify(channel):
                session.stdin.write(f"notify {channel};\n")
                session.stdin.flush()

            yield notify

    def sql(self, text, database="postgres"):
        """Runs a script as the owner; the rows as text."""
        done = subprocess.run(self.psql(database), input=text, capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(f"SQL failed: {done.stderr}")
        return done.stdout.strip()

    def version(self):
        return self.sql("show server_version").split()[0]

    def log_statements(self, on):
        """Begins or ends logging what sessions run; sessions see the change before their next statement."""
        self.sql(f"alter system set log_statement = '{'all' if on else 'none'}'; select pg_reload_conf()")
        time.sleep(0.3)

    def logged(self):
        """What was logged so far, oldest first."""
        lines = (self.folder / "data" / "log" / "statements.json").read_text(encoding="utf-8").splitlines()
        return [json.loads(line) for line in lines]
