"""Slow clients: they were there while the rest of this folder ran, and harmed nobody."""

import asyncio
import gc
from pathlib import Path
from typing import Any

from aiohttp import ClientError

from switch import limits
from tests.databases import Database
from tests.fuzz.slow import SlowClients
from tests.fuzz.target import Target
from tests.fuzz.wire import ANSWER_WAIT_S
from tests.integration.town import HOST, Town, open_town


async def test_a_body_that_trickles_is_refused(slow: SlowClients) -> None:
    """A body that does not arrive in time is answered with the rule it broke."""
    for answers in await slow.answers("half a body"):
        assert [answer.problem for answer in answers] == ["malformed-message"]
        assert "body did not arrive" in answers[0].json["detail"]


async def test_a_caller_that_never_reads_is_cut_off(slow: SlowClients) -> None:
    """Answers nobody reads hold neither their connection nor the memory they take."""
    await slow.answers("unread")


async def test_connections_without_a_request_end(slow: SlowClients, long_run: bool) -> None:
    """Who sends no request, or never the end of one, is not waited for without a bound."""
    kinds = [*slow.ends["silent"], *slow.ends["half a head"]]
    if long_run:
        await asyncio.wait(kinds, timeout=limits.KEEPALIVE_TIMEOUT_S * 2)
        assert all(end.done() for end in kinds)
    assert not [end for end in kinds if end.done() and end.result()]


async def test_the_switch_serves_beside_slow_clients(target: Target, slow: SlowClients) -> None:
    """With all of them there, a good payment is decided as ever."""
    assert slow.ends
    await target.check_serving()


async def test_connections_over_the_bound_are_closed_quietly(
    database: Database, tmp_path: Path
) -> None:
    """Who comes when all places are taken is turned away at once, without a trace in the log."""
    faults: list[dict[str, Any]] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: faults.append(context))
    try:
        async with open_town(database, tmp_path, connections_max=5) as town:
            callers = [await asyncio.open_connection(HOST, town.port) for _ in range(5)]
            late = [await asyncio.open_connection(HOST, town.port) for _ in range(20)]
            assert await asyncio.gather(*(_end(reader) for reader, _ in late)) == [b""] * 20
            for _, writer in [*callers, *late]:
                writer.close()
            await _until_there_is_room(town)
            gc.collect()  # a task's exception is told of when the task is forgotten
    finally:
        loop.set_exception_handler(None)
    assert not faults


async def _until_there_is_room(town: Town) -> None:
    """The switch takes a moment to notice that callers went away."""
    async with asyncio.timeout(ANSWER_WAIT_S):
        while True:
            try:
                assert (await town.raw("GET", "/livez")).status == 200
                return
            except ClientError:
                await asyncio.sleep(0.01)


async def _end(reader: asyncio.StreamReader) -> bytes:
    """What came until the connection ended."""
    try:
        return await asyncio.wait_for(reader.read(), ANSWER_WAIT_S)
    except ConnectionError:
        return b""
