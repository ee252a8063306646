"""The receipt of a payment: the decision, signed so that anyone can check it without the switch.

Who may read a payment may have its receipt; what was kept of it by a tariff only its payee is told.
"""

from switch import examples, receipt
from switch.admission import Admission, Caller
from switch.clock import Clock
from switch.errors import Problem
from switch.participants import Participants
from switch.reads import Reads
from switch.reply import Answer
from switch.requests import NOT_FOUND, asked_id
from switch.service import Endpoint

NOT_DECIDED = Problem(
    name="not-found", detail="a bank has not decided this payment so far; ask again when it has"
)


class Receipts:
    """Issues receipts with the key that answers are signed with."""

    def __init__(
        self,
        *,
        admission: Admission,
        reads: Reads,
        participants: Participants,
        issuer: str,
        clock: Clock,
    ) -> None:
        self._admission = admission
        self._reads = reads
        self._participants = participants
        self._issuer = issuer
        self._clock = clock

    async def receipt(self, caller: Caller) -> Answer | Problem:
        """The receipt of one payment that the caller sent, pays or is paid."""
        payment_id = asked_id(caller.request)
        if isinstance(payment_id, Problem):
            return payment_id
        decision = await self._reads.decision(caller.participant.number, payment_id)
        if decision is None:
            return NOT_FOUND
        if decision.status == "pending":
            return NOT_DECIDED
        token = receipt.issue(
            decision,
            issuer=self._issuer,
            key=self._participants.own_key(),
            issued_at_s=self._clock.now_us() // 1_000_000,
            fee=await self._reads.fee(caller.participant.number, payment_id),
        )
        return Answer(200, token.encode("ascii"), receipt.MEDIA_TYPE)

    def endpoints(self) -> tuple[Endpoint, ...]:
        """What this room answers."""
        return (
            Endpoint(
                method="GET",
                path="/v1/payments/{id}/receipt",
                name="show_receipt",
                summary="The decision as a signed receipt that anyone can verify offline",
                handler=self._admission.signed(self.receipt),
                answers={
                    200: "A compact JWS (RFC 7515) with EdDSA (RFC 8037), by a key of "
                    "`/.well-known/jwks.json`. Its payload: `iss`, the switch's name, `iat`, when "
                    "it was issued in Unix seconds, and of the payment as it was decided `id`, "
                    "`idempotency_key`, `request_digest`, `participant`, `type`, `payer`, "
                    "`payee`, `amount`, `currency`, `status`, `reason` and `created_at`, of a step "
                    "its `parent` as well, and for its payee `fee` where a tariff kept some of it"
                },
                problems=("not-found",),
                response_example=examples.RECEIPT,
                media_type=receipt.MEDIA_TYPE,
            ),
        )
