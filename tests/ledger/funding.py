"""What funders and operators do in a city of a test: tariffs, shops, purses, campaigns, coupons."""

from datetime import datetime, timedelta
from uuid import UUID

import asyncpg

from switch.ledger import Disposition
from tests.ledger.city import CURRENCY, City
from tests.ledger.funds import Campaign, Coupon, Purse, Share, Shops

DIGEST = bytes(32)
SWEPT_LATER = timedelta(minutes=5)
SWEPT_MAX = 100


async def set_tariff(city: City, name: str, *shares: Share, currency: str = CURRENCY) -> str:
    await city.admin.execute(
        "SELECT ledger.set_tariff($1, $2, $3, $4, $5, $6, $7)",
        name, currency, [one.account for one in shares],
        [one.parts_per_million for one in shares], [one.fixed for one in shares],
        [one.share_min for one in shares], [one.share_max for one in shares],
    )  # fmt: skip
    city.ledger.funds.tariffs[name, currency] = list(shares)
    return name


async def use_tariff(city: City, account: UUID, tariff: str | None) -> None:
    await city.admin.execute("SELECT ledger.set_account_tariff($1, $2)", account, tariff)
    changed = city.ledger.accounts[account]
    changed.tariff = (tariff, changed.currency) if tariff else None


async def set_shop(city: City, account: UUID, category: str, district: str) -> None:
    await city.admin.execute("SELECT ledger.set_shop($1, $2, $3)", account, category, district)
    city.ledger.funds.shops[account] = (category, district)


async def open_purse(
    city: City,
    funder: UUID,
    wallet: UUID,
    *,
    not_after: datetime,
    shops: Shops = Shops(),  # noqa: B008  frozen
    weekdays: tuple[int, ...] | None = None,
    minutes: tuple[int, int] | None = None,
) -> UUID:
    """A purpose of its own, and a purse of it; empty."""
    purpose, purse = city.new_id(), city.new_id()
    giver, owner = city.ledger.accounts[funder], city.ledger.accounts[wallet]
    first, last = minutes or (None, None)
    made = await city.admin.fetchval(
        "SELECT disposition FROM ledger.give_purpose($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11,"
        " $12)",
        giver.participant_no, f"purpose-{purpose}", DIGEST, purpose, funder, "study",
        shops.categories, shops.districts, weekdays, first, last, not_after,
    )  # fmt: skip
    assert made == Disposition.DECIDED
    made = await city.admin.fetchval(
        "SELECT disposition FROM ledger.open_purse($1, $2, $3, $4, $5, $6)",
        giver.participant_no, f"purse-{purse}", DIGEST, purse, purpose, wallet,
    )  # fmt: skip
    assert made == Disposition.DECIDED
    city.add_account(purse, owner, "purse")
    city.ledger.funds.purses[purse] = Purse(
        id=purse, wallet=wallet, funder=funder, shops=shops, not_after=not_after,
        weekdays=weekdays, minutes=minutes,
    )  # fmt: skip
    return purse


async def begin_campaign(
    city: City,
    funder: UUID,
    *,
    not_before: datetime,
    not_after: datetime,
    shops: Shops = Shops(),  # noqa: B008  frozen
    discount: int | None = None,
    parts_per_million: int | None = None,
    discount_max: int | None = None,
    amount_min: int = 1,
    uses_max: int = 1,
    coupons_max: int = 1000,
) -> UUID:
    """A campaign whose budget is empty."""
    campaign, giver = city.new_id(), city.ledger.accounts[funder]
    made = await city.admin.fetchval(
        "SELECT disposition FROM ledger.give_campaign($1, $2, $3, $4, $5, $6, $7, $8, $9, $10,"
        " $11, $12, $13, $14, $15, $16)",
        giver.participant_no, f"campaign-{campaign}", DIGEST, campaign, funder, "festival",
        discount, parts_per_million, discount_max, amount_min, uses_max, coupons_max,
        shops.categories, shops.districts, not_before, not_after,
    )  # fmt: skip
    assert made == Disposition.DECIDED
    city.add_account(campaign, giver, "campaign")
    city.ledger.funds.campaigns[campaign] = Campaign(
        id=campaign, funder=funder, currency=giver.currency, shops=shops, discount=discount,
        parts_per_million=parts_per_million, discount_max=discount_max, amount_min=amount_min,
        not_before=not_before, not_after=not_after,
    )  # fmt: skip
    return campaign


async def claim_coupon(city: City, campaign: UUID, account: UUID) -> UUID:
    """A coupon for a wallet, for as many uses as the campaign says."""
    coupon, owner = city.new_id(), city.ledger.accounts[account]
    row = await city.admin.fetchrow(
        "SELECT disposition, subject, (coupon).uses_max FROM ledger.claim_coupon($1, $2, $3, $4,"
        " $5, $6)",
        owner.participant_no, f"coupon-{coupon}", DIGEST, coupon, campaign, account,
    )  # fmt: skip
    assert row is not None
    assert row["disposition"] == Disposition.DECIDED
    if row["subject"] == coupon:
        city.ledger.funds.coupons[coupon] = Coupon(
            id=coupon, campaign=campaign, account=account, uses_max=row["uses_max"]
        )
    return UUID(str(row["subject"]))


async def sweep(city: City, jobs: asyncpg.Connection, at: datetime) -> int:
    """What is left in purses and campaigns that have ended goes back; how many there were."""
    funds, swept = city.ledger.funds, 0
    ids = [city.new_id() for _ in range(SWEPT_MAX)]
    await jobs.execute("SELECT ledger.sweep_funds($1)", ids)
    for fund in (*funds.purses.values(), *funds.campaigns.values()):
        funder, account = city.ledger.accounts[fund.funder], city.ledger.accounts[fund.id]
        is_due = not fund.is_swept and fund.not_after <= at - SWEPT_LATER
        if is_due and funder.lifecycle == "open":
            fund.is_swept = True
            funder.balance += account.balance
            account.balance = 0
            swept += 1
    return swept
