"""`/v1/bills`: present, cancel, find; and what was paid of them on a day.

The same order as for an account: key, standing, JSON and schema, then the ledger, which decides
under the key, once. Bills are paid by `POST /v1/payments`, which names a bill as its `request`.
"""

from collections.abc import Callable
from datetime import date
from functools import partial
from importlib.resources import files
from typing import Any, Final

import asyncpg

from switch.admission import Caller
from switch.budget import InFlight
from switch.clock import rfc3339
from switch.errors import Problem
from switch.ledger import Disposition, new_id
from switch.limits import PAGE_SIZE_DEFAULT
from switch.line_file import UNREADABLE, form_of
from switch.message import EmptyRequest, Payment, decode_empty, malformed
from switch.queries import queries_of
from switch.reply import Answer, document, page, repeated
from switch.request_to_pay import cancellation_digest
from switch.requests import (
    AFTER_ID,
    KEY_REUSED,
    LIMIT,
    NOT_FOUND,
    Rule,
    accepted_key,
    asked_id,
    path_id,
    read_id,
    read_limit,
    read_query,
    read_reference,
)
from switch.service import Core, Endpoint, Parameter
from switch.services.bills import limits, message
from switch.services.bills.instalments import Instalments
from switch.services.bills.message import Bill, BillRequest

QUERIES: Final = queries_of(files("switch.services") / "bills" / "sql")
REFERENCE_TAKEN, TOO_LATE = 7, 8  # dispositions of `present`; the others are the ledger's

_DONE = (Disposition.DECIDED, Disposition.REPEATED)
_Decoder = Callable[[bytes], list[BillRequest] | Problem]


class Bills:
    """Presents, cancels and shows bills, in one worker."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self.files = InFlight(
            total_max=limits.FILES_IN_FLIGHT_MAX, each_max=limits.BILLER_FILES_IN_FLIGHT_MAX
        )

    async def present(self, caller: Caller, decoder: _Decoder) -> Answer | Problem:
        """Ask customers to pay: one bill, or several."""
        key = await accepted_key(self._core.reads, caller)
        if isinstance(key, Problem):
            return key
        bills = decoder(caller.body)
        if isinstance(bills, Problem):
            return bills
        sender, is_batch = caller.participant.number, decoder is message.decode_batch
        (row,) = await self._core.reads.decide(
            QUERIES["present"], sender, key, message.digest(bills), *self._columns(bills),
            limits.PAYABLE_D,
        )  # fmt: skip
        if row["place"] is not None:
            return _refusal(row["disposition"], f"bills[{row['place'] - 1}]." if is_batch else "")
        if row["disposition"] not in _DONE:
            return await self._refused(caller, key, row["disposition"])
        rows = await self._ask("read_bills", sender, None, row["subject"], None, None, None, None)
        shown = [message.as_presented(one) for one in rows]
        return self._answer(row, message.BillBatch(bills=shown) if is_batch else shown[0])

    def _columns(self, bills: list[BillRequest]) -> list[list[Any]]:
        now_us = self._core.clock.now_us()
        return [
            sorted(new_id(now_us) for _ in bills),  # so lists keep their order
            [bill.payee for bill in bills],
            [bill.payee_name for bill in bills],
            [bill.currency for bill in bills],
            [bill.customer for bill in bills],
            [bill.reference for bill in bills],
            [bill.amount for bill in bills],
            [bill.amount_min for bill in bills],
            [bill.late_fee for bill in bills],
            [bill.due_on for bill in bills],
            [bill.not_after for bill in bills],
            [bill.description for bill in bills],
        ]

    async def present_file(self, caller: Caller) -> Answer | Problem:
        """Ask customers to pay: all bills of a file."""
        form = form_of(caller.request.headers)
        if form is None:
            return UNREADABLE
        key = await accepted_key(self._core.reads, caller, is_json=False)
        if isinstance(key, Problem):
            return key
        bills = message.decode_file(form, caller.body)
        if isinstance(bills, Problem):
            return bills
        sender = caller.participant.number
        (row,) = await self._core.reads.decide(
            QUERIES["present"], sender, key, message.digest(bills), *self._columns(bills),
            limits.PAYABLE_D,
        )  # fmt: skip
        if row["place"] is not None:
            refusal = _refusal(row["disposition"], "")
            return malformed(f"Bill {row['place']}: {refusal.detail}", refusal.field)
        if row["disposition"] not in _DONE:
            return await self._refused(caller, key, row["disposition"])
        (first,) = await self._ask(
            "read_bills", sender, row["subject"], None, None, None, None, None
        )
        presented = message.BillFile(
            bills=len(bills), idempotency_key=key, created_at=rfc3339(first["created_at"])
        )
        return self._answer(row, presented)

    async def cancel(self, caller: Caller) -> Answer | Problem:
        """Ask for a bill no more."""
        key = await accepted_key(self._core.reads, caller)
        if isinstance(key, Problem):
            return key
        request = decode_empty(caller.body)
        if isinstance(request, Problem):
            return request
        bill = path_id(caller.request.path)
        if bill is None:
            return NOT_FOUND
        sender, digest = caller.participant.number, cancellation_digest(bill)
        (row,) = await self._core.reads.decide(QUERIES["cancel"], sender, key, digest, bill)
        if row["disposition"] not in _DONE:
            return await self._refused(caller, key, row["disposition"])
        (found,) = await self._ask("read_bills", sender, bill, None, None, None, None, None)
        return self._answer(row, message.as_cancelled(found, digest))

    async def show(self, caller: Caller) -> Answer | Problem:
        """One bill, for its biller or for who may pay it."""
        bill = asked_id(caller.request)
        if isinstance(bill, Problem):
            return bill
        rows = await self._ask(
            "read_bills", caller.participant.number, bill, None, None, None, None, None
        )
        return document(self._shown(rows[0])) if rows else NOT_FOUND

    async def find(self, caller: Caller) -> Answer | Problem:
        """The bills of a customer of a biller; all of its own for the biller."""
        asked = _asked(caller, {"customer": read_reference}, "payee")
        if isinstance(asked, Problem):
            return asked
        count = asked.get("limit", PAGE_SIZE_DEFAULT)
        rows = await self._ask(
            "read_bills", caller.participant.number, None, None, asked["payee"],
            asked.get("customer"), asked.get("after"), count + 1,
        )  # fmt: skip
        return page([self._shown(row) for row in rows], count, lambda bill: bill.id)

    async def day(self, caller: Caller) -> Answer | Problem:
        """What was paid on a day."""
        asked = _asked(caller, {"day": _read_day}, "payee", "day", is_list=False)
        if isinstance(asked, Problem):
            return asked
        payee, day = asked["payee"], asked["day"]
        rows = await self._ask("read_day", caller.participant.number, payee, day)
        if not rows:
            return NOT_FOUND
        row = rows[0]
        return document(
            message.BillDay(
                payee=str(payee), day=day.isoformat(), currency=row["currency"],
                payments=row["payments"], amount=row["amount"],
                refunds=row["refunds"], amount_refunded=row["refunded"],
            )
        )  # fmt: skip

    async def payments(self, caller: Caller) -> Answer | Problem:
        """Which payments these were."""
        asked = _asked(caller, {"day": _read_day}, "payee", "day")
        if isinstance(asked, Problem):
            return asked
        count = asked.get("limit", PAGE_SIZE_DEFAULT)
        rows = await self._ask(
            "read_payments", caller.participant.number, asked["payee"], asked["day"],
            asked.get("after"), count + 1,
        )  # fmt: skip
        return page([message.bill_payment(row) for row in rows], count, lambda paid: paid.id)

    def _shown(self, row: asyncpg.Record) -> Bill:
        return message.as_it_is(row, self._core.clock.now())

    async def _ask(self, name: str, *arguments: Any) -> list[asyncpg.Record]:
        return await self._core.reads.ask(QUERIES[name], *arguments)

    async def _refused(self, caller: Caller, key: str, disposition: int) -> Answer | Problem:
        match Disposition(disposition):
            case Disposition.KEY_REUSED:
                return KEY_REUSED
            case Disposition.NOT_FOUND:
                return NOT_FOUND
        self._core.metrics.replays.add(("bill",))
        return repeated(await self._core.reads.barred(caller.participant.number, key))

    def _answer(self, row: asyncpg.Record, answer: Any) -> Answer:
        if row["disposition"] == Disposition.DECIDED:
            return document(answer, status=201)
        self._core.metrics.replays.add(("bill",))
        return repeated(answer)


def _refusal(disposition: int, within: str) -> Problem:
    """Why a bill is not presented, naming the member of which bill."""
    if disposition == REFERENCE_TAKEN:
        return malformed("A bill was presented to this payee under it.", f"{within}reference")
    if disposition == TOO_LATE:
        return malformed("Expected a time to come, after the bill is due.", f"{within}not_after")
    return malformed("No account of yours in this currency that is paid.", f"{within}payee")


def _asked(
    caller: Caller, readers: dict[str, Any], *required: str, is_list: bool = True
) -> dict[str, Any] | Problem:
    """The query: a payee and these, and where to go on in a list."""
    more = {"after": read_id, "limit": read_limit} if is_list else {}
    asked = read_query(caller.request.query, {"payee": read_id, **readers, **more})
    if isinstance(asked, Problem):
        return asked
    missing = [name for name in required if name not in asked]
    return malformed(f"Say which: `?{missing[0]}=`.", missing[0]) if missing else asked


def _read_day(text: str) -> date | Rule:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return Rule("Expected a day like 2026-11-12.")


# --- the endpoints ---------------------------------------------------------------------

_REPEAT = "The same answer to a repeat; a payment where the key is barred"
_POST_PROBLEMS = ("participant-suspended", "outcome-unknown")
_PAYEE = Parameter(
    name="payee", what="The biller's account; required", schema={"type": "string", "format": "uuid"}
)
_CUSTOMER = Parameter(
    name="customer",
    what="By which the biller knows the customer; only the biller may leave it out",
    schema={"type": "string"},
)
_DAY = Parameter(
    name="day", what="Of the city; required", schema={"type": "string", "format": "date"}
)


def endpoints(core: Core) -> tuple[Endpoint, ...]:
    """What this service answers."""
    bills = Bills(core)
    return (
        *_of_the_biller(core, bills),
        *_of_everybody(core, bills),
        *_of_a_day(core, bills),
        *Instalments(core).endpoints(),
    )


def _of_the_biller(core: Core, bills: Bills) -> tuple[Endpoint, ...]:
    signed = core.admission.signed
    return (
        Endpoint(
            method="POST", path="/v1/bills", name="present_bill",
            summary="Ask a customer to pay a bill",
            handler=signed(partial(bills.present, decoder=message.decode_bill)),
            answers={201: "The bill, presented now", 200: _REPEAT}, problems=_POST_PROBLEMS,
            request=BillRequest, request_example=message.BILL_REQUEST,
            response=Bill, response_example=message.BILL, response_also=(Payment,),
        ),
        Endpoint(
            method="POST", path="/v1/bills/batch", name="present_bills",
            summary="Present several bills, all or none",
            handler=signed(partial(bills.present, decoder=message.decode_batch)),
            answers={201: "The bills in their order, presented now", 200: _REPEAT},
            problems=_POST_PROBLEMS, request=message.BillBatchRequest,
            request_example={"bills": [message.BILL_REQUEST]}, response=message.BillBatch,
            response_example={"bills": [message.BILL]}, response_also=(Payment,),
        ),
        Endpoint(
            method="POST", path="/v1/bills/file", name="present_bill_file",
            summary="Present the bills of a file, as text/csv or application/x-ndjson: all or none",
            handler=core.admission.signed_large(
                bills.present_file, body_bytes_max=limits.FILE_BYTES_MAX, in_flight=bills.files
            ),
            answers={201: "How many were presented now", 200: _REPEAT}, problems=_POST_PROBLEMS,
            request_texts=message.FILE, response=message.BillFile,
            response_example=message.FILED, response_also=(Payment,),
            body_bytes_max=limits.FILE_BYTES_MAX,
        ),
        Endpoint(
            method="POST", path="/v1/bills/{id}/cancel", name="cancel_bill",
            summary="Ask for a bill no more: nothing is paid of it from the answer on",
            handler=signed(bills.cancel), problems=("not-found", *_POST_PROBLEMS),
            answers={201: "The bill, cancelled now or before, or paid", 200: _REPEAT},
            request=EmptyRequest, request_example={}, response=Bill,
            response_example=message.CANCELLED, response_also=(Payment,),
        ),
    )  # fmt: skip


def _of_everybody(core: Core, bills: Bills) -> tuple[Endpoint, ...]:
    signed = core.admission.signed
    return (
        Endpoint(
            method="GET", path="/v1/bills", name="find_bills",
            summary="Find the bills of a customer of a biller",
            handler=signed(bills.find), answers={200: "The bills, in the order presented"},
            response=Bill, response_example=message.BILL, is_list=True,
            parameters=(_PAYEE, _CUSTOMER, AFTER_ID, LIMIT),
        ),
        Endpoint(
            method="GET", path="/v1/bills/{id}", name="show_bill",
            summary="Show a bill, and what is left to pay of it",
            handler=signed(bills.show), answers={200: "The bill as it is now"},
            problems=("not-found",), response=Bill, response_example=message.BILL,
        ),
    )  # fmt: skip


def _of_a_day(core: Core, bills: Bills) -> tuple[Endpoint, ...]:
    signed = core.admission.signed
    return (
        Endpoint(
            method="GET", path="/v1/bill-days", name="show_bill_day",
            summary="What was paid of one's bills on a day, in all",
            handler=signed(bills.day), answers={200: "The day's sums"}, problems=("not-found",),
            response=message.BillDay, response_example=message.DAY, parameters=(_PAYEE, _DAY),
        ),
        Endpoint(
            method="GET", path="/v1/bill-payments", name="list_bill_payments",
            summary="The payments of one's bills on a day",
            handler=signed(bills.payments), answers={200: "The payments, in the order of time"},
            response=message.BillPayment, response_example=message.PAYMENT, is_list=True,
            parameters=(_PAYEE, _DAY, AFTER_ID, LIMIT),
        ),
    )  # fmt: skip
