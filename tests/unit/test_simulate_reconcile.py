"""A bank's books against the switch: which amounts are compared, and what is told to differ."""

from datetime import UTC, datetime
from typing import Any

import msgspec

from switch import examples
from switch.message import Payment, Step
from switch.simulate.positions import Position
from switch.simulate.reconcile import Difference, compare

NOW = datetime(2026, 11, 2, tzinfo=UTC)
OWN, OTHER = examples.PAYMENT["payer"], examples.PAYMENT["payee"]
ID = examples.PAYMENT["id"]


def payment(**more: Any) -> dict[str, Payment | Step]:
    """One payment as the switch shows it, by its id."""
    shown = msgspec.convert(examples.PAYMENT | more, Payment)
    return {shown.id: shown}


def differences(
    shown: dict[str, Payment | Step], book: Position | None = None
) -> set[tuple[str, str, int, int]]:
    """What differs between the switch and the book of one payment."""
    books = {} if book is None else {ID: book}
    found: tuple[Difference, ...] = compare(books, shown, {OWN}, NOW).differences
    return {(one.account, one.what, one.at_bank, one.at_switch) for one in found}


def test_a_debit_is_compared_with_what_was_captured() -> None:
    """Also where one side knows nothing of the payment."""
    book = Position(currency="CNY", payer=OWN, debited=1250)
    assert differences(payment(), book=book) == set()
    assert differences(payment()) == {(OWN, "debited", 0, 1250)}
    assert differences({}, book=book) == {(OWN, "debited", 1250, 0)}
    declined = payment(status="declined", reason="issuer_timeout", amount_captured=0)
    assert differences(declined, book=book) == {(OWN, "debited", 1250, 0)}
    assert differences(declined) == set()


def test_a_hold_is_compared_with_what_is_open() -> None:
    """Captured and voided are open no longer; after its time nothing is."""
    held = payment(
        status="partially_captured", amount_held=1250, amount_captured=250, amount_voided=400,
        hold_expires_at="2026-11-08T08:00:00.000000Z",
    )  # fmt: skip
    book = Position(currency="CNY", payer=OWN, debited=250, held=600)
    assert differences(held, book=book) == set()
    late = payment(
        status="captured", amount_held=1250, amount_captured=250,
        hold_expires_at="2026-11-01T08:00:00.000000Z",
    )  # fmt: skip
    assert differences(late, book=book) == {(OWN, "held", 600, 0)}


def test_credits_and_refunds_are_compared() -> None:
    """A payment to an account of the bank, a refund to one, and the operator's reversal."""
    book = Position(currency="CNY", payee=OWN, credited=1250)
    assert differences(payment(payer=OTHER, payee=OWN), book=book) == set()
    for kind in ("refund", "reversal"):
        step = msgspec.convert(examples.STEPS["refund"] | {"id": ID, "type": kind}, Step)
        assert differences({ID: step}, book=book) == {(OWN, "credited", 1250, 250)}
    capture = msgspec.convert(examples.STEPS["capture"] | {"id": ID, "payee": OWN}, Step)
    assert differences({ID: capture}) == set()


def test_what_is_pending_is_not_compared() -> None:
    """Whatever the book says of it already."""
    waiting = payment(status="pending", amount_captured=0)
    book = Position(currency="CNY", payer=OWN, debited=1250)
    found = compare({ID: book}, waiting, {OWN}, NOW)
    assert (found.compared, found.waiting, found.differences) == (0, 1, ())
