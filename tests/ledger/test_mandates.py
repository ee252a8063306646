"""Mandates: what a payee takes without asking stays within what was permitted, whoever races."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from uuid import UUID

import asyncpg
import pytest
import pytest_asyncio
from msgspec.structs import replace

from switch.ledger import Disposition, Order, Statements, decide_steps
from switch.outcome import Outcome
from tests.ledger.books import assert_books_are_right
from tests.ledger.city import NOON, City, Participant
from tests.ledger.model import Decision

ROUNDS = 50
DAY = timedelta(days=1)

OpenLane = Callable[[], Awaitable[Statements]]


class Street:
    """A wallet with money, a shop, and a mandate between them."""

    def __init__(self, city: City, wallet: UUID, shop: UUID, provider: Participant) -> None:
        self.city = city
        self.wallet = wallet
        self.shop = shop
        self.provider = provider

    @property
    def merchant(self) -> Participant:
        return self.city.participants[self.city.ledger.accounts[self.shop].participant_no]

    async def mandate(self, at: datetime, **permits: int | None) -> UUID:
        return await self.city.mandate(
            self.wallet, self.shop, not_before=at - DAY, not_after=at + 40 * DAY, **permits
        )

    def take(self, mandate: UUID, amount: int, **fields: object) -> Order:
        return self.city.order(
            self.merchant, None, self.shop, amount, type="purchase", mandate=mandate, **fields
        )


@pytest_asyncio.fixture(loop_scope="session")
async def street(city: City) -> Street:
    """As above, without the mandate."""
    provider, merchant = await city.participant("wallet"), await city.participant("merchant")
    wallet = await city.account(provider, "wallet", balance=10_000)
    shop = await city.account(merchant, "merchant")
    return Street(city, wallet, shop, provider)


async def test_one_use_is_one_payment_however_many_ask_at_once(
    street: Street, lane: Statements, open_lane: OpenLane, admin: asyncpg.Connection
) -> None:
    """Two lanes take by the same mandate at the same moment: one is approved, one is told why."""
    other = await open_lane()
    now = datetime.now(UTC)
    for _ in range(ROUNDS):
        mandate = await street.mandate(now, uses_max=1)
        orders = [street.take(mandate, 10) for _ in range(4)]
        decided = await asyncio.gather(
            street.city.decide(lane, orders[:2]), street.city.decide(other, orders[2:])
        )
        outcomes = Counter(one.outcome for batch in decided for one in batch)
        assert outcomes == {Outcome.APPROVED: 1, Outcome.MANDATE_USED: 3}
    await assert_books_are_right(admin)


async def test_a_limit_holds_however_many_ask_at_once(
    street: Street, lane: Statements, open_lane: OpenLane, admin: asyncpg.Connection
) -> None:
    """Of twelve tens by four lanes, a mandate for fifty a day lets five through."""
    lanes = [lane, *[await open_lane() for _ in range(3)]]
    mandate = await street.mandate(datetime.now(UTC), daily_limit=50)
    batches = [[street.take(mandate, 10) for _ in range(3)] for _ in lanes]
    decided = await asyncio.gather(*map(street.city.decide, lanes, batches))
    outcomes = Counter(one.outcome for batch in decided for one in batch)
    assert outcomes == {Outcome.APPROVED: 5, Outcome.MANDATE_LIMIT_EXCEEDED: 7}
    await assert_books_are_right(admin)


async def test_nothing_is_taken_after_a_revocation(
    street: Street, lane: Statements, open_lane: OpenLane, admin: asyncpg.Connection
) -> None:
    """Whatever runs meanwhile: every approved payment is older than the revocation."""
    city, other = street.city, await open_lane()
    for _ in range(ROUNDS // 5):
        mandate = await street.mandate(datetime.now(UTC))
        orders = [street.take(mandate, 1) for _ in range(20)]

        async def take(orders: list[Order] = orders) -> list[Outcome | None]:
            return [(await city.decide(lane, [order]))[0].outcome for order in orders]

        taking = asyncio.create_task(take())
        await asyncio.sleep(city.random.random() / 50)
        await city.revoke(mandate)
        [last] = await city.decide(other, [street.take(mandate, 1)])
        outcomes = await taking
        assert last.outcome is Outcome.MANDATE_ENDED
        late = await admin.fetchval(
            "SELECT count(*) FROM ledger.payment y JOIN ledger.mandate m ON m.id = y.mandate"
            " WHERE m.id = $1 AND y.outcome = 0 AND y.created_at > m.revoked_at", mandate,
        )  # fmt: skip
        assert late == 0
        first = outcomes.count(Outcome.APPROVED)
        assert outcomes == [Outcome.APPROVED] * first + [Outcome.MANDATE_ENDED] * (20 - first)
    await assert_books_are_right(admin)


async def test_a_repeat_is_the_first_answer_again(street: Street, lane: Statements) -> None:
    """Also when the mandate has ended meanwhile; under the same key nothing else is taken."""
    city = street.city
    mandate = await street.mandate(datetime.now(UTC))
    order = street.take(mandate, 10)
    [first] = await city.decide(lane, [order])
    await city.revoke(mandate)
    again = replace(order, payment_id=city.new_id())
    other = replace(street.take(mandate, 10), key=order.key)
    decided = await city.decide(lane, [again, replace(other, digest=bytes(32))])
    assert (first.outcome, first.disposition) == (Outcome.APPROVED, Disposition.DECIDED)
    assert decided[0] == Decision(
        disposition=Disposition.REPEATED, payment_id=order.payment_id, outcome=Outcome.APPROVED
    )
    assert decided[1].disposition is Disposition.KEY_REUSED


async def test_a_mandate_is_for_one_payee(street: Street, lane: Statements) -> None:
    """Another account of the same merchant takes nothing by it."""
    other = await street.city.account(street.merchant, "merchant")
    mandate = await street.mandate(datetime.now(UTC))
    order = street.city.order(street.merchant, None, other, 10, mandate=mandate)
    [decision] = await street.city.decide(lane, [order])
    assert decision.outcome is Outcome.MANDATE_NOT_FOUND


async def test_a_stranger_learns_nothing_of_a_mandate(
    street: Street, lane: Statements, admin: asyncpg.Connection
) -> None:
    """Whoever names one that is for somebody else is not told whose money it is."""
    city = street.city
    stranger = await city.participant("merchant")
    mandate = await street.mandate(datetime.now(UTC))
    theirs = city.order(stranger, None, street.shop, 10, mandate=mandate)
    ours = street.take(mandate, 10)
    seen, taken = await city.decide(lane, [theirs, ours])
    assert (seen.outcome, taken.outcome) == (Outcome.NOT_PERMITTED, Outcome.APPROVED)
    payer = "SELECT payer FROM ledger.payment WHERE id = $1"
    assert await admin.fetchval(payer, theirs.payment_id) is None
    assert await admin.fetchval(payer, ours.payment_id) == street.wallet


async def test_a_mandate_binds_whoever_could_have_paid_without(
    street: Street, lane: Statements, admin: asyncpg.Connection
) -> None:
    """A participant that holds both accounts is within the limits of what it named."""
    city, now = street.city, datetime.now(UTC)
    savings = await city.account(street.provider, "wallet")
    mandate = await city.mandate(
        street.wallet, savings, not_before=now - DAY, not_after=now + DAY, daily_limit=15
    )
    orders = [city.order(street.provider, None, savings, 10, mandate=mandate) for _ in range(2)]
    for order, outcome in zip(
        orders, (Outcome.APPROVED, Outcome.MANDATE_LIMIT_EXCEEDED), strict=True
    ):
        [decision] = await city.decide(lane, [order])
        assert decision.outcome is outcome
    await assert_books_are_right(admin)


async def test_both_sides_are_told(
    street: Street, lane: Statements, admin: asyncpg.Connection
) -> None:
    """The payer's participant did not send it, and learns of it all the same."""
    order = street.take(await street.mandate(datetime.now(UTC)), 10)
    await street.city.decide(lane, [order])
    row = await admin.fetchrow(
        "SELECT payer_sides, payee_sides FROM ledger.outbox WHERE subjects = $1",
        [order.payment_id],
    )
    assert tuple(row) == ([street.provider.no], [street.merchant.no])


async def test_what_is_held_by_a_mandate_is_captured_and_refunded_as_ever(
    street: Street, lane: Statements, admin: asyncpg.Connection
) -> None:
    """The payee captures; a refund goes to the account that it was taken from."""
    city, now = street.city, datetime.now(UTC)
    mandate = await street.mandate(now, payment_limit=50)
    order = street.take(mandate, 50, capture=False)
    [held] = await city.decide(lane, [order])
    assert held.outcome is Outcome.APPROVED
    for kind, amount in (("capture", 30), ("refund", 10)):
        step = city.step(
            street.merchant, kind, order.payment_id, amount=amount, final=kind == "capture"
        )
        [verdict] = await decide_steps(lane, [step])
        assert verdict.payment is not None
        assert (verdict.payment.status, verdict.payment.reason) == ("completed", None)
    row = await admin.fetchrow(
        "SELECT balance, held FROM ledger.account_now WHERE id = $1", street.wallet
    )
    assert tuple(row) == (10_000 - 20, 0)
    await assert_books_are_right(admin)


@pytest.mark.parametrize("hours", [1, 30])
async def test_another_time_zone_counts_a_mandates_day_anew(
    hours: int, street: Street, lane: Statements, admin: asyncpg.Connection
) -> None:
    """What was taken on the new zone's day, and in its month, counts for it."""
    city = street.city
    await city.own_the_clock()
    midnight = datetime(2026, 11, 30, 16, tzinfo=UTC)  # in Shanghai, of the first of December
    try:
        await city.set_time(midnight - timedelta(hours=1))
        mandate = await street.mandate(midnight, monthly_limit=1_000)
        await city.decide(lane, [street.take(mandate, 10)])
        await city.set_time(midnight + timedelta(hours=hours))
        await city.decide(lane, [street.take(mandate, 5)])
        await admin.execute("SELECT ledger.set_time_zone('Europe/London')")
        await assert_books_are_right(admin)
        row = await admin.fetchrow(
            "SELECT spent_today, spent_this_month FROM ledger.mandate WHERE id = $1", mandate
        )
        assert tuple(row) == ((15, 15) if hours == 1 else (5, 5))
    finally:
        await admin.execute("SELECT ledger.set_time_zone('Asia/Shanghai')")
        await city.set_ahead(timedelta())
    await assert_books_are_right(admin)


async def test_what_was_taken_before_counts_no_more_the_next_day(
    street: Street, lane: Statements, admin: asyncpg.Connection
) -> None:
    """A look at a mandate shows its day and its month as a decision would find them."""
    city = street.city
    await city.own_the_clock()
    try:
        await city.set_time(NOON)
        mandate = await street.mandate(NOON, daily_limit=10)
        seen = []
        for after in (timedelta(), DAY, 31 * DAY):
            await city.set_time(NOON + after)
            row = await admin.fetchrow(
                "SELECT uses, spent_today, spent_this_month"
                "  FROM ledger.read_mandates($1, $2, NULL, NULL, 1)",
                street.merchant.no, mandate,
            )  # fmt: skip
            seen.append(tuple(row))
            await city.decide(lane, [street.take(mandate, 10)])
        assert seen == [(0, 0, 0), (1, 0, 10), (2, 0, 0)]
    finally:
        await city.set_ahead(timedelta())
    await assert_books_are_right(admin)


@pytest.mark.parametrize(
    ("spoil", "disposition"),
    [
        ({}, 0),
        ({"payee": "nobody"}, 3),
        ({"payee": "payer"}, 3),
        ({"payee": "dollars"}, 3),
        ({"payee": "position"}, 3),
        ({"payer": "shop"}, 4),
        ({"payer": "nobody"}, 4),
    ],
    ids=lambda value: str(value),
)
async def test_a_mandate_is_given_for_ones_own_account_only(
    spoil: dict[str, str], disposition: int, street: Street, admin: asyncpg.Connection
) -> None:
    """And to one that it could pay; what is refused spends no key."""
    city = street.city
    bank = await city.participant("bank")
    accounts = {
        "payer": street.wallet,
        "shop": street.shop,
        "nobody": city.new_id(),
        "dollars": await city.account(street.merchant, "merchant", currency="USD"),
        "position": await city.account(bank, "position"),
    }
    now = datetime.now(UTC)
    row = await admin.fetchrow(
        "SELECT disposition, subject FROM ledger.give_mandate($1, 'give', $2, $3, $4, $5, NULL, 1,"
        " NULL, NULL, NULL, NULL, $6)",
        street.provider.no, bytes(32), city.new_id(), accounts[spoil.get("payer", "payer")],
        accounts[spoil.get("payee", "shop")], now + DAY,
    )  # fmt: skip
    assert row["disposition"] == disposition
    claims = await admin.fetchval(
        "SELECT count(*) FROM ledger.key_claim WHERE participant_no = $1", street.provider.no
    )
    assert claims == (disposition == 0)
