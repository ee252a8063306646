"""`/v1/checkouts`: open, cancel, look up.

The same order as for a mandate: key, standing, JSON and schema, then the ledger, which decides
under the key, once. Once a cancellation is answered, nothing is paid any more: payments and
cancellations take turns at the ledger's row.
"""

from collections.abc import Callable
from importlib.resources import files
from typing import Any, Final

import asyncpg

from switch import limits
from switch.admission import Caller
from switch.errors import Problem
from switch.ledger import Disposition, new_id
from switch.message import EmptyRequest, Payment, decode_empty
from switch.queries import queries_of
from switch.reply import Answer, document, page, repeated
from switch.request_to_pay import cancellation_digest
from switch.requests import (
    AFTER_ID,
    KEY_REUSED,
    LIMIT,
    NOT_FOUND,
    accepted_key,
    asked_id,
    operation_digest,
    path_id,
    read_id,
    read_limit,
    read_query,
)
from switch.service import Core, Endpoint
from switch.services.checkout import examples
from switch.services.checkout.rules import (
    OVER,
    PAYEE_NOT_YOURS,
    Checkout,
    CheckoutRequest,
    as_cancelled,
    as_it_is,
    as_opened,
    decode_checkout,
    end_of,
    untimely,
)

QUERIES: Final = queries_of(files("switch.services") / "checkout" / "sql")


class Desk:
    """Opens, cancels and shows check-outs."""

    def __init__(self, core: Core) -> None:
        self._admission = core.admission
        self._reads = core.reads
        self._clock = core.clock
        self._metrics = core.metrics
        self._url = core.url

    async def open(self, caller: Caller) -> Answer | Problem:
        """Open a check-out that pays an account of the caller."""
        key = await accepted_key(self._reads, caller)
        if isinstance(key, Problem):
            return key
        request = decode_checkout(caller.body)
        if isinstance(request, Problem):
            return request
        refusal = untimely(request, self._clock.now())
        if refusal and not await self._reads.key_is_claimed(caller.participant.number, key):
            return refusal
        try:
            row = await self._opened(caller, key, request)
        except asyncpg.CheckViolationError:  # its clock is ahead of ours: over by now
            return OVER
        if row["disposition"] == Disposition.NOT_FOUND:
            return PAYEE_NOT_YOURS
        return await self._answer(caller, key, row, as_opened)

    async def _opened(self, caller: Caller, key: str, asked: CheckoutRequest) -> asyncpg.Record:
        checkout_id = new_id(self._clock.now_us())
        (row,) = await self._reads.decide(
            QUERIES["open_checkout"], caller.participant.number, key, operation_digest(caller),
            checkout_id, asked.payee, asked.payee_name, asked.currency, asked.amount,
            asked.amount_min or asked.amount, asked.reference, asked.description,
            end_of(asked, self._clock.now()), f"{self._url}/pay/checkouts/{checkout_id}",
            asked.return_url,
        )  # fmt: skip
        return row

    async def cancel(self, caller: Caller) -> Answer | Problem:
        """Cancel a check-out of the caller."""
        key = await accepted_key(self._reads, caller)
        if isinstance(key, Problem):
            return key
        request = decode_empty(caller.body)
        if isinstance(request, Problem):
            return request
        checkout_id = path_id(caller.request.path)
        if checkout_id is None:
            return NOT_FOUND
        (row,) = await self._reads.decide(
            QUERIES["cancel_checkout"], caller.participant.number, key,
            cancellation_digest(checkout_id), checkout_id,
        )  # fmt: skip
        return await self._answer(caller, key, row, as_cancelled)

    async def _answer(
        self,
        caller: Caller,
        key: str,
        row: asyncpg.Record,
        render: Callable[[str, asyncpg.Record], Checkout],
    ) -> Answer | Problem:
        sender = caller.participant
        match row["disposition"]:
            case Disposition.KEY_REUSED:
                return KEY_REUSED
            case Disposition.NOT_FOUND:
                return NOT_FOUND
            case Disposition.DECIDED:
                return document(render(sender.id, row), status=201)
        self._metrics.replays.add(("checkout",))
        if row["disposition"] == Disposition.REPEATED:
            return repeated(render(sender.id, row))
        return repeated(await self._reads.barred(sender.number, key))

    async def show(self, caller: Caller) -> Answer | Problem:
        """One check-out of the caller."""
        checkout_id = asked_id(caller.request)
        if isinstance(checkout_id, Problem):
            return checkout_id
        found = await self._found(caller, checkout_id, None, 1)
        return document(found[0]) if found else NOT_FOUND

    async def all(self, caller: Caller) -> Answer | Problem:
        """The caller's check-outs, in the order they were opened."""
        parameters = read_query(caller.request.query, {"after": read_id, "limit": read_limit})
        if isinstance(parameters, Problem):
            return parameters
        count = parameters.get("limit", limits.PAGE_SIZE_DEFAULT)
        found = await self._found(caller, None, parameters.get("after"), count + 1)
        return page(found, count, lambda checkout: checkout.id)

    async def _found(self, caller: Caller, *asked: Any) -> list[Checkout]:
        sender = caller.participant
        rows = await self._reads.ask(QUERIES["read_checkouts"], sender.number, *asked)
        now = self._clock.now()
        return [as_it_is(sender.id, row, now) for row in rows]

    def endpoints(self) -> tuple[Endpoint, ...]:
        """What participants are answered."""
        return self._opening(), *self._looking_up(), self._cancelling()

    def _opening(self) -> Endpoint:
        return Endpoint(
            method="POST",
            path="/v1/checkouts",
            name="open_checkout",
            summary="Ask to be paid for an order, with a page to show to who is to pay",
            handler=self._admission.signed(self.open),
            answers={201: "The check-out, opened now", 200: _REPEAT},
            problems=("participant-suspended", "outcome-unknown"),
            request=CheckoutRequest,
            request_example=examples.CHECKOUT_REQUEST,
            response=Checkout,
            response_example=examples.CHECKOUT,
            response_also=(Payment,),  # of a key that is barred
        )

    def _cancelling(self) -> Endpoint:
        return Endpoint(
            method="POST",
            path="/v1/checkouts/{id}/cancel",
            name="cancel_checkout",
            summary="Ask no more: nothing is paid from the answer on",
            handler=self._admission.signed(self.cancel),
            answers={201: "The check-out, cancelled now or before, or `paid`", 200: _REPEAT},
            problems=("not-found", "participant-suspended", "outcome-unknown"),
            request=EmptyRequest,
            request_example={},
            response=Checkout,
            response_example=examples.CANCELLED,
            response_also=(Payment,),  # of a key that is barred
        )

    def _looking_up(self) -> tuple[Endpoint, ...]:
        return (
            Endpoint(
                method="GET",
                path="/v1/checkouts",
                name="list_checkouts",
                summary="List one's own check-outs",
                handler=self._admission.signed(self.all),
                answers={200: "One's own check-outs, in the order they were opened"},
                response=Checkout,
                response_example=examples.PAID,
                is_list=True,
                parameters=(AFTER_ID, LIMIT),
            ),
            Endpoint(
                method="GET",
                path="/v1/checkouts/{id}",
                name="show_checkout",
                summary="Show one of one's own check-outs, and what is paid of it",
                handler=self._admission.signed(self.show),
                answers={200: "The check-out as it is now"},
                problems=("not-found",),
                response=Checkout,
                response_example=examples.PAID,
            ),
        )


_REPEAT = "The same answer to a repeat; a payment where the key is barred"
