"""Look-ups of names: one that hangs is in nobody else's way."""

import asyncio
import socket
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from switch import limits
from switch.callback import Callbacks, NoReply, Reply
from switch.resolver import Resolver, called
from switch.signature import signing_key
from tests.receivers import running

KEY = signing_key("switch/test", bytes(range(32)))
HANGS = "hangs.example"
LOOPBACK = "127.0.0.1"


@dataclass(slots=True)
class NameService:
    """It answers for every name at once, and for some not before it is let go, with an error."""

    asked: Counter[str] = field(default_factory=Counter)
    hangs: threading.Event = field(default_factory=threading.Event)
    may_fail: threading.Event = field(default_factory=threading.Event)

    def look_up(self, host: str, port: int, **_: Any) -> list[Any]:
        """As socket.getaddrinfo answers."""
        self.asked[host] += 1
        if host.endswith(HANGS):
            self.hangs.set()
            self.may_fail.wait(30)
            raise socket.gaierror(socket.EAI_AGAIN, "temporary failure in name resolution")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (LOOPBACK, port))]


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Iterator[NameService]:
    """The name service of this machine, while the test lasts."""
    service = NameService()
    monkeypatch.setattr(socket, "getaddrinfo", service.look_up)
    yield service
    service.may_fail.set()


async def ask(
    callbacks: Callbacks, url: str, timeout_s: float = 20.0, participant: str = "one"
) -> Reply | NoReply:
    """One call of a participant."""
    return await callbacks.post(
        url,
        participant=participant,
        key=KEY,
        body=b"{}",
        idempotency_key="1",
        timeout_s=timeout_s,
    )


async def test_a_name_that_hangs_holds_up_no_other(names: NameService) -> None:
    """However many calls wait for it, and more of them than there are threads."""
    calls = limits.BANK_CALLS_MAX + limits.CALLBACK_RESOLVERS_MAX
    async with running() as server, Callbacks(allowed=("127.0.0.0/8",)) as callbacks:
        hanging = [asyncio.create_task(ask(callbacks, f"https://{HANGS}/")) for _ in range(calls)]
        async with asyncio.timeout(10):
            await asyncio.to_thread(names.hangs.wait)
            other = await ask(callbacks, server.url.replace(LOOPBACK, "localhost"))
        assert isinstance(other, Reply)
        assert not any(task.done() for task in hanging)
        names.may_fail.set()
        replies = await asyncio.gather(*hanging)
    assert {reply.why for reply in replies if isinstance(reply, NoReply)} == {"unreachable"}
    assert names.asked[HANGS] == 1, "all of them waited for one look-up"


async def test_names_that_hang_hold_up_nobody_else_s(names: NameService) -> None:
    """One participant's, more of them than there are threads, and those of a hundred others."""
    many = limits.CALLBACK_RESOLVERS_MAX + 1
    whose = ["one"] * many + [f"other-{number}" for number in range(100)]
    async with running() as server, Callbacks(allowed=("127.0.0.0/8",)) as callbacks:
        hanging = [
            asyncio.create_task(ask(callbacks, f"https://{number}.{HANGS}/", participant=who))
            for number, who in enumerate(whose)
        ]
        async with asyncio.timeout(15):
            await asyncio.to_thread(names.hangs.wait)
            url = server.url.replace(LOOPBACK, "localhost")
            for participant in ("somebody", "somebody else"):
                assert isinstance(await ask(callbacks, url, participant=participant), Reply)
        of_one = sum(names.asked[f"{number}.{HANGS}"] for number in range(many))
        assert of_one == limits.PARTICIPANT_RESOLVERS_MAX
        assert not any(task.done() for task in hanging)
        names.may_fail.set()
        replies = await asyncio.gather(*hanging)
    assert {reply.why for reply in replies if isinstance(reply, NoReply)} == {"unreachable"}
    assert len(replies) == len(whose), "each of them had its turn"


async def test_calls_that_were_given_up_leave_one_look_up_behind(names: NameService) -> None:
    """Time after time: what was begun is waited for again, and nothing is begun beside it."""
    async with Callbacks() as callbacks:
        for _ in range(3):
            reply = await ask(callbacks, f"https://{HANGS}/", timeout_s=0.05)
            assert isinstance(reply, NoReply)
            assert reply.why == "timeout"
        assert names.asked[HANGS] == 1


async def test_an_answer_is_not_kept(names: NameService) -> None:
    """The next call asks anew, so that a server may move."""
    resolver = Resolver()
    called.set("one")
    for port in (443, 8443):
        [found] = await resolver.resolve("moves.example", port)
        assert (found["host"], found["port"]) == (LOOPBACK, port)
    resolver.end()
    assert names.asked["moves.example"] == 2
