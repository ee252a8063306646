"""The simulated bank: a real process, asked as the switch asks, slow and lying as it is told."""

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest
import pytest_asyncio
from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from switch import keyfile
from switch.callback import NoReply, Reply
from switch.clock import SYSTEM_CLOCK, rfc3339
from switch.signature import signing_key
from switch.simulate.positions import Position, add_up
from switch.simulate.server import for_this_machine
from tests.integration.running import switch, until
from tests.integration.simulated import (
    CURRENCY,
    PAYER,
    Participant,
    Simulated,
    Teller,
    authorization,
    credit,
    event,
    participant,
    publish,
    reversal_of,
    simulating,
    teller,
)


@pytest.fixture
def who(tmp_path: Path) -> Participant:
    """A bank and the switch that it believes."""
    return participant(tmp_path)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """Its book."""
    return tmp_path / "bank.log"


@pytest_asyncio.fixture(loop_scope="session")
async def asking(who: Participant) -> AsyncIterator[Teller]:
    """The switch's side."""
    async with teller(who) as made:
        yield made


async def test_a_bank_decides_signs_and_writes_it_down(
    who: Participant, log: Path, asking: Teller
) -> None:
    """Each path gets its decision about the payment, signed; one line of the book says so."""
    async with simulating("bank", log, *who.options) as bank:
        asked, given = authorization(), credit(70)
        assert bank.ready["kind"] == "bank"
        status, said = await asking.decided(bank.url, "authorizations", asked)
        assert status == 201
        assert said == {
            "payment": asked.payment,
            "decision": "approved",
            "amount": 100,
            "currency": CURRENCY,
            "reason": None,
        }
        _, said = await asking.decided(bank.url, "credits", given)
        assert said["decision"] == "accepted"
        _, said = await asking.decided(bank.url, "reversals", reversal_of(asked))
        assert said["decision"] == "acknowledged"
        assert [(line.what, line.payment, line.decision) for line in bank.lines] == [
            ("authorization", asked.payment, "approved"),
            ("credit", given.payment, "accepted"),
            ("reversal", asked.payment, "acknowledged"),
        ]
        assert {line.account for line in bank.lines} == {PAYER}
        assert await bank.end() == 0
        assert json.loads(bank.said[-1].removeprefix("switch: "))["requests"] == 3


async def test_a_repeat_is_the_same_answer_and_no_second_line(
    who: Participant, log: Path, asking: Teller
) -> None:
    """Side by side, later, and from a process that was started again after a kill."""
    asked = authorization()
    async with simulating("bank", log, *who.options, "--decline", 0.5) as bank:
        replies = await asyncio.gather(
            *(asking.ask(bank.url, "authorizations", asked) for _ in range(8))
        )
        bodies = {reply.body for reply in replies if isinstance(reply, Reply)}
        assert len(replies) == 8
        assert len(bodies) == 1
        other = msgspec.structs.replace(asked, amount=101)
        reused = await asking.ask(bank.url, "authorizations", other)
        assert isinstance(reused, Reply)
        assert (reused.status, asking.fault(reused)) == (422, None)
        os.kill(bank.process.pid, signal.SIGKILL)
    with log.open("ab") as cut_off:
        cut_off.write(b'{"at":"2026-')
    async with simulating("bank", log, *who.options, "--decline", 0.5) as bank:
        again = await asking.ask(bank.url, "authorizations", asked)
        assert isinstance(again, Reply)
        assert (again.status, {again.body}) == (200, bodies)
        await asking.decided(bank.url, "authorizations", authorization())
        assert len(bank.lines) == 2


async def test_two_processes_never_share_a_book(who: Participant, log: Path) -> None:
    """The second says so in one line, and the first goes on."""
    async with simulating("bank", log, *who.options):
        said = await switch("simulate", "bank", "--log", log, *who.options)
        assert said.code == 1
        assert said.complaint == (f"switch: --log: another server writes {log}: give each its own")


async def test_a_simulation_that_cannot_start_says_why(who: Participant, log: Path) -> None:
    """One line each: the port, the key, the log, the name to be called by."""
    async with simulating("bank", log, *who.options) as bank:
        taken = ("--port", bank.url.rpartition(":")[2])
        said = await switch("simulate", "bank", *who.options, *taken)
        assert (said.code, said.complaint[:27]) == (1, "switch: cannot listen on 12")
    for wrong, complaint in (
        (("--key", who.folder / "none.pem"), "there is no key file"),
        (("--log", who.folder / "no" / "log"), "cannot open"),
        (("--host", "203.0.113.1"), "cannot listen on"),
    ):
        said = await switch("simulate", "bank", *who.options, *wrong)
        assert said.code == 1
        assert complaint in said.complaint
    said = await switch("simulate", "bank", *who.options, "--hang", "2")
    assert said.code == 2


async def test_a_balance_is_never_overdrawn(who: Participant, log: Path, asking: Teller) -> None:
    """Debits and holds use it up; what is released, reversed or credited can be spent again."""

    async def pays(amount: int) -> bool:
        _, said = await asking.decided(bank.url, "authorizations", authorization(amount))
        return bool(said["decision"] == "approved")

    async with simulating("bank", log, *who.options, "--balance", 100) as bank:
        held = authorization(60, capture=False)
        await asking.decided(bank.url, "authorizations", held)
        assert not await pays(41)
        await asking.tell(bank.url, event(held, "payment.captured", step_amount=20))
        assert not await pays(41), "what is captured was held before"
        await asking.tell(bank.url, event(held, "payment.voided", step_amount=40))
        taken = authorization(80)
        _, said = await asking.decided(bank.url, "authorizations", taken)
        assert said["decision"] == "approved"
        assert not await pays(1)
        await asking.decided(bank.url, "credits", credit(5))
        assert await pays(5)
        await asking.decided(bank.url, "reversals", reversal_of(taken))
    async with simulating("bank", log, *who.options, "--balance", 100) as bank:
        assert not await pays(81), "the book was read again"
        assert await pays(80)


async def test_the_book_adds_up_to_what_was_decided(
    who: Participant, log: Path, asking: Teller
) -> None:
    """Of a hold, what was captured and what is still held; of a reversal, nothing; events once."""
    async with simulating("bank", log, *who.options) as bank:
        held, final, reversed_, back = (
            authorization(100, capture=False),
            authorization(100, capture=False),
            authorization(100),
            credit(30, parent=str(PAYER)),
        )
        for asked in (held, final, reversed_):
            await asking.decided(bank.url, "authorizations", asked)
        part = event(held, "payment.captured", step_amount=40)
        for _ in range(2):
            reply = await asking.tell(bank.url, part)
            assert isinstance(reply, Reply)
            assert reply.status == 200
        await asking.tell(bank.url, event(final, "payment.captured", step_amount=70, final=True))
        await asking.decided(bank.url, "reversals", reversal_of(reversed_))
        await asking.decided(bank.url, "credits", back)
        books = add_up(bank.lines)
    assert books == {
        held.payment: Position(currency=CURRENCY, payer=PAYER, debited=40, held=60),
        final.payment: Position(currency=CURRENCY, payer=PAYER, debited=70),
        reversed_.payment: Position(currency=CURRENCY, payer=PAYER, is_reversed=True),
        back.payment: Position(currency=CURRENCY, payee=PAYER, credited=30, parent=PAYER),
    }


async def test_a_reversal_that_comes_first_wins(
    who: Participant, log: Path, asking: Teller
) -> None:
    """It is acknowledged, and the authorization that arrives afterwards is declined."""
    async with simulating("bank", log, *who.options) as bank:
        late = authorization()
        _, said = await asking.decided(bank.url, "reversals", reversal_of(late))
        assert said["decision"] == "acknowledged"
        _, said = await asking.decided(bank.url, "authorizations", late)
        assert (said["decision"], said["reason"]) == ("declined", "reversed before")
        long_ago = rfc3339(SYSTEM_CLOCK.now() - timedelta(seconds=1))
        _, said = await asking.decided(bank.url, "authorizations", authorization(deadline=long_ago))
        assert (said["decision"], said["reason"]) == ("declined", "too late")


@pytest.mark.parametrize("knob", ["hang", "drop"])
@pytest.mark.parametrize("acts_first", [0, 1])
async def test_a_bank_is_made_silent_and_brought_back(
    who: Participant, log: Path, asking: Teller, knob: str, acts_first: int
) -> None:
    """Nobody gets an answer, whether it acted or not; afterwards everybody does, and once."""
    async with simulating("bank", log, *who.options, "--acts-first", acts_first) as bank:
        knobs = await bank.turn(**{knob: 1})
        assert (knobs[knob], knobs["acts_first"]) == (1, acts_first)
        asked = authorization()
        reply = await asking.ask(bank.url, "authorizations", asked, timeout_s=1)
        assert isinstance(reply, NoReply)
        assert (reply.why, reply.was_sent) == ("timeout" if knob == "hang" else "broken", True)
        assert len(bank.lines) == acts_first
        await bank.turn(**{knob: 0})
        status, said = await asking.decided(bank.url, "authorizations", asked)
        assert (status, said["decision"]) == (200 if acts_first else 201, "approved")
        assert len(bank.lines) == 1
        await bank.turn(**{knob: 1})
        hanging = asyncio.create_task(asking.ask(bank.url, "authorizations", authorization()))
        await until(lambda: _silences(bank, 2), "one more got no answer")
        assert await bank.end() == 0, "whoever hangs holds up no end"
        assert isinstance(await hanging, NoReply)


async def _silences(bank: Simulated, count: int) -> bool:
    figures = await bank.figures()
    return bool(figures.get("hung", 0) + figures.get("dropped", 0) >= count)


async def test_a_bank_lies_when_told(who: Participant, log: Path, asking: Teller) -> None:
    """The signature does not verify, or it does and another amount is named; the book is right."""
    async with simulating("bank", log, *who.options, "--lie", "signature") as bank:
        asked = authorization()
        reply = await asking.ask(bank.url, "authorizations", asked)
        assert isinstance(reply, Reply)
        fault = asking.fault(reply)
        assert fault is not None
        assert fault.detail == "the answer's signature does not verify"
        await bank.turn(lie="amount")
        _, said = await asking.decided(bank.url, "authorizations", asked)
        assert said["amount"] == 101
        await bank.turn(lie=None)
        _, said = await asking.decided(bank.url, "authorizations", asked)
        assert said["amount"] == 100
        assert [line.amount for line in bank.lines] == [100]


async def test_a_bank_declines_refuses_and_is_busy_when_told(
    who: Participant, log: Path, asking: Teller
) -> None:
    """`decline` and `refuse_credits` are decisions for good; `refuse` is none."""
    async with simulating("bank", log, *who.options, "--decline", 1, "--seed", 7) as bank:
        _, said = await asking.decided(bank.url, "authorizations", authorization())
        assert said["decision"] == "declined"
        await bank.turn(decline=0, refuse_credits=1)
        _, said = await asking.decided(bank.url, "credits", credit())
        assert said["decision"] == "refused"
        await bank.turn(refuse=1)
        reply = await asking.ask(bank.url, "authorizations", authorization())
        assert isinstance(reply, Reply)
        assert (reply.status, asking.fault(reply)) == (503, None)
        assert len(bank.lines) == 2
        figures = await bank.figures()
        assert figures["decisions"] == {"declined": 1, "refused": 1}
        assert figures["seed"] == 7


async def test_what_comes_twice_is_done_once(who: Participant, log: Path, asking: Teller) -> None:
    """With `twice` every request is handled again behind its answer, and nothing happens."""
    async with simulating("bank", log, *who.options, "--twice", 1, "--decline", 0.5) as bank:
        for _ in range(10):
            await asking.decided(bank.url, "authorizations", authorization())
        figures = await bank.figures()
        assert figures["twice"] == 10
        assert "answered differently when it came twice" not in figures
        assert len(bank.lines) == 10


async def test_knobs_that_are_none_are_refused(who: Participant, log: Path) -> None:
    """Nothing is changed by a knob that is not there or out of its range."""
    async with simulating("bank", log, *who.options) as bank:
        for wrong in ({"hang": 2}, {"sleep": 1}, {"lie": "date"}):
            async with bank.session.put(f"{bank.url}/knobs", json=wrong) as answer:
                assert answer.status == 400
        async with bank.session.get(f"{bank.url}/knobs") as answer:
            knobs = await answer.json()
        assert (knobs["hang"], knobs["lie"]) == (0, None)


@pytest.mark.parametrize(
    ("caller", "is_heard"), [("127.0.0.1", True), ("::1", True), ("10.0.0.1", False)]
)
async def test_knobs_are_for_this_machine(caller: str, is_heard: bool) -> None:
    """Over a network they are not there."""

    async def show(_: web.Request) -> web.Response:
        return web.Response()

    request = make_mocked_request("GET", "/knobs").clone(remote=caller)
    if is_heard:
        assert (await for_this_machine(show)(request)).status == 200
    else:
        with pytest.raises(web.HTTPNotFound):
            await for_this_machine(show)(request)


async def test_a_new_key_of_the_switch_is_found(
    who: Participant, log: Path, asking: Teller
) -> None:
    """Keys that could not be read at first, and one that was published later, are read again."""
    newer = signing_key("switch/two", keyfile.generate_seed())
    who.jwks.unlink()
    async with simulating("bank", log, *who.options) as bank:
        refused = await asking.ask(bank.url, "authorizations", authorization())
        assert isinstance(refused, Reply)
        assert refused.status == 401
        assert "Signature" not in refused.headers
        assert "No such file" in (await bank.figures())["jwks_error"]
        publish(who.jwks, who.switch_key)
        await asking.decided(bank.url, "authorizations", authorization())
        assert "jwks_error" not in await bank.figures()
        publish(who.jwks, who.switch_key, newer)

        async def is_taken() -> bool:
            reply = await asking.ask(bank.url, "authorizations", authorization(), key=newer)
            return isinstance(reply, Reply) and reply.status == 201

        await until(is_taken, "the newer key is known")
