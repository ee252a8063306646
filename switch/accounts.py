"""`POST /v1/accounts` and what is done to an account: open, freeze, unfreeze, close.

The same order as for a payment: key, standing, JSON and schema, then the ledger, which decides
under the key, once. The payload of an account's operation is its method, path and body together,
so one key can never mean two accounts.
"""

from collections.abc import Awaitable, Callable
from functools import partial

from switch import examples
from switch.account_ledger import AccountChange, AccountOrder, AccountVerdict
from switch.admission import Admission, Caller
from switch.clock import Clock
from switch.errors import Problem
from switch.ledger import Disposition, new_id
from switch.message import (
    Account,
    AccountOperation,
    AccountRequest,
    EmptyRequest,
    Payment,
    decode_account,
    decode_empty,
    malformed,
)
from switch.metrics import WorkerMetrics
from switch.reads import Reads
from switch.reply import Answer, document, repeated
from switch.requests import KEY_REUSED, NOT_FOUND, accepted_key, operation_digest, path_id
from switch.service import Endpoint

# Which kind of account a participant opens over HTTP; all others are the operator's to open.
OPENED_BY = {"wallet": "wallet", "merchant": "merchant", "bank": "external"}
ACTIONS = ("freeze", "unfreeze", "close")


class Accounts:
    """Opens and changes accounts for those who hold them."""

    def __init__(
        self, *, admission: Admission, reads: Reads, clock: Clock, metrics: WorkerMetrics
    ) -> None:
        self._admission = admission
        self._reads = reads
        self._clock = clock
        self._metrics = metrics

    async def open(self, caller: Caller) -> Answer | Problem:
        """Open an account of the caller."""
        key = await accepted_key(self._reads, caller)
        if isinstance(key, Problem):
            return key
        request = decode_account(caller.body)
        if isinstance(request, Problem):
            return request
        if request.kind != OPENED_BY.get(caller.participant.kind):
            return malformed(
                f"A participant of kind `{caller.participant.kind}` opens no `{request.kind}`"
                " accounts; the operator may.",
                "kind",
            )
        verdict = await self._reads.open_account(
            AccountOrder(
                participant_no=caller.participant.number,
                participant=caller.participant.id,
                key=key,
                digest=operation_digest(caller),
                account_id=new_id(self._clock.now_us()),
                request=request,
            )
        )
        return self._answer(verdict)

    async def change(self, action: str, caller: Caller) -> Answer | Problem:
        """Freeze, unfreeze or close an account of the caller."""
        key = await accepted_key(self._reads, caller)
        if isinstance(key, Problem):
            return key
        request = decode_empty(caller.body)
        if isinstance(request, Problem):
            return request
        account_id = path_id(caller.request.path)
        if account_id is None:
            return NOT_FOUND
        verdict = await self._reads.change_account(
            AccountChange(
                participant_no=caller.participant.number,
                key=key,
                digest=operation_digest(caller),
                account_id=account_id,
                action=action,
            )
        )
        return self._answer(verdict)

    def _answer(self, verdict: AccountVerdict) -> Answer | Problem:
        match verdict.disposition:
            case Disposition.KEY_REUSED:
                return KEY_REUSED
            case Disposition.NOT_FOUND:
                return NOT_FOUND
            case Disposition.TIER_NOT_OFFERED:
                return malformed("No such tier is offered in this currency.", "tier")
        assert verdict.answer is not None, "what was decided has an answer"
        if verdict.disposition is not Disposition.DECIDED:
            self._metrics.replays.add(("account",))
            return repeated(verdict.answer)
        return document(verdict.answer, status=201)

    def endpoints(self) -> tuple[Endpoint, ...]:
        """What this room answers."""
        signed = self._admission.signed
        opening = Endpoint(
            method="POST",
            path="/v1/accounts",
            name="open_account",
            summary="Open an account",
            handler=signed(self.open),
            answers={
                201: "The account, opened now",
                200: "The same answer to a repeat; a payment where the key is barred",
            },
            problems=("participant-suspended", "outcome-unknown"),
            request=AccountRequest,
            request_example=examples.ACCOUNT_REQUEST,
            response=Account,
            response_example=examples.ACCOUNT,
            response_also=(Payment,),  # of a key that is barred
        )
        return opening, *(self._change_endpoint(action) for action in ACTIONS)

    def _change_endpoint(self, action: str) -> Endpoint:
        change: Callable[[Caller], Awaitable[Answer | Problem]] = partial(self.change, action)
        return Endpoint(
            method="POST",
            path=f"/v1/accounts/{{id}}/{action}",
            name=f"{action}_account",
            summary=_SUMMARIES[action],
            handler=self._admission.signed(change),
            answers={
                201: "What it came to",
                200: "The same answer to a repeat; a payment where the key is barred",
            },
            problems=("not-found", "participant-suspended", "outcome-unknown"),
            request=EmptyRequest,
            request_example={},
            response=AccountOperation,
            response_example=examples.ACCOUNT_OPERATION | {"operation": action},
            response_also=(Payment,),  # of a key that is barred
        )


_SUMMARIES = {
    "freeze": "Freeze an account: nothing leaves it, credits still arrive",
    "unfreeze": "Lift one's own freeze; the operator's only the operator lifts",
    "close": "Close an account, for good, once it is empty",
}
