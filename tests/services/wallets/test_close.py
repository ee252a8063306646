"""A wallet is paid out and closed in one piece, once a key, whatever is killed meanwhile."""

import asyncio
from typing import Any
from uuid import uuid4

import pytest_asyncio

from tests.integration.town import Member, Reply, Town, eventually
from tests.services.wallets.test_http import offer, register

BALANCE = 700
LOOKS = 1_000


@pytest_asyncio.fixture(loop_scope="session")
async def provider(town: Town, wallet: Member) -> Member:
    """A wallet provider in a town that offers classes."""
    await offer(town)
    return wallet


async def opened(town: Town, provider: Member, balance: int = BALANCE) -> str:
    """A registered wallet with money in it."""
    account = str((await register(town, provider)).json["id"])
    if balance:
        await town.operator.issue(account, balance, reason="test")
    return account


async def close(
    town: Town, holder: Member, account: str, *, key: str | None = None, **content: Any
) -> Reply:
    path = f"/v1/wallets/{account}/close"
    return await town.send(holder, "POST", path, content=content, key=key or uuid4().hex)


async def test_what_is_in_it_is_paid_out(town: Town, provider: Member) -> None:
    """To a bank's position or another wallet; a repeat pays nothing more."""
    bank = await town.member("bank")
    position = await town.account(bank, "position")
    other = await opened(town, provider, 0)
    for payee, kind in ((position, "withdrawal"), (other, "transfer")):
        account = await opened(town, provider)
        reply = await close(town, provider, account, key=account, pay_out_to=payee)
        assert (reply.status, reply.json["operation"]) == (201, "close")
        assert (reply.json["status"], reply.json["reason"]) == ("closing", None)
        again = await close(town, provider, account, key=account, pay_out_to=payee)
        assert (again.status, again.body) == (200, reply.body)
        listed = await town.send(provider, "GET", f"/v1/payments?account={account}")
        paid = [one for one in listed.json["data"] if one["payer"] == account]
        assert [(one["type"], one["amount"], one["status"]) for one in paid] == [
            (kind, BALANCE, "completed")
        ]
    assert (await town.balance(provider, other))[0] == BALANCE
    assert (await town.balance(bank, position))[0] == BALANCE
    assert await town.operator.check_books() == []


async def test_an_empty_one_needs_nobody(town: Town, provider: Member) -> None:
    """And one with money in it says that it is not empty."""
    empty, full = await opened(town, provider, 0), await opened(town, provider)
    assert (await close(town, provider, empty)).json["status"] == "closing"
    reply = await close(town, provider, full)
    assert (reply.json["status"], reply.json["reason"]) == ("open", "not_empty")
    assert (await town.balance(provider, full))[0] == BALANCE


async def test_what_is_held_stays_until_it_is_decided(town: Town, provider: Member) -> None:
    """Nothing is paid out while some of it is promised."""
    account, other = await opened(town, provider), await opened(town, provider, 0)
    held = await town.pay(provider, account, other, 10, capture=False)
    reply = await close(town, provider, account, pay_out_to=other)
    assert reply.json["reason"] == "not_empty"
    assert await town.balance(provider, account) == (BALANCE, 10)
    await town.step(provider, held.json["id"], "void")
    reply = await close(town, provider, account, pay_out_to=other)
    assert (reply.json["status"], reply.json["reason"]) == ("closing", None)


async def test_a_pay_out_that_is_declined_closes_nothing(town: Town, provider: Member) -> None:
    """A payee that is closed itself, for example."""
    account, other = await opened(town, provider), await opened(town, provider, 0)
    await town.operator.change_account(other, "close")
    reply = await close(town, provider, account, pay_out_to=other)
    assert (reply.json["status"], reply.json["reason"]) == ("open", "not_empty")
    assert (await town.balance(provider, account))[0] == BALANCE


async def test_whom_it_cannot_be_paid_to(town: Town, provider: Member) -> None:
    """Itself, a shop, another currency, nobody; and somebody else's wallet is not found."""
    account = await opened(town, provider)
    shop = await town.account(await town.member("merchant"), "merchant")
    foreign = await town.account(provider, "wallet", currency="EUR")
    for payee in (account, shop, foreign, str(uuid4())):
        reply = await close(town, provider, account, key="k", pay_out_to=payee)
        assert (reply.status, reply.json["field"]) == (400, "pay_out_to")
    stranger = await town.member("wallet")
    assert (await close(town, stranger, account, key="k")).status == 404
    assert (await close(town, provider, foreign)).status == 404, "no wallet of this service"


async def test_a_link_that_breaks_leaves_all_or_nothing(town: Town, provider: Member) -> None:
    """The backend that closes it is ended before it commits: the same message closes it once."""
    account, other = await opened(town, provider), await opened(town, provider, 0)
    admin = await town.database.connect()
    try:
        async with admin.transaction():
            await admin.execute("SELECT FROM ledger.account WHERE id = $1 FOR UPDATE", account)
            closing = asyncio.create_task(
                close(town, provider, account, key="kk", pay_out_to=other)
            )
            await eventually_waiting(town)
            await admin.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE wait_event_type = 'Lock' AND datname = current_database()"
            )
        first = await closing
    finally:
        await admin.close()
    assert first.status in (503, 504), first.body
    assert (await town.balance(provider, account))[0] == BALANCE
    reply = await eventually(
        lambda: close(town, provider, account, key="kk", pay_out_to=other), 201
    )
    assert reply.json["status"] == "closing"
    assert (await town.balance(provider, other))[0] == BALANCE
    assert await town.operator.check_books() == []


async def eventually_waiting(town: Town) -> None:
    """Until somebody waits for a lock."""
    for _ in range(LOOKS):
        if await town.operator.connection.fetchval(
            "SELECT count(*) FROM pg_stat_activity"
            " WHERE wait_event_type = 'Lock' AND datname = current_database()"
        ):
            return
        await asyncio.sleep(0.01)
    raise AssertionError("nobody waits for the account")
