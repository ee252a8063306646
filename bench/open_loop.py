"""Requests in open loop: each is sent when it is due, however late the answers come.

Whoever waits for an answer before he sends on asks a switch that stalls less, and counts its stall
once ("coordinated omission"). Here request number n is due at a moment that is known beforehand,
and its time runs from then, also while it waits for a free connection or because this process is
late. So a stall shows in the time of everybody who came meanwhile.

A generator is a process of its own, so that it shares no event loop with what it measures, and a
cheap one: its requests were signed beforehand, of an answer it reads status and length, and some
whole answers are kept, to be verified when the clock has stopped.
"""

import asyncio
import gc
import multiprocessing
import os
import random
import re
from array import array
from collections import Counter, deque
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

from bench import processor
from bench.stage import BenchError
from switch.clock import SYSTEM_CLOCK

HOST = "127.0.0.1"
TICK_S = 0.001  # between two looks at what is due; half of it is in every figure
BEGIN_S = 0.1  # from the last generator that is ready until the first request is due
READY_WAIT_S = 60.0  # for a process to start and to open its connections
ANSWER_WAIT_S = 20.0  # after the last request; longer than the switch takes for its last word
KEPT_MAX = 200  # whole answers of one generator
LENGTH = re.compile(rb"\r\nContent-Length: ([0-9]+)", re.IGNORECASE)
NO_ANSWER = 0  # in the place of a status


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What one generator sends: its messages in turn, and from the first again after the last."""

    port: int
    messages: tuple[bytes, ...]
    per_second: float
    lead_in_s: float  # sent and not counted
    seconds: float
    connections: int

    @property
    def count(self) -> int:
        """How many requests that makes."""
        return round(self.per_second * (self.lead_in_s + self.seconds))


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """What came of the requests of a task, in the order in which they were due."""

    due_per_second: float
    lead_in_s: float
    seconds: float
    statuses: "array[int]"  # NO_ANSWER where there was none
    latencies_s: "array[float]"  # from the moment it was due; ANSWER_WAIT_S where there was none
    held_up_s: "array[float]"  # of which: until it was written
    kept: tuple[tuple[int, bytes], ...]  # number and whole answer
    processor_s: float  # that the generator has used

    def count(self) -> Counter[int]:
        """How many answers of each status, those of the lead-in included."""
        return Counter(self.statuses)

    def per_second(self, *statuses: int) -> float:
        """Answers of these statuses that came while the clock ran, a second."""
        end_s = self.lead_in_s + self.seconds
        came = sum(
            self.lead_in_s <= number / self.due_per_second + latency_s < end_s
            for number, (status, latency_s) in enumerate(
                zip(self.statuses, self.latencies_s, strict=True)
            )
            if status in statuses
        )
        return came / self.seconds

    def within_ms(self, share: float, *statuses: int) -> float:
        """The time within which this share of all requests got an answer of these statuses.

        Any other answer is as good as none. Only what was due while the clock ran counts.
        """
        return _share(
            share,
            [
                latency_s if status in statuses else ANSWER_WAIT_S
                for status, latency_s in self._counted(self.latencies_s)
            ],
        )

    def latency_ms(self, share: float, status: int) -> float | None:
        """The time within which this share of the answers of one status came, if there are any."""
        came_s = [latency_s for one, latency_s in self._counted(self.latencies_s) if one == status]
        return _share(share, came_s) if came_s else None

    def held_up_ms(self, share: float) -> float:
        """How late this share of the requests was written at most: this side's own part."""
        return _share(share, [held_up_s for _, held_up_s in self._counted(self.held_up_s)])

    def _counted(self, values_s: "array[float]") -> Iterable[tuple[int, float]]:
        first = round(self.due_per_second * self.lead_in_s)
        return zip(self.statuses[first:], values_s[first:], strict=True)


def _share(share: float, values_s: list[float]) -> float:
    return 1e3 * sorted(values_s)[min(len(values_s) - 1, int(share * len(values_s)))]


def send(tasks: Sequence[Task]) -> list[Sent]:
    """One process for each task; their clocks start together. To be called from a thread."""
    context = multiprocessing.get_context("spawn")
    with ExitStack() as stack:
        ends: list[Connection] = []
        for task in tasks:
            ours, theirs = context.Pipe()
            process = context.Process(target=send_in_process, args=(task, theirs), daemon=True)
            process.start()
            stack.callback(process.join)
            stack.callback(process.kill)
            theirs.close()
            ends.append(ours)
        try:
            for end in ends:
                if not end.poll(READY_WAIT_S):
                    raise BenchError(f"a generator was not ready within {READY_WAIT_S:g} s")
                end.recv()
            begin_s = SYSTEM_CLOCK.monotonic_s() + BEGIN_S
            for end in ends:
                end.send(begin_s)
            return [end.recv() for end in ends]
        except EOFError:
            raise BenchError("a generator failed; its message is above") from None


def send_in_process(task: Task, parent: Connection) -> None:
    """The whole life of one generator."""
    import uvloop

    uvloop.run(_send(task, parent))


async def _send(task: Task, parent: Connection) -> None:
    generator = Generator(task)
    await generator.connect()
    gc.collect()
    gc.freeze()  # nothing that is made here is in a cycle, and the messages are many
    gc.disable()
    parent.send("ready")
    parent.send(await generator.run(await asyncio.to_thread(parent.recv)))


class Generator:
    """Sends the requests of one task over its connections, one at a time on each."""

    def __init__(self, task: Task) -> None:
        self._task = task
        self._statuses = array("H", [NO_ANSWER]) * task.count
        self._latencies_s = array("d", [ANSWER_WAIT_S]) * task.count
        self._held_up_s = array("d", [ANSWER_WAIT_S]) * task.count
        chosen = random.Random(task.count)  # the same of equal tasks
        self._to_keep = frozenset(chosen.sample(range(task.count), min(KEPT_MAX, task.count)))
        self._kept: list[tuple[int, bytes]] = []
        self._free: deque[Line] = deque()
        self._waiting: deque[int] = deque()  # due, and no connection is free
        self._next = 0
        self._answered = 0
        self._begin_s = 0.0
        self._openings: set[asyncio.Task[None]] = set()
        self._over: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def connect(self) -> None:
        """Open all connections."""
        for _ in range(self._task.connections):
            await self._open()

    async def run(self, begin_s: float) -> Sent:
        """Send everything, beginning at a moment of the monotonic clock; what came of it."""
        self._begin_s = begin_s
        used_s = processor.used_s([os.getpid()])
        self._tick()
        duration_s = begin_s - SYSTEM_CLOCK.monotonic_s() + self._due_s(self._task.count)
        await asyncio.wait([self._over], timeout=duration_s + ANSWER_WAIT_S)
        if self._over.done():
            self._over.result()
        return Sent(
            due_per_second=self._task.per_second,
            lead_in_s=self._task.lead_in_s,
            seconds=self._task.seconds,
            statuses=self._statuses,
            latencies_s=self._latencies_s,
            held_up_s=self._held_up_s,
            kept=tuple(self._kept),
            processor_s=processor.used_s([os.getpid()]) - used_s,
        )

    def _due_s(self, number: int) -> float:
        """When a request is due, from the beginning on."""
        return number / self._task.per_second

    def _tick(self) -> None:
        """Send what is due, and look again soon."""
        since_s = SYSTEM_CLOCK.monotonic_s() - self._begin_s
        while self._next < self._task.count and self._due_s(self._next) <= since_s:
            self._waiting.append(self._next)
            self._next += 1
        self._send_waiting()
        if self._next < self._task.count:
            asyncio.get_running_loop().call_later(TICK_S, self._tick)

    def _send_waiting(self) -> None:
        messages = self._task.messages
        while self._waiting and self._free:
            line = self._free.popleft()  # the one that was idle longest: all are used alike
            if line.is_closing:
                continue
            number = self._waiting.popleft()
            since_s = SYSTEM_CLOCK.monotonic_s() - self._begin_s
            self._held_up_s[number] = since_s - self._due_s(number)
            line.send(number, messages[number % len(messages)])

    def answered(self, line: "Line", number: int, status: int, answer: bytes) -> None:
        """Note an answer; its connection is free again."""
        since_s = SYSTEM_CLOCK.monotonic_s() - self._begin_s
        self._statuses[number] = status
        self._latencies_s[number] = since_s - self._due_s(number)
        if number in self._to_keep:
            self._kept.append((number, answer))
        self._free.append(line)
        self._count_off()
        self._send_waiting()

    def lost(self, number: int | None) -> None:
        """A connection is gone, perhaps with a request that stays without an answer."""
        if number is not None:
            self._count_off()
        if not self._over.done():
            opening = asyncio.get_running_loop().create_task(self._open_again())
            self._openings.add(opening)
            opening.add_done_callback(self._openings.discard)

    def fail(self, error: BenchError) -> None:
        """Give up: what is seen means nothing."""
        if not self._over.done():
            self._over.set_exception(error)

    def _count_off(self) -> None:
        self._answered += 1
        if self._answered == self._task.count and not self._over.done():
            self._over.set_result(None)

    async def _open(self) -> None:
        loop = asyncio.get_running_loop()
        _, line = await loop.create_connection(lambda: Line(self), HOST, self._task.port)
        self._free.append(line)
        self._send_waiting()

    async def _open_again(self) -> None:
        try:
            await self._open()
        except OSError as error:
            self.fail(BenchError(f"no connection to the switch: {error}"))


class Line(asyncio.Protocol):
    """One connection, with at most one request on it."""

    def __init__(self, generator: Generator) -> None:
        self._generator = generator
        self._transport: Any = None
        self._number: int | None = None
        self._bytes = b""
        self._length = 0  # of the whole answer; 0 while it is not known

    @property
    def is_closing(self) -> bool:
        """Whether nothing may be sent on it any more."""
        return bool(self._transport.is_closing())

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """As asyncio calls it."""
        self._transport = transport

    def send(self, number: int, message: bytes) -> None:
        """Send one request."""
        self._number = number
        self._transport.write(message)

    def data_received(self, data: bytes) -> None:
        """As asyncio calls it: read on until the answer is whole."""
        self._bytes = self._bytes + data if self._bytes else data
        if not self._length:
            try:
                self._length = answer_length(self._bytes)
            except BenchError as error:
                self._generator.fail(error)
            if not self._length:
                return
        if len(self._bytes) < self._length or self._number is None:
            return
        answer, number = self._bytes, self._number
        self._bytes, self._length, self._number = b"", 0, None
        self._generator.answered(self, number, int(answer[9:12]), answer)

    def connection_lost(self, exc: Exception | None) -> None:
        """As asyncio calls it."""
        number, self._number = self._number, None
        self._generator.lost(number)


def answer_length(received: bytes) -> int:
    """How long the answer is that begins here, in bytes; 0 while its head is not whole."""
    end = received.find(b"\r\n\r\n")
    if end < 0:
        return 0
    length = LENGTH.search(received, 0, end)
    if length is None:
        raise BenchError(f"an answer without a length: {received[:end]!r}")
    return end + len(b"\r\n\r\n") + int(length[1])
