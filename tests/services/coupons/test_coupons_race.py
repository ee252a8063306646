"""Everybody pays with a coupon at once, at two workers: the budget is for so many uses."""

import asyncio
from collections import Counter
from dataclasses import replace

import pytest

from tests.integration.two_workers import WORKERS, TwoWorkers
from tests.services.funding import Funding

USES, PAYMENTS = 120, 600
LONG_USES, LONG_PAYMENTS = 1_000, 5_000
WALLETS = 10
AT_ONCE = 200  # connections' worth of requests under way
DISCOUNT = 2


@pytest.fixture(scope="module")
def town(two_workers: TwoWorkers) -> TwoWorkers:
    """Two workers, asked in turn."""
    return two_workers


async def test_a_budget_is_never_overspent(
    town: TwoWorkers, funding: Funding, long_run: bool
) -> None:
    """So many payments are discounted as the budget pays for, all others are declined."""
    uses, payments = (LONG_USES, LONG_PAYMENTS) if long_run else (USES, PAYMENTS)
    campaign = await funding.budget(uses * DISCOUNT, discount=DISCOUNT, uses_max=1000)
    payers = []
    for number in range(WALLETS):
        wallet = await town.account(funding.wallet, "wallet", balance=2 * payments)
        there = replace(funding, payer=wallet, town=town.at(number % WORKERS))
        payers.append((there, await there.coupon(campaign)))
    room = asyncio.Semaphore(AT_ONCE)

    async def buy(number: int) -> str | None:
        payer, coupon = payers[number % WALLETS]
        async with room:
            answer = await payer.buy(DISCOUNT + 1, coupon=coupon)
        reason: str | None = answer["reason"]
        return reason

    reasons = Counter(await asyncio.gather(*(buy(number) for number in range(payments))))
    assert reasons == {None: uses, "coupon_used": payments - uses}
    assert (await funding.balances(campaign))[1:] == (uses * (DISCOUNT + 1), 0)
    assert await town.operator.check_books() == []
