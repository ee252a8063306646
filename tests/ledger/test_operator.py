"""What the operator does to the books: money in and out, reversals, floors."""

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from switch import db
from switch.admin import Operator
from switch.clock import SYSTEM_CLOCK
from switch.errors import SwitchError
from switch.ledger import Statements
from switch.limits import AUTHORIZE_RETRIES_MAX
from switch.outcome import Outcome
from tests.databases import ADMIN, Database
from tests.ledger.books import assert_books_are_right
from tests.ledger.city import City
from tests.ledger.relay import relayed

ISSUE = "SELECT ledger.issue_money($1, $2, $3, 'because')"
REDEEM = "SELECT ledger.redeem_money($1, $2, $3, 'because')"
REVERSE = "SELECT ledger.reverse_payment($1, $2, 'a mistake')"
BALANCE = "SELECT balance FROM ledger.account WHERE id = $1"
ISSUANCE = "SELECT balance FROM ledger.account WHERE kind = 'issuance' AND currency = $1"
REFUSED = "SW001"


async def refused(connection: asyncpg.Connection, statement: str, *arguments: object) -> str:
    """The words of a refusal; what was asked for must not have happened."""
    with pytest.raises(asyncpg.PostgresError) as caught:
        await connection.execute(statement, *arguments)
    assert caught.value.sqlstate == REFUSED, caught.value
    return str(caught.value)


async def test_money_comes_and_goes_against_the_issuance_account(
    city: City, admin: asyncpg.Connection
) -> None:
    """What is in circulation is the negative balance of the currency's issuance account."""
    bank = await city.participant("bank")
    position = await city.account(bank, "position", currency="EUR")
    await admin.execute(ISSUE, city.new_id(), position, 100)
    assert await admin.fetchval(ISSUANCE, "EUR") == -100
    await admin.execute(REDEEM, city.new_id(), position, 30)
    assert await admin.fetchval(ISSUANCE, "EUR") == -70
    assert await admin.fetchval(BALANCE, position) == 70
    await refused(admin, REDEEM, city.new_id(), position, 71)
    for amount in (0, -5, 10**15 + 1):
        await refused(admin, ISSUE, city.new_id(), position, amount)
        await refused(admin, REDEEM, city.new_id(), position, amount)
    await refused(admin, ISSUE, city.new_id(), city.new_id(), 1)
    external = await city.account(bank, "external", currency="EUR")
    await refused(admin, ISSUE, city.new_id(), external, 1)
    await assert_books_are_right(admin)


async def test_one_issue_is_made_once(city: City, admin: asyncpg.Connection) -> None:
    """A repeat with the same payment id moves nothing; the id is not free for anything else."""
    bank = await city.participant("bank")
    position = await city.account(bank, "position")
    payment = city.new_id()
    for _ in range(2):
        await admin.execute(ISSUE, payment, position, 100)
    await refused(admin, ISSUE, payment, position, 99)
    await refused(admin, REDEEM, payment, position, 100)
    assert await admin.fetchval(BALANCE, position) == 100
    redeemed = city.new_id()
    for _ in range(2):
        await admin.execute(REDEEM, redeemed, position, 100)
    assert await admin.fetchval(BALANCE, position) == 0
    await assert_books_are_right(admin)


async def test_an_id_of_somebody_else_is_refused(
    city: City, lane: Statements, admin: asyncpg.Connection
) -> None:
    """A participant's payment is no answer to the operator's."""
    payer, _, payment = await paid(city, lane, 40)
    await refused(admin, ISSUE, payment, payer, 40)
    assert await admin.fetchval(BALANCE, payer) == 0


async def test_a_repeated_reversal_has_its_first_outcome(
    city: City, lane: Statements, admin: asyncpg.Connection
) -> None:
    """Approved or declined, a repeat with the same id says the same and moves nothing."""
    payer, payee, payment = await paid(city, lane, 40)
    await admin.execute(REDEEM, city.new_id(), payee, 1)
    declined, approved = city.new_id(), city.new_id()
    assert await admin.fetchval(REVERSE, declined, payment) == "insufficient_funds"
    await admin.execute(ISSUE, city.new_id(), payee, 1)
    assert await admin.fetchval(REVERSE, declined, payment) == "insufficient_funds"
    for _ in range(2):
        assert await admin.fetchval(REVERSE, approved, payment) == "approved"
    assert await admin.fetchval(BALANCE, payer) == 40
    await assert_books_are_right(admin)


class Deadlocked:
    """A connection whose next statements are rolled back to end deadlocks."""

    def __init__(self, connection: asyncpg.Connection, times: int) -> None:
        self._connection = connection
        self.left = times

    async def fetch(self, *arguments: Any, **options: Any) -> list[asyncpg.Record]:
        """As the connection does."""
        if self.left > 0:
            self.left -= 1
            raise asyncpg.DeadlockDetectedError("deadlock detected")
        rows: list[asyncpg.Record] = await self._connection.fetch(*arguments, **options)
        return rows


async def test_a_deadlock_that_others_make_is_not_the_operators(
    city: City, admin: asyncpg.Connection
) -> None:
    """What was rolled back as a whole is done again, some times; then it is said."""
    position = await city.account(await city.participant("bank"), "position")
    connection: Any = Deadlocked(admin, AUTHORIZE_RETRIES_MAX - 1)
    operator = Operator(connection)
    await operator.issue(position, 7, reason="test")
    assert connection.left == 0
    assert await admin.fetchval(BALANCE, position) == 7
    connection.left = AUTHORIZE_RETRIES_MAX
    with pytest.raises(SwitchError, match="deadlock"):
        await operator.issue(position, 7, reason="test")
    assert await admin.fetchval(BALANCE, position) == 7


async def test_an_issue_whose_answer_was_lost_is_settled_by_its_id(
    city: City, database: Database, admin: asyncpg.Connection, tmp_path: Path
) -> None:
    """The error names the payment and how to repeat it; the repeat does it once."""
    position = await city.account(await city.participant("bank"), "position")
    payment = city.new_id()
    async with relayed(database.url(ADMIN), tmp_path) as (relay, url):
        connection = await db.connect(url, application_name="relayed operator")
        relay.swallows = True
        with pytest.raises(SwitchError, match=f"--id {payment}"):
            await Operator(connection).issue(position, 7, reason="lost", payment_id=payment)
        connection.terminate()
    again = await Operator(admin).issue(position, 7, reason="lost", payment_id=payment)
    assert again == payment
    assert await admin.fetchval(BALANCE, position) == 7


async def paid(city: City, lane: Statements, amount: int) -> tuple[UUID, UUID, UUID]:
    """Payer, payee and the approved payment between them."""
    provider = await city.participant("wallet")
    payer = await city.account(provider, "wallet", balance=amount)
    payee = await city.account(provider, "wallet")
    order = city.order(provider, payer, payee, amount)
    [decision] = await city.decide(lane, [order])
    assert decision.outcome is Outcome.APPROVED
    return payer, payee, order.payment_id


async def test_a_payment_is_reversed_once(
    city: City, lane: Statements, admin: asyncpg.Connection, database: Database
) -> None:
    """However many ask at the same moment, one reversal moves the money back."""
    payer, payee, payment = await paid(city, lane, 40)
    connections = [await database.connect() for _ in range(4)]
    answers = await asyncio.gather(
        *(one.fetchval(REVERSE, city.new_id(), payment) for one in connections),
        return_exceptions=True,
    )
    for one in connections:
        await one.close()
    assert [answer for answer in answers if isinstance(answer, str)] == ["approved"]
    assert await admin.fetchval(BALANCE, payer) == 40
    assert await admin.fetchval(BALANCE, payee) == 0
    await assert_books_are_right(admin)


async def test_a_reversal_may_be_declined(
    city: City, lane: Statements, admin: asyncpg.Connection
) -> None:
    """What the payee has spent cannot be reversed until it has that much again."""
    payer, payee, payment = await paid(city, lane, 40)
    holder = next(iter(city.participants.values()))
    elsewhere = await city.account(holder, "wallet")
    await city.decide(lane, [city.order(holder, payee, elsewhere, 1)])
    assert await admin.fetchval(REVERSE, city.new_id(), payment) == "insufficient_funds"
    await admin.execute(ISSUE, city.new_id(), payee, 1)
    assert await admin.fetchval(REVERSE, city.new_id(), payment) == "approved"
    assert await admin.fetchval(BALANCE, payer) == 40


async def test_what_cannot_be_reversed(
    city: City, lane: Statements, admin: asyncpg.Connection
) -> None:
    """Declined payments, issues, reversals and unknown ids are refused with words."""
    payer, payee, payment = await paid(city, lane, 40)
    holder = next(iter(city.participants.values()))
    declined = city.order(holder, payer, payee, 1)
    await city.decide(lane, [declined])
    issue, reversal = city.new_id(), city.new_id()
    await admin.execute(ISSUE, issue, payer, 5)
    await admin.fetchval(REVERSE, reversal, payment)
    for target in (declined.payment_id, issue, reversal, city.new_id(), payment):
        await refused(admin, REVERSE, city.new_id(), target)
    await assert_books_are_right(admin)


async def test_a_floor_is_never_set_above_the_balance(
    city: City, lane: Statements, admin: asyncpg.Connection
) -> None:
    """The net debit cap may be lowered to what is used of it, not further; money waiting counts."""
    bank, other = await city.participant("bank"), await city.participant("bank")
    position = await city.account(bank, "position", floor=-100)
    second = await city.account(other, "position", floor=-100)
    [decision] = await city.decide(lane, [city.order(bank, position, second, 80)])
    assert decision.outcome is Outcome.APPROVED
    set_floor = "SELECT ledger.set_account($1, $2, NULL)"
    await refused(admin, set_floor, position, -79)
    await refused(admin, set_floor, position, 1)
    await city.set_floor(position, -80)
    [decision] = await city.decide(lane, [city.order(bank, position, second, 1)])
    assert decision.outcome is Outcome.INSUFFICIENT_FUNDS
    [decision] = await city.decide(lane, [city.order(other, second, position, 180)])
    assert decision.outcome is Outcome.APPROVED
    await city.set_floor(position, 0)
    await assert_books_are_right(admin)


async def test_the_switch_is_no_participant_to_change(admin: asyncpg.Connection) -> None:
    """Its row, number 0, and its key ids are its own: the refusal says how it gets keys."""
    operator = Operator(admin)
    before = await admin.fetch("SELECT * FROM ledger.participant WHERE participant_no = 0")
    with pytest.raises(SwitchError, match="switch key rotate"):
        await operator.add_key("switch/mine", bytes(range(32)))
    with pytest.raises(SwitchError, match="the switch itself"):
        await operator.set_participant("switch", bank_url="https://bank.example/")
    for status in ("suspended", "active"):
        with pytest.raises(SwitchError, match="the switch itself"):
            await operator.set_participant_status("switch", status=status)
    after = await admin.fetch("SELECT * FROM ledger.participant WHERE participant_no = 0")
    assert after == before


async def test_the_last_key_of_the_switch_is_not_ended(
    admin: asyncpg.Connection, tmp_path: Path
) -> None:
    """Without another that is valid now nothing could be signed; the refusal says what to do."""
    operator = Operator(admin)
    with pytest.raises(SwitchError, match="no key switch/none"):
        await operator.end_switch_key("switch/none")
    now = SYSTEM_CLOCK.now()
    first = await operator.make_switch_key(tmp_path, not_before=now)
    others = [f"switch/{row['name']}" for row in await operator.switch_keys()]
    for key_id in others:
        if key_id != first.key_id:
            await operator.end_switch_key(key_id)
    await operator.make_switch_key(tmp_path, not_before=now + timedelta(days=1))
    with pytest.raises(SwitchError, match="--not-before now"):
        await operator.end_switch_key(first.key_id)
    second = await operator.make_switch_key(tmp_path, not_before=now)
    await operator.end_switch_key(first.key_id)
    with pytest.raises(SwitchError, match="--not-before now"):
        await operator.end_switch_key(second.key_id)


@pytest.mark.parametrize("reason", ["", "x" * 141, "a\tb", "\udc80", "\x00"])
async def test_a_reason_that_is_no_description(
    city: City, lane: Statements, admin: asyncpg.Connection, reason: str
) -> None:
    """What a participant may not write as a description, the operator may not give as a reason."""
    _, _, payment = await paid(city, lane, 40)
    position = await city.account(await city.participant("bank"), "position")
    operator = Operator(admin)
    with pytest.raises(SwitchError, match=r"--reason .* 140 characters"):
        await operator.issue(position, 1, reason=reason)
    with pytest.raises(SwitchError, match=r"--reason .* 140 characters"):
        await operator.redeem(position, 1, reason=reason)
    with pytest.raises(SwitchError, match=r"--reason .* 140 characters"):
        await operator.reverse(payment, reason=reason)
    await operator.issue(position, 1, reason="\u9752" * 140)
    assert await admin.fetchval(BALANCE, position) == 1


@pytest.mark.parametrize("reference", ["", "x" * 65, "a\nb", "\udc80"])
async def test_a_reference_that_is_none(
    city: City, admin: asyncpg.Connection, reference: str
) -> None:
    """An account's reference has the same rule whoever opens the account."""
    bank = await city.participant("bank")
    operator = Operator(admin)
    with pytest.raises(SwitchError, match=r"--reference .* 64 characters"):
        await operator.open_account(
            participant=bank.id, kind="position", currency="CNY", reference=reference
        )
    assert await operator.open_account(
        participant=bank.id, kind="position", currency="CNY", reference="\u9752" * 64
    )
