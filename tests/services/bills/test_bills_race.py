"""One bill, many payers, two workers: one payment."""

import asyncio
from collections import Counter

from tests.integration.town import Town
from tests.services.bills.scene import Scene

ROUNDS = 10
LONG_FACTOR = 20


async def scene_of(town: Town) -> Scene:
    """New participants for one test."""
    wallet, merchant = await town.member("wallet"), await town.member("merchant")
    payer = await town.account(wallet, "wallet", balance=10_000)
    payee = await town.account(merchant, "merchant")
    return Scene(town=town, wallet=wallet, biller=merchant, payer=payer, payee=payee)


async def test_a_reference_names_one_bill_however_many_present_it(
    two_workers: Town, long_run: bool
) -> None:
    """Under keys of their own at the same moment: one is presented, the others say why not."""
    scene = await scene_of(two_workers)
    for number in range(ROUNDS * (LONG_FACTOR if long_run else 1)):
        replies = await asyncio.gather(*(scene.present(reference=f"r{number}") for _ in range(4)))
        assert sorted(reply.status for reply in replies) == [201, 400, 400, 400]


async def test_only_one_payer_pays_a_bill(two_workers: Town, long_run: bool) -> None:
    """The same bill paid at once at two workers, again and again: one payment each."""
    scene = await scene_of(two_workers)
    for _ in range(ROUNDS * (LONG_FACTOR if long_run else 1)):
        bill = await scene.presented(amount=10)
        decided = await asyncio.gather(*(scene.pay(bill, 10) for _ in range(4)))
        reasons = Counter(one["reason"] for one in decided)
        assert reasons == {None: 1, "request_paid": 3}
