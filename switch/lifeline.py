"""A child process's two pipes to its supervisor: what it is told, what it reports, how it ends.

Standard input carries the configuration as one line of JSON and then nothing; its end means that
the supervisor is gone, and the child ends at once (whoever still waits for an answer learns that
the outcome is unknown, which is true). Standard output carries one short line of JSON a second:
ready, or what it waits for. A child that is hung says nothing, which the supervisor takes as not
ready. SIGTERM asks for a drain; SIGINT is ignored, since a Ctrl-C reaches the whole process group
and the supervisor passes on what it means.
"""

import asyncio
import os
import resource
import signal
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

import msgspec
from prometheus_client import values

from switch import limits
from switch.config import Config

STDIN_FD = 0
STDOUT_FD = 1


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """One line from a child: `waiting_for` is None when it serves, else what it waits for."""

    waiting_for: str | None


@dataclass(frozen=True, slots=True)
class Lifeline:
    """The child's end. Made by `take`, once, before the event loop starts."""

    config: Config

    @staticmethod
    def take() -> "Lifeline":
        """Read the configuration, and from here on end with the supervisor."""
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        line = _read_line(STDIN_FD)
        if not line:
            os._exit(1)  # the supervisor died while starting this process
        os.set_blocking(STDOUT_FD, False)
        threading.Thread(target=_end_with_supervisor, name="lifeline", daemon=True).start()
        return Lifeline(Config.from_json(line))

    def asked_to_end(self) -> asyncio.Event:
        """An event that SIGTERM sets. Call it in the running loop."""
        asked = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, asked.set)
        return asked

    async def report(self, waiting_for: Callable[[], str | None]) -> None:
        """Tell the supervisor of every change, and that this process is alive, until cancelled."""
        told: str | None = "start"
        silent_s = 0.0
        while True:
            now = waiting_for()
            if now != told or silent_s >= limits.REPORT_INTERVAL_S:
                self._write(Report(waiting_for=now))
                told, silent_s = now, 0.0
            await asyncio.sleep(limits.REPORT_LOOK_S)
            silent_s += limits.REPORT_LOOK_S

    @staticmethod
    def _write(report: Report) -> None:
        # A supervisor that is busy hears the next one; one that is gone is the lifeline's business.
        with suppress(BlockingIOError, BrokenPipeError):
            os.write(STDOUT_FD, msgspec.json.encode(report) + b"\n")


def share_metrics_as(name: str) -> None:
    """Keep this process's samples in files of its name, before any metric is made.

    A process that is started again under the same name goes on counting where the dead one ended,
    so counters never fall and the files stay few.
    """
    values.ValueClass = values.MultiProcessValue(lambda: name)  # type: ignore[no-untyped-call]


def allow_descriptors(count: int) -> None:
    """Raise the process's own bound of open files, as far as the system lets it; children have it.

    A user's is often 1,024 and may be raised.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = count if hard == resource.RLIM_INFINITY else min(count, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def fail(message: str) -> None:
    """End the process with one line for a person; the supervisor shares this standard error."""
    sys.stderr.write(f"switch: {message}\n")
    sys.stderr.flush()
    os._exit(1)


def _read_line(descriptor: int) -> bytes:
    line = bytearray()
    while not line.endswith(b"\n"):
        part = os.read(descriptor, limits.CONFIG_BYTES_MAX)
        if not part:
            return b""
        line += part
        assert len(line) <= limits.CONFIG_BYTES_MAX, "the supervisor writes one short line"
    return bytes(line)


def _end_with_supervisor() -> None:
    while os.read(STDIN_FD, 1):
        pass
    os._exit(1)
