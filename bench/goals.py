"""What the project wants of a run, and whether it was so: the ratios of the requests, and what follows from several of them.

A goal whose requests or connections were not measured is left out.
"""

import dataclasses

# Numbers of connections at which goals are meant.
USUAL, MANY = 64, 256


@dataclasses.dataclass(frozen=True)
class Goal:
    """A number and its bound."""

    text: str
    value: float
    bound: float
    at_most: bool = False

    @property
    def is_met(self):
        return self.value <= self.bound if self.at_most else self.value >= self.bound


def of(result):
    """All goals that this result says anything about."""
    found = {(row["request"], row["connections"]): row for row in result["rows"] if row["binary"] == "measured"}
    goals = []
    for (name, connections), row in found.items():
        for key, bound, reference in (("ratio", row["goal_pipelined"], "pgbench in a pipeline"),
                                      ("ratio_four", row["goal_four"], "pgbench with four trips")):
            if bound and connections == USUAL:
                goals.append(Goal(f"{name} to {reference}", row[key], bound))
    rows, as_json = found.get(("list", USUAL)), found.get(("list-json", USUAL))
    if rows:
        share = rows["us_server"] / (rows["us_server"] + rows["us_postgres"])
        goals += [
            Goal("list: server, us a request", rows["us_server"], 25, at_most=True),
            Goal("list: server's share of it and PostgreSQL", share, 0.30, at_most=True),
            Goal("list: p99 / p50", rows["p99"] / rows["p50"], 5, at_most=True),
        ]
    if rows and as_json:
        goals.append(Goal("list to pgbench with json_agg", rows["rps"] / as_json["pipelined"]["rps"], 1.0))
    rows, as_json = found.get(("thousand", USUAL)), found.get(("thousand-json", USUAL))
    if rows and as_json:
        goals.append(Goal("thousand: processor time of json_agg's way to ours", spent(as_json) / spent(rows), 2.5))
    goals.append(Goal("RSS idle, MB", result["idle_mb"], 20, at_most=True))
    many = [row["resident_mb"] for (_, connections), row in found.items() if connections == MANY]
    if many:
        goals.append(Goal(f"RSS at {MANY} connections, MB", max(many), 40, at_most=True))
    return goals


def spent(row):
    """Processor time of a request, of everybody."""
    return row["us_server"] + row["us_postgres"] + row["us_load"]
