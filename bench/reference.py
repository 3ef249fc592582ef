"""The same SQL by pgbench: what the server asked for one request, read from PostgreSQL's log, asked again as fast as can be.

The reference has no HTTP, no tokens, no JSON parsing and no pool. Two shapes of it: everything in one pipeline with one
Sync (what the server does, with the settings that it sends), and BEGIN, settings, statement, COMMIT one after the other
with the settings that PostgREST sends (what servers with a general client do).
"""

import os
import pathlib
import re
import subprocess

import scenarios

SQL = pathlib.Path(__file__).resolve().parent / "sql"
LOGIN = "bench_reference"
PASSWORD = "reference"
# Who asks while the log is read; not a number that could be anything else.
USER = scenarios.USERS[776]
TODO = scenarios.first_todo(USER) + 55
PARAMETER = re.compile(r"\$(\d+) = (?:'((?:[^']|'')*)'|NULL)")
EXECUTED = re.compile(r"execute [^:]*: (.*)", re.DOTALL)


# The server's own statements now and then fall between those of a request.
CAPTURES = 5


def capture(postgres, server, request, bearer):
    """Statements of one request with their parameters, in order: the settings, then the statement."""
    for _ in range(3):
        server.send(request, bearer, TODO)
    for _ in range(CAPTURES):
        statements = logged_statements(postgres, server, request, bearer)
        if len(statements) == 2:
            break
    else:
        asked = "; ".join(sql for sql, _ in statements)
        raise SystemExit(f"{request.name}: {len(statements)} statements in the log instead of 2: {asked}")
    if request.reference:
        lines = (SQL / request.reference).read_text().splitlines()
        return [statements[0], (" ".join(line for line in lines if not line.startswith("--")), [])]
    return statements


def logged_statements(postgres, server, request, bearer):
    """What PostgreSQL was asked while the request was answered."""
    seen = len(postgres.logged())
    postgres.log_statements(True)
    status = server.send(request, bearer, TODO)
    postgres.log_statements(False)
    if not 200 <= status < 300:
        raise SystemExit(f"{request.name} was answered {status}")
    statements = []
    for entry in postgres.logged()[seen:]:
        executed = EXECUTED.match(entry.get("message", ""))
        if not executed or not entry.get("user", "").startswith("authenticator"):
            continue
        # What follows leaves the connection as it was: the server's own affair.
        if executed.group(1).lower().startswith(("--", "discard ")):
            break
        found = PARAMETER.findall(entry.get("detail", ""))
        statements.append((executed.group(1), [text.replace("''", "'") for _, text in found]))
    return statements


class Reference:
    """A request as pgbench scripts."""

    def __init__(self, request, statements, folder):
        self.variables = {}
        bodies = [self._statement(*statement) for statement in statements]
        begin = f"\\set u random({scenarios.USERS[0]}, {scenarios.USERS[-1]})\n"
        if request.names_row:
            begin += (f"\\set id (:u - {scenarios.USERS[0]}) * {scenarios.TODOS_PER_USER}"
                      f" + random(1, {scenarios.TODOS_PER_USER})\n")
        self.pipelined = folder / f"{request.name}-pipelined.sql"
        self.pipelined.write_text(begin + "\\startpipeline\n" + "".join(bodies) + "\\endpipeline\n")
        self.four_trips = folder / f"{request.name}-four.sql"
        general = self._statement(*general_settings(request, statements[0][1]))
        self.four_trips.write_text(begin + "".join(["begin;\n", general, *bodies[1:], "commit;\n"]))

    def _statement(self, sql, values):
        # A script's statement ends with its line's semicolon; none of ours contains one.
        text = re.sub(r"\$(\d+)", lambda match: self._value(values[int(match.group(1)) - 1]), " ".join(sql.split()))
        return f"{text};\n"

    def _value(self, value):
        if value == str(TODO):
            return ":id"
        if not value:
            return "''"
        name = f"v{len(self.variables)}"
        # One more function call than the server needs: pgbench cannot put a number into a text.
        self.variables[name] = value.replace(str(USER), "USER")
        if str(TODO) in value:
            self.variables[name] = value.replace(str(TODO), "TODO")
            # The server says which type a body has; a call's result needs a word.
            return f"replace(:{name}, 'TODO', :id::text)" + ("::json" if value.startswith("{") else "")
        return f"replace(:{name}, 'USER', :u)" if str(USER) in value else f":{name}"

    def command(self, postgres, script, clients, seconds):
        """How to run it."""
        variables = [f"-D{name}={value}" for name, value in self.variables.items()]
        return [str(postgres.bin / "pgbench"), "-n", "-M", "prepared", "-c", str(clients), "-j", "1",
                "-T", str(max(1, round(seconds))), "-h", postgres.host, "-p", str(postgres.port), "-U", LOGIN,
                *variables, "-f", str(script), "bench"]


def general_settings(request, sent):
    """The seven settings of a server that does not know what its SQL looks at: a statement and its values."""
    of_server = dict(zip(sent[::2], sent[1::2]))
    settings = {
        "search_path": of_server["search_path"],
        "role": of_server["role"],
        "request.jwt.claims": of_server["request.jwt.claims"],
        "request.method": request.method,
        "request.path": request.path.partition("?")[0],
        "request.headers": '{"host":"127.0.0.1","accept":"*/*"}',
        "request.cookies": "{}",
    }
    calls = [f"pg_catalog.set_config(${2 * at + 1},${2 * at + 2},true)" for at in range(len(settings))]
    return "select " + ",".join(calls), [text for pair in settings.items() for text in pair]


def run(command):
    """Starts pgbench."""
    environment = {**os.environ, "PGPASSWORD": PASSWORD}
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def tps(output):
    """Transactions a second and how many there were, without the time for connecting."""
    return (float(re.search(r"^tps = ([\d.]+)", output, re.MULTILINE).group(1)),
            int(re.search(r"actually processed: (\d+)", output).group(1)))
