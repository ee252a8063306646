"""What two workers do to one check-out at the same moment."""

import asyncio
from collections import Counter
from dataclasses import replace

import pytest

from tests.integration.two_workers import WORKERS, TwoWorkers
from tests.services.checkout.scene import AMOUNT, Scene

ROUNDS, ROUNDS_LONG = 40, 1_000
CANCELLATIONS = 8
PARTS = 6


@pytest.fixture(scope="module")
def town(two_workers: TwoWorkers) -> TwoWorkers:
    """Two workers, asked in turn."""
    return two_workers


@pytest.fixture
def rounds(long_run: bool) -> range:
    """How often a race is run."""
    return range(ROUNDS_LONG if long_run else ROUNDS)


async def two_payers(town: TwoWorkers, scene: Scene, balance: int) -> list[Scene]:
    """The shop as two providers see it, each through a worker of its own."""
    doors = []
    for number in range(WORKERS):
        provider = await town.member("wallet")
        payer = await town.account(provider, "wallet", balance=balance)
        doors.append(replace(scene, town=town.at(number), wallet=provider, payer=payer))
    return doors


async def test_of_two_payers_at_once_one_pays(
    town: TwoWorkers, scene: Scene, rounds: range
) -> None:
    """At two workers: exactly one is approved, the other is told that it is paid."""
    doors = await two_payers(town, scene, AMOUNT * len(rounds))
    winners: Counter[int] = Counter()
    for turn in rounds:
        checkout = (await scene.opened())["id"]
        done = await town.at_once(turn, *(door.pay(checkout) for door in doors))
        reasons = [one["reason"] for one in done]
        assert sorted(reasons, key=str) == [None, "request_paid"], turn
        winners[reasons.index(None)] += 1
    total = AMOUNT * len(rounds)
    assert await town.balance(scene.merchant, scene.payee) == (total, 0)
    left = [(await town.balance(door.wallet, door.payer))[0] for door in doors]
    assert left == [total - AMOUNT * winners[number] for number in range(WORKERS)]
    assert await town.operator.check_books() == []


async def test_parts_at_once_add_up_to_the_whole(town: TwoWorkers, scene: Scene) -> None:
    """However the parts of two payers mingle, they are the whole in the end, to the unit."""
    doors = await two_payers(town, scene, AMOUNT * PARTS)
    for turn in range(PARTS):
        part = AMOUNT // (turn + 1)
        checkout = (await scene.opened(amount_min=part))["id"]
        sent = [door.pay(checkout, part) for door in doors for _ in range(turn + 1)]
        done = await town.at_once(turn, *sent)
        approved = sum(one["amount_captured"] for one in done)
        shown = await scene.shown(checkout)
        assert shown["paid"] == approved <= AMOUNT
        assert shown["paid"] > AMOUNT - part
    assert await town.operator.check_books() == []


async def test_a_cancellation_meets_payments(town: TwoWorkers, scene: Scene) -> None:
    """What was approved came before it; what is sent after its answer is declined."""
    doors = await two_payers(town, scene, AMOUNT * CANCELLATIONS)
    for turn in range(CANCELLATIONS):
        checkout = (await scene.opened())["id"]
        here = turn % WORKERS
        paid, answer = await asyncio.gather(
            doors[here].pay(checkout), doors[1 - here].cancel(checkout)
        )
        assert answer.status == 201, answer.body
        late = [await door.pay(checkout) for door in doors]
        if answer.json["status"] == "paid":
            assert (paid["reason"], answer.json["cancelled_at"]) == (None, None)
            assert [one["reason"] for one in late] == ["request_paid"] * WORKERS
        else:
            assert paid["reason"] == "request_ended"
            assert [one["reason"] for one in late] == ["request_ended"] * WORKERS
        assert (await scene.shown(checkout))["paid"] == paid["amount_captured"]
    assert await town.operator.check_books() == []


async def test_one_message_at_two_workers_opens_one(town: TwoWorkers, scene: Scene) -> None:
    """Under one key: one check-out, and the same bytes from both."""
    for turn in range(4):
        doors = [replace(scene, town=town.at(number)) for number in range(WORKERS)]
        replies = await town.at_once(turn, *(door.open(key=f"k{turn}") for door in doors))
        assert sorted(reply.status for reply in replies) == [200, 201]
        assert replies[0].body == replies[1].body


async def test_both_sides_are_told_what_was_paid(scene: Scene) -> None:
    """The event of the payment names the check-out, to the shop and to the payer's provider."""
    checkout = (await scene.opened())["id"]
    paid = await scene.pay(checkout)
    for reader in (scene.merchant, scene.wallet):
        after, told = "0", []
        while not told:  # of its key and its first money it was told before
            reply = await scene.town.send(reader, "GET", f"/v1/events?after={after}&wait=30")
            after = reply.json["next_after"]
            told = [one for one in reply.json["data"] if (one["payment"] or {}).get("request")]
        [event] = told
        assert (event["type"], event["payment"]) == ("payment.completed", paid)
        assert event["payment"]["request"] == checkout
