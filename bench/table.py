"""What is shown: one table a run, for people; `--json` has the same for programs."""

import math
import statistics
import sys

import goals


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
    print()
    aligned(["goal", "is", "wanted", ""], [
        [one.text, f"{one.value:.2f}", f"{'<=' if one.at_most else '>='} {one.bound:.2f}", "" if one.is_met else "missed"]
        for one in goals.of(result)
    ])
    print(f"PostgreSQL {result['postgresql']}. Other programs used {result['others']:.2f} cores meanwhile.")


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
          f"{result['first_answer_ms']:.0f} ms. Reloads: {', '.join(str(load['duration_ms']) for load in again)} ms.")
    times = ("p50", "p99", "p999", "most")
    rows = []
    for name, pairs in result["pairs"].items():
        for number, pair in enumerate(pairs, 1):
            for sort, window in pair.items():
                slowest = " ".join(f"{slow['ms']:.1f}@{slow['after_notify_ms']:+.0f}"
                                   for slow in window.get("slowest", []) if "after_notify_ms" in slow)
                loaded = window.get("reload", {}).get("loaded_ms")
                rows.append([f"{name} {number} {sort}", window["requests"], window["failures"],
                             *(f"{window[key]:.2f}" for key in times), f"{window['others']:.2f}",
                             f"{loaded:.0f}" if loaded else "", slowest])
    aligned(["window", "requests", "failures", "p50 ms", "p99 ms", "p99.9 ms", "most ms", "others", "loaded ms",
             "slowest, ms@ms after the notification"], rows)
    print()
    aligned(["load", "quiet p50", "reload p50", "quiet p99", "reload p99", "quiet most", "reload most",
             "worst quiet", "worst reload", "most / quiet p99", "worst / quiet p99", "slower pairs"],
            [catalog_row(name, pairs) for name, pairs in result["pairs"].items()])
    print("Medians of the windows, milliseconds; `worst` is the slowest request of all windows. A reload that nobody notices is "
          "slower in half of the pairs; how likely at least so many are by chance stands behind it. Goal: the slowest request "
          "beside a reload <= 2 times the p99 of its pair's other window; a load whose quiet windows miss that says nothing.")
    print(f"RSS after all that {result['resident_mb']:.0f} MB. PostgreSQL {result['postgresql']}.")


def catalog_row(name, pairs):
    def of(sort, key):
        return [pair[sort][key] for pair in pairs]

    quiet_p99, worst = statistics.median(of("quiet", "p99")), max(of("reload", "most"))
    medians = [statistics.median(of(sort, key)) for key in ("p50", "p99", "most") for sort in ("quiet", "reload")]
    ratios = [pair["reload"]["most"] / pair["quiet"]["p99"] for pair in pairs]
    slower, count = sum(pair["reload"]["most"] > pair["quiet"]["most"] for pair in pairs), len(pairs)
    chance = sum(math.comb(count, number) for number in range(slower, count + 1)) / 2**count
    return [name, *(f"{value:.2f}" for value in medians), f"{max(of('quiet', 'most')):.2f}", f"{worst:.2f}",
            f"{statistics.median(ratios):.2f}", f"{worst / quiet_p99:.2f}", f"{slower} of {count} ({chance:.2f})"]


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
