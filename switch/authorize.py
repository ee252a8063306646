"""`POST /v1/payments`: the way of one payment, on one page.

size, signature, participant    admission    who sends it; a stranger gets no signed answer
idempotency key                 signature    under which name the decision is kept
standing                        here         a suspended participant may repeat, not begin
JSON and schema                 message      a message that is malformed spends no key
decision                        router       lane, ledger: stored key, then outcomes in order
bank                            pending      where one decides: some seconds for its decision
answer                          reply        the decision's bytes, signed
"""

from switch import examples
from switch.admission import Admission, Caller, Request, media_type_refusal
from switch.budget import ledger_unavailable
from switch.clock import Clock
from switch.errors import LedgerUnavailable, Problem
from switch.ledger import Disposition, Order, Verdict, new_id
from switch.message import Payment, PaymentRequest, decode_payment
from switch.metrics import WorkerMetrics
from switch.pending import Pending
from switch.reads import Reads
from switch.reply import Answer, decided, refused
from switch.requests import (
    KEY_REUSED,
    PENDING_ANSWER,
    count_decision,
    query_refusal,
    standing,
)
from switch.router import Router
from switch.service import Endpoint
from switch.signature import parse_idempotency_key


class Authorize:
    """Decides payments."""

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

    async def authorize(self, request: Request) -> Answer:
        """One payment, from its bytes to its signed answer."""
        started_s = self._clock.monotonic_s()
        caller = await self._admission.admit(request, is_payment=True)
        if isinstance(caller, Problem):
            return refused(caller)
        verdict = await self._decide(caller)
        # How long a bank takes is its own matter.
        self._metrics.payment_seconds.observe(self._clock.monotonic_s() - started_s)
        if isinstance(verdict, Problem):
            return self._admission.seal(caller, verdict)
        settled = await self._pending.settle(caller.participant.number, verdict)
        return self._admission.seal(caller, self.answer(caller, settled))

    async def _decide(self, caller: Caller) -> Verdict | Problem:
        key = parse_idempotency_key(caller.bound.idempotency_key)
        if isinstance(key, Problem):
            return key
        if caller.participant.is_suspended:
            try:
                refusal = await standing(self._reads, caller.participant, key)
            except LedgerUnavailable:
                return ledger_unavailable()
            if refusal is not None:
                return refusal
        refusal = query_refusal(caller) or media_type_refusal(caller.request.headers)
        if refusal is not None:
            return refusal
        payment = decode_payment(caller.body)
        if isinstance(payment, Problem):
            return payment
        order = self.order(caller, key, caller.digest, payment)
        return await self._router.decide(order)

    def order(self, caller: Caller, key: str, digest: bytes, payment: PaymentRequest) -> Order:
        """What the ledger is asked to decide: all that a caller has sent, or a payment of it."""
        return Order(
            participant_no=caller.participant.number,
            participant=caller.participant.id,
            key=key,
            digest=digest,
            payment_id=new_id(self._clock.now_us()),
            request=payment,
            key_no=caller.key_no,
            trace=caller.request.trace,
        )

    def answer(self, caller: Caller, verdict: Verdict) -> Answer | Problem:
        """The answer to what was decided; it is counted here."""
        if verdict.payment is None:
            assert verdict.disposition is Disposition.KEY_REUSED, "a decision has its payment"
            return KEY_REUSED
        is_repeat = verdict.disposition is Disposition.REPEATED
        count_decision(self._metrics, caller.participant, verdict.payment, is_repeat=is_repeat)
        return decided(verdict.payment, replayed=is_repeat, answer_version=verdict.answer_version)

    def endpoints(self) -> tuple[Endpoint, ...]:
        """What this room answers."""
        return (
            Endpoint(
                method="POST",
                path="/v1/payments",
                name="decide_payment",
                summary="Decide a payment",
                handler=self.authorize,
                answers={
                    201: "The decision, made now",
                    200: "The stored decision, byte for byte; `Idempotent-Replayed: true`",
                    202: PENDING_ANSWER,
                },
                problems=("participant-suspended", "in-progress", "outcome-unknown"),
                request=PaymentRequest,
                request_example=examples.PAYMENT_REQUEST,
                response=Payment,
                response_example=examples.PAYMENT,
                pending_example=examples.PENDING_PAYMENT,
            ),
        )
