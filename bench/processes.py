"""What processes cost: processor time and memory, from /proc."""

import os
import pathlib

TICK = os.sysconf("SC_CLK_TCK")


def _fields(pid):
    # The name may contain anything, also blanks and parentheses; it ends at the last one.
    return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def processor_seconds(pid):
    """Of the process with its living children and those it has waited for: right also while children come and go."""
    total = 0
    for process in [pid, *children(pid)]:
        try:
            fields = _fields(process)
        except (FileNotFoundError, ProcessLookupError):
            continue
        total += sum(int(ticks) for ticks in (fields[11:15] if process == pid else fields[11:13]))
    return total / TICK


def children(pid):
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                if int(_fields(entry)[1]) == pid:
                    found.append(int(entry))
            except (FileNotFoundError, ProcessLookupError):
                pass
    return found


def resident_megabytes(pid):
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) / 1024


def machine_seconds():
    """Processor time that this machine spent on anything at all."""
    user, nice, system, _idle, _wait, irq, softirq, *_ = map(int, open("/proc/stat").readline().split()[1:])
    return (user + nice + system + irq + softirq) / TICK
