"""Shares of a tariff, refunds to purses and budgets, and what goes back at the end."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from random import Random
from uuid import UUID

import asyncpg
import pytest

from switch.ledger import Disposition, Order, Statements, decide_steps
from switch.message import Step
from tests.databases import JOBS, Database
from tests.ledger import funding
from tests.ledger.books import assert_books_are_right
from tests.ledger.city import City
from tests.ledger.funds import Share
from tests.ledger.steps import decide_step
from tests.ledger.test_broken_link import until_it_waits

DAY = timedelta(days=1)
LIVES = 25
STEPS_MAX = 6


class Street:
    """A wallet with a purse and a coupon, and a shop that pays shares to two."""

    def __init__(self, city: City, lane: Statements) -> None:
        self.city = city
        self.lane = lane

    async def open(self, *shares: tuple[int, int]) -> None:
        """With these shares: parts per million and fixed."""
        city = self.city
        self.provider = await city.participant("wallet")
        self.merchant = await city.participant("merchant")
        self.wallet = await city.account(self.provider, "wallet", balance=100_000)
        self.shop = await city.account(self.merchant, "merchant")
        self.fees = [await city.account(self.merchant, "fee") for _ in shares]
        tariff = f"t{city.random.randrange(10**9)}"
        await funding.set_tariff(
            city, tariff,
            *(
                Share(account=account, parts_per_million=parts, fixed=fixed)
                for account, (parts, fixed) in zip(self.fees, shares, strict=True)
            ),
        )  # fmt: skip
        await funding.use_tariff(city, self.shop, tariff)

    async def fund(self, purse: int, budget: int, discount: int) -> None:
        """Give the wallet a purse and a coupon with so much to draw on."""
        now = datetime.now(UTC)
        city, funder = self.city, await self.city.account(self.merchant, "merchant", balance=10**6)
        self.purse = await funding.open_purse(city, funder, self.wallet, not_after=now + DAY)
        self.campaign = await funding.begin_campaign(
            city, funder, discount=discount, not_before=now - DAY, not_after=now + DAY, uses_max=9
        )
        self.coupon = await funding.claim_coupon(city, self.campaign, self.wallet)
        for fund, amount in ((self.purse, purse), (self.campaign, budget)):
            await self.decide(city.order(self.merchant, funder, fund, amount))

    async def decide(self, order: Order) -> UUID:
        [decision] = await self.city.decide(self.lane, [order])
        at = self.city.decided_at([order])
        assert self.city.both([decision], [order], at) is None
        return order.payment_id

    async def buy(self, amount: int, **fields: object) -> UUID:
        order = self.city.order(
            self.provider, self.wallet, self.shop, amount, type="purchase", **fields
        )
        return await self.decide(order)

    async def step(self, kind: str, parent: UUID, amount: int | None) -> None:
        """A step by the shop; the model takes it too."""
        order = self.city.step(self.merchant, kind, parent, amount=amount)
        [verdict] = await decide_steps(self.lane, [order])
        assert isinstance(verdict.payment, Step)
        at = datetime.fromisoformat(verdict.payment.created_at)
        expected = decide_step(self.city.ledger, order, at)
        assert expected.disposition is Disposition.DECIDED
        assert verdict.payment.reason == (
            None if verdict.payment.status == "completed" else expected.outcome.wire
        )

    async def check(self) -> None:
        rows = await self.city.admin.fetch("SELECT id, balance FROM ledger.account_now")
        real = {row["id"]: row["balance"] for row in rows}
        accounts = self.city.ledger.accounts.values()
        assert {one.id: real[one.id] for one in accounts} == {
            one.id: one.balance for one in accounts
        }
        await assert_books_are_right(self.city.admin)

    def balance(self, account: UUID) -> int:
        return self.city.ledger.accounts[account].balance


@pytest.mark.parametrize(
    ("shares", "amount", "kept"),
    [
        ([(3_800, 0)], 10_000, [38]),
        ([(3_800, 0)], 131, [0]),  # 0.4978
        ([(3_800, 0)], 132, [1]),  # 0.5016
        ([(500_000, 0)], 1, [1]),  # half up
        ([(499_999, 0)], 1, [0]),
        ([(0, 30), (6_000, 0)], 1_000, [30, 6]),
        ([(600_000, 0), (600_000, 0)], 100, [60, 40]),  # the last is cut
        ([(0, 200)], 100, [100]),
        ([(1_000_000, 0)], 10**15, [10**15]),
    ],
    ids=lambda value: str(value),
)
async def test_shares_are_rounded_by_the_rule(
    city: City, lane: Statements, shares: list[tuple[int, int]], amount: int, kept: list[int]
) -> None:
    """Half up to a minor unit, each by itself, and all of them never more than the amount."""
    street = Street(city, lane)
    await street.open(*shares)
    await city.issue(street.wallet, amount)
    await street.buy(amount)
    assert [street.balance(fee) for fee in street.fees] == kept
    assert street.balance(street.shop) == amount - sum(kept)
    await street.check()


async def test_a_capture_pays_shares_and_a_refund_does_not_return_them(
    city: City, lane: Statements
) -> None:
    """Of each capture by itself; the shop bears what was kept."""
    street = Street(city, lane)
    await street.open((100_000, 0))
    await city.issue(street.shop, 1_000)
    held = await street.buy(1_000, capture=False)
    await street.step("capture", held, 305)
    await street.step("capture", held, 205)
    await street.step("capture", held, 5)
    assert street.balance(street.fees[0]) == 31 + 21 + 1
    await street.step("refund", held, 515)
    assert street.balance(street.fees[0]) == 53
    assert street.balance(street.shop) == 1_000 - 53
    await street.check()


async def test_a_transfer_pays_no_shares(city: City, lane: Statements) -> None:
    """They are of purchases."""
    street = Street(city, lane)
    await street.open((100_000, 5))
    await street.decide(city.order(street.provider, street.wallet, street.shop, 100))
    assert street.balance(street.fees[0]) == 0
    await street.check()


async def test_refunds_go_back_the_way_they_came(city: City, lane: Statements, seed: int) -> None:
    """Whatever was drawn and refunded in whichever parts, as the model says."""
    random = Random(f"{seed} refunds")
    for _ in range(LIVES):
        street = Street(city, lane)
        await street.open((random.choice([0, 50_000]), 0))
        await street.fund(random.randint(1, 60), random.randint(1, 60), random.randint(1, 40))
        await city.issue(street.shop, 1_000)
        coupon = random.choice([None, street.coupon])
        paid = await street.buy(random.randint(1, 150), coupon=coupon)
        for _ in range(random.randint(1, STEPS_MAX)):
            await street.step("refund", paid, random.choice([None, *range(1, 60)]))
    await street.check()


async def test_a_reversal_goes_back_the_way_it_came(
    city: City, lane: Statements, admin: asyncpg.Connection
) -> None:
    """The operator takes a mistake back: the purse and the budget have theirs again."""
    street = Street(city, lane)
    await street.open((0, 0))
    await street.fund(30, 50, 20)
    paid = await street.buy(100, coupon=street.coupon)
    outcome = await admin.fetchval(
        "SELECT ledger.reverse_payment($1, $2, 'mistake')", city.new_id(), paid
    )
    assert outcome == "approved"
    rows = await admin.fetch(
        "SELECT balance FROM ledger.account_now WHERE id = ANY ($1) ORDER BY balance",
        [street.purse, street.campaign, street.wallet, street.shop],
    )
    assert [row["balance"] for row in rows] == [0, 30, 50, 100_000]
    await assert_books_are_right(admin)


async def test_what_is_left_at_the_end_goes_back_once(
    city: City, lane: Statements, database: Database
) -> None:
    """However many sweep at once."""
    street = Street(city, lane)
    await street.open((0, 0))
    await street.fund(30, 50, 20)
    ended = "SET not_after = now() - interval '6 minutes'"
    await city.admin.execute(f"UPDATE ledger.purse {ended} WHERE id = $1", street.purse)
    await city.admin.execute(f"UPDATE ledger.campaign {ended} WHERE id = $1", street.campaign)
    first, second = await database.connect(JOBS), await database.connect(JOBS)
    swept = await asyncio.gather(
        *(
            connection.fetchval("SELECT ledger.sweep_funds($1)", [city.new_id() for _ in range(9)])
            for connection in (first, second)
        )
    )
    assert sum(swept) >= len({street.purse, street.campaign})
    for connection in (first, second):
        await connection.close()
    rows = await city.admin.fetch(
        "SELECT amount FROM ledger.payment WHERE type = 104 AND payer = ANY ($1) ORDER BY amount",
        [street.purse, street.campaign],
    )
    assert [row["amount"] for row in rows] == [30, 50]
    await assert_books_are_right(city.admin)


@pytest.mark.parametrize(
    ("spoil", "name"),
    [
        ("UPDATE ledger.draw SET amount = amount + 1 WHERE account = '{purse}'", "drawn"),
        ("DELETE FROM ledger.split", "split"),
        ("UPDATE ledger.coupon SET uses = uses + 1 WHERE id = '{coupon}'", "coupon_uses"),
        ("UPDATE ledger.campaign SET coupons_given = 0", "campaign_coupons"),
        ("UPDATE ledger.purse SET swept_at = now() WHERE id = '{purse}'", "swept"),
        ("UPDATE ledger.purse SET wallet = id WHERE id = '{purse}'", "draw_of_another"),
    ],
    ids=lambda value: value if " " not in value else None,
)
async def test_the_books_check_sees_what_is_spoilt(
    city: City, lane: Statements, spoil: str, name: str
) -> None:
    """Each way in which parts of payments can be wrong has its name."""
    street = Street(city, lane)
    await street.open((100_000, 0))
    await street.fund(50, 50, 20)
    await street.buy(60, coupon=street.coupon)
    await street.check()
    transaction = city.admin.transaction()
    await transaction.start()
    try:
        await city.admin.execute("SET LOCAL session_replication_role = replica")  # no triggers
        await city.admin.execute(spoil.format(purse=street.purse, coupon=street.coupon))
        found = {
            row["check_name"]
            for row in await city.admin.fetch("SELECT * FROM ledger.check_books()")
        }
    finally:
        await transaction.rollback()
    assert name in found


async def test_who_pays_out_of_a_purse_sees_what_is_being_paid_in(
    city: City, lane: Statements, open_lane: Callable[[], Awaitable[Statements]]
) -> None:
    """A purchase waits for a payment into its purse that is decided and not committed yet."""
    street = Street(city, lane)
    await street.open((0, 0))
    await street.fund(1, 1, 1)
    funder = await city.account(street.merchant, "merchant", balance=500)
    into = city.order(street.merchant, funder, street.purse, 70)
    out_of = city.order(street.provider, street.wallet, street.shop, 100, type="purchase")
    transaction = lane.connection.transaction()
    await transaction.start()
    try:
        [paid_in] = await city.decide(lane, [into])
        other = await open_lane()
        deciding = asyncio.create_task(city.decide(other, [out_of]))
        await until_it_waits(city.admin, "lane")
    finally:
        await transaction.commit()
    [bought] = await deciding
    for decision, order in ((paid_in, into), (bought, out_of)):
        assert city.both([decision], [order], city.decided_at([order])) is None
    assert street.balance(street.purse) == 0
    await street.check()
