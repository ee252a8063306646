"""Payment codes: whoever presents one takes by it, once, soon; who declines it tells nothing."""

import asyncio
import itertools
from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import timedelta
from uuid import UUID

import asyncpg
import pytest
import pytest_asyncio
from msgspec.structs import replace

from switch.ledger import Disposition, Order, Statements, decide_steps
from switch.outcome import Outcome
from switch.payment_code import CODES, mandate_of
from tests.ledger.books import assert_books_are_right
from tests.ledger.city import NOON, City, Participant
from tests.ledger.model import Mandate

ROUNDS = 50
LIMIT = 1000
OPEN_MAX = 3

OpenLane = Callable[[], Awaitable[Statements]]


class Till:
    """A wallet with money, and the tills of two shops that do not know each other."""

    def __init__(self, city: City, wallet: UUID, provider: Participant, shops: list[UUID]) -> None:
        self.city = city
        self.wallet = wallet
        self.provider = provider
        self.shops = shops

    def take(self, code: UUID, amount: int = 10, shop: int = 0, **fields: object) -> Order:
        """A purchase by a code that was presented in a shop."""
        payee = self.shops[shop]
        merchant = self.city.participants[self.city.ledger.accounts[payee].participant_no]
        usual = {"type": "purchase", "mandate": code}
        return self.city.order(merchant, None, payee, amount, **(usual | fields))

    async def outcome(self, lane: Statements, order: Order) -> Outcome | None:
        """What is decided of it alone, as the answer says."""
        [decision] = await self.city.decide(lane, [order])
        return decision.outcome


@pytest_asyncio.fixture(loop_scope="session")
async def till(city: City) -> Till:
    """As above; the clock is the test's."""
    await city.own_the_clock()
    provider = await city.participant("wallet")
    wallet = await city.account(provider, "wallet", balance=10**6)
    shops = [await city.account(await city.participant("merchant"), "merchant") for _ in range(2)]
    return Till(city, wallet, provider, shops)


async def test_one_code_at_two_tills_is_one_payment(
    till: Till, lane: Statements, open_lane: OpenLane, admin: asyncpg.Connection
) -> None:
    """Two lanes take by it at the same moment: one is paid, the other is told that it is used."""
    other = await open_lane()
    for _ in range(ROUNDS):
        code = await till.city.code(till.wallet, LIMIT)
        decided = await asyncio.gather(
            till.city.decide(lane, [till.take(code, shop=0)]),
            till.city.decide(other, [till.take(code, shop=1)]),
        )
        outcomes = Counter(one.outcome for batch in decided for one in batch)
        assert outcomes == {Outcome.APPROVED: 1, Outcome.MANDATE_USED: 1}
    await assert_books_are_right(admin)


async def test_a_declined_code_tells_nobody_whose_it_is(
    till: Till, lane: Statements, admin: asyncpg.Connection
) -> None:
    """Neither in the answer nor in the ledger, whatever the reason; an approved payment does."""
    city = till.city
    code = await city.code(till.wallet, LIMIT)
    declined = [till.take(code, LIMIT + 1), till.take(code, currency="USD")]
    paid, late = till.take(code), till.take(code)
    orders = [*declined, paid, late]
    for order in orders:  # `decide` compares the whole answer with what it should be
        await city.decide(lane, [order])
    stored = await admin.fetch("SELECT id, payer FROM ledger.payment WHERE mandate = $1", code)
    payers = {row["id"]: row["payer"] for row in stored}
    assert payers == {order.payment_id: till.wallet if order is paid else None for order in orders}


async def test_a_code_is_for_one_who_holds_the_account_that_is_paid(
    till: Till, lane: Statements
) -> None:
    """Nobody takes by it for somebody else, nor the payer from itself, nor a bank's account."""
    city = till.city
    code = await city.code(till.wallet, LIMIT)
    stranger, bank = await city.participant("merchant"), await city.participant("bank")
    foreign = city.order(stranger, None, till.shops[0], 1, type="purchase", mandate=code)
    own = city.order(till.provider, None, till.wallet, 1, type="transfer", mandate=code)
    position = await city.account(bank, "position", floor=-10)
    drawn = city.order(bank, None, position, 1, type="transfer", mandate=code)
    assert await till.outcome(lane, foreign) is Outcome.NOT_PERMITTED
    assert await till.outcome(lane, own) is Outcome.SAME_ACCOUNT
    assert await till.outcome(lane, drawn) is Outcome.MANDATE_NOT_FOUND
    assert await till.outcome(lane, till.take(code)) is Outcome.APPROVED


async def test_a_code_ends_to_the_microsecond(till: Till, lane: Statements) -> None:
    """Its last microsecond still pays, the next one does not."""
    city = till.city
    await city.set_time(NOON)
    first, second = [await city.code(till.wallet, LIMIT, valid_s=60) for _ in range(2)]
    end = NOON + timedelta(seconds=60)
    await city.set_time(end - timedelta(microseconds=1))
    assert await till.outcome(lane, till.take(first)) is Outcome.APPROVED
    await city.set_time(end)
    assert await till.outcome(lane, till.take(second)) is Outcome.MANDATE_ENDED


async def test_a_payment_by_a_code_is_repeated_and_refunded(
    till: Till, lane: Statements, admin: asyncpg.Connection
) -> None:
    """The same message gets the same answer after the code is used; a refund goes back."""
    city = till.city
    order = till.take(await city.code(till.wallet, LIMIT), 700)
    assert await till.outcome(lane, order) is Outcome.APPROVED
    [again] = await city.decide(lane, [replace(order, payment_id=city.new_id())])
    assert (again.disposition, again.payment_id) == (Disposition.REPEATED, order.payment_id)
    merchant = city.participants[order.participant_no]
    refund = city.step(merchant, "refund", order.payment_id, amount=200)
    [verdict] = await decide_steps(lane, [refund])
    assert verdict.payment is not None
    assert verdict.payment.status == "completed"
    await assert_books_are_right(admin)


async def give(till: Till, key: str, *, ids: list[UUID], valid_s: int = 60) -> asyncpg.Record:
    """Ask the ledger for a code, as the service does."""
    return await till.city.admin.fetchrow(
        "SELECT disposition, subject, (mandate).* FROM ledger.give_code($1, $2, $3, $4, $5, $6, $7,"
        " $8)", till.provider.no, key, bytes(32), ids, till.wallet, LIMIT, valid_s, OPEN_MAX,
    )  # fmt: skip


def new_code(till: Till) -> UUID:
    return mandate_of(f"{till.city.random.randrange(CODES):018}")


async def test_so_many_codes_are_open_at_once(till: Till, lane: Statements) -> None:
    """A used, a revoked and an ended one make room; a repeat needs none."""
    city = till.city
    await city.set_time(NOON)
    codes = [new_code(till) for _ in range(OPEN_MAX)]
    for number, code in enumerate(codes):
        given = await give(till, f"open-{number}", ids=[code])
        assert given["disposition"] == 0
        city.ledger.mandates[code] = Mandate(
            id=code, payer=till.wallet, payee=None, payment_limit=LIMIT, uses_max=1,
            not_before=given["not_before"], not_after=given["not_after"],
        )  # fmt: skip
    assert (await give(till, "over", ids=[new_code(till)]))["disposition"] == 7
    repeated = await give(till, "open-0", ids=[codes[0], new_code(till)])
    assert (repeated["disposition"], repeated["id"]) == (1, codes[0])
    used = await city.admin.fetchval("SELECT count(*) FROM ledger.key_claim WHERE key = 'over'")
    assert used == 0, "a refusal spends no key"
    await city.revoke(codes[0])
    assert (await give(till, "over", ids=[new_code(till)]))["disposition"] == 0
    assert await till.outcome(lane, till.take(codes[1])) is Outcome.APPROVED
    assert (await give(till, "next", ids=[new_code(till)]))["disposition"] == 0
    assert (await give(till, "late", ids=[new_code(till)]))["disposition"] == 7
    await city.set_time(NOON + timedelta(seconds=60))
    assert (await give(till, "late", ids=[new_code(till)]))["disposition"] == 0


async def test_no_two_count_the_same_open_codes(till: Till, open_lane: OpenLane) -> None:
    """Of eight requests at once exactly as many get a code as may be open."""
    lanes = [await open_lane() for _ in range(4)]
    statement = (
        "SELECT disposition FROM ledger.give_code($1, $2, $3, $4, $5, $6, $7, $8)",
        till.provider.no,
    )
    for turn in range(ROUNDS // 5):
        wallet = await till.city.account(till.provider, "wallet")

        async def ask(lane: Statements, key: str, wallet: UUID = wallet) -> list[int]:
            return [
                await lane.connection.fetchval(
                    *statement, f"{key}-{n}", bytes(32), [new_code(till)], wallet, 1, 60, OPEN_MAX
                )
                for n in range(2)
            ]

        given = await asyncio.gather(*(ask(one, f"{turn}-{n}") for n, one in enumerate(lanes)))
        assert Counter(itertools.chain(*given)) == {0: OPEN_MAX, 7: 8 - OPEN_MAX}


async def test_a_code_that_was_given_before_gets_the_next_digits(till: Till) -> None:
    """Of several candidates the first that is free; a repeat finds it again."""
    taken, free = new_code(till), new_code(till)
    assert (await give(till, "a", ids=[taken, free]))["id"] == taken
    assert (await give(till, "b", ids=[taken, free]))["id"] == free
    assert (await give(till, "b", ids=[taken, free]))["id"] == free


async def test_no_code_is_made_of_an_account_that_pays_nothing(till: Till) -> None:
    """Frozen, closing, or of a kind that no purchase is paid from; no key is spent."""
    await till.city.change(till.wallet, "freeze")
    assert (await give(till, "k", ids=[new_code(till)]))["disposition"] == 3
    await till.city.change(till.wallet, "unfreeze")
    assert (await give(till, "k", ids=[new_code(till)]))["disposition"] == 0
    await till.city.change(till.wallet, "close")
    assert (await give(till, "l", ids=[new_code(till)]))["disposition"] == 3
    assert (await give(till, "k", ids=[new_code(till)]))["disposition"] == 1
    till.wallet = till.shops[0]
    assert (await give(till, "l", ids=[new_code(till)]))["disposition"] == 4


@pytest.mark.parametrize(
    ("change", "constraint"),
    [
        ("not_after = not_before + interval '301 seconds'", "a_code_is_for_one_payment_soon"),
        ("uses_max = 2", "a_code_is_for_one_payment_soon"),
        ("payment_limit = NULL", "a_code_is_for_one_payment_soon"),
        ("id = gen_random_uuid()", "a_code_is_told_by_its_id"),
        ("uses = 2", "not_more_uses_than_given"),
    ],
    ids=["long", "twice", "unlimited", "id", "uses"],
)
async def test_the_table_holds_what_a_code_is(till: Till, change: str, constraint: str) -> None:
    """Whatever a function does: one payment, up to a limit, within five minutes."""
    code = await till.city.code(till.wallet, LIMIT)
    with pytest.raises(asyncpg.PostgresError, match=constraint):
        await till.city.admin.execute(f"UPDATE ledger.mandate SET {change} WHERE id = $1", code)
