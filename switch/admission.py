"""Who asks: from a request on the wire to a participant that provably sent it.

Cheap checks stand before dear ones. What needs the headers alone comes before a byte of the body
is waited for; the curve is last, and asked for one signature at most. A `Problem` from here is
answered unsigned; once there is a `Caller`, everything is signed.
"""

import re
from collections.abc import Awaitable, Callable
from functools import partial

from aiohttp import hdrs
from msgspec import Struct

from switch import limits
from switch.budget import (
    OUTCOME_UNKNOWN,
    FailureBudget,
    InFlight,
    RateBudget,
    ledger_unavailable,
    overloaded,
)
from switch.clock import Clock
from switch.components import BoundRequest
from switch.config import normal_authority
from switch.digest import check_digest
from switch.errors import LedgerUnavailable, OutcomeUnknown, Problem
from switch.introduction import find_pair
from switch.metrics import UNKNOWN, WorkerMetrics
from switch.participants import Key, Participant, Participants
from switch.reply import Answer, refused, signed
from switch.shares import Shares
from switch.signature import Candidate, check_age, find_candidate, verify
from switch.structured import FieldLines
from switch.traceparent import Trace
from switch.turns import Turns


class Request(Struct, kw_only=True, eq=False):
    """A request as it stands on the wire. The body is read when it is asked for, and bounded."""

    method: str
    authority: str | None  # as sent; None when it was not sent once
    path: str  # raw, as sent
    query: str | None  # raw, without the question mark; None when there is none
    headers: FieldLines
    peer: str
    has_body: bool
    body_bytes: int | None  # by its own account, before a byte is read; None: not told
    read_body: Callable[[int], Awaitable[bytes | Problem]]  # takes the most bytes it may have
    after_answer: Callable[[], None] | None = None  # called when the answer was taken
    trace: Trace | None = None  # whose part the request is, if it says so


Handler = Callable[[Request], Awaitable[Answer]]

STOPPING = overloaded("this switch is stopping")
_KEYS_UNCONFIRMED = ledger_unavailable("whose keys are valid cannot be confirmed now")
_KEY_ID = re.compile(r'keyid="([^"]+)"')  # good enough to name whom a failure concerns


class Caller(Struct, frozen=True, kw_only=True):
    """A verified request: who sent it, and what."""

    participant: Participant
    key_id: str  # which of its keys signed
    key_no: int  # the same, as the ledger remembers it
    second: Candidate | None = None  # the other signature where two are asked for; not verified
    bound: BoundRequest  # what the answer's signature will be bound to
    request: Request
    body: bytes
    digest: bytes  # SHA-256 of the body


Handle = Callable[[Caller], Awaitable[Answer | Problem]]


class Admission:
    """Checks requests against the participants' snapshot, by the clock, within the budgets."""

    def __init__(
        self,
        *,
        participants: Participants,
        budget: FailureBudget,
        note_key_use: Callable[[Key, int], None],
        in_flight: InFlight,
        payments: Shares,
        turns: Turns,
        reads_per_s: float,
        authorities: frozenset[str],
        scheme: str,
        signature_age_s_max: float,
        signature_ahead_s_max: float,
        clock: Clock,
        metrics: WorkerMetrics,
    ) -> None:
        self._participants = participants
        self._budget = budget
        self._note_key_use = note_key_use
        self._in_flight = in_flight
        self._payments = payments
        self._attempts = RateBudget(clock, per_s=reads_per_s)
        self._reads = RateBudget(clock, per_s=reads_per_s * limits.PARTICIPANT_READS_FACTOR)
        self._turns = turns
        self._is_draining = False
        self._authorities = authorities
        self._scheme = scheme
        self._age_s_max = signature_age_s_max
        self._ahead_s_max = signature_ahead_s_max
        self._clock = clock
        self._metrics = metrics

    async def admit(
        self, request: Request, *, by_two: bool = False, is_payment: bool = False
    ) -> Caller | Problem:
        """The verified caller, or the first thing that is wrong.

        `by_two`: the request is signed by two keys, of which only the sender's is verified here.
        `is_payment`: it needs room among the payments; whose it seems to be is enough to say no.
        """
        candidate = self._candidate(request, by_two)
        if isinstance(candidate, Problem):
            return self._counted(request, candidate)
        claimed = self._participants.key(candidate.key_id)
        assert claimed is not None, "it was found by its key"
        refusal = None
        if is_payment:
            refusal = self._payments.refusal(claimed.participant.number)
        elif request.method != "POST":
            refusal = await self._turns.take()
        if refusal is not None:
            return self._refused(claimed.participant, refusal)
        body = await self._body(request, limits.BODY_BYTES_MAX)
        if isinstance(body, Problem):
            return self._counted(request, body)
        digest = self._digest(candidate, request.peer, body)
        if isinstance(digest, Problem):
            return self._counted(request, digest)
        key = self._signer(candidate, request.peer)
        if isinstance(key, Problem):
            return self._counted(request, key)
        return Caller(
            participant=key.participant,
            key_no=key.number,
            key_id=candidate.key_id,
            second=candidate.second,
            bound=candidate.bound,
            request=request,
            body=body,
            digest=digest,
        )

    def _counted(self, request: Request, problem: Problem) -> Problem:
        """A problem of a request that is not verified; its sender may be anybody."""
        self._metrics.signature_failures.add((self._named(request), problem.name))
        return problem

    def _named(self, request: Request) -> str:
        """The label of the participant whose key a request names, whoever sent it."""
        for line in request.headers.getall("Signature-Input", []):
            for key_id in _KEY_ID.findall(line):
                key = self._participants.key(key_id)
                if key is not None:
                    return key.participant.label
        return UNKNOWN

    def _refused(self, sender: Participant, problem: Problem) -> Problem:
        """A problem of a participant's request."""
        self._metrics.refusals.add((sender.label, problem.name))
        return problem

    async def _body(self, request: Request, bytes_max: int) -> bytes | Problem:
        started_s = self._clock.monotonic_s()
        body = await request.read_body(bytes_max)
        self._metrics.body_seconds.observe(self._clock.monotonic_s() - started_s)
        return body

    def _candidate(self, request: Request, by_two: bool = False) -> Candidate | Problem:
        """The signature to verify, by all that the headers alone can tell."""
        authority = self._authority(request.authority)
        if isinstance(authority, Problem):
            return authority
        if not self._participants.is_trusted:
            return _KEYS_UNCONFIRMED
        find = partial(find_pair, is_valid_key=self._is_valid) if by_two else find_candidate
        candidate = find(
            method=request.method,
            authority=authority,
            path=request.path,
            query=request.query,
            headers=request.headers,
            has_body=request.has_body,
            is_known_key=self._participants.is_known,
            scheme=self._scheme,
        )
        if isinstance(candidate, Problem):
            return candidate
        refusal = self._age_refusal(candidate)
        if refusal is None and candidate.second is not None:
            refusal = self._age_refusal(candidate.second)
        refusal = refusal or self._budget.enter(request.peer, candidate.key_id)
        if refusal is None and request.method != "POST":
            refusal = self._attempts.refusal((request.peer, candidate.key_id))
        return candidate if refusal is None else refusal

    def _age_refusal(self, candidate: Candidate) -> Problem | None:
        return check_age(
            candidate,
            now_us=self._clock.now_us(),
            age_s_max=self._age_s_max,
            ahead_s_max=self._ahead_s_max,
        )

    def _is_valid(self, key_id: str) -> bool:
        key = self._participants.key(key_id)
        return key is not None and key.is_valid_at(self._clock.now_us())

    def _digest(self, candidate: Candidate, peer: str, body: bytes) -> bytes | Problem:
        digest = check_digest(candidate.bound.content_digest, body)
        if isinstance(digest, Problem):
            self._budget.charge(peer, candidate.key_id)
        return digest

    def _key(self, candidate: Candidate) -> Key | Problem:
        """The key that signed, by the keys and the clock of this moment.

        The body may have taken its time, so nothing that was true of the headers is relied on.
        """
        if not self._participants.is_trusted:
            return _KEYS_UNCONFIRMED
        key = self._participants.key(candidate.key_id)
        if key is None:
            return Problem(name="key-unknown", detail="the key was revoked meanwhile")
        if not key.is_valid_at(self._clock.now_us()):
            return Problem(name="key-not-valid", detail="not before its start, not after its end")
        return key

    def _signer(self, candidate: Candidate, peer: str) -> Key | Problem:
        """Whose signature it is. Only a look-up by this key takes one of its owner's look-ups."""
        key = self._key(candidate)
        if isinstance(key, Problem):
            return key
        is_look_up = candidate.bound.method != "POST"
        refusal = self._attempts.enter((peer, candidate.key_id)) if is_look_up else None
        if refusal is not None:
            return refusal
        if not self._is_genuine(candidate, key.public_key):
            self._budget.charge(peer, candidate.key_id)
            if is_look_up:
                self._attempts.give_back((peer, candidate.key_id))
            return Problem(name="signature-invalid", detail="the signature is not by this key")
        self._note_key_use(key, self._clock.now_us())
        return key

    def _is_genuine(self, candidate: Candidate, public_key: bytes) -> bool:
        started_s = self._clock.monotonic_s()
        is_genuine = verify(candidate, public_key)
        self._metrics.signature_seconds.observe(self._clock.monotonic_s() - started_s)
        return is_genuine

    def check_second(self, caller: Caller, public_key: bytes) -> Problem | None:
        """Why the second signature of a caller is not by this key; a failure is the caller's."""
        assert caller.second is not None, "a request that is signed by two"
        if self._is_genuine(caller.second, public_key):
            return None
        self._budget.charge(caller.request.peer, caller.key_id)
        return Problem(
            name="signature-invalid",
            detail=f"the signature that names {caller.second.key_id[:120]} is not by this key",
        )

    def seal(self, caller: Caller, result: Answer | Problem) -> Answer:
        """The answer to a verified request, signed and bound to it."""
        if isinstance(result, Problem):
            result = refused(self._refused(caller.participant, result))
        key = self._participants.own_key()
        started_s = self._clock.monotonic_s()
        created = self._clock.now_us() // 1_000_000
        answer = signed(result, key=key, bound=caller.bound, created=created)
        self._metrics.sealing_seconds.observe(self._clock.monotonic_s() - started_s)
        return answer

    async def seal_if_verified(self, request: Request, refusal: Answer) -> Answer:
        """The refusal of a path or method that is not here: signed for who can be verified.

        Who did not sign, and who signed wrongly, gets it as it is and hears nothing of signatures.
        """
        too_large = (request.body_bytes or 0) > limits.BODY_BYTES_MAX
        if too_large or not request.headers.getall("Signature", []):
            return refusal
        caller = await self.admit(request)
        if isinstance(caller, Problem):
            return refusal
        if request.method != "HEAD":
            return self.seal(caller, refusal)
        # The answer to a HEAD has no content, and that is what is digested (RFC 9530, B.2).
        return refusal.with_fields(self.seal(caller, Answer(refusal.status, b"")).fields)

    def signed(self, handle: Handle, *, by_two: bool = False) -> Handler:
        """What serves an endpoint that asks the ledger directly: admit, handle, seal."""

        async def serve(request: Request) -> Answer:
            caller = await self.admit(request, by_two=by_two)
            if isinstance(caller, Problem):
                return refused(caller)
            return self.seal(caller, await self._handle(caller, handle))

        return serve

    def read_refusal(self, caller: Caller) -> Problem | None:
        """Why this look-up is one too many of its participant, if so. A POST is none."""
        if caller.request.method == "POST":
            return None
        return self._reads.enter(caller.participant.number)

    def signed_large(self, handle: Handle, *, body_bytes_max: int, in_flight: InFlight) -> Handler:
        """What serves an endpoint whose bodies are too large to be kept for strangers.

        A signature covers the digest, not the body: who asks is proven by the headers, and there
        must be room among the requests in flight, before a byte of the body is read. The room is
        kept until the answer was taken, so a slow reader holds his own room and no more memory.
        """

        async def serve(request: Request) -> Answer:
            candidate = self._candidate(request)
            if isinstance(candidate, Problem):
                return refused(self._counted(request, candidate))
            key = self._signer(candidate, request.peer)
            if isinstance(key, Problem):
                return refused(self._counted(request, key))
            sender = key.participant
            refusal = STOPPING if self._is_draining else in_flight.enter(sender.number)
            if refusal is not None:
                return self.seal(_bodiless(request, candidate, key), refusal)
            request.after_answer = partial(in_flight.leave, sender.number)
            caller = await self._with_body(request, candidate, body_bytes_max)
            if isinstance(caller, Problem):
                return refused(self._counted(request, caller))
            return self.seal(caller, await _answered(caller, handle))

        return serve

    async def _with_body(
        self, request: Request, candidate: Candidate, body_bytes_max: int
    ) -> Caller | Problem:
        """The caller who was proven before, now that the body has come."""
        body = await self._body(request, body_bytes_max)
        if isinstance(body, Problem):
            return body
        digest = self._digest(candidate, request.peer, body)
        if isinstance(digest, Problem):
            return digest
        key = self._key(candidate)
        if isinstance(key, Problem):
            return key
        return Caller(
            participant=key.participant,
            key_id=candidate.key_id,
            key_no=key.number,
            bound=candidate.bound,
            request=request,
            body=body,
            digest=digest,
        )

    def drain(self) -> None:
        """Begin nothing new; look-ups are still answered."""
        self._is_draining = True

    async def _handle(self, caller: Caller, handle: Handle) -> Answer | Problem:
        if self._is_draining and caller.request.method == "POST":
            return STOPPING
        refusal = self.read_refusal(caller) or self._in_flight.enter(caller.participant.number)
        if refusal is not None:
            return refusal
        try:
            return await _answered(caller, handle)
        finally:
            self._in_flight.leave(caller.participant.number)

    def _authority(self, given: str | None) -> str | Problem:
        if given in self._authorities:
            return given
        if given is not None and len(given) <= limits.AUTHORITY_CHARS_MAX:
            normal = normal_authority(given, scheme=self._scheme)
            if normal in self._authorities:
                return normal
        return Problem(
            name="wrong-authority", detail="the request is for a name this switch does not have"
        )


def _bodiless(request: Request, candidate: Candidate, key: Key) -> Caller:
    """A caller who is answered before the body is read."""
    return Caller(
        participant=key.participant,
        key_no=key.number,
        key_id=candidate.key_id,
        bound=candidate.bound,
        request=request,
        body=b"",
        digest=b"",
    )


async def _answered(caller: Caller, handle: Handle) -> Answer | Problem:
    try:
        return await handle(caller)
    except LedgerUnavailable:
        return ledger_unavailable()
    except OutcomeUnknown:
        return OUTCOME_UNKNOWN


def body_too_large(bytes_max: int) -> Problem:
    """The problem of a body that is longer than its endpoint takes."""
    return Problem(name="body-too-large", detail=f"a body has at most {bytes_max} bytes here")


def media_type_refusal(headers: FieldLines) -> Problem | None:
    """Why the body is not read as JSON, if so: its type must say that it is, and nothing else."""
    encodings = headers.getall(hdrs.CONTENT_ENCODING, [])
    if encodings and encodings != ["identity"]:
        return Problem(
            name="media-type-unsupported", detail="send the body as it is, without an encoding"
        )
    kinds = headers.getall(hdrs.CONTENT_TYPE, [])
    if kinds == ["application/json"]:
        return None
    if len(kinds) == 1:
        kind, _, parameters = kinds[0].lower().partition(";")
        charset = parameters.strip().replace('"', "")
        if kind.strip() == "application/json" and charset in {"", "charset=utf-8"}:
            return None
    return Problem(name="media-type-unsupported", detail="send application/json in UTF-8")
