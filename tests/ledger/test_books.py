"""The books check finds every way in which the books can be wrong (P8), each made on purpose."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest
import pytest_asyncio

from switch.ledger import Statements
from switch.upkeep import fold_credits
from tests.ledger.books import assert_books_are_right
from tests.ledger.city import City

PAYMENT_OF_THE_PAYER = """
    WHERE id = (SELECT id FROM ledger.payment WHERE payer = $1 AND outcome = 0 ORDER BY id LIMIT 1)
"""
FOLD_OF_THE_PAYEE = """
    WHERE account = $2
      AND posting_no = (SELECT max(posting_no) FROM ledger.fold WHERE account = $2)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Damage:
    """What spoils the books; $1 is the payer, $2 a payee with folds, $3 one with a queue."""

    name: str
    statements: tuple[str, ...]


def damage(name: str, *statements: str) -> Damage:
    return Damage(name=name, statements=statements)


DAMAGES = (
    damage("a balance is raised", "UPDATE ledger.account SET balance = balance + 1 WHERE id = $1"),
    damage(
        "money is moved without a payment",
        "UPDATE ledger.account SET balance = balance + 1 WHERE id = $1",
        "UPDATE ledger.account SET balance = balance - 1 WHERE id = $2",
    ),
    damage("money is held for nothing", "UPDATE ledger.account SET held = 1 WHERE id = $1"),
    damage(
        "a credit disappears from the queue",
        "DELETE FROM ledger.unfolded_credit WHERE payee = $3",
    ),
    damage(
        "a credit in the queue is altered",
        "UPDATE ledger.unfolded_credit SET amount = amount + 1 WHERE payee = $3",
    ),
    damage(
        "a credit in the queue is given to another payee",
        "UPDATE ledger.unfolded_credit SET payee = $2 WHERE payee = $3",
    ),
    damage(
        "a folded credit is queued again",
        "INSERT INTO ledger.unfolded_credit (shard, payee, transfer_id, amount)"
        " SELECT shard, payee, id, amount FROM ledger.payment WHERE payee = $2 AND outcome = 0"
        " LIMIT 1",
    ),
    damage(
        "a credit is queued without a payment",
        "INSERT INTO ledger.unfolded_credit (shard, payee, transfer_id, amount)"
        " VALUES (0, $3, gen_random_uuid(), 1)",
    ),
    damage(
        "an amount in a fold is altered",
        f"UPDATE ledger.fold SET amounts[1] = amounts[1] + 1 {FOLD_OF_THE_PAYEE}",
    ),
    damage(
        "a fold opens from another balance",
        f"UPDATE ledger.fold SET opening_balance = opening_balance + 1 {FOLD_OF_THE_PAYEE}",
    ),
    damage(
        "a fold names a credit that is not there",
        f"UPDATE ledger.fold SET transfer_ids[1] = gen_random_uuid() {FOLD_OF_THE_PAYEE}",
    ),
    damage("a fold disappears", f"DELETE FROM ledger.fold {FOLD_OF_THE_PAYEE}"),
    damage(
        "a posting number is left out",
        "UPDATE ledger.account SET posting_count = posting_count + 1 WHERE id = $1",
    ),
    damage(
        "a debit has another posting number",
        f"UPDATE ledger.payment SET payer_posting_no = payer_posting_no + 1000"
        f" {PAYMENT_OF_THE_PAYER}",
    ),
    damage(
        "the balance after a debit is altered",
        f"UPDATE ledger.payment SET payer_balance_after = payer_balance_after + 1"
        f" {PAYMENT_OF_THE_PAYER}",
    ),
    damage(
        "the amount of a payment is altered",
        f"UPDATE ledger.payment SET amount = amount + 1 {PAYMENT_OF_THE_PAYER}",
    ),
    damage(
        "the payee of a payment is altered",
        f"UPDATE ledger.payment SET payee = $3 {PAYMENT_OF_THE_PAYER} AND payee = $2",
    ),
    damage(
        "the currency of a payment is altered",
        f"UPDATE ledger.payment SET currency = 'USD' {PAYMENT_OF_THE_PAYER}",
    ),
    damage(
        "an approved payment is declined afterwards",
        "UPDATE ledger.payment SET outcome = 130, payer_posting_no = NULL,"
        f" payer_balance_after = NULL {PAYMENT_OF_THE_PAYER}",
    ),
    damage("a payment disappears", f"DELETE FROM ledger.payment {PAYMENT_OF_THE_PAYER}"),
    damage(
        "a payment has no claim",
        "DELETE FROM ledger.key_claim WHERE subject = (SELECT id FROM ledger.payment"
        " WHERE payer = $1 LIMIT 1)",
    ),
    damage(
        "a claim has no payment",
        "INSERT INTO ledger.key_claim (participant_no, operation, subject, digest, key)"
        " SELECT participant_no, 1, gen_random_uuid(), digest, 'spent on nothing'"
        " FROM ledger.key_claim LIMIT 1",
    ),
    damage(
        "a mandate counts a use too many",
        "UPDATE ledger.mandate SET uses = uses + 1 WHERE payer = $1",
    ),
    damage(
        "a mandate forgets what was taken today",
        "UPDATE ledger.mandate SET spent_today = 0 WHERE payer = $1",
    ),
    damage(
        "a mandate forgets what was taken this month",
        "UPDATE ledger.mandate SET spent_this_month = spent_this_month - 1 WHERE payer = $1",
    ),
    damage(
        "a payment is by a mandate for another payee",
        "UPDATE ledger.mandate SET payee = $3 WHERE payer = $1",
    ),
    damage(
        "a payment is by a mandate that is not there",
        "UPDATE ledger.payment SET mandate = gen_random_uuid() WHERE mandate IS NOT NULL",
    ),
    damage(
        "a payment request counts too little",
        "UPDATE ledger.payment_request SET paid = paid - 1 WHERE payee = $2",
    ),
    damage(
        "a payment request counts what nobody paid",
        "UPDATE ledger.payment_request SET paid = paid + 1 WHERE payee = $2",
    ),
    damage(
        "a payment request forgets that it was paid in time",
        "UPDATE ledger.payment_request SET late_fee = 1, late_at = not_after, is_late = true"
        " WHERE payee = $2",
    ),
    damage(
        "a payment is of a request of another payee",
        "UPDATE ledger.payment_request SET payee = $3 WHERE payee = $2",
    ),
    damage(
        "a payment is of a request that is not there",
        "UPDATE ledger.payment SET request = gen_random_uuid() WHERE request IS NOT NULL",
    ),
    damage(
        "an account is below its floor",
        "ALTER TABLE ledger.account DROP CONSTRAINT no_overdraft",
        "ALTER TABLE ledger.account DROP CONSTRAINT account_floor_check",
        "UPDATE ledger.account SET floor = balance + 1 WHERE id = $1",
    ),
    damage(
        "a closed account holds money",
        "ALTER TABLE ledger.account DROP CONSTRAINT closed_is_empty",
        "UPDATE ledger.account SET lifecycle = 'closed' WHERE id = $1",
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """A payer, a payee whose credits are folded and one whose credits still wait."""

    accounts: tuple


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def scene(
    admin: asyncpg.Connection, jobs: asyncpg.Connection, lane: Statements, seed: int
) -> AsyncIterator[Scene]:
    """Some payments of every state: declined, approved and folded, approved and waiting."""
    city = City(admin, f"{seed} books")
    provider = await city.participant("wallet")
    payer = await city.account(provider, "wallet", balance=1000)
    folded, queued = [await city.account(provider, "wallet") for _ in range(2)]
    await city.decide(lane, [city.order(provider, payer, folded, n) for n in (1, 2, 2000)])
    await fold_credits(jobs, 100)
    await city.decide(lane, [city.order(provider, payer, folded, n) for n in (3, 4)])
    await fold_credits(jobs, 100)
    await city.decide(lane, [city.order(provider, payer, queued, n) for n in (5, 6)])
    year = timedelta(days=365)
    now = datetime.now(UTC)
    mandate = await city.mandate(payer, folded, not_before=now - year, not_after=now + year)
    await city.decide(lane, [city.order(provider, None, folded, 7, mandate=mandate)])
    request = await city.ask(folded, 9, amount_min=1, not_after=now + year)
    await city.decide(lane, [city.order(provider, payer, folded, 8, request=request)])
    await assert_books_are_right(admin)
    yield Scene(accounts=(payer, folded, queued))


@pytest.mark.parametrize("spoiled", DAMAGES, ids=lambda spoiled: spoiled.name)
async def test_the_books_check_names(
    spoiled: Damage, scene: Scene, admin: asyncpg.Connection
) -> None:
    """Each way of spoiling the books is named with what it is about."""
    transaction = admin.transaction()
    await transaction.start()
    try:
        await admin.execute("SET LOCAL session_replication_role = replica")
        for statement in spoiled.statements:
            used = [account for n, account in enumerate(scene.accounts, 1) if f"${n}" in statement]
            changed = await admin.execute(_renumbered(statement), *used)
            assert not changed.endswith(" 0"), f"changed nothing: {statement}"
        deviations = await admin.fetch("SELECT * FROM ledger.check_books()")
        assert deviations, spoiled.name
        for deviation in deviations:
            assert deviation["check_name"], spoiled.name
            assert deviation["subject"], spoiled.name
            assert deviation["detail"], spoiled.name
    finally:
        await transaction.rollback()
    await assert_books_are_right(admin, "after undoing the damage")


def _renumbered(statement: str) -> str:
    """Parameters numbered without gaps, as a statement must have them."""
    for n, old in enumerate([f"${n}" for n in (1, 2, 3) if f"${n}" in statement], 1):
        statement = statement.replace(old, f"${n}")
    return statement


@pytest.mark.parametrize("at", ["2026-11-02T15:30:00+00:00", "2026-11-02T18:00:00+00:00"])
async def test_another_time_zone_counts_the_day_anew(
    at: str, city: City, lane: Statements, admin: asyncpg.Connection
) -> None:
    """What was spent on the new zone's day counts for it, and the books stay right.

    Half an hour before midnight in Shanghai, and two hours after, when London has the day before.
    """
    await city.own_the_clock()
    provider = await city.participant("wallet")
    payer = await city.account(provider, "wallet", balance=100)
    payee = await city.account(provider, "wallet")
    midnight = datetime(2026, 11, 2, 16, tzinfo=UTC)
    try:
        for moment in (midnight - timedelta(hours=1), datetime.fromisoformat(at)):
            await city.set_time(moment)
            await city.decide(lane, [city.order(provider, payer, payee, 10)])
        await admin.execute("SELECT ledger.set_time_zone('Europe/London')")
        await assert_books_are_right(admin)
        row = await admin.fetchrow(
            "SELECT spent_today, spent_this_year, spent_day FROM ledger.account WHERE id = $1",
            payer,
        )
        assert (row["spent_today"], str(row["spent_day"])) == (20, "2026-11-02")
        assert row["spent_this_year"] == 20
    finally:
        await admin.execute("SELECT ledger.set_time_zone('Asia/Shanghai')")
        await city.set_ahead(timedelta())
    await assert_books_are_right(admin)
