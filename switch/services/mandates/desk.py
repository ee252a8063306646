"""`/v1/mandates`: give, revoke, look up.

The same order as for an account: key, standing, JSON and schema, then the ledger, which decides
under the key, once. Once a revocation is answered, nothing is decided by its mandate any more:
decisions and revocations take turns at the mandate's row.
"""

from typing import Any

import asyncpg

from switch import limits
from switch.admission import Caller
from switch.errors import Problem
from switch.ledger import Disposition, new_id
from switch.mandate import (
    OVER,
    Mandate,
    MandateRequest,
    as_given,
    as_it_is,
    as_revoked,
    decode_mandate,
    revocation_digest,
    untimely,
)
from switch.message import EmptyRequest, Payment, decode_empty, malformed
from switch.queries import QUERIES
from switch.reply import Answer, document, page, repeated
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
from switch.service import Core, Endpoint, Parameter
from switch.services.mandates import examples


class Desk:
    """Gives, revokes and shows mandates."""

    def __init__(self, core: Core) -> None:
        self._admission = core.admission
        self._reads = core.reads
        self._clock = core.clock
        self._metrics = core.metrics

    async def give(self, caller: Caller) -> Answer | Problem:
        """Give a mandate for an account of the caller."""
        key = await accepted_key(self._reads, caller)
        if isinstance(key, Problem):
            return key
        request = decode_mandate(caller.body)
        if isinstance(request, Problem):
            return request
        refusal = untimely(request, self._clock.now())
        if refusal and not await self._reads.key_is_claimed(caller.participant.number, key):
            return refusal
        try:
            row = await self._given(caller, key, request)
        except asyncpg.CheckViolationError:  # its clock is ahead of ours: over by now
            return OVER
        if row["disposition"] == _PAYEE_NOT_FOUND:
            return malformed("No account that could be paid from the payer's.", "payee")
        return await self._answer(caller, key, row, as_given)

    async def _given(self, caller: Caller, key: str, asked: MandateRequest) -> asyncpg.Record:
        (row,) = await self._reads.decide(
            QUERIES["give_mandate"], caller.participant.number, key, operation_digest(caller),
            new_id(self._clock.now_us()), asked.payer, asked.payee, asked.purpose,
            asked.payment_limit, asked.daily_limit, asked.monthly_limit, asked.uses_max,
            asked.not_before, asked.not_after,
        )  # fmt: skip
        return row

    async def revoke(self, caller: Caller) -> Answer | Problem:
        """Revoke a mandate that the caller gave."""
        key = await accepted_key(self._reads, caller)
        if isinstance(key, Problem):
            return key
        request = decode_empty(caller.body)
        if isinstance(request, Problem):
            return request
        mandate_id = path_id(caller.request.path)
        if mandate_id is None:
            return NOT_FOUND
        (row,) = await self._reads.decide(
            QUERIES["revoke_mandate"], caller.participant.number, key,
            revocation_digest(mandate_id), mandate_id,
        )  # fmt: skip
        return await self._answer(caller, key, row, as_revoked)

    async def _answer(
        self, caller: Caller, key: str, row: asyncpg.Record, render: Any
    ) -> Answer | Problem:
        sender = caller.participant
        match row["disposition"]:
            case Disposition.KEY_REUSED:
                return KEY_REUSED
            case Disposition.NOT_FOUND:
                return NOT_FOUND
            case Disposition.DECIDED:
                return document(render(sender.id, row), status=201)
        self._metrics.replays.add(("mandate",))
        if row["disposition"] == Disposition.REPEATED:
            return repeated(render(sender.id, row))
        return repeated(await self._reads.barred(sender.number, key))

    async def show(self, caller: Caller) -> Answer | Problem:
        """One mandate that the caller gave or may use."""
        mandate_id = asked_id(caller.request)
        if isinstance(mandate_id, Problem):
            return mandate_id
        found = await self._found(caller, mandate_id, None, None, 1)
        return document(found[0]) if found else NOT_FOUND

    async def of_account(self, caller: Caller) -> Answer | Problem:
        """The mandates from or to an account of the caller, in the order they were given."""
        parameters = read_query(
            caller.request.query, {"account": read_id, "after": read_id, "limit": read_limit}
        )
        if isinstance(parameters, Problem):
            return parameters
        account = parameters.get("account")
        if account is None:
            return malformed("Say of which account: `?account=`.", "account")
        count = parameters.get("limit", limits.PAGE_SIZE_DEFAULT)
        found = await self._found(caller, None, account, parameters.get("after"), count + 1)
        return page(found, count, lambda mandate: mandate.id)

    async def _found(self, caller: Caller, *asked: Any) -> list[Mandate]:
        rows = await self._reads.ask(QUERIES["read_mandates"], caller.participant.number, *asked)
        now = self._clock.now()
        return [as_it_is(row["participant"], row, now) for row in rows]

    def endpoints(self) -> tuple[Endpoint, ...]:
        """What the service answers."""
        return self._giving(), *self._looking_up(), self._revoking()

    def _giving(self) -> Endpoint:
        return Endpoint(
            method="POST",
            path="/v1/mandates",
            name="give_mandate",
            summary="Permit a payee to take from an account of one's own, within bounds",
            handler=self._admission.signed(self.give),
            answers={201: "The mandate, given now", 200: _REPEAT},
            problems=("not-found", "participant-suspended", "outcome-unknown"),
            request=MandateRequest,
            request_example=examples.MANDATE_REQUEST,
            response=Mandate,
            response_example=examples.MANDATE,
            response_also=(Payment,),  # of a key that is barred
        )

    def _revoking(self) -> Endpoint:
        return Endpoint(
            method="POST",
            path="/v1/mandates/{id}/revoke",
            name="revoke_mandate",
            summary="End a mandate: nothing is taken by it from the answer on",
            handler=self._admission.signed(self.revoke),
            answers={201: "The mandate, revoked now or before", 200: _REPEAT},
            problems=("not-found", "participant-suspended", "outcome-unknown"),
            request=EmptyRequest,
            request_example={},
            response=Mandate,
            response_example=examples.REVOKED,
            response_also=(Payment,),  # of a key that is barred
        )

    def _looking_up(self) -> tuple[Endpoint, ...]:
        return (
            Endpoint(
                method="GET",
                path="/v1/mandates",
                name="list_mandates",
                summary="List the mandates from or to an account of one's own",
                handler=self._admission.signed(self.of_account),
                answers={200: "The account's mandates, in the order they were given"},
                response=Mandate,
                response_example=examples.USED,
                is_list=True,
                parameters=(_ACCOUNT, AFTER_ID, LIMIT),
            ),
            Endpoint(
                method="GET",
                path="/v1/mandates/{id}",
                name="show_mandate",
                summary="Show a mandate that one gave or may use, and what was taken by it",
                handler=self._admission.signed(self.show),
                answers={200: "The mandate as it is now"},
                problems=("not-found",),
                response=Mandate,
                response_example=examples.USED,
            ),
        )


_PAYEE_NOT_FOUND = 3  # of give_mandate's dispositions, spending no key
_REPEAT = "The same answer to a repeat; a payment where the key is barred"
_ACCOUNT = Parameter(
    name="account",
    what="From or to which they permit to pay; required",
    schema={"type": "string", "format": "uuid"},
)
