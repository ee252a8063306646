"""Processor time of processes, from /proc: what a payment costs, whoever else uses the machine.

A rate says how fast a whole machine was at that moment; the processor time that a process spent on
a payment hardly depends on its neighbours, so it tells two versions apart on a machine that is
not quiet.
"""

import os
from collections.abc import Iterable
from pathlib import Path

TICKS_PER_S = os.sysconf("SC_CLK_TCK")
PARENT, USER_TICKS, SYSTEM_TICKS = 1, 11, 12  # of what follows the name in /proc/PID/stat


def used_s(pids: Iterable[int]) -> float:
    """Seconds of processor time that these processes have used since they started."""
    ticks = 0
    for pid in pids:
        fields = _stat(pid)
        if fields:
            ticks += int(fields[USER_TICKS]) + int(fields[SYSTEM_TICKS])
    return ticks / TICKS_PER_S


def with_children(pid: int) -> list[int]:
    """A process and those it has started that are still there."""
    others = [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdecimal()]
    return [pid, *(other for other in others if _stat(other)[PARENT : PARENT + 1] == [str(pid)])]


def _stat(pid: int) -> list[str]:
    """The fields after the name, which may hold anything; none when the process is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(") ")[2].split()
    except OSError:
        return []
