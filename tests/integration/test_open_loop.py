"""The open loop of the benchmarks, in processes of its own, against real servers that misbehave."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from bench import open_loop
from bench.open_loop import ANSWER_WAIT_S, NO_ANSWER, Sent, Task
from bench.stage import BenchError
from switch.clock import SYSTEM_CLOCK

PER_S = 200.0
STALL_S = 0.5
MESSAGES = (b"GET /one HTTP/1.1\r\n\r\n", b"GET /two HTTP/1.1\r\n\r\n")

Answers = Callable[[int], bytes | None]  # to the request of this number; None hangs up


class Server:
    """Answers requests, one at a time on a connection, as it is told to."""

    def __init__(self, answers: Answers, stall_s: float = 0.0) -> None:
        self.requests: list[bytes] = []
        self.at_once_most = 0
        self._at_once = 0
        self._answers = answers
        self._stall_s = stall_s
        self._goes_on_at_s: float | None = None

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        try:
            while True:
                request = await reader.readuntil(b"\r\n\r\n")
                self._at_once += 1
                self.at_once_most = max(self.at_once_most, self._at_once)
                number = len(self.requests)
                self.requests.append(request)
                await self._stall()
                answer = self._answers(number)
                self._at_once -= 1
                if answer is None:
                    break
                writer.write(answer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def _stall(self) -> None:
        """From the first request on, for some time, nobody gets an answer."""
        now_s = SYSTEM_CLOCK.monotonic_s()
        if self._goes_on_at_s is None:
            self._goes_on_at_s = now_s + self._stall_s
        await asyncio.sleep(max(0.0, self._goes_on_at_s - now_s))


@asynccontextmanager
async def listening(server: Server) -> AsyncIterator[int]:
    """The port on which a server answers while the block lasts."""
    listener = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    try:
        yield int(listener.sockets[0].getsockname()[1])
    finally:
        listener.close()


def answer(status: int, body: bytes = b"{}") -> bytes:
    """An answer as it goes over the wire."""
    return f"HTTP/1.1 {status} X\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body


def task(port: int, connections: int, seconds: float = 1.0) -> Task:
    """Two hundred requests."""
    return Task(
        port=port,
        messages=MESSAGES,
        per_second=PER_S,
        lead_in_s=0.0,
        seconds=seconds,
        connections=connections,
    )


async def sent_to(server: Server, connections: int) -> Sent:
    """What came of them."""
    async with listening(server) as port:
        [sent] = await asyncio.to_thread(open_loop.send, [task(port, connections)])
    return sent


async def test_a_stall_shows_in_the_time_of_all_who_came_meanwhile() -> None:
    """Although only four connections met it: time runs from when a request was due."""
    server = Server(lambda _: answer(201), stall_s=STALL_S)
    sent = await sent_to(server, connections=4)
    assert sent.count() == {201: PER_S}
    assert server.at_once_most == 4
    early = round(PER_S * STALL_S / 2)  # were due in the first half of it
    assert all(latency_s >= STALL_S / 2 for latency_s in sent.latencies_s[:early])
    assert all(held_up_s >= STALL_S / 4 for held_up_s in sent.held_up_s[4 : early // 2])
    assert server.requests.count(MESSAGES[0]) == server.requests.count(MESSAGES[1]) == PER_S / 2


async def test_answers_are_counted_by_status_and_some_are_kept_whole() -> None:
    """Whatever their number is, the kept ones are those of their requests."""
    server = Server(lambda number: answer(429 if number % 4 == 3 else 200, b"x" * 70_000))
    sent = await sent_to(server, connections=1)
    assert sent.count() == {200: 150, 429: 50}
    assert sorted(number for number, _ in sent.kept) == list(range(200))
    assert all(len(whole) > 70_000 for _, whole in sent.kept)
    assert [sent.statuses[number] for number, _ in sent.kept] == [
        int(whole[9:12]) for _, whole in sent.kept
    ]


async def test_a_broken_connection_leaves_one_request_without_an_answer() -> None:
    """It is not sent again, it counts as one that waited to the end, and the others go on."""
    server = Server(lambda number: None if number in (5, 50) else answer(201))
    sent = await sent_to(server, connections=3)
    assert sent.count() == {201: 198, NO_ANSWER: 2}
    lost = [number for number, status in enumerate(sent.statuses) if status == NO_ANSWER]
    assert [sent.latencies_s[number] for number in lost] == [ANSWER_WAIT_S] * 2
    assert len(server.requests) == PER_S


async def test_clocks_of_several_generators_start_together() -> None:
    """Each sends its own to its end."""
    first, second = Server(lambda _: answer(200)), Server(lambda _: answer(429))
    async with listening(first) as one, listening(second) as other:
        tasks = [task(one, 2), task(other, 2, seconds=0.5)]
        sent = await asyncio.to_thread(open_loop.send, tasks)
    assert [each.count() for each in sent] == [{200: 200}, {429: 100}]


async def test_an_answer_without_a_length_ends_the_run() -> None:
    """What cannot be read is not guessed."""
    server = Server(lambda _: b"HTTP/1.1 200 OK\r\n\r\n")
    with pytest.raises(BenchError, match="a generator failed"):
        await sent_to(server, connections=1)
