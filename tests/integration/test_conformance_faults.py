"""`switch conformance` against servers with one fault each: it is named, and no other."""

import asyncio
import json
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from msgspec.structs import replace

from switch import limits, signature
from switch.components import RequestParts
from switch.conformance.forgeries import FORGERIES
from switch.errors import Problem
from switch.message import malformed
from switch.reply import Answer
from switch.simulate import bank as bank_module
from switch.simulate import door, inbox
from switch.simulate import server as server_module
from switch.simulate.door import Asked, Door, SwitchKeys
from switch.simulate.inbox import Inbox
from switch.simulate.server import Room, Server
from tests.integration.simulated import Participant, participant
from tests.integration.town import free_port
from tests.integration.trial import ABank, an_inbox, failing, nothing, tried

ALL_FORGERIES = {forgery.name for forgery in FORGERIES}
BANK_PATHS = ("/authorizations", "/credits", "/reversals")
Patch = pytest.MonkeyPatch


@pytest.fixture
def who(tmp_path: Path) -> Participant:
    """A participant and the switch that is played."""
    return participant(tmp_path)


class Forgetful(ABank):
    """Decides anew each time, and counts."""

    count = 0

    def act(self, asked: Asked) -> Answer | Problem:
        """Another reason every time."""
        self._lines.clear()
        self._positions.clear()
        answer = super().act(asked)
        Forgetful.count += 1
        if isinstance(answer, Problem) or asked.path == "/events":
            return answer
        return Answer(201, answer.body.replace(b"null", b'"%d"' % Forgetful.count))


class TakesAnyBody(ABank):
    """Knows a request by its key alone."""

    def _again(self, kept: Any, asked: Asked) -> Answer | Problem:
        return bank_module._answer(kept, is_first=False)


class TakesAnyBodyAt(ABank):
    """Knows a request by its key alone, at one path."""

    def __init__(self, path: str) -> None:
        super().__init__()
        self._path = path

    def _again(self, kept: Any, asked: Asked) -> Answer | Problem:
        if asked.path == self._path:
            return bank_module._answer(kept, is_first=False)
        return super()._again(kept, asked)


class Racing(ABank):
    """Claims a key too late: of many copies some get an answer of their own."""

    def __init__(self, path: str = "") -> None:
        super().__init__()
        self._path = path  # empty: everywhere
        self._copies: Counter[str] = Counter()

    def act(self, asked: Asked) -> Answer | Problem:
        """The fourth to the sixth: no other check sends so many."""
        answer = super().act(asked)
        self._copies[asked.key] += 1
        is_late = asked.path.startswith(self._path) and 4 <= self._copies[asked.key] <= 6
        if isinstance(answer, Answer) and is_late:
            return Answer(201, answer.body.replace(b"null", b'"another"'))
        return answer


class NoReversals(ABank):
    """Acknowledges a reversal and does not remember it."""

    def _keep(self, line: Any) -> None:
        super()._keep(line)
        if line.what == "reversal":
            self._positions.pop(line.payment, None)


class KnownReversalsOnly(ABank):
    """Refuses the reversal of what it never saw."""

    def _reversal(self, asked: Asked) -> Any:
        line = super()._reversal(asked)
        if not isinstance(line, Problem) and line.payment not in self._positions:
            return malformed("no such authorization")
        return line


class NoHolds(ABank):
    """Cannot hold."""

    def _authorization(self, asked: Asked) -> Any:
        line = super()._authorization(asked)
        if not isinstance(line, Problem) and not line.capture:
            return malformed("no holds here")
        return line


class KnownRefundsOnly(ABank):
    """Wants to know what is paid back."""

    def _credit(self, asked: Asked) -> Any:
        line = super()._credit(asked)
        if not isinstance(line, Problem) and line.parent and line.parent not in self._positions:
            return malformed("no such payment")
        return line


class NoCredits(ABank):
    """Takes no money."""

    def _credit(self, asked: Asked) -> Any:
        return malformed("no credits here")


class Strict(ABank):
    """Refuses members that it does not know."""

    def act(self, asked: Asked) -> Answer | Problem:
        """Look for them first."""
        return malformed("what?") if b"not_known_today" in asked.body else super().act(asked)


class Slow(ABank):
    """One answer is late."""

    done = False

    async def settled(self) -> None:
        """Wait, once."""
        if not self.done:
            self.done = True
            await asyncio.sleep(limits.BANK_WAIT_S + 0.5)


@pytest.mark.parametrize(
    ("room", "found"),
    [
        (ABank, set()),
        (
            Forgetful,
            {"repeats-its-answer", "refuses-reused-key", "twins-get-one-decision"}
            | {"decides-holds", "decides-credits", "decides-refunds"}
            | {"acknowledges-reversals", "acknowledges-unknown-reversals"}
            | {"declines-what-was-reversed"},
        ),
        (TakesAnyBody, {"refuses-reused-key"}),
        *((partial(TakesAnyBodyAt, path), {"refuses-reused-key"}) for path in BANK_PATHS),
        (Racing, {"twins-get-one-decision"}),
        *((partial(Racing, path), {"twins-get-one-decision"}) for path in BANK_PATHS),
        (NoReversals, {"declines-what-was-reversed"}),
        (KnownReversalsOnly, {"acknowledges-unknown-reversals", "declines-what-was-reversed"}),
        (NoHolds, {"decides-holds"}),
        (NoCredits, {"decides-credits", "decides-refunds"}),
        (KnownRefundsOnly, {"decides-refunds"}),
        (Strict, {"ignores-unknown-members"}),
        (Slow, {"answers-in-time"}),
    ],
)
async def test_a_bank_with_a_fault_is_found_out(
    who: Participant, room: Callable[[], Room], found: set[str]
) -> None:
    """Each promise that is broken is named, and no other."""
    assert await failing(who, "bank", room()) == found


def every_digest(content_digest: str | None, body: bytes) -> bytes:
    """Believes that a body is the one that was digested."""
    return b""


def with_problem_passed(name: str) -> Callable[[Patch], None]:
    """A door that acts upon what it finds bad in one way."""

    def apply(patch: Patch) -> None:
        admit = Door.admit

        async def careless(self: Door, request: web.Request) -> Asked | Problem:
            asked = await admit(self, request)
            return await read(request) if _is(asked, name) else asked

        patch.setattr(Door, "admit", careless)

    return apply


def _is(asked: Asked | Problem, name: str) -> bool:
    return isinstance(asked, Problem) and asked.name == name


async def read(request: web.Request) -> Asked:
    """A request as it came, unverified."""
    bound = signature.bind_request(
        RequestParts(
            method="POST",
            scheme="http",
            authority=request.headers["Host"],
            path=request.path,
            query=None,
            headers=request.headers,
        )
    )
    assert not isinstance(bound, Problem)
    key = json.loads(bound.idempotency_key or "")
    return Asked(path=request.path, key=key, body=await request.read(), bound=bound)


def acts_first(patch: Patch) -> None:
    """A server that acts before it looks who asked."""
    serve = Server._serve

    async def act_first(self: Server, request: web.Request) -> web.StreamResponse:
        with suppress(web.HTTPRequestEntityTooLarge):
            self._room.act(await read(request))
        return await serve(self, request)

    patch.setattr(Server, "_serve", act_first)


def no_bound(patch: Patch) -> None:
    """A server that reads whatever comes."""
    application = web.Application

    def unbounded(**_: object) -> web.Application:
        return application(client_max_size=2**30)

    patch.setattr(web, "Application", unbounded)


DOORS: dict[str, tuple[Callable[[Patch], None], set[str]]] = {
    "unsigned": (with_problem_passed("signature-missing"), {"refuses-unsigned"}),
    "unknown key": (with_problem_passed("key-unknown"), {"refuses-unknown-key"}),
    "bad signature": (
        lambda patch: patch.setattr(door, "verify", lambda *_: True),
        {"refuses-bad-signature", "refuses-changed-digest", "refuses-other-path"},
    ),
    "age": (
        lambda patch: patch.setattr(door, "check_age", nothing),
        {"refuses-old-signature", "refuses-signature-ahead", "refuses-expired-signature"},
    ),
    "expires": (
        lambda patch: patch.setattr(
            door,
            "check_age",
            lambda found, **more: signature.check_age(replace(found, expires=None), **more),
        ),
        {"refuses-expired-signature"},
    ),
    "digest": (
        lambda patch: patch.setattr(door, "check_digest", every_digest),
        {"refuses-other-body"},
    ),
    "covered": (
        lambda patch: patch.setattr(signature, "incomplete", nothing),
        {"refuses-uncovered-digest", "refuses-uncovered-key"},
    ),
    "authority": (
        lambda patch: patch.setattr(server_module, "known_authorities", lambda *_, **__: AnyName()),
        {"refuses-other-authority"},
    ),
    "acts first": (acts_first, ALL_FORGERIES),
    "no bound": (no_bound, {"refuses-large-bodies"}),
}


class AnyName(tuple[str, ...]):
    """Every name is one's own."""

    __slots__ = ()

    def __contains__(self, _: object) -> bool:
        return True


@pytest.mark.parametrize("fault", DOORS)
@pytest.mark.parametrize("kind", ["bank", "callback"])
async def test_a_door_with_a_fault_is_found_out(
    who: Participant, monkeypatch: Patch, kind: str, fault: str
) -> None:
    """Whatever a server fails to look at when it lets a request in."""
    apply, found = DOORS[fault]
    apply(monkeypatch)
    room = ABank() if kind == "bank" else an_inbox()
    if (kind, fault) == ("callback", "acts first"):
        found = set()  # what a callback knows already it takes again
    assert await failing(who, kind, room) == found


@pytest.mark.parametrize("path", BANK_PATHS)
async def test_a_path_without_a_door_is_found_out(
    who: Participant, monkeypatch: Patch, path: str
) -> None:
    """A bank that verifies nothing at one of its paths is open to every forgery, and named so."""
    admit = Door.admit

    async def careless(self: Door, request: web.Request) -> Asked | Problem:
        return await (read(request) if request.path == path else admit(self, request))

    monkeypatch.setattr(Door, "admit", careless)
    results = await tried(who, "bank", ABank())
    faults = {one.check: one.seen for one in results if one.result == "failed"}
    assert set(faults) == ALL_FORGERIES
    assert all(seen.startswith(f"{path}: answered 20") for seen in faults.values()), faults


async def test_a_path_that_decides_nothing_is_not_called_guarded(who: Participant) -> None:
    """Where no good request is decided, refused forgeries prove nothing: they are not passed."""
    results = {one.check: one for one in await tried(who, "bank", NoCredits())}
    for name in (*ALL_FORGERIES, "refuses-reused-key", "twins-get-one-decision"):
        assert results[name].result == "skipped", results[name]
        assert results[name].seen == "nothing was decided so far at /credits"


async def reads_once(self: SwitchKeys) -> bool:
    """Knows the keys that it read at first, for ever."""
    return False if self._keys else await READ_AGAIN(self)


async def keeps_the_newest(self: SwitchKeys) -> bool:
    """Forgets a key as soon as another is published."""
    was_read = await READ_AGAIN(self)
    self._keys = dict(list(self._keys.items())[-1:])
    return was_read


READ_AGAIN = SwitchKeys.read_again


@pytest.mark.parametrize("kind", ["bank", "callback"])
@pytest.mark.parametrize(
    ("read_again", "found"),
    [
        (READ_AGAIN, set()),
        (reads_once, {"meets-a-new-key"}),
        (keeps_the_newest, {"meets-a-new-key"}),
    ],
)
async def test_a_server_that_never_meets_a_new_key_is_found_out(
    who: Participant, monkeypatch: Patch, kind: str, read_again: Any, found: set[str]
) -> None:
    """It would refuse all that comes after the switch has changed its key."""
    monkeypatch.setattr(limits, "CONFORMANCE_NEW_KEY_S_MAX", 2.0)
    monkeypatch.setattr(limits, "CONFORMANCE_NEW_KEY_PAUSE_S", 0.1)
    monkeypatch.setattr(limits, "CLIENT_KEYS_REFETCH_S", 0.5)
    monkeypatch.setattr(SwitchKeys, "read_again", read_again)
    room = ABank() if kind == "bank" else an_inbox()
    results = await tried(who, kind, room, jwks_port=free_port())
    assert {one.check for one in results if one.result == "failed"} == found
    assert not [one for one in results if one.result == "skipped"]


class Once(Inbox):
    """Refuses what it knows."""

    def act(self, asked: Asked) -> Answer | Problem:
        """A repeat is an error here."""
        return malformed("again?") if asked.key in self._seen else super().act(asked)


class InOrder(Inbox):
    """Wants numbers to rise."""

    last = 0

    def act(self, asked: Asked) -> Answer | Problem:
        """Compare them."""
        number = json.loads(asked.body or b"0")["number"] if asked.body[-1:] == b"}" else 0
        if asked.key not in self._seen and number < self.last:
            return malformed("out of order")
        self.last = max(self.last, number)
        return super().act(asked)


class KnownTypesOnly(Inbox):
    """Takes what it knows."""

    def act(self, asked: Asked) -> Answer | Problem:
        """Look for a type."""
        known = b"payment.completed" in asked.body or b"payment.held" in asked.body
        return super().act(asked) if known else malformed("what?")


class StrictInbox(Inbox):
    """Refuses members that it does not know."""

    def act(self, asked: Asked) -> Answer | Problem:
        """Look for them first."""
        strange = b'"not_known_today"' in asked.body
        return malformed("what?") if strange else super().act(asked)


class TakesAnything(Inbox):
    """Does not look at what it takes."""

    def act(self, asked: Asked) -> Answer | Problem:
        """Take it."""
        return inbox.TAKEN


@pytest.mark.parametrize(
    ("kind", "found"),
    [
        (Inbox, set()),
        (Once, {"takes-repeats"}),
        (InOrder, {"takes-any-order"}),
        (KnownTypesOnly, {"takes-unknown-types"}),
        (StrictInbox, {"ignores-unknown-members"}),
        (TakesAnything, {"refuses-what-is-not-json"}),
    ],
)
async def test_a_callback_with_a_fault_is_found_out(
    who: Participant, kind: type[Inbox], found: set[str]
) -> None:
    """Each promise that is broken is named, and no other."""
    assert await failing(who, "callback", an_inbox(kind)) == found
