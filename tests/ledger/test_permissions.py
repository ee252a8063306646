"""Who may pay whom with which type: every combination of kinds, as the contract has them."""

import asyncpg
import pytest

from switch.ledger import Disposition, Order, Statements
from switch.outcome import Outcome
from tests.ledger.books import assert_books_are_right
from tests.ledger.city import City
from tests.ledger.model import PAYEE_KINDS, PAYER_KINDS

KINDS = {
    "wallet": "wallet",
    "merchant": "merchant",
    "government": "government",
    "position": "bank",
    "external": "bank",
    "fee": "bank",
}


async def test_every_combination_of_kinds(city: City, lane: Statements) -> None:
    """Only those of the contract's table are permitted, and where a bank holds the money, pending;
    all others are not_permitted.
    """
    holders = {kind: await city.participant(holder) for kind, holder in KINDS.items()}
    payers = {
        kind: await city.account(holders[kind], kind, balance=0 if kind == "external" else 100)
        for kind in KINDS
    }
    payees = {kind: await city.account(holders[kind], kind) for kind in KINDS}
    await city.account(holders["external"], "position")
    await city.admin.execute(
        "SELECT ledger.set_participant($1, NULL, 'https://bank.test')", holders["external"].id
    )
    cases = [(name, payer, payee) for name in PAYER_KINDS for payer in KINDS for payee in KINDS]
    orders: list[Order] = [
        city.order(holders[payer], payers[payer], payees[payee], 1, type=name)
        for name, payer, payee in cases
    ]
    decisions = await city.decide(lane, orders)
    for (name, payer, payee), decision in zip(cases, decisions, strict=True):
        permitted = payer in PAYER_KINDS[name] and payee in PAYEE_KINDS[name]
        what = f"{name} from {payer} to {payee}"
        if permitted and "external" in (payer, payee):
            assert decision.disposition is Disposition.PENDING, what
        else:
            expected = Outcome.APPROVED if permitted else Outcome.NOT_PERMITTED
            assert decision.outcome is expected, what


async def test_a_type_that_is_not_there_is_refused_with_its_batch(
    city: City, lane: Statements, admin: asyncpg.Connection
) -> None:
    """Nothing is decided for its neighbours by the place that it leaves empty."""
    provider = await city.participant("wallet")
    payer = await city.account(provider, "wallet", balance=100)
    payee = await city.account(provider, "wallet")
    key, digest, ids = ["a", "b"], [b"d" * 32] * 2, [city.new_id() for _ in range(2)]
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="no known type"):
        await lane.authorize_batch.fetchrow(
            0, [provider.no] * 2, key, digest, ids, [9, 2], [payee, payer], [payer, payee],
            [10**6, 1], ["CNY"] * 2, *([None] * 13)
        )  # fmt: skip
    assert await admin.fetchval("SELECT count(*) FROM ledger.payment WHERE id = ANY ($1)", ids) == 0
    await assert_books_are_right(admin)


async def test_issued_money_comes_and_goes_by_the_operator_alone(
    city: City, lane: Statements, admin: asyncpg.Connection
) -> None:
    """No message of a participant pays an issuance account or takes money from it."""
    provider = await city.participant("wallet")
    wallet = await city.account(provider, "wallet", balance=100)
    issuance = await admin.fetchval(
        "SELECT id FROM ledger.account WHERE kind = 'issuance' AND currency = 'CNY'"
    )
    orders = [
        city.order(provider, *ends, 1, type=name)
        for name in PAYER_KINDS
        for ends in ((wallet, issuance), (issuance, wallet))
    ]
    decisions = await city.decide(lane, orders)
    assert {decision.outcome for decision in decisions} == {Outcome.NOT_PERMITTED}


async def test_a_stranger_learns_nothing(city: City, lane: Statements) -> None:
    """An account that is not there and somebody else's, in whatever state, get the same answer."""
    holder, stranger = await city.participant("wallet"), await city.participant("wallet")
    payee = await city.account(stranger, "wallet")
    poor = await city.account(holder, "wallet")
    frozen = await city.account(holder, "wallet", balance=100)
    await city.change(frozen, "freeze")
    closing = await city.account(holder, "wallet", balance=100)
    await city.change(closing, "close")
    foreign = await city.account(holder, "wallet", currency="USD", balance=100)
    orders = [
        city.order(stranger, payer, to, 1)
        for payer in (poor, frozen, closing, foreign, payee, city.new_id())
        for to in (payee, city.new_id())
        if payer != payee
    ]
    decisions = await city.decide(lane, orders)
    assert {decision.outcome for decision in decisions} == {Outcome.NOT_PERMITTED}
