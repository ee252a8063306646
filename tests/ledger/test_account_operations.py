"""Accounts as their holders handle them: opened, frozen, closed, each once a key."""

import asyncio
import dataclasses
import hashlib
from collections.abc import AsyncIterator
from uuid import UUID

import asyncpg
import pytest_asyncio
from msgspec.structs import replace

from switch import db
from switch.account_ledger import AccountChange, AccountOrder, AccountVerdict
from switch.ledger import Disposition, Statements
from switch.message import Account, AccountOperation, AccountRequest
from switch.outcome import Outcome
from switch.reads import Reads
from switch.upkeep import finish_closing, fold_credits
from tests.databases import WORKER, Database
from tests.ledger.books import assert_books_are_right
from tests.ledger.city import City, Participant
from tests.ledger.test_broken_link import LOCK, until_it_waits

STATUS = "SELECT lifecycle FROM ledger.account WHERE id = $1"
DECIDED, REPEATED, REUSED = (
    Disposition.DECIDED,
    Disposition.REPEATED,
    Disposition.KEY_REUSED,
)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def reads(database: Database) -> AsyncIterator[Reads]:
    """What a worker handles accounts with."""
    async with db.pool(database.url(WORKER), application_name="reads") as pool:
        yield Reads(pool)


def opening(city: City, holder: Participant, key: str, **fields: str) -> AccountOrder:
    """A message that opens a wallet."""
    request = AccountRequest(**{"currency": "CNY", "kind": "wallet"} | fields)
    return AccountOrder(
        participant_no=holder.no, participant=holder.id, key=key, account_id=city.new_id(),
        digest=hashlib.sha256(repr(request).encode()).digest(), request=request,
    )  # fmt: skip


async def change(
    reads: Reads, holder: Participant, account: UUID, action: str, key: str
) -> AccountVerdict:
    digest = hashlib.sha256(f"{account} {action}".encode()).digest()
    return await reads.change_account(
        AccountChange(
            participant_no=holder.no, key=key, digest=digest, account_id=account, action=action
        )
    )


async def test_an_account_is_opened_once_a_key(city: City, reads: Reads) -> None:
    """A repeat gets the first answer whatever has become of the account; other messages nothing."""
    provider = await city.participant("wallet")
    first = await reads.open_account(opening(city, provider, "k", reference="r"))
    assert first.disposition is DECIDED
    assert isinstance(first.answer, Account)
    await city.admin.execute(
        "SELECT ledger.issue_money($1, $2, 5, 'gift')", city.new_id(), UUID(first.answer.id)
    )
    await change(reads, provider, UUID(first.answer.id), "freeze", "k2")
    again = await reads.open_account(opening(city, provider, "k", reference="r"))
    assert again.disposition is REPEATED
    assert again.answer == first.answer
    other = await reads.open_account(opening(city, provider, "k", reference="another"))
    assert (other.disposition, other.answer) == (REUSED, None)
    assert len(await reads.accounts(provider.no, None, None, 10)) == 1


async def test_one_key_from_many_sides_opens_one_account(city: City, reads: Reads) -> None:
    """Twins at the same moment: one opens, the others get its answer."""
    provider = await city.participant("wallet")
    verdicts = await asyncio.gather(
        *(reads.open_account(opening(city, provider, "k")) for _ in range(6))
    )
    assert sorted(verdict.disposition for verdict in verdicts) == [DECIDED, *[REPEATED] * 5]
    assert len({verdict.answer for verdict in verdicts if verdict.answer}) == 1
    assert len(await reads.accounts(provider.no, None, None, 10)) == 1


async def test_a_key_is_spent_over_all_operations(
    city: City, lane: Statements, reads: Reads
) -> None:
    """A payment's key opens no account, an account's key pays nothing; both keep their answer."""
    provider = await city.participant("wallet")
    payer = await city.account(provider, "wallet", balance=10)
    payee = await city.account(provider, "wallet")
    paid = city.order(provider, payer, payee, 4, key="paid")
    await city.decide(lane, [paid])
    assert (await reads.open_account(opening(city, provider, "paid"))).disposition is REUSED
    assert (await change(reads, provider, payee, "freeze", "paid")).disposition is REUSED
    opened = await reads.open_account(opening(city, provider, "opened"))
    assert opened.disposition is DECIDED
    [answer] = await city.decide(lane, [city.order(provider, payer, payee, 4, key="opened")])
    assert answer.disposition is REUSED
    assert (await change(reads, provider, payee, "close", "opened")).disposition is REUSED
    alike = dataclasses.replace(opening(city, provider, "paid"), digest=paid.digest)
    assert (await reads.open_account(alike)).disposition is REUSED, "bytes alone are no operation"
    alike = replace(paid, key="opened", digest=opening(city, provider, "opened").digest)
    [answer] = await city.decide(lane, [alike])
    assert answer.disposition is REUSED
    shown = await reads.account(provider.no, payer)
    assert shown is not None
    assert (shown.balance, shown.status) == (6, "open")


async def test_what_spends_no_key(city: City, reads: Reads) -> None:
    """A tier that is not offered, and an account that is not one's own, leave the key as it was."""
    holder, stranger = await city.participant("wallet"), await city.participant("wallet")
    account = await city.account(holder, "wallet")
    await city.admin.execute("SELECT ledger.set_tier('hidden', 'CNY', 1, 1, 1, NULL, false)")
    for tier in ("hidden", "nonsense"):
        refused = await reads.open_account(opening(city, stranger, "k", tier=tier))
        assert (refused.disposition, refused.answer) == (Disposition.TIER_NOT_OFFERED, None)
    for other in (account, city.new_id()):
        refused = await change(reads, stranger, other, "close", "k")
        assert (refused.disposition, refused.answer) == (Disposition.NOT_FOUND, None)
    assert not await reads.key_is_claimed(stranger.no, "k")
    assert (await reads.open_account(opening(city, stranger, "k"))).disposition is DECIDED


async def test_only_the_operator_lifts_its_own_freeze(city: City, reads: Reads) -> None:
    """Holder and operator freeze each for itself, and each lifts its own freeze only."""
    holder = await city.participant("wallet")
    account = await city.account(holder, "wallet")

    async def result(action: str, key: str) -> tuple[str, str | None, str | None]:
        verdict = await change(reads, holder, account, action, key)
        assert isinstance(verdict.answer, AccountOperation)
        return verdict.answer.status, verdict.answer.frozen_by, verdict.answer.reason

    assert await result("freeze", "1") == ("frozen", "participant", None)
    assert await result("unfreeze", "2") == ("open", None, None)
    await city.change(account, "freeze")
    assert await result("unfreeze", "3") == ("frozen", "operator", "frozen_by_operator")
    assert await result("freeze", "4") == ("frozen", "operator", None)
    await city.change(account, "unfreeze")
    assert await result("unfreeze", "4b") == ("open", None, None), "only its own was left"
    assert await result("close", "5") == ("closing", None, None)
    assert await result("unfreeze", "3") == ("frozen", "operator", "frozen_by_operator"), "a repeat"


async def test_a_closing_account_closes_when_it_is_empty(
    city: City, lane: Statements, jobs: asyncpg.Connection, admin: asyncpg.Connection
) -> None:
    """Money that is there or on its way keeps it from closing until it has been paid out."""
    provider = await city.participant("wallet")
    payer = await city.account(provider, "wallet", balance=10)
    account = await city.account(provider, "wallet")
    await city.decide(lane, [city.order(provider, payer, account, 4)])
    await city.change(account, "close")
    for _ in range(2):
        await finish_closing(jobs)
    assert await admin.fetchval(STATUS, account) == "closing"
    await admin.execute("SELECT ledger.redeem_money($1, $2, 4, 'paid out')", city.new_id(), account)
    for _ in range(2):
        await finish_closing(jobs)
    assert await admin.fetchval(STATUS, account) == "closed"
    await assert_books_are_right(admin)


async def test_a_payment_that_was_under_way_when_its_payee_closed(
    city: City, lane: Statements, jobs: asyncpg.Connection, database: Database
) -> None:
    """The account stays closing until the payment is decided: no money reaches a closed one."""
    provider = await city.participant("wallet")
    payer = await city.account(provider, "wallet", balance=10)
    payee = await city.account(provider, "wallet")
    blocker = await database.connect()
    async with blocker.transaction():
        await blocker.execute(LOCK, payer)
        asked = asyncio.create_task(city.decide(lane, [city.order(provider, payer, payee, 4)]))
        await until_it_waits(city.admin, "lane")
        await city.change(payee, "close")
        for _ in range(3):
            await finish_closing(jobs)
        assert await city.admin.fetchval(STATUS, payee) == "closing"
    [answer] = await asked
    await blocker.close()
    assert answer.outcome in (Outcome.APPROVED, Outcome.PAYEE_CLOSED)
    await fold_credits(jobs, 1000)
    for _ in range(2):
        await finish_closing(jobs)
    expected = "closing" if answer.outcome is Outcome.APPROVED else "closed"
    assert await city.admin.fetchval(STATUS, payee) == expected
    await assert_books_are_right(city.admin)


async def test_a_closing_account_closes_after_a_dump_and_restore(
    city: City, jobs: asyncpg.Connection, admin: asyncpg.Connection
) -> None:
    """A transaction id from before a restore means nothing: it is seen anew, not waited for."""
    account = await city.account(await city.participant("wallet"), "wallet")
    await city.change(account, "close")
    await admin.execute(
        "UPDATE ledger.account SET closing_seen = '4611686018427387904' WHERE id = $1", account
    )
    for _ in range(2):
        await finish_closing(jobs)
    assert await admin.fetchval(STATUS, account) == "closed"


async def test_a_holder_closes_an_account_when_it_is_empty(
    city: City, reads: Reads, lane: Statements, admin: asyncpg.Connection
) -> None:
    """Money, folded or waiting, would be locked in: the account stays as it is and says why."""
    provider = await city.participant("wallet")
    payer = await city.account(provider, "wallet", balance=10)
    payee = await city.account(provider, "wallet")
    await city.decide(lane, [city.order(provider, payer, payee, 4)])
    for account, key in ((payer, "1"), (payee, "2")):
        verdict = await change(reads, provider, account, "close", key)
        assert isinstance(verdict.answer, AccountOperation)
        assert (verdict.answer.status, verdict.answer.reason) == ("open", "not_empty")
    for account, other in ((payer, payee), (payee, payer)):
        await city.decide(lane, [city.order(provider, account, other, 1)])
    await assert_books_are_right(admin)


async def test_closing_accounts_with_money_do_not_keep_others_open(
    city: City, reads: Reads, jobs: asyncpg.Connection, admin: asyncpg.Connection
) -> None:
    """However many wait to be emptied, an empty one behind them closes."""
    provider = await city.participant("wallet")
    for _ in range(3):
        await city.change(await city.account(provider, "wallet", balance=1), "close")
    empty = await city.account(provider, "wallet")
    await city.change(empty, "close")
    for _ in range(5):
        await jobs.fetchval("SELECT ledger.finish_closing(2)")
    assert await admin.fetchval(STATUS, empty) == "closed"
