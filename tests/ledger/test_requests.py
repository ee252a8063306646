"""Payment requests: paid as asked, never twice, never late, never too much, whoever races."""

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
from tests.ledger.city import CURRENCY, City, Participant
from tests.ledger.model import Decision

ROUNDS = 40
LONG_FACTOR = 25
DAY = timedelta(days=1)

OpenLane = Callable[[], Awaitable[Statements]]


class Street:
    """Two wallets of two providers, with money, and a shop that asks for some."""

    def __init__(
        self, city: City, shop: UUID, merchant: Participant, wallets: dict[UUID, Participant]
    ) -> None:
        self.city = city
        self.shop = shop
        self.merchant = merchant
        self.wallets = wallets

    async def ask(self, amount: int, amount_min: int | None = None) -> UUID:
        return await self.city.ask(
            self.shop, amount, amount_min=amount_min, not_after=datetime.now(UTC) + DAY
        )

    def pay(self, request: UUID, amount: int, wallet: int = 0, **fields: object) -> Order:
        payer, provider = list(self.wallets.items())[wallet]
        return self.city.order(
            provider, payer, self.shop, amount, type="purchase", request=request, **fields
        )


@pytest_asyncio.fixture(loop_scope="session")
async def street(city: City) -> Street:
    """As above."""
    merchant = await city.participant("merchant")
    wallets = {}
    for _ in range(2):
        provider = await city.participant("wallet")
        wallets[await city.account(provider, "wallet", balance=100_000)] = provider
    return Street(city, await city.account(merchant, "merchant"), merchant, wallets)


async def paid(admin: asyncpg.Connection, request: UUID) -> int:
    found: int = await admin.fetchval(
        "SELECT paid FROM ledger.payment_request WHERE id = $1", request
    )
    return found


async def test_a_request_is_paid_once_however_many_pay_at_once(
    street: Street,
    lane: Statements,
    open_lane: OpenLane,
    admin: asyncpg.Connection,
    long_run: bool,
) -> None:
    """Two payers on two lanes at the same moment, twice each: one is approved, the rest told."""
    other = await open_lane()
    for _ in range(ROUNDS * (LONG_FACTOR if long_run else 1)):
        request = await street.ask(10)
        batches = [[street.pay(request, 10, wallet) for _ in range(2)] for wallet in (0, 1)]
        decided = await asyncio.gather(*map(street.city.decide, (lane, other), batches))
        outcomes = Counter(one.outcome for batch in decided for one in batch)
        assert outcomes == {Outcome.APPROVED: 1, Outcome.REQUEST_PAID: 3}
        assert await paid(admin, request) == 10
    await assert_books_are_right(admin)


async def test_requests_in_opposite_orders_lock_nobody_out(
    street: Street, lane: Statements, open_lane: OpenLane
) -> None:
    """Two batches that pay the same requests, each in the other's order, do not deadlock."""
    other = await open_lane()
    for _ in range(ROUNDS // 4):
        requests = [await street.ask(1) for _ in range(6)]
        there = [street.pay(request, 1, 0) for request in requests]
        back = [street.pay(request, 1, 1) for request in reversed(requests)]
        decided = await asyncio.gather(
            street.city.decide(lane, there), street.city.decide(other, back)
        )
        outcomes = Counter(one.outcome for batch in decided for one in batch)
        assert outcomes == {Outcome.APPROVED: 6, Outcome.REQUEST_PAID: 6}


async def test_parts_add_up_to_the_whole_and_no_further(
    street: Street, lane: Statements, admin: asyncpg.Connection
) -> None:
    """The smallest part, the rest, and what is left of it; nothing more and nothing less."""
    request = await street.ask(100, amount_min=40)
    steps = (
        (39, Outcome.REQUEST_AMOUNT_MISMATCH),
        (101, Outcome.REQUEST_AMOUNT_MISMATCH),
        (40, Outcome.APPROVED),
        (61, Outcome.REQUEST_AMOUNT_MISMATCH),
        (45, Outcome.APPROVED),
        (14, Outcome.REQUEST_AMOUNT_MISMATCH),
        (16, Outcome.REQUEST_AMOUNT_MISMATCH),
        (15, Outcome.APPROVED),
        (1, Outcome.REQUEST_PAID),
    )
    decisions = await street.city.decide(
        lane, [street.pay(request, amount, number % 2) for number, (amount, _) in enumerate(steps)]
    )
    assert [one.outcome for one in decisions] == [outcome for _, outcome in steps]
    assert await paid(admin, request) == 100
    await assert_books_are_right(admin)


@pytest.mark.parametrize(
    ("in_time", "late"),
    [
        ((), ((100, Outcome.REQUEST_AMOUNT_MISMATCH), (107, Outcome.APPROVED))),
        ((60,), ((40, Outcome.APPROVED), (7, Outcome.APPROVED), (1, Outcome.REQUEST_PAID))),
        ((60,), ((48, Outcome.REQUEST_AMOUNT_MISMATCH), (47, Outcome.APPROVED))),
        ((100,), ((7, Outcome.REQUEST_PAID),)),
    ],
    ids=["nothing", "a part", "another part", "all"],
)
async def test_a_late_fee_is_asked_of_who_has_not_paid_all_in_time(
    in_time: tuple[int, ...],
    late: tuple[tuple[int, Outcome], ...],
    street: Street,
    lane: Statements,
    admin: asyncpg.Connection,
) -> None:
    """From its moment on, by the time of the decision; never of who had paid all."""
    city, at = street.city, datetime.now(UTC)
    await city.own_the_clock()
    await city.set_time(at)
    least = 1 if in_time == (60,) and len(late) == 3 else 40 if in_time else 100
    request = await city.ask(
        street.shop, 100, amount_min=least, not_after=at + DAY, late_fee=7, late_at=at + DAY / 2
    )
    await city.set_time(at + DAY / 2 - timedelta(microseconds=1))
    for amount in in_time:
        [decision] = await city.decide(lane, [street.pay(request, amount)])
        assert decision.outcome is Outcome.APPROVED
    await city.set_time(at + DAY / 2)
    for amount, outcome in late:
        [decision] = await city.decide(lane, [street.pay(request, amount)])
        assert decision.outcome is outcome, amount
    await city.set_ahead(timedelta())
    await assert_books_are_right(admin)


async def test_nothing_is_paid_after_a_cancellation(
    street: Street, lane: Statements, open_lane: OpenLane, admin: asyncpg.Connection
) -> None:
    """Whatever runs meanwhile: every approved payment is older than the cancellation."""
    city, other = street.city, await open_lane()
    for _ in range(ROUNDS // 4):
        request = await street.ask(1_000, amount_min=1)
        orders = [street.pay(request, 1) for _ in range(12)]

        async def pay(orders: list[Order] = orders) -> list[Outcome | None]:
            return [(await city.decide(lane, [order]))[0].outcome for order in orders]

        paying = asyncio.create_task(pay())
        await asyncio.sleep(city.random.random() / 100)
        await city.cancel(request)
        [last] = await city.decide(other, [street.pay(request, 1, 1)])
        outcomes = await paying
        assert last.outcome is Outcome.REQUEST_ENDED
        first = outcomes.count(Outcome.APPROVED)
        assert outcomes == [Outcome.APPROVED] * first + [Outcome.REQUEST_ENDED] * (12 - first)
        late = await admin.fetchval(
            "SELECT count(*) FROM ledger.payment y"
            "  JOIN ledger.payment_request r ON r.id = y.request"
            " WHERE r.id = $1 AND y.outcome = 0 AND y.created_at > r.cancelled_at", request,
        )  # fmt: skip
        assert late == 0
        assert await paid(admin, request) == first
    await assert_books_are_right(admin)


async def test_what_is_paid_in_full_is_not_cancelled(
    street: Street, lane: Statements, admin: asyncpg.Connection
) -> None:
    """Its cancellation says that it is paid, and it stays so."""
    request = await street.ask(10)
    await street.city.decide(lane, [street.pay(request, 10)])
    row = await admin.fetchrow(
        "SELECT disposition, (request).paid, (request).cancelled_at"
        "  FROM ledger.cancel_payment_request($1, 'cancel', $2, $3)",
        street.merchant.no, bytes(32), request,
    )  # fmt: skip
    assert tuple(row) == (Disposition.DECIDED, 10, None)


async def test_a_repeat_is_the_first_answer_again(street: Street, lane: Statements) -> None:
    """Also when the request has ended meanwhile; nothing is paid a second time."""
    city = street.city
    request = await street.ask(20, amount_min=1)
    order = street.pay(request, 10)
    [first] = await city.decide(lane, [order])
    await city.cancel(request)
    [again] = await city.decide(lane, [replace(order, payment_id=city.new_id())])
    assert (first.outcome, first.disposition) == (Outcome.APPROVED, Disposition.DECIDED)
    assert again == Decision(
        disposition=Disposition.REPEATED, payment_id=order.payment_id, outcome=Outcome.APPROVED
    )


async def test_who_is_short_pays_nothing_of_a_request(
    street: Street, lane: Statements, admin: asyncpg.Connection
) -> None:
    """A decline leaves the request as it was, also for the next message of the same batch."""
    request = await street.ask(10_000_000)
    poor = street.pay(request, 10_000_000)
    rich = await street.city.account(street.merchant, "merchant", balance=10_000_000)
    good = street.city.order(street.merchant, rich, street.shop, 10_000_000, request=request)
    decisions = await street.city.decide(lane, [poor, good])
    assert [one.outcome for one in decisions] == [Outcome.INSUFFICIENT_FUNDS, Outcome.APPROVED]
    await assert_books_are_right(admin)


async def test_a_stranger_to_the_payer_learns_nothing_and_waits_for_nobody(
    street: Street, lane: Statements, open_lane: OpenLane, admin: asyncpg.Connection
) -> None:
    """Who names somebody else's account is told that it may not, whatever the request says."""
    city = street.city
    request = await street.ask(10)
    [payer, *_] = street.wallets
    stranger = city.order(street.merchant, payer, street.shop, 99, request=request)
    async with admin.transaction():  # an honest payer is deciding
        await admin.execute("SELECT FROM ledger.payment_request WHERE id = $1 FOR UPDATE", request)
        [decision] = await city.decide(lane, [stranger])
    assert decision.outcome is Outcome.NOT_PERMITTED


async def test_a_bank_that_holds_the_money_pays_no_request(
    street: Street, lane: Statements, admin: asyncpg.Connection
) -> None:
    """While it is asked nobody could say whether the request is paid: it is not permitted."""
    bank = await street.city.participant("bank")
    account = await street.city.account(bank, "external")
    request = await street.ask(10)
    order = street.city.order(bank, account, street.shop, 10, type="purchase", request=request)
    [decision] = await street.city.decide(lane, [order])
    assert decision.outcome is Outcome.NOT_PERMITTED
    assert await paid(admin, request) == 0


async def test_a_refund_does_not_open_a_request_again(
    street: Street, lane: Statements, admin: asyncpg.Connection
) -> None:
    """What was paid stays paid: who asks for more asks anew."""
    request = await street.ask(10)
    order = street.pay(request, 10)
    await street.city.decide(lane, [order])
    [verdict] = await decide_steps(
        lane, [street.city.step(street.merchant, "refund", order.payment_id)]
    )
    assert verdict.payment is not None
    assert verdict.payment.status == "completed"
    [decision] = await street.city.decide(lane, [street.pay(request, 10)])
    assert decision.outcome is Outcome.REQUEST_PAID
    assert await paid(admin, request) == 10
    await assert_books_are_right(admin)


@pytest.mark.parametrize("spoil", ["", "nobody", "wallet", "dollars"])
async def test_one_asks_for_ones_own_account_only(
    spoil: str, street: Street, admin: asyncpg.Connection
) -> None:
    """And for one that is paid here, in its currency; what is refused spends no key."""
    city = street.city
    accounts = {
        "": street.shop,
        "nobody": city.new_id(),
        "wallet": next(iter(street.wallets)),
        "dollars": await city.account(street.merchant, "merchant", currency="USD"),
    }
    disposition = await admin.fetchval(
        "SELECT disposition FROM ledger.ask_payment($1, 'ask', $2, $3, $4, NULL, $5, 1, 1, NULL,"
        " NULL, $6)",
        street.merchant.no, bytes(32), city.new_id(), accounts[spoil], CURRENCY,
        datetime.now(UTC) + DAY,
    )  # fmt: skip
    assert disposition == (Disposition.NOT_FOUND if spoil else Disposition.DECIDED)
    claims = await admin.fetchval(
        "SELECT count(*) FROM ledger.key_claim WHERE participant_no = $1", street.merchant.no
    )
    assert claims == (0 if spoil else 1)


async def test_a_request_is_shown_to_whoever_could_pay_it(
    street: Street, admin: asyncpg.Connection
) -> None:
    """And to whoever asks; not to who holds no account of its currency, nor one at a bank only."""
    city = street.city
    request = await street.ask(10)
    foreign, bank = await city.participant("wallet"), await city.participant("bank")
    await city.account(foreign, "wallet", currency="USD")
    await city.account(bank, "external")
    [provider, _] = street.wallets.values()
    seen = {
        name: await admin.fetchval(
            "SELECT count(*) FROM ledger.read_payable_request($1, $2)", one.no, request
        )
        for name, one in (
            ("payer", provider),
            ("payee", street.merchant),
            ("foreign", foreign),
            ("bank", bank),
        )
    }
    assert seen == {"payer": 1, "payee": 1, "foreign": 0, "bank": 0}


async def test_the_table_holds_what_the_functions_promise(
    street: Street, admin: asyncpg.Connection
) -> None:
    """More than is asked is not paid, and what is paid is not cancelled, whoever writes."""
    request = await street.ask(10)
    for change in ("paid = 11", "paid = 10, cancelled_at = now()", "amount_min = 11"):
        with pytest.raises(asyncpg.CheckViolationError):
            await admin.execute(
                f"UPDATE ledger.payment_request SET {change} WHERE id = $1", request
            )
