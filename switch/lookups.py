"""Look-ups: every signed GET. They read, change nothing, and show only what is the caller's.

Whatever is not the caller's is `not-found`, as if it did not exist; an id that is no UUID as well.
Query parameters are strict: one that is unknown, given twice or malformed is refused with its name,
because a filter that is silently ignored answers another question than the one asked.
"""

from typing import Any

from switch import examples, limits
from switch.admission import Admission, Caller
from switch.clock import Clock
from switch.errors import Problem
from switch.ledger import Disposition
from switch.message import Account, Entry, Payment, Step, malformed
from switch.queries import QUERIES
from switch.reads import Reads
from switch.reply import Answer, document, page
from switch.request_to_pay import PayableRequest, as_payable
from switch.requests import (
    AFTER_ID,
    LIMIT,
    NOT_FOUND,
    Reader,
    asked_id,
    path_id,
    read_id,
    read_key,
    read_limit,
    read_position,
    read_query,
    read_reference,
    read_time,
)
from switch.service import Endpoint, Parameter
from switch.timeline import Timeline


class Lookups:
    """Answers from the ledger as it is now."""

    def __init__(self, *, admission: Admission, reads: Reads, clock: Clock) -> None:
        self._admission = admission
        self._reads = reads
        self._clock = clock

    async def account(self, caller: Caller) -> Answer | Problem:
        """One account of the caller."""
        account_id = asked_id(caller.request)
        if isinstance(account_id, Problem):
            return account_id
        account = await self._reads.account(caller.participant.number, account_id)
        return NOT_FOUND if account is None else document(account)

    async def accounts(self, caller: Caller) -> Answer | Problem:
        """The caller's accounts, in the order they were opened."""
        parameters = read_query(
            caller.request.query,
            {"reference": read_reference, "after": read_id, "limit": read_limit},
        )
        if isinstance(parameters, Problem):
            return parameters
        count = parameters.get("limit", limits.PAGE_SIZE_DEFAULT)
        found = await self._reads.accounts(
            caller.participant.number,
            reference=parameters.get("reference"),
            after=parameters.get("after"),
            limit=count + 1,
        )
        return page(found, count, lambda account: account.id)

    async def entries(self, caller: Caller) -> Answer | Problem:
        """The statement of one account of the caller, in posting order."""
        account_id = path_id(caller.request.path)
        parameters = read_query(caller.request.query, {"after": read_position, "limit": read_limit})
        if isinstance(parameters, Problem):
            return parameters
        if account_id is None:
            return NOT_FOUND
        count = parameters.get("limit", limits.PAGE_SIZE_DEFAULT)
        found = await self._reads.entries(
            caller.participant.number, account_id, after=parameters.get("after"), limit=count + 1
        )
        if found is None:
            return NOT_FOUND
        return page(found, count, lambda entry: f"{entry.posting}.{entry.item}")

    async def payment(self, caller: Caller) -> Answer | Problem:
        """One payment that the caller sent, pays or is paid."""
        payment_id = asked_id(caller.request)
        if isinstance(payment_id, Problem):
            return payment_id
        payment = await self._reads.payment(caller.participant.number, payment_id)
        return NOT_FOUND if payment is None else document(payment)

    async def timeline(self, caller: Caller) -> Answer | Problem:
        """Everything that the caller may know of what happened to a payment."""
        payment_id = asked_id(caller.request)
        if isinstance(payment_id, Problem):
            return payment_id
        timeline = await self._reads.timeline(caller.participant.number, payment_id)
        return NOT_FOUND if timeline is None else document(timeline)

    async def payable_request(self, caller: Caller) -> Answer | Problem:
        """What somebody asks to be paid, for a caller that may pay it."""
        request_id = asked_id(caller.request)
        if isinstance(request_id, Problem):
            return request_id
        number = caller.participant.number
        rows = await self._reads.ask(QUERIES["read_payable_request"], number, request_id)
        if not rows:
            return NOT_FOUND
        return document(as_payable(rows[0]["participant"], rows[0], self._clock.now()))

    async def payments(self, caller: Caller) -> Answer | Problem:
        """The payment under a key, or the caller's payments, in the order they arrived."""
        parameters = read_query(caller.request.query, _PAYMENT_READERS)
        if isinstance(parameters, Problem):
            return parameters
        if "idempotency_key" in parameters:
            return await self._payment_by_key(caller, parameters)
        count = parameters.get("limit", limits.PAGE_SIZE_DEFAULT)
        found = await self._reads.payments(
            caller.participant.number,
            reference=parameters.get("reference"),
            account=parameters.get("account"),
            from_at=parameters.get("from"),
            to_at=parameters.get("to"),
            after=parameters.get("after"),
            limit=count + 1,
        )
        return page(found, count, lambda payment: payment.id)

    async def _payment_by_key(self, caller: Caller, parameters: dict[str, Any]) -> Answer | Problem:
        others = sorted(parameters.keys() - {"idempotency_key"})
        if others:
            return malformed("A key names one payment; nothing can narrow it.", others[0])
        payment = await self._reads.payment_by_key(
            caller.participant.number, parameters["idempotency_key"]
        )
        if payment is None:
            return Problem(
                name="not-found",
                detail="not decided so far; only sending it again or barring the key settles it",
            )
        if payment is Disposition.KEY_REUSED:
            return Problem(
                name="not-found",
                detail="no payment, and none to come: the key is spent on another operation",
            )
        return document(payment)

    def endpoints(self) -> tuple[Endpoint, ...]:
        """What this room answers."""
        signed = self._admission.signed
        return (
            Endpoint(
                method="GET",
                path="/v1/accounts",
                name="list_accounts",
                summary="List one's own accounts",
                handler=signed(self.accounts),
                answers={200: "One's own accounts, in the order they were opened"},
                response=Account,
                response_example=examples.ACCOUNT,
                is_list=True,
                parameters=(_REFERENCE, AFTER_ID, LIMIT),
            ),
            Endpoint(
                method="GET",
                path="/v1/accounts/{id}",
                name="show_account",
                summary="Show one account: balance, limits, and what is left of them today",
                handler=signed(self.account),
                answers={200: "The account"},
                problems=("not-found",),
                response=Account,
                response_example=examples.ACCOUNT,
            ),
            Endpoint(
                method="GET",
                path="/v1/accounts/{id}/entries",
                name="list_entries",
                summary="Statement of an account, in posting order, with a running balance",
                handler=signed(self.entries),
                answers={200: "Entries; one that was read never changes"},
                problems=("not-found",),
                response=Entry,
                response_example=examples.ENTRY,
                is_list=True,
                parameters=(_AFTER_POSITION, LIMIT),
            ),
            Endpoint(
                method="GET",
                path="/v1/payments",
                name="list_payments",
                summary="Find the payment under a key, or list payments",
                handler=signed(self.payments),
                answers={200: "With `idempotency_key` the decision itself, otherwise a list"},
                problems=("not-found",),
                response=Payment,
                response_example=examples.PAYMENT,
                response_also=(Step,),
                is_list=True,
                parameters=(_BY_KEY, _REFERENCE, _ACCOUNT, _FROM, _TO, AFTER_ID, LIMIT),
            ),
            Endpoint(
                method="GET",
                path="/v1/payments/{id}",
                name="show_payment",
                summary="Show a payment and what became of it since, or a step",
                handler=signed(self.payment),
                answers={200: "The payment, or the step"},
                problems=("not-found",),
                response=Payment,
                response_example=examples.PAYMENT,
                response_also=(Step,),
            ),
            self._following(),
            self._asked(),
        )

    def _following(self) -> Endpoint:
        return Endpoint(
            method="GET",
            path="/v1/payments/{id}/timeline",
            name="show_timeline",
            summary="Follow a payment: its messages, decisions, postings and events in order",
            handler=self._admission.signed(self.timeline),
            answers={200: "The timeline of the payment, also when `id` is one of its steps"},
            problems=("not-found",),
            response=Timeline,
            response_example=examples.TIMELINE,
        )

    def _asked(self) -> Endpoint:
        return Endpoint(
            method="GET",
            path="/v1/payment-requests/{id}",
            name="show_payment_request",
            summary="Show what a payee asks to be paid, to whoever may pay it",
            handler=self._admission.signed(self.payable_request),
            answers={200: "Whom to pay, what is left to pay, and until when"},
            problems=("not-found",),
            response=PayableRequest,
            response_example=examples.PAYABLE_REQUEST,
        )


_PAYMENT_READERS: dict[str, Reader] = {
    "idempotency_key": read_key,
    "reference": read_reference,
    "account": read_id,
    "from": read_time,
    "to": read_time,
    "after": read_id,
    "limit": read_limit,
}

_AFTER_POSITION = Parameter(
    name="after",
    what="`next_after` of the piece before",
    schema={"type": "string", "pattern": r"^[1-9][0-9]{0,17}\.(0|[1-9][0-9]{0,8})$"},
)
_REFERENCE = Parameter(
    name="reference",
    what="Only those with exactly this reference",
    schema={"type": "string", "minLength": 1, "maxLength": limits.REFERENCE_CHARS_MAX},
)
_ACCOUNT = Parameter(
    name="account",
    what="Only those that this account pays or is paid",
    schema={"type": "string", "format": "uuid"},
)
_FROM = Parameter(
    name="from",
    what="Only those accepted at this time or later (`created_at`), whenever they were decided",
    schema={"type": "string", "format": "date-time"},
)
_TO = Parameter(
    name="to",
    what="Only those accepted before this time (`created_at`), whenever they were decided",
    schema={"type": "string", "format": "date-time"},
)
_BY_KEY = Parameter(
    name="idempotency_key",
    what="The one payment or step that the caller sent under this key; alone",
    schema={"type": "string", "minLength": 1, "maxLength": limits.IDEMPOTENCY_KEY_CHARS_MAX},
)
