"""What the pure stages of GraphQL take, without HTTP and without a database: ignored tests of the crate, built as it is published."""

import pathlib
import re
import subprocess

ROOT = pathlib.Path(__file__).resolve().parent.parent


def measure(given):
    """A cached operation from the bytes of its request to the statement with its values; the schema of 1,000 tables and its introspection."""
    command = ["cargo", "test", "--quiet", "--release", "-p", "ferrobase-graphql", "--lib", "--",
               "--ignored", "--nocapture", "--test-threads=1", "measured"]
    ran = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    lines = [line.removeprefix("test ") for line in ran.stdout.splitlines() if re.search(r": [\d.]+ (us|ms)", line)]
    print("\n".join(lines))
    return {"lines": lines}
