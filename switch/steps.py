"""What follows a payment: capture, void and refund; and barring a key.

A step is a signed, idempotent message like a payment, on the same way: admission, key, standing,
JSON and schema, router, lane, ledger. What it may not do is an outcome, stored under its key. A bar
makes sure that a key can never be decided, or tells what it was decided to; it asks the ledger
directly, which waits for whoever is deciding the key at this moment.
"""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Literal

from msgspec import Struct

from switch import examples
from switch.admission import Admission, Caller, Request
from switch.budget import ledger_unavailable
from switch.clock import Clock
from switch.errors import LedgerUnavailable, Problem
from switch.key_message import KeyOperation, ParticipantKey
from switch.ledger import BarOrder, Disposition, StepOrder, Verdict, new_id
from switch.mandate import Mandate
from switch.message import (
    Account,
    AccountOperation,
    BarRequest,
    CaptureRequest,
    EmptyRequest,
    Payment,
    RefundRequest,
    Step,
    decode_bar,
    decode_capture,
    decode_empty,
    decode_refund,
    malformed,
)
from switch.metrics import WorkerMetrics
from switch.pending import Pending
from switch.reads import OtherVerdict, Reads
from switch.reply import Answer, decided, refused, repeated
from switch.request_to_pay import RequestToPay
from switch.requests import (
    KEY_REUSED,
    NOT_FOUND,
    PENDING_ANSWER,
    accepted_key,
    count_decision,
    formal_key,
    path_id,
)
from switch.router import Router
from switch.service import Endpoint

Kind = Literal["capture", "void", "refund"]

# What a key may have been spent on beside a payment.
_SPENT_ON = (Step, Account, AccountOperation, ParticipantKey, KeyOperation, Mandate, RequestToPay)

_DECODERS: dict[Kind, Callable[[bytes], Any]] = {
    "capture": decode_capture,
    "void": decode_empty,
    "refund": decode_refund,
}


class Steps:
    """Decides what follows a payment."""

    def __init__(
        self,
        *,
        admission: Admission,
        router: Router,
        pending: Pending,
        reads: Reads,
        clock: Clock,
        metrics: WorkerMetrics,
    ) -> None:
        self._admission = admission
        self._router = router
        self._pending = pending
        self._reads = reads
        self._clock = clock
        self._metrics = metrics

    async def take(self, kind: Kind, request: Request) -> Answer:
        """One step, from its bytes to its signed answer."""
        caller = await self._admission.admit(request, is_payment=True)
        if isinstance(caller, Problem):
            return refused(caller)
        try:
            result = await self._take(kind, caller)
        except LedgerUnavailable:
            result = ledger_unavailable()
        return self._admission.seal(caller, result)

    async def _take(self, kind: Kind, caller: Caller) -> Answer | Problem:
        key = await accepted_key(self._reads, caller)
        if isinstance(key, Problem):
            return key
        asked = _DECODERS[kind](caller.body)
        if isinstance(asked, Problem):
            return asked
        parent = path_id(caller.request.path)
        if parent is None:
            return NOT_FOUND
        order = StepOrder(
            participant_no=caller.participant.number,
            participant=caller.participant.id,
            key=key,
            digest=caller.digest,
            payment_id=new_id(self._clock.now_us()),
            type=kind,
            parent=parent,
            amount=getattr(asked, "amount", None),
            final=asked.final if isinstance(asked, CaptureRequest) else None,
            key_no=caller.key_no,
            trace=caller.request.trace,
        )
        verdict = await self._router.decide(order)
        if isinstance(verdict, Problem):
            return verdict
        return self._answer(caller, await self._pending.settle(caller.participant.number, verdict))

    async def bar(self, caller: Caller) -> Answer | Problem:
        """Bar the key, or say what it was decided to. A suspended participant may."""
        key = formal_key(caller)
        if isinstance(key, Problem):
            return key
        request = decode_bar(caller.body)
        if isinstance(request, Problem):
            return request
        if request.idempotency_key != key:
            return malformed("The header Idempotency-Key names another key.", "idempotency_key")
        verdict = await self._reads.bar(
            BarOrder(
                participant_no=caller.participant.number,
                participant=caller.participant.id,
                key=key,
                digest=caller.digest,
                payment_id=new_id(self._clock.now_us()),
                key_no=caller.key_no,
                trace=caller.request.trace,
            )
        )
        if isinstance(verdict, Verdict):
            return self._answer(caller, verdict)
        return _as_answered(verdict)

    def _answer(self, caller: Caller, verdict: Verdict) -> Answer | Problem:
        if verdict.payment is None:
            assert verdict.disposition is Disposition.KEY_REUSED, "a decision has its answer"
            return KEY_REUSED
        is_repeat = verdict.disposition is Disposition.REPEATED
        count_decision(self._metrics, caller.participant, verdict.payment, is_repeat=is_repeat)
        return decided(verdict.payment, replayed=is_repeat, answer_version=verdict.answer_version)

    def endpoints(self) -> tuple[Endpoint, ...]:
        """What this room answers."""
        return (
            self._step("capture", CaptureRequest, "Capture what is held, or some of it"),
            self._step("void", EmptyRequest, "Release what is still held"),
            self._step("refund", RefundRequest, "Pay back what was captured, or some of it"),
            Endpoint(
                method="POST",
                path="/v1/payments/bar",
                name="bar_key",
                summary="Bar a key that is not decided, or learn its decision",
                handler=self._admission.signed(self.bar),
                answers={
                    201: "The key is barred: declined for good, whatever is sent under it",
                    200: "What was decided under the key, byte for byte",
                    202: "A bank is deciding the key; it cannot be barred any more",
                },
                problems=("in-progress", "outcome-unknown"),
                request=BarRequest,
                request_example={"idempotency_key": "order-4711-1"},
                response=Payment,
                response_example=examples.BARRED,
                response_also=_SPENT_ON,
                pending_example=examples.PENDING_PAYMENT,
            ),
        )

    def _step(self, kind: Kind, request: type[Struct], summary: str) -> Endpoint:
        take: Callable[[Request], Awaitable[Answer]] = partial(self.take, kind)
        answers = {
            201: "The decision about the step, made now",
            200: "The stored decision, byte for byte; `Idempotent-Replayed: true`",
        }
        if kind == "refund":  # to a bank that holds the money itself
            answers[202] = PENDING_ANSWER
        return Endpoint(
            method="POST",
            path=f"/v1/payments/{{id}}/{kind}",
            name=f"{kind}_payment",
            summary=summary,
            handler=take,
            answers=answers,
            problems=("not-found", "participant-suspended", "in-progress", "outcome-unknown"),
            request=request,
            request_example=examples.STEP_REQUESTS[kind],
            response=Step,
            response_example=examples.STEPS[kind],
            pending_example=examples.PENDING_REFUND,
            response_also=(Payment,),
        )


def _as_answered(verdict: OtherVerdict) -> Answer:
    assert verdict.answer is not None, "what was decided has an answer"
    return repeated(verdict.answer)
