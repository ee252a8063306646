"""`/v1/keys`: a participant's own keys: introduce one by another, look at them, revoke one.

A new key is introduced by a request that is signed twice: by a valid key, which says who asks, and
by the new one, which proves that its private half is there. The first signature is verified before
the message is read, the second when the message has said which public key it is by; a `Problem` of
the second is signed like every answer to a verified request. The ledger looks at the introducing
key once more, in the transaction that adds the new one.
"""

from switch import examples, limits
from switch.admission import Admission, Caller
from switch.clock import Clock
from switch.errors import Problem
from switch.key_ledger import KeyIntroduction, KeyRevocation, KeyVerdict
from switch.key_message import (
    KEY_NAME_PATTERN,
    KeyOperation,
    KeyRequest,
    ParticipantKey,
    decode_key,
    public_bytes,
)
from switch.ledger import Disposition, new_id
from switch.message import EmptyRequest, decode_empty, malformed
from switch.metrics import WorkerMetrics
from switch.participants import Participants
from switch.reads import Reads
from switch.reply import Answer, Page, document, repeated
from switch.requests import (
    KEY_REUSED,
    LIMIT,
    NOT_FOUND,
    SUSPENDED,
    accepted_key,
    formal_key,
    operation_digest,
    path_name,
    read_key_name,
    read_limit,
    read_query,
)
from switch.service import Endpoint, Parameter

_NOT_VALID = Problem(
    name="key-not-valid",
    detail="a key is introduced by one of yours that is valid now and not revoked",
)


class Keys:
    """Introduces, shows and revokes the keys of those who ask."""

    def __init__(
        self,
        *,
        admission: Admission,
        participants: Participants,
        reads: Reads,
        clock: Clock,
        metrics: WorkerMetrics,
    ) -> None:
        self._admission = admission
        self._participants = participants
        self._reads = reads
        self._clock = clock
        self._metrics = metrics

    async def introduce(self, caller: Caller) -> Answer | Problem:
        """Add a key of the caller, by one that is valid."""
        key = await accepted_key(self._reads, caller)
        if isinstance(key, Problem):
            return key
        request = decode_key(caller.body)
        if isinstance(request, Problem):
            return request
        introducer = self._introducer(caller, request)
        if isinstance(introducer, Problem):
            return introducer
        verdict = await self._reads.introduce_key(
            KeyIntroduction(
                participant_no=caller.participant.number,
                participant=caller.participant.id,
                key=key,
                digest=operation_digest(caller),
                operation_id=new_id(self._clock.now_us()),
                introducer=introducer,
                request=request,
            )
        )
        if verdict.refusal is not None:
            return _refused(verdict.refusal, verdict.validity_d_max)
        return self._answer(verdict)

    def _introducer(self, caller: Caller, request: KeyRequest) -> str | Problem:
        """The name of the key that introduces, once the second signature is verified too.

        Where the sender's signature is by the new key itself, which is registered then, the ledger
        can only find a repeat or a name that is taken; the second one is the introducer's, which
        may be at its end by now.
        """
        assert caller.second is not None, "a request that is signed by two"
        new_id = f"{caller.participant.id}/{request.name}"
        if request.public_key.kid not in (None, new_id):
            return malformed(f"Expected the new key's id, {new_id}, or none.", "public_key.kid")
        if caller.second.key_id == new_id != caller.key_id:
            refusal = self._admission.check_second(caller, public_bytes(request.public_key))
            return refusal or _name(caller.key_id)
        if caller.key_id == new_id != caller.second.key_id:
            other = self._participants.key(caller.second.key_id)
            if other is None:
                return _NOT_VALID
            return self._admission.check_second(caller, other.public_key) or other.name
        return Problem(
            name="signature-missing", detail=f"sign by a valid key and by the new one, {new_id}"
        )

    async def revoke(self, caller: Caller) -> Answer | Problem:
        """Revoke a key of the caller, and what it introduced; a suspended participant may."""
        key = formal_key(caller)
        if isinstance(key, Problem):
            return key
        request = decode_empty(caller.body)
        if isinstance(request, Problem):
            return request
        name = path_name(caller.request.path)
        if name is None:
            return NOT_FOUND
        verdict = await self._reads.revoke_key(
            KeyRevocation(
                participant_no=caller.participant.number,
                participant=caller.participant.id,
                key=key,
                digest=operation_digest(caller),
                operation_id=new_id(self._clock.now_us()),
                name=name,
                by=_name(caller.key_id),
            )
        )
        return self._answer(verdict)

    async def list(self, caller: Caller) -> Answer | Problem:
        """The caller's keys, revoked ones included, in the order of their names."""
        parameters = read_query(caller.request.query, {"after": read_key_name, "limit": read_limit})
        if isinstance(parameters, Problem):
            return parameters
        count = parameters.get("limit", limits.PAGE_SIZE_DEFAULT)
        who = caller.participant
        found = await self._reads.keys(who.number, who.id, parameters.get("after"), count + 1)
        has_more = len(found) > count
        next_after = found[count - 1].name if has_more else None
        return document(Page(data=found[:count], has_more=has_more, next_after=next_after))

    def _answer(self, verdict: KeyVerdict) -> Answer | Problem:
        if verdict.disposition is Disposition.KEY_REUSED:
            return KEY_REUSED
        if verdict.disposition is Disposition.NOT_FOUND:
            return NOT_FOUND
        assert verdict.answer is not None, "what was decided has an answer"
        if verdict.disposition is not Disposition.DECIDED:
            self._metrics.replays.add(("key",))
            return repeated(verdict.answer)
        return document(verdict.answer, status=201)

    def endpoints(self) -> tuple[Endpoint, ...]:
        """What this room answers."""
        return (
            Endpoint(
                method="POST",
                path="/v1/keys",
                name="introduce_key",
                summary="Introduce a key, signed by a valid one and by the new one",
                handler=self._admission.signed(self.introduce, by_two=True),
                answers={201: "The key, added now", 200: "The same answer to a repeat"},
                problems=("participant-suspended", "outcome-unknown"),
                request=KeyRequest,
                request_example=examples.KEY_REQUEST,
                response=ParticipantKey,
                response_example=examples.KEY_INTRODUCED,
            ),
            Endpoint(
                method="GET",
                path="/v1/keys",
                name="list_keys",
                summary="List one's own keys, revoked ones included",
                handler=self._admission.signed(self.list),
                answers={200: "One's own keys, in the order of their names"},
                response=ParticipantKey,
                response_example=examples.KEY,
                is_list=True,
                parameters=(_AFTER_NAME, LIMIT),
            ),
            Endpoint(
                method="POST",
                path="/v1/keys/{name}/revoke",
                name="revoke_key",
                summary="Revoke a key and what it introduced, everywhere within a second",
                handler=self._admission.signed(self.revoke),
                answers={201: "What it came to", 200: "The same answer to a repeat"},
                problems=("not-found", "outcome-unknown"),
                request=EmptyRequest,
                request_example={},
                response=KeyOperation,
                response_example=examples.KEY_OPERATION,
            ),
        )


def _name(key_id: str) -> str:
    return key_id.partition("/")[2]


def _refused(refusal: str, validity_d_max: int | None) -> Problem:
    """Why a key is not introduced; nothing was changed and no idempotency key spent."""
    if refusal == "suspended":
        return SUSPENDED
    if refusal == "introducer_not_valid":
        return _NOT_VALID
    field, rule = _RULES[refusal]
    return malformed(rule.format(days=validity_d_max), field)


# What the ledger refuses to introduce, and with which member of the message it is wrong.
_RULES = {
    "name_taken": ("name", "You have a key of this name, or had one; choose another name."),
    "never_valid": ("not_after", "Expected a time after now and after `not_before`."),
    "too_long": ("not_after", "Expected at most {days} days from now; left out, it is that."),
    "too_many": (
        "name",
        f"You have {limits.PARTICIPANT_KEYS_MAX} keys that are neither revoked nor at their end;"
        " revoke one first.",
    ),
    "public_key_taken": ("public_key", "This public key is registered already; make a new one."),
}

_AFTER_NAME = Parameter(
    name="after",
    what="`next_after` of the piece before",
    schema={"type": "string", "pattern": KEY_NAME_PATTERN},
)
