"""Keeps the processes of one switch running: N workers, jobs, delivery, banks.

Here lives only the watching: starting a child, hearing what it reports, starting it again when it
dies, and ending all of them in order. What must be true before the first child starts is
`serving`'s business; what a child does is `worker`'s, `jobs`'s, `delivery`'s and `banks`'s.

A dead child is replaced at once; one that keeps dying young after a pause that doubles up to a
bound. A child that ends before it ever served stops the start: its own message says why.
"""

import asyncio
import os
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO

import msgspec
from prometheus_client.multiprocess import mark_process_dead

from switch import limits, log
from switch.clock import SYSTEM_CLOCK, Clock
from switch.config import Config
from switch.errors import SwitchError
from switch.lifeline import Report

_log = log.logger("supervisor")

WORKER_COMMAND = "_worker"
BESIDE_WORKERS = {"jobs": "_jobs", "delivery": "_delivery", "banks": "_banks"}  # name → command


class Child:
    """One process that is kept running, and what it last said about itself."""

    def __init__(
        self,
        *,
        name: str,
        command: str,
        config: Config,
        metrics_dir: Path,
        messages: IO[bytes] | None = None,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self.name = name
        self.restart_count = 0
        self._command = command
        self._config = config
        self._metrics_dir = metrics_dir
        self._messages = messages  # its standard error; None is the supervisor's own
        self._clock = clock
        self._process: asyncio.subprocess.Process | None = None
        self._waiting_for: str | None = "its start"
        self._heard_at_s = clock.monotonic_s()
        self._ending = asyncio.Event()
        self._served = asyncio.Event()

    @property
    def pid(self) -> int | None:
        """The process that runs now, if one does."""
        process = self._process
        return process.pid if process is not None and process.returncode is None else None

    @property
    def waiting_for(self) -> str | None:
        """None while it serves, else what is in the way, in words."""
        if self.pid is None:
            return "its restart"
        if (
            self._waiting_for is None
            and self._clock.monotonic_s() - self._heard_at_s > limits.SILENCE_S_MAX
        ):
            return "an answer of the process, which is silent"
        return self._waiting_for

    async def keep(self) -> None:
        """Run it, again and again. Returns when told to end, or when it never came to serve."""
        pause_s = 0.0
        while not self._ending.is_set():
            started_at_s = self._clock.monotonic_s()
            await self._run_once()
            if self._ending.is_set() or not self._served.is_set():
                return
            young = self._clock.monotonic_s() - started_at_s < limits.CHILD_SETTLED_S
            pause_s = _next_pause_s(pause_s) if young and self.restart_count else 0.0
            self.restart_count += 1
            _log.warning("a process ended and is started again", name=self.name, pause_s=pause_s)
            with suppress(TimeoutError):
                async with asyncio.timeout(pause_s):
                    await self._ending.wait()

    async def served(self) -> None:
        """Return as soon as it has served for the first time."""
        await self._served.wait()

    def end(self) -> None:
        """Ask it to finish what it accepted and to end; it is not started again."""
        self._ending.set()
        self._signal_process(kill=False)

    def kill(self) -> None:
        """End it now."""
        self._ending.set()
        self._signal_process(kill=True)

    async def _run_once(self) -> None:
        self._waiting_for = "its start"
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-m", "switch", self._command, self.name),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=self._messages,
            env=os.environ | {"PROMETHEUS_MULTIPROC_DIR": str(self._metrics_dir)},
        )
        self._process = process
        if self._ending.is_set():  # told to end while it was being started
            self._signal_process(kill=True)
        try:
            await self._listen(process)
        finally:
            self._signal_process(kill=True)
            await process.wait()
            # What it was holding is gone with it; what it has counted stays.
            mark_process_dead(self.name, path=str(self._metrics_dir))  # type: ignore[no-untyped-call]

    async def _listen(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        with suppress(ConnectionError):  # it died already; the read below ends at once
            process.stdin.write(self._config.to_json() + b"\n")
            await process.stdin.drain()
        try:
            while line := await next_line(process.stdout):
                self._hear(line)
        except TimeoutError:
            _log.error("a process is hung and is ended", name=self.name, silent_s=limits.HUNG_S_MAX)

    def _hear(self, line: bytes) -> None:
        try:
            report = msgspec.json.decode(line, type=Report)
        except msgspec.DecodeError:
            return  # something printed in the child; not a report
        self._waiting_for = report.waiting_for
        self._heard_at_s = self._clock.monotonic_s()
        if report.waiting_for is None:
            self._served.set()

    def _signal_process(self, *, kill: bool) -> None:
        process = self._process
        if process is None or process.returncode is not None:
            return
        # Not by the process object, which would look for its end first and so reap it: that is
        # for the loop alone, which otherwise never learns its exit code.
        with suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGKILL if kill else signal.SIGTERM)


async def next_line(reports: asyncio.StreamReader) -> bytes:
    """The next line of a child that is not hung; empty at its end, TimeoutError when it is.

    This process may itself have stood still, with the machine: what the child has said
    meanwhile is read before its silence is judged.
    """
    reading = asyncio.ensure_future(reports.readline())
    try:
        for patience_s in (limits.HUNG_S_MAX, limits.HUNG_LAST_LOOK_S):
            done, _ = await asyncio.wait({reading}, timeout=patience_s)
            if done:
                return reading.result()
        raise TimeoutError
    finally:
        reading.cancel()


class Supervisor:
    """All children of one switch: `start`, then `drain` or `kill`, which wait for their end."""

    def __init__(self, children: Sequence[Child], *, messages: Path | None = None) -> None:
        self.children = tuple(children)
        self.messages = messages  # where the children's standard error goes, if not to ours
        self._keeping: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Start all and return when each has served; SwitchError when one cannot."""
        self._keeping = [asyncio.create_task(child.keep()) for child in self.children]
        try:
            async with asyncio.timeout(limits.CHILD_READY_S_MAX):
                await self._all_served()
        except TimeoutError:
            late = next(child for child in self.children if child.waiting_for)
            await self.kill()
            raise SwitchError(
                f"{late.name} did not serve within {limits.CHILD_READY_S_MAX:g} s:"
                f" it waits for {late.waiting_for}"
            ) from None
        except BaseException:
            await self.kill()
            raise

    async def _all_served(self) -> None:
        serving = asyncio.create_task(self._served())
        await asyncio.wait([serving, *self._keeping], return_when=asyncio.FIRST_COMPLETED)
        if not serving.done():
            serving.cancel()
            failed = next(
                child
                for child, kept in zip(self.children, self._keeping, strict=True)
                if kept.done()
            )
            raise SwitchError(f"{failed.name} ended while starting: {last_words(self.messages)}")

    async def _served(self) -> None:
        for child in self.children:
            await child.served()

    async def drain(self) -> None:
        """Let every child finish what it accepted; end by force what takes too long."""
        for child in self.children:
            child.end()
        _, late = await asyncio.wait(self._keeping, timeout=limits.DRAIN_KILL_S)
        if late:
            await self.kill()

    async def kill(self) -> None:
        """End every child now."""
        for child in self.children:
            child.kill()
        await asyncio.gather(*self._keeping, return_exceptions=True)


def last_words(messages: Path | None) -> str:
    """What a person reads about a child that ended: its last line, or where it stands."""
    if messages is None:
        return "its message is above"
    lines = messages.read_text(errors="replace").splitlines()
    return lines[-1] if lines else "it said nothing"


def _next_pause_s(pause_s: float) -> float:
    return min(limits.RESTART_PAUSE_S_MAX, max(limits.RESTART_PAUSE_S_MIN, pause_s * 2))
