"""Payment requests in words: what a row says now, and what was answered about it then."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from switch import examples
from switch.errors import Problem
from switch.message import PaymentRequest, decode_payment
from switch.reply import document
from switch.request_to_pay import as_decided, as_payable, cancellation_digest, status_at

NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)

ROW: dict[str, Any] = {
    "id": UUID("0192f0c1-2d0e-7a11-b3c2-4e5f60718206"),
    "payee": UUID("0192f0c1-5a3e-7cc0-9b22-6e1d4bae2f02"),
    "payee_name": None,
    "currency": "CNY",
    "amount": 100,
    "amount_min": 40,
    "late_fee": None,
    "late_at": None,
    "is_late": False,
    "paid": 0,
    "reference": "order-7",
    "description": None,
    "not_after": NOON + HOUR,
    "created_at": NOON,
    "cancelled_at": None,
}
LATE = {"late_fee": 7, "late_at": NOON + HOUR / 4}
CANCELLED = {"cancelled_at": NOON + HOUR / 2}


@pytest.mark.parametrize(
    ("changes", "after", "status"),
    [
        ({}, timedelta(), "open"),
        ({"paid": 99}, timedelta(), "open"),
        ({"paid": 100}, timedelta(), "paid"),
        ({"paid": 100}, 2 * HOUR, "paid"),
        ({}, HOUR, "expired"),
        ({}, HOUR - timedelta(microseconds=1), "open"),
        (CANCELLED, timedelta(), "cancelled"),
        (CANCELLED | {"paid": 99}, 2 * HOUR, "cancelled"),
        (LATE | {"paid": 100}, 2 * HOUR, "paid"),
        (LATE | {"paid": 100, "is_late": True}, HOUR / 2, "open"),
        (LATE | {"paid": 107, "is_late": True}, HOUR / 2, "paid"),
    ],
    ids=lambda value: str(value),
)
def test_a_status_is_that_of_the_moment(
    changes: dict[str, Any], after: timedelta, status: str
) -> None:
    """Paid whatever the time; else cancelled; else open up to its end, and expired from it on."""
    assert status_at(ROW | changes, NOON + after) == status


@pytest.mark.parametrize(("paid", "left", "least"), [(0, 100, 40), (70, 30, 30), (100, 0, 0)])
def test_the_last_part_may_be_smaller(paid: int, left: int, least: int) -> None:
    """The smallest part that is shown is one that would be taken now."""
    shown = as_payable("shop", ROW | {"paid": paid}, NOON)
    assert (shown.amount_left, shown.amount_min) == (left, least)


@pytest.mark.parametrize(
    ("changes", "after", "left"),
    [
        ({}, HOUR / 4 - timedelta(microseconds=1), 100),
        ({}, HOUR / 4, 107),
        ({"paid": 99}, HOUR / 4, 8),
        ({"paid": 100}, HOUR / 4, 0),
        ({"paid": 100, "is_late": True}, HOUR / 4, 7),
    ],
    ids=str,
)
def test_a_late_fee_is_owed_by_who_had_not_paid_all(
    changes: dict[str, Any], after: timedelta, left: int
) -> None:
    """From its moment on; who paid a part late owes it to the end."""
    assert as_payable("shop", ROW | LATE | changes, NOON + after).amount_left == left


def test_who_pays_sees_nothing_of_the_payees_purposes() -> None:
    """Neither its references nor what others have paid."""
    shown = document(as_payable("shop", ROW | {"paid": 1}, NOON)).body
    assert b"order-7" not in shown
    assert set(examples.PAYABLE_REQUEST) == set(as_payable("shop", ROW, NOON).__struct_fields__)


@pytest.mark.parametrize("later", [{}, {"paid": 60}, CANCELLED, CANCELLED | {"paid": 60}], ids=str)
def test_asking_is_always_answered_the_same(later: dict[str, Any]) -> None:
    """Whatever became of the request since: a repeat gets the same bytes."""
    first = as_decided("shop", ROW, bytes(32))
    assert as_decided("shop", ROW | later, bytes(32)) == first
    assert (first.status, first.paid, first.cancelled_at) == ("open", 0, None)


def test_the_digest_tells_a_cancellation() -> None:
    """Of this very request: then the answer says what it came to."""
    digest = cancellation_digest(ROW["id"])
    ended = as_decided("shop", ROW | CANCELLED | {"paid": 5}, digest)
    assert (ended.status, ended.paid) == ("cancelled", 5)
    full = as_decided("shop", ROW | {"paid": 100}, digest)
    assert (full.status, full.cancelled_at) == ("paid", None)
    assert as_decided("shop", ROW | CANCELLED, cancellation_digest(uuid4())).status == "open"


@pytest.mark.parametrize(
    ("members", "field"),
    [
        ('"payer":"{id}","request":"{id}"', None),
        ('"payer":"{id}","request":"{id}","capture":true', None),
        ('"payer":"{id}","request":"{id}","capture":false', "capture"),
        ('"mandate":"{id}","request":"{id}"', None),
        ('"payer":"{id}","request":"7"', "request"),
        ('"payer":"{id}","request":"{id}","request":"{id}"', "request"),
    ],
    ids=["paid", "paid at once", "held", "by a mandate", "no id", "twice"],
)
def test_a_payment_names_a_request(members: str, field: str | None) -> None:
    """And pays it at once, by a mandate too: a hold is refused by name."""
    one = str(ROW["id"])
    body = f'{{"type":"purchase","payee":"{one}","amount":1,"currency":"CNY",{members}}}'
    read = decode_payment(body.replace("{id}", one).encode())
    if field is None:
        assert isinstance(read, PaymentRequest)
        assert read.request == ROW["id"]
    else:
        assert isinstance(read, Problem)
        assert read.field == field
