"""What is shown: one table a run, for people; `--json` has the same for programs."""

import statistics
import sys


def say(text):
    """Progress, on the standard error."""
    print(text, file=sys.stderr, flush=True)


def throughput(result):
    heads = ["request", "conns", "req/s", "p50 ms", "p99 ms", "pipeline", "goal", "by cpu", "4 trips", "goal",
             "us serve", "us pg", "us wrk", "pgbench", "us pg", "4 trips", "us pg", "RSS MB", "errors"]
    rows = [[
        row["request"] + (" (against)" if row["binary"] == "against" else ""), row["connections"], f"{row['rps']:,.0f}", f"{row['p50']:.2f}", f"{row['p99']:.1f}",
        f"{row['ratio']:.2f}", goal(row["goal_pipelined"]), f"{row['ratio_cpu']:.2f}", f"{row['ratio_four']:.2f}",
        goal(row["goal_four"]),
        f"{row['us_server']:.1f}", f"{row['us_postgres']:.1f}", f"{row['us_load']:.1f}",
        f"{row['pipelined']['rps']:,.0f}", f"{row['pipelined']['us_postgres']:.1f}",
        f"{row['four']['rps']:,.0f}", f"{row['four']['us_postgres']:.1f}", f"{row['resident_mb']:.0f}", row["errors"],
    ] for row in result["rows"]]
    aligned(heads, rows)
    print(f"RSS idle {result['idle_mb']:.1f} MB. PostgreSQL {result['postgresql']}. "
          f"Other programs used {result['others']:.2f} cores meanwhile.")


def http2(result):
    aligned(["list of 20 over", "req/s", "server us", "failed"], [
        [row["way"], f"{row['rps']:,.0f}", f"{row['us_server']:.1f}", f"{row['failed']:.0f}"] for row in result["ways"]
    ])


def graphql(result):
    def ratio(value):
        return f"{value:.2f}" if value else ""

    aligned(["question", "asked of", "req/s", "p50 ms", "p99 ms", "to PostGraphile", "goal", "to REST", "us server",
             "us pg", "errors"], [
        [row["question"], {"ours": "GraphQL", "rest": "REST", "peer": "PostGraphile"}[row["way"]]
         + (" (against)" if row["binary"] == "against" else ""), f"{row['rps']:,.0f}", f"{row['p50']:.2f}",
         f"{row['p99']:.1f}", ratio(row["peer"]), goal(row["goal"]), ratio(row["rest"]), f"{row['us_server']:.0f}",
         f"{row['us_postgres']:.0f}", row["errors"]]
        for row in result["rows"]
    ])
    wide = result["wide"]
    print(f"Introspection of 1,000 tables ({wide['types']:,} types, {wide['bytes'] / 1e6:.0f} MB): first {wide['first_ms']:.0f} ms, then "
          f"{wide['later_ms']:.0f} ms (goal < 100); {wide['megabytes']:.0f} MB.")
    memory = ", ".join(f"{name} {size:.0f} MB" for name, size in result["memory"].items())
    print(f"RSS at the end: {memory}. PostgreSQL {result['postgresql']}. "
          f"Other programs used {result['others']:.2f} cores meanwhile.")


def goal(least):
    return f">= {least:.2f}" if least else ""


def streams(result):
    aligned(["stream", "MB", "seconds", "MB/s", "server cpu s", "PostgreSQL cpu s", "idle MB", "peak above idle, MB", "goal"], [
        [row["stream"], f"{row['bytes'] / 1e6:,.0f}", f"{row['seconds']:.1f}", f"{row['bytes'] / 1e6 / row['seconds']:.0f}",
         f"{row['server_cpu']:.1f}", f"{row['postgres_cpu']:.1f}", f"{row['idle_mb']:.1f}", f"{row['above_idle_mb']:.1f}",
         "< 64"]
        for row in result["rows"]
    ])
    print(f"PostgreSQL {result['postgresql']}. Rows of about 1 kB under row security; reader and writer on the same machine.")


def start(result):
    for name, of in result["binaries"].items():
        def times(key):
            return [f"{of[key][which]:.1f}" for which in ("least", "median", "most")]

        aligned([f"start with 300 relations ({name})", "least", "median", "most", "goal"], [
            ["exec to open port, ms", *times("open_ms"), ""],
            ["exec to first 200, ms", *times("answer_ms"), "< 100"],
            ["cores that others used meanwhile", *times("others"), ""],
            ["processor time until then: server, ms", "", f"mean {of['server_cpu_ms']['mean']:.0f}", "", ""],
            ["processor time until then: PostgreSQL, ms", "", f"mean {of['postgres_cpu_ms']['mean']:.0f}", "", ""],
            ["RSS idle, MB", "", f"{of['idle_mb']:.1f}", "", "< 30"],
            ["binary, MB", "", f"{of['binary_mb']:.1f}", "", "< 40"],
        ])
    print(f"First start on an empty database, which installs: {result['install_ms']:.0f} ms.")


def catalog(result):
    first, *again = result["loads"]
    print(f"{first['relations']:,} relations, {first['relationships']:,} relationships, {first['functions']:,} functions. "
          f"First load {first['duration_ms']} ms (goal < 5000), from exec to the first answer "
          f"{result['first_answer_ms']:.0f} ms. Reloads under load: "
          f"{', '.join(str(load['duration_ms']) for load in again)} ms.")
    heads = ["load", "requests", "failures", "p50 ms", "p99 ms", "p99.9 ms", "most ms", "most / quiet p99", "others"]
    rows = []
    for number, of in enumerate(result["rounds"], 1):
        for name in ("quiet", "reloading"):
            load = of[name]
            rows.append([f"{name} {number}", load["requests"], load["failures"],
                         *(f"{load[key]:.2f}" for key in ("p50", "p99", "p999", "most")),
                         f"{load['most'] / of['quiet']['p99']:.2f}", f"{load['others']:.2f}"])
    for name in ("quiet", "reloading"):
        def median(key):
            return statistics.median(of[name][key] for of in result["rounds"])

        rows.append([f"{name}, median", "", "", *(f"{median(key):.2f}" for key in ("p50", "p99", "p999", "most")), "", ""])
    aligned(heads, rows)
    print(f"RSS after all that {result['resident_mb']:.0f} MB. PostgreSQL {result['postgresql']}. Goal: most / quiet p99 <= 2.")


def logins(result):
    rows = []
    for number, of in enumerate(result["rounds"], 1):
        for name in ("quiet", "storm"):
            load, asked = of[name], of["logins"]
            refused = sum(count for status, count in asked["statuses"].items() if status != 200)
            signed_in = [f"{asked['per_second']:.0f}", refused, f"{asked['p50'] or 0:.0f}"] if name == "storm" else [""] * 3
            rows.append([f"{name} {number}", load["requests"], load["failures"],
                         *(f"{load[key]:.2f}" for key in ("p50", "p99", "p999", "most")), *signed_in])
    aligned(["reading", "requests", "failures", "p50 ms", "p99 ms", "p99.9 ms", "most ms", "sign-ins/s", "told to wait",
             "p50 ms"], rows)
    print(f"{result['offered']} sign-ins a second were offered. PostgreSQL {result['postgresql']}.")


def aligned(heads, rows):
    """A table whose first column is text and the others numbers."""
    lines = [[str(cell) for cell in row] for row in [heads, *rows]]
    widths = [max(len(line[i]) for line in lines) for i in range(len(heads))]
    for line in lines:
        cells = [cell.ljust(width) if i == 0 else cell.rjust(width)
                 for i, (cell, width) in enumerate(zip(line, widths))]
        print("  ".join(cells).rstrip())
