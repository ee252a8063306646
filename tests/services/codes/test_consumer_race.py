"""One code is presented at two tills at the same instant, each at a worker of its own."""

from dataclasses import replace

import pytest

from tests.integration.two_workers import TwoWorkers
from tests.ledger.books import assert_books_are_right
from tests.services.codes.till import Till

ROUNDS = 40  # some three seconds on a machine of two cores
ROUNDS_LONG = 500
AMOUNT = 100


@pytest.fixture(scope="module")
def town(two_workers: TwoWorkers) -> TwoWorkers:
    """Two workers."""
    return two_workers


async def test_a_code_at_two_tills_is_paid_once(
    town: TwoWorkers, till: Till, long_run: bool
) -> None:
    """In every round one till is paid and the other is told that the code is used.

    Both get the same bytes again at either worker, whoever was first; no money is made or lost.
    """
    rounds = ROUNDS_LONG if long_run else ROUNDS
    payer = await town.account(till.wallet, "wallet", balance=rounds * AMOUNT)
    other = await town.member("merchant")
    shops = (till.merchant, await town.account(till.merchant, "merchant")), (
        other, await town.account(other, "merchant"),
    )  # fmt: skip
    paid = [0, 0]
    for turn in range(rounds):
        code = (await replace(till, town=town.at(turn), payer=payer).made(payment_limit=AMOUNT))[
            "code"
        ]
        doors = [
            replace(till, town=town.at(turn // 2 + n), merchant=shop, payer=payer, payee=account)
            for n, (shop, account) in enumerate(shops)
        ]
        keys = [f"{n}-{turn}" for n in range(len(doors))]
        replies = await town.at_once(
            turn, *(door.take(code, AMOUNT, key=key) for door, key in zip(doors, keys, strict=True))
        )
        assert [reply.status for reply in replies] == [201, 201]
        reasons = [reply.json["reason"] for reply in replies]
        assert sorted(reasons, key=str) == [None, "mandate_used"], f"round {turn}"
        paid[reasons.index(None)] += AMOUNT
        for door, key, reply in zip(doors, keys, replies, strict=True):
            again = await replace(door, town=town).take(code, AMOUNT, key=key)
            assert (again.status, again.body) == (200, reply.body)
    for (shop, account), amount in zip(shops, paid, strict=True):
        assert await town.balance(shop, account) == (amount, 0)
    assert await town.balance(till.wallet, payer) == (0, 0)
    await assert_books_are_right(town.operator.connection)


async def test_the_same_message_for_a_code_at_two_workers_is_one_code(
    town: TwoWorkers, till: Till
) -> None:
    """Workers make the same digits, for they have the same secret; one code is open."""
    for turn in range(10):
        doors = [replace(till, town=town.at(number)) for number in (0, 1)]
        replies = await town.at_once(turn, *(door.make(key=f"m-{turn}") for door in doors))
        assert sorted(reply.status for reply in replies) == [200, 201]
        assert replies[0].body == replies[1].body
        assert await till.reason(replies[0].json["code"], 1) is None
