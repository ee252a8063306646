"""What the funders of a random city do, and the messages that have to do with their money."""

from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from uuid import UUID

from switch.ledger import Order
from tests.ledger import funding
from tests.ledger.city import CURRENCY
from tests.ledger.funds import Share, Shops

if TYPE_CHECKING:
    from tests.ledger.traffic import Traffic

INTO_A_FUND = 0.06
OUT_OF_A_FUND = 0.15
WITH_A_COUPON = 0.5
OF_ANOTHER = 0.1
HELD = 0.2
PURSES_MAX = 8  # that have not ended
CAMPAIGNS_MAX = 5
CATEGORIES = ("5411", "5812")
DISTRICTS = ("east", "west")
DAY = timedelta(days=1)


async def change_a_tariff(traffic: "Traffic", at: datetime) -> None:
    """Other shares, or another account that has the tariff."""
    random, city = traffic.random, traffic.city
    shares = [
        Share(
            account=account, parts_per_million=random.choice([0, 3_800, 250_000, 600_000]),
            fixed=random.choice([0, 0, 1, 3]), share_min=random.choice([0, 0, 2]),
            share_max=random.choice([None, None, 5]),
        )
        for account in random.sample(traffic.fees, random.randint(1, len(traffic.fees)))
    ]  # fmt: skip
    await funding.set_tariff(city, "retail", *shares)
    sellers = [
        account.id for account in city.ledger.accounts.values()
        if account.kind in ("merchant", "government") and account.currency == CURRENCY
    ]  # fmt: skip
    tariff = random.choice(["retail", "retail", None])
    await funding.use_tariff(city, random.choice(sellers), tariff)


async def set_up_a_shop(traffic: "Traffic", at: datetime) -> None:
    random, city = traffic.random, traffic.city
    sellers = [
        account.id for account in city.ledger.accounts.values()
        if account.kind in ("merchant", "government")
    ]  # fmt: skip
    await funding.set_shop(
        city, random.choice(sellers), random.choice(CATEGORIES), random.choice(DISTRICTS)
    )


async def open_a_purse(traffic: "Traffic", at: datetime) -> None:
    """With some of the rules."""
    random, city = traffic.random, traffic.city
    if len([one for one in city.ledger.funds.purses.values() if at < one.not_after]) >= PURSES_MAX:
        return
    wallets = _open(traffic, "wallet")
    wallet, funder = random.choice(wallets), random.choice(wallets + _open(traffic, "merchant"))
    await funding.open_purse(
        city, funder, wallet, shops=_shops(traffic),
        not_after=at + random.choice([DAY / 12, DAY, 60 * DAY]),
        weekdays=random.choice([None, None, (1, 2, 3, 4, 5), (6, 7)]),
        minutes=random.choice([None, None, (0, 720), (600, 1440)]),
    )  # fmt: skip


async def begin_a_campaign(traffic: "Traffic", at: datetime) -> None:
    random, city = traffic.random, traffic.city
    campaigns = city.ledger.funds.campaigns.values()
    if len([one for one in campaigns if at < one.not_after]) >= CAMPAIGNS_MAX:
        return
    is_fixed = random.random() < 0.5
    await funding.begin_campaign(
        city, random.choice(_open(traffic, "merchant")), shops=_shops(traffic),
        discount=random.choice([1, 3, 10]) if is_fixed else None,
        parts_per_million=None if is_fixed else random.choice([50_000, 333_333, 1_000_000]),
        discount_max=None if is_fixed else random.choice([None, 5]),
        amount_min=random.choice([1, 1, 8]), uses_max=random.choice([1, 2, 5]), coupons_max=20,
        not_before=at - random.choice([DAY, -DAY / 48]),
        not_after=at + random.choice([DAY / 12, DAY, 60 * DAY]),
    )  # fmt: skip


async def claim_a_coupon(traffic: "Traffic", at: datetime) -> None:
    """For a wallet that has none of the campaign."""
    random, funds = traffic.random, traffic.city.ledger.funds
    has = {(one.campaign, one.account) for one in funds.coupons.values()}
    offered = [
        (campaign.id, wallet)
        for campaign in funds.campaigns.values()
        if not campaign.is_swept and campaign.not_after > max(at, campaign.not_before)
        for wallet in _open(traffic, "wallet")
        if (campaign.id, wallet) not in has
    ]
    if offered:
        await funding.claim_coupon(traffic.city, *random.choice(offered))


def into_a_fund(traffic: "Traffic", at: datetime, key: str | None) -> Order:
    """Somebody pays into a purse or a budget."""
    random, city = traffic.random, traffic.city
    funds = city.ledger.funds
    every = [*funds.purses.values(), *funds.campaigns.values()]
    live = [one for one in every if at < one.not_after]
    fund = random.choice(live if live and random.random() > OF_ANOTHER else every).id
    payer = random.choice(_open(traffic, "wallet") + _open(traffic, "position"))
    return city.order(
        traffic.holders[payer], payer, fund, random.choice([5, 10, 20]), type="transfer", key=key,
        expires_at=traffic.expires_at(at),
    )  # fmt: skip


def out_of_a_fund(traffic: "Traffic", at: datetime, key: str | None) -> Order:
    """A purchase of somebody who has a purse or a coupon, at the edges of what that pays."""
    random, city = traffic.random, traffic.city
    funds, accounts = city.ledger.funds, city.ledger.accounts
    purses = [one for one in funds.purses.values() if one.not_after > at]
    coupons = [
        one for one in funds.coupons.values() if funds.campaigns[one.campaign].not_after > at
    ]
    coupon = random.choice(coupons) if coupons and random.random() < WITH_A_COUPON else None
    payer = coupon.account if coupon else random.choice(_open(traffic, "wallet"))
    edges = [random.randint(1, 40)]
    if coupon is not None:
        edges += [funds.campaigns[coupon.campaign].amount_min, accounts[coupon.campaign].balance]
    elif purses:
        purse = random.choice(purses)
        payer, edges = purse.wallet, [*edges, accounts[purse.id].balance]
        edges.append(accounts[purse.id].balance + accounts[payer].available(at))
    named = coupon.id if coupon else None
    if random.random() < OF_ANOTHER:
        every = list(funds.coupons)
        named = random.choice([city.new_id(), *every[-8:]])
    return city.order(
        traffic.holders[payer], payer, random.choice(_open(traffic, "merchant")),
        max(1, random.choice(edges) + random.choice([0, 0, 1, -1])), type="purchase", key=key,
        coupon=named, expires_at=traffic.expires_at(at),
        capture=named is not None or random.random() > HELD,
    )  # fmt: skip


def _shops(traffic: "Traffic") -> Shops:
    random = traffic.random
    return Shops(
        categories=random.choice([None, None, CATEGORIES[:1], CATEGORIES]),
        districts=random.choice([None, None, DISTRICTS[:1]]),
    )


def _open(traffic: "Traffic", kind: str) -> list[UUID]:
    return [
        account.id for account in traffic.city.ledger.accounts.values()
        if account.kind == kind and account.currency == CURRENCY and account.lifecycle == "open"
    ]  # fmt: skip


async def go_on(traffic: "Traffic", at: datetime) -> None:
    """There is always something to spend."""
    await open_a_purse(traffic, at)
    await begin_a_campaign(traffic, at)
    await claim_a_coupon(traffic, at)


ACTIONS = {"tariff": change_a_tariff, "shop": set_up_a_shop}
