"""Answers: rendering them and signing them. No I/O, no clock: time is an argument.

One renderer serves the first answer of a payment and every repeat, so a repeat is the same bytes.
A stored answer is rebuilt, not kept: `answer_version` stands beside each decision and names the
renderer that wrote it; an old renderer is never changed, golden files prove it. A look-up is no
repeat: it shows what became of a payment since, in the form of today.

Every answer to a verified request is signed, problems included, and bound to what was asked. An
answer to a request that was not verified is unsigned and promises nothing.
"""

from collections.abc import Callable, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from switch.components import BoundRequest
from switch.errors import Problem
from switch.message import Payment, Step
from switch.signature import SigningKey, sign_reply

JSON = "application/json"
PROBLEM_JSON = "application/problem+json"

_encoder = msgspec.json.Encoder()


class Answer(Struct, frozen=True):
    """What goes back over HTTP; `fields` are the header fields beside the type and the length."""

    status: int
    body: bytes
    media_type: str = JSON
    fields: dict[str, str] = {}

    def with_fields(self, fields: dict[str, str]) -> "Answer":
        """The same answer with more header fields."""
        return Answer(self.status, self.body, self.media_type, {**self.fields, **fields})


class Page(Struct, frozen=True, kw_only=True):
    """A piece of a list. `next_after` is what to send as `after` for the next piece."""

    data: Sequence[Struct]
    has_more: bool
    next_after: str | None


def _render_payment_1(payment: Payment | Step) -> bytes:
    """Version 1: the members of the struct in their order, no white space, UTF-8 not escaped."""
    return _encoder.encode(payment)


ANSWER_VERSION = 1  # of decisions written by this version of the switch
PAYMENT_RENDERERS: dict[int, Callable[[Payment | Step], bytes]] = {1: _render_payment_1}

_REPLAYED = {"Idempotent-Replayed": "true"}


def render_payment(payment: Payment | Step, answer_version: int = ANSWER_VERSION) -> bytes:
    """The bytes of a decision, as they were first answered."""
    renderer = PAYMENT_RENDERERS.get(answer_version)
    assert renderer is not None, f"a newer switch wrote this decision: version {answer_version}"
    return renderer(payment)


def decided(
    payment: Payment | Step, *, replayed: bool, answer_version: int = ANSWER_VERSION
) -> Answer:
    """The answer to a payment: `201` the first time, `200` and the same body to a repeat.

    While a bank is deciding it is `202` and the present state, whoever asks.
    """
    body = render_payment(payment, answer_version)
    if payment.status == "pending":
        return Answer(202, body)
    return Answer(200, body, JSON, _REPLAYED) if replayed else Answer(201, body)


def document(content: Struct | dict[str, Any], *, status: int = 200) -> Answer:
    """The answer that shows something."""
    return Answer(status, _encoder.encode(content))


def page(found: Sequence[Any], count: int, cursor: Callable[[Any], str]) -> Answer:
    """The first `count` of what was found; one more than that means there is more."""
    shown = found[:count]
    has_more = len(found) > count
    return document(
        Page(data=shown, has_more=has_more, next_after=cursor(shown[-1]) if has_more else None)
    )


def repeated(content: Struct) -> Answer:
    """The stored answer of something other than a payment."""
    return Answer(200, _encoder.encode(content), JSON, _REPLAYED)


def refused(problem: Problem) -> Answer:
    """The answer that says why not (RFC 9457)."""
    content: dict[str, Any] = {
        "type": f"urn:switch:problem:{problem.name}",
        "title": problem.title,
        "status": problem.status,
        "detail": problem.detail,
    }
    if problem.field is not None:
        content["field"] = problem.field
    fields = {}
    if problem.retry_after_s is not None:
        fields["Retry-After"] = str(problem.retry_after_s)
    return Answer(problem.status, _encoder.encode(content), PROBLEM_JSON, fields)


def signed(answer: Answer, *, key: SigningKey, bound: BoundRequest, created: int) -> Answer:
    """The answer with Content-Digest and signature; `created` in Unix seconds."""
    signature = sign_reply(
        key, status=answer.status, body=answer.body, bound=bound, created=created
    )
    return answer.with_fields(signature)
