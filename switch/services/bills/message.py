"""What is sent to bills and what they answer. No I/O, no clock."""

import hashlib
from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
from msgspec import Meta, Struct

from switch import limits as ledger_limits
from switch.clock import rfc3339
from switch.currencies import CURRENCIES
from switch.errors import Problem
from switch.line_file import read_lines
from switch.message import Amount, Currency, Description, Id, Reference, Time, decode, malformed
from switch.request_to_pay import asked_at, members, state_as_asked, state_as_decided, state_at
from switch.services.bills import limits

Customer = Annotated[str, Meta(min_length=1, max_length=limits.CUSTOMER_CHARS_MAX)]
PayeeName = Annotated[str, Meta(min_length=1, max_length=limits.PAYEE_NAME_CHARS_MAX)]
BillStatus = Literal["open", "overdue", "paid", "expired", "cancelled"]


class BillRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of `POST /v1/bills`, and one bill of `POST /v1/bills/batch`.

    Amounts are minor units of the currency. With an `amount_min` the bill is paid in parts of at
    least so much, by anybody, save the last; else by one payment of all of it. The `late_fee` is
    asked as well from the day after `due_on` on, in the city's time. `not_after` is a year after
    that unless it is given.
    """

    payee: UUID
    payee_name: PayeeName | None = None
    customer: Customer
    reference: Reference
    amount: Amount
    currency: Currency
    amount_min: Amount | None = None
    due_on: date
    late_fee: Amount | None = None
    not_after: Annotated[datetime, Meta(tz=True)] | None = None
    description: Description | None = None


class BillBatchRequest(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of `POST /v1/bills/batch`: all are presented, or none."""

    bills: Annotated[list[BillRequest], Meta(min_length=1, max_length=limits.BATCH_SIZE_MAX)]


class Bill(Struct, frozen=True, kw_only=True):
    """A bill; its id is that of the payment request that a payment names.

    `amount_left` is what can still be paid, the late fee included once it is owed; `paid` counts
    approved payments, and what is refunded later does not lower it. `overdue` is open still.
    """

    id: Id
    participant: str
    payee: Id
    payee_name: str | None
    customer: str
    reference: str
    description: str | None
    currency: str
    amount: int
    amount_min: int
    due_on: str
    late_fee: int | None
    late_at: Time | None
    not_after: Time
    created_at: Time
    status: BillStatus
    paid: int
    amount_left: int
    cancelled_at: Time | None


class BillBatch(Struct, frozen=True, kw_only=True):
    """What a batch is answered, in its order."""

    bills: list[Bill]


class BillFile(Struct, frozen=True, kw_only=True):
    """What a file of bills is answered: how many were presented, and when."""

    bills: int
    idempotency_key: str
    created_at: Time


class BillDay(Struct, frozen=True, kw_only=True):
    """What was paid of a biller's bills on a day of the city, and given back of such payments."""

    payee: Id
    day: str
    currency: str
    payments: int
    amount: int
    refunds: int
    amount_refunded: int


class BillPayment(Struct, frozen=True, kw_only=True):
    """A payment of a bill, for its biller."""

    id: Id
    bill: Id
    customer: str
    reference: str
    amount: int
    currency: str
    paid_at: Time


# --- decoding ------------------------------------------------------------------------

_bill_decoder = msgspec.json.Decoder(BillRequest)
_batch_decoder = msgspec.json.Decoder(BillBatchRequest)


def decode_bill(body: bytes) -> list[BillRequest] | Problem:
    """The one bill in these bytes, or which rule they break."""
    request = decode(_bill_decoder, body)
    if isinstance(request, Problem):
        return request
    return _refusal(request, "") or [_in_utc(request)]


def decode_batch(body: bytes) -> list[BillRequest] | Problem:
    """The bills in these bytes, or which rule which of them breaks."""
    request = decode(_batch_decoder, body)
    if isinstance(request, Problem):
        return request
    for number, bill in enumerate(request.bills):
        refusal = _refusal(bill, f"bills[{number}].")
        if refusal is not None:
            return refusal
    return [_in_utc(bill) for bill in request.bills]


def decode_file(form: str, body: bytes) -> list[BillRequest] | Problem:
    """The bills of a file, or which line breaks which rule."""
    bills = read_lines(
        form, body, _bill_decoder, lines_max=limits.FILE_LINES_MAX,
        refuse=lambda bill: _refusal(bill, ""),
    )  # fmt: skip
    return bills if isinstance(bills, Problem) else [_in_utc(bill) for bill in bills]


def _refusal(bill: BillRequest, within: str) -> Problem | None:
    if bill.currency not in CURRENCIES:
        return malformed("Expected a currency of ISO 4217, like CNY.", f"{within}currency")
    if bill.amount_min is not None and bill.amount_min >= bill.amount:
        return malformed("A part is smaller than the whole: leave it out.", f"{within}amount_min")
    for name, year in (("due_on", bill.due_on.year), ("not_after", _year(bill.not_after))):
        if year is not None and not _YEAR_MIN <= year < _YEAR_MAX:
            return malformed(f"Expected a year from {_YEAR_MIN} to {_YEAR_MAX - 1}.", within + name)
    return None


_YEAR_MIN, _YEAR_MAX = ledger_limits.YEAR_MIN, ledger_limits.YEAR_MAX


def _year(at: datetime | None) -> int | None:
    return None if at is None else at.year


def _in_utc(bill: BillRequest) -> BillRequest:
    if bill.not_after is None:
        return bill
    return msgspec.structs.replace(bill, not_after=bill.not_after.astimezone(UTC))


def digest(bills: list[BillRequest]) -> bytes:
    """SHA-256 of what a message presents: one bill is the same message alone and in a batch."""
    return hashlib.sha256(b"present bills\n" + msgspec.json.encode(bills)).digest()


# --- what a row says; `row` has the columns of read_bills -----------------------------


def as_presented(row: Mapping[str, Any]) -> Bill:
    """A bill as it was presented, whatever became of it since."""
    return _bill(row, state_as_asked(row), row["amount"])


def as_cancelled(row: Mapping[str, Any], message_digest: bytes) -> Bill:
    """A bill as its cancellation was answered, by the digest of that message."""
    state = state_as_decided(row, message_digest)
    return _bill(row, state, asked_at(row, row["created_at"]) - row["paid"])


def as_it_is(row: Mapping[str, Any], now: datetime) -> Bill:
    """A bill at this moment."""
    state = state_at(row, now)
    if state["status"] == "open" and row["due_at"] <= now:
        state["status"] = "overdue"
    return _bill(row, state, asked_at(row, now) - row["paid"])


def _bill(row: Mapping[str, Any], state: Mapping[str, Any], left: int) -> Bill:
    return Bill(
        **members(row["participant"], row),
        customer=row["customer"],
        due_on=row["due_on"].isoformat(),
        amount_left=left,
        **state,
    )


def bill_payment(row: Mapping[str, Any]) -> BillPayment:
    """A payment of a bill, from its row."""
    return BillPayment(
        id=str(row["payment"]),
        bill=str(row["bill"]),
        customer=row["customer"],
        reference=row["reference"],
        amount=row["amount"],
        currency=row["currency"],
        paid_at=rfc3339(row["paid_at"]),
    )


# --- examples for the documents -------------------------------------------------------

BILL_REQUEST: dict[str, Any] = {
    "payee": "0192f0c1-5a3e-7cc0-9b22-6e1d4bae2f02",
    "payee_name": "City Water",
    "customer": "contract 4711",
    "reference": "2026-11/4711",
    "amount": 8640,
    "currency": "CNY",
    "due_on": "2026-11-30",
    "late_fee": 500,
    "description": "Water, October",
}
BILL: dict[str, Any] = {
    "id": "0192f0c1-2d0e-7a11-b3c2-4e5f60718206",
    "participant": "city-water",
    "payee": BILL_REQUEST["payee"],
    "payee_name": "City Water",
    "customer": "contract 4711",
    "reference": "2026-11/4711",
    "description": "Water, October",
    "currency": "CNY",
    "amount": 8640,
    "amount_min": 8640,
    "due_on": "2026-11-30",
    "late_fee": 500,
    "late_at": "2026-12-01T00:00:00.000000Z",
    "not_after": "2027-12-01T00:00:00.000000Z",
    "created_at": "2026-11-01T08:00:00.000000Z",
    "status": "open",
    "paid": 0,
    "amount_left": 8640,
    "cancelled_at": None,
}
CANCELLED: dict[str, Any] = BILL | {
    "status": "cancelled",
    "cancelled_at": "2026-11-02T08:00:00.000000Z",
}
DAY: dict[str, Any] = {
    "payee": BILL["payee"],
    "day": "2026-11-12",
    "currency": "CNY",
    "payments": 3,
    "amount": 21_000,
    "refunds": 1,
    "amount_refunded": 500,
}
PAYMENT: dict[str, Any] = {
    "id": "0192f0c2-7d11-7a52-8c5e-2b7a6d1c4c03",
    "bill": BILL["id"],
    "customer": BILL["customer"],
    "reference": BILL["reference"],
    "amount": 8640,
    "currency": "CNY",
    "paid_at": "2026-11-12T08:00:00.000000Z",
}
FILE = {
    "text/csv": "payee,customer,reference,amount,currency,due_on,late_fee\n"
    f"{BILL_REQUEST['payee']},contract 4711,2026-11/4711,8640,CNY,2026-11-30,500\n"
    f"{BILL_REQUEST['payee']},contract 4712,2026-11/4712,9910,CNY,2026-11-30,\n",
    "application/x-ndjson": "".join(
        msgspec.json.encode(BILL_REQUEST | {"reference": reference}).decode() + "\n"
        for reference in ("2026-11/4711", "2026-11/4712")
    ),
}
FILED: dict[str, Any] = {
    "bills": 2,
    "idempotency_key": "water-11",
    "created_at": "2026-11-01T08:00:00.000000Z",
}
