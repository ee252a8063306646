"""`POST /v1/payments/batch`: many payments of one participant under one signature.

A batch is an envelope, not an operation: it has no key that is spent and no answer that is kept.
Each payment in it is the operation `POST /v1/payments` with its own key and its own bytes, takes
the same way through router, lane and ledger, and gets the answer it would get alone.

Payments leave in their order, a window at a time, and a payer has one lane, so payments of one
payer are decided in the order of the batch. The window keeps a batch from taking everything: what
others send meanwhile stands between two windows. When a payment is refused undecided for want of
room or of a ledger, what follows it from the same payer is not sent any more, so whoever sends the
refused ones again keeps their order.

What banks have to decide is waited for at the end, all of it together; meanwhile the batch keeps
its room, so only some of those that are taken on may wait.
"""

import hashlib
from collections.abc import Collection, Iterable, Sequence
from uuid import UUID

from msgspec import Raw
from msgspec.structs import replace

from switch import examples, limits
from switch.admission import Admission, Caller, media_type_refusal
from switch.authorize import Authorize
from switch.batch_message import (
    BatchAnswer,
    BatchItemAnswer,
    BatchRequest,
    KeyedPayment,
    decode_batch,
)
from switch.budget import InFlight, overloaded
from switch.clock import Clock
from switch.errors import Problem
from switch.ledger import Disposition, Order, Verdict
from switch.message import decode_payment
from switch.metrics import WorkerMetrics
from switch.outcome import Outcome
from switch.pending import Pending
from switch.reads import Reads
from switch.reply import Answer, document, refused
from switch.requests import SUSPENDED, claimed, query_refusal
from switch.router import Router
from switch.service import Endpoint
from switch.signature import parse_idempotency_key

TOO_LATE = overloaded("the payments before this one in the batch took too long; it was not sent")
HELD_BACK = overloaded(
    "a payment of the same payer before this one in the batch was not decided; it was not sent"
)
KEY_REUSED = Verdict(disposition=Disposition.KEY_REUSED, payment=None)

# Want of room or of a ledger: what follows from the same payer would overtake what is sent again.
_UNDECIDED = frozenset({429, 503, 504})


class Course:
    """One batch on its way: what came of each of its payments so far."""

    def __init__(
        self,
        *,
        caller: Caller,
        payments: Sequence[KeyedPayment],
        may_send: Collection[str],
        authorize: Authorize,
        router: Router,
        clock: Clock,
    ) -> None:
        self._caller = caller
        self._payments = payments
        self._may_send = may_send  # the keys of what may be sent at all
        self._authorize = authorize
        self._router = router
        self._clock = clock
        self._ends_s = clock.monotonic_s() + limits.BATCH_SENDING_S_MAX
        self._orders: dict[int, Order] = {}  # by position in the batch
        self._results: dict[int, Verdict | Problem] = {}
        self._held_back: set[UUID | None] = set()  # payers and mandates

    async def run(self) -> list[Verdict | Problem]:
        """Decide everything; one result a payment, in their order."""
        left: Sequence[int] = range(len(self._payments))
        while left:
            left = await self._pass(left)
        return [self._results[position] for position in range(len(self._payments))]

    async def _pass(self, positions: Iterable[int]) -> list[int]:
        """Send the first valid payment of each key, in order; give back whose turn is yet to come.

        The others of a key are told by what became of the first. Only when its key turns out to be
        spent on a third message can one of them be a repeat of that: then the ledger is asked.
        """
        first: dict[str, int] = {}
        others: list[int] = []
        window: list[int] = []
        for position in positions:
            order = self._orders.get(position) or self._order(self._payments[position])
            if isinstance(order, Problem):
                self._results[position] = order
                continue
            self._orders[position] = order
            if order.key in first:
                others.append(position)
                continue
            first[order.key] = position
            window.append(position)
            if len(window) == limits.BATCH_WINDOW_PAYMENTS:
                await self._send(window)
                window = []
        if window:
            await self._send(window)
        return [one for one in others if not self._follows(one, first[self._orders[one].key])]

    def _order(self, payment: KeyedPayment) -> Order | Problem:
        if payment.key not in self._may_send:
            return SUSPENDED
        body = bytes(payment.body)
        request = decode_payment(body)
        if isinstance(request, Problem):
            return request
        digest = hashlib.sha256(body).digest()
        return self._authorize.order(self._caller, payment.key, digest, request)

    async def _send(self, window: Sequence[int]) -> None:
        """Have these decided together, unless it is too late or would change an order."""
        is_late = self._clock.monotonic_s() > self._ends_s
        sent = []
        for position in window:
            if is_late:
                self._results[position] = TOO_LATE
            elif self._source(position) in self._held_back:
                self._results[position] = HELD_BACK
            else:
                sent.append(position)
        results = await self._router.decide_all([self._orders[position] for position in sent])
        for position, result in zip(sent, results, strict=True):
            self._results[position] = result
            if isinstance(result, Problem) and result.status in _UNDECIDED:
                self._held_back.add(self._source(position))

    def _source(self, position: int) -> UUID | None:
        """Where the money comes from: a payer, or a mandate."""
        request = self._orders[position].request
        return request.payer or request.mandate

    def _follows(self, position: int, first: int) -> bool:
        """Tell a payment by the first one with its key; false when that does not say enough."""
        result = self._results[first]
        is_twin = self._orders[position].digest == self._orders[first].digest
        if isinstance(result, Verdict) and result.payment is None and not is_twin:
            return False
        if isinstance(result, Verdict) and result.payment is not None:
            is_answered = is_twin or result.payment.reason == Outcome.BARRED.wire
            result = (
                replace(result, disposition=Disposition.REPEATED) if is_answered else KEY_REUSED
            )
        self._results[position] = result
        return True


class Batches:
    """Takes batches apart and answers them."""

    def __init__(
        self,
        *,
        admission: Admission,
        authorize: Authorize,
        router: Router,
        pending: Pending,
        reads: Reads,
        in_flight: InFlight,
        clock: Clock,
        metrics: WorkerMetrics,
    ) -> None:
        self._admission = admission
        self._authorize = authorize
        self._router = router
        self._pending = pending
        self._reads = reads
        self._in_flight = in_flight
        self._waiting = InFlight(
            total_max=limits.BATCHES_WAITING_MAX, each_max=limits.PARTICIPANT_BATCHES_WAITING_MAX
        )
        self._clock = clock
        self._metrics = metrics

    async def decide(self, caller: Caller) -> Answer | Problem:
        """One batch, from its bytes to the answers to its payments."""
        key = parse_idempotency_key(caller.bound.idempotency_key)  # required, and not spent
        if isinstance(key, Problem):
            return key
        refusal = query_refusal(caller) or media_type_refusal(caller.request.headers)
        if refusal is not None:
            return refusal
        payments = decode_batch(caller.body)
        if isinstance(payments, Problem):
            return payments
        keys = {payment.key for payment in payments}
        course = Course(
            caller=caller,
            payments=payments,
            may_send=await claimed(self._reads, caller.participant, keys),
            authorize=self._authorize,
            router=self._router,
            clock=self._clock,
        )
        results = await self._settled(caller.participant.number, await course.run())
        answers = [
            self._answer(caller, payment.key, result)
            for payment, result in zip(payments, results, strict=True)
        ]
        return document(BatchAnswer(answers=answers))

    async def _settled(
        self, participant_no: int, results: list[Verdict | Problem]
    ) -> list[Verdict | Problem]:
        """The results, with what banks decide in time, when there is room to wait for it."""
        if self._waiting.enter(participant_no) is not None:
            return results
        try:
            return await self._pending.settle_all(participant_no, results)
        finally:
            self._waiting.leave(participant_no)

    def _answer(self, caller: Caller, key: str, result: Verdict | Problem) -> BatchItemAnswer:
        said = result if isinstance(result, Problem) else self._authorize.answer(caller, result)
        if isinstance(said, Problem):
            self._metrics.refusals.add((caller.participant.label, said.name))
        answer = refused(said) if isinstance(said, Problem) else said
        self._metrics.batch_payments.add((str(answer.status),))
        return BatchItemAnswer(
            idempotency_key=key,
            status=answer.status,
            replayed=answer.status == 200,
            body=Raw(answer.body),
        )

    def endpoints(self) -> tuple[Endpoint, ...]:
        """What this room answers."""
        return (
            Endpoint(
                method="POST",
                path="/v1/payments/batch",
                name="decide_batch",
                summary="Decide up to 1,000 payments, each under its own key, in order",
                handler=self._admission.signed_large(
                    self.decide,
                    body_bytes_max=limits.BATCH_BODY_BYTES_MAX,
                    in_flight=self._in_flight,
                ),
                answers={200: "What each payment would have been answered alone, in order"},
                request=BatchRequest,
                request_example=examples.BATCH_REQUEST,
                response=BatchAnswer,
                response_example=examples.BATCH_ANSWER,
                body_bytes_max=limits.BATCH_BODY_BYTES_MAX,
            ),
        )
