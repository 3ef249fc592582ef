#!/usr/bin/env python3
"""Loads the machine's Debian package index into the packages example.

Reads `apt-cache dumpavail` (or the bundled excerpt where there is no apt) and writes through the REST API with the
service key, as any client would: CSV in batches, each one statement. Standard library only.

    ./load.py                      # finds the running `ferrobase dev` of this folder
    ./load.py --url http://127.0.0.1:8000 --key SERVICE_KEY [--excerpt]
"""

import argparse
import csv
import gzip
import io
import json
import re
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

HERE = Path(__file__).resolve().parent
BATCH = 5000
KINDS = {"Pre-Depends": "pre-depends", "Depends": "depends", "Recommends": "recommends", "Suggests": "suggests"}
# `libc6 (>= 2.34)`, `python3:any`, `foo [amd64]`
EDGE = re.compile(r"^\s*([a-z0-9][a-z0-9+.-]*)(?::\S+)?\s*(?:\(([^)]*)\))?")


def stanzas(lines):
    """Yields one dictionary per stanza; continuation lines are left out, no field we use has them."""
    fields = {}
    for line in lines:
        line = line.rstrip("\n")
        if not line:
            if fields:
                yield fields
            fields = {}
        elif line[0] not in " \t":
            name, _, value = line.partition(":")
            fields[name] = value.strip()
    if fields:
        yield fields


def source(excerpt):
    """The index as lines, from apt when it has one."""
    if not excerpt:
        try:
            out = subprocess.run(["apt-cache", "dumpavail"], capture_output=True, check=True).stdout
            if out.count(b"\nPackage: ") > 1000:
                return io.StringIO(out.decode("utf-8", "replace"))
        except (OSError, subprocess.CalledProcessError):
            pass
        print("no package index on this machine: using the bundled excerpt", file=sys.stderr)
    return gzip.open(HERE / "excerpt.gz", "rt", encoding="utf-8")


def number(text):
    return text if text and text.isdigit() else None


class Tables:
    """Rows of all tables, numbered as they are met."""

    def __init__(self):
        self.maintainers = {}
        self.sections = {}
        self.packages = {}
        self.dependencies = []

    def add(self, stanza):
        key = (stanza["Package"], stanza.get("Version", ""), stanza.get("Architecture", ""))
        if key in self.packages:
            return
        who = re.match(r"^(.*?)\s*<([^>]*)>", stanza.get("Maintainer", "")) or re.match(r"^(.*)()$", stanza.get("Maintainer", ""))
        maintainer = self.maintainers.setdefault((who[1].strip('" '), who[2]), len(self.maintainers) + 1)
        section = stanza.get("Section")
        if section:
            self.sections[section] = None
        package = len(self.packages) + 1
        self.packages[key] = [
            package, *key, section, stanza.get("Priority"), stanza.get("Description") or stanza.get("Description-en"),
            stanza.get("Homepage"), number(stanza.get("Size")), number(stanza.get("Installed-Size")), maintainer,
        ]
        for field, kind in KINDS.items():
            for position, group in enumerate(filter(None, stanza.get(field, "").split(","))):
                for alternative, text in enumerate(group.split("|")):
                    edge = EDGE.match(text)
                    if edge:
                        self.dependencies.append(
                            [len(self.dependencies) + 1, package, kind, position, alternative, edge[1], edge[2]])

    def in_order(self):
        """(table, columns, rows), parents first."""
        yield "maintainers", ["id", "name", "email"], [[i, *who] for who, i in self.maintainers.items()]
        yield "sections", ["name"], [[name] for name in self.sections]
        yield ("packages", ["id", "name", "version", "architecture", "section", "priority", "summary", "homepage", "size",
                            "installed_size", "maintainer_id"], list(self.packages.values()))
        yield ("dependencies", ["id", "package_id", "kind", "position", "alternative", "target", "version_rule"],
               self.dependencies)


class Api:
    """The REST API with the service key."""

    def __init__(self, url, key):
        self.url, self.key = url.rstrip("/") + "/rest/v1", key

    def call(self, method, path, body=None, **headers):
        request = urllib.request.Request(self.url + path, data=body, method=method)
        request.add_header("apikey", self.key)
        for name, value in headers.items():
            request.add_header(name.replace("_", "-"), value)
        try:
            with urllib.request.urlopen(request, timeout=120) as answer:
                return answer.headers, answer.read()
        except urllib.error.HTTPError as error:
            sys.exit(f"{method} {path}: {error.code} {error.read().decode('utf-8', 'replace')}")

    def count(self, table):
        headers, _ = self.call("HEAD", f"/{table}?limit=0", Prefer="count=exact")
        return int(headers["Content-Range"].rpartition("/")[2])

    def insert(self, table, columns, rows):
        text = io.StringIO()
        writer = csv.writer(text)
        writer.writerow(columns)
        # In the API's CSV an unquoted NULL is SQL's NULL.
        writer.writerows([["NULL" if value is None else value for value in row] for row in rows])
        self.call("POST", f"/{table}", text.getvalue().encode(), Content_Type="text/csv", Prefer="return=minimal")


def bar(label, done, total):
    """One line that fills up; only on a terminal, a log gets the last one."""
    if not sys.stderr.isatty() and done < total:
        return
    width = 32
    filled = width * done // max(total, 1)
    end = "\n" if done >= total else ""
    print(f"\r{label:>13} [{'#' * filled}{'.' * (width - filled)}] {done:>7}/{total}", end=end, file=sys.stderr, flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url")
    parser.add_argument("--key", help="service key")
    parser.add_argument("--excerpt", action="store_true", help="load the bundled excerpt even where apt has an index")
    options = parser.parse_args()
    if not (options.url and options.key):
        try:
            running = json.loads((HERE / ".ferrobase" / "dev.json").read_text())
        except FileNotFoundError:
            sys.exit("no server runs in this folder: start `ferrobase dev` here, or give --url and --key")
        options.url = options.url or running["url"]
        options.key = options.key or running["service_key"]
    api = Api(options.url, options.key)
    if api.count("packages"):
        print(f"already loaded: {api.count('packages')} packages, {api.count('dependencies')} dependencies"
              " (`ferrobase dev --reset` starts anew)")
        return
    tables = Tables()
    with source(options.excerpt) as lines:
        for stanza in stanzas(lines):
            tables.add(stanza)
    for table, columns, rows in tables.in_order():
        bar(table, 0, len(rows))
        for start in range(0, len(rows), BATCH):
            api.insert(table, columns, rows[start:start + BATCH])
            bar(table, min(start + BATCH, len(rows)), len(rows))
    api.call("POST", "/rpc/update_statistics")


if __name__ == "__main__":
    main()
