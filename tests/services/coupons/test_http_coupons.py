"""Campaigns and coupons over HTTP: discounts decided with the payment, a budget never overspent."""

import asyncio
from collections import Counter
from typing import Any
from uuid import uuid4

import pytest

from tests.integration.town import Place
from tests.services.funding import Funding, in_days


async def test_what_is_made_is_answered_once_a_key(funding: Funding) -> None:
    """The same bytes to a repeat, also after uses; anything else under the key is 422."""
    asked = funding.campaign(parts_per_million=50_000, discount=None, discount_max=10)
    first = await funding.post(funding.office, "/v1/campaigns", asked, key="c")
    again = await funding.post(funding.office, "/v1/campaigns", asked, key="c")
    assert (first.status, again.status, again.body) == (201, 200, first.body)
    other = await funding.post(funding.office, "/v1/campaigns", asked | {"name": "B"}, key="c")
    assert (other.status, other.problem) == (422, "idempotency-key-reused")
    await funding.fill(first.json["id"], 100)
    shown = await funding.town.send(funding.merchant, "GET", f"/v1/campaigns/{first.json['id']}")
    assert (shown.status, shown.json) == (200, first.json)

    asked = {"campaign": first.json["id"], "account": funding.payer}
    coupon = await funding.post(funding.wallet, "/v1/coupons", asked, key="o")
    paid = await funding.buy(300, coupon=coupon.json["id"])
    assert (paid["status"], paid["coupon"]) == ("completed", coupon.json["id"])
    again = await funding.post(funding.wallet, "/v1/coupons", asked, key="o")
    assert (coupon.status, again.status, again.body) == (201, 200, coupon.body)
    another = await funding.post(funding.wallet, "/v1/coupons", asked)
    assert another.json == coupon.json, "one coupon a wallet"
    barred = await funding.town.bar(funding.wallet, "o")
    assert (barred.status, barred.json) == (200, coupon.json)
    listed = await funding.town.send(funding.wallet, "GET", f"/v1/coupons?account={funding.payer}")
    assert listed.json["data"] == [
        {"id": coupon.json["id"], "uses": 1, "campaign": first.json}
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("more", "field"),
    [
        ({"discount": None}, "discount"),
        ({"parts_per_million": 5}, "discount"),
        ({"discount_max": 5}, "discount_max"),
        ({"discount": None, "parts_per_million": 1_000_001}, "parts_per_million"),
        ({"coupons_max": 0}, "coupons_max"),
        ({"uses_max": 0}, "uses_max"),
        ({"not_after": "2020-01-01T00:00:00Z"}, "not_after"),
        ({"not_before": in_days(40)}, "not_after"),
        ({"districts": [""]}, "districts"),
    ],
    ids=lambda value: None if isinstance(value, str) else "-".join(value),
)
async def test_a_campaign_that_breaks_a_rule(
    funding: Funding, more: dict[str, Any], field: str
) -> None:
    """Says which field."""
    reply = await funding.post(funding.office, "/v1/campaigns", funding.campaign(**more))
    assert (reply.status, reply.problem) == (400, "malformed-message")
    assert reply.json["field"].split("[")[0] == field


async def test_a_coupon_pays_its_part(funding: Funding) -> None:
    """The discount from the budget, the rest from the wallet, all of it to the shop."""
    campaign = await funding.budget(250, discount=100, uses_max=9)
    coupon = await funding.coupon(campaign)
    await funding.buy(300, coupon=coupon)
    assert await funding.balances(campaign) == (9_800, 300, 150)
    await funding.buy(60, coupon=coupon)
    assert await funding.balances(campaign) == (9_800, 360, 90)
    declined = await funding.buy(300, coupon=coupon)
    assert declined["reason"] == "coupon_used", "less is left than the discount"
    await funding.fill(campaign, 10)
    paid = await funding.buy(300, coupon=coupon)
    assert await funding.balances(campaign) == (9_600, 660, 0)
    refund = await funding.town.step(funding.merchant, paid["id"], "refund", {"amount": 250})
    assert refund.json["status"] == "completed"
    assert await funding.balances(campaign) == (9_800, 410, 50)


async def test_a_coupon_and_a_purse_pay_together(funding: Funding) -> None:
    """First the coupon, then the purse, then the wallet; a refund in reverse."""
    campaign = await funding.budget(1000, discount=100)
    coupon = await funding.coupon(campaign)
    purse = await funding.purse_in_the_ledger(150)
    paid = await funding.buy(400, coupon=coupon)
    assert await funding.balances(campaign, purse) == (9_850, 400, 900, 0)
    await funding.town.step(funding.merchant, paid["id"], "refund", {"amount": 200})
    assert await funding.balances(campaign, purse) == (10_000, 200, 900, 50)
    await funding.town.step(funding.merchant, paid["id"], "refund")
    assert await funding.balances(campaign, purse) == (10_000, 0, 1000, 150)


async def test_coupons_are_for_who_comes_first(funding: Funding) -> None:
    """So many wallets; whoever is late spends no key."""
    campaign = await funding.budget(coupons_max=2)
    wallets = [await funding.town.account(funding.wallet, "wallet") for _ in range(5)]
    replies = await asyncio.gather(
        *(
            funding.post(funding.wallet, "/v1/coupons", {"campaign": campaign, "account": wallet})
            for wallet in wallets
        )
    )
    assert Counter(reply.status for reply in replies) == {201: 2, 404: 3}
    asked = {"campaign": campaign, "account": funding.payee}
    assert (await funding.post(funding.merchant, "/v1/coupons", asked)).status == 404


async def test_a_coupon_is_for_a_purchase_at_once(funding: Funding) -> None:
    """Not for a hold or a transfer, and nobody uses another's."""
    campaign = await funding.budget(500)
    coupon = await funding.coupon(campaign)
    for more in ({"capture": False}, {"type": "transfer"}):
        order = funding.order(coupon=coupon, **more)
        reply = await funding.post(funding.wallet, "/v1/payments", order)
        assert (reply.status, reply.json["field"]) == (400, "coupon")
    other = await funding.town.account(funding.wallet, "wallet", balance=500)
    reply = await funding.town.pay(
        funding.wallet, other, funding.payee, 100, type="purchase", coupon=coupon
    )
    assert reply.json["reason"] == "coupon_not_found"


async def test_a_frozen_budget_stops_the_campaign(funding: Funding) -> None:
    """From the answer on, until it is lifted."""
    campaign = await funding.budget(500)
    coupon = await funding.coupon(campaign)
    for action, reason in (("freeze", "coupon_ended"), ("unfreeze", None)):
        path = f"/v1/accounts/{campaign}/{action}"
        reply = await funding.town.send(funding.office, "POST", path, key=uuid4().hex)
        assert reply.status == 201, reply.body
        assert (await funding.buy(100, coupon=coupon))["reason"] == reason


async def test_shares_are_kept_of_the_whole_amount(funding: Funding, town: Place) -> None:
    """Whoever pays it: the merchant gets the amount without the fee, and is told."""
    campaign = await funding.budget(500)
    coupon = await funding.coupon(campaign)
    operator = town.operator
    fee = await town.account(funding.office, "fee")
    await operator.connection.execute(
        "SELECT ledger.set_tariff('retail', 'CNY', ARRAY[$1::uuid], ARRAY[38000], ARRAY[0::bigint],"
        " ARRAY[0::bigint], ARRAY[NULL::bigint])", fee,
    )  # fmt: skip
    await operator.connection.execute(
        "SELECT ledger.set_account_tariff($1, 'retail')", funding.payee
    )
    await funding.buy(1000, coupon=coupon)
    assert await funding.balances(campaign, fee) == (9_100, 962, 400, 38)
    line = await funding.entry(funding.merchant, funding.payee)
    assert (line["amount"], line["fee"]) == (962, 38)
    line = await funding.entry(funding.office, fee)
    assert (line["amount"], line["counterparty"]) == (38, funding.payee)
    assert not await operator.check_books()
